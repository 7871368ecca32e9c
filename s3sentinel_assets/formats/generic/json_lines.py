r"""JSON of any kind: lines, objects in a row, pretty-printed or not, an array, one object.

Source: "JSON Lines" (jsonlines.org) and RFC 8259; for the names of fields see ``event_names``.

Belongs here: records that no specific format takes. Does not belong here: names and times (``event_names``,
``event_times``), the columns (``event_names.generic_mapping``).

Decisions: ``Fields`` and ``RawData`` both are the whole record, so nothing is lost whatever it holds. An object with
nothing but an array of objects under ``Records``, as AWS sends notifications, is taken for these. Values that are no
objects are rejected as ``not_an_object``. A record without a usable time gets that of its object's arrival, flagged.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import ClassVar

import msgspec
import polars as pl

from s3sentinel_assets.formats.frames import FLAGS, OBJECT, flags
from s3sentinel_assets.formats.generic.event_names import (
    FIELDS,
    NAMES,
    RAW,
    TIME_NAMES,
    TIME_OF_ARRIVAL,
    generic_mapping,
)
from s3sentinel_assets.formats.generic.event_times import first_times
from s3sentinel_assets.formats.json_logs import TEXT, Inner, looks_like_json, peek
from s3sentinel_assets.formats.json_logs.sparse import SparseJsonParser, sparse_record
from s3sentinel_assets.formats.json_logs.typed import TypedDecoder, Undecodable
from s3sentinel_assets.formats.json_logs.values import plain_texts
from s3sentinel_assets.formats.mapping import TIME, TableMapping
from s3sentinel_assets.formats.model import ParseOptions, Reading, Stray, Strays, Verdict

__all__ = ["JsonLinesParser"]

_INSTANT = pl.Datetime("us", "UTC")
_DIGEST = {"digestStartTime", "digestS3Object"}
#: Objects that the Elastic Common Schema has under a name that others use for a text: raw column → field, path.
_NESTED = {
    "host": (("host", "$.name"), ("host", "$.hostname")),
    "level": (("log", "$.level"),),
    "logger": (("log", "$.logger"),),
    "process_name": (("process", "$.name"), ("service", "$.name")),
    "process_id": (("process", "$.pid"),),
    "user": (("user", "$.name"),),
}
#: Times that are objects: Log4j's, and MongoDB's extended JSON.
_LOG4J = r'^\{\s*"epochSecond"\s*:\s*(\d+)\s*,\s*"nanoOfSecond"\s*:\s*(\d+)'
_MONGO = r'^\{\s*"\$date"\s*:\s*"?([^"{}]+)"?\s*\}$'
_NOTIFICATION = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_MENDED = r"not_finite=|lone_surrogate"


class JsonLinesParser(SparseJsonParser):
    """Parses JSON of any kind."""

    name: ClassVar[str] = "json_lines"
    title: ClassVar[str] = "JSON"
    native: ClassVar[tuple[TableMapping, ...]] = (
        generic_mapping("json_lines", "the whole record", "the record's JSON text"),
    )
    Record = sparse_record(())
    fields: ClassVar = dict.fromkeys([*TIME_NAMES, *(name for names in NAMES.values() for name in names)], msgspec.Raw)
    envelope_marks: ClassVar = (b'"Records"',)

    def __init__(self, options: ParseOptions | None = None, strays: Strays | None = None, **limits: int) -> None:
        """Prepares to parse; ``limits`` as `SparseJsonParser` has them."""
        super().__init__(options, strays, **limits)
        self._arrivals: dict[int, datetime | None] = {}
        self._untimed: tuple[pl.DataFrame, pl.Series] | None = None  # records, and what is told of their bad times

    @classmethod
    def sniff(cls, head: bytes, key: str) -> Verdict:  # noqa: ARG003 - content says it all here
        """Objects with any keys: low, so that any specific format wins."""
        if not looks_like_json(head):
            return Verdict(0.0, "it is not JSON")
        records = [record for record in peek(head, ("Records",)) if record]
        if not records:
            # Nothing to see of it but its end: an empty object, or the beginning of a text in brackets.
            empty = head.strip().removeprefix(b"[").lstrip().startswith((b"{}", b"{ }"))
            return Verdict(0.35 if empty else 0.1, "an empty object" if empty else "no member of an object is whole")
        if any(record.keys() >= _DIGEST for record in records):
            return Verdict(0.0, "it is a digest of CloudTrail")
        if any(not record.keys().isdisjoint(TIME_NAMES) for record in records):
            return Verdict(0.5, "JSON objects with a time")
        return Verdict(0.42, "JSON objects")

    def read(self, reading: Reading, chunks: Iterable[bytes]) -> Iterator[None]:
        """Gathers one object's records; see `FormatParser.read`."""
        self._note_arrival(reading)
        return super().read(reading, chunks)

    def adopt(self, reading: Reading, strays: Sequence[Stray]) -> Sequence[Stray]:
        """Gathers strays; see `FormatParser.adopt`."""
        self._note_arrival(reading)
        return super().adopt(reading, strays)

    def _note_arrival(self, reading: Reading) -> None:
        arrived = reading.arrived
        if arrived is not None:
            arrived = arrived.replace(tzinfo=UTC) if arrived.tzinfo is None else arrived.astimezone(UTC)
        self._arrivals[reading.object_id] = arrived

    def unwrap(self, text: bytes) -> Sequence[Inner] | None:
        """The records of an object that has nothing else."""
        members = _NOTIFICATION.decode(text)
        if members.keys() != {"Records"} or not bytes(members["Records"]).startswith(b"["):
            return None
        return [Inner(bytes(record)) for record in _ARRAY.decode(members["Records"])]

    def time(self, frame: pl.DataFrame) -> pl.Series:
        """The first usable time, else the object's arrival."""
        when, _, _ = self._times(frame)
        return when.zip_with(when.is_not_null(), self._arrived(frame)) if when.null_count() else when

    def no_time(self, frame: pl.DataFrame, row: int) -> str:
        """Why the record in ``row`` has no time, as a sentence."""
        # Asked for row by row: looked up once for all.
        if self._untimed is None or self._untimed[0] is not frame:
            self._untimed = frame, self._times(frame)[2]
        bad = self._untimed[1][row]
        why = f" ({bad})" if bad else ""
        return f"the record has no time that can be read{why}, and when its object arrived is not known"

    def _arrived(self, frame: pl.DataFrame) -> pl.Series:
        return frame[OBJECT].replace_strict(self._arrivals, default=None, return_dtype=_INSTANT)

    def _times(self, frame: pl.DataFrame) -> tuple[pl.Series, pl.Series, pl.Series]:
        """When each record happened, null where it does not say; flags of that; flags of texts that are no times."""
        objects = frame[OBJECT].unique()
        arrival = self._arrivals.get(objects[0]) if objects.len() == 1 else None
        texts = (_time_texts(frame[name]) for name in TIME_NAMES if name in frame.columns)
        return first_times(texts, frame.height, zone=self.options.time_zone, arrival=arrival)

    def prepare(self, raw: pl.DataFrame) -> pl.DataFrame:
        """Adds the columns of `NAMES`, what is told of times, and the record."""
        told, self._untimed = self._told(raw), None
        chosen = [_chosen(raw, column).alias(column) for column in NAMES]
        kept = raw.select(TIME, OBJECT, "_ordinal", FLAGS, pl.col(TEXT).alias(RAW)).hstack(chosen)
        kept = kept.with_columns(_mended(raw).alias(FIELDS))
        if told.null_count() == told.len():
            return kept
        return kept.with_columns(told.alias("_told")).with_columns(flags(pl.col(FLAGS), pl.col("_told")).alias(FLAGS))

    def _told(self, raw: pl.DataFrame) -> pl.Series:
        """Flags about times; only where the record's own time may not be the one that counts are they looked for."""
        told = pl.Series([None], dtype=pl.String).new_from_index(0, raw.height)
        arrived = (raw[TIME] == self._arrived(raw)).fill_null(value=False)
        unsure = arrived | pl.Series([self.options.time_zone != "UTC"]).new_from_index(0, raw.height)
        places = unsure.arg_true()
        if not places.len():
            return told
        when, said, bad = self._times(raw[places])
        found = pl.DataFrame({"when": when, "said": said, "bad": bad}).select(
            pl.when(pl.col("when").is_not_null())
            .then("said")
            .otherwise(flags(pl.col("bad"), pl.lit(TIME_OF_ARRIVAL)))
            .alias("told")
        )
        return told.scatter(places, found["told"])


