"""What a score is worth: the false alarms that each incident costs, recall at a budget of them, order.

Belongs here: figures from a score (any number, higher is more suspicious) and the truth. Does not belong here:
priorities (``outcomes``), parts of the incidents (``slices``), intervals (``bootstrap``).

A budget is always a number of *benign* alarms, so no figure depends on how many attacks were put in. Equal scores are
held against the score: to find an incident, everything benign with the same score has to be looked at as well.
"""

import polars as pl

__all__ = ["average_precision", "baseline_recall", "false_alarms", "incident_costs", "recall_at", "roc_auc"]

_HOUR = ("account", "principal", "hour")


def false_alarms(events: pl.DataFrame, score: pl.Series) -> pl.DataFrame:
    """The benign principal-hours and the highest score in each: ``account``, ``principal``, ``hour``, ``score``.

    Args:
        events: ``account``, ``principal``, ``hour``, ``kind`` and ``shadow`` (see `truth.shadows`). A principal-hour
            with an event in a shadow is not benign.
        score: one per event.
    """
    return (
        events.select(*_HOUR, "shadow", "kind", score=score)
        .filter(pl.col("kind") == "background")
        .group_by(_HOUR)
        .agg(pl.col("score").max(), pl.col("shadow").any())
        .filter(~pl.col("shadow"))
        .drop("shadow")
        .sort(_HOUR)
    )


def incident_costs(events: pl.DataFrame, score: pl.Series, *, days: float) -> pl.DataFrame:
    """What finding each incident costs, if its highest event is just above the threshold.

    Args:
        events: as for `false_alarms`, with ``incident``.
        score: one per event; no nulls.
        days: how many days the events span.

    Returns:
        ``incident``, ``score`` (highest of its events), ``hours_per_day`` (benign principal-hours a day whose highest
        score is at least that) and ``events_share`` (of all benign events, those in shadows as well). Sorted by
        incident.
    """
    if not days > 0:
        raise ValueError(f"the events must span some time, not {days} days")
    # One sort order for both sides: a whole score and a broken one must not meet as different types.
    score = score.cast(pl.Float64)
    incidents = (
        events.select("incident", "kind", score=score)
        .filter(pl.col("kind") == "attack")
        .group_by("incident")
        .agg(pl.col("score").max())
        .sort("incident")
    )
    benign = score.filter(events["kind"] == "background")
    hours = _at_least(false_alarms(events, score)["score"], incidents["score"])
    return incidents.with_columns(
        (hours / days).alias("hours_per_day"),
        (_at_least(benign, incidents["score"]) / max(benign.len(), 1)).alias("events_share"),
    )


def _at_least(values: pl.Series, limits: pl.Series) -> pl.Series:
    """Float64 per limit: how many of the values are at least that."""
    below = values.sort().search_sorted(limits, side="left").cast(pl.Float64)
    return float(values.len()) - below


def recall_at(costs: pl.Series, budget: float) -> float | None:
    """The share of incidents that cost at most ``budget``; None where there are no incidents."""
    return float((costs <= budget).sum()) / costs.len() if costs.len() else None


def baseline_recall(events: pl.DataFrame, alert: pl.Series, *, days: float) -> tuple[float, float | None]:
    """Of a yes-or-no rule: benign principal-hours a day with an alert, and the share of incidents with one."""
    costs = incident_costs(events, alert.cast(pl.Int64), days=days)
    alarms = false_alarms(events, alert.cast(pl.Int64))
    return float((alarms["score"] > 0).sum()) / days, recall_at(1 - costs["score"], 0.0)


def roc_auc(benign: pl.Series, attack: pl.Series) -> float | None:
    """How often an attack event outranks a benign one; equal scores count half (Mann-Whitney U). None without both."""
    if not benign.len() or not attack.len():
        return None
    ranks = pl.concat([attack.cast(pl.Float64), benign.cast(pl.Float64)]).rank("average").head(attack.len())
    return (float(ranks.sum()) - attack.len() * (attack.len() + 1) / 2) / (attack.len() * benign.len())


def average_precision(benign: pl.Series, attack: pl.Series) -> float | None:
    """Precision at each threshold, weighted by the recall it adds; equal scores share one. None without both."""
    if not benign.len() or not attack.len():
        return None
    parts = [
        values.cast(pl.Float64).to_frame("score").with_columns(hit=pl.lit(hit))
        for values, hit in ((benign, 0), (attack, 1))
    ]
    steps = (
        pl.concat(parts)
        .group_by("score")
        .agg(pl.col("hit").sum(), pl.len())
        .sort("score", descending=True)
        .select("hit", precision=pl.col("hit").cum_sum() / pl.col("len").cum_sum())
    )
    return float((steps["hit"] * steps["precision"]).sum()) / attack.len()
