r"""Lines of fields with a separator between them, quoted or not: the base of most access and flow logs.

Belongs here: cutting lines into text columns at speed, and by hand where quotes do not pair up. Does not belong here:
what the fields of one format are.

Good lines are cut by Polars' CSV reader. A line whose quotes are odd (a user agent with a quote in it that the writer
did not escape) is cut by hand: a quoted field ends at a quote that a separator or the end of the line follows, and
``\"`` is part of it.
"""

import functools
import io
import re
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from s3sentinel_assets.formats.frames import EXTRA
from s3sentinel_assets.formats.line_logs.parser import BOM, BadLine, CarefulLines, LineParser
from s3sentinel_assets.formats.model import Reading

__all__ = ["DelimitedParser", "Fields", "read_fields", "split_fields"]

#: Columns for fields at the end of a line that nobody knows yet.
SPARE = 12
#: Lines that detection looks at.
SNIFFED = 20
NOTHING = "-"


@dataclass(frozen=True)
class Fields:
    """The fields of a line, in order.

    Attributes:
        names: the format's own names, each once; a raw column is called the same.
        required: how many of them a line must have; the others came with later versions of the format.
        quotes: how many quotes a good line can have; empty: any number that is the same in all lines. A file with
            another number is read by hand, so this only costs time where it is wrong.
    """

    names: tuple[str, ...]
    required: int
    quotes: tuple[int, ...] = ()


@functools.cache
def _spare_names(number: int) -> tuple[str, ...]:
    return tuple(f"_spare{place}" for place in range(number))


def read_fields(
    data: bytes, lines: int, fields: Fields, *, separator: str = " ", quoted: bool = True, nothing: str = NOTHING
) -> pl.DataFrame | None:
    """Lines as text columns, the fast way.

    Args:
        data: whole lines.
        lines: how many.
        fields: their fields.
        separator: one character.
        quoted: whether fields with the separator in them stand in double quotes.
        nothing: the text for a field without a value.

    Returns:
        A String column for each field, null for ``nothing``, empty text and absent fields, and ``_spare0`` … for fields
        beyond them, shape (``lines``, …); None when any line needs a closer look.
    """
    if quoted and not _quotes_fit(data, lines, fields.quotes):
        return None
    names = (*fields.names, *_spare_names(SPARE))
    last = fields.names[fields.required - 1]
    nulls = {name: nothing for name in names if name != last}
    try:
        frame = pl.read_csv(
            io.BytesIO(data),
            separator=separator,
            has_header=False,
            schema=dict.fromkeys(names, pl.String()),
            null_values=nulls,
            quote_char='"' if quoted else None,
            missing_columns="insert",
        )
    except pl.exceptions.PolarsError:
        return None
    if frame.height != lines or frame[last].null_count():
        return None
    text = frame[last]
    if (text == nothing).any():
        frame = frame.with_columns(pl.when(pl.col(last) != nothing).then(last))
    return frame.drop([name for name in names[len(fields.names) :] if frame[name].null_count() == lines])


def _quotes_fit(data: bytes, lines: int, allowed: tuple[int, ...]) -> bool:
    """Whether all lines have the same number of quotes, one that good lines can have, and none is escaped."""
    first = data.count(b'"', 0, data.find(b"\n") + 1)
    if first % 2 or (allowed and first not in allowed) or b'\\"' in data:
        return False
    return data.count(b'"') == first * lines


@functools.cache
def _token(separator: str, *, quoted: bool) -> re.Pattern[str]:
    split = re.escape(separator)
    plain = rf"(?P<plain>[^{split}]*)"
    if not quoted:
        return re.compile(plain)
    return re.compile(rf'"(?P<inner>(?:[^"\\]|\\.|"(?!{split}|$))*)"(?={split}|$)|{plain}')


def split_fields(line: str, *, separator: str = " ", quoted: bool = True) -> list[str]:
    """One line cut by hand; quotes around fields are taken away, what is inside stays as it is."""
    if not quoted or '"' not in line:
        return line.split(separator)
    token, found, at = _token(separator, quoted=True), list[str](), 0
    while True:
        match = token.match(line, at)
        if match is None:
            raise AssertionError("the pattern matches anything")
        inner = match["inner"]
        found.append(match["plain"] if inner is None else inner)
        at = match.end() + 1
        if match.end() >= len(line):
            return found


