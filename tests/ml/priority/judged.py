"""Judging in tests: events with scores of one's choosing, and a calibration that can be worked out in the head."""

from dataclasses import dataclass

import polars as pl

from s3sentinel_assets.ml.history.counters import Counters
from s3sentinel_assets.ml.history.keys import prepare
from s3sentinel_assets.ml.priority.judging import Judged, Scored, judge
from s3sentinel_assets.ml.priority.rules import PriorityRule, load_priority
from s3sentinel_assets.ml.priority.sensitivity import SensitivityRules, load_sensitivity
from tests.ml.worlds import MODELS, frame

TABLES = load_priority(MODELS / "priority.json")
SENSITIVITY = load_sensitivity(MODELS / "sensitivity.json")


class Halving:
    """1,024 principal-hours and 2,048 events a day score at least 0; each further bit (100) halves both."""

    hours_per_day = 1_024.0

    def expected_hours(self, raw: pl.Series) -> pl.Series:
        return pl.select(1_024.0 * pl.lit(2.0).pow(-raw.cast(pl.Float64) / 100)).to_series()

    def expected_events(self, raw: pl.Series) -> pl.Series:
        return self.expected_hours(raw) * 2


HALVING = Halving()


@dataclass(frozen=True)
class Model:
    rules: tuple[PriorityRule, ...] = TABLES.rules("cloudtrail")
    sensitivity: SensitivityRules = SENSITIVITY
    detector: Halving = HALVING
    version: str = "test-cloudtrail-000000000000"


def judged(
    rows: list[dict], hour: str, *, counters: Counters | None = None, model: Model | None = None
) -> tuple[Judged, pl.DataFrame, Counters]:
    """Judges entity rows that also carry ``raw``, ``first_seen`` and ``cold_start``.

    Returns:
        The judgement and the same by row, and the counters after it.
    """
    batch = frame(rows)
    events = prepare(batch, "cloudtrail")
    given = pl.DataFrame(
        {
            "raw": pl.Series([row.get("raw", 0) for row in rows], dtype=pl.Int64),
            "first_seen": pl.Series([row.get("first_seen", False) for row in rows], dtype=pl.Boolean),
            "cold_start": pl.Series([row.get("cold_start", False) for row in rows], dtype=pl.Boolean),
        }
    )
    ordered, given = batch[events.rows], given[events.rows]
    scored = Scored(
        events=events,
        times=ordered["time"],
        raw=given["raw"],
        first_seen=given["first_seen"],
        cold_start=given["cold_start"],
        detail=ordered["detail"],
        severity=ordered["severity"],
    )
    before = (counters or Counters(hour)).for_hour(hour)
    found = judge(scored, before, model or Model(), hour)
    columns = {name: getattr(found, name) for name in ("priority", "standing", "sensitivity", "rule", "technique")}
    by_row = pl.DataFrame(columns).with_columns(events.rows.alias("row")).sort("row")
    return found, by_row, before.plus(hour, found.recent)
