"""Comparing what models say of the same events: figures, techniques, classes that change. For the notebooks.

Belongs here: questions to a rehearsal's result, and logging the answers. Does not belong here: the figures' definitions
(``ml.evaluation``), running the models (``rehearsal``), the gate (``training``).
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from s3sentinel_assets.ml.evaluation.bootstrap import ratio
from s3sentinel_assets.ml.evaluation.gate import BUDGET_HOURS_PER_DAY, BUDGET_SHARE
from s3sentinel_assets.ml.evaluation.metrics import false_alarms, incident_costs, recall_at, roc_auc
from s3sentinel_assets.ml.evaluation.outcomes import RANKS, incident_outcomes, rank
from s3sentinel_assets.pipeline.rehearsal import Said

if TYPE_CHECKING:
    from s3sentinel_assets.ml import ScoringModel
    from s3sentinel_assets.ml.registry.tracking import Tracking

__all__ = [
    "agreement",
    "changes",
    "figures",
    "hour_budget",
    "log_figures",
    "per_technique",
    "recall_curve",
    "technique_costs",
]

_HIGH, _MEDIUM = RANKS["high"], RANKS["medium"]


def hour_budget(said: Said) -> float:
    """Benign principal-hours a day that an analyst looks at: twenty, or a twentieth of all where there are few."""
    none = pl.Series([0]).new_from_index(0, said.events.height)
    a_day = false_alarms(said.events, none).height / said.days
    return max(min(BUDGET_HOURS_PER_DAY, BUDGET_SHARE * a_day), 1.0)


def figures(said: Said) -> pl.DataFrame:
    """A row for each model.

    Returns:
        ``model``; ``alerts_per_day`` and ``critical_per_day`` (benign principal-hours with an event at high or above,
        at critical); ``events_per_day`` (benign ones at high or above); ``medium_share`` (of benign events at medium or
        above); ``incidents``; ``recall`` (of incidents, at `hour_budget`, by the score) with ``low`` and ``high``
        (95 %, by technique); ``recall_at_one`` (at one benign principal-hour a day); ``found_high`` and
        ``found_medium`` (share of incidents with such an event); ``auc`` of the score. Null where there are no
        incidents.
    """
    budget, rows = hour_budget(said), []
    for name, model in said.models.items():
        ranks, benign = rank(model["priority"]), said.events["kind"] == "background"
        clear = benign & ~said.events["shadow"]
        alarms = false_alarms(said.events, ranks)["score"]
        found = incident_outcomes(said.events, ranks)
        costs = _costs(said, name)
        interval = ratio(costs, pl.col("hours_per_day") <= budget, cluster="technique")
        some = costs.height > 0
        rows.append(
            {
                "model": name,
                "alerts_per_day": int((alarms >= _HIGH).sum()) / said.days,
                "critical_per_day": int((alarms >= RANKS["critical"]).sum()) / said.days,
                "events_per_day": int((clear & (ranks >= _HIGH)).sum()) / said.days,
                "medium_share": int((clear & (ranks >= _MEDIUM)).sum()) / max(int(clear.sum()), 1),
                "incidents": costs.height,
                "recall": interval.value if interval else None,
                "recall_at_one": recall_at(costs["hours_per_day"], 1.0),
                "low": interval.low if interval else None,
                "high": interval.high if interval else None,
                "found_high": int((found["rank"] >= _HIGH).sum()) / costs.height if some else None,
                "found_medium": int((found["rank"] >= _MEDIUM).sum()) / costs.height if some else None,
                "auc": roc_auc(model["raw"].filter(benign), model["raw"].filter(said.events["kind"] == "attack")),
            }
        )
    optional: dict[str, pl.DataType] = dict.fromkeys(
        ("recall", "recall_at_one", "low", "high", "found_high", "found_medium", "auc"), pl.Float64()
    )
    return pl.DataFrame(rows, schema_overrides=optional, infer_schema_length=None)


def _costs(said: Said, name: str) -> pl.DataFrame:
    """See `incident_costs`, with ``technique``."""
    costs = incident_costs(said.events, said.models[name]["raw"], days=said.days)
    named = said.events.filter(pl.col("kind") == "attack").group_by("incident").agg(pl.col("technique").first())
    return costs.join(named, on="incident", how="left").sort("incident")


def recall_curve(said: Said, name: str, budgets: Sequence[float]) -> pl.DataFrame:
    """``hours_per_day`` (benign principal-hours looked at) and the ``recall`` of incidents that buys, by the score."""
    costs = _costs(said, name)["hours_per_day"]
    points = [{"hours_per_day": float(budget), "recall": recall_at(costs, budget)} for budget in budgets]
    return pl.DataFrame(points, schema={"hours_per_day": pl.Float64(), "recall": pl.Float64()})


def per_technique(said: Said) -> pl.DataFrame:
    """``technique``, ``incidents``, and for each model the share that it finds at `hour_budget`; the hardest first."""
    budget, models = hour_budget(said), list(said.models)
    whole: pl.DataFrame | None = None
    for name in models:
        found = (
            _costs(said, name)
            .group_by("technique")
            .agg(pl.len().cast(pl.Int64).alias("incidents"), (pl.col("hours_per_day") <= budget).mean().alias(name))
        )
        whole = found if whole is None else whole.join(found.drop("incidents"), on="technique", how="left")
    if whole is None:
        return pl.DataFrame(schema={"technique": pl.String(), "incidents": pl.Int64()})
    return whole.sort(*models, "technique")


def technique_costs(said: Said) -> pl.DataFrame:
    """``technique``, ``incidents``, and for each model what finding one of them costs; the dearest ones first.

    The cost is the median number of benign principal-hours a day that rank as high as the incident, or higher.
    """
    models = list(said.models)
    whole = per_technique(said).select("technique", "incidents")
    for name in models:
        costs = _costs(said, name).group_by("technique").agg(pl.col("hours_per_day").median().alias(name))
        whole = whole.join(costs, on="technique", how="left")
    return whole.sort(*models, "technique", descending=[*(True for _ in models), False])


def agreement(said: Said, first: str, second: str) -> pl.DataFrame:
    """Benign events by the priority that two models give: a row for each of the first, a column for each of the second.

    Shadows of incidents are left out.
    """
    order = pl.Enum(list(reversed(RANKS)))
    pairs = pl.DataFrame(
        {first: said.models[first]["priority"].cast(order), "other": said.models[second]["priority"].cast(order)}
    ).filter((said.events["kind"] == "background") & ~said.events["shadow"])
    counted = pairs.group_by(first, "other").len().sort("other", first)
    table = counted.pivot("other", index=first, values="len").sort(first).fill_null(0)
    return table.with_columns(pl.col(first).cast(pl.String)).rename(
        {name: f"{second}: {name}" for name in table.columns if name != first}
    )


def changes(said: Said, first: str, second: str) -> pl.DataFrame:
    """Events whose class two models see differently, the greatest differences first.

    Returns:
        ``event_id``, ``time``, ``account``, ``principal``, ``action``, ``kind``, ``incident``; of each model its name
        and the priority; ``steps`` (up is positive); ``reasons`` (of whichever finds the event more urgent).
    """
    before, after = said.models[first], said.models[second]
    steps = rank(after["priority"]) - rank(before["priority"])
    table = said.events.select("event_id", "time", "account", "principal", "action", "kind", "incident").with_columns(
        before["priority"].alias(first),
        after["priority"].alias(second),
        steps.alias("steps"),
        pl.select(pl.when(steps > 0).then(after["reasons"]).otherwise(before["reasons"]).alias("reasons")).to_series(),
    )
    return table.filter(pl.col("steps") != 0).sort(
        pl.col("steps").abs(), "time", "event_id", descending=[True, False, False]
    )


def log_figures(
    tracking: "Tracking", said: Said, models: "Mapping[str, ScoringModel]", *, dataset: str
) -> dict[str, str]:
    """Logs a run of the experiment "evaluation" for each model, to be compared in MLflow's UI; gives their ids.

    Raises:
        UserError: MLflow cannot be reached.
    """
    from s3sentinel_assets.ml.registry.experiments import log_evaluation, metric_name

    budget, techniques, runs = hour_budget(said), per_technique(said), {}
    for row in figures(said).iter_rows(named=True):
        model = models[row["model"]]
        slices = {f"technique_{metric_name(each['technique'])}": each[row["model"]] for each in techniques.to_dicts()}
        measured: dict[str, Any] = {
            "incident_recall_at_20_hours": row["recall"],
            "benign_volume_at_medium": row["medium_share"],
            "alerts_per_day": row["alerts_per_day"],
            **slices,
        }
        runs[row["model"]] = log_evaluation(
            tracking,
            name=model.version,
            tags={"role": row["model"], "format": model.format, "version": model.version, "dataset": dataset},
            metrics={name: value for name, value in measured.items() if value is not None},
            params={"days": said.days, "budget_hours_per_day": round(budget, 3), "made_by": "compare_models.ipynb"},
            tables={"per_technique.json": techniques.rename({row["model"]: "found"}).to_dicts()},
        )
    return runs
