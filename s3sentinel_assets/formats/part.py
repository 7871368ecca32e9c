"""Reads a part: many objects in, a few big frames out, and an account of every record.

Belongs here: the loop over objects — opening, decoding, detecting, cutting frames, deciding an object's final state.
Does not belong here: anything one format knows, S3, the ledger.
"""

import hashlib
from collections.abc import Iterable, Iterator
from itertools import chain

import polars as pl

from s3sentinel_assets.containers import ContainerError, ReadFailure, decode
from s3sentinel_assets.formats.detection import HEAD_BYTES, MINIMUM_CONFIDENCE, detect
from s3sentinel_assets.formats.model import FormatParser, ObjectInput, ObjectReport, ParsedFrame, Reading
from s3sentinel_assets.formats.registry import AUTO, format_parser
from s3sentinel_assets.formats.rejects import REJECT_DATA_BYTES, RejectLog

__all__ = ["AccountingError", "PartParser"]


class AccountingError(RuntimeError):
    """Rows and rejects do not add up to the records that were read: a defect in a format's parser."""


class _ObjectReading(Reading):
    """One object: its stored bytes hashed and counted, its decoded bytes guarded, its records accounted for."""

    def __init__(self, source: ObjectInput, rejects: RejectLog, *, ratio_limit: int, bytes_limit: int) -> None:
        self.object_id = source.object_id
        self.identity = source.identity
        self.report = ObjectReport(source.object_id, source.key)
        self.failure: ReadFailure | None = None
        self.lost_tail = False
        self._source = source
        self._rejects = rejects
        self._cut: tuple[str, str] | None = None
        self._digest = hashlib.sha256()
        self._stored = self._read_stored()
        self._decoded = decode(self._stored, ratio_limit=ratio_limit, bytes_limit=bytes_limit)

    @property
    def cut(self) -> tuple[str, str] | None:
        return self._cut

    def _read_stored(self) -> Iterator[bytes]:
        for chunk in self._source.open():
            self._digest.update(chunk)
            self.report.raw_bytes += len(chunk)
            yield chunk
        self.report.sha256 = self._digest.hexdigest()

    def chunks(self) -> Iterator[bytes]:
        """The decoded bytes; a bad end is kept in ``cut`` instead of being raised, after what came before it."""
        try:
            for piece in self._decoded:
                self.report.decoded_bytes += len(piece)
                yield piece
        except ContainerError as error:
            self._cut = error.reason, error.detail
        except ReadFailure as failure:
            self.failure = failure
            self._cut = failure.state, failure.reason
        if self.failure is None:
            self._finish_stored()

    def _finish_stored(self) -> None:
        """Reads what the decoder left, so that the checksum covers the whole object."""
        try:
            for _ in self._stored:
                pass
        except ReadFailure as failure:
            self.failure = failure

    def count(self, records: int) -> int:
        first = self.report.records
        self.report.records += records
        return first

    def reject(self, ordinal: int, offset: int | None, reason: str, detail: str, data: bytes) -> None:
        self.report.rejected += 1
        self._rejects.add(self.object_id, ordinal, offset, reason, detail, data)

    def lose_tail(self, offset: int | None, reason: str, detail: str, data: bytes) -> None:
        self.lost_tail = True
        self.report.remark(detail)
        self.reject(self.count(1), offset, reason, detail, data)

    def remark(self, note: str) -> None:
        self.report.remark(note)


