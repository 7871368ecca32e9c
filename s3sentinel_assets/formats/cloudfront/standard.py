"""CloudFront's standard access logs: legacy ones, and those of version 2 as W3C text, plain text, JSON and Parquet.

Source: AWS, "Standard logging reference", section "Log file fields" (docs.aws.amazon.com/AmazonCloudFront/latest/
DeveloperGuide/standard-logs-reference.html) and "Configure standard logging (v2)" (…/standard-logging.html).

A delivery of version 2 may have blanks for tabs: no value has a blank, as these are percent-encoded.

Belongs here: recognising them, header lines, JSON lines. Does not belong here: the columns (``columns``),
real-time logs (``realtime``). Logs of RTMP distributions, which CloudFront gave up at the end of 2020, have
other fields and are not read.
"""

import re
from collections.abc import Sequence
from typing import ClassVar

import polars as pl

from s3sentinel_assets.formats.cloudfront.columns import ASIM, FIELDS, NATIVE, as_field, event_times, prepared
from s3sentinel_assets.formats.json_logs.flat_rows import read_rows, record_of, starts_object, value_text
from s3sentinel_assets.formats.line_logs import BadLine, CarefulLines, DelimitedParser, Fields
from s3sentinel_assets.formats.mapping import TableMapping
from s3sentinel_assets.formats.model import ParseOptions, Reading, Strays, Verdict

__all__ = ["CloudFrontParser", "read_header"]

#: The order of legacy logs; older ones end earlier.
_LEGACY = Fields(tuple(FIELDS)[:33], required=18)
_BOM = b"\xef\xbb\xbf"
_FIELDS_LINE = b"#Fields:"
#: Fields that only CloudFront's logs have, and those of RTMP distributions.
_TELLING = frozenset({"x-edge-location", "x-edge-request-id", "x-edge-result-type", "x-edge-detailed-result-type"})
_TELLING |= {"timestamp-ms", "distributionid", "cache-behavior-path-pattern", "origin-fbl"}
_RTMP = frozenset({"x-event", "x-cf-status", "x-cf-client-id"})
_LEGACY_LINE = re.compile(rb"\d{4}-\d\d-\d\d\t\d\d:\d\d:\d\d\t[A-Z]{3}\d[0-9A-Z-]*\t\d+\t[0-9A-Fa-f.:]+\t[A-Z-]+\t")
#: What the values of some fields look like, where there is one; several stand near the end of a line.
_SHAPES = {
    "date": r"^\d{4}-\d\d-\d\d$",
    "time": r"^\d\d:\d\d:\d\d$",
    "timestamp": r"^\d+(?:\.\d+)?$",
    "timestamp-ms": r"^\d+$",
    "x-edge-location": r"^[A-Z0-9]{3,}(?:-[A-Z0-9]+)*$",
    "c-ip": r"^[0-9A-Fa-f.:]+$",
    "sc-bytes": r"^\d+$",
    "sc-status": r"^\d{3}$",
    "cs-bytes": r"^\d+$",
    "time-taken": r"^\d+(?:\.\d+)?$",
    "cs-protocol": r"^[a-z]+$",
    "x-edge-response-result-type": r"^[A-Za-z]+$",
    "cs-protocol-version": r"^HTTP/\d",
    "c-port": r"^\d+$",
    "time-to-first-byte": r"^\d+(?:\.\d+)?$",
    "sc-content-len": r"^\d+$",
}


def read_header(line: bytes) -> tuple[str, ...] | None:
    """The fields that a ``#Fields:`` line states, as `as_field` writes them; None when they are not CloudFront's."""
    if not line.startswith(_FIELDS_LINE):
        return None
    names = [as_field(name) for name in line[len(_FIELDS_LINE) :].decode(errors="replace").replace(",", " ").split()]
    if _TELLING.isdisjoint(names) or not _RTMP.isdisjoint(names):
        return None
    return tuple(name if names.index(name) == at else f"{name}-{at}" for at, name in enumerate(names))


def fits(frame: pl.DataFrame, shapes: dict[str, str]) -> pl.Expr:
    """Whether the values of a line look as they should, where there are any."""
    checks = [
        pl.col(name).str.contains(shape).fill_null(value=True)
        for name, shape in shapes.items()
        if name in frame.columns
    ]
    return pl.all_horizontal(checks) if checks else pl.lit(value=False)


