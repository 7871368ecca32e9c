"""The report: shares with intervals for every model and slice, and the targets.

Belongs here: from outcomes to figures. Does not belong here: showing them (``output``), collecting them (``outcome``).
"""

from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from evaluation.outcome import LIVE
from evaluation.rivals import BASELINE, CHAMPION, MODELS
from s3sentinel_assets.ml.evaluation.bootstrap import Interval, ratio
from s3sentinel_assets.ml.evaluation.outcomes import RANKS
from s3sentinel_assets.ml.evaluation.slices import SLICES

__all__ = ["METRICS", "Figure", "Report", "Target", "make_report", "per_technique"]

#: Benign events a day that rates are given for.
USUAL_DAY = 75_000
_HIGH, _MEDIUM, _CRITICAL = RANKS["high"], RANKS["medium"], RANKS["critical"]
#: Metric of incidents → whether one counts (numerator, denominator per incident).
_INCIDENTS: dict[str, tuple[pl.Expr, pl.Expr]] = {
    "recall_20h": (pl.col("hours_per_day") <= 20, pl.lit(1)),
    "recall_5h": (pl.col("hours_per_day") <= 5, pl.lit(1)),
    "recall_0.1pct": (pl.col("events_share") <= 0.001, pl.lit(1)),
    "recall_1pct": (pl.col("events_share") <= 0.01, pl.lit(1)),
    "recall_high": (pl.col("rank") >= _HIGH, pl.lit(1)),
    "recall_critical": (pl.col("rank") >= _CRITICAL, pl.lit(1)),
    "recall_medium": (pl.col("rank") >= _MEDIUM, pl.lit(1)),
    "attack_events_medium": (pl.col("events_medium"), pl.col("events")),
    "final_recall_high": (pl.col("final_rank") >= _HIGH, pl.lit(1)),
    "final_attack_events_medium": (pl.col("final_events_medium"), pl.col("events")),
}
#: Metric of benign events → what is counted of each principal; a share, or a number in a usual day.
_BENIGN: dict[str, tuple[str, str, float]] = {
    "volume_medium": ("events_medium", "events", 1),
    "benign_high_per_day": ("events_high", "events", USUAL_DAY),
    "benign_critical_per_day": ("events_critical", "events", USUAL_DAY),
    "volume_medium_with_shadows": ("events_medium_all", "events_all", 1),
    "benign_high_per_day_with_shadows": ("events_high_all", "events_all", USUAL_DAY),
    "final_volume_medium": ("final_events_medium", "events", 1),
}
METRICS = (*_INCIDENTS, *_BENIGN, "roc", "ap")
_NEED_PRIORITY = ("rank", "final", "events_medium")


@dataclass(frozen=True)
class Figure:
    """One number of the report.

    Attributes:
        model: see `rivals.MODELS`.
        setting: `outcome.LIVE` or how the history was poisoned.
        part: the slice.
        metric: one of `METRICS`.
        value: the number.
        low: lower bound of the 95 % interval; null for what has none.
        high: upper bound.
        count: incidents (or principals) behind it.
    """

    model: str
    setting: str
    part: str
    metric: str
    value: float
    low: float | None
    high: float | None
    count: int


@dataclass(frozen=True)
class Target:
    """A target and what was measured."""

    name: str
    wanted: str
    value: float | None
    low: float | None
    high: float | None
    met: bool | None


@dataclass(frozen=True)
class Report:
    """Everything that was found.

    Attributes:
        figures: all numbers by model, setting and slice.
        targets: those that were promised.
        facts: of the whole.
        incidents: see `outcome.Outcomes`.
    """

    figures: list[Figure]
    targets: list[Target]
    facts: dict[str, Any]
    incidents: pl.DataFrame

    def find(self, metric: str, model: str = CHAMPION, part: str = "all", setting: str = LIVE) -> Figure | None:
        """The number, if it was measured."""
        for each in self.figures:
            if (each.model, each.setting, each.part, each.metric) == (model, setting, part, metric):
                return each
        return None

    def as_object(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "targets": [asdict(target) for target in self.targets],
            "figures": [asdict(figure) for figure in self.figures],
            "facts": self.facts,
            "per_technique": per_technique(self.incidents).to_dicts(),
        }


