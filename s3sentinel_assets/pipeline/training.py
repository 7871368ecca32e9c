"""Training: fits models on past days, logs them as challengers, and tells how far the events have drifted.

Belongs here: what is fitted on what, and the record of it. Does not belong here: reading hours (``training_data``),
judging a challenger (``judging``), making one champion (``champions``).

Nothing here is part of the chain from bucket to workspace; scoring goes on with the champion whatever happens.
"""

import json
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.ledger.audit import Decision, current_principal, record_decision
from s3sentinel_assets.ledger.engine import from_micros
from s3sentinel_assets.ledger.model_records import TRAINED, model_target, recorded
from s3sentinel_assets.pipeline.champions import registry_of
from s3sentinel_assets.pipeline.runtime import Runtime
from s3sentinel_assets.pipeline.training_data import (
    LABEL,
    URGENT,
    Span,
    events_in,
    matrices,
    read_parts,
    span_of,
    thinning,
)

if TYPE_CHECKING:
    from datetime import datetime

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
]

_LEASE = "train:"


@dataclass(frozen=True)
class TrainingSet:
    """What models are fitted on.

    Attributes:
        span: which hours.
        matrix: ``principal``, ``hour``, ``TERMS``, `LABEL`, `URGENT` and ``benign``: a row for each event kept.
        every: every how many-th principal-hour was kept.
    """

    span: Span
    matrix: pl.DataFrame = field(repr=False)
    every: int = 1

    @property
    def days(self) -> float:
        """How long the events kept would take to happen."""
        return self.span.hours / 24 / self.every


@dataclass(frozen=True)
class TrainingFacts:
    """What the gate wants to know of the events that a model was fitted on; see ``gate.Evidence``."""

    days: float
    principals: int
    events: int
    top_share: float
    top_principal: str
    informative_terms: int
    attacks_left_in: int
    urgent_left_in: int
    unusual_hours: int
    expected_unusual_hours: float
    champion_calibrated: bool


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


@dataclass(frozen=True)
class Drift:
    """How far the last days are from those that the champion was fitted on.

    Attributes:
        champion: version.
        since: what is compared with: the champion's training days, or earlier days where it keeps no record of those.
        span: the last days.
        psi: term or ``score`` → population stability index.
        limit: from which on it is drift.
    """

    format: str
    champion: str
    since: str
    span: str
    psi: dict[str, float]
    limit: float

    @property
    def drifted(self) -> dict[str, float]:
        """What is at the limit or above, the most first."""
        above = {name: value for name, value in self.psi.items() if value >= self.limit}
        return dict(sorted(above.items(), key=lambda item: -item[1]))

    @property
    def sentence(self) -> str:
        """For people."""
        if not self.drifted:
            most = max(self.psi.values(), default=0.0)
            return f"{self.span} is like {self.since} (PSI {most:.3f} at most, limit {self.limit:g})"
        told = ", ".join(f"{name} {value:.2f}" for name, value in list(self.drifted.items())[:5])
        return f"{self.span} differs from {self.since}: PSI of {told} (limit {self.limit:g}); a new model is due"


def collect(runtime: Runtime, span: Span) -> TrainingSet:
    """Reads a span, thinned so that memory is bounded.

    Raises:
        UserError: there are no events.
    """
    from s3sentinel_assets.ml.parameters import TERMS

    every = thinning(events_in(runtime, span), runtime.config.models.max_training_events)
    columns = ["principal", "hour", *TERMS, LABEL, URGENT, "benign"]
    frames = [matrix.select(columns) for _, matrix in matrices(runtime, read_parts(runtime, span), every=every)]
    if not frames or not any(frame.height for frame in frames):
        raise UserError(f"{span} has no {span.format} events with a history before them; let it run for some days")
    return TrainingSet(span, pl.concat(frames), every)


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
        days=events.span.hours / 24,
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
    reference = _write_reference(runtime, detector.version, fitted.histograms, events.span, champion)
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
                detail={**asdict(trained), "first_hour": events.span.first, "last_hour": events.span.last},
            ),
            runtime.ledger.now(),
        )
    return trained


