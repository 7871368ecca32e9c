"""Rows about an hour instead of an event: roll-ups of principals and reports on patterns.

Belongs here: what such a row looks like on the wire. Does not belong here: making the rows (``ml``), which bodies they
go into (``plan``, ``hour_bodies``).

Such rows are never left out: where one fits no body it loses its lists, and where that is not enough its texts their
ends. What it says of whom, and how urgent it is, always arrives.
"""

import polars as pl

from s3sentinel_assets.config import ENTITY_HOURS_TABLE, PATTERNS_TABLE
from s3sentinel_assets.ledger.schema import BatchKind
from s3sentinel_assets.sentinel import packing
from s3sentinel_assets.sentinel.json_rows import encode_rows
from s3sentinel_assets.sentinel.json_values import as_json
from s3sentinel_assets.sentinel.render import cut_long_values
from s3sentinel_assets.tables import TableSchema, load_schema

__all__ = ["HOUR_TABLES", "render_hour_rows"]

#: Kinds of batches that carry rows about an hour → their table.
HOUR_TABLES = {BatchKind.ENTITY_HOURS: ENTITY_HOURS_TABLE, BatchKind.PATTERNS: PATTERNS_TABLE}

# A body takes 10,000 bytes at least. A byte of a text is six in JSON at most, and no table here has more than ten
# texts: they have room for sure, with the numbers beside them.
_TEXT_SHARE = 100
_ID = "EventId_CF"


def render_hour_rows(rows: pl.DataFrame, table: str, max_batch_bytes: int) -> pl.Series:
    """The JSON tails of rows about an hour.

    Args:
        rows: shape (n, …): columns of the table, ``dynamic`` ones as JSON text, and ``EventId_CF``; columns that begin
            with ``_`` stay here.
        table: whose columns they are.
        max_batch_bytes: most bytes of a body. Every row fits one.

    Returns:
        Strings, shape (n,), in row order, as `render.render_rows` gives them.

    Raises:
        ValueError: a column the table does not have, or a row without an id.
    """
    schema = load_schema(table)
    unknown = [name for name in rows.columns if name not in schema.writable and not name.startswith("_")]
    if unknown:
        raise ValueError(f"table {table} has no column {', '.join(unknown)}; the workspace would drop the values")
    if rows.get_column(_ID).null_count():
        raise ValueError(f"a row for {table} has no EventId_CF; it could never be told from its copies")
    if rows.height == 0:
        return pl.Series("tail", [], dtype=pl.String)
    kinds = schema.polars_schema()
    names = [_ID, *(name for name in schema.columns if name in rows.columns)]
    frame = rows.select(pl.col(name).cast(kinds[name]) for name in names)
    tails = _tails(frame, schema)
    for shorter in (_without_lists, _with_short_texts):
        large = tails.str.len_bytes() > packing.most_tail_bytes(max_batch_bytes)
        if not large.any():
            break
        frame = shorter(frame, schema, max_batch_bytes // _TEXT_SHARE)
        tails = tails.scatter(large.arg_true(), _tails(frame.filter(large), schema))
    return tails


def _tails(frame: pl.DataFrame, schema: TableSchema) -> pl.Series:
    frame, _ = cut_long_values(frame)
    json = tuple(name for name in frame.columns if schema.writable[name] == "dynamic")
    # After the cut: JSON that lost its end is a text.
    frame = frame.with_columns(as_json(frame.get_column(name)) for name in json)
    return encode_rows(frame, json=json)


def _without_lists(frame: pl.DataFrame, schema: TableSchema, _limit: int) -> pl.DataFrame:
    lists = [name for name in frame.columns if schema.writable[name] == "dynamic"]
    return frame.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in lists)


def _with_short_texts(frame: pl.DataFrame, schema: TableSchema, limit: int) -> pl.DataFrame:
    texts = [name for name in frame.columns if schema.writable[name] == "string"]
    return frame.with_columns(
        frame.get_column(name).map_elements(
            lambda text: text.encode()[:limit].decode(errors="ignore"), return_dtype=pl.String
        )
        for name in texts
    )
