"""The Polars types of Log Analytics column types."""

import polars as pl

__all__ = ["POLARS_TYPES"]

#: Log Analytics column type → Polars type. ``int`` has 32 bits, ``long`` 64; ``dynamic`` is JSON as text,
#: and a JSON value on the wire.
POLARS_TYPES: dict[str, pl.DataType] = {
    "string": pl.String(),
    "guid": pl.String(),
    "dynamic": pl.String(),
    "bool": pl.Boolean(),
    "int": pl.Int32(),
    "long": pl.Int64(),
    "real": pl.Float64(),
    "datetime": pl.Datetime("us", "UTC"),
}
