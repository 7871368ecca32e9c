"""Columns → one JSON object a line.

Belongs here: how each type of column is written. Does not belong here: reading files.

Whole numbers are written exactly, whatever their size; decimals as text; times as ISO 8601 in UTC with ``Z`` (a time
without a zone is taken as UTC; one outside the years 1 to 9999 stays a number, as text); bytes as text where they are
UTF-8, else as ``base64:`` and the encoded bytes; a map as an object (where a key comes twice its last value counts, as
Parquet says); what JSON has no word for (NaN) as null.
"""

import base64
import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

__all__ = ["to_ndjson"]

_TIME = "%Y-%m-%dT%H:%M:%S%.fZ"
_BASE64_PREFIX = "base64:"
# Days since 1970 of the first and the last day that ISO 8601 has plain words for.
_FIRST_DAY, _END_DAY = -719_162, 2_932_897
_A_DAY = {"ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}


def to_ndjson(batch: "pa.RecordBatch") -> bytes:
    """The rows of ``batch`` as lines, every column in every line."""
    import polars as pl

    frame = pl.DataFrame(batch)
    changed = [_written(pl.col(name), dtype).alias(name) for name, dtype in frame.schema.items() if _odd(dtype)]
    lines = io.BytesIO()
    frame.with_columns(changed).write_ndjson(lines)
    return lines.getvalue()


def _odd(dtype: "pl.DataType") -> bool:
    """Whether JSON needs another form of such values than Polars writes."""
    import polars as pl

    if isinstance(dtype, pl.List | pl.Array):
        return isinstance(dtype, pl.Array) or _odd(_plain(dtype.inner))
    if isinstance(dtype, pl.Map):
        return not isinstance(_plain(dtype.key), pl.String) or _odd(_plain(dtype.value))
    if isinstance(dtype, pl.Struct):
        return any(_odd(_plain(field.dtype)) for field in dtype.fields)
    return isinstance(dtype, pl.Datetime | pl.Date | pl.Time | pl.Binary | pl.Decimal | pl.Categorical | pl.Enum)


def _plain(dtype: Any) -> "pl.DataType":
    return dtype() if isinstance(dtype, type) else dtype


def _written(value: "pl.Expr", dtype: "pl.DataType") -> "pl.Expr":
    """The expression in a type that Polars writes as JSON should have it."""
    import polars as pl

    match dtype:
        case pl.Datetime():
            # Underneath, an instant with a zone is one in UTC.
            instant = value.cast(pl.Int64).cast(pl.Datetime(dtype.time_unit)) if dtype.time_zone else value
            a_day = _A_DAY[dtype.time_unit]
            return _inside(instant, _FIRST_DAY * a_day, _END_DAY * a_day, _TIME)
        case pl.Date():
            return _inside(value, _FIRST_DAY, _END_DAY, "%Y-%m-%d")
        case pl.Time():
            return _inside(value, 0, _A_DAY["ns"], "%H:%M:%S%.f")
        case pl.Binary():
            return value.map_batches(_as_text, return_dtype=pl.String)
        case pl.Decimal() | pl.Categorical() | pl.Enum():
            return value.cast(pl.String)
        case pl.Array():
            return _written(value.arr.to_list(), pl.List(dtype.inner))
        case pl.List():
            inner = _plain(dtype.inner)
            return value.list.eval(_written(pl.element(), inner)) if _odd(inner) else value
        case pl.Map():
            key, inner = pl.element().struct.field("key"), pl.element().struct.field("value")
            written = pl.struct(
                _written(key, _plain(dtype.key)).cast(pl.String).alias("key"),
                _written(inner, _plain(dtype.value)).alias("value"),
            )
            return value.map.entries().list.eval(written).list.to_map()
        case pl.Struct():
            fields = [_written(value.struct.field(f.name), _plain(f.dtype)).alias(f.name) for f in dtype.fields]
            return pl.when(value.is_not_null()).then(pl.struct(fields))
        case _:
            return value


def _inside(value: "pl.Expr", least: int, end: int, shape: str) -> "pl.Expr":
    """A time as text; as the number it is stored as where it lies outside of what can be shown."""
    import polars as pl

    number = value.to_physical().cast(pl.Int64)
    shown = pl.when((number >= max(least, -(2**63))) & (number < min(end, 2**63 - 1))).then(value)
    return pl.coalesce(shown.dt.to_string(shape), number.cast(pl.String))


def _as_text(values: "pl.Series") -> "pl.Series":
    """Bytes as text."""
    import polars as pl

    try:
        return values.cast(pl.String)
    except pl.exceptions.PolarsError:
        return pl.Series(values.name, [_text(value) for value in values], pl.String)


def _text(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return _BASE64_PREFIX + base64.b64encode(value or b"").decode()
