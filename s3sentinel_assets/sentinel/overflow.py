"""Overflow: texts that are too long for a field, whole, as rows of a table of their own.

Belongs here: cutting such texts into pieces and making rows of them. Does not belong here: cutting the field itself and
its flag (``render``), packing (``plan``).

The service cuts a field at 64 KB without a word. The row keeps the beginning and says ``truncated:<column>`` in
``Flags_CF``; The table has the whole text, in pieces with a number each::

    S3Overflow_CL | where SourceEventId == "…" and SourceColumn == "RequestParameters"
    | order by Piece asc | summarize strcat_array(make_list(Value), "")
"""

from collections.abc import Iterator, Mapping

import polars as pl

from s3sentinel_assets.config import OVERFLOW_TABLE
from s3sentinel_assets.sentinel.json_rows import encode_rows
from s3sentinel_assets.sentinel.render import FIELD_LIMIT_BYTES
from s3sentinel_assets.tables import load_schema

__all__ = ["piece_bytes", "render_overflow"]

# A piece has at most six times as many bytes as JSON (control characters), and has to fit a body with its neighbours
# in the row.
_BODY_SHARE = 8


def piece_bytes(max_batch_bytes: int) -> int:
    """Most bytes of a piece, so that its row always fits a body."""
    return min(FIELD_LIMIT_BYTES, max_batch_bytes // _BODY_SHARE)


def render_overflow(
    rows: pl.DataFrame, cut: Mapping[str, pl.Series], table: str, max_batch_bytes: int
) -> pl.Series | None:
    """The JSON tails of the pieces of all texts that were cut.

    Args:
        rows: before the cut, with ``EventId_CF`` and ``TimeGenerated``.
        cut: by column, which rows (boolean, shape (n,)).
        table: the rows' table.
        max_batch_bytes: most bytes of a body.

    Returns:
        Strings as `render.render_rows` gives them, in the order of rows, columns and pieces; None: there are none.
    """
    limit = piece_bytes(max_batch_bytes)
    records = [
        record
        for column, which in cut.items()
        for row in rows.filter(which).select("EventId_CF", "TimeGenerated", column).iter_rows()
        for record in _records(*row, table=table, column=column, limit=limit)
    ]
    if not records:
        return None
    schema = load_schema(OVERFLOW_TABLE)
    names = ["EventId_CF", *schema.columns]
    frame = pl.DataFrame(
        records, schema={name: schema.polars_schema()[name] for name in names}, orient="row", strict=True
    )
    return encode_rows(frame, hundredths=(), json=(), six_decimals=False)


def _records(
    event_id: str, time: object, text: str, *, table: str, column: str, limit: int
) -> Iterator[tuple[object, ...]]:
    pieces = list(_pieces(text, limit))
    for number, piece in enumerate(pieces, 1):
        yield f"{event_id}:{column}:{number}", time, table, column, event_id, number, len(pieces), piece


def _pieces(text: str, limit: int) -> Iterator[str]:
    """The text in pieces of at most ``limit`` UTF-8 bytes; no character is divided."""
    data, start = text.encode(), 0
    while start < len(data):
        end = min(start + limit, len(data))
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end -= 1
        yield data[start:end].decode()
        start = end
