"""Dictionary encoding: each distinct string is handled once, each event only carries integers.

Belongs here: encode, combine, collapse and running counts, all independent of thread count and of what the strings
mean. Does not belong here: which columns form a key (see ``keys``). ``Expr.hash`` is never used: its values change
between versions.
"""

from dataclasses import dataclass
from functools import cached_property

import polars as pl

__all__ = [
    "SEPARATOR",
    "Dimension",
    "collapse",
    "combine",
    "constant",
    "encode",
    "running_count",
    "running_sum",
    "totals",
]

#: Between the pieces of a key. Taken out of the values on the way in, so a crafted name cannot pose as another key.
SEPARATOR = "\x1f"


@dataclass(frozen=True)
class Dimension:
    """One key column of a batch.

    Attributes:
        values: the distinct strings, K of them; "" means the event has none.
        codes: UInt32, one per event: the index into ``values``.
        left: for a combined dimension, K indexes into the first one's values.
        right: the same for the second one.
    """

    values: pl.Series
    codes: pl.Series
    left: pl.Series | None = None
    right: pl.Series | None = None

    @cached_property
    def runs(self) -> tuple[pl.Series, pl.Series]:
        """Each event's position in the order (key, row), and where each key's run starts there: Int64."""
        if not self.codes.len():
            return pl.Series(dtype=pl.Int64), pl.Series(dtype=pl.Int64)
        starts = self.codes.sort().search_sorted(pl.int_range(self.values.len(), dtype=pl.UInt32, eager=True))
        return self.codes.rank("ordinal").cast(pl.Int64) - 1, starts.cast(pl.Int64)

    def per_event(self, distinct: pl.Series) -> pl.Series:
        """Spreads a column with one value per distinct key over the events."""
        return distinct.gather(self.codes)


def encode(column: pl.Series) -> Dimension:
    """Encodes a string column; null becomes "" (none)."""
    column = column.fill_null("")
    values = column.unique().sort().rename("value")
    if values.len() == 1:
        return constant(values[0], column.len())
    codes = column.cast(pl.Enum(values)).to_physical().cast(pl.UInt32)
    return Dimension(_without_separator(values), codes.rename("code"))


def constant(value: str, events: int) -> Dimension:
    """The dimension in which every event has the same value."""
    return Dimension(
        _without_separator(pl.Series("value", [value], dtype=pl.String)),
        pl.repeat(0, events, dtype=pl.UInt32, eager=True).rename("code"),
    )


def collapse(dimension: Dimension, expression: pl.Expr) -> Dimension:
    """Maps the distinct values through ``expression`` (over the column ``value``), merging those that become equal."""
    mapped = encode(dimension.values.rename("value").to_frame().select(expression.alias("value"))["value"])
    return Dimension(mapped.values, mapped.codes.gather(dimension.codes))


def combine(first: Dimension, second: Dimension) -> Dimension:
    """The dimension of pairs. A pair whose second value is "" has the value "" itself: the event has no such key."""
    width = second.values.len()
    pairs = first.codes.cast(pl.Int64) * width + second.codes.cast(pl.Int64)
    distinct = pairs.unique().sort()
    left, right = (distinct // width).cast(pl.UInt32), (distinct % width).cast(pl.UInt32)
    values = pl.select(
        value=pl.when(second.values.gather(right) != "").then(
            pl.concat_str(first.values.gather(left), second.values.gather(right), separator=SEPARATOR)
        )
    )["value"].fill_null("")
    codes = _dense(pairs, distinct, first.values.len() * width).rename("code")
    return Dimension(values, codes, left.rename("left"), right.rename("right"))


def _dense(numbers: pl.Series, distinct: pl.Series, limit: int) -> pl.Series:
    """The index of each number (below ``limit``) in the sorted ``distinct`` ones."""
    if limit <= max(4 * numbers.len(), 1 << 16):  # a table of all possible numbers is small: one look-up each
        table = pl.repeat(0, limit, dtype=pl.UInt32, eager=True)
        return table.scatter(distinct, pl.int_range(distinct.len(), dtype=pl.UInt32, eager=True)).gather(numbers)
    return (numbers.rank("dense").cast(pl.Int64) - 1).cast(pl.UInt32)


def running_count(dimension: Dimension) -> pl.Series:
    """Int64 per event: how many earlier events of the batch have the same key."""
    positions, starts = dimension.runs
    return positions - starts.gather(dimension.codes)


def totals(dimension: Dimension) -> pl.Series:
    """Int64 per distinct key: how many events of the batch have it."""
    _, starts = dimension.runs
    return starts.extend_constant(dimension.codes.len(), 1).diff().slice(1)


def running_sum(dimension: Dimension, amounts: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Sums of ``amounts`` (Int64) by key: over this and earlier events, per event; and over all, per distinct key."""
    positions, starts = dimension.runs
    ordered = amounts.gather(positions.arg_sort())
    sums = ordered.cum_sum()
    before = (sums - ordered).gather(starts)  # the sum of all runs before this key's
    whole = before.extend_constant(amounts.sum(), 1).diff().slice(1)
    return sums.gather(positions) - before.gather(dimension.codes), whole


def _without_separator(values: pl.Series) -> pl.Series:
    return values.str.replace_all(SEPARATOR, " ", literal=True)
