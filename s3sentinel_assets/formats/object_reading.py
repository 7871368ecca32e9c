"""One object while it is read: bytes hashed and counted, a bad end kept, every record accounted for.

Belongs here: what holds for an object of any format, also that its records are taken back when it must be read again as
a whole. Does not belong here: several objects (``part``), what a record is (each format).
"""

import hashlib
from bisect import bisect_left
from collections.abc import Iterator

import polars as pl

from s3sentinel_assets.containers import ContainerError, ReadFailure, ReadFailureState, decode
from s3sentinel_assets.formats.model import ObjectInput, ObjectReport, Reading
from s3sentinel_assets.formats.rejects import RejectLog

__all__ = ["ObjectReading"]


class ObjectReading(Reading):
    """One object being read.

    Attributes:
        report: what became of it so far.
        failure: why its bytes could not be had to the end.
        lost_tail: whether something after its last whole record was given up.
        tail_rejected: whether that something is in quarantine; it is not where only other records are wanted.
        selective: whether only some of its records are wanted.
        discarded: whether it must be read again as a whole, so that no record of this reading counts.
        in_earlier_frames: whether rows of it were handed out before it was discarded.
    """

    def __init__(
        self, source: ObjectInput, rejects: RejectLog, *, ratio_limit: int, bytes_limit: int, hash_content: bool = False
    ) -> None:
        """Prepares to read ``source``; nothing is opened yet. ``hash_content``: also hash what it decodes to."""
        self.object_id = source.object_id
        self.identity = source.identity
        self.key = source.key
        self.arrived = source.arrived
        self.report = ObjectReport(source.object_id, source.key)
        self.failure: ReadFailure | None = None
        self.lost_tail = False
        self.tail_rejected = False
        self.discarded = False
        self.in_earlier_frames = False
        self.selective = source.only is not None
        self._only = source.only or frozenset[int]()
        self._only_from = source.only_from
        self._sorted = sorted(self._only)
        self._first = self._counted = source.first
        self._source = source
        self._rejects = rejects
        self._cut: tuple[str, str] | None = None
        self._digest = hashlib.sha256()
        self._content = hashlib.sha256() if hash_content else None
        self._stored = self._read_stored()
        self._decoded = decode(
            self._stored, ratio_limit=ratio_limit, bytes_limit=bytes_limit, facts=self.report.packing
        )

    @property
    def cut(self) -> tuple[str, str] | None:
        """Reason and detail when the decoded bytes stopped before their end."""
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
                if self._content is not None:
                    self._content.update(piece)
                yield piece
        except ContainerError as error:
            self._cut = error.reason, error.detail
            self.report.cut_short = True
        except ReadFailure as failure:
            self._cut = failure.state, failure.reason
            self._fail(failure)
        if self.failure is None:
            self._finish_stored()
        if self.failure is None and self._content is not None:
            self.report.content_sha256 = self._content.hexdigest()

    def _finish_stored(self) -> None:
        """Reads what the decoder left, so that the checksum covers the whole object."""
        try:
            for _ in self._stored:
                pass
        except ReadFailure as failure:
            self._fail(failure)

    def _fail(self, failure: ReadFailure) -> None:
        self.failure = failure
        if failure.again:
            self._discard(failure.state)

    def _discard(self, state: ReadFailureState) -> None:
        """Takes back every record: half an object now and all of it later would be a loss or a duplicate."""
        self.discarded = True
        self.in_earlier_frames = self.report.rows > 0
        self._rejects.drop(self.object_id)
        self.report.state = state
        self.report.format = self.report.table = self.report.note = None
        self.report.records = self.report.rows = self.report.rejected = self.report.decoded_bytes = 0
        self.report.counted = 0

    def count(self, records: int) -> int:
        """Counts records; see `Reading.count`."""
        first = self._counted
        self._counted += records
        if not self.discarded:
            self.report.counted = self._counted - self._first
            self.report.records += self._wanted_between(first, self._counted)
        return first

    def _wanted_between(self, first: int, end: int) -> int:
        if not self.selective:
            return end - first
        begin, stop = bisect_left(self._sorted, first), bisect_left(self._sorted, end)
        if self._only_from is None or self._only_from >= end:
            return stop - begin
        behind = max(first, self._only_from)
        return bisect_left(self._sorted, behind) - begin + end - behind

    def wants(self, ordinal: int) -> bool:
        """Whether the record of this number is kept."""
        if not self.selective or ordinal in self._only:
            return True
        return self._only_from is not None and ordinal >= self._only_from

    @property
    def wanted(self) -> pl.DataFrame:
        """Of a selective reading, the single records wanted: ``_object``, ``_ordinal``."""
        numbers = pl.Series("_ordinal", self._sorted, dtype=pl.Int64)
        return pl.DataFrame(
            [pl.Series("_object", [self.object_id], dtype=pl.Int64).new_from_index(0, numbers.len()), numbers]
        )

    @property
    def wanted_from(self) -> int | None:
        """Of a selective reading, the number from which on all records are wanted."""
        return self._only_from

    def count_rows(self, rows: int, log_format: str, table: str) -> None:
        """Counts rows that are handed out in a frame, and notes formats and tables beside the first ones."""
        self.report.rows += rows
        self.report.format = _joined(self.report.format, log_format)
        self.report.table = _joined(self.report.table, table)

    def reject(self, ordinal: int, offset: int | None, reason: str, detail: str, data: bytes) -> None:
        """Quarantines a record; see `Reading.reject`."""
        if not self.discarded and self.wants(ordinal):
            self.report.rejected += 1
            self._rejects.add(self.object_id, ordinal, offset, reason, detail, data, self.header)

    def lose_tail(self, offset: int | None, reason: str, detail: str, data: bytes) -> None:
        """Gives up what follows the last whole record; see `Reading.lose_tail`."""
        self.lost_tail = True
        ordinal = self.count(1)
        self.tail_rejected = self.wants(ordinal)
        if self.tail_rejected:
            self.remark(detail)
        self.reject(ordinal, offset, reason, detail, data)

    def remark(self, note: str) -> None:
        """Adds a note; one on a discarded object says why it is read again, and nothing else."""
        if not self.discarded:
            self.report.remark(note)

    def remark_failure(self) -> None:
        """Notes why the bytes could not be had, if they could not."""
        if self.failure is not None:
            self.report.remark(self.failure.reason)


def _joined(names: str | None, name: str) -> str:
    if names is None:
        return name
    return names if name in names.split("+") else f"{names}+{name}"
