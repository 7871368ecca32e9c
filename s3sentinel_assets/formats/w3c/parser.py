"""W3C extended logs, such as those of IIS: fields as a ``#Fields:`` line states them.

Source: W3C, "Extended Log File Format" (www.w3.org/TR/WD-logfile); Microsoft, "W3C Logging" (learn.microsoft.com/
windows/win32/http/w3c-logging).

Belongs here: recognising them, times. Does not belong here: cutting lines (``lines``), the columns
(``columns``), CloudFront's logs, which are written in the same way but have a format of their own.

``date`` and ``time`` are in UTC; ``date-local`` and ``time-local`` in the time zone of the settings. Where lines have a
time alone, the date is that of the last ``#Date:`` line, or the day after it once the time of day has gone back.
"""

import re
from collections.abc import Sequence
from typing import ClassVar

import polars as pl

from s3sentinel_assets.formats.cloudfront.standard import read_header
from s3sentinel_assets.formats.frames import FLAGS, flags
from s3sentinel_assets.formats.instants import parse_iso8601
from s3sentinel_assets.formats.line_logs import BadLine, CarefulLines, LineParser
from s3sentinel_assets.formats.line_logs.text_times import TextTimes, read_times
from s3sentinel_assets.formats.mapping import TableMapping
from s3sentinel_assets.formats.model import Reading, Verdict
from s3sentinel_assets.formats.w3c.columns import ASIM, SOFTWARE, prepared
from s3sentinel_assets.formats.w3c.lines import (
    Directives,
    cut_lines,
    is_web_log,
    read_directive,
    read_lines,
    stated_fields,
)

__all__ = ["W3cParser"]

_BOM = b"\xef\xbb\xbf"
_FIELDS_LINE = re.compile(rb"#\s*Fields:(.*)", re.IGNORECASE)
_DIRECTIVE = re.compile(rb"#\s*(?:Software|Version|Date|Start-Date|Fields):", re.IGNORECASE)
#: What IIS begins with; CloudFront begins with the version.
_NAMED = re.compile(rb"#\s*(?:Software|Date|Start-Date):", re.IGNORECASE)
_BARE = re.compile(
    rb"\d{4}-\d\d-\d\d[ \t]\d\d:\d\d:\d\d.*?[ \t](?:GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH|PROPFIND)(?:[ \t]|$)"
)
#: Minutes that the time of day may go back without a new day having begun.
_LATE = 60
#: Lines that are worth trying the fast way again.
_MANY = 16
#: What the values of some fields look like, where there is one; several stand near the end of a line.
_SHAPES = {
    "date": r"^\d{4}-\d\d-\d\d$",
    "time": r"^\d\d:\d\d(?::\d\d(?:\.\d+)?)?$",
    "s-port": r"^\d+$",
    "sc-status": r"^\d+$",
    "sc-win32-status": r"^\d+$",
    "sc-bytes": r"^\d+$",
    "cs-bytes": r"^\d+$",
    "time-taken": r"^\d+(?:\.\d+)?$",
    "time-taken-ms": r"^\d+(?:\.\d+)?$",
}


