r"""Separated values of any kind: comma, tab or semicolon, with a line of names.

Source: RFC 4180, section 2, whose header line is optional; here it is needed unless settings name the fields.

Belongs here: recognising such files and which of their columns mean what. Does not belong here: quotes and cutting
(``csv_lines``), names (``event_names``), tables that some service writes (each has its own format).

Decisions: ``Fields`` has all columns as text, as only their writer knows which are numbers; empty ones are left out. A
line with more or fewer fields than there are names is rejected: which one is missing cannot be told. The line of names
may come again, where files were put together.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from typing import ClassVar

import msgspec
import polars as pl

from s3sentinel_assets.formats.frames import FLAGS, OBJECT, flags
from s3sentinel_assets.formats.generic.csv_lines import LONGEST, cut_line, cut_lines, join_quoted, read_lines
from s3sentinel_assets.formats.generic.event_names import (
    FIELDS,
    NAMES,
    RAW,
    TIME_NAMES,
    TIME_OF_ARRIVAL,
    generic_mapping,
)
from s3sentinel_assets.formats.generic.event_times import event_times, first_times
from s3sentinel_assets.formats.line_logs import BadLine, CarefulLines, LineParser
from s3sentinel_assets.formats.line_logs.continued_lines import MARK, with_line_ends
from s3sentinel_assets.formats.line_logs.pairs import json_text
from s3sentinel_assets.formats.mapping import TIME, TableMapping
from s3sentinel_assets.formats.model import ParseOptions, Reading, Strays, Verdict

__all__ = ["CsvParser"]

_INSTANT = pl.Datetime("us", "UTC")
_BOM = b"\xef\xbb\xbf"
_SEPARATORS = (",", "\t", ";")
_NAME = re.compile(r"[A-Za-z_@#$*][^\"\x00-\x1f{}<>=,;|]{0,79}")
_PROSE = re.compile(r"[.:!?] |\.$|\S+(?: \S+){6}")
_NUMBER = re.compile(r"[-+]?\d[\d.,:]*%?|[0-9A-Fa-f]*[:.][0-9A-Fa-f:.]+")
_NOT_LETTERS = re.compile(r"[^a-z0-9]")
#: Names that tables have beside those of `TIME_NAMES`.
_MORE_TIMES = (
    "datetimeutc", "timeutc", "dateutc", "timestamputc", "eventtimestamp", "logtime", "logtimestamp", "dateandtime",
    "generatedtime", "receivetime", "creationtime", "creationdate", "activitydatetime", "firstseen",
)  # fmt: skip
#: Columns that are a time together.
_PAIRS = (("date", "time"), ("eventdate", "eventtime"), ("logdate", "logtime"), ("startdate", "starttime"))
_WHEN, _TOLD, _UNTIMED = "_when", "_told", "_untimed"
_SNIFFED, _HEAD_BYTES = 20, 16 << 10
_REMEMBERED = 64


@dataclass(frozen=True)
class Header:
    """How lines are to be read.

    Attributes:
        names: of the fields; empty: nothing has said so yet.
        separator: one character.
        line: the line that said so; empty where settings did.
        arrival: of the objects, to the hour, so that small ones are parsed together; None: not known.
    """

    names: tuple[str, ...] = ()
    separator: str = ","
    line: bytes = b""
    arrival: datetime | None = None


class CsvParser(LineParser[Header]):
    """Parses separated values."""

    name: ClassVar[str] = "csv"
    title: ClassVar[str] = "a table of separated values"
    native: ClassVar[tuple[TableMapping, ...]] = (
        generic_mapping("csv", "all columns with a value, as text", "the line"),
    )
    keep_line: ClassVar[bool] = True

    def __init__(self, options: ParseOptions | None = None, strays: Strays | None = None, **limits: int) -> None:
        """Prepares to parse; ``limits`` as `LineParser` has them."""
        super().__init__(options, strays, **limits)
        self._separators: dict[int, str] = {}
        self._arrivals: dict[int, datetime] = {}
        self._header_lines: set[bytes] = set()

    @classmethod
    def sniff(cls, head: bytes, key: str) -> Verdict:  # noqa: ARG003 - content says it all here
        """A line of names, and lines with as many fields; never sure, as any text may look so."""
        lines = head.removeprefix(_BOM).split(b"\n", 1)
        separator, names = _read_header(lines[0])
        if len(lines) == 1 and not names:
            return Verdict(0.0, "it has one line, which is none of names")
        rows = _head_rows(head, separator)
        if not names:
            return _without_names(rows)
        rows = rows[1:]
        timed = bool(_time_columns(names))
        if not rows:
            sure = timed and len(names) > 2
            return Verdict(0.35 if sure else 0.1, f"a line of {len(names)} names and nothing else")
        share = sum(row is not None and len(row) == len(names) for row in rows) / len(rows)
        whole = [row for row in rows if row is not None and len(row) == len(names)]
        texts = pl.DataFrame(whole, schema=dict.fromkeys(names, pl.String()), orient="row")
        read = first_times(_time_texts(texts), texts.height)[0].count() if timed and whole else 0
        if share >= 0.3 and read * 2 >= len(whole):
            return Verdict(max(0.3, 0.5 * share), f"{len(names)} columns with names, one of them a time")
        if share < 0.8:
            return Verdict(0.05, f"{share:.0%} of {len(rows)} lines have as many fields as the first")
        loose = any(name != name.strip() for row in [names, *whole] for name in row)
        typed = any(all(_NUMBER.fullmatch(row[place].strip()) for row in whole) for place in range(len(names)))
        if typed and not loose:
            return Verdict(0.42 * share, f"{len(names)} columns with names, one of them of numbers")
        if len(names) > 2 and len(whole) > 2 and not loose:
            return Verdict(0.33 * share, f"{len(names)} columns with names")
        return Verdict(0.1, "it may be text with separators in it")

    def read(self, reading: Reading, chunks: Iterable[bytes]) -> Iterator[None]:
        """Gathers one object's lines; see `FormatParser.read`."""
        source = iter(chunks)
        head = b""
        for chunk in source:
            head += chunk
            if b"\n" in head.lstrip() or len(head) > LONGEST:
                break
        separator = self._separator(head.removeprefix(_BOM).lstrip(b"\r\n").split(b"\n", 1)[0])
        self._separators[reading.object_id] = separator
        return super().read(reading, join_quoted(chain((head,), source), separator.encode()))

    def _separator(self, line: bytes) -> str:
        fields = self.options.fields
        if not fields:
            return _read_header(line)[0]
        text = line.rstrip(b"\r").decode(errors="replace")
        fitting = (mark for mark in _SEPARATORS if len(cut_line(text, mark) or ()) == len(fields))
        return next(fitting, _SEPARATORS[0])

    def first_layout(self, reading: Reading) -> Header:
        """The fields of the settings, if there are any."""
        separator = self._separators.get(reading.object_id, _SEPARATORS[0])
        fields = tuple(self.options.fields)
        if reading.arrived is None:
            return Header(fields, separator)
        arrived = reading.arrived if reading.arrived.tzinfo else reading.arrived.replace(tzinfo=UTC)
        self._arrivals[reading.object_id] = arrived.astimezone(UTC)
        hour = arrived.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        return Header(fields, separator, arrival=hour)

    def header(self, line: bytes, layout: Header) -> Header | None:
        """A line of names, where none was yet; later that line again."""
        if layout.line:
            return layout if line == layout.line else None
        if layout.names:
            again = cut_line(line.decode(errors="replace"), layout.separator)
            stated = tuple(name.strip() for name in again or ()) == layout.names
        else:
            separator, names = _read_header(line)
            stated = bool(names)
            layout = replace(layout, names=names, separator=separator) if stated else layout
        if not stated:
            return None
        if len(self._header_lines) >= _REMEMBERED:
            self._header_lines.clear()
        self._header_lines.add(line)
        return replace(layout, line=line)

    def may_have_header(self, data: bytes) -> bool:
        """Whether a line of names that was met before may be there."""
        return any(line in data for line in self._header_lines)

    def parse_all(self, data: bytes, lines: int, layout: Header) -> pl.DataFrame | None:
        """All lines at once; see `LineParser.parse_all`."""
        if not layout.names:
            return None
        frame = read_lines(data, lines, layout.names, layout.separator)
        return None if frame is None else self._columns(frame, layout, marked=MARK.encode() in data)

    def parse_each(self, lines: Sequence[str], layout: Header) -> CarefulLines:
        """Lines one by one; see `LineParser.parse_each`."""
        if not layout.names:
            detail = "neither a line of names nor settings say which fields the line has"
            return CarefulLines(
                self._columns(pl.DataFrame(), layout, marked=False),
                (),
                [BadLine(index, "no_header", detail) for index in range(len(lines))],
            )
        frame, good, bad = cut_lines(lines, layout.names, layout.separator)
        return CarefulLines(self._columns(frame, layout, marked=True), good, bad)

    def _columns(self, frame: pl.DataFrame, layout: Header, *, marked: bool) -> pl.DataFrame:
        """The raw columns, the same whatever the names."""
        if marked and frame.width:
            frame = frame.with_columns(with_line_ends(pl.all()))
        frame = frame.select(pl.when(pl.all() != "").then(pl.all()))
        by_name = {_plain(name): name for name in reversed(frame.columns)}
        nothing = pl.Series([None], dtype=pl.String()).new_from_index(0, frame.height)
        made = []
        for column, names in NAMES.items():
            there = [by_name[plain] for plain in dict.fromkeys(map(_plain, names)) if plain in by_name]
            chosen = frame.select(pl.coalesce(there)).to_series() if there else nothing
            made.append(chosen.alias(column))
        when, told, bad = first_times(
            _time_texts(frame), frame.height, zone=self.options.time_zone, arrival=layout.arrival
        )
        untimed = when.is_null()
        if untimed.any():
            arrived = pl.lit(TIME_OF_ARRIVAL) if layout.arrival is not None else pl.lit(None, dtype=pl.String)
            texts = pl.DataFrame({_UNTIMED: untimed, "told": told, "bad": bad})
            told = texts.select(pl.when(_UNTIMED).then(flags(pl.col("bad"), arrived)).otherwise("told")).to_series()
            if layout.arrival is not None:
                when = when.fill_null(layout.arrival)
        return pl.DataFrame([*made, _objects(frame), when.alias(_WHEN), told.alias(_TOLD), untimed.alias(_UNTIMED)])

    def time(self, frame: pl.DataFrame, layout: Header) -> pl.Series:  # noqa: ARG002 - already in the frame
        """The first usable time, else the arrival of the object, for now to the hour."""
        return frame[_WHEN]

    def no_time(self, frame: pl.DataFrame, row: int) -> str:
        """Why the record in ``row`` has no time, as a sentence."""
        told = frame[_TOLD][row]
        why = f" ({told})" if told else ""
        return f"the line has no time that can be read{why}, and when its object arrived is not known"

    def prepare(self, raw: pl.DataFrame) -> pl.DataFrame:
        """Makes arrivals exact, and adds the line and the flags."""
        if raw[_UNTIMED].any():
            exact = pl.col(OBJECT).replace_strict(self._arrivals, default=pl.col(TIME), return_dtype=_INSTANT)
            raw = raw.with_columns(pl.when(_UNTIMED).then(exact).otherwise(TIME).alias(TIME))
        line = with_line_ends(pl.col("_line")) if raw["_line"].str.contains(MARK, literal=True).any() else "_line"
        raw = raw.with_columns(pl.col("_line").alias(RAW) if isinstance(line, str) else line.alias(RAW))
        if raw[_TOLD].null_count() < raw.height:
            raw = raw.with_columns(flags(pl.col(FLAGS), pl.col(_TOLD)).alias(FLAGS))
        return raw.drop("_line", _WHEN, _TOLD, _UNTIMED)


