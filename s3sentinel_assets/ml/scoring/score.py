"""The rarity score: a weighted sum of bits per event, with priority, reasons and confidence.

Belongs here: `score`, which puts features, weights, priority table and words together. Does not belong here: trained
models, the choice of state and counters.
"""

from dataclasses import dataclass

import polars as pl

from s3sentinel_assets.ml.features.compute import Features, compute
from s3sentinel_assets.ml.history.counters import Counters
from s3sentinel_assets.ml.history.dimensions import dense, zeros
from s3sentinel_assets.ml.history.keys import Events, prepare
from s3sentinel_assets.ml.history.state import EntityState
from s3sentinel_assets.ml.parameters import ScoringUnavailable
from s3sentinel_assets.ml.priority.table import priority, sensitivity
from s3sentinel_assets.ml.scoring.model import RarityModel
from s3sentinel_assets.ml.scoring.reasons import explain

__all__ = ["SCORE_SCHEMA", "ScoreResult", "score"]

#: Columns and types of the scores.
SCORE_SCHEMA: dict[str, pl.DataType] = {
    "AnomalyScore_CF": pl.Float64(),
    "ExpectedPerDay_CF": pl.Float64(),
    "Confidence_CF": pl.Float64(),
    "Priority_CF": pl.String(),
    "Reasons_CF": pl.String(),
    "Pattern_CF": pl.String(),
    "Flags_CF": pl.String(),
}
_EXPLAINED = ("critical", "high", "medium")
_NOBODY = "no_principal"
# Cases per hundredth of a bit: four sensitivities, cold start or not, first seen or not.
_KINDS = 16


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
    return ScoreResult(scores=_scores(batch, events, features, model), counters=features.counters)


def _totals(events: Events, features: Features, model: RarityModel) -> pl.Series:
    """Int64 per event: the score in hundredths of a bit."""
    # As integers the printed parts add up to the printed score exactly, whatever the order.
    total = zeros(len(events))
    for name in model.terms:
        term = features.terms.get(name)
        if term is None or not term.bits.len():
            continue
        part = term.bits.to_frame(name).select(_hundredths(name, model))[name]
        total = total + part if term.index is None else total.scatter(term.index, total[term.index] + part)
    return total


def _hundredths(term: str, model: RarityModel) -> pl.Expr:
    return (pl.col(term) * (model.weights[term] * 100.0)).round().cast(pl.Int64)


def _by_what(events: Events, features: Features, model: RarityModel) -> pl.DataFrame:
    """What is judged of each group of ``what``."""
    parameters = model.parameters
    confidence = pl.min_horizontal(
        pl.col("events") / parameters.cold_events, pl.col("days") / parameters.cold_days, pl.lit(1.0)
    )
    cold, nameless = pl.when("cold_start").then(pl.lit("cold_start")), pl.when(~pl.col("named")).then(pl.lit(_NOBODY))
    return (
        features.by_what.select("events", "days")
        .with_columns(
            sensitivity(events.groups["what"]["action"], events.failed, model).alias("sensitivity"),
            events.named.alias("named"),
            cold_start=confidence < 1.0,
            confidence=((confidence * 100.0).floor() / 100.0).round(2),
        )
        .with_columns(flags=pl.concat_str(cold, nameless, separator=",", ignore_nulls=True))
        .with_columns(flags=pl.when(pl.col("flags") != "").then("flags"))
    )


def _cases(
    events: Events, features: Features, by_what: pl.DataFrame, model: RarityModel
) -> tuple[pl.Series, pl.DataFrame]:
    """Events that are judged alike: the case of each event (UInt32), and ``score`` and ``priority`` of each case."""
    what = events.groups["what"].codes
    hundredths = _totals(events, features, model)
    kinds = by_what["sensitivity"] * 2 + by_what["cold_start"].cast(pl.Int64)
    numbers = hundredths * _KINDS + kinds[what] * 2
    never = features.by_what["never"]
    if never.any():
        first = never[what] & (features.action_so_far < model.parameters.first_seen_occurrences)
        numbers = numbers + first.cast(pl.Int64)
    highest = hundredths.max()
    limit = (highest + 1) * _KINDS if isinstance(highest, int) else 1
    cases, distinct = dense(numbers, limit)
    judged = distinct.to_frame("number").select(
        # Rounded again: a division by 100 may leave 3.5500000000000003.
        score=(pl.col("number") // _KINDS / 100.0).round(2),
        sensitivity=pl.col("number") % _KINDS // 4,
        cold_start=pl.col("number") // 2 % 2 == 1,
        first_seen=pl.col("number") % 2 == 1,
    )
    return cases, judged.with_columns(priority=priority(model.rules))


def _scores(batch: pl.DataFrame, events: Events, features: Features, model: RarityModel) -> pl.DataFrame:
    """``SCORE_SCHEMA`` in the order of the batch."""
    by_what = _by_what(events, features, model)
    cases, judged = _cases(events, features, by_what, model)
    wanted = judged["priority"].is_in(_EXPLAINED)[cases].arg_true()
    reasons = _reasons(batch, wanted, events, features, model) if wanted.len() else None
    # Rows that are left out are cases of their own, behind the others.
    flags = events.left_out["flag"].unique()
    others = flags.to_frame("flags").select(
        "flags",
        score=pl.lit(0.0),
        confidence=pl.lit(0.0),
        priority=pl.when(pl.col("flags") == _NOBODY).then(pl.lit("unknown")).otherwise(pl.lit("low")),
    )
    other = events.left_out["flag"].cast(pl.Enum(flags)).to_physical().cast(pl.UInt32)

    def by_row(codes: pl.Series, table: pl.DataFrame, *columns: str) -> pl.DataFrame:
        ordered = zeros(batch.height, pl.UInt32).scatter(events.rows, codes)
        if flags.len():
            ordered = ordered.scatter(events.left_out["row"], other + table.height)
        return pl.concat([table.select(columns), others.select(columns)])[ordered]

    texts = pl.Series("reasons", [None], dtype=pl.String).new_from_index(0, batch.height)
    if reasons is not None:
        places = pl.int_range(1, reasons.height + 1, dtype=pl.UInt32, eager=True)
        codes = zeros(batch.height, pl.UInt32).scatter(events.rows[reasons["index"]], places)
        texts = pl.concat([texts.head(1), reasons["reasons"]])[codes]
    scores = by_row(cases, judged, "score", "priority").hstack(
        [*by_row(events.groups["what"].codes, by_what, "confidence", "flags"), texts.alias("reasons")]
    )
    columns = ("score", "expected", "confidence", "priority", "reasons", "pattern", "flags")
    return scores.with_columns(expected=pl.lit(None, pl.Float64()), pattern=pl.lit(None, pl.String())).select(
        pl.col(name).alias(new) for name, new in zip(columns, SCORE_SCHEMA, strict=True)
    )


def _reasons(
    batch: pl.DataFrame, wanted: pl.Series, events: Events, features: Features, model: RarityModel
) -> pl.DataFrame:
    """``index`` and ``reasons`` of the ``wanted`` events, for those that have any."""
    hundredths = features.bits(wanted).select(_hundredths(term, model) for term in model.terms)
    rows = events.rows[wanted]
    context = features.support(wanted).with_columns(
        batch["principal_type"].cast(pl.String)[rows].alias("principal_type"),
        (batch["bytes"].cast(pl.Int64)[rows] if "bytes" in batch.columns else zeros(wanted.len())).alias("bytes"),
    )
    return explain(wanted, hundredths, context, events)
