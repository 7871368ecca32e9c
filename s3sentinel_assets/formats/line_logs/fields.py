r"""Delimited lines as text columns, at speed.

Belongs here: what the fields of a line are, and cutting many good lines at once with Polars' CSV reader. Does not
belong here: lines that it cannot cut (``delimited``), what makes quotes good ones (``quotes``).
"""

import functools
from dataclasses import dataclass

import polars as pl

from s3sentinel_assets.formats.extra_fields import json_object
from s3sentinel_assets.formats.frames import EXTRA
from s3sentinel_assets.formats.line_logs.quotes import pair_up, split_line

__all__ = ["NOTHING", "SPARE", "Cut", "Fields", "cut_lines", "read_fields", "spare_names", "with_extra"]

#: Columns for fields at the end of a line that nobody knows yet.
SPARE = 12
NOTHING = "-"


@dataclass(frozen=True)
class Fields:
    """The fields of a line, in order.

    Attributes:
        names: the format's own names, each once; a raw column is called the same.
        required: how many of them a line must have; the others came with later versions of the format.
        quotes: how many quotes a good line can have; empty: any number. A line with another number is cut by hand.
        first_spare: the number, counted from 1, that people would give to the first field behind those named; None:
            the next one. It differs where one field of the format is several here.
    """

    names: tuple[str, ...]
    required: int
    quotes: tuple[int, ...] = ()
    first_spare: int | None = None


@functools.cache
def spare_names(number: int) -> tuple[str, ...]:
    """Names of the columns for fields behind those that are known."""
    return tuple(f"_spare{place}" for place in range(number))


def read_fields(
    data: bytes,
    lines: int,
    fields: Fields,
    *,
    separator: str = " ",
    quoted: bool = True,
    nothing: str = NOTHING,
    escapes: bool = True,
) -> pl.DataFrame | None:
    r"""Lines as text columns, the fast way.

    Args:
        data: whole lines, each ending in LF.
        lines: how many.
        fields: their fields.
        separator: one character.
        quoted: whether fields with the separator in them stand in double quotes.
        nothing: the text for a field without a value.
        escapes: whether the writer puts a backslash before quotes inside of a field.

    Returns:
        A String column for each field, null for ``nothing``, empty text and absent fields, and ``_spare0`` … for fields
        beyond them, shape (``lines``, …); None when any line needs a closer look.
    """
    if quoted and not pair_up(data, separator, escapes=escapes, allowed=fields.quotes):
        return None
    found = cut_lines(data, lines, fields, Cut(separator, quoted=quoted, nothing=nothing))
    if found is None or not found[1].all():
        return None
    return found[0]


@dataclass(frozen=True)
class Cut:
    """How the CSV reader is to cut lines; see `read_fields`."""

    separator: str
    quoted: bool
    nothing: str


def cut_lines(data: bytes, lines: int, fields: Fields, cut: Cut) -> tuple[pl.DataFrame, pl.Series] | None:
    """As `read_fields`, with a second value: which lines are long enough, Boolean."""
    # Columns that no line has cost time; mostly all lines have as many fields as the first.
    first = split_line(data[: data.find(b"\n")].decode(errors="replace"), cut.separator, quoted=cut.quoted)
    spare = max(0, len(first) - len(fields.names))
    if spare > SPARE:
        return None  # the reader would make a column of each field, only to refuse the line
    last = fields.names[fields.required - 1]
    if any(text not in ("", cut.nothing) for text in first[fields.required - 1 :]):
        frame = _csv(data, lines, fields, cut, spare, nulls=[cut.nothing, ""])
        if frame is None:
            return None
        enough = _long_enough(frame, last)
        if enough.all():
            return _without_empty(frame, fields), enough
    # A field that is not there cannot be told from one without a value, unless the latter keeps its text.
    frame = _csv(data, lines, fields, cut, spare, nulls=None)
    if frame is None:
        return None
    enough = _long_enough(frame, last)
    names = frame.columns
    frame = frame.with_columns(
        pl.when((pl.col(name) != cut.nothing) & (pl.col(name) != "")).then(name) for name in names
    )
    return _without_empty(frame, fields), enough


def _csv(data: bytes, lines: int, fields: Fields, cut: Cut, spare: int, nulls: list[str] | None) -> pl.DataFrame | None:
    names = (*fields.names, *spare_names(spare))
    try:
        frame = pl.read_csv(
            data,
            separator=cut.separator,
            has_header=False,
            schema=dict.fromkeys(names, pl.String()),
            null_values=nulls,
            quote_char='"' if cut.quoted else None,
            missing_columns="insert",
        )
    except pl.exceptions.PolarsError:
        return _csv(data, lines, fields, cut, SPARE, nulls) if spare < SPARE else None
    return frame if frame.height == lines else None


def _long_enough(frame: pl.DataFrame, last: str) -> pl.Series:
    """Which lines surely have the field ``last``: it or one behind it has a value."""
    enough = frame[last].is_not_null()
    for name in frame.columns[frame.columns.index(last) + 1 :]:
        if enough.all():
            break
        enough |= frame[name].is_not_null()
    return enough


def _without_empty(frame: pl.DataFrame, fields: Fields) -> pl.DataFrame:
    return frame.drop([name for name in frame.columns[len(fields.names) :] if frame[name].null_count() == frame.height])


def with_extra(frame: pl.DataFrame, first: int) -> pl.DataFrame:
    """The spare columns as one: ``_extra``, a JSON object by place in the line, from ``first`` on; null where empty."""
    spare = [name for name in frame.columns if name.startswith("_spare")]
    if not spare:
        return frame
    places = sorted(int(name.removeprefix("_spare")) for name in spare)
    extra = json_object({f"field_{first + place}": f"_spare{place}" for place in places})
    return frame.with_columns(extra.alias(EXTRA)).drop(spare)