class CloudFrontParser(DelimitedParser):
    """Parses standard access logs."""

    name: ClassVar[str] = "cloudfront"
    title: ClassVar[str] = "a CloudFront access log"
    fields: ClassVar[Fields] = _LEGACY
    separator: ClassVar[str] = "\t"
    quoted: ClassVar[bool] = False
    native: ClassVar[tuple[TableMapping, ...]] = (NATIVE,)
    asim: ClassVar[tuple[TableMapping, ...]] = (ASIM,)

    def __init__(self, options: ParseOptions | None = None, strays: Strays | None = None, **limits: int) -> None:
        """See `LineParser`."""
        super().__init__(options, strays, **limits)
        self._keys: dict[int, str] = {}

    @classmethod
    def sniff(cls, head: bytes, key: str) -> Verdict:  # noqa: ARG003 - content says it all here
        """A ``#Fields:`` line or keys of its fields, else lines that begin as those of legacy logs."""
        lines = [line.strip(b"\r") for line in head.removeprefix(_BOM).split(b"\n") if line.strip()][:20]
        if not lines:
            return Verdict(0.0, "it has no line")
        if starts_object(lines[0]):
            known = _known(lines[0])
            return Verdict(0.97 if known else 0.0, f"JSON lines with {known} fields of an access log")
        stated = next((line for line in lines if line.startswith(_FIELDS_LINE)), None)
        if stated is not None:
            names = {as_field(name) for name in stated[len(_FIELDS_LINE) :].decode(errors="replace").split()}
            if names & _RTMP:
                return Verdict(0.0, "it is the log of an RTMP distribution; CloudFront has had none since 2021")
            known = sum(name in FIELDS for name in names) if names & _TELLING else 0
            return Verdict(0.98 if known else 0.0, f"a header with {known} fields of an access log")
        if lines == [b"#Version: 1.0"]:
            return Verdict(0.3, "a header cut short")
        shaped = sum(_LEGACY_LINE.match(line) is not None for line in lines)
        return Verdict(0.95 * shaped / len(lines), f"{shaped} of {len(lines)} lines begin as those of a legacy log")

    def first_layout(self, reading: Reading) -> Fields:
        """That of legacy logs. The key is kept: it names the distribution."""
        self._keys[reading.object_id] = reading.key
        return self.fields

    def header(self, line: bytes, layout: Fields) -> Fields | None:
        """The order that a ``#Fields:`` line states; other lines with ``#`` state nothing."""
        if not line.startswith(b"#"):
            return None
        names = read_header(line)
        return layout if names is None else Fields(names, required=len(names))

    def may_have_header(self, data: bytes) -> bool:
        """Whether a line begins with ``#``."""
        return b"#" in data and (data.startswith(b"#") or b"\n#" in data)

    def shape(self, frame: pl.DataFrame) -> pl.Expr:
        """What the values look like, and that there is a time."""
        clocks = [name for name in ("date", "timestamp", "timestamp-ms") if name in frame.columns]
        timed = pl.any_horizontal(pl.col(clocks).is_not_null()) if clocks else pl.lit(value=False)
        return fits(frame, _SHAPES) & timed

    def parse_all(self, data: bytes, lines: int, layout: Fields) -> pl.DataFrame | None:
        """All lines at once; see `LineParser.parse_all`."""
        if data[:1] != b"{":
            if b"\t" not in data:
                data = data.replace(b" ", b"\t")
            return super().parse_all(data, lines, layout)
        frame = read_rows(data, lines)
        if frame is None or not _TELLING & {as_field(name) for name in frame.columns}:
            return None
        columns = [_text_column(column, as_field(column.name)) for column in frame]
        if any(column is None for column in columns) or len({c.name for c in columns if c is not None}) < len(columns):
            return None
        made = pl.DataFrame([column for column in columns if column is not None])
        return made if made.select(self.shape(made)).to_series().all() else None

    def parse_each(self, lines: Sequence[str], layout: Fields) -> CarefulLines:
        """Lines one by one; see `LineParser.parse_each`."""
        objects = [index for index, line in enumerate(lines) if line.lstrip().startswith("{")]
        lines = [line if "\t" in line or line.lstrip().startswith("{") else line.replace(" ", "\t") for line in lines]
        if not objects:
            return super().parse_each(lines, layout)
        among = set(objects)
        others = [index for index in range(len(lines)) if index not in among]
        cut = super().parse_each([lines[index] for index in others], layout)
        bad = [BadLine(others[line.index], line.reason, line.detail) for line in cut.bad]
        rows, places = list[dict[str, str | None]](), list[int]()
        for index in objects:
            record = record_of(lines[index])
            if record is None:
                bad.append(BadLine(index, "bad_json", "the line is no whole JSON object"))
                continue
            row: dict[str, str | None] = {as_field(name): value_text(value, "-") for name, value in record.items()}
            if _TELLING.isdisjoint(row):
                bad.append(BadLine(index, f"not_{self.name}", f"the line is not one of {self.title}"))
                continue
            rows.append(row)
            places.append(index)
        frame = pl.DataFrame(rows, schema={name: pl.String() for row in rows for name in row})
        fitting = frame.select(self.shape(frame).alias("fits")).to_series() if rows else pl.Series([], dtype=pl.Boolean)
        if fitting.len() != len(rows):
            fitting = pl.Series([False] * len(rows), dtype=pl.Boolean)
        detail = f"the line is not one of {self.title}"
        bad += [BadLine(places[row], f"not_{self.name}", detail) for row in (~fitting).arg_true()]
        good = [*(others[index] for index in cut.good), *(places[row] for row in fitting.arg_true())]
        merged = pl.concat([cut.frame, frame.filter(fitting)], how="diagonal")
        order = pl.Series(good, dtype=pl.Int64)
        return CarefulLines(merged[order.arg_sort()], order.sort().to_list(), bad)

    def time(self, frame: pl.DataFrame, layout: Fields) -> pl.Series:  # noqa: ARG002
        """When the edge had answered."""
        return event_times(frame)

    def prepare(self, raw: pl.DataFrame) -> pl.DataFrame:
        """Adds the distribution and decoded values, and moves fields without a column aside."""
        return prepared(raw, self._keys, self.mappings[0])


def _known(line: bytes) -> int:
    """How many of CloudFront's fields a JSON line has; 0 when none tells."""
    names = {as_field(name) for name in record_of(line) or ()}
    return sum(name in FIELDS for name in names) if names & _TELLING and not names & _RTMP else 0


def _text_column(column: pl.Series, name: str) -> pl.Series | None:
    """A JSON field as a text line would have it; None when it is nested, or a fraction: its digits may have changed."""
    if column.dtype.is_nested() or column.dtype.is_float():
        return None
    texts = column.cast(pl.String).alias(name)
    empty = texts.is_in(["", "-"])
    return texts.set(empty, None) if empty.any() else texts
