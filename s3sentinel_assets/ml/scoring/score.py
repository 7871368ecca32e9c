"""The score of a batch: features, detector, judgement and words put together.

Belongs here: `score` and the columns it gives. Does not belong here: terms (``features``), what they are worth
(``anomaly``), what is urgent (``priority``), the choice of state and counters (the pipeline).
"""

from dataclasses import dataclass

import polars as pl

from s3sentinel_assets.ml.features.compute import Features, compute
from s3sentinel_assets.ml.features.matrix import cold_start, first_uses
from s3sentinel_assets.ml.history.counters import COUNTER_SCHEMA, Counters
from s3sentinel_assets.ml.history.dimensions import zeros
from s3sentinel_assets.ml.history.keys import Events, prepare
from s3sentinel_assets.ml.history.state import EntityState
from s3sentinel_assets.ml.parameters import ScoringUnavailable
from s3sentinel_assets.ml.priority.judging import Judged, Scored, judge
from s3sentinel_assets.ml.priority.rule_items import rule_items
from s3sentinel_assets.ml.priority.sensitive_term import sensitive_term
from s3sentinel_assets.ml.scoring.model import ScoringModel
from s3sentinel_assets.ml.scoring.reasons import Part, explain

__all__ = ["INTERNAL_SCHEMA", "SCORE_SCHEMA", "ScoreResult", "score"]

#: Columns and types of the scores that are sent.
SCORE_SCHEMA: dict[str, pl.DataType] = {
    "AnomalyScore_CF": pl.Float64(),
    "ExpectedPerDay_CF": pl.Float64(),
    "Confidence_CF": pl.Float64(),
    "Priority_CF": pl.String(),
    "Reasons_CF": pl.String(),
    "Pattern_CF": pl.String(),
    "Flags_CF": pl.String(),
}
#: Columns behind them that stay here: the raw score and the principal's highest in the trailing hour (hundredths of a
#: bit), and what the sensitivity rules said.
INTERNAL_SCHEMA: dict[str, pl.DataType] = {
    "_raw": pl.Int64(),
    "_standing": pl.Int64(),
    "_sensitivity": pl.Int64(),
    "_rule": pl.String(),
    "_technique": pl.String(),
}
#: Priorities whose events carry reasons and the expected number a day: who reads the others reads none of them.
_EXPLAINED = ("critical", "high", "medium")
_NOBODY = "no_principal"


@dataclass(frozen=True)
class ScoreResult:
    """What scoring a batch gives.

    Attributes:
        scores: ``SCORE_SCHEMA`` and ``INTERNAL_SCHEMA``, one row for each row of the batch, in the batch's order.
        counters: the in-hour counters after the batch, for the next part of the hour.
    """

    scores: pl.DataFrame
    counters: Counters