def _plain(name: str) -> str:
    """A name without what people write it with: ``Event Time`` and ``event_time`` are one."""
    return _NOT_LETTERS.sub("", name.casefold())


_TIMES = tuple(dict.fromkeys([*map(_plain, TIME_NAMES), *_MORE_TIMES]))


def _time_columns(names: Sequence[str]) -> list[tuple[str, ...]]:
    """The columns that may hold the time, alone or two together, the most trustworthy first."""
    by_name = {_plain(name): name for name in reversed(names)}
    pairs = [(by_name[date], by_name[time]) for date, time in _PAIRS if date in by_name and time in by_name]
    return [*pairs, *((by_name[plain],) for plain in _TIMES if plain in by_name)]


def _time_texts(frame: pl.DataFrame) -> Iterator[pl.Series]:
    for columns in _time_columns(frame.columns):
        yield frame.select(pl.concat_str(columns, separator=" ").str.strip_chars()).to_series()


def _objects(frame: pl.DataFrame) -> pl.Series:
    """The columns as JSON objects, without those that are null; null where all are."""
    members = [
        pl.concat_str(pl.lit(msgspec.json.encode(name).decode() + ":"), json_text(frame, name))
        for name in frame.columns
        if frame[name].null_count() < frame.height
    ]
    if not members:
        return pl.Series(FIELDS, [None], dtype=pl.String()).new_from_index(0, frame.height)
    joined = pl.concat_str(*members, separator=",", ignore_nulls=True)
    made = pl.when(joined != "").then(pl.concat_str(pl.lit("{"), joined, pl.lit("}")))
    return frame.select(made.alias(FIELDS)).to_series()


