"""The feature matrix: the bits of every term for every event of a batch, as models are fitted on.

Belongs here: features laid out row by row beside the batch. Does not belong here: their making (``compute``), scores.
"""

from dataclasses import dataclass

import polars as pl

from s3sentinel_assets.ml.features.compute import Features, compute
from s3sentinel_assets.ml.history.counters import Counters
from s3sentinel_assets.ml.history.keys import Events, prepare
from s3sentinel_assets.ml.history.state import EntityState
from s3sentinel_assets.ml.parameters import TERMS, Parameters
from s3sentinel_assets.ml.priority.rule_items import rule_items
from s3sentinel_assets.ml.priority.sensitive_term import sensitive_term
from s3sentinel_assets.ml.priority.sensitivity import SensitivityRules

__all__ = ["MATRIX_SCHEMA", "FirstUses", "cold_start", "feature_matrix", "first_uses"]

#: ``principal`` begins with its account, so that equal names in two accounts are two; ``hour`` is the hour scored.
MATRIX_SCHEMA: dict[str, pl.DataType] = {
    "event_id": pl.String(),
    "time": pl.Datetime("us", "UTC"),
    "principal": pl.String(),
    "hour": pl.String(),
    **{term: pl.Float64() for term in TERMS},
    "first_seen": pl.Boolean(),
    "cold_start": pl.Boolean(),
}


def feature_matrix(
    batch: pl.DataFrame,
    state: EntityState,
    counters: Counters | None,
    parameters: Parameters,
    *,
    format: str,  # noqa: A002 - the word the whole project uses
    hour: str,
    sensitivity: SensitivityRules | None = None,
) -> tuple[pl.DataFrame, Counters]:
    """The features of a batch of the entity view.

    Args:
        batch: any row order; duplicates are removed beforehand.
        state: the newest one sealed before ``hour``.
        counters: what the previous part of the hour left; None at the start of an hour.
        parameters: of the model.
        format: log family.
        hour: the hour the batch belongs to.
        sensitivity: rules for the term ``sensitive``; without them it says nothing.

    Returns:
        ``MATRIX_SCHEMA``, one row for each row of the batch, in the batch's order (rows that are left out of history
        have no bits and a null ``principal``); and the counters for the next part.
    """
    counters = (counters or Counters(hour)).for_hour(hour)
    events = prepare(batch, format)
    levels = None
    if sensitivity is not None:
        levels = sensitivity.levels(events, batch["detail"].cast(pl.String)[events.rows])
    items = None if levels is None else rule_items(levels, events.failures)
    features = compute(events, state, counters, parameters, hour=hour, items=items)
    first = first_uses(events, features, parameters)
    if levels is not None:
        features = features.with_term("sensitive", sensitive_term(levels.level, first.new, first.so_far))
    every = pl.int_range(len(events), dtype=pl.UInt32, eager=True)
    principal = events.groups["what"]["principal"]
    scored = features.bits(every).with_columns(
        principal.values[principal.codes[events.groups["what"].codes]].alias("principal"),
        first.new.alias("first_seen"),
        cold_start(features, parameters)[events.groups["what"].codes].alias("cold_start"),
    )
    row = {**dict.fromkeys(TERMS, 0.0), "principal": None, "first_seen": False, "cold_start": False}
    nothing = pl.DataFrame([row], schema=scored.schema)
    # Rows that are left out all take the one row behind the others.
    last = pl.Series([len(events)], dtype=pl.UInt32)
    places = last.new_from_index(0, batch.height).scatter(events.rows, every)
    laid_out = pl.concat([scored, nothing])[places]
    matrix = laid_out.with_columns(
        batch["event_id"].cast(pl.String), batch["time"].cast(pl.Datetime("us", "UTC")), pl.lit(hour).alias("hour")
    ).select(list(MATRIX_SCHEMA))
    return matrix, counters.plus(hour, features.handed_on)


@dataclass(frozen=True)
class FirstUses:
    """What a principal does for the first time.

    Attributes:
        new: Boolean per event: history knows no such action of the principal, or no call of it that fits the same
            sensitivity rule; and it is one of the first such calls in the hour.
        so_far: Int64 per event: how often the hour saw it before: the rule where that is new, else the action.
    """

    new: pl.Series
    so_far: pl.Series


def first_uses(events: Events, features: Features, parameters: Parameters) -> FirstUses:
    """The first uses of a batch."""
    never, codes, rules = features.by_what["never"], events.groups["what"].codes, features.rules
    most = parameters.first_seen_occurrences
    if never.any():
        new = never[codes] & (features.action_so_far < most)
    else:
        new = pl.Series([False]).new_from_index(0, codes.len())
    if not rules.index.len():
        return FirstUses(new, features.action_so_far)
    so_far = features.action_so_far.clone().scatter(rules.index, rules.so_far)
    return FirstUses(new.scatter(rules.index, rules.so_far < most), so_far)


def cold_start(features: Features, parameters: Parameters) -> pl.Series:
    """Boolean per group of ``what``: too little history of the principal."""
    early = (pl.col("events") < parameters.cold_events) | (pl.col("days") < parameters.cold_days)
    return features.by_what.select(early.alias("cold_start"))["cold_start"]
