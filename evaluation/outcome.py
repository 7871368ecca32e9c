"""Outcomes of a seed: what each model found and at what cost, in tables small enough to keep.

Belongs here: collecting, writing and reading them. Does not belong here: shares, intervals and targets (``report``).
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from evaluation.rivals import BASELINE
from s3sentinel_assets.ml.evaluation.metrics import average_precision, false_alarms, incident_costs, roc_auc
from s3sentinel_assets.ml.evaluation.outcomes import benign_outcomes, incident_outcomes, rank, strongest
from s3sentinel_assets.ml.evaluation.truth import shadows
from s3sentinel_assets.ml.history.dimensions import SEPARATOR

__all__ = ["LIVE", "Outcomes", "read_outcomes"]

#: The setting that counts; others are poisoned ones.
LIVE = "live"
_FILES = ("incidents", "benign")


@dataclass
class Outcomes:
    """Outcomes of one seed.

    Attributes:
        seed: which one.
        days: test days.
        incidents: one row for each model, setting and incident: who, how, ``hours_per_day`` and ``events_share`` (see
            `metrics.incident_costs`), ``rank`` and ``events_<level>`` as delivered, the same with ``final_`` after the
            roll-up (null for models that the priority table does not judge).
        benign: one row for each judged model, setting and principal: see `outcomes.benign_outcomes`, and ``final_``.
        facts: everything that is one number.
    """

    seed: int
    days: float
    incidents: list[pl.DataFrame] = field(default_factory=list)
    benign: list[pl.DataFrame] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def add(
        self,
        model: str,
        events: pl.DataFrame,
        raw: pl.Series,
        priority: pl.Series | None = None,
        *,
        fold: frozenset[str] | None = None,
        setting: str = LIVE,
    ) -> None:
        """Adds what a model made of the test days.

        Args:
            model: its name.
            events: the test days, with truth columns, ``principal``, ``hour``, ``time``, ``cold_start``.
            raw: its score, one per event.
            priority: as delivered; None for a model that only gives an order.
            fold: the techniques that it has not learned from; None: all.
            setting: `LIVE` or how the history was poisoned.
        """
        events = events if "shadow" in events.columns else events.with_columns(shadows(events))
        costs = incident_costs(events, raw, days=self.days).drop("score")
        table = _incidents(events).join(costs, on="incident", how="left")
        if fold is not None:
            table = table.filter(pl.col("technique").is_in(list(fold)))
        if priority is not None:
            table = self._judged(model, events, priority, table, setting)
        named = table.with_columns(model=pl.lit(model), setting=pl.lit(setting), seed=pl.lit(self.seed))
        self.incidents.append(named)
        if setting == LIVE:
            self._facts(model, events, raw, fold)

    def _judged(
        self, model: str, events: pl.DataFrame, priority: pl.Series, table: pl.DataFrame, setting: str
    ) -> pl.DataFrame:
        delivered = rank(priority)
        final = strongest(events, delivered)
        for prefix, ranks in (("", delivered), ("final_", final)):
            found = incident_outcomes(events, ranks).drop("events")
            table = table.join(
                found.rename({name: prefix + name for name in found.columns if name != "incident"}),
                on="incident",
                how="left",
            )
        benign = benign_outcomes(events, delivered)
        finals = benign_outcomes(events, final).select(
            "account", "principal", *(pl.col(f"events_{level}").alias(f"final_events_{level}") for level in _LEVELS)
        )
        self.benign.append(
            benign.join(finals, on=["account", "principal"], how="left", nulls_equal=True).with_columns(
                model=pl.lit(model), setting=pl.lit(setting), seed=pl.lit(self.seed)
            )
        )
        return table

    def _facts(self, model: str, events: pl.DataFrame, raw: pl.Series, fold: frozenset[str] | None) -> None:
        attack, benign = events["kind"] == "attack", events["kind"] == "background"
        if fold is not None:
            attack = attack & events["technique"].is_in(list(fold))
        order = {"roc": roc_auc(raw.filter(benign), raw.filter(attack))}
        order["ap"] = average_precision(raw.filter(benign), raw.filter(attack))
        # A model that was fitted once for each fold has the mean of them.
        for name, value in order.items():
            self.facts.setdefault("order", {}).setdefault(model, {}).setdefault(name, []).append(value)
        if model == BASELINE:
            alarms = false_alarms(events, raw)
            self.facts["baseline_hours_per_day"] = float((alarms["score"] > 0).sum()) / self.days
        if "benign_hours" not in self.facts:
            self.facts["benign_hours"] = false_alarms(events, raw).height
            self.facts["benign_events"] = int(benign.sum())
            self.facts["benign_events_in_shadows"] = int((benign & events["shadow"]).sum()) if "shadow" in events else 0
            self.facts["attack_events"] = int(attack.sum())
            self.facts["cold_benign_share"] = round(float(events["cold_start"].filter(benign).mean() or 0.0), 4)  # pyright: ignore[reportArgumentType]

    def placebo(self, events: pl.DataFrame, people: pl.DataFrame) -> None:
        """Adds the replay in which benign sequences were put in like attacks (see ``transplants.placebo``).

        Args:
            events: of that replay.
            people: ``account``, ``principal`` of those whose sequences they are: they are compared with themselves.
        """
        # The features name principals with their account.
        names = people.select(pl.concat_str("account", "principal", separator=SEPARATOR))["account"]
        tested = events.filter(pl.col("principal").is_in(names.implode())).with_columns(
            kind=pl.when(pl.col("kind") == "placebo").then(pl.lit("attack")).otherwise(pl.col("kind"))
        )
        tested = tested.with_columns(shadows(tested))
        costs = incident_costs(tested, tested["raw"], days=self.days)
        ranks = rank(tested["priority"])
        put = tested["kind"] == "attack"
        benign = (tested["kind"] == "background") & ~tested["shadow"]
        self.facts["placebo"] = {
            "sequences": costs.height,
            "costs": costs["hours_per_day"].round(3).to_list(),
            "hours": false_alarms(tested, tested["raw"]).height,
            "events": int(put.sum()),
            "events_medium": int((ranks.filter(put) >= 2).sum()),
            "background_events": int(benign.sum()),
            "background_events_medium": int((ranks.filter(benign) >= 2).sum()),
        }

    def save(self, folder: Path) -> None:
        """Writes all of it."""
        tables = {"incidents": self.incidents, "benign": self.benign}
        for name in _FILES:
            pl.concat(tables[name], how="diagonal").write_parquet(folder / f"{name}.parquet")
        facts = {"seed": self.seed, "days": self.days, **self.facts}
        (folder / "facts.json").write_text(json.dumps(facts), encoding="utf-8")


_LEVELS = ("medium", "high", "critical")


def _incidents(events: pl.DataFrame) -> pl.DataFrame:
    return (
        events.filter(pl.col("kind") == "attack")
        .group_by("incident")
        .agg(
            pl.col("technique", "variant", "victim").first(),
            pl.col("cold_start").any(),
            pl.len().cast(pl.Int64).alias("events"),
        )
        .sort("incident")
    )


def read_outcomes(folders: list[Path]) -> tuple[pl.DataFrame, pl.DataFrame, list[dict[str, Any]]]:
    """Incidents, benign principals and facts of several seeds."""
    tables = [
        pl.concat([pl.read_parquet(folder / f"{name}.parquet") for folder in folders], how="diagonal")
        for name in _FILES
    ]
    facts = [json.loads((folder / "facts.json").read_text(encoding="utf-8")) for folder in folders]
    return tables[0], tables[1], facts
