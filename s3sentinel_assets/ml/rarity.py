"""The rarity score: a weighted sum of bits per event, with priority, reasons and confidence.

Belongs here: `score`, which puts features, weights, priority table and words together. Does not belong here: trained
models, the choice of state and counters.
"""

from dataclasses import dataclass

import polars as pl

from s3sentinel_assets.ml.counters import Counters
from s3sentinel_assets.ml.features import Features, compute
from s3sentinel_assets.ml.keys import Events, prepare
from s3sentinel_assets.ml.model import RarityModel, ScoringUnavailable
from s3sentinel_assets.ml.priority import priority, sensitivity
from s3sentinel_assets.ml.reasons import explain
from s3sentinel_assets.ml.state import EntityState

__all__ = ["SCORE_SCHEMA", "ScoreResult", "score"]

#: Columns and types of the scores.
SCORE_SCHEMA: dict[str, pl.DataType] = {
    "AnomalyScore_CF": pl.Float64(),
    "Confidence_CF": pl.Float64(),
    "Priority_CF": pl.String(),
    "Reasons_CF": pl.String(),
    "Flags_CF": pl.String(),
}
_EXPLAINED = ("critical", "high", "medium")


@dataclass(frozen=True)
class ScoreResult:
    """What scoring a batch gives.

    Attributes:
        scores: ``SCORE_SCHEMA``, one row for each row of the batch, in the batch's order.
        counters: the in-hour counters after the batch, for the next part of the hour.
    """

    scores: pl.DataFrame
    counters: Counters


def score(
    batch: pl.DataFrame, state: EntityState | None, counters: Counters | None, model: RarityModel, *, hour: str
) -> ScoreResult:
    """Scores a batch of the entity view.

    Args:
        batch: any row order; duplicates are removed beforehand.
        state: the newest one sealed before ``hour``.
        counters: what the previous part of the hour left; None at the start of an hour.
        model: from ``load_model``.
        hour: the hour the batch belongs to.

    Raises:
        ScoringUnavailable: there is no state, it is of another format, or it already holds ``hour``.
    """
    if state is None:
        raise ScoringUnavailable(
            f"no sealed state before {hour}: there is no history to score {model.format} events with"
        )
    if state.format != model.format:
        raise ScoringUnavailable(f"the state holds {state.format} history, the model scores {model.format} events")
    if state.hour >= hour:
        raise ScoringUnavailable(
            f"the state of {state.hour} may hold the events of {hour} themselves; an earlier one is needed"
        )
    events = prepare(batch, model.format)
    features = compute(events, state, counters or Counters(hour), model.parameters, hour=hour)
    scored = _score_events(events, features, model, batch["bytes"].cast(pl.Int64).gather(events.rows))
    left_out = events.left_out.select(
        "row",
        AnomalyScore_CF=pl.lit(0.0),
        Confidence_CF=pl.lit(0.0),
        Priority_CF=pl.when(pl.col("flag") == "no_principal").then(pl.lit("unknown")).otherwise(pl.lit("low")),
        Reasons_CF=pl.lit(None, dtype=pl.String),
        Flags_CF="flag",
    )
    scores = pl.concat([scored, left_out]).sort("row").select(list(SCORE_SCHEMA))
    return ScoreResult(scores=scores.rechunk(), counters=features.counters)


def _score_events(events: Events, features: Features, model: RarityModel, sizes: pl.Series) -> pl.DataFrame:
    parameters, support = model.parameters, features.support
    # Hundredths of a bit as integers: the printed parts add up to the printed score exactly, whatever the order.
    hundredths = features.bits.select(
        (pl.col(term) * (model.weights[term] * 100.0)).round().cast(pl.Int64) for term in model.terms
    )
    confidence = pl.min_horizontal(
        pl.col("events") / parameters.cold_events, pl.col("days") / parameters.cold_days, pl.lit(1.0)
    )
    judged = support.with_columns(
        hundredths.sum_horizontal().alias("hundredths")
        if hundredths.width
        else pl.lit(0, dtype=pl.Int64).alias("hundredths"),
        sensitivity(events["action"], events.failed, model).alias("sensitivity"),
        events.named.alias("named"),
    ).select(
        # Rounded again: a division by 100 may leave 3.5500000000000003.
        score=(pl.col("hundredths") / 100.0).round(2),
        confidence=((confidence * 100.0).floor() / 100.0).round(2),
        cold_start=confidence < 1.0,
        first_seen=pl.col("never") & (pl.col("action_so_far") < parameters.first_seen_occurrences),
        sensitivity="sensitivity",
        named="named",
    )
    judged = judged.with_columns(priority=priority(model.rules), index=pl.int_range(pl.len(), dtype=pl.Int64))
    wanted = judged.filter(pl.col("priority").is_in(_EXPLAINED))["index"]
    reasons = explain(wanted, hundredths, support, events, sizes)
    cold = pl.when("cold_start").then(pl.lit("cold_start"))
    nameless = pl.when(~pl.col("named")).then(pl.lit("no_principal"))
    flags = pl.concat_str(cold, nameless, separator=",", ignore_nulls=True)
    return (
        judged.join(reasons, on="index", how="left", maintain_order="left")
        .with_columns(events.rows.alias("row"))
        .select(
            "row",
            AnomalyScore_CF="score",
            Confidence_CF="confidence",
            Priority_CF="priority",
            Reasons_CF="reasons",
            Flags_CF=pl.when(flags != "").then(flags),
        )
    )
