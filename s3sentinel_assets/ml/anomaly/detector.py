"""The additive detector: each term's bits become hundredths of a bit, their sum is the raw score.

Belongs here: the detector and what it says about raw scores. Does not belong here: fitting (``fitting``), files
(``files``).

Additive on purpose: the printed reasons are the very parts of the score, and sparse terms stay sparse. Whole numbers on
purpose: a sum has no order.
"""

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from s3sentinel_assets.ml.anomaly.calibration import Calibration, rule_of_thumb
from s3sentinel_assets.ml.anomaly.steps import StepTable, on_grid
from s3sentinel_assets.ml.parameters import CODE_VERSION, TERMS

__all__ = ["KINDS", "Detector", "DetectorKind", "load_detector", "plain_rarity"]

DetectorKind = Literal["rarity", "ecod", "additive"]
KINDS: tuple[DetectorKind, ...] = ("rarity", "ecod", "additive")
#: Events and hours of principals a day that an uncalibrated rarity sum is read against.
_NOMINAL_EVENTS, _NOMINAL_HOURS = 100_000.0, 2_500.0


@dataclass(frozen=True, eq=False)
class Detector:
    """How unusual an event is, from its terms alone.

    Attributes:
        kind: ``rarity`` (fixed weights), ``ecod`` (right tails of benign events) or ``additive`` (fitted on verdicts).
        format: log family.
        tables: term → step table; a term that is in neither ``tables`` nor ``weights`` does not count.
        weights: term → factor on its bits.
        events: calibration on benign events.
        hours: the same on the highest raw score of each principal and clock hour.
        days: how many days it was fitted on; 0 for a sum that was not fitted.
        calibrated: whether ``events`` and ``hours`` come from events.
        features: `CODE_VERSION` of the features it was fitted on.
    """

    kind: DetectorKind
    format: str
    events: Calibration
    hours: Calibration
    tables: dict[str, StepTable] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    days: float = 0.0
    calibrated: bool = True
    features: str = CODE_VERSION

    @property
    def events_per_day(self) -> float:
        """Events a day in the days it was fitted on."""
        return self.events.per_day

    @property
    def hours_per_day(self) -> float:
        """Hours of principals a day in the days it was fitted on: an hour counts for each principal active in it."""
        return self.hours.per_day

    @cached_property
    def terms(self) -> tuple[str, ...]:
        """The terms that count, in the order of `TERMS`."""
        return tuple(term for term in TERMS if term in self.tables or self.weights.get(term))

    @cached_property
    def version(self) -> str:
        """``<kind>-<format>-<12 hex>``; the digits cover everything that scores depend on."""
        digest = hashlib.sha256(json.dumps(self.head(), sort_keys=True, ensure_ascii=True).encode())
        for name, values in sorted(self.arrays().items()):
            digest.update(f"\n{name} {values.dtype.str} {values.size}\n".encode())
            digest.update(values.tobytes())
        return f"{self.kind}-{self.format}-{digest.hexdigest()[:12]}"

    def head(self) -> dict[str, object]:
        """All of it but the tables, as plain data."""
        return {
            "kind": self.kind,
            "format": self.format,
            "features": self.features,
            "days": self.days,
            "calibrated": self.calibrated,
            "events_per_day": self.events.per_day,
            "events_slope": self.events.slope,
            "hours_per_day": self.hours.per_day,
            "hours_slope": self.hours.slope,
            "tables": sorted(self.tables),
            "weights": self.weights,
        }

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The tables by name: little-endian, one dimension each."""
        named: dict[str, NDArray[np.generic]] = {}
        for term, table in self.tables.items():
            named |= {f"{term}.knots": table.knots.astype("<f8"), f"{term}.values": table.values.astype("<i8")}
        for name, calibration in (("events", self.events), ("hours", self.hours)):
            named |= {f"{name}.raw": calibration.raw.astype("<i8"), f"{name}.bits": calibration.bits.astype("<f8")}
        return named

    def contributions(self, term: str, bits: pl.Series) -> pl.Series:
        """Int64 per event: what the term adds to its raw score, in hundredths of a bit.

        Args:
            term: one of `TERMS`.
            bits: Float64, shape (n,); 0 bits add nothing.
        """
        values = bits.fill_null(0.0).to_numpy()
        if term in self.tables:
            return pl.Series(term, self.tables[term](values), dtype=pl.Int64)
        weighted = np.round(on_grid(values) * (self.weights.get(term, 0.0) * 100.0))
        return pl.Series(term, weighted.astype(np.int64), dtype=pl.Int64)

    def raw(self, matrix: pl.DataFrame) -> pl.Series:
        """Int64 per row: the raw score in hundredths of a bit.

        Args:
            matrix: Float64 columns named as the terms; one that is missing says nothing.
        """
        total = pl.Series("raw", np.zeros(matrix.height, np.int64))
        for term in self.terms:
            if term in matrix.columns:
                total = total + self.contributions(term, matrix[term])
        return total.alias("raw")

    def score(self, raw: pl.Series) -> pl.Series:
        """Float64, two decimals: −log2 of the share of benign events that reach each ``raw`` (Int64)."""
        return self.events.rarity(raw).round(2)

    def expected_events(self, raw: pl.Series) -> pl.Series:
        """Float64: benign events a day that reach each ``raw`` (Int64)."""
        return self.events.expected(raw)

    def expected_hours(self, raw: pl.Series) -> pl.Series:
        """Float64: benign principal-hours a day whose highest raw score reaches each ``raw`` (Int64)."""
        return self.hours.expected(raw)

    def save(self, folder: Path) -> None:
        """Writes ``model.json`` and ``tables.npz``; equal detectors give equal bytes.

        Raises:
            OSError: the folder cannot be written.
        """
        from s3sentinel_assets.ml.anomaly.files import write_detector

        write_detector(folder, self)


def load_detector(folder: Path) -> Detector:
    """Reads what `Detector.save` wrote. Nothing in the files is executed.

    Raises:
        ConfigurationError: a file is missing or wrong; the text names it and the way out.
    """
    from s3sentinel_assets.ml.anomaly.files import read_detector

    return read_detector(folder)


def plain_rarity(weights: dict[str, float], log_format: str) -> Detector:
    """A rarity sum that was never held against events: how rare a sum is goes by a rule of thumb."""
    events, hours = rule_of_thumb(_NOMINAL_EVENTS), rule_of_thumb(_NOMINAL_HOURS)
    return Detector("rarity", log_format, events, hours, weights=dict(weights), calibrated=False)
