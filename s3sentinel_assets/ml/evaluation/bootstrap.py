"""Intervals: what a share would have been with other techniques, principals and seeds of the same kind.

Belongs here: the cluster bootstrap of a ratio of sums. Does not belong here: what is summed up (``metrics``,
``outcomes``).

Incidents of one technique succeed and fail together, and every seed meets the same techniques, so neither an incident
nor a (technique, seed) may be drawn by itself: that would make the interval too narrow. Clusters and blocks are drawn
independently of each other, and a cell counts as often as both of them were drawn (the pigeonhole bootstrap of A. B.
Owen, Annals of Applied Statistics 1 (2007) 386-411, which is known to err on the wide side).
"""

import functools
from dataclasses import dataclass

import numpy as np
import polars as pl

__all__ = ["Interval", "ratio"]

RESAMPLES = 2_000


@dataclass(frozen=True)
class Interval:
    """A share with its bounds.

    Attributes:
        value: of the data as they are.
        low: lower bound.
        high: upper bound.
        clusters: how many clusters there are; few of them say little.
    """

    value: float
    low: float
    high: float
    clusters: int

    def rounded(self, digits: int = 4) -> list[float]:
        """Value, low and high, for a report."""
        return [round(number, digits) for number in (self.value, self.low, self.high)]


def ratio(
    frame: pl.DataFrame,
    numerator: pl.Expr,
    denominator: pl.Expr | None = None,
    *,
    cluster: str,
    block: str | None = None,
    resamples: int = RESAMPLES,
    level: float = 0.95,
    seed: int = 1,
) -> Interval | None:
    """Sum of ``numerator`` over sum of ``denominator``, with a percentile interval.

    A difference of two shares, each over the same rows, is the ratio of a difference: the draws are then the same for
    both.

    Args:
        frame: one row for each thing that is counted.
        numerator: a number or Boolean per row.
        denominator: the same; None: 1 per row.
        cluster: column of what is drawn, such as the technique.
        block: column of what is drawn independently of it, such as the seed.
        resamples: how many draws.
        level: share of the draws between the bounds.
        seed: of the draws.

    Returns:
        None where the denominator is 0.
    """
    cells = (
        frame.select(
            cluster=pl.col(cluster).cast(pl.String).fill_null(""),
            block=pl.lit("") if block is None else pl.col(block).cast(pl.String).fill_null(""),
            over=numerator.cast(pl.Float64),
            under=pl.lit(1.0) if denominator is None else denominator.cast(pl.Float64),
        )
        .group_by("cluster", "block")
        .agg(pl.col("over").sum(), pl.col("under").sum())
    )
    over_all, under_all = float(cells["over"].sum()), float(cells["under"].sum())
    if not under_all:
        return None
    value = over_all / under_all
    clusters, blocks = cells["cluster"].unique().sort(), cells["block"].unique().sort()
    rows = clusters.search_sorted(cells["cluster"]).to_numpy()
    columns = blocks.search_sorted(cells["block"]).to_numpy()
    drawn_clusters = _draws(clusters.len(), resamples, seed)
    drawn_blocks = _draws(blocks.len(), resamples, seed + 1)
    sums = []
    for name in ("over", "under"):
        table = np.zeros((clusters.len(), blocks.len()))
        table[rows, columns] = cells[name].to_numpy()
        sums.append(((drawn_clusters @ table) * drawn_blocks).sum(axis=1))
    over, under = sums
    usable = under != 0
    shares = over[usable] / under[usable]
    tail = (1 - level) / 2
    low, high = np.quantile(shares, [tail, 1 - tail]) if shares.size else (value, value)
    return Interval(value, float(low), float(high), clusters.len())


@functools.lru_cache(maxsize=64)
def _draws(size: int, resamples: int, seed: int) -> np.ndarray:
    """How often each of ``size`` things was drawn, one row a draw of ``size`` things with replacement."""
    if size == 1:
        return np.ones((resamples, 1))
    generator = np.random.default_rng([seed, size, resamples])
    return generator.multinomial(size, np.full(size, 1 / size), size=resamples).astype(np.float64)
