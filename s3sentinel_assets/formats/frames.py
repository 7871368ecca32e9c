"""Putting rows into a table's shape.

Belongs here: the columns every format's rows end with, and the conform step. Does not belong here: what a column
means in one format.
"""

from collections.abc import Mapping

import polars as pl

from s3sentinel_assets.tables import load_schema
from s3sentinel_assets.tables.entities import ENTITY_SCHEMA
from s3sentinel_assets.tables.types import POLARS_TYPES

__all__ = [
    "EVENT_ID",
    "EVENT_TIME",
    "EXTRA",
    "EXTRA_FIELDS",
    "FLAGS",
    "INTERNAL_COLUMNS",
    "OBJECT",
    "ORDINAL",
    "conform",
    "flags",
    "non_empty",
    "null_column",
    "to_entity_view",
]

EVENT_ID, EVENT_TIME = "EventId_CF", "EventTime_CF"
#: Fields that the table has no place for, as a JSON object; null mostly.
EXTRA_FIELDS = "ExtraFields_CF"
OBJECT, ORDINAL, FLAGS = "_object", "_ordinal", "_flags"
#: The raw column that becomes `EXTRA_FIELDS`.
EXTRA = "_extra"
#: Columns that never reach the workspace under these names.
INTERNAL_COLUMNS = (OBJECT, ORDINAL, FLAGS)


def conform(frame: pl.DataFrame, table: str, columns: Mapping[str, pl.Expr]) -> pl.DataFrame:
    """Rows in the shape of ``table``.

    Args:
        frame: the format's own columns, with ``_object``, ``_ordinal`` and ``_flags``.
        table: a table with a schema.
        columns: an expression for each column that the format fills, among them ``TimeGenerated``, ``EventId_CF`` and
            ``EventTime_CF``; the table's other columns become null.

    Raises:
        KeyError: an expression for a column that the table does not have.
    """
    schema = load_schema(table).columns
    wanted = {name: POLARS_TYPES[kind] for name, kind in schema.items()}
    wanted |= {EVENT_ID: pl.String(), EVENT_TIME: pl.Datetime("us", "UTC"), EXTRA_FIELDS: pl.String()}
    if unknown := sorted(columns.keys() - wanted.keys()):
        raise KeyError(f"table {table} has no column {', '.join(unknown)}")
    wanted |= {OBJECT: pl.Int64(), ORDINAL: pl.Int64(), FLAGS: pl.String()}
    return _shaped(frame, wanted, {**columns, **{name: pl.col(name) for name in INTERNAL_COLUMNS}})


def _shaped(frame: pl.DataFrame, wanted: Mapping[str, pl.DataType], columns: Mapping[str, pl.Expr]) -> pl.DataFrame:
    """The ``wanted`` columns in order; those without an expression are null and share their memory."""
    filled = frame.select(columns[name].cast(dtype).alias(name) for name, dtype in wanted.items() if name in columns)
    nulls = {dtype: null_column(dtype, frame.height) for dtype in set(wanted.values())}
    return pl.DataFrame(
        [filled[name] if name in columns else nulls[dtype].alias(name) for name, dtype in wanted.items()]
    )


def null_column(dtype: pl.DataType, height: int) -> pl.Series:
    """``height`` nulls."""
    return pl.Series([None], dtype=dtype).new_from_index(0, height)


def non_empty(name: str) -> pl.Expr:
    """The text column ``name`` with empty text as null."""
    column = pl.col(name)
    return pl.when(column != "").then(column)


def flags(*parts: pl.Expr) -> pl.Expr:
    """Joins flag texts with ``;``; null where all are null."""
    joined = pl.concat_str(*parts, separator=";", ignore_nulls=True)
    return pl.when(joined == "").then(None).otherwise(joined)


def to_entity_view(frame: pl.DataFrame, columns: Mapping[str, pl.Expr]) -> pl.DataFrame:
    """The entity view in schema order; columns without an expression become null."""
    return _shaped(frame, ENTITY_SCHEMA, columns)