def _read_header(line: bytes) -> tuple[str, tuple[str, ...]]:
    """Separator and names of a line of names; no names where it is none."""
    text = line.removeprefix(_BOM).rstrip(b"\r\n").decode(errors="replace")
    best: tuple[str, tuple[str, ...]] = (_SEPARATORS[0], ())
    for separator in _SEPARATORS:
        fields = cut_line(text, separator) if separator in text else None
        if fields is None or len(fields) <= len(best[1]) or len(fields) < 2:
            continue
        names = [name.strip() for name in fields]
        good = all(_NAME.fullmatch(name) and not _PROSE.search(name) for name in names)
        if good and len({name.casefold() for name in names}) == len(names):
            best = separator, tuple(names)
    return best


def _head_rows(head: bytes, separator: str) -> list[list[str] | None]:
    """The first lines cut into fields; None for one that cannot be."""
    data = b"".join(join_quoted((head.removeprefix(_BOM),), separator.encode()))
    lines = [line for line in data.split(b"\n") if line.strip()]
    if len(head) >= _HEAD_BYTES and not head.endswith(b"\n"):
        lines = lines[:-1]
    return [cut_line(line.rstrip(b"\r").decode(errors="replace"), separator) for line in lines[: _SNIFFED + 1]]


def _without_names(rows: list[list[str] | None]) -> Verdict:
    """Lines of equally many fields, one of which is a time: settings may name them."""
    whole = [row for row in rows if row is not None and len(row) == len(rows[0] or ())]
    if len(whole) < len(rows) or len(rows) < 2 or len(whole[0]) < 3:
        return Verdict(0.0, "the first line is none of names")
    for place in range(len(whole[0])):
        if event_times(pl.Series([row[place] for row in whole], dtype=pl.String())).when.null_count() == 0:
            return Verdict(0.3, f"lines of {len(whole[0])} fields; settings must name them")
    return Verdict(0.0, "the first line is none of names")
