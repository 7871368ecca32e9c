"""Dictionary encoding: each distinct string is handled once, everything else only carries integers.

Belongs here: encode, combine and collapse, independent of what the strings mean. Does not belong here: which columns
form a key (see ``keys``), events that agree in several columns (``groups``). The order of distinct values is left
open: nothing may depend on it.
"""

from dataclasses import dataclass

import polars as pl

__all__ = [
    "SEPARATOR",
    "Dimension",
    "Pairs",
    "collapse",
    "combine",
    "dense",
    "encode",
    "encode_raw",
    "table_size",
    "without_separator",
    "zeros",
]

#: Between the pieces of a key. Taken out of the values on the way in, so a crafted name cannot pose as another key.
SEPARATOR = "\x1f"
# A table of all possible numbers is worth its memory up to this size, or to four times what is looked up in it.
_SMALL_TABLE = 1 << 16


@dataclass(frozen=True)
class Dimension:
    """One encoded column.

    Attributes:
        values: the distinct values, K of them; "" means there is none.
        codes: UInt32, one per row: the index into ``values``.
    """

    values: pl.Series
    codes: pl.Series

    @property
    def size(self) -> int:
        """How many distinct values there are."""
        return self.values.len()

    @property
    def absent(self) -> bool:
        """No row has a value."""
        return self.size == 1 and self.values[0] == ""


@dataclass(frozen=True)
class Pairs(Dimension):
    """The dimension of two others.

    Attributes:
        left: UInt32, K indexes into the first one's values.
        right: the same for the second one.
    """

    left: pl.Series
    right: pl.Series


def zeros(length: int, dtype: type[pl.DataType] = pl.Int64) -> pl.Series:
    """A Series of zeros."""
    return pl.Series([0], dtype=dtype).new_from_index(0, length)


def encode_raw(column: pl.Series) -> Dimension:
    """Encodes a string column as it is, null among the values."""
    if column.null_count() == column.len():
        return Dimension(pl.Series([None], dtype=pl.String), zeros(column.len(), pl.UInt32))
    # Categories of its own: numbered from 0 on as they come, and freed with this series.
    encoded = column.rechunk().cast(pl.Categorical(pl.Categories.random()))
    codes = encoded.to_physical()
    last = codes.max()
    size = last + 1 if isinstance(last, int) else 0
    values = pl.select(pl.int_range(size, dtype=pl.UInt32).cat.to(encoded.dtype).cast(pl.String)).to_series()
    if codes.null_count():
        return Dimension(values.append(values.clear(1)), codes.fill_null(size))
    return Dimension(values, codes)


def encode(column: pl.Series) -> Dimension:
    """Encodes a string column without separators; null becomes "" (none)."""
    raw = encode_raw(column.fill_null("") if column.null_count() else column)
    return Dimension(without_separator(raw.values), raw.codes)


def collapse(dimension: Dimension, mapped: pl.Series) -> Dimension:
    """Replaces the distinct values by the ``mapped`` ones beside them, merging those that become equal."""
    merged = encode(mapped)
    return Dimension(merged.values, merged.codes[dimension.codes])


def combine(first: Dimension, second: Dimension) -> Pairs:
    """The dimension of pairs. A pair whose second value is "" has the value "" itself: there is no such key."""
    width = second.size
    pairs = first.codes.cast(pl.Int64) * width + second.codes.cast(pl.Int64)
    codes, distinct = dense(pairs, first.size * width)
    parts = distinct.to_frame("pair").select(
        left=(pl.col("pair") // width).cast(pl.UInt32), right=(pl.col("pair") % width).cast(pl.UInt32)
    )
    left, right = parts["left"], parts["right"]
    names = pl.DataFrame({"first": first.values[left], "second": second.values[right]})
    pair = pl.concat_str("first", "second", separator=SEPARATOR)
    values = names.select(pl.when(pl.col("second") != "").then(pair).otherwise(pl.lit("")).alias("value"))["value"]
    return Pairs(values, codes, left, right)


def dense(numbers: pl.Series, limit: int) -> tuple[pl.Series, pl.Series]:
    """Whole numbers below ``limit`` → codes without gaps (UInt32), and the distinct numbers behind the codes."""
    distinct = numbers.unique()
    places = pl.int_range(distinct.len(), dtype=pl.UInt32, eager=True)
    if limit <= table_size(numbers.len()):
        return zeros(limit, pl.UInt32).scatter(distinct, places)[numbers], distinct
    codes = numbers.rank("dense").cast(pl.UInt32) - 1
    return codes, distinct.sort()


def table_size(rows: int) -> int:
    """How large a table of all possible numbers may be, for ``rows`` look-ups."""
    return max(4 * rows, _SMALL_TABLE)


def without_separator(values: pl.Series) -> pl.Series:
    """The values with separators replaced by blanks."""
    return values.str.replace_all(SEPARATOR, " ", literal=True)
