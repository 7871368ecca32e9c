"""JSON lines, which is what Parquet files decode to → the columns of text lines.

Belongs here: the fast way for good lines and reading single ones, so that the same flows become the same rows whichever
way they were stored. Field names may have ``_`` for ``-``. Does not belong here: text lines, types that a line by line
reading gives (``columns``).
"""

import json
from collections.abc import Sequence

import polars as pl

from s3sentinel_assets.formats.flow_logs.fields import NOTHING, TIMES, FlowFields
from s3sentinel_assets.formats.frames import EXTRA
from s3sentinel_assets.formats.instants import parse_iso8601
from s3sentinel_assets.formats.json_logs.flat_rows import read_rows, record_of, value_text
from s3sentinel_assets.formats.line_logs import BadLine

__all__ = ["cut_json", "read_json"]


def read_json(data: bytes, lines: int, kind: FlowFields) -> pl.DataFrame | None:
    """All lines at once.

    Args:
        data: whole lines.
        lines: how many.
        kind: whose fields they have.

    Returns:
        A column for each known field in its own type, one as it is for each other field; None when any line may be bad
        or a number too big.
    """
    frame = read_rows(data, lines)
    if frame is None:
        return None
    order = kind.order_of(frame.columns)
    if order is None:
        return None
    columns = []
    for name, column in zip(order.fields, frame, strict=True):
        if name not in kind.known:
            columns.append(column)
            continue
        typed = _typed(column, name, kind)
        if typed is None:
            return None
        columns.append(typed.alias(name))
    if len({column.name for column in columns}) < len(columns):
        return None  # the same field, spelt in two ways
    return pl.DataFrame(columns)


def _typed(column: pl.Series, name: str, kind: FlowFields) -> pl.Series | None:
    """A known field's values in its own type; None when one does not fit."""
    wanted = kind.dtype(name)
    if column.dtype == pl.Null:
        return column.cast(wanted)
    if column.dtype == pl.String:
        empty = column.is_in(["", NOTHING])
        if empty.any():
            column = column.set(empty, None)
        if name in TIMES and column.str.contains(":", literal=True).any():
            column = _as_seconds(column)
    elif not column.dtype.is_integer():
        return None
    try:
        return column.cast(wanted)
    except pl.exceptions.PolarsError:
        return None


def _as_seconds(texts: pl.Series) -> pl.Series:
    """Times that another tool made timestamps as seconds again; others as they are."""
    seconds = parse_iso8601(texts).dt.epoch("s").cast(pl.String)
    return seconds.zip_with(seconds.is_not_null(), texts)


def cut_json(
    lines: Sequence[str], kind: FlowFields, name: str, title: str
) -> tuple[pl.DataFrame, list[int], list[BadLine]]:
    """Lines one by one.

    Args:
        lines: JSON, one record each.
        kind: whose fields they should have.
        name: of the format.
        title: what people call a log of this kind.

    Returns:
        A String column for each known field (a nested value as JSON) and ``_extra`` with the others, a row for each
        line that is a record of this kind; the index of each row's line; the other lines.
    """
    rows: list[dict[str, str | None]] = []
    good: list[int] = []
    bad: list[BadLine] = []
    for index, line in enumerate(lines):
        record = record_of(line)
        if record is None:
            bad.append(BadLine(index, "bad_json", "the line is no whole JSON object"))
            continue
        order = kind.order_of(list(record))
        if order is None:
            bad.append(BadLine(index, f"not_{name}", f"the line is not one of {title}"))
            continue
        pairs = list(zip(order.fields, record.items(), strict=True))
        row = {name: value_text(value, NOTHING) for name, (_, value) in pairs if name in kind.known}
        others = {key: value for name, (key, value) in pairs if name not in kind.known and value is not None}
        if others:
            row[EXTRA] = json.dumps(others, ensure_ascii=False, separators=(",", ":"))
        rows.append(row)
        good.append(index)
    schema: dict[str, pl.DataType] = {name: pl.String() for row in rows for name in row}
    frame = pl.DataFrame(rows, schema=schema)
    for name in TIMES:
        if name in schema and frame[name].str.contains(":", literal=True).any():
            frame = frame.with_columns(_as_seconds(frame[name]))
    return frame, good, bad