def make_report(incidents: pl.DataFrame, benign: pl.DataFrame, facts: list[dict[str, Any]], speed: float) -> Report:
    """Figures, targets and facts.

    Args:
        incidents: of all seeds, see `outcome.Outcomes`.
        benign: the same.
        facts: one of each seed.
        speed: events a second that were scored and learned.
    """
    incidents = _completed(incidents)
    figures: list[Figure] = []
    for (model, setting), rows in incidents.group_by("model", "setting", maintain_order=True):
        figures += _of_incidents(str(model), str(setting), rows)
    for (model, setting), rows in benign.group_by("model", "setting", maintain_order=True):
        figures += _of_benign(str(model), str(setting), rows)
    figures += _order(facts)
    gain = _over_baseline(incidents, facts)
    whole = _facts(facts) | {"events_per_second": round(speed), "over_baseline": gain and gain.rounded()}
    report = Report(figures, [], whole, incidents)
    return Report(figures, _targets(report, gain, speed), whole, incidents)


def per_technique(incidents: pl.DataFrame) -> pl.DataFrame:
    """Recall by model and technique, over all seeds: ``model``, ``technique``, ``incidents`` and the recalls."""
    live = incidents.filter(pl.col("setting") == LIVE)
    names = ("recall_20h", "recall_0.1pct", "recall_high", "recall_medium")
    return (
        live.group_by("model", "technique")
        .agg(pl.len().alias("incidents"), *(_INCIDENTS[name][0].mean().round(3).alias(name) for name in names))
        .sort("model", "recall_20h", "technique")
    )


def _completed(incidents: pl.DataFrame) -> pl.DataFrame:
    """With the columns of judged models, which are not there when no model was judged."""
    judged = ("rank", "final_rank", "events_medium", "final_events_medium")
    return incidents.with_columns(
        pl.lit(None, pl.Int64).alias(name) for name in judged if name not in incidents.columns
    )


def _of_incidents(model: str, setting: str, rows: pl.DataFrame) -> list[Figure]:
    judged = rows["rank"].null_count() < rows.height
    found = []
    for part, condition in SLICES.items():
        chosen = rows.filter(condition)
        for metric, (over, under) in _INCIDENTS.items():
            if not judged and any(word in metric for word in ("high", "critical", "medium")):
                continue
            interval = ratio(chosen, over, under, cluster="technique", block="seed")
            found += _figure(model, setting, part, metric, interval, chosen.height)
    return found


def _of_benign(model: str, setting: str, rows: pl.DataFrame) -> list[Figure]:
    found = []
    rows = rows.with_columns(who=pl.concat_str("account", "principal", ignore_nulls=True, separator=" "))
    for metric, (over, under, factor) in _BENIGN.items():
        # Principals of two seeds with one name are still two.
        interval = ratio(rows, pl.col(over).fill_null(0) * factor, pl.col(under), cluster="who", block="seed")
        found += _figure(model, setting, "all", metric, interval, rows.height)
    return found


def _figure(model: str, setting: str, part: str, metric: str, interval: Interval | None, count: int) -> list[Figure]:
    if interval is None:
        return []
    value, low, high = interval.rounded(5)
    return [Figure(model, setting, part, metric, value, low, high, count)]


def _order(facts: list[dict[str, Any]]) -> list[Figure]:
    """ROC and average precision, means over seeds (and folds): for comparison with others, not to choose by."""
    found = []
    for model in MODELS:
        for name in ("roc", "ap"):
            values = [
                value for each in facts for value in each["order"].get(model, {}).get(name, []) if value is not None
            ]
            if values:
                mean = round(sum(values) / len(values), 5)
                found.append(Figure(model, LIVE, "all", name, mean, None, None, len(values)))
    return found


def _over_baseline(incidents: pl.DataFrame, facts: list[dict[str, Any]]) -> Interval | None:
    """Recall of the champion less that of the baseline, where the champion may raise as many false alarms as it."""
    budgets = pl.DataFrame(
        [{"seed": each["seed"], "budget": each.get("baseline_hours_per_day", 0.0)} for each in facts],
        schema={"seed": incidents.schema["seed"], "budget": pl.Float64()},
    )
    live = incidents.filter(pl.col("setting") == LIVE).join(budgets, on="seed")
    live = live.with_columns(found=pl.col("hours_per_day") <= pl.col("budget"))
    keys = ["seed", "incident"]
    both = live.filter(pl.col("model") == CHAMPION).join(
        live.filter(pl.col("model") == BASELINE).select(*keys, baseline="found"), on=keys
    )
    return ratio(
        both, pl.col("found").cast(pl.Int64) - pl.col("baseline").cast(pl.Int64), cluster="technique", block="seed"
    )


