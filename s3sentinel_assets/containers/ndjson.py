"""Columns → one JSON object a line.

Belongs here: how each type of column is written. Does not belong here: reading files.

Whole numbers are written exactly, whatever their size; decimals as text; times as ISO 8601 in UTC with ``Z`` (a time
without a zone is taken as UTC); bytes as text where they are UTF-8, else as ``base64:`` and the encoded bytes; a map as
a list of ``{"key": …, "value": …}``, which keeps keys that occur twice; what JSON has no word for (NaN) as null.
"""

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

__all__ = ["to_ndjson"]

_TIME = "%Y-%m-%dT%H:%M:%S%.fZ"
BASE64_PREFIX = "base64:"


def to_ndjson(frame: "pl.DataFrame") -> bytes:
    """The rows of ``frame`` as lines, every column in every line."""
    import polars as pl

    changed = [_written(pl.col(name), dtype).alias(name) for name, dtype in frame.schema.items() if _odd(dtype)]
    lines = io.BytesIO()
    frame.with_columns(changed).write_ndjson(lines)
    return lines.getvalue()


def _odd(dtype: "pl.DataType") -> bool:
    """Whether JSON needs another form of such values than Polars writes."""
    import polars as pl

    if isinstance(dtype, pl.List | pl.Array):
        return isinstance(dtype, pl.Array) or _odd(_plain(dtype.inner))
    if isinstance(dtype, pl.Struct):
        return any(_odd(_plain(field.dtype)) for field in dtype.fields)
    return isinstance(dtype, pl.Datetime | pl.Binary | pl.Decimal | pl.Categorical | pl.Enum)


def _plain(dtype: Any) -> "pl.DataType":
    return dtype() if isinstance(dtype, type) else dtype


def _written(value: "pl.Expr", dtype: "pl.DataType") -> "pl.Expr":
    """The expression in a type that Polars writes as JSON should have it."""
    import polars as pl

    match dtype:
        case pl.Datetime():
            return (value.dt.convert_time_zone("UTC") if dtype.time_zone else value).dt.to_string(_TIME)
        case pl.Binary():
            encoded = pl.concat_str(pl.lit(BASE64_PREFIX), value.bin.encode("base64"))
            return pl.coalesce(value.cast(pl.String, strict=False), encoded)
        case pl.Decimal() | pl.Categorical() | pl.Enum():
            return value.cast(pl.String)
        case pl.Array():
            return _written(value.arr.to_list(), pl.List(dtype.inner))
        case pl.List():
            inner = _plain(dtype.inner)
            return value.list.eval(_written(pl.element(), inner)) if _odd(inner) else value
        case pl.Struct():
            fields = [_written(value.struct.field(f.name), _plain(f.dtype)).alias(f.name) for f in dtype.fields]
            return pl.when(value.is_not_null()).then(pl.struct(fields))
        case _:
            return value
