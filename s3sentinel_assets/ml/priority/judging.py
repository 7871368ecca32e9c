"""Judging: the priority of each event, from the event, its principal's trailing hour and how sensitive the call is.

Belongs here: `judge`, which applies the priority table. Does not belong here: the table's lines (``rules``), the
trailing hour (``standing``), the sensitivity (``sensitivity``), scores.
"""

from dataclasses import dataclass
from typing import Protocol

import polars as pl

from s3sentinel_assets.ml.history.counters import RECENT_SENSITIVE, Counters
from s3sentinel_assets.ml.history.keys import UNKNOWN, Events
from s3sentinel_assets.ml.priority.rules import FULL_BUDGET_HOURS, PRIORITIES, SENSITIVE, PriorityRule
from s3sentinel_assets.ml.priority.sensitivity import Levels, SensitivityRules
from s3sentinel_assets.ml.priority.standing import Trail, trailing_hour

__all__ = ["Calibrated", "Judged", "JudgingModel", "Scored", "judge"]

_UNKNOWN = len(PRIORITIES)
_NAMES = pl.Series("priority", [*PRIORITIES, "unknown"])


class Calibrated(Protocol):
    """What judging needs of a detector: raw scores (Int64 hundredths) as rates a day; higher raw, lower rate."""

    @property
    def hours_per_day(self) -> float:
        """Principal-hours a day in the days it was fitted on."""
        ...

    def expected_events(self, raw: pl.Series) -> pl.Series:
        """Float64: events a day that score at least this."""
        ...

    def expected_hours(self, raw: pl.Series) -> pl.Series:
        """Float64: principal-hours a day whose highest event scores at least this."""
        ...


class JudgingModel(Protocol):
    """What judging needs of a model bundle."""

    @property
    def detector(self) -> Calibrated:
        """The calibrated detector."""
        ...

    @property
    def rules(self) -> tuple[PriorityRule, ...]:
        """The priority table of the log family."""
        ...

    @property
    def sensitivity(self) -> SensitivityRules:
        """The sensitivity rules; without rules for log families whose actions they do not know."""
        ...


@dataclass(frozen=True)
class Scored:
    """What is known of each event of a batch, in the order of ``events`` (time, then event id).

    Attributes:
        events: from ``keys.prepare``.
        times: Datetime (us, UTC); null where the event has none.
        raw: Int64, the detector's raw score in hundredths of a bit.
        first_seen: Boolean: no history of this action, and one of its first uses in the hour.
        cold_start: Boolean: too little history of the principal.
        detail: String: request parameters as JSON text, or null.
        severity: String: the vendor's severity of a finding, or null.
        levels: how sensitive the calls are, if that is known already.
    """

    events: Events
    times: pl.Series
    raw: pl.Series
    first_seen: pl.Series
    cold_start: pl.Series
    detail: pl.Series
    severity: pl.Series
    levels: Levels | None = None


@dataclass(frozen=True)
class Judged:
    """The judgement of each event, in the order of the batch that was judged.

    Attributes:
        priority: String: critical, high, medium, low; unknown where there is neither principal nor action.
        standing: Int64: see ``standing.trailing_hour``.
        sensitivity: Int64, 0 to 3, after the checks of parameters; a failed call counts one less.
        rule: String: the sensitivity rule that decided, or null.
        technique: String: its MITRE ATT&CK techniques, comma-separated, or null.
        recent: rows of ``COUNTER_SCHEMA``, tables ``recent`` and ``recent_sensitive``, for ``Counters.plus``.
    """

    priority: pl.Series
    standing: pl.Series
    sensitivity: pl.Series
    rule: pl.Series
    technique: pl.Series
    recent: pl.DataFrame


