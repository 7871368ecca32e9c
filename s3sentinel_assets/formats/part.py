"""Reads a part: many objects in, a few big frames out, and an account of every record.

Belongs here: the loop over objects — opening, decoding, detecting, cutting frames, deciding an object's final state.
Does not belong here: anything one format knows, S3, the ledger.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain

import polars as pl

from s3sentinel_assets.formats.detection import HEAD_BYTES, MINIMUM_CONFIDENCE, detect
from s3sentinel_assets.formats.model import (
    FormatParser,
    ObjectInput,
    ObjectReport,
    ParsedFrame,
    ParseOptions,
    Reading,
    Stray,
    Strays,
)
from s3sentinel_assets.formats.object_reading import ObjectReading
from s3sentinel_assets.formats.registry import AUTO, format_parser
from s3sentinel_assets.formats.rejects import REJECT_DATA_BYTES, RejectLog

__all__ = ["AccountingError", "PartParser"]


#: How sure another format must be of records that the object's own format cannot read. The generic formats, which take
#: nearly anything, are never so sure.
STRAY_CONFIDENCE = 0.6


class AccountingError(RuntimeError):
    """Rows and rejects do not add up to the records that were read: a defect in a format's parser."""


class PartParser:
    """Parses the objects of a part.

    Attributes:
        reports: one `ObjectReport` per object, in order; complete once `frames` is exhausted.
        discarded: ids of objects that were refused half-way, after rows of theirs had been handed out. These rows must
            not be used; the objects' reports say why and count nothing. Complete once `frames` is exhausted. Objects
            that were refused before any of their rows was handed out are not among them.
    """

    def __init__(
        self,
        format: str = AUTO,  # noqa: A002 - the word of the configuration
        options: ParseOptions | None = None,
        *,
        file_decoded_bytes: int = 128 << 20,
        object_decoded_bytes: int = 8 << 30,
        decompression_ratio: int = 1_000,
        hash_content: bool = False,
    ) -> None:
        """Prepares to parse.

        Args:
            format: a format's name, or ``auto`` to recognise each object, and the records in it that are of another
                format than the rest.
            options: of the source.
            file_decoded_bytes: decoded input behind one frame, about.
            object_decoded_bytes: decoded bytes allowed per object.
            decompression_ratio: decoded bytes allowed per stored byte.
            hash_content: hash what each object decodes to, as CloudTrail's digests name it.

        Raises:
            ConfigurationError: no such format.
        """
        if format != AUTO:
            format_parser(format)
        self.format = format
        self._options = options or ParseOptions()
        self.reports: list[ObjectReport] = []
        self._frame_bytes = file_decoded_bytes
        self._bytes_limit = object_decoded_bytes
        self._ratio_limit = decompression_ratio
        self._hash_content = hash_content
        self._rejects = RejectLog()
        self._parsers: dict[str, FormatParser] = {}
        self._adopters: set[str] = set()  # formats that took strays, perhaps not in their order
        self._by_id: dict[int, ObjectReading] = {}

    @property
    def rejects(self) -> pl.DataFrame:
        """Every rejected record so far, schema `rejects.REJECT_SCHEMA`."""
        return self._rejects.frame()

    @property
    def discarded(self) -> set[int]:
        """Objects whose rows in frames handed out must not be used; see above."""
        return {object_id for object_id, reading in self._by_id.items() if reading.in_earlier_frames}

    def frames(self, inputs: Iterable[ObjectInput]) -> Iterator[ParsedFrame]:
        """Reads the objects in order.

        Args:
            inputs: the objects; their ids must differ.

        Yields:
            Frames of about ``file_decoded_bytes`` of input each, one format a frame. Look at `discarded` after the
            last one.

        Raises:
            AccountingError: a format lost count of its records.
        """
        for source in inputs:
            if source.object_id in self._by_id:
                raise ValueError(f"object id {source.object_id} was given twice")
            yield from self._read(source)
        taken = set[str]()
        # Taking from one format may hand strays to another that was taken before, or that was not there.
        while names := [name for name, parser in self._parsers.items() if name not in taken or parser.pending_bytes]:
            for name in names:
                taken.add(name)
                yield from self._take(self._parsers[name])
        for report in self.reports:
            if report.records != report.rows + report.rejected:
                raise AccountingError(
                    f"{report.key}: {report.records} records were read, but {report.rows} became rows and "
                    f"{report.rejected} were rejected"
                )

    def _take(self, parser: FormatParser) -> Iterator[ParsedFrame]:
        for frame in parser.take():
            # As a series: a query over the frame could copy all of it.
            counts = dict(frame.rows["_object"].value_counts().iter_rows())
            if frame.format in self._adopters:
                frame = self._in_order(frame)
            kept = frame
            dropped = [object_id for object_id in counts if self._by_id[object_id].discarded]
            selective = [reading for object_id in counts if (reading := self._by_id[object_id]).selective]
            if dropped or selective:
                stay = ~frame.rows["_object"].is_in(dropped) & _wanted(frame.rows, selective)
                kept = ParsedFrame(frame.format, frame.table, frame.rows.filter(stay), frame.entities.filter(stay))
                counts = dict(kept.rows["_object"].value_counts().iter_rows())
            for object_id, count in counts.items():
                self._by_id[object_id].count_rows(count, frame.format, frame.table)
            if kept.rows.height:
                yield kept

    def _in_order(self, frame: ParsedFrame) -> ParsedFrame:
        """The rows in the order of objects and records."""
        ranks = {object_id: rank for rank, object_id in enumerate(self._by_id)}
        order = frame.rows.select(
            pl.arg_sort_by(pl.col("_object").replace_strict(ranks, return_dtype=pl.Int64), "_ordinal")
        ).to_series()
        if order.is_sorted():
            return frame
        return ParsedFrame(frame.format, frame.table, frame.rows[order], frame.entities[order])

    def _read(self, source: ObjectInput) -> Iterator[ParsedFrame]:
        reading = ObjectReading(
            source,
            self._rejects,
            ratio_limit=self._ratio_limit,
            bytes_limit=self._bytes_limit,
            hash_content=self._hash_content,
        )
        report = reading.report
        self.reports.append(report)
        self._by_id[source.object_id] = reading
        chunks = reading.chunks()
        head = b""
        for piece in chunks:
            head += piece
            if len(head) >= HEAD_BYTES:
                break
        if reading.discarded or not head:
            self._nothing_decoded(reading)
            return
        parser = self._parser(source.format) if source.format else self._parser_for(reading, head, source.key, chunks)
        if parser is None:
            return
        report.format = parser.name
        for _ in parser.read(reading, chain((head,), chunks)):
            yield from self._take_full()
        self._settle(reading)
        yield from self._take_full()

    def _take_full(self) -> Iterator[ParsedFrame]:
        for parser in list(self._parsers.values()):
            if parser.pending_bytes >= self._frame_bytes:
                yield from self._take(parser)

    def _parser_for(
        self, reading: ObjectReading, head: bytes, key: str, chunks: Iterator[bytes]
    ) -> FormatParser | None:
        """The parser for this content; None, after quarantining the object as one record, when there is none."""
        name, sample = self.format, head[:HEAD_BYTES]
        if name == AUTO:
            found = detect(sample, key, quick=True)
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
            if reading.discarded or not head.strip():
                self._nothing_decoded(reading)
                return None
            if reading.cut:
                reason, detail = reading.cut
            reading.lose_tail(0, reason, detail, head)
            reading.report.state = "unreadable"
            reading.remark_failure()
            return None
        return self._parser(name)

    def _parser(self, name: str) -> FormatParser:
        if name not in self._parsers:
            strays = self._place_strays(name) if self.format == AUTO else None
            self._parsers[name] = format_parser(name)(self._options, strays)
        return self._parsers[name]

    def _place_strays(self, name: str) -> Strays:
        """Offers strays of the format ``name`` to the others, of its family mostly, the likeliest first."""
        families = format_parser(name).offers_to or (format_parser(name).family,)

        def offer(reading: Reading, strays: Sequence[Stray]) -> Sequence[Stray]:
            left, tried = strays, {name}
            while left and (found := _adopter(left, reading.key, families, tried)):
                tried.add(found)
                self._adopters.add(found)
                left = self._parser(found).adopt(reading, [*left])
            return left

        return offer

    def _nothing_decoded(self, reading: ObjectReading) -> None:
        report = reading.report
        if reading.failure is not None:
            report.state = reading.failure.state
            reading.remark_failure()
        elif reading.cut:
            reading.lose_tail(0, *reading.cut, b"")
            report.state = "unreadable"
        else:
            report.remark("empty object")

    def _settle(self, reading: ObjectReading) -> None:
        """Decides the state of an object that a format has read."""
        report = reading.report
        if reading.cut and not reading.lost_tail:
            # The cut fell between two records: what is missing still counts as one.
            reading.lose_tail(report.decoded_bytes, *reading.cut, b"")
        reading.remark_failure()
        if reading.tail_rejected and not reading.discarded:
            report.state = "partly_read" if report.records > 1 else "unreadable"