class DelimitedParser(LineParser[Fields]):
    """A format of delimited lines.

    A format says, beside what `LineParser` asks: ``fields`` (or overrides `first_layout` and `header`), `shape` and
    ``time``.
    """

    #: The fields of files that state none.
    fields: ClassVar[Fields]
    separator: ClassVar[str] = " "
    quoted: ClassVar[bool] = True
    nothing: ClassVar[str] = NOTHING

    def first_layout(self, reading: Reading) -> Fields:  # noqa: ARG002 - for those whose options say otherwise
        """``fields``."""
        return self.fields

    @abstractmethod
    def shape(self, frame: pl.DataFrame) -> pl.Expr:
        """Which lines are of this format, beyond the number of fields: Boolean; null counts as no.

        It keeps lines of similar formats apart, so it must look at fields that tell.
        """

    def parse_all(self, data: bytes, lines: int, layout: Fields) -> pl.DataFrame | None:
        """All lines at once; see `LineParser.parse_all`."""
        frame = read_fields(data, lines, layout, separator=self.separator, quoted=self.quoted, nothing=self.nothing)
        if frame is None or not self._shaped(frame).all():
            return None
        return with_extra(frame, len(layout.names))

    def parse_each(self, lines: Sequence[str], layout: Fields) -> CarefulLines:
        """Lines one by one; see `LineParser.parse_each`."""
        split = [split_fields(line, separator=self.separator, quoted=self.quoted) for line in lines]
        enough = [index for index, fields in enumerate(split) if len(fields) >= layout.required]
        bad = [
            BadLine(
                index, "field_count", f"the line has {len(fields)} fields, {self.title} has at least {layout.required}"
            )
            for index, fields in enumerate(split)
            if len(fields) < layout.required
        ]
        widest = max((len(split[index]) for index in enough), default=0)
        spare = max(0, widest - len(layout.names))
        names = (*layout.names, *_spare_names(spare))
        frame = pl.DataFrame(
            [split[index] + [None] * (len(names) - len(split[index])) for index in enough],
            schema=dict.fromkeys(names, pl.String()),
            orient="row",
        ).select(pl.when((pl.col(name) != self.nothing) & (pl.col(name) != "")).then(name) for name in names)
        fits = self._shaped(frame)
        good = [index for index, fit in zip(enough, fits, strict=True) if fit]
        detail = f"the line is not one of {self.title}"
        bad += [BadLine(index, f"not_{self.name}", detail) for index, fit in zip(enough, fits, strict=True) if not fit]
        return CarefulLines(with_extra(frame.filter(fits), len(layout.names)), good, bad)

    @classmethod
    def share_of_lines(cls, head: bytes) -> tuple[float, int]:
        """How many of the first lines are of this format, from 0 to 1, and how many were looked at; for `sniff`."""
        lines = [line for line in head.removeprefix(BOM).decode(errors="replace").splitlines() if line.strip()]
        # The last line of a head is cut, unless it is the only one.
        whole = (lines[:-1] or lines)[:SNIFFED] if not head.endswith(b"\n") else lines[:SNIFFED]
        if not whole:
            return 0.0, 0
        return len(cls().parse_each(whole, cls.fields).good) / len(whole), len(whole)

    def _shaped(self, frame: pl.DataFrame) -> pl.Series:
        return frame.select(self.shape(frame).fill_null(value=False).alias("fits")).to_series()


def with_extra(frame: pl.DataFrame, known: int) -> pl.DataFrame:
    """The spare columns as one: ``_extra``, a JSON object by place in the line, counted from 1; null where empty."""
    spare = [name for name in frame.columns if name.startswith("_spare")]
    if not spare:
        return frame
    labelled = [(name, f"field_{known + 1 + int(name.removeprefix('_spare'))}") for name in spare]
    texts = [
        # One member of the object: {"field_30":"…"} without its braces.
        pl.when(pl.col(name).is_not_null()).then(
            pl.struct(pl.col(name).alias(label)).struct.json_encode().str.head(-1).str.slice(1)
        )
        for name, label in labelled
    ]
    joined = pl.concat_str(*texts, separator=",", ignore_nulls=True)
    extra = pl.when(joined != "").then(pl.concat_str(pl.lit("{"), joined, pl.lit("}"))).alias(EXTRA)
    return frame.with_columns(extra).drop(spare)
