"""Random draws that depend on names only: the same seed and name give the same numbers, in whatever order asked.

Belongs here: named generators, weighted tables drawn from row by row at once, stable hashes of pairs. Does not belong
here: what is drawn.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["Floats", "Integers", "Tables", "chance", "rng_for", "words", "zipf"]

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


def rng_for(seed: int, *labels: object) -> np.random.Generator:
    """A generator of its own for everything that has a name."""
    digest = hashlib.blake2b(repr((seed, *labels)).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "big")))


def words(text: str) -> tuple[str, ...]:
    """The words of a text: a long list, written so that a page holds it."""
    return tuple(text.split())


def zipf(count: int, exponent: float = 1.1) -> Floats:
    """Shares of the first, second, … of ``count`` things, which sum to 1: few are common, most are rare."""
    weights = 1.0 / np.arange(1, count + 1, dtype=np.float64) ** exponent
    return weights / weights.sum()


def chance(seed: int, first: Integers, second: Integers | int) -> Floats:
    """A number in [0, 1) for each pair of integers that is the same whenever the pair is (splitmix64)."""
    mixed = np.asarray(first).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed = mixed + np.asarray(second).astype(np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F) + np.uint64(seed & 0xFFFFFFFF)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    mixed = mixed ^ (mixed >> np.uint64(31))
    return (mixed >> np.uint64(11)).astype(np.float64) / float(1 << 53)


class Tables:
    """Weighted tables, one for each row, of different lengths; many rows are drawn from in one step.

    Args:
        values: the values of each row, none of them empty.
        weights: as many positive weights for each.
        since: for each value, the hour of the world from which on it is in use; None: always.
    """

    def __init__(
        self, values: Sequence[Integers], weights: Sequence[Floats], since: Sequence[Integers] | None = None
    ) -> None:
        lengths = np.array([len(row) for row in values], dtype=np.int64)
        self.values: Integers = np.concatenate(values).astype(np.int64)
        self.first: Integers = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
        self._last = self.first + lengths - 1
        self._since = None if since is None else np.concatenate(since).astype(np.int64)
        edges = [number + np.cumsum(row) / np.sum(row) for number, row in enumerate(weights)]
        self._edges: Floats = np.concatenate(edges)

    def draw(self, rows: Integers, rng: np.random.Generator, hour: int = 0) -> Integers:
        """One value for each of ``rows``; a value not yet in use gives way to another draw, then to the row's first."""
        places = self._places(rows, rng)
        if self._since is not None:
            for _ in range(2):
                early = np.flatnonzero(self._since[places] > hour)
                if not len(early):
                    break
                places[early] = self._places(rows[early], rng)
            places = np.where(self._since[places] > hour, self.first[rows], places)
        return self.values[places]

    def _places(self, rows: Integers, rng: np.random.Generator) -> Integers:
        found = np.searchsorted(self._edges, rows + rng.random(len(rows)), side="right").astype(np.int64)
        return np.minimum(np.maximum(found, self.first[rows]), self._last[rows])
