"""Calibration: how rare a raw score is among the benign events, or hours of principals, that a model was fitted on.

Belongs here: raw score ↔ bits of rarity ↔ expected number a day. Does not belong here: how the raw score comes about
(``detector``).

The table belongs to the model, not to the day: the same raw score says the same tomorrow.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from s3sentinel_assets.ml.anomaly.steps import Floats, Whole, at_least, exponential_slope, thinned

__all__ = ["Calibration", "fit_calibration", "rule_of_thumb"]

_KNOTS, _EXACT = 768, 128
#: Bits of rarity per hundredth of a raw score, where there is nothing to measure it with. A fifth of what is printed:
#: terms overlap, and rare things come together.
_RULE_OF_THUMB = 0.002
#: The same beyond the highest raw score, at most: one bit per bit. Where nearly all events are alike, the tail that is
#: seen says little about what is further out.
_STEEPEST = 0.01


@dataclass(frozen=True, eq=False)
class Calibration:
    """−log2 of the share that reaches a raw score: straight lines between knots, exponential beyond the last.

    Attributes:
        per_day: how many there were a day, whatever their raw score.
        raw: Int64, ascending, above 0.
        bits: Float64 beside it, not falling.
        slope: bits per hundredth beyond the last knot, above 0.
    """

    per_day: float
    raw: Whole
    bits: Floats
    slope: float

    @cached_property
    def _line(self) -> tuple[Floats, Floats]:
        return np.concatenate([[0.0], self.raw.astype(np.float64)]), np.concatenate([[0.0], self.bits])

    def rarity(self, raw: pl.Series) -> pl.Series:
        """Float64: bits of rarity of each ``raw`` (Int64); 0 for 0, never falling."""
        at, bits = self._line
        values = raw.cast(pl.Float64).to_numpy()
        beyond = np.maximum(values - at[-1], 0.0) * self.slope
        return pl.Series(raw.name, np.interp(values, at, bits) + beyond, dtype=pl.Float64)

    def expected(self, raw: pl.Series) -> pl.Series:
        """Float64: how many a day reach each ``raw`` (Int64)."""
        return pl.Series(raw.name, self.per_day * np.exp2(-self.rarity(raw).to_numpy()), dtype=pl.Float64)


def fit_calibration(raw: pl.Series, *, days: float) -> Calibration:
    """The calibration on benign raw scores.

    Args:
        raw: Int64, hundredths of a bit, one per event (or the highest of each principal and hour); any order.
        days: how long it took for them to happen.

    Raises:
        ValueError: there are none, or ``days`` is not above 0.
    """
    if not raw.len() or days <= 0:
        raise ValueError(f"{raw.len()} raw scores of {days} days: there is nothing to calibrate with")
    values = raw.cast(pl.Int64).to_numpy()
    distinct, counts = at_least(values[values > 0])
    if not distinct.size:
        # All that is known: none of so many reached one hundredth.
        return Calibration(raw.len() / days, np.ones(1, np.int64), np.array([np.log2(raw.len() + 1.0)]), _RULE_OF_THUMB)
    bits = -np.log2(counts / values.size)
    kept = thinned(bits, most=_KNOTS, exact=_EXACT)
    slope = min(exponential_slope(values.astype(np.float64)) or _RULE_OF_THUMB, _STEEPEST)
    return Calibration(raw.len() / days, distinct.astype(np.int64)[kept], bits[kept], slope)


def rule_of_thumb(per_day: float) -> Calibration:
    """The calibration of a model that was never held against events."""
    return Calibration(per_day, np.array([100], np.int64), np.array([100 * _RULE_OF_THUMB]), _RULE_OF_THUMB)
