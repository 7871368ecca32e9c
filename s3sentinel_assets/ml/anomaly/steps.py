"""Step tables: what a term's bits are worth, as a non-decreasing table of few steps.

Belongs here: the table, thinning of long ones, the tail beyond the largest value seen. Does not belong here: whose
events it is made of (``fitting``).
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

__all__ = ["Floats", "StepTable", "Whole", "at_least", "exponential_slope", "on_grid", "right_tail", "thinned"]

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

#: Steps of a term's table that follow what was seen, those of them at the end that are kept exactly, and those beyond.
_SEEN, _EXACT, _BEYOND = 192, 64, 64
_STEP_BITS = 0.25
#: Share of the values that the tail is fitted on, and how many of them are too few to say anything.
_TAIL_SHARE, _TAIL_LEAST = 0.01, 20


#: Steps of the grid on which bits are compared.
_GRID = 65_536.0


def on_grid(bits: NDArray[np.float64]) -> Floats:
    """The bits rounded to 1/65,536; what is no number is 0.

    A logarithm's last digit depends on where a value lies in its column (vector or scalar instructions). It must not
    decide whether a step is reached.
    """
    return np.round(np.nan_to_num(bits, nan=0.0) * _GRID) / _GRID


@dataclass(frozen=True, eq=False)
class StepTable:
    """Bits → hundredths of a bit.

    Attributes:
        knots: Float64, ascending, above 0: where a step begins.
        values: Int64 beside them, not falling, not negative: its height. Below the first knot it is 0.
    """

    knots: Floats
    values: Whole

    @cached_property
    def _heights(self) -> Whole:
        return np.concatenate([np.zeros(1, np.int64), self.values])

    def __call__(self, bits: Floats) -> Whole:
        """Int64 per element of ``bits``; what is no number counts as 0."""
        places = np.searchsorted(self.knots, on_grid(bits), side="right")
        return self._heights[places]


def at_least(values: NDArray[np.generic]) -> tuple[NDArray[np.generic], Whole]:
    """The distinct values, ascending, and how many values are at least each."""
    distinct, counts = np.unique(values, return_counts=True)
    return distinct, np.cumsum(counts[::-1])[::-1].astype(np.int64)


def thinned(bits: Floats, *, most: int, exact: int) -> NDArray[np.intp]:
    """Which of the ascending ``bits`` to keep: the last ones, others about evenly apart, and both ends of every jump.

    Args:
        bits: Float64, not falling.
        most: how many to keep, about.
        exact: how many of them at the end.
    """
    if bits.size <= most:
        return np.arange(bits.size)
    end = bits.size - exact
    # Jumps wider than a step are fewer than steps: with both of their ends that makes three thirds.
    steps = max((most - exact) // 3, 2)
    wanted = np.linspace(bits[0], bits[end - 1], steps)
    # A step that is left out takes its height from the one before it: never more than is true.
    early = np.searchsorted(bits[:end], wanted, side="left")
    jumps = np.flatnonzero(np.diff(bits[:end]) > wanted[1] - wanted[0])
    return np.unique(np.concatenate([early, jumps, jumps + 1, np.arange(end, bits.size)]))


def exponential_slope(values: Floats) -> float | None:
    """Bits of rarity per unit in the upper tail, taken as exponential; None where there is too little to fit.

    The maximum likelihood estimate for exceedances over the 99 % quantile: their mean is 1/rate.
    """
    count = max(_TAIL_LEAST, math.ceil(values.size * _TAIL_SHARE))
    if values.size <= count:
        return None
    tail = np.sort(values)[-count:]
    # fsum: the same to the last bit whatever the instruction set.
    mean = math.fsum((tail - tail[0]).tolist()) / count
    return 1.0 / (mean * math.log(2.0)) if mean > 0.0 else None


def right_tail(bits: Floats) -> StepTable:
    """−log2 of the share of events whose ``bits`` are at least that: ECOD's right tail of one term.

    Source: Li et al., "ECOD: Unsupervised Outlier Detection Using Empirical Cumulative Distribution Functions", 2022.
    Beyond the largest value it goes on with the slope of the upper tail, but at most one bit per bit: the terms are
    bits themselves. A term that was never above 0 counts as it is, up to the rarest that ``bits`` could show.

    Args:
        bits: Float64, one per event, 0 where the term says nothing.
    """
    total, bits = bits.size, on_grid(bits)
    distinct, counts = at_least(bits[bits > 0.0])
    knots = distinct.astype(np.float64)
    if not knots.size:
        steps = np.arange(1.0, math.ceil(math.log2(total + 1) / _STEP_BITS) + 1.0)
        return StepTable(steps * _STEP_BITS, np.round(steps * (_STEP_BITS * 100.0)).astype(np.int64))
    rarity = -np.log2(counts / total)
    kept = thinned(rarity, most=_SEEN, exact=_EXACT)
    slope = min(exponential_slope(bits[bits > 0.0]) or 1.0, 1.0)
    beyond = np.arange(1, _BEYOND + 1) * _STEP_BITS
    knots = np.concatenate([knots[kept], knots[-1] + beyond])
    heights = np.concatenate([rarity[kept], rarity[-1] + beyond * slope])
    return StepTable(knots, np.round(heights * 100.0).astype(np.int64))
