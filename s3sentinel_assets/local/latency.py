"""The arithmetic of latency: when objects are put, and where their time goes on the way to a query's answer.

Belongs here: random phases, shares and percentiles. Does not belong here: measuring (``cli.latency``).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from s3sentinel_assets.local.generator.draws import rng_for

__all__ = ["STEPS", "Journey", "gaps", "percentile", "summary"]

#: What happens to an object, in order: the sensor's listing recorded it, its run was queued, started, delivered it, and
#: a query found it.
STEPS = ("seen", "queued", "started", "delivered", "found")


@dataclass(frozen=True)
class Journey:
    """The instants of one object, in seconds of one clock.

    Attributes:
        put: it was sent to the bucket.
        at: step → when it happened. A step that is not known took no time of its own.
    """

    put: float
    at: dict[str, float]

    @property
    def seconds(self) -> float:
        """From the bucket to the answer."""
        return max(0.0, self.at["found"] - self.put)

    @property
    def shares(self) -> dict[str, float]:
        """Step → seconds it took; they add up to `seconds`.

        A run that was on its way before the object came takes it along: its queueing and start then took no time.
        """
        shares, before = {}, self.put
        for step in STEPS:
            now = max(before, min(self.at.get(step, before), self.at["found"]))
            shares[step], before = now - before, now
        return shares


def gaps(count: int, seed: int, shortest: float, longest: float) -> list[float]:
    """Seconds to wait before each of ``count`` objects, evenly spread between two bounds."""
    rng = rng_for(seed, "latency")
    return [rng.uniform(shortest, longest) for _ in range(count)]


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def summary(journeys: Sequence[Journey], lost: int = 0) -> dict[str, Any]:
    """Objects, percentiles of the whole, and for each step the same and its share of all the time.

    Args:
        journeys: of the objects that were found.
        lost: how many were not. They count as slower than any other: a percentile that falls on one of them is None.
    """
    if not journeys:
        return {"objects": 0, "lost": lost, "p50": None, "p95": None, "max": None, "steps": {}}
    total = sum(journey.seconds for journey in journeys)
    steps = {}
    for step in STEPS:
        values = [journey.shares[step] for journey in journeys]
        steps[step] = {**_figures(values), "share": round(sum(values) / total, 3) if total else 0.0}
    whole = _figures([journey.seconds for journey in journeys] + [math.inf] * lost)
    return {"objects": len(journeys), "lost": lost, **whole, "steps": steps}


def _figures(values: Sequence[float]) -> dict[str, float | None]:
    figures = {"p50": percentile(values, 0.5), "p95": percentile(values, 0.95), "max": max(values)}
    return {name: round(value, 2) if math.isfinite(value) else None for name, value in figures.items()}