class PartParser:
    """Parses the objects of a part.

    Attributes:
        reports: one `ObjectReport` per object, in order; complete once `frames` is exhausted.
    """

    def __init__(
        self,
        format: str = AUTO,  # noqa: A002 - the word of the configuration
        *,
        file_decoded_bytes: int = 128 << 20,
        object_decoded_bytes: int = 8 << 30,
        decompression_ratio: int = 1_000,
    ) -> None:
        """Prepares to parse.

        Args:
            format: a format's name, or ``auto`` to recognise each object.
            file_decoded_bytes: decoded input behind one frame, about.
            object_decoded_bytes: decoded bytes allowed per object.
            decompression_ratio: decoded bytes allowed per stored byte.

        Raises:
            ConfigurationError: no such format.
        """
        if format != AUTO:
            format_parser(format)
        self.format = format
        self.reports: list[ObjectReport] = []
        self._frame_bytes = file_decoded_bytes
        self._bytes_limit = object_decoded_bytes
        self._ratio_limit = decompression_ratio
        self._rejects = RejectLog()
        self._parsers: dict[str, FormatParser] = {}
        self._by_id: dict[int, ObjectReport] = {}

    @property
    def rejects(self) -> pl.DataFrame:
        """Every rejected record so far, schema `rejects.REJECT_SCHEMA`."""
        return self._rejects.frame()

    def frames(self, inputs: Iterable[ObjectInput]) -> Iterator[ParsedFrame]:
        """Reads the objects in order.

        Args:
            inputs: the objects; their ids must differ.

        Yields:
            Frames of about ``file_decoded_bytes`` of input each, one format a frame.

        Raises:
            AccountingError: a format lost count of its records.
        """
        for source in inputs:
            if source.object_id in self._by_id:
                raise ValueError(f"object id {source.object_id} was given twice")
            yield from self._read(source)
        for parser in self._parsers.values():
            yield from self._take(parser)
        for report in self.reports:
            if report.records != report.rows + report.rejected:
                raise AccountingError(
                    f"{report.key}: {report.records} records were read, but {report.rows} became rows and "
                    f"{report.rejected} were rejected"
                )

    def _take(self, parser: FormatParser) -> Iterator[ParsedFrame]:
        frame = parser.take()
        if frame is None:
            return
        # As a series: a query over the frame could copy all of it.
        for object_id, rows in frame.rows["_object"].value_counts().iter_rows():
            self._by_id[object_id].rows += rows
        if frame.rows.height:
            yield frame

    def _read(self, source: ObjectInput) -> Iterator[ParsedFrame]:
        reading = _ObjectReading(source, self._rejects, ratio_limit=self._ratio_limit, bytes_limit=self._bytes_limit)
        report = reading.report
        self.reports.append(report)
        self._by_id[source.object_id] = report
        chunks = reading.chunks()
        head = b""
        for piece in chunks:
            head += piece
            if len(head) >= HEAD_BYTES:
                break
        if not head:
            self._nothing_decoded(reading)
            return
        parser = self._parser_for(reading, head, source.key, chunks)
        if parser is None:
            return
        report.format, report.table = parser.name, parser.table
        for _ in parser.read(reading, chain((head,), chunks)):
            if parser.pending_bytes >= self._frame_bytes:
                yield from self._take(parser)
        self._settle(reading)
        if parser.pending_bytes >= self._frame_bytes:
            yield from self._take(parser)

    def _parser_for(
        self, reading: _ObjectReading, head: bytes, key: str, chunks: Iterator[bytes]
    ) -> FormatParser | None:
        """The parser for this content; None, after quarantining the object as one record, when there is none."""
        name, sample = self.format, head[:HEAD_BYTES]
        if name == AUTO:
            found = detect(sample, key)
            name, reason, detail = found.format, "unknown_format", "the content fits no known format"
        else:
            kind = format_parser(name)
            verdict = kind.sniff(sample, key)
            reason, detail = f"not_{name}", f"the content is not {kind.title}: {verdict.why}"
            if verdict.confidence < MINIMUM_CONFIDENCE:
                name = None
        if name is None:
            for piece in chunks:
                if len(head) <= REJECT_DATA_BYTES:
                    head += piece
            if not head.strip():
                self._nothing_decoded(reading)
                return None
            if reading.cut:
                reason, detail = reading.cut
            reading.lose_tail(0, reason, detail, head)
            reading.report.state = "unreadable"
            self._note_failure(reading)
            return None
        return self._parsers.setdefault(name, format_parser(name)())

    @staticmethod
    def _note_failure(reading: _ObjectReading) -> None:
        if reading.failure is not None:
            reading.report.remark(reading.failure.reason)

    def _nothing_decoded(self, reading: _ObjectReading) -> None:
        report = reading.report
        if reading.failure is not None:
            report.state = reading.failure.state
            report.remark(reading.failure.reason)
        elif reading.cut:
            reading.lose_tail(0, *reading.cut, b"")
            report.state = "unreadable"
        else:
            report.remark("empty object")

    def _settle(self, reading: _ObjectReading) -> None:
        """Decides the state of an object that a format has read."""
        report = reading.report
        if reading.cut and not reading.lost_tail:
            # The cut fell between two records: what is missing still counts as one.
            reading.lose_tail(report.decoded_bytes, *reading.cut, b"")
        self._note_failure(reading)
        if reading.lost_tail:
            report.state = "partly_read" if report.records > 1 else "unreadable"
