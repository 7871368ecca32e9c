"""Objects of JSON records → frames, whatever the records hold: the base of every JSON log format.

Belongs here: gathering the records of many objects, quarantine, strays, envelopes. Does not belong here: cutting
content into records (``records``), decoding them (``decoding``), any one format.
"""

import re
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import ClassVar, Literal

import msgspec
import polars as pl

from s3sentinel_assets.formats.instants import EVENT_YEARS
from s3sentinel_assets.formats.json_logs.columns import collector_paused, null_raw
from s3sentinel_assets.formats.json_logs.decoding import Decoded, RecordDecoder
from s3sentinel_assets.formats.json_logs.extras import with_unplaced
from s3sentinel_assets.formats.json_logs.inner import InnerDecoder
from s3sentinel_assets.formats.json_logs.peeking import judge
from s3sentinel_assets.formats.json_logs.records import BrokenRecord, JsonSplitter, RecordRun
from s3sentinel_assets.formats.json_logs.steps import Batch, Step
from s3sentinel_assets.formats.json_logs.typed import NULL, plan_of
from s3sentinel_assets.formats.mapping import TIME, to_frames
from s3sentinel_assets.formats.model import FormatParser, ParsedFrame, ParseOptions, Reading, Stray, Strays, Verdict

__all__ = ["Inner", "JsonParser"]

# Records can be long: their texts are held until then.
_STEP_BYTES = 16 << 20


@dataclass(frozen=True)
class Inner:
    """A record that was inside another one.

    Attributes:
        data: its JSON text.
        context: what the outer record says about it.
    """

    data: bytes
    context: Mapping[str, str] = field(default_factory=dict)