def judge(scored: Scored, counters: Counters, model: JudgingModel, hour: str) -> Judged:
    """Judges a batch.

    The result does not depend on the order of rows or threads. Parts of an hour are judged one after the other, each
    with the counters of the one before: what a later part shows is not known yet.

    Args:
        scored: what is known of the events.
        counters: left by the previous part, of this hour or an earlier one.
        model: detector, priority table and sensitivity rules.
        hour: the hour the batch belongs to.
    """
    what = scored.events.groups["what"]
    levels = scored.levels or model.sensitivity.levels(scored.events, scored.detail)
    rates = _Rates(scored.raw, model.detector)
    counters = counters.for_hour(hour)
    # Whoever has no name stands for many: nobody inherits from them.
    named = scored.events.named[what.codes]
    loud = named & _loud(scored.raw, rates, [rule.hours_per_day for rule in model.rules])
    trail = trailing_hour(what["principal"], what.codes, scored.times, scored.raw, loud=loud, counters=counters)
    grave = named & _loud(scored.raw, rates, [rule.sensitive_hours_per_day for rule in model.rules])
    grave = grave & scored.first_seen & (levels.level >= SENSITIVE)
    sensitive = _sensitive_hour(scored, grave, counters)
    columns = pl.DataFrame(
        {
            "raw": scored.raw,
            "standing": trail.standing,
            "sensitive_standing": sensitive.standing,
            "sensitivity": levels.level,
            "first_seen": scored.first_seen,
            "cold_start": scored.cold_start,
            "vendor_severity": scored.severity,
        }
    )
    nobody = ~scored.events.named & (what["action"].values == UNKNOWN)[what["action"].codes]
    limits = {
        "raw": rates,
        "standing": _Rates(trail.standing, model.detector),
        "sensitive_standing": _Rates(sensitive.standing, model.detector),
    }
    places = columns.select(_first_rule(columns, model.rules, limits))["priority"]
    if nobody.any():
        places = places.zip_with(~nobody[what.codes], pl.Series([_UNKNOWN], dtype=pl.UInt32))
    return Judged(
        priority=_NAMES[places],
        standing=trail.standing,
        sensitivity=levels.level,
        rule=levels.rule,
        technique=levels.technique,
        recent=pl.concat([trail.recent, sensitive.recent]),
    )


def _loud(raw: pl.Series, rates: "_Rates", limits: list[float | None]) -> pl.Series:
    """Whether an event is within the largest of the limits that a condition on trailing hours has; if none, never."""
    known = [limit for limit in limits if limit is not None]
    return raw >= rates.least("hours", max(known)) if known else pl.Series([False]).new_from_index(0, raw.len())


def _sensitive_hour(scored: Scored, grave: pl.Series, counters: Counters) -> Trail:
    """The trailing hour of the ``grave`` events alone; the standing is 0 without any."""
    what = scored.events.groups["what"]
    return trailing_hour(
        what["principal"],
        what.codes,
        scored.times,
        scored.raw * grave.cast(pl.Int64),
        loud=grave,
        counters=counters,
        table=RECENT_SENSITIVE,
    )


def _first_rule(columns: pl.DataFrame, rules: tuple[PriorityRule, ...], limits: dict[str, "_Rates"]) -> pl.Expr:
    """UInt32: the place of the priority of the first rule that applies."""
    *others, last = rules
    decided = pl.lit(PRIORITIES.index(last.priority), pl.UInt32)
    for rule in reversed(others):
        applies = _applies(rule, columns, limits)
        if applies is not None:
            place = pl.lit(PRIORITIES.index(rule.priority), pl.UInt32)
            decided = pl.when(applies).then(place).otherwise(decided)
    # A bare literal would give one row.
    return pl.repeat(0, pl.len(), dtype=pl.UInt32).alias("priority") + decided


def _applies(rule: PriorityRule, columns: pl.DataFrame, limits: dict[str, "_Rates"]) -> pl.Expr | None:
    """Whether the conditions of a rule hold; None if they hold for no event."""
    conditions = []
    for column, rate, limit in (
        ("raw", "events", rule.events_per_day),
        ("raw", "hours", rule.event_hours_per_day),
        ("standing", "hours", rule.hours_per_day),
        ("sensitive_standing", "hours", rule.sensitive_hours_per_day),
    ):
        if limit is not None:
            conditions.append(pl.col(column) >= limits[column].least(rate, limit))
    if rule.min_sensitivity is not None:
        conditions.append(pl.col("sensitivity") >= rule.min_sensitivity)
    if rule.first_seen is not None:
        conditions.append(pl.col("first_seen") == rule.first_seen)
    if rule.cold_start is not None:
        conditions.append(pl.col("cold_start") == rule.cold_start)
    if rule.vendor_severity is not None:
        if columns["vendor_severity"].null_count() == columns.height:
            return None
        conditions.append(pl.col("vendor_severity").str.to_lowercase().is_in(rule.vendor_severity).fill_null(False))
    return pl.all_horizontal(conditions)


class _Rates:
    """How often raw scores are expected a day, worked out once for each distinct one."""

    def __init__(self, raw: pl.Series, detector: Calibrated):
        self._distinct = raw.unique()
        self._share = min(1.0, detector.hours_per_day / FULL_BUDGET_HOURS)
        self._rates = {"hours": detector.expected_hours, "events": detector.expected_events}
        self._known: dict[str, pl.Series] = {}

    def least(self, rate: str, limit: float) -> int:
        """The least of the raw scores that is expected at most ``limit`` times a day; above all of them if none is.

        A small organisation gets its share of the limit.

        Rates never rise with the raw score, so one comparison of integers says it for all events.
        """
        if rate not in self._known:
            self._known[rate] = self._rates[rate](self._distinct)
        least = self._distinct.filter(self._known[rate] <= limit * self._share).min()
        if isinstance(least, int):
            return least
        highest = self._distinct.max()
        return highest + 1 if isinstance(highest, int) else 0
