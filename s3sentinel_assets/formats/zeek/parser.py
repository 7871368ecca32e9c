r"""Zeek's logs as it writes them by default: tab-separated lines under a header of ``#`` lines.

Source: Zeek, "Zeek Log Formats and Inspection", section "Zeek TSV Format Logs" (docs.zeek.org/en/master/
log-formats.html).

Belongs here: headers, lines, recognising them. Does not belong here: values (``values``), fields
(``fields``), tables (``columns``), logs as JSON (``json_parser``).

One file may hold several logs, each under its own header. ``#close`` and ``#open`` say nothing of records.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import msgspec
import polars as pl

from s3sentinel_assets.formats.frames import EXTRA
from s3sentinel_assets.formats.json_logs import any_time, epoch_seconds
from s3sentinel_assets.formats.line_logs import BadLine, CarefulLines, Fields, LineParser, read_fields
from s3sentinel_assets.formats.mapping import TableMapping
from s3sentinel_assets.formats.model import Reading, Verdict
from s3sentinel_assets.formats.zeek.columns import MAPPINGS, RECORD, WRITTEN
from s3sentinel_assets.formats.zeek.fields import GROUPS, KNOWN, OTHER, PATH
from s3sentinel_assets.formats.zeek.values import as_json, as_value

__all__ = ["ZeekParser"]

_BOM = b"\xef\xbb\xbf"
_ESCAPE = re.compile(r"\\x([0-9A-Fa-f]{2})")
_SNIFFED = 20
#: Lines that are worth trying the fast way again.
_MANY = 16


@dataclass(frozen=True)
class Header:
    """What a header says.

    Attributes:
        separator: between fields.
        set_separator: between the elements of a set or vector.
        empty: stands for an empty text or list.
        unset: stands for no value.
        path: name of the log.
        names: of the fields; empty: nothing has said so yet.
        types: Zeek's, as many; empty: not said.
    """

    separator: str = "\t"
    set_separator: str = ","
    empty: str = "(empty)"
    unset: str = "-"
    path: str | None = None
    names: tuple[str, ...] = ()
    types: tuple[str, ...] = ()

    def type_of(self, place: int) -> str:
        """The type of the field at ``place``."""
        return self.types[place] if place < len(self.types) else "string"


class ZeekParser(LineParser[Header]):
    """Parses Zeek's tab-separated logs."""

    name: ClassVar[str] = "zeek"
    title: ClassVar[str] = "a Zeek log"
    native: ClassVar[tuple[TableMapping, ...]] = MAPPINGS

    @classmethod
    def sniff(cls, head: bytes, key: str) -> Verdict:  # noqa: ARG003 - content says it all here
        """The header."""
        lines = head.removeprefix(_BOM).split(b"\n", _SNIFFED)[:_SNIFFED]
        if any(line.startswith(b"#separator \\x") for line in lines):
            return Verdict(0.97, "the header of a Zeek log")
        if any(line.startswith(b"#fields\t") for line in lines):
            return Verdict(0.93, "a line with the fields of a Zeek log")
        return Verdict(0.0, "it has no header of a Zeek log")

    def first_layout(self, reading: Reading) -> Header:  # noqa: ARG002 - every file says it itself
        """Zeek's defaults, without fields."""
        return Header()

    def header(self, line: bytes, layout: Header) -> Header | None:
        """What holds behind a line that begins with ``#``."""
        if not line.startswith(b"#"):
            return None
        text = line.decode(errors="replace")
        if text.startswith("#separator "):
            # A new header: nothing of the one before it holds.
            return Header(separator=_ESCAPE.sub(lambda m: chr(int(m[1], 16)), text[len("#separator ") :]) or "\t")
        word, _, rest = text[1:].partition(layout.separator)
        match word:
            case "set_separator":
                return replace(layout, set_separator=rest)
            case "empty_field":
                return replace(layout, empty=rest)
            case "unset_field":
                return replace(layout, unset=rest)
            case "path":
                return replace(layout, path=rest or None)
            case "fields":
                return replace(layout, names=_distinct(rest.split(layout.separator)), types=())
            case "types":
                return replace(layout, types=tuple(rest.split(layout.separator)))
            case _:
                return layout

    def may_have_header(self, data: bytes) -> bool:
        """Whether a line begins with ``#``."""
        return b"#" in data and (data.startswith(b"#") or b"\n#" in data)

    def _parse_held(self, layout: Header) -> None:
        """The last lines apart where a ``#close`` stands among them, so that all others are parsed at once."""
        held = self._held.get(layout, [])
        if len(held) > 2 and self.may_have_header(b"".join(held[-1].pieces)):
            last = held.pop()
            self._held_bytes -= last.size
            super()._parse_held(layout)
            layout = self._layouts[last.reading.object_id]  # another header may have come before
            self._held.setdefault(layout, []).append(last)
            self._held_bytes += last.size
        super()._parse_held(layout)

    def parse_all(self, data: bytes, lines: int, layout: Header) -> pl.DataFrame | None:
        """All lines at once; see `LineParser.parse_all`."""
        if len(layout.names) < 2 or len(layout.separator) != 1:
            return None
        frame = read_fields(
            data,
            lines,
            Fields(layout.names, required=len(layout.names)),
            separator=layout.separator,
            quoted=False,
            nothing=layout.unset,
        )
        if frame is None or frame.width != len(layout.names):
            return None
        return _columns(frame, layout)

    def parse_each(self, lines: Sequence[str], layout: Header) -> CarefulLines:
        """Lines one by one; see `LineParser.parse_each`."""
        if len(lines) >= _MANY:  # good lines between two headers, mostly
            made = self.parse_all(("\n".join(lines) + "\n").encode(), len(lines), layout)
            if made is not None:
                return CarefulLines(made, range(len(lines)))
        rows, good, bad = list[list[str | None]](), list[int](), list[BadLine]()
        for index, line in enumerate(lines):
            fields = line.split(layout.separator)
            if not layout.names:
                bad.append(BadLine(index, "no_header", "no #fields line says which fields the line has"))
            elif len(fields) != len(layout.names):
                detail = f"the line has {len(fields)} fields; its header names {len(layout.names)}"
                bad.append(BadLine(index, "field_count", detail))
            else:
                rows.append([None if text in (layout.unset, "") else text for text in fields])
                good.append(index)
        frame = pl.DataFrame(rows, schema=dict.fromkeys(layout.names, pl.String()), orient="row")
        return CarefulLines(_columns(frame, layout), good, bad)

    def time(self, frame: pl.DataFrame, layout: Header) -> pl.Series:  # noqa: ARG002
        """``ts``: seconds since 1970."""
        if "ts" not in frame.columns:
            return pl.Series([None], dtype=pl.Datetime("us", "UTC")).new_from_index(0, frame.height)
        seconds = frame["ts"].cast(pl.Float64, strict=False)
        if seconds.null_count() > frame["ts"].null_count():
            return any_time(frame["ts"])
        return epoch_seconds(seconds)

    def prepare(self, raw: pl.DataFrame) -> pl.DataFrame:
        """Adds when records were written, where that is said."""
        return raw.with_columns(any_time(raw["_write_ts"]).alias(WRITTEN)) if "_write_ts" in raw.columns else raw


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    """Field names; a repeated one has its place appended."""
    return tuple(name if names.index(name) == place else f"{name}-{place}" for place, name in enumerate(names))