def facts_of(runtime: Runtime, log_format: str, digest: str) -> tuple[TrainingFacts, dict[str, Any]] | None:
    """What the ledger knows of the training of the model with this digest; None: it was not trained here."""
    with runtime.ledger.read() as connection:
        rows = recorded(connection, (TRAINED,), log_format)
    for row in reversed(rows):
        if row.detail.get("sha256") == digest:
            return TrainingFacts(**row.detail["facts"]), {**row.detail, "at": row.at}
    return None


def last_trained(runtime: Runtime, log_format: str) -> "datetime | None":
    """When models of the log family were last trained."""
    with runtime.ledger.read() as connection:
        rows = recorded(connection, (TRAINED,), log_format)
    return from_micros(rows[-1].at) if rows else None


def _reference_file(runtime: Runtime, version: str) -> Path:
    return runtime.config.data_dir / "references" / f"{version}.json"


def _write_reference(runtime: Runtime, version: str, histograms: "Histograms", span: Span, champion: str) -> Path:
    file = _reference_file(runtime, version)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_name(f".{file.name}.{uuid.uuid4().hex}")
        data = {"hours": str(span), "champion": champion, **histograms.as_data()}
        unfinished.write_text(json.dumps(data) + "\n", encoding="utf-8")
        unfinished.replace(file)
    except OSError as error:
        raise UserError(f"{file} cannot be written: {error.strerror}") from error
    return file


def reference_of(runtime: Runtime, version: str) -> "tuple[Histograms, str, str] | None":
    """The histograms of the days that a model was fitted on, which hours, and the champion then; None: no record."""
    from s3sentinel_assets.ml.evaluation.drift import Histograms

    try:
        data = json.loads(_reference_file(runtime, version).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    found = Histograms.from_data(data) if isinstance(data, dict) else None
    return (found, str(data.get("hours")), str(data.get("champion"))) if found else None


def drift_of(runtime: Runtime, log_format: str) -> Drift:
    """Compares the last days with those that the champion was fitted on.

    Where there is no record of those (a champion that ships with the project), the days before the last stand in.

    Raises:
        UserError: too little history.
    """
    settings = runtime.config.models
    champion = runtime.model(log_format).detector
    latest = span_of(runtime, log_format, days=settings.evaluate_days)
    after = _benign_histograms(runtime, latest, champion)
    kept = reference_of(runtime, champion.version)
    if kept is not None:
        before, hours, _ = kept
        since = f"the training days of {champion.version} ({hours})"
    else:
        earlier = span_of(
            runtime,
            log_format,
            days=settings.train_days - settings.evaluate_days,
            skip_days=settings.evaluate_days,
        )
        before, since = _benign_histograms(runtime, earlier, champion), f"the days before ({earlier})"
    return Drift(log_format, champion.version, since, str(latest), before.drift_to(after), settings.drift_psi)


def _benign_histograms(runtime: Runtime, span: Span, champion: "Detector") -> "Histograms":
    from s3sentinel_assets.ml.evaluation.drift import Histograms

    every = thinning(events_in(runtime, span), runtime.config.models.max_training_events)
    total = Histograms()
    for _, matrix in matrices(runtime, read_parts(runtime, span), every=every):
        benign = matrix.filter(pl.col("benign"))
        total = total.plus(Histograms.of(benign, champion.score(champion.raw(benign))))
    return total


def newest_challengers(runtime: Runtime, log_format: str) -> Sequence[dict[str, Any]]:
    """The records of the models made by the last training, the one to promote first."""
    with runtime.ledger.read() as connection:
        rows = [row.detail for row in recorded(connection, (TRAINED,), log_format)]
    last = [row for row in rows if row["span"] == rows[-1]["span"]] if rows else []
    newest: dict[str, dict[str, Any]] = {row["kind"]: row for row in last}
    return sorted(newest.values(), key=lambda row: row["number"])
