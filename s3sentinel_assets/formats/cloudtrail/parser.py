"""CloudTrail objects → records → frames.

Belongs here: recognising CloudTrail, gathering its records, quarantining what is none. Does not belong here: the
table's columns (``columns``) and the entities (``entities``).
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import ClassVar, Literal

import polars as pl

from s3sentinel_assets.formats.cloudtrail.callers import CALLER, TLS, with_callers, with_shared
from s3sentinel_assets.formats.cloudtrail.columns import to_rows
from s3sentinel_assets.formats.cloudtrail.decoding import RecordDecoder
from s3sentinel_assets.formats.cloudtrail.entities import to_entities
from s3sentinel_assets.formats.cloudtrail.record import Fields
from s3sentinel_assets.formats.frames import FLAGS, OBJECT, ORDINAL
from s3sentinel_assets.formats.instants import EVENT_YEARS, parse_iso8601
from s3sentinel_assets.formats.json_columns import collector_paused, columns_of, null_raw, raw_fields_are_utf8
from s3sentinel_assets.formats.json_records import BrokenRecord, JsonSplitter, RecordRun
from s3sentinel_assets.formats.mapping import TableMapping
from s3sentinel_assets.formats.model import FormatParser, ParsedFrame, ParseOptions, Reading, Strays, Verdict

__all__ = ["CloudTrailParser"]

_RECORD_START = re.compile(rb'\{\s*"eventVersion"\s*:')
_ENVELOPE = re.compile(rb'^\{\s*"Records"\s*:\s*\[')
# S3 and other services notify in records that look much alike, but name the source "aws:s3" and have no event id. What
# stands deeper in an event (tags, parameters) is written by whoever made the call: it must not decide.
_SOURCE = re.compile(rb'"eventSource"\s*:\s*"([^"]*)')
# In this many bytes a CloudTrail record would have shown one of its keys.
_TELLING_BYTES = 256
_KEYS = (b'"eventVersion"', b'"eventSource"', b'"eventName"', b'"eventTime"', b'"awsRegion"', b'"userIdentity"')
# Decoding and column building in steps this long keep the records in the processor's cache.
_STEP = 1_000


@dataclass
class _Step:
    """Records on their way into columns, list by list with one entry a record.

    ``sources`` tells where runs of them came from: first entry, run, first index in the run, positions from there.
    """

    records: list[Fields] = field(default_factory=list[Fields])
    callers: list[int] = field(default_factory=list[int])
    tls: list[int] = field(default_factory=list[int])
    flags: list[str | None] = field(default_factory=list["str | None"])
    objects: list[int] = field(default_factory=list[int])
    ordinals: list[int] = field(default_factory=list[int])
    sources: list[tuple[int, RecordRun, int, Sequence[int]]] = field(
        default_factory=list[tuple[int, RecordRun, int, Sequence[int]]]
    )

    def source(self, row: int) -> tuple[RecordRun, int]:
        """The run that the record at ``row`` came from, and its index there."""
        first, run, start, positions = self.sources[bisect_right(self.sources, row, key=itemgetter(0)) - 1]
        return run, start + positions[row - first]


class CloudTrailParser(FormatParser):
    """Parses ``{"Records":[…]}``, bare arrays and JSON lines of CloudTrail records."""

    name: ClassVar[str] = "cloudtrail"
    title: ClassVar[str] = "AWS CloudTrail"
    family: ClassVar[Literal["lines", "json"]] = "json"
    native: ClassVar[tuple[TableMapping, ...]] = (TableMapping("AWSCloudTrail", {}, {}),)
    native_event_ids: ClassVar[bool] = True

    def __init__(
        self, options: ParseOptions | None = None, strays: Strays | None = None, *, window: int = 8 << 20
    ) -> None:
        """``window``: decoded bytes of an object held at once."""
        super().__init__(options, strays)
        self._splitter = JsonSplitter("Records", _RECORD_START, window=window)
        self._decoder = RecordDecoder()
        self._step = _Step()
        self._frames: list[pl.DataFrame] = []
        self._readings: dict[int, Reading] = {}

    @classmethod
    def sniff(cls, head: bytes, key: str) -> Verdict:
        """CloudTrail's own keys near the start decide; JSON that is cut too early for them may still be it."""
        text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
        if not text.startswith((b"{", b"[")):
            return Verdict(0.0, "it is not JSON")
        found = sum(name in text for name in _KEYS)
        if not found and (b'"digestS3Object"' in text or b'"digestStartTime"' in text):
            return Verdict(0.1, "it is a CloudTrail digest file")
        source = _SOURCE.search(text)
        if source and source[1].startswith(b"aws:") and b'"eventID"' not in text:
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
                self.pending_bytes += sum(map(len, piece.values[start : start + _STEP]))
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
        first, step = reading.count(len(texts)), self._step
        with collector_paused():
            decoded = self._decoder.decode(texts)
        for position, problem in decoded.refused:
            offset = run.offset(indices[position])
            reading.reject(first + position, offset, problem.reason, problem.detail, bytes(texts[position]))
        step.sources.append((len(step.records), run, indices.start, decoded.positions))
        step.records += decoded.records
        step.callers += decoded.callers
        step.tls += decoded.tls
        step.flags += decoded.flags
        step.objects += [reading.object_id] * len(decoded.records)
        step.ordinals += [first + position for position in decoded.positions]
        if len(step.records) >= _STEP:
            self._finish_step()

    def _finish_step(self) -> None:
        """Turns the gathered records into columns; a record without a time goes to quarantine here."""
        step, self._step = self._step, _Step()
        if not step.records:
            return
        with collector_paused():
            try:
                columns = columns_of(Fields, step.records)
            except pl.exceptions.PolarsError:
                self._mend(step)
                columns = columns_of(Fields, step.records)
        written = columns["eventTime"]
        columns["eventTime"] = parse_iso8601(written)
        columns[CALLER] = pl.Series(step.callers, dtype=pl.UInt32())
        columns[TLS] = pl.Series(step.tls, dtype=pl.UInt32())
        columns[OBJECT] = pl.Series(step.objects, dtype=pl.Int64())
        columns[ORDINAL] = pl.Series(step.ordinals, dtype=pl.Int64())
        columns[FLAGS] = pl.Series(step.flags, dtype=pl.String())
        frame = pl.DataFrame(columns)
        if columns["eventTime"].null_count():
            timeless = columns["eventTime"].is_null()
            for row in timeless.arg_true():
                run, index = step.source(row)
                self._readings[step.objects[row]].reject(
                    step.ordinals[row],
                    run.offset(index),
                    "no_event_time",
                    _no_time(written[row]),
                    bytes(run.values[index]),
                )
            frame = frame.filter(~timeless)
        self._frames.append(frame)

    def _mend(self, step: _Step) -> None:
        """Replaces the records whose raw fields are not UTF-8."""
        for row, record in enumerate(step.records):
            if not raw_fields_are_utf8(Fields, record):
                run, index = step.source(row)
                mended = self._decoder.mend(bytes(run.values[index]))
                step.records[row], step.callers[row], step.tls[row], step.flags[row] = mended

    def take(self) -> list[ParsedFrame]:
        """The rows gathered since the last call; see `FormatParser.take`."""
        self._finish_step()
        frames, self._frames = self._frames, []
        self.pending_bytes = 0
        if not frames:
            return []
        # One chunk: Polars copies frames of several chunks whenever they are queried.
        raw = pl.concat(frames, rechunk=True).with_columns(null_raw(Fields))
        del frames
        raw = with_shared(raw, with_callers(self._decoder.callers.take()), self._decoder.tls.take())
        rows = to_rows(raw, {object_id: reading.identity for object_id, reading in self._readings.items()})
        return [ParsedFrame(self.name, self.mappings[0].table, rows, to_entities(raw, rows))]


def _no_time(written: str | None) -> str:
    if written is None:
        return "the record has no eventTime"
    return f"the eventTime {written[:100]!r} is no time {EVENT_YEARS}"