def _time_texts(raw: pl.Series) -> pl.Series:
    """JSON texts as `event_times` takes them."""
    texts = raw.str.strip_chars('"')
    texts = texts.set(((raw == "null") | (texts == "")).fill_null(value=False), None)
    if texts.str.contains("\\", literal=True).any():
        texts = texts.str.replace_all("\\/", "/", literal=True)
    nested = texts.str.starts_with("{")
    if not nested.any():
        return texts
    seconds = texts.str.extract(_LOG4J, 1) + "." + texts.str.extract(_LOG4J, 2).str.zfill(9)
    found = seconds.zip_with(seconds.is_not_null(), texts.str.extract(_MONGO, 1))
    return found.zip_with(nested & found.is_not_null(), texts)


def _chosen(raw: pl.DataFrame, column: str) -> pl.Series:
    """The first of the fields for ``column`` that has a value."""
    best = pl.Series([None], dtype=pl.String).new_from_index(0, raw.height)
    for name, path in (*((name, None) for name in NAMES[column]), *_NESTED.get(column, ())):
        if name not in raw.columns:
            continue
        values, missing = raw[name], best.is_null()
        if values.null_count() == values.len() or not missing.any():
            continue
        nested = values.str.starts_with("{")
        if path is None:
            found = plain_texts(values)
            # An event, a host or a process that is an object is told by its parts.
            found = found.set((nested | (found == "")).fill_null(value=False), None)
        elif nested.any():
            found = values.set(~nested.fill_null(value=False), None).str.json_path_match(path)
        else:
            continue
        best = found if missing.all() else best.zip_with(~missing, found)
    return best


def _mended(raw: pl.DataFrame) -> pl.Series:
    """The records' texts, without what had to be changed for a reader of JSON."""
    texts = raw[TEXT]
    places = raw[FLAGS].str.contains(_MENDED).fill_null(value=False).arg_true()
    if not places.len():
        return texts
    decoder = TypedDecoder(JsonLinesParser.Record, allow_not_finite=True)
    return texts.scatter(places, [_mended_text(decoder, text) for text in texts.gather(places)])


def _mended_text(decoder: TypedDecoder[msgspec.Struct], text: str) -> str:
    found = decoder.members(text.encode())
    if isinstance(found, Undecodable):
        return text
    members: Mapping[str, msgspec.Raw] = found[0]
    return msgspec.json.encode(members).decode()
