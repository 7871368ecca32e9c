"""Training: fits models on past days and logs them as challengers.

Belongs here: what is fitted on what. Does not belong here: reading hours (``training_data``), what is on record of it
(``trainings``), drift (``model_drift``), judging a challenger (``judging``), making one champion (``champions``).

Nothing here is part of the chain from bucket to workspace; scoring goes on with the champion whatever happens.
"""

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.ledger.audit import Decision, current_principal, record_decision
from s3sentinel_assets.ledger.model_records import TRAINED, model_target
from s3sentinel_assets.pipeline.champions import registry_of
from s3sentinel_assets.pipeline.model_drift import Drift, drift_of
from s3sentinel_assets.pipeline.observed import observed_hours
from s3sentinel_assets.pipeline.runtime import Runtime
from s3sentinel_assets.pipeline.training_data import (
    LABEL,
    URGENT,
    Span,
    events_in,
    last_verdict,
    matrices,
    read_parts,
    span_of,
    thinning,
)
from s3sentinel_assets.pipeline.trainings import (
    TrainingFacts,
    facts_of,
    last_trained,
    newest_challengers,
    reference_of,
    unjudged,
    write_reference,
)

if TYPE_CHECKING:
    from s3sentinel_assets.ml.anomaly.detector import Detector
    from s3sentinel_assets.ml.evaluation.drift import Histograms

__all__ = [
    "Drift",
    "Fitted",
    "Trained",
    "TrainingFacts",
    "TrainingSet",
    "collect",
    "drift_of",
    "facts_of",
    "fit_models",
    "last_trained",
    "newest_challengers",
    "reference_of",
    "train",
    "unjudged",
]

_LEASE = "train:"


@dataclass(frozen=True)
class TrainingSet:
    """What models are fitted on.

    Attributes:
        span: which hours.
        matrix: ``principal``, ``hour``, ``TERMS``, `LABEL`, `URGENT` and ``benign``: a row for each event kept.
        observed: how many hours of the span were observed; see `observed_hours`.
        last_verdict: number of the last verdict there was before any was read.
        every: every how many-th principal-hour was kept.
    """

    span: Span
    matrix: pl.DataFrame = field(repr=False)
    observed: int
    last_verdict: int
    every: int = 1

    @property
    def days(self) -> float:
        """How long the events kept would take to happen."""
        return self.observed / 24 / self.every


@dataclass(frozen=True)
class Fitted:
    """A model that was fitted, before it is registered."""

    detector: "Detector"
    facts: TrainingFacts
    histograms: "Histograms" = field(repr=False)


@dataclass(frozen=True)
class Trained:
    """A model that was registered as a challenger."""

    format: str
    number: int
    version: str
    kind: str
    sha256: str
    span: str
    facts: TrainingFacts


def collect(runtime: Runtime, span: Span) -> TrainingSet:
    """Reads a span, thinned so that memory is bounded.

    Raises:
        UserError: there are no events.
    """
    from s3sentinel_assets.ml.parameters import TERMS

    last = last_verdict(runtime)  # before any is read, so that none falls in between
    every = thinning(events_in(runtime, span), runtime.config.models.max_training_events)
    columns = ["principal", "hour", *TERMS, LABEL, URGENT, "benign"]
    frames: list[pl.DataFrame] = []
    busy: set[str] = set()
    for part, matrix in matrices(runtime, read_parts(runtime, span), every=every):
        frames.append(matrix.select(columns))
        if part.batch.height:
            busy.add(part.hour)
    if not any(frame.height for frame in frames):
        raise UserError(f"{span} has no {span.format} events with a history before them; let it run for some days")
    observed = observed_hours(busy, span.first, span.last)
    return TrainingSet(span, pl.concat(frames), observed, last, every)


def fit_models(runtime: Runtime, events: TrainingSet, *, everything: bool = False) -> list[Fitted]:
    """Fits ECOD, the rarity sum, and with enough verdicts the additive model; the first is the one to promote.

    Args:
        runtime: connections.
        events: what to fit on.
        everything: attacks and urgent events as well, to see that the gate refuses that.

    Raises:
        UserError: no benign events.
    """
    from s3sentinel_assets.ml.anomaly.fitting import fit_additive, fit_ecod, fit_rarity
    from s3sentinel_assets.ml.evaluation.drift import CHAMPION_SCORE, SCORE, Histograms
    from s3sentinel_assets.ml.scoring.model import load_weights

    log_format, settings = events.span.format, runtime.config.models
    matrix = events.matrix if everything else events.matrix.filter(pl.col("benign"))
    if not matrix.height:
        raise UserError(f"{events.span} has no benign {log_format} events to fit a model on")
    _, weights = load_weights(runtime.config.models_dir, log_format)
    made = [
        fit_ecod(matrix, format=log_format, days=events.days),
        fit_rarity(matrix, weights=weights, format=log_format, days=events.days),
    ]
    said = events.matrix[LABEL]
    attacks, cleared = int((said == "attack").sum()), int((said == "benign").sum())
    if min(attacks, cleared) >= settings.min_verdicts and not everything:
        known = events.matrix.filter(pl.col("benign") | (pl.col(LABEL) == "attack"))
        made.append(fit_additive(known, known[LABEL] == "attack", format=log_format, days=events.days))
    champion = runtime.model(log_format).detector
    facts = _facts(matrix, events, champion)
    theirs = Histograms.of(matrix.select(), champion.score(champion.raw(matrix))).named(SCORE, CHAMPION_SCORE)
    return [
        Fitted(
            detector,
            facts,
            Histograms(
                {**Histograms.of(matrix, detector.score(detector.raw(matrix))).counts, **theirs.counts}, matrix.height
            ),
        )
        for detector in made
    ]


