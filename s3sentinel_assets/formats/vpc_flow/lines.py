"""Lines of one field order → columns; good lines in one go, bad ones picked out.

Belongs here: splitting lines and telling good from bad. Does not belong here: files, headers, the table.
"""

import io
from dataclasses import dataclass

import polars as pl

from s3sentinel_assets.formats.instants import LAST_EPOCH_SECOND
from s3sentinel_assets.formats.vpc_flow.fields import NUMBERS, FieldOrder

__all__ = ["EVENT_SECOND", "BadLine", "parse_fast", "parse_lines"]

_NOTHING = "-"
#: Column with the second a flow began; where ``start`` is missing, the second it ended.
EVENT_SECOND = "_second"


@dataclass(frozen=True)
class BadLine:
    """A line that no row can be made of.

    Attributes:
        index: its place among the lines given.
        reason: slug: ``field_count``, ``bad_number`` or ``no_event_time``.
        detail: one sentence.
    """

    index: int
    reason: str
    detail: str


def _schema(order: FieldOrder, *, numbers: bool) -> dict[str, pl.DataType]:
    return {
        name: pl.Int64() if numbers and name in NUMBERS and name != order.fields[-1] else pl.String()
        for name in order.fields
    }


def _timed(frame: pl.DataFrame) -> pl.DataFrame:
    """Adds `EVENT_SECOND`; null where a line has no time that can be."""
    times = [pl.col(name) for name in ("start", "end") if name in frame.columns]
    second = pl.coalesce(
        *(pl.when(time.is_between(0, LAST_EPOCH_SECOND)).then(time) for time in times), pl.lit(None, dtype=pl.Int64)
    )
    return frame.with_columns(second.alias(EVENT_SECOND))


def _read(data: bytes, schema: dict[str, pl.DataType], null_values: dict[str, str] | None) -> pl.DataFrame:
    return pl.read_csv(
        io.BytesIO(data),
        separator=" ",
        has_header=False,
        schema=schema,
        null_values=null_values,
        quote_char=None,
    )


def _last_field(frame: pl.DataFrame, order: FieldOrder) -> pl.DataFrame | None:
    """Gives the last field its own type; it was read as text to notice lines with too few fields (null there)."""
    name = order.fields[-1]
    last = frame[name]
    if last.null_count():
        return None
    text = pl.when(pl.col(name) != _NOTHING).then(name)
    try:
        return frame.with_columns(text.cast(pl.Int64) if name in NUMBERS else text)
    except pl.exceptions.PolarsError:
        return None


def parse_fast(data: bytes, lines: int, order: FieldOrder) -> pl.DataFrame | None:
    """All lines at once.

    Args:
        data: whole lines.
        lines: how many.
        order: their fields.

    Returns:
        A column per field, numbers as Int64, ``-`` as null, and `EVENT_SECOND`; None when any line may be bad (then
        use `parse_lines`).
    """
    if b"\r" in data or (NUMBERS.isdisjoint(order.fields[:-1]) and b"srcaddr" in data):
        return None  # foreign line ends; a header among lines without a number column that would notice it
    nulls = dict.fromkeys(order.fields[:-1], _NOTHING)
    try:
        frame = _read(data, _schema(order, numbers=True), nulls)
    except pl.exceptions.PolarsError:
        return None
    if frame.height != lines:
        return None
    typed = _last_field(frame, order)
    if typed is None:
        return None
    timed = _timed(typed)
    return None if timed[EVENT_SECOND].null_count() else timed


def parse_lines(lines: list[bytes], order: FieldOrder) -> tuple[pl.DataFrame, list[int], list[BadLine]]:
    """Line by line where it matters, still by column where it can be.

    Args:
        lines: without line ends.
        order: their fields.

    Returns:
        The good lines' columns as from `parse_fast` with ``_flags``; the good lines' indices; the bad lines.
    """
    expected = len(order.fields)
    bad: list[BadLine] = []
    good: list[int] = []
    kept: list[bytes] = []
    flags: list[str | None] = []
    for index, line in enumerate(lines):
        text, flag = line.rstrip(b"\r"), None
        found = text.count(b" ") + 1
        if found != expected:
            bad.append(BadLine(index, "field_count", f"the line has {found} fields; {expected} are expected"))
            continue
        try:
            text.decode()
        except UnicodeDecodeError:
            text, flag = text.decode(errors="replace").encode(), "invalid_utf8"
        good.append(index)
        kept.append(text)
        flags.append(flag)
    texts = (
        _read(b"\n".join(kept), _schema(order, numbers=False), None)
        if kept
        else pl.DataFrame(schema=_schema(order, numbers=False))
    )
    numeric = [name for name in order.fields if name in NUMBERS]
    filled = texts.select(pl.when(pl.col(name) != _NOTHING).then(name) for name in order.fields)
    typed = _timed(filled.with_columns(pl.col(numeric).cast(pl.Int64, strict=False))).with_columns(
        pl.Series("_flags", flags, dtype=pl.String)
    )
    problems = [
        (typed[name].is_null() & filled[name].is_not_null(), "bad_number", f"the field {name} is no whole number")
        for name in numeric
    ]
    problems.append((typed[EVENT_SECOND].is_null(), "no_event_time", "neither start nor end is a time"))
    wrong = pl.Series([False] * typed.height, dtype=pl.Boolean)
    for found, reason, detail in problems:
        bad += [BadLine(good[row], reason, detail) for row in (found & ~wrong).arg_true()]
        wrong = wrong | found
    if wrong.any():
        typed = typed.filter(~wrong)
        good = [index for index, is_wrong in zip(good, wrong, strict=True) if not is_wrong]
    return typed, good, sorted(bad, key=lambda line: line.index)
