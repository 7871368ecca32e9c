"""Lines of one field order → columns; good lines in one go, bad ones picked out.

Belongs here: splitting lines and telling good from bad. Does not belong here: files, headers, the table. A number too
big for its column (``packets`` is 32-bit in Sentinel) becomes null, and ``_flags`` carries it:
``packets_overflow=4294967296``.
"""

import io
from dataclasses import dataclass

import polars as pl

from s3sentinel_assets.formats.frames import FLAGS
from s3sentinel_assets.formats.frames import flags as join_flags
from s3sentinel_assets.formats.instants import END_EPOCH_SECOND, EVENT_YEARS
from s3sentinel_assets.formats.vpc_flow.fields import NUMBERS, SMALL_NUMBERS, FieldOrder

__all__ = ["EVENT_SECOND", "BadLine", "parse_fast", "parse_lines"]

_NOTHING = "-"
_TIMES = ("start", "end")
_INT32 = (-(2**31), 2**31 - 1)
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


def _dtype(name: str) -> pl.DataType:
    if name in SMALL_NUMBERS:
        return pl.Int32()
    return pl.Int64() if name in NUMBERS else pl.String()


def _timed(frame: pl.DataFrame) -> pl.DataFrame:
    """Adds `EVENT_SECOND`: the start, else the end; null where a line has no time that can be."""
    times = [frame[name] for name in _TIMES if name in frame.columns]
    if times and not times[0].null_count():
        return frame.with_columns(times[0].alias(EVENT_SECOND))
    return frame.with_columns(pl.coalesce(*times, pl.lit(None, dtype=pl.Int64)).alias(EVENT_SECOND))


def _times_possible(frame: pl.DataFrame) -> bool:
    for name in _TIMES:
        if name in frame.columns:
            least, most = frame[name].min(), frame[name].max()
            if least is not None and not 0 <= least <= most < END_EPOCH_SECOND:  # type: ignore[operator]
                return False
    return True


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
    if name not in NUMBERS and not (last == _NOTHING).any():
        return frame
    text = pl.when(pl.col(name) != _NOTHING).then(name)
    try:
        return frame.with_columns(text.cast(_dtype(name)))
    except pl.exceptions.PolarsError:
        return None


def parse_fast(data: bytes, lines: int, order: FieldOrder) -> pl.DataFrame | None:
    """All lines at once.

    Args:
        data: whole lines.
        lines: how many.
        order: their fields.

    Returns:
        A column per field in the width of the table's column, ``-`` as null, and `EVENT_SECOND`; None when any line
        may be bad or a number too big (then use `parse_lines`).
    """
    if b"\r" in data or (NUMBERS.isdisjoint(order.fields[:-1]) and b"srcaddr" in data):
        return None  # foreign line ends; a header among lines without a number column that would notice it
    schema = {name: _dtype(name) for name in order.fields[:-1]} | {order.fields[-1]: pl.String()}
    try:
        frame = _read(data, schema, dict.fromkeys(order.fields[:-1], _NOTHING))
    except pl.exceptions.PolarsError:
        return None
    if frame.height != lines:
        return None
    typed = _last_field(frame, order)
    if typed is None or not _times_possible(typed):
        return None
    timed = _timed(typed)
    return None if timed[EVENT_SECOND].null_count() else timed


def _fit(frame: pl.DataFrame) -> pl.DataFrame:
    """Brings whole numbers to their column's width; one too big becomes null and is told in ``_flags``."""
    bounds = {name: _INT32 for name in frame.columns if name in SMALL_NUMBERS}
    bounds |= {name: (0, END_EPOCH_SECOND - 1) for name in frame.columns if name in _TIMES}
    inside = {name: pl.col(name).is_between(*bound) for name, bound in bounds.items()}
    told = [
        pl.when(~fits).then(pl.format(f"{name.replace('-', '_')}_overflow={{}}", pl.col(name)))
        for name, fits in inside.items()
    ]
    return frame.with_columns(
        join_flags(pl.col(FLAGS), *told).alias(FLAGS),
        *(pl.when(fits).then(name).cast(_dtype(name)).alias(name) for name, fits in inside.items()),
    )


def _well_formed(lines: list[bytes], expected: int) -> tuple[list[bytes], list[str | None], list[int], list[BadLine]]:
    """The lines with the right number of fields as UTF-8, their flags and indices; the others as bad."""
    kept: list[bytes] = []
    flags: list[str | None] = []
    good: list[int] = []
    bad: list[BadLine] = []
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
        kept.append(text)
        flags.append(flag)
        good.append(index)
    return kept, flags, good, bad


def parse_lines(lines: list[bytes], order: FieldOrder) -> tuple[pl.DataFrame, list[int], list[BadLine]]:
    """Line by line where it matters, still by column where it can be.

    Args:
        lines: without line ends.
        order: their fields.

    Returns:
        The good lines' columns as from `parse_fast` with ``_flags``; the good lines' indices; the bad lines.
    """
    kept, flags, good, bad = _well_formed(lines, len(order.fields))
    schema: dict[str, pl.DataType] = dict.fromkeys(order.fields, pl.String())
    texts = _read(b"\n".join(kept), schema, None) if kept else pl.DataFrame(schema=schema)
    filled = texts.select(pl.when(pl.col(name) != _NOTHING).then(name) for name in order.fields)
    numeric = [name for name in order.fields if name in NUMBERS]
    numbers = filled.with_columns(pl.col(numeric).cast(pl.Int64, strict=False))
    typed = _timed(_fit(numbers.with_columns(pl.Series(FLAGS, flags, dtype=pl.String))))
    problems: list[tuple[pl.Series, str, str]] = [
        (numbers[name].is_null() & filled[name].is_not_null(), "bad_number", f"the field {name} is no whole number")
        for name in numeric
    ]
    wrong = pl.Series([False] * typed.height, dtype=pl.Boolean)
    for found, reason, detail in problems:
        bad += [BadLine(good[row], reason, detail) for row in (found & ~wrong).arg_true()]
        wrong = wrong | found
    timeless = typed[EVENT_SECOND].is_null()
    bad += [BadLine(good[row], "no_event_time", _no_time(filled, row)) for row in (timeless & ~wrong).arg_true()]
    wrong = wrong | timeless
    if wrong.any():
        typed = typed.filter(~wrong)
        good = [index for index, is_wrong in zip(good, wrong, strict=True) if not is_wrong]
    return typed, good, sorted(bad, key=lambda line: line.index)


def _no_time(texts: pl.DataFrame, row: int) -> str:
    named = [f"{name} {texts[name][row] or _NOTHING}" for name in _TIMES if name in texts.columns]
    if not named:
        return "the fields hold neither start nor end"
    return f"{' and '.join(named)}: no second {EVENT_YEARS}"