def _columns(frame: pl.DataFrame, layout: Header) -> pl.DataFrame:
    """Raw columns of the fields that a mapping places; the others as JSON."""
    group = next((group for group, paths in GROUPS.items() if layout.path in paths), None)
    known = KNOWN[group] if group else OTHER
    how = {"set_separator": layout.set_separator, "empty": layout.empty, "unset": layout.unset}
    made = list[pl.Series]()
    members = list[pl.Series]()
    for place, name in enumerate(frame.columns):
        kind = layout.type_of(place)
        if frame[name].null_count() == frame.height:
            made += [frame[name]] if name in known else []
            continue
        if name in known:
            made.append(as_value(frame[name], kind, **how))
        if name not in known or group is None:
            members.append(as_json(frame[name], kind, **how))
    path = pl.Series(PATH, [layout.path], dtype=pl.String).new_from_index(0, frame.height)
    own = PATH in frame.columns
    return pl.DataFrame([*made, *([] if own else [path]), _objects(members, frame.height, EXTRA if group else RECORD)])


def _objects(members: Sequence[pl.Series], rows: int, name: str) -> pl.Series:
    """JSON texts as members of one object a row, without those that are null."""
    if not members:
        return pl.Series(name, [None], dtype=pl.String).new_from_index(0, rows)
    parts = [pl.concat_str(pl.lit(msgspec.json.encode(one.name).decode() + ":"), pl.col(one.name)) for one in members]
    joined = pl.concat_str(*parts, separator=",", ignore_nulls=True)
    made = pl.when(joined != "").then(pl.concat_str(pl.lit("{"), joined, pl.lit("}")))
    return pl.DataFrame(members).select(made.alias(name)).to_series()