def _facts(facts: list[dict[str, Any]]) -> dict[str, Any]:
    days = sum(each["days"] for each in facts)
    total = {
        name: sum(each.get(name, 0) for each in facts) for name in ("benign_events", "benign_hours", "attack_events")
    }
    return {
        "seeds": [each["seed"] for each in facts],
        "datasets": sorted({each["dataset"] for each in facts}),
        "attacks": facts[0]["attacks"],
        "model": [each["model"] for each in facts],
        "shipped": facts[0]["shipped"],
        "test_days": days,
        "benign_events_per_day": round(total["benign_events"] / days),
        "benign_hours_per_day": round(total["benign_hours"] / days),
        "attack_events": total["attack_events"],
        "dripping": {
            name: sum(each.get("dripping", {}).get(name, 0) for each in facts)
            for name in ("incidents", "medium", "high")
        },
        "cold_benign_share": round(sum(each["cold_benign_share"] for each in facts) / len(facts), 4),
        "baseline_hours_per_day": round(sum(each.get("baseline_hours_per_day", 0) for each in facts) / len(facts), 2),
        "deterministic": all(each["deterministic"] for each in facts),
        "placebo": _placebo(facts),
    }


def _placebo(facts: list[dict[str, Any]]) -> dict[str, Any]:
    """How often placebos and background alert where 5 % and 1 % of the background's principal-hours do."""
    rows = [
        {"sequence": f"{each['seed']}/{number}", "seed": each["seed"], "place": cost * each["days"] / max(hours, 1)}
        for each in facts
        for hours in [each["placebo"]["hours"]]
        for number, cost in enumerate(each["placebo"]["costs"])
    ]
    frame = pl.DataFrame(rows, schema={"sequence": pl.String(), "seed": pl.Int64(), "place": pl.Float64()})
    found: dict[str, Any] = {"sequences": frame.height}
    for share in (0.01, 0.05):
        interval = ratio(frame, pl.col("place") <= share, cluster="sequence")
        found[f"alerts_where_background_{share:.0%}"] = interval and interval.rounded()
    for name in ("", "background_"):
        events = sum(each["placebo"][f"{name}events"] for each in facts)
        medium = sum(each["placebo"][f"{name}events_medium"] for each in facts)
        found[f"{name or 'placebo_'}share_medium"] = round(medium / events, 5) if events else None
    return found


def _bounds(interval: list[float] | None) -> tuple[float | None, float | None, float | None]:
    return (interval[0], interval[1], interval[2]) if interval else (None, None, None)


def _targets(report: Report, gain: Interval | None, speed: float) -> list[Target]:
    def of(name: str, metric: str, limit: float, *, most: bool = False, part: str = "all") -> Target:
        figure, wanted = report.find(metric, part=part), f"{'≤' if most else '≥'} {limit:g}"
        if figure is None:
            return Target(name, wanted, None, None, None, None)
        met = figure.value <= limit if most else figure.value >= limit
        return Target(name, wanted, figure.value, figure.low, figure.high, met)

    placebo = report.facts["placebo"]["alerts_where_background_5%"]
    return [
        of("incident recall at 20 principal-hours a day", "recall_20h", 0.93),
        of("  aim", "recall_20h", 0.96),
        of("incident recall at 0.1 % of benign events", "recall_0.1pct", 0.95),
        of("same IP and agent at ≥ high", "recall_high", 0.75, part="same_ip_and_agent"),
        of("  aim", "recall_high", 0.85, part="same_ip_and_agent"),
        of("≥ medium: share of benign volume", "volume_medium", 0.025, most=True),
        of("≥ medium: attack events", "attack_events_medium", 0.97),
        of("≥ high: benign events of 75,000 a day", "benign_high_per_day", 30, most=True),
        of("≥ high: incidents", "recall_high", 0.94),
        Target(
            "points over the baseline at equal false alarms",
            "≥ 0.08",
            *_bounds(gain and gain.rounded()),
            gain.value >= 0.08 if gain else None,
        ),
        Target("events/s: features, score and state", "≥ 150,000", round(speed), None, None, speed >= 150_000),
        Target(
            "placebo alerts where 5 % of the background do",
            "5 % within interval or below",
            *_bounds(placebo),
            placebo[1] <= 0.05 if placebo else None,
        ),
        Target("a part scored again is bit-identical", "yes", None, None, None, report.facts["deterministic"]),
    ]