def _facts(matrix: pl.DataFrame, events: TrainingSet, champion: "Detector") -> TrainingFacts:
    from s3sentinel_assets.ml.evaluation.gate import UNUSUAL_PER_DAY
    from s3sentinel_assets.ml.parameters import TERMS

    counts = matrix["principal"].value_counts(sort=True)
    varied = matrix.select(pl.col(term).max() > pl.col(term).min() for term in TERMS).row(0)
    hours = (
        matrix.select("principal", "hour", raw=champion.raw(matrix)).group_by("principal", "hour").agg(pl.max("raw"))
    )
    unusual = (champion.expected_hours(hours["raw"]) <= UNUSUAL_PER_DAY).sum() if champion.calibrated else 0
    highest = counts.filter(pl.col("count") == pl.col("count").max()).sort("principal")
    return TrainingFacts(
        days=events.observed / 24,
        principals=counts.height,
        events=matrix.height * events.every,
        top_share=highest["count"][0] / matrix.height,
        top_principal=highest["principal"][0].replace("\x1f", " ").strip(),
        informative_terms=sum(bool(each) for each in varied),
        attacks_left_in=int((matrix[LABEL] == "attack").fill_null(False).sum()),
        urgent_left_in=matrix.filter(pl.col(URGENT) & (pl.col(LABEL).is_null() | (pl.col(LABEL) != "benign"))).height,
        unusual_hours=int(unusual),
        expected_unusual_hours=round(events.days * UNUSUAL_PER_DAY, 3),
        champion_calibrated=champion.calibrated,
    )


def train(runtime: Runtime, log_format: str, *, everything: bool = False) -> list[Trained]:
    """Fits models of a log family and registers each with the alias ``challenger-<kind>``; the first is ``challenger``.

    Raises:
        UserError: too little history, another process is training, or MLflow cannot be reached.
    """
    from s3sentinel_assets.ledger.leases import hold_lease

    settings = runtime.config.models
    with hold_lease(runtime.ledger, _LEASE + log_format, runtime.worker, runtime.config.limits.lease_seconds) as held:
        if held is None:
            raise UserError(f"another process is training models of {log_format}; wait for it")
        registry = registry_of(runtime)
        # Asked first: without a registry the work would be for nothing.
        registry.versions(log_format)
        skip = settings.evaluate_days
        span = span_of(runtime, log_format, days=settings.train_days - skip, skip_days=skip)
        events = collect(runtime, span)
        return [
            _register(runtime, events, fitted, first=place == 0)
            for place, fitted in enumerate(fit_models(runtime, events, everything=everything))
        ]


def _register(runtime: Runtime, events: TrainingSet, fitted: Fitted, *, first: bool) -> Trained:
    from s3sentinel_assets.ml.registry.versions import CHALLENGER

    detector, facts, registry = fitted.detector, fitted.facts, registry_of(runtime)
    champion = runtime.model(detector.format).detector.version
    reference = write_reference(runtime, detector.version, fitted.histograms, str(events.span), champion)
    made, digest = registry.log(
        detector,
        tags={
            "sources": ", ".join(events.span.sources),
            "hours": str(events.span),
            "trained_by": current_principal(),
            "gate": "not judged yet",
        },
        params={
            "days": facts.days,
            "thinned_to_every": events.every,
            "champion": runtime.model(detector.format).version,
        },
        metrics={
            "training_days": facts.days,
            "training_events": facts.events,
            "training_principals": facts.principals,
            "events_per_day": detector.events_per_day,
            "hours_per_day": detector.hours_per_day,
        },
        reference=reference,
        alias=f"{CHALLENGER}-{detector.kind}",
    )
    if first:
        registry.set_alias(detector.format, CHALLENGER, made.number)
    trained = Trained(detector.format, made.number, detector.version, detector.kind, digest, str(events.span), facts)
    with runtime.ledger.write() as connection:
        record_decision(
            connection,
            Decision(
                principal=current_principal(),
                action=TRAINED,
                target=model_target(detector.format, made.number, detector.version),
                detail={
                    **asdict(trained),
                    "first_hour": events.span.first,
                    "last_hour": events.span.last,
                    "sources": list(events.span.sources),
                    "last_verdict": events.last_verdict,
                },
            ),
            runtime.ledger.now(),
        )
    return trained
