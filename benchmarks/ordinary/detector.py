"""What terms are worth and how rare their sum is: the product's tables, looked up one number at a time."""

from bisect import bisect_right

from s3sentinel_assets.ml.anomaly.calibration import Calibration
from s3sentinel_assets.ml.scoring.model import ScoringModel

__all__ = ["Worth"]

_GRID = 65_536.0


class _Curve:
    """Raw score → bits of rarity: straight lines between the points of a table."""

    def __init__(self, calibration: Calibration) -> None:
        self.at, self.bits = [0, *calibration.raw.tolist()], [0.0, *calibration.bits.tolist()]
        self.slope, self.per_day = calibration.slope, calibration.per_day
        self._known: dict[int, float] = {}

    def rarity(self, raw: int) -> float:
        if raw not in self._known:
            self._known[raw] = self._rarity(raw)
        return self._known[raw]

    def _rarity(self, raw: int) -> float:
        place = bisect_right(self.at, raw)
        if place == len(self.at):
            return self.bits[-1] + (raw - self.at[-1]) * self.slope
        left, right = self.at[place - 1], self.at[place]
        return self.bits[place - 1] + (self.bits[place] - self.bits[place - 1]) / (right - left) * (raw - left)

    def expected(self, raw: int) -> float:
        return self.per_day * 2.0 ** -self.rarity(raw)


class Worth:
    """Bits of terms → hundredths, and their sum → score and rates a day."""

    def __init__(self, model: ScoringModel) -> None:
        detector = model.detector
        self.terms, self.calibrated = detector.terms, detector.calibrated
        self._weights = detector.weights
        self._tables = {
            term: (table.knots.tolist(), [0, *table.values.tolist()]) for term, table in detector.tables.items()
        }
        self._events, self._hours = _Curve(detector.events), _Curve(detector.hours)

    def hundredths(self, bits: dict[str, float]) -> dict[str, int]:
        """What each term adds; terms that add nothing are left out."""
        found = {}
        for term in self.terms:
            if not (value := bits.get(term, 0.0)):
                continue
            value = round(value * _GRID) / _GRID
            if term in self._tables:
                knots, heights = self._tables[term]
                part = heights[bisect_right(knots, value)]
            else:
                part = round(value * (self._weights[term] * 100.0))
            if part:
                found[term] = part
        return found

    def score(self, raw: int) -> float:
        """What is printed."""
        return round(self._events.rarity(raw), 2)

    def expected_events(self, raw: int) -> float:
        """Events a day that score at least this."""
        return self._events.expected(raw)

    def expected_hours(self, raw: int) -> float:
        """Principal-hours a day whose highest event scores at least this."""
        return self._hours.expected(raw)