class W3cParser(LineParser[Directives]):
    """Parses W3C extended logs of requests."""

    name: ClassVar[str] = "w3c"
    title: ClassVar[str] = "a W3C extended log of requests"
    native: ClassVar[tuple[TableMapping, ...]] = (ASIM,)

    @classmethod
    def sniff(cls, head: bytes, key: str) -> Verdict:  # noqa: ARG003 - content says it all here
        """A ``#Fields:`` line with fields of requests; lines with date, time and method at best hint at one."""
        lines = [line.strip(b"\r") for line in head.removeprefix(_BOM).split(b"\n") if line.strip()][:40]
        if not lines:
            return Verdict(0.0, "it has no line")
        stated = next((match for line in lines if (match := _FIELDS_LINE.match(line))), None)
        if stated is not None:
            names = stated_fields(stated[1].decode(errors="replace").split())
            if read_header(stated[0]) is not None or "x-edge-location" in names:
                return Verdict(0.0, "its fields are those of CloudFront")
            if not is_web_log(names):
                return Verdict(0.0, "its #Fields line has none of a request")
            return Verdict(0.92, f"a #Fields line with {len(names)} fields")
        if _NAMED.match(lines[0]) and all(_DIRECTIVE.match(line) for line in lines[:-1] or lines):
            return Verdict(0.4, "directives, cut before the one with the fields")
        if all(_BARE.match(line) for line in lines[:-1] or lines):
            return Verdict(0.3, "lines with date, time and method; settings must name their fields")
        return Verdict(0.0, "no #Fields line")

    def first_layout(self, reading: Reading) -> Directives:  # noqa: ARG002
        """The fields of the settings, if they are those of requests; else none."""
        names = stated_fields(self.options.fields)
        return Directives(names if is_web_log(names) else ())

    def header(self, line: bytes, layout: Directives) -> Directives | None:
        """What holds behind a line that begins with ``#``."""
        return read_directive(line, layout)

    def may_have_header(self, data: bytes) -> bool:
        """Whether a line begins with ``#``."""
        return b"#" in data and (data.startswith(b"#") or b"\n#" in data)

    def parse_all(self, data: bytes, lines: int, layout: Directives) -> pl.DataFrame | None:
        """All lines at once; see `LineParser.parse_all`."""
        if not layout.names:
            return None
        frame = read_lines(data, lines, layout.names)
        if frame is None or not _shaped(frame).all():
            return None
        return frame.with_columns(pl.lit(layout.software, dtype=pl.String).alias(SOFTWARE))

    def parse_each(self, lines: Sequence[str], layout: Directives) -> CarefulLines:
        """Lines one by one; see `LineParser.parse_each`."""
        if len(lines) >= _MANY:  # good lines between two headers, mostly
            made = self.parse_all(("\n".join(lines) + "\n").encode(), len(lines), layout)
            if made is not None:
                return CarefulLines(made, range(len(lines)))
        frame, good, bad = cut_lines(lines, layout.names)
        if good:
            fits = _shaped(frame)
            detail = f"the line is not one of {self.title}"
            bad += [BadLine(good[row], "not_w3c", detail) for row in (~fits).arg_true()]
            good = [index for index, fit in zip(good, fits, strict=True) if fit]
            frame = frame.filter(fits)
        return CarefulLines(frame.with_columns(pl.lit(layout.software, dtype=pl.String).alias(SOFTWARE)), good, bad)

    def time(self, frame: pl.DataFrame, layout: Directives) -> pl.Series:
        """``date`` and ``time``, else those of the writer's time zone, else the time on the date of the directive."""
        has = set(frame.columns)
        if {"date", "time"} <= has:
            return parse_iso8601(_joined(frame, pl.col("date"), "time", "Z"))
        if {"date-local", "time-local"} <= has:
            return self._local_times(frame).when
        if "time" in has and layout.date is not None:
            when = parse_iso8601(_joined(frame, pl.lit(layout.date), "time", "Z"))
            return _on_later_day(when, layout) if layout.since else when
        return pl.Series([None], dtype=pl.Datetime("us", "UTC")).new_from_index(0, frame.height)

    def prepare(self, raw: pl.DataFrame) -> pl.DataFrame:
        """Adds what the mapping needs and what is told of times, and moves fields without a column aside."""
        if self.options.time_zone != "UTC" and {"date-local", "time-local"} <= set(raw.columns):
            told = pl.lit(self._local_times(raw).told)
            if {"date", "time"} <= set(raw.columns):
                told = pl.when(pl.col("date").is_null()).then(told)
            raw = raw.with_columns(flags(pl.col(FLAGS), told).alias(FLAGS))
        return prepared(raw)

    def _local_times(self, frame: pl.DataFrame) -> TextTimes:
        return read_times(_joined(frame, pl.col("date-local"), "time-local", ""), zone=self.options.time_zone)


def _joined(frame: pl.DataFrame, date: pl.Expr, time: str, zone: str) -> pl.Series:
    return frame.select(pl.concat_str(date, pl.lit("T"), time, pl.lit(zone)).alias("text")).to_series()


def _on_later_day(when: pl.Series, layout: Directives) -> pl.Series:
    first = parse_iso8601(pl.Series([f"{layout.date}T{layout.since}Z"]))[0]
    if first is None:
        return when
    frame = when.alias("when").to_frame()
    gone_back = pl.col("when") < pl.lit(first) - pl.duration(minutes=_LATE)
    later = pl.when(gone_back).then(pl.col("when") + pl.duration(days=1)).otherwise("when")
    return frame.select(later.alias("when")).to_series()


def _shaped(frame: pl.DataFrame) -> pl.Series:
    checks = [
        pl.col(name).str.contains(shape).fill_null(value=True)
        for name, shape in _SHAPES.items()
        if name in frame.columns
    ]
    if not checks:
        return pl.Series([True], dtype=pl.Boolean).new_from_index(0, frame.height)
    return frame.select(pl.all_horizontal(checks).alias("fits")).to_series()