class JsonParser(FormatParser):
    r"""A format whose records are JSON objects.

    A format is a module like this one::

        class Finding(msgspec.Struct, gc=False, rename="camel"):  # every field with a default
            event_time: str | None = None  # `eventTime` in the log and in the raw columns
            source_port: int | None = None
            request: msgspec.Raw = NULL  # kept as JSON text; null where absent

        class FindingParser(JsonParser):
            name = "finding"
            title = "a finding"
            Record = Finding
            wrappers = ("findings",)
            required = ("eventTime",)
            telling = ("eventTime", "sourcePort", "request")
            native = (TableMapping("Findings", {"Port": field("sourcePort"), …}, {"principal": …}),)

            def time(self, frame):
                return iso_time(frame["eventTime"])

    Content may be one object, JSON lines, objects in a row with or without anything between them, an array, or an
    object with the records in an array under one of ``wrappers``; with BOM, CRLF and blank lines.

    Raw columns, for `time`, `prepare` and the mappings: each field of ``Record`` under its name in JSON, those of
    nested structs joined by dots (``httpRequest.clientIp``), as String, Int64, Float64 or Boolean, a ``msgspec.Raw`` as
    JSON text (a text with its quotes; null where absent or null); ``_object``, ``_ordinal``, ``_flags``; ``_extra``:
    fields of the record that ``Record`` does not name, as one JSON object's text, null mostly; ``_time`` (in `prepare`
    and the mappings); ``_context.<key>`` and ``_text`` where asked for.

    Unknown fields inside nested structs are not kept: where that would lose something, declare the whole field as
    ``msgspec.Raw`` and name it in ``inside``, and in ``keep_inside`` where no column holds it whole. Drift is handled
    as `json_typed` says.

    Attributes:
        Record: the fields, each with a default: ``str``, ``int`` (64 bits), ``float`` or ``bool``, a struct (these
            ``| None``), or ``msgspec.Raw`` with the default `typed.NULL`. The types should be those that the log
            has: a number in a ``str`` field becomes its text, but its record takes the careful way, ten times slower.
            Where a field may hold either, `msgspec.Raw` takes both.
        Columns: a base of ``Record`` whose fields alone become columns; None: all fields do.
        inside: raw field → struct that it is decoded into as well, with columns like those of a nested struct.
        keep_inside: those fields of ``inside`` whose unknown members, at any depth, go into ``_extra``, each under the
            field's name, a dot and its own.
        wrappers: keys whose array holds the records.
        required: fields that a record must have, not null, to be one of this format; in place of a field, several of
            which one is enough. Other records are offered to other formats, and rejected as ``not_<name>`` when none
            takes them.
        telling: keys of which records have most; they decide in `sniff`.
        telling_enough: how many of them make it sure.
        context_keys: keys of `model.Stray.context` and `Inner.context` that become columns.
        unplaced: raw columns that the table has no column for: they go into ``_extra`` as well.
        keep_text: whether the column ``_text`` shall hold each record's JSON text.
        keep_unknown: whether ``_extra`` shall hold fields that ``Record`` does not name. Formats whose records may have
            any field read faster without; they keep the text.
        envelope_marks: texts of which a record has one when `unwrap` should look at it.
        record_start: see `JsonSplitter`.
        step: records that are decoded, and made columns, at once: so many stay in the processor's cache.
    """

    family: ClassVar[Literal["lines", "json"]] = "json"
    Record: ClassVar[type[msgspec.Struct]]
    Columns: ClassVar[type[msgspec.Struct] | None] = None
    inside: ClassVar[Mapping[str, type[msgspec.Struct]]] = {}
    keep_inside: ClassVar[tuple[str, ...]] = ()
    wrappers: ClassVar[tuple[str, ...]] = ()
    required: ClassVar[tuple[str | tuple[str, ...], ...]] = ()
    telling: ClassVar[tuple[str, ...]] = ()
    telling_enough: ClassVar[int] = 3
    context_keys: ClassVar[tuple[str, ...]] = ()
    unplaced: ClassVar[tuple[str, ...]] = ()
    keep_text: ClassVar[bool] = False
    keep_unknown: ClassVar[bool] = True
    envelope_marks: ClassVar[tuple[bytes, ...]] = ()
    record_start: ClassVar[re.Pattern[bytes] | None] = None
    step: ClassVar[int] = 2_000

    def __init__(
        self, options: ParseOptions | None = None, strays: Strays | None = None, *, window: int = 8 << 20
    ) -> None:
        """Prepares to parse; ``window``: decoded bytes of an object held at once."""
        super().__init__(options, strays)
        self._splitter = JsonSplitter(self.wrappers, self.record_start, window=window)
        self._read_as(self.Record)
        self._frames: list[pl.DataFrame] = []
        self._identities: dict[int, str] = {}

    def _read_as(self, record: type[msgspec.Struct]) -> None:
        """From now on reads records as ``record``; nothing may be gathered that is not yet in columns."""
        self._decoder = RecordDecoder(record, forbid_unknown=self.keep_unknown)
        self._inner = [
            InnerDecoder(record, name, kind, keep_unknown=name in self.keep_inside)
            for name, kind in self.inside.items()
        ]
        attributes = {field.name: field.attribute for field in plan_of(record)}
        self._required = [
            [attrgetter(attributes[name]) for name in ((entry,) if isinstance(entry, str) else entry)]
            for entry in self.required
        ]
        self._columns = self.Columns or record
        self._json_texts = _raw_columns(self._columns).union(
            *(_raw_columns(kind, f"{name}.") for name, kind in self.inside.items())
        )
        self._nulls = [
            *null_raw(self._columns),
            *(expr for name, kind in self.inside.items() for expr in null_raw(kind, f"{name}.")),
        ]
        self._step = Step(self._decoder.kind)

    @abstractmethod
    def time(self, frame: pl.DataFrame) -> pl.Series:
        """When each record happened, Datetime(us, UTC); null where that cannot be told. See `times`.

        Called every thousand records or so. Here, raw fields that are null hold the text ``null``, which is no time.
        """

    def no_time(self, frame: pl.DataFrame, row: int) -> str:  # noqa: ARG002 - for formats that can say more
        """Why the record in ``row`` has no time, as a sentence."""
        return f"the record has no time {EVENT_YEARS}"

    def prepare(self, raw: pl.DataFrame) -> pl.DataFrame:
        """Adds the columns that mappings need and records do not have as such; once for all rows of a `take`."""
        return raw

    def unwrap(self, text: bytes) -> Sequence[Inner] | None:  # noqa: ARG002 - for formats with envelopes
        """The records inside one that has one of `envelope_marks`, perhaps none; None: it is a record itself.

        May raise ValueError and RecursionError, as msgspec does: the record then is taken for what it is.
        """
        return None

    @classmethod
    def sniff(cls, head: bytes, key: str) -> Verdict:  # noqa: ARG003 - for formats that need the key
        """The keys that the first records have at their top level decide; what stands deeper is written by callers."""
        return judge(head, cls.telling, cls.telling_enough, cls.wrappers, cls.title)

    def read(self, reading: Reading, chunks: Iterable[bytes]) -> Iterator[None]:
        """Gathers one object's records; see `FormatParser.read`."""
        self._identities[reading.object_id] = reading.identity
        for piece in self._splitter.split(chunks):
            if isinstance(piece, BrokenRecord):
                self._broken(reading, piece)
                continue
            for start in range(0, len(piece.values), self.step):
                self._read_some(reading, piece, start, piece.values[start : start + self.step])
                yield

    @staticmethod
    def _broken(reading: Reading, piece: BrokenRecord) -> None:
        if not piece.tail:
            reading.reject(reading.count(1), piece.offset, "bad_json", piece.detail, piece.data)
            return
        reason, detail = reading.cut or ("truncated_json", piece.detail)
        reading.lose_tail(piece.offset, reason, detail, piece.data)

    def _read_some(self, reading: Reading, run: RecordRun, start: int, texts: Sequence[bytes | msgspec.Raw]) -> None:
        self.pending_bytes += sum(map(len, texts))
        batch = self._batch(reading, run, start, texts)
        decoded, foreign = self._decode(batch.texts)
        self._gather(batch, decoded)
        for position, problem in decoded.refused:
            batch.reject(position, problem.reason, problem.detail)
        if not foreign:
            return
        reason, detail = f"not_{self.name}", f"the record is not {self.title}"
        strays = [
            Stray(
                batch.ordinals[position],
                batch.offset(position),
                bytes(batch.texts[position]),
                reason,
                detail,
                batch.contexts[position] if batch.contexts else {},
            )
            for position in foreign
        ]
        for stray in self.offer_strays(reading, strays):
            reading.reject(stray.ordinal, stray.offset, stray.reason, stray.detail, stray.data)

    def _batch(self, reading: Reading, run: RecordRun, start: int, texts: Sequence[bytes | msgspec.Raw]) -> Batch:
        """The records in ``texts``, those in envelopes unwrapped, and counted."""
        unwrapped = self._unwrap_all(texts) if run.has_any(self.envelope_marks) else None
        if unwrapped is None:
            first = reading.count(len(texts))
            ordinals = range(first, first + len(texts))
            return Batch(reading, texts, ordinals, lambda position: run.offset(start + position))
        first = reading.count(len(unwrapped))
        inner = [inner for _, inner in unwrapped]

        def offset(position: int) -> int:
            outer, one = unwrapped[position]
            return run.offset(start + outer) + max(0, bytes(texts[outer]).find(one.data))

        ordinals = range(first, first + len(inner))
        return Batch(reading, [one.data for one in inner], ordinals, offset, [one.context for one in inner])

    def _unwrap_all(self, texts: Sequence[bytes | msgspec.Raw]) -> list[tuple[int, Inner]] | None:
        """Position of the outer record, and the inner one; None when there are no envelopes."""
        found: list[tuple[int, Inner]] = []
        changed = False
        for position, raw in enumerate(texts):
            text = bytes(raw)
            inner = self._unwrapped(text)
            changed = changed or inner is not None
            found += [(position, one) for one in ((Inner(text),) if inner is None else inner)]
        return found if changed else None

    def _unwrapped(self, text: bytes) -> Sequence[Inner] | None:
        if not any(mark in text for mark in self.envelope_marks):
            return None
        try:
            return self.unwrap(text)
        except (ValueError, RecursionError):
            return None  # no envelope that can be read; whether it is a record is decided by decoding it

    def _decode(self, texts: Sequence[bytes | msgspec.Raw]) -> tuple[Decoded, list[int]]:
        """Records of this format; positions of those that are of another one, which are taken out."""
        with collector_paused():
            decoded = self._decoder.decode(texts)
            return decoded, self._foreign(decoded)

    def _gather(self, batch: Batch, decoded: Decoded) -> None:
        if self._step.kind is not self._decoder.kind:
            self._finish_step()
        self._step.add(batch, decoded)
        if len(self._step.records) >= self.step or self._step.size >= _STEP_BYTES:
            self._finish_step()

    def _foreign(self, decoded: Decoded) -> list[int]:
        """Takes records without required fields out of ``decoded``; their positions."""
        lacking: set[int] = set()
        for alternatives in self._required:
            rows: Iterable[int] = range(len(decoded.records))
            for get in alternatives:
                values = list(map(get, decoded.records))
                if None not in values and NULL not in values:
                    rows = ()
                    break
                rows = [row for row in rows if values[row] is None or values[row] == NULL]
            lacking.update(rows)
        if not lacking:
            return []
        foreign = [decoded.positions[row] for row in sorted(lacking)]
        kept = [row for row in range(len(decoded.records)) if row not in lacking]
        decoded.records = [decoded.records[row] for row in kept]
        decoded.flags = [decoded.flags[row] for row in kept]
        decoded.extras = [decoded.extras[row] for row in kept]
        decoded.positions = [decoded.positions[row] for row in kept]
        return foreign

    def adopt(self, reading: Reading, strays: Sequence[Stray]) -> Sequence[Stray]:
        """Gathers those strays that are records of this format; see `FormatParser.adopt`."""
        self._identities[reading.object_id] = reading.identity
        inner: list[Inner | None] = []
        for stray in strays:
            found = self._unwrapped(stray.data)
            if found is None:
                inner.append(Inner(stray.data, stray.context))
            else:
                # A stray has one number: an envelope with several records in it, or none, cannot be taken.
                inner.append(Inner(found[0].data, {**stray.context, **found[0].context}) if len(found) == 1 else None)
        places = [place for place, one in enumerate(inner) if one is not None]
        chosen = [one for one in inner if one is not None]
        texts = [one.data for one in chosen]
        decoded, _ = self._decode(texts)
        batch = Batch(
            reading,
            texts,
            [strays[place].ordinal for place in places],
            lambda position: strays[places[position]].offset,
            [one.context for one in chosen],
        )
        # At once: what has no time of its own is given back.
        self._finish_step()
        step = Step(self._decoder.kind)
        step.add(batch, decoded)
        taken = {places[position] for position in decoded.positions}
        taken -= {places[decoded.positions[row]] for row in self._keep(step)}
        self.pending_bytes += sum(len(strays[place].data) for place in taken)
        return [stray for place, stray in enumerate(strays) if place not in taken]

    def _finish_step(self) -> None:
        """Turns the gathered records into columns; a record without a time goes to quarantine here."""
        step, self._step = self._step, Step(self._decoder.kind)
        for row, why in self._keep(step).items():
            batch, position = step.source(row)
            batch.reject(position, "no_event_time", why)

    def _keep(self, step: Step) -> dict[int, str]:
        """Keeps the records of ``step`` as columns; gives the rows of those without a time, and why they have none."""
        if not step.records:
            return {}
        with collector_paused():
            frame = step.columns(
                self._columns,
                self._decoder,
                inner=self._inner,
                context_keys=self.context_keys,
                keep_text=self.keep_text,
            )
        times = self.time(frame).alias(TIME)
        timeless: dict[int, str] = {}
        if times.null_count():
            without = times.is_null()
            timeless = {row: self.no_time(frame, row) for row in without.arg_true()}
            frame, times = frame.filter(~without), times.filter(~without)
        self._frames.append(frame.with_columns(times))
        return timeless

    def take(self) -> list[ParsedFrame]:
        """The rows gathered since the last call; see `FormatParser.take`."""
        self._finish_step()
        frames, self._frames = self._frames, []
        self.pending_bytes = 0
        if not frames:
            return []
        # One chunk: Polars copies frames of several chunks whenever they are queried.
        how = "vertical" if all(frame.columns == frames[0].columns for frame in frames) else "diagonal"
        raw = pl.concat(frames, how=how, rechunk=True)
        raw = raw.with_columns(expr for expr in self._nulls if expr.meta.output_name() in raw.columns)
        del frames
        if raw.is_empty():
            return []
        raw = with_unplaced(self.prepare(raw), self.unplaced, self._json_texts)
        return to_frames(self.name, self.mappings, raw, self._identities)


def _raw_columns(kind: type[msgspec.Struct], prefix: str = "") -> set[str]:
    """Names of the columns that hold JSON texts."""
    found: set[str] = set()
    for _, name, inner in plan_of(kind):
        if inner is msgspec.Raw:
            found.add(prefix + name)
        elif issubclass(inner, msgspec.Struct):
            found |= _raw_columns(inner, f"{prefix}{name}.")
    return found
