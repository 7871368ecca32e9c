"""Text lines of one field order → columns.

Belongs here: the fast way for good lines and cutting single ones. Does not belong here: files, headers, types that a
line by line reading gives (``columns``).
"""

import io
from collections.abc import Sequence

import polars as pl

from s3sentinel_assets.formats.flow_logs.fields import NOTHING, FieldOrder, FlowFields
from s3sentinel_assets.formats.line_logs import BadLine

__all__ = ["cut_lines", "read_text"]


def read_text(data: bytes, lines: int, order: FieldOrder, kind: FlowFields) -> pl.DataFrame | None:
    """All lines at once.

    Args:
        data: whole lines, each ending in LF.
        lines: how many.
        order: their fields.
        kind: whose fields they are.

    Returns:
        A column for each field in its own type, ``-`` as null; None when any line may be bad or a number too big.
    """
    if data.count(b" ", 0, data.find(b"\n")) >= len(order.fields):
        return None  # the reader would make a column of each field, only to refuse the line
    # The last field is read as text, to notice lines with too few fields: it is null there.
    schema = {name: kind.dtype(name) for name in order.fields[:-1]} | {order.fields[-1]: pl.String()}
    try:
        frame = pl.read_csv(
            io.BytesIO(data),
            separator=" ",
            has_header=False,
            schema=schema,
            null_values=dict.fromkeys(order.fields[:-1], NOTHING),
            quote_char=None,
        )
    except pl.exceptions.PolarsError:
        return None
    return _with_last(frame, order.fields[-1], kind) if frame.height == lines else None


def _with_last(frame: pl.DataFrame, name: str, kind: FlowFields) -> pl.DataFrame | None:
    last = frame[name]
    if last.null_count():
        return None
    dtype = kind.dtype(name)
    if dtype == pl.String() and not (last == NOTHING).any():
        return frame
    try:
        return frame.with_columns(pl.when(pl.col(name) != NOTHING).then(name).cast(dtype))
    except pl.exceptions.PolarsError:
        return None


def cut_lines(lines: Sequence[str], order: FieldOrder) -> tuple[pl.DataFrame, list[int], list[BadLine]]:
    """Lines one by one.

    Returns:
        A String column for each field, null for ``-``, a row for each line with the right number of fields; the index
        of each row's line; the other lines.
    """
    expected = len(order.fields)
    cut = [line.split(" ") for line in lines]
    good = [index for index, fields in enumerate(cut) if len(fields) == expected]
    bad = [
        BadLine(index, "field_count", f"the line has {len(fields)} fields; {expected} are expected")
        for index, fields in enumerate(cut)
        if len(fields) != expected
    ]
    rows = [[None if text in (NOTHING, "") else text for text in cut[index]] for index in good]
    return pl.DataFrame(rows, schema=dict.fromkeys(order.fields, pl.String()), orient="row"), good, bad
