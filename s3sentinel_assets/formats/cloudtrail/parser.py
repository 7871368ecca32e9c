"""CloudTrail objects → records → frames.

Belongs here: recognising CloudTrail, gathering its records, quarantining what is none. Does not belong here: the
table's columns (``columns``) and the entities (``entities``).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar

import polars as pl

from s3sentinel_assets.formats.cloudtrail.columns import to_rows
from s3sentinel_assets.formats.cloudtrail.entities import to_entities
from s3sentinel_assets.formats.cloudtrail.record import Record
from s3sentinel_assets.formats.instants import EVENT_YEARS, parse_iso8601
from s3sentinel_assets.formats.json_columns import collector_paused, columns_of, null_raw
from s3sentinel_assets.formats.json_records import BrokenRecord, JsonSplitter, RecordRun
from s3sentinel_assets.formats.json_typed import TypedDecoder, Undecodable
from s3sentinel_assets.formats.model import FormatParser, ParsedFrame, Reading, Verdict

__all__ = ["CloudTrailParser"]

_RECORD_START = re.compile(rb'\{\s*"eventVersion"\s*:')
_ENVELOPE = re.compile(rb'^\{\s*"Records"\s*:\s*\[')
# S3 and other services notify in records that look much alike, but name the source "aws:s3".
_NOTIFICATION = re.compile(rb'"eventSource"\s*:\s*"aws:')
# In this many bytes a CloudTrail record would have shown one of its keys.
_TELLING_BYTES = 256
_KEYS = (b'"eventVersion"', b'"eventSource"', b'"eventName"', b'"eventTime"', b'"awsRegion"', b'"userIdentity"')
# Decoding and column building in steps this long keep the records in the processor's cache.
_STEP = 1_000


class CloudTrailParser(FormatParser):
    """Parses ``{"Records":[…]}``, bare arrays and JSON lines of CloudTrail records."""

    name: ClassVar[str] = "cloudtrail"
    title: ClassVar[str] = "AWS CloudTrail"
    table: ClassVar[str] = "AWSCloudTrail"
    native_event_ids: ClassVar[bool] = True

    def __init__(self, *, window: int = 8 << 20) -> None:
        """``window``: decoded bytes of an object held at once."""
        super().__init__()
        self._splitter = JsonSplitter("Records", _RECORD_START, window=window)
        self._decoder = TypedDecoder(Record)
        self._frames: list[pl.DataFrame] = []
        self._readings: dict[int, Reading] = {}
        self._clear_step()

    def _clear_step(self) -> None:
        self._records: list[Record] = []
        self._flags: list[str | None] = []
        self._objects: list[int] = []
        self._ordinals: list[int] = []
        self._texts: list[tuple[RecordRun, int]] = []

    @classmethod
    def sniff(cls, head: bytes, key: str) -> Verdict:
        """CloudTrail's own keys near the start decide; JSON that is cut too early for them may still be it."""
        text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
        if not text.startswith((b"{", b"[")):
            return Verdict(0.0, "it is not JSON")
        found = sum(name in text for name in _KEYS)
        if b'"digestS3Object"' in text or b'"digestStartTime"' in text:
            return Verdict(0.1, "it is a CloudTrail digest file")
        if _NOTIFICATION.search(text):
            return Verdict(0.1, "it is an event notification")
        if found >= 3:
            return Verdict(0.99 if _ENVELOPE.match(text) else 0.9, f"JSON with {found} of CloudTrail's keys")
        if _ENVELOPE.match(text) and (found or len(text) < _TELLING_BYTES):
            return Verdict(0.8 if found or "CloudTrail" in key else 0.4, "JSON with a list of Records")
        if found > 1 or _KEYS[0] in text:
            return Verdict(0.5, f"JSON with {found} of CloudTrail's keys")
        return Verdict(0.05, "it is JSON without CloudTrail's keys")

    def read(self, reading: Reading, chunks: Iterable[bytes]) -> Iterator[None]:
        """Gathers one object's records; see `FormatParser.read`."""
        self._readings[reading.object_id] = reading
        for piece in self._splitter.split(chunks):
            if isinstance(piece, BrokenRecord):
                self._broken(reading, piece)
                continue
            for start in range(0, len(piece.values), _STEP):
                self._gather(reading, piece, range(start, min(start + _STEP, len(piece.values))))
                self.pending_bytes += sum(len(text) for text in piece.values[start : start + _STEP])
                yield

    @staticmethod
    def _broken(reading: Reading, piece: BrokenRecord) -> None:
        if not piece.tail:
            reading.reject(reading.count(1), piece.offset, "bad_json", piece.detail, piece.data)
            return
        reason, detail = reading.cut or ("truncated_json", piece.detail)
        reading.lose_tail(piece.offset, reason, detail, piece.data)

    def _gather(self, reading: Reading, run: RecordRun, indices: range) -> None:
        texts = run.values[indices.start : indices.stop]
        first = reading.count(len(texts))
        with collector_paused():
            try:
                records: Sequence[Record] = self._decoder.decode_many(texts)
                flags: Sequence[str | None] = [None] * len(texts)
                kept: Sequence[int] = range(len(texts))
            except (ValueError, RecursionError):
                records, flags, kept = self._one_by_one(reading, run, indices, first)
            self._records += records
            self._flags += flags
            self._objects += [reading.object_id] * len(kept)
            self._ordinals += [first + index for index in kept]
            self._texts += [(run, indices.start + index) for index in kept]
        if len(self._records) >= _STEP:
            self._finish_step()

    def _one_by_one(
        self, reading: Reading, run: RecordRun, indices: range, first: int
    ) -> tuple[list[Record], list[str | None], list[int]]:
        records, flags, kept = [], [], []
        for position, index in enumerate(indices):
            text = bytes(run.values[index])
            decoded = self._decoder.decode(text)
            if isinstance(decoded, Undecodable):
                reading.reject(first + position, run.offset(index), decoded.reason, decoded.detail, text)
                continue
            records.append(decoded[0])
            flags.append(decoded[1])
            kept.append(position)
        return records, flags, kept

    def _finish_step(self) -> None:
        """Turns the gathered records into columns; a record without a time goes to quarantine here."""
        if not self._records:
            return
        with collector_paused():
            try:
                columns = columns_of(Record, self._records)
            except pl.exceptions.PolarsError:
                self._mend_utf8()
                columns = columns_of(Record, self._records)
        written = columns["eventTime"]
        columns["eventTime"] = parse_iso8601(written)
        frame = pl.DataFrame(columns).with_columns(
            pl.Series("_object", self._objects, dtype=pl.Int64),
            pl.Series("_ordinal", self._ordinals, dtype=pl.Int64),
            pl.Series("_flags", self._flags, dtype=pl.String),
        )
        timeless = frame["eventTime"].is_null()
        for index in timeless.arg_true():
            run, position = self._texts[index]
            self._readings[self._objects[index]].reject(
                self._ordinals[index],
                run.offset(position),
                "no_event_time",
                _no_time(written[index]),
                bytes(run.values[position]),
            )
        self._frames.append(frame.filter(~timeless) if timeless.any() else frame)
        self._clear_step()

    def _mend_utf8(self) -> None:
        """Replaces the records whose raw fields are not UTF-8; strict decoding does not look inside those."""
        for index, (run, position) in enumerate(self._texts):
            text = bytes(run.values[position])
            try:
                text.decode()
            except UnicodeDecodeError:
                mended = self._decoder.decode(text.decode(errors="replace").encode())
                if isinstance(mended, Undecodable):
                    raise RuntimeError("a record that decoded once must decode again") from None  # noqa: TRY004
                self._records[index] = mended[0]
                self._flags[index] = ";".join(filter(None, ("invalid_utf8", mended[1])))

    def take(self) -> ParsedFrame | None:
        """The rows gathered since the last call; see `FormatParser.take`."""
        self._finish_step()
        frames, self._frames = self._frames, []
        self.pending_bytes = 0
        if not frames:
            return None
        # One chunk: Polars copies frames of several chunks whenever they are queried.
        raw = pl.concat(frames, rechunk=True).with_columns(null_raw(Record))
        del frames
        rows = to_rows(raw, {object_id: reading.identity for object_id, reading in self._readings.items()})
        return ParsedFrame(self.name, self.table, rows, to_entities(raw, rows))


def _no_time(written: str | None) -> str:
    if written is None:
        return "the record has no eventTime"
    return f"the eventTime {written[:100]!r} is no time {EVENT_YEARS}"