def _adopter(strays: Sequence[Stray], key: str, families: Sequence[str], tried: Collection[str]) -> str | None:
    """The format, of these families and not tried yet, that strays most likely are of; None when there is none.

    The first strays are looked at together, then some of all of them one by one: what nobody knows must not hide what
    stands behind it.
    """
    for head in _stray_heads(strays):
        for name, confidence, _ in detect(head, key, families=families).considered:
            if confidence >= STRAY_CONFIDENCE and name not in tried:
                return name
    return None


def _stray_heads(strays: Sequence[Stray]) -> Iterator[bytes]:
    head = b""
    for stray in strays:
        head += stray.data + b"\n"
        if len(head) >= HEAD_BYTES:
            break
    yield head[:HEAD_BYTES]
    last = len(strays) - 1
    # Neighbours in three places: strays of several formats often take turns.
    places = {start + step for start in (0, last // 2, last - 2) for step in range(3)} if last else set[int]()
    yield from (strays[place].data[:HEAD_BYTES] for place in sorted(places) if 0 <= place <= last)


def _wanted(rows: pl.DataFrame, selective: Sequence[ObjectReading]) -> pl.Series:
    """Which rows are records that are wanted, where of the objects ``selective`` only some are."""
    places = rows.select("_object", "_ordinal")
    wanted = ~places["_object"].is_in([reading.object_id for reading in selective])
    if not selective:
        return wanted
    picked = pl.concat([reading.wanted for reading in selective])
    found = places.with_row_index("row").join(picked, on=["_object", "_ordinal"], how="semi")["row"]
    wanted = wanted.scatter(found, values=True)
    beyond = {reading.object_id: reading.wanted_from for reading in selective if reading.wanted_from is not None}
    if beyond:
        first = places["_object"].replace_strict(beyond, default=None, return_dtype=pl.Int64)
        wanted |= (places["_ordinal"] >= first).fill_null(value=False)
    return wanted
