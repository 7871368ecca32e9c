"""Drift: how far the events of some days are from those that a model was fitted on.

Belongs here: histograms of terms and scores with fixed edges, and the population stability index between two of them.
Does not belong here: which days are compared, and what follows from it (``pipeline.model_drift``, ``gate``).

PSI = Σ (p − q) · ln(p / q) over the bins (Siddiqi, Credit Risk Scorecards, 2006); below 0.1 nothing has changed, above
0.25 much has. Two samples of the same events have a PSI as well: about χ²(bins − 1) · (1/n + 1/m) (Yurdakul,
Statistical Properties of Population Stability Index, 2018), which for a hundred events is as much as a change has. Its
mean is taken off. Counts are whole numbers, so neither the order of events nor how they are cut into parts matters.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from s3sentinel_assets.ml.parameters import TERMS

__all__ = ["BIT_EDGES", "CHAMPION_SCORE", "LEAST_EVENTS", "SCORE", "Histograms", "psi"]

#: What the histogram of the score is called beside those of the terms.
SCORE = "score"
#: The score of the champion of that time, over the same events.
CHAMPION_SCORE = "champion_score"
#: Upper edges of the bins, in bits, each included; the first bin is "says nothing", the last has no edge.
BIT_EDGES = (0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0, 13.0)
#: With fewer events on either side what chance does is as large as what is looked for in dozens of terms at once.
LEAST_EVENTS = 500
#: What an empty bin counts as, so that one event in a new bin is no drift.
_SMOOTH = 0.5


def psi(before: list[int], after: list[int]) -> float:
    """The population stability index of two histograms with the same bins, less what chance alone makes of it.

    Never below 0.0, which it is where one of them is empty.

    Raises:
        ValueError: they have different bins.
    """
    if len(before) != len(after):
        raise ValueError(f"histograms of {len(before)} and {len(after)} bins cannot be compared")
    if not sum(before) or not sum(after):
        return 0.0
    # A bin that neither has anything in is no bin; each of the others counts for half an event at least.
    pairs = [(left + _SMOOTH, right + _SMOOTH) for left, right in zip(before, after, strict=True) if left or right]
    left_sum, right_sum = (math.fsum(values) for values in zip(*pairs, strict=True))
    shares = ((left / left_sum, right / right_sum) for left, right in pairs)
    chance = (len(pairs) - 1) * (1 / sum(before) + 1 / sum(after))
    return max(0.0, round(math.fsum((p - q) * math.log(p / q) for p, q in shares) - chance, 6))


@dataclass(frozen=True)
class Histograms:
    """Counts by term (and ``score``) in the bins of `BIT_EDGES`.

    Attributes:
        counts: name → events in each bin.
        events: how many events there were.
    """

    counts: dict[str, list[int]] = field(default_factory=dict)
    events: int = 0

    @classmethod
    def of(cls, matrix: pl.DataFrame, score: pl.Series | None = None) -> "Histograms":
        """The histograms of a feature matrix.

        Args:
            matrix: a row for each event, Float64 bits in columns of `TERMS`; one that is missing says nothing.
            score: Float64 bits beside it.
        """
        columns = {term: matrix[term] for term in TERMS if term in matrix.columns}
        if score is not None:
            columns[SCORE] = score
        return cls({name: _binned(values) for name, values in columns.items()}, matrix.height)

    def plus(self, other: "Histograms") -> "Histograms":
        """Both together."""
        names = {**self.counts, **other.counts}
        none = [0] * (len(BIT_EDGES) + 1)
        counts = {
            name: [
                left + right
                for left, right in zip(self.counts.get(name, none), other.counts.get(name, none), strict=True)
            ]
            for name in names
        }
        return Histograms(counts, self.events + other.events)

    def drift_to(self, later: "Histograms", *, least: int = 0) -> dict[str, float]:
        """PSI of each name that both have, from these days to ``later`` ones.

        Args:
            later: the later days.
            least: a name with fewer events on either side is left out.
        """
        return {
            name: psi(counts, later.counts[name])
            for name, counts in self.counts.items()
            if name in later.counts and min(sum(counts), sum(later.counts[name])) >= least
        }

    def named(self, old: str, new: str) -> "Histograms":
        """The histogram of ``old`` alone, called ``new``; nothing where there is none."""
        return Histograms({new: self.counts[old]} if old in self.counts else {}, self.events)

    def as_data(self) -> dict[str, object]:
        """As plain data, for JSON."""
        return {"edges": list(BIT_EDGES), "events": self.events, "counts": self.counts}

    @classmethod
    def from_data(cls, data: Mapping[str, object]) -> "Histograms | None":
        """What `as_data` made; None where it is something else, or has other bins."""
        counts, events = data.get("counts"), data.get("events")
        if data.get("edges") != list(BIT_EDGES) or not isinstance(counts, dict) or not isinstance(events, int):
            return None
        bins = len(BIT_EDGES) + 1
        good = all(
            isinstance(values, list) and len(values) == bins and all(isinstance(each, int) for each in values)
            for values in counts.values()
        )
        return cls({str(name): list(values) for name, values in counts.items()}, events) if good else None


def _binned(values: pl.Series) -> list[int]:
    edges = pl.Series(list(BIT_EDGES))
    places = edges.search_sorted(values.cast(pl.Float64).fill_null(0.0).fill_nan(0.0), side="left")
    counted = dict(places.value_counts().iter_rows()) if values.len() else {}
    return [int(counted.get(place, 0)) for place in range(len(BIT_EDGES) + 1)]
