"""Groups: events that agree in some columns are handled as one, each event only carries the number of its group.

Belongs here: grouping events by encoded columns, and counts over the order of events, all of it independent of thread
count and of what the values mean. Does not belong here: which columns form a group (``keys``). ``Expr.hash`` is never
used: its values change between versions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from s3sentinel_assets.ml.history.dimensions import Dimension, dense, table_size, zeros

__all__ = ["Groups", "group", "running_count", "running_sum"]


@dataclass(frozen=True)
class Groups:
    """Events grouped by some columns.

    Attributes:
        codes: UInt32, one per event: its group.
        size: number of groups.
        dimensions: what the events of a group have in common; a row is a group.
    """

    codes: pl.Series
    size: int
    dimensions: dict[str, Dimension]

    def __getitem__(self, name: str) -> Dimension:
        return self.dimensions[name]

    @cached_property
    def counts(self) -> pl.Series:
        """Int64 per group: its events."""
        counted = self.codes.to_frame("code").group_by("code").len("count")
        return zeros(self.size).scatter(counted["code"], counted["count"].cast(pl.Int64))

    def totals(self, keyed: Dimension) -> pl.Series:
        """Int64 per key of a dimension of these groups: its events."""
        summed = pl.DataFrame({"code": keyed.codes, "count": self.counts}).group_by("code").agg(pl.col("count").sum())
        return zeros(keyed.size).scatter(summed["code"], summed["count"])


def group(columns: Mapping[str, Dimension]) -> tuple[pl.Series, pl.DataFrame]:
    """Groups rows that agree in all columns.

    Returns:
        The group of each row (UInt32), and for each group (row) and column the code that its rows have there.
    """
    first, *others = columns.values()
    numbers, limit, gapless = first.codes, first.size, True
    for column in others:
        # Columns that fit into one small number are told apart at the end, all at once.
        if limit * column.size > table_size(numbers.len()) and not gapless:
            numbers, distinct = dense(numbers, limit)
            limit = distinct.len()
        limit *= column.size
        dtype = pl.UInt32 if limit < 1 << 32 else pl.UInt64
        numbers = numbers.cast(dtype) * column.size + column.codes.cast(dtype)
        gapless = False
    codes, distinct = dense(numbers, limit)
    # Any member stands for its group.
    member = zeros(distinct.len(), pl.UInt32).scatter(codes, pl.int_range(codes.len(), dtype=pl.UInt32, eager=True))
    return codes, pl.DataFrame({name: column.codes[member] for name, column in columns.items()})


def running_count(codes: pl.Series, size: int) -> pl.Series:
    """Int64 per event: how many earlier events have the same code (below ``size``)."""
    if not codes.len():
        return zeros(0)
    positions, starts = _runs(codes, size)
    return positions - starts


def running_sum(codes: pl.Series, size: int, amounts: pl.Series) -> pl.Series:
    """Int64 per event: the sum of ``amounts`` (Int64) over this and earlier events with the same code."""
    if not codes.len():
        return zeros(0)
    positions, starts = _runs(codes, size)
    ordered = amounts[positions.arg_sort()]
    sums = ordered.cum_sum()
    return sums[positions] - (sums - ordered)[starts]


def _runs(codes: pl.Series, size: int) -> tuple[pl.Series, pl.Series]:
    """Int64 per event: its position in the order (code, event), and where the run of its code starts there."""
    starts = codes.sort().search_sorted(pl.int_range(size, dtype=pl.UInt32, eager=True))
    return codes.rank("ordinal").cast(pl.Int64) - 1, starts.cast(pl.Int64)[codes]