def score(
    batch: pl.DataFrame,
    state: EntityState | None,
    counters: Counters | None,
    model: ScoringModel,
    *,
    hour: str,
    max_keys: int | None = None,
) -> ScoreResult:
    """Scores a batch of the entity view.

    Args:
        batch: any row order; duplicates are removed beforehand.
        state: the newest one sealed before ``hour``.
        counters: what the previous part left; those of another hour only tell what is still recent, None nothing.
        model: from ``load_model``.
        hour: the hour the batch belongs to.
        max_keys: how many keys the counters may have; those counted least go first. None: any number.

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
    counters = (counters or Counters(hour)).for_hour(hour)
    events = prepare(batch, model.format)
    detail = _text(batch, "detail", events.rows)
    levels = model.sensitivity.levels(events, detail)
    items = rule_items(levels, events.failures) if model.sensitivity.rules else None
    features = compute(events, state, counters, model.parameters, hour=hour, items=items)
    first = first_uses(events, features, model.parameters)
    features = features.with_term("sensitive", sensitive_term(levels.level, first.new, first.so_far))
    parts = _parts(features, model)
    raw = _raw(parts, len(events))
    what = events.groups["what"].codes
    scored = Scored(
        events=events,
        times=batch["time"].cast(pl.Datetime("us", "UTC"))[events.rows],
        raw=raw,
        first_seen=first.new,
        cold_start=cold_start(features, model.parameters)[what],
        detail=detail,
        severity=_text(batch, "severity", events.rows),
        levels=levels,
    )
    judged = judge(scored, counters, model, hour)
    scores = _scores(batch, events, features, parts, raw, judged, model)
    added = pl.concat([each.select(list(COUNTER_SCHEMA)) for each in (features.handed_on, judged.recent)])
    return ScoreResult(scores, counters.plus(hour, added, max_keys))


def _text(batch: pl.DataFrame, name: str, rows: pl.Series) -> pl.Series:
    column = batch[name].cast(pl.String)
    return column.head(1).clear(rows.len()) if column.null_count() == column.len() else column[rows]


def _parts(features: Features, model: ScoringModel) -> dict[str, Part]:
    """What each term that says anything adds to the scores."""
    found = {name: term for name in model.terms if (term := features.terms.get(name)) and term.bits.len()}
    return {name: (term.index, model.detector.contributions(name, term.bits)) for name, term in found.items()}


def _raw(parts: dict[str, Part], size: int) -> pl.Series:
    """Int64 per event: the raw score in hundredths of a bit."""
    # As integers the printed parts add up to the raw score exactly, whatever the order.
    total = zeros(size)
    for index, part in parts.values():
        total = total + part if index is None else total.scatter(index, total[index] + part)
    return total.alias("_raw")


def _by_what(events: Events, features: Features, model: ScoringModel) -> pl.DataFrame:
    """``confidence`` and ``flags`` of each group of ``what``."""
    parameters = model.parameters
    confidence = pl.min_horizontal(
        pl.col("events") / parameters.cold_events, pl.col("days") / parameters.cold_days, pl.lit(1.0)
    )
    cold, nameless = pl.when("cold_start").then(pl.lit("cold_start")), pl.when(~pl.col("named")).then(pl.lit(_NOBODY))
    return (
        features.by_what.select("events", "days")
        .with_columns(cold_start(features, parameters), events.named.alias("named"))
        .select(
            confidence=((confidence * 100.0).floor() / 100.0).round(2),
            flags=pl.concat_str(cold, nameless, separator=",", ignore_nulls=True),
        )
        .with_columns(flags=pl.when(pl.col("flags") != "").then("flags"))
    )


def _three_digits(value: pl.Expr) -> pl.Expr:
    """Three significant digits: more would claim to know."""
    return value.round_sig_figs(3)


def _scores(
    batch: pl.DataFrame,
    events: Events,
    features: Features,
    parts: dict[str, Part],
    raw: pl.Series,
    judged: Judged,
    model: ScoringModel,
) -> pl.DataFrame:
    """Both schemas, in the order of the batch."""
    size = len(events)
    distinct = raw.unique().sort()
    scale = pl.DataFrame(
        {
            "raw": distinct,
            "score": model.detector.score(distinct),
            "expected": model.detector.expected_events(distinct),
        }
    ).with_columns(_three_digits(pl.col("expected")))
    at = scale["raw"].search_sorted(raw) if size else zeros(0, pl.UInt32)
    wanted = judged.priority.is_in(_EXPLAINED).arg_true()
    # A rule of thumb is good enough to rank, not to be quoted.
    told = wanted if model.detector.calibrated else wanted.clear()
    by_what = _by_what(events, features, model)[events.groups["what"].codes]
    columns = {
        "AnomalyScore_CF": scale["score"][at],
        "ExpectedPerDay_CF": _placed(told, scale["expected"][at[told]], size),
        "Confidence_CF": by_what["confidence"],
        "Priority_CF": judged.priority,
        "Reasons_CF": _reasons(batch, wanted, events, features, parts),
        "Pattern_CF": pl.Series([None], dtype=pl.String).new_from_index(0, size),
        "Flags_CF": by_what["flags"],
        "_raw": raw,
        "_standing": judged.standing,
        "_sensitivity": judged.sensitivity,
        "_rule": judged.rule,
        "_technique": judged.technique,
    }
    scored = pl.DataFrame(columns, schema=SCORE_SCHEMA | INTERNAL_SCHEMA)
    # Rows that are left out are rows of their own, behind the others.
    flags = events.left_out["flag"].unique()
    others = flags.to_frame("Flags_CF").select(
        pl.lit(None).cast(kind).alias(name) if name not in _LEFT_OUT else _LEFT_OUT[name]
        for name, kind in scored.schema.items()
    )
    order = zeros(batch.height, pl.UInt32).scatter(events.rows, pl.int_range(size, dtype=pl.UInt32, eager=True))
    if flags.len():
        other = events.left_out["flag"].cast(pl.Enum(flags)).to_physical().cast(pl.UInt32)
        order = order.scatter(events.left_out["row"], other + size)
        scored = pl.concat([scored, others])
    return scored[order]


_LEFT_OUT = {
    "AnomalyScore_CF": pl.lit(0.0).alias("AnomalyScore_CF"),
    "Confidence_CF": pl.lit(0.0).alias("Confidence_CF"),
    "Priority_CF": pl.when(pl.col("Flags_CF") == _NOBODY)
    .then(pl.lit("unknown"))
    .otherwise(pl.lit("low"))
    .alias("Priority_CF"),
    "Flags_CF": pl.col("Flags_CF"),
    **{name: pl.lit(0, pl.Int64).alias(name) for name in ("_raw", "_standing", "_sensitivity")},
}


def _placed(index: pl.Series, values: pl.Series, size: int) -> pl.Series:
    """The ``values`` at their ``index`` among ``size`` nulls."""
    nulls = pl.Series([None], dtype=values.dtype).new_from_index(0, size)
    return nulls.scatter(index, values) if index.len() else nulls


def _reasons(
    batch: pl.DataFrame, wanted: pl.Series, events: Events, features: Features, parts: dict[str, Part]
) -> pl.Series:
    """String per event: the reasons of the ``wanted`` ones that have any."""
    nothing = pl.Series([None], dtype=pl.String).new_from_index(0, len(events))
    if not wanted.len():
        return nothing
    rows = events.rows[wanted]
    context = features.support(wanted).with_columns(
        batch["principal_type"].cast(pl.String)[rows].alias("principal_type"),
        *(
            (batch[name].cast(pl.Int64)[rows] if name in batch.columns else zeros(wanted.len())).alias(name)
            for name in ("bytes", "packets")
        ),
    )
    reasons = explain(wanted, parts, context, events)
    if not reasons.height:
        return nothing
    places = pl.int_range(1, reasons.height + 1, dtype=pl.UInt32, eager=True)
    codes = zeros(len(events), pl.UInt32).scatter(reasons["index"], places)
    return pl.concat([nothing.head(1), reasons["reasons"]])[codes]
