"""Judging challengers: a trial on the last days, the gate's table, and both where people look for them.

Belongs here: turning a trial and the training's record into evidence, and recording the verdict. Does not belong here:
the limits (``ml.evaluation.gate``), the trial itself (``trial``), promotion (``champions``).
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.ledger import verdicts as ledger_verdicts
from s3sentinel_assets.ledger.audit import Decision, current_principal, record_decision
from s3sentinel_assets.ledger.model_records import JUDGED, model_target
from s3sentinel_assets.ml.evaluation.gate import (
    BUDGET_HOURS_PER_DAY,
    BUDGET_SHARE,
    Evidence,
    GateLimits,
    GateReport,
    judge_challenger,
)
from s3sentinel_assets.pipeline.called_attacks import called_attack_since
from s3sentinel_assets.pipeline.champions import registry_of, tracking_of
from s3sentinel_assets.pipeline.runtime import Runtime
from s3sentinel_assets.pipeline.stories import stories
from s3sentinel_assets.pipeline.training_data import events_in, span_of
from s3sentinel_assets.pipeline.trainings import TrainingFacts, facts_of, reference_of
from s3sentinel_assets.pipeline.trial import Seen, Trial, run_trial

if TYPE_CHECKING:
    from s3sentinel_assets.ml.anomaly.detector import Detector
    from s3sentinel_assets.ml.registry.versions import ModelVersion

__all__ = ["Judgement", "evaluate"]

_MEDIUM = 2  # rank in ml.evaluation.outcomes


@dataclass(frozen=True)
class Judgement:
    """The verdict on a version.

    Attributes:
        format: log family.
        number: of the version.
        version: of the detector.
        champion: version of the detector that it was compared with.
        report: the gate's table.
        metrics: of the challenger, as logged.
        champion_metrics: of the champion, with the same names.
        span: the hours it was judged on.
        run_id: of the evaluation's run in MLflow.
    """

    format: str
    number: int
    version: str
    champion: str
    report: GateReport
    metrics: Mapping[str, float]
    champion_metrics: Mapping[str, float]
    span: str
    run_id: str


def evaluate(runtime: Runtime, log_format: str, numbers: Sequence[int] = ()) -> list[Judgement]:
    """Judges versions against the champion on the last days, and logs them in the experiment "evaluation".

    Args:
        runtime: connections.
        log_format: log family.
        numbers: of the versions; without any the one with the alias ``challenger``.

    Raises:
        UserError: there is no such version, too little history, or MLflow cannot be reached.
    """
    from s3sentinel_assets.ml.registry.versions import CHALLENGER

    registry, settings = registry_of(runtime), runtime.config.models
    versions = [registry.version(log_format, number) for number in numbers]
    if not numbers:
        newest = registry.with_alias(log_format, CHALLENGER)
        if newest is None:
            raise UserError(f"{log_format} has no challenger; train one with `s3sentinel models train {log_format}`")
        versions = [newest]
    challengers: list[tuple[ModelVersion, Detector, str]] = []
    for version in versions:
        with registry.fetched(version) as (detector, digest, _):
            challengers.append((version, detector, digest))
    champion = runtime.model(log_format).detector
    span = span_of(runtime, log_format, days=settings.evaluate_days)
    sequences = stories(runtime.config.models_dir, log_format)
    detectors = [champion, *(detector for _, detector, _ in challengers)]
    trial = run_trial(runtime, span, detectors, sequences, events=events_in(runtime, span))
    limits = GateLimits(
        psi=settings.drift_psi, least_days=settings.min_training_days, least_principals=settings.min_principals
    )
    theirs = _log_champion(runtime, champion, trial)
    judged: list[Judgement] = []
    for place, (version, detector, digest) in enumerate(challengers, start=1):
        evidence = _evidence(runtime, trial, champion, detector, trial.models[place], digest)
        if not sequences.height:
            # What was never labelled has no attacks to be found; the other lines stand.
            evidence = replace(evidence, recall=None)
        report = judge_challenger(evidence, limits)
        ours = _metrics(trial, trial.models[place], evidence.score_psi, evidence)
        ours["gate_passed"] = float(report.passed)
        run_id = _log_run(runtime, "challenger", detector, version.number, trial, trial.models[place], ours, report)
        judgement = Judgement(
            log_format,
            version.number,
            detector.version,
            champion.version,
            report,
            ours,
            theirs,
            str(trial.span),
            run_id,
        )
        _record(runtime, judgement, digest)
        verdict = "passed" if report.passed else f"refused: {'; '.join(report.refusals)}"
        registry.tag(version, {"gate": verdict})
        judged.append(judgement)
    return judged


def _evidence(
    runtime: Runtime, trial: Trial, champion: "Detector", detector: "Detector", ours: Seen, digest: str
) -> Evidence:
    known = facts_of(runtime, detector.format, digest)
    if known is None:
        raise UserError(
            f"{detector.version} was not trained here, so nothing is known of the events it was fitted on and the gate "
            "cannot judge it; promote it with --force and a reason, if you trust where it comes from"
        )
    facts, record = known
    theirs = trial.models[0]
    fields = {name: getattr(facts, name) for name in TrainingFacts.__dataclass_fields__}
    fields["attacks_left_in"] += _called_attack_since(runtime, record)
    return Evidence(
        **fields,
        recall=_recalls(trial, theirs, ours),
        budget=_budget(trial),
        medium_volume=_medium_volume(trial, ours),
        score_psi=_score_psi(runtime, detector, ours),
        champion_psi=_champion_psi(runtime, detector, champion, theirs),
        replay_identical=_replays(runtime, trial, detector),
        load_error="",  # it was fetched, verified and read
        missing={"score stability": "there is no record of the days it was fitted on"},
    )


def _called_attack_since(runtime: Runtime, record: Mapping[str, Any]) -> int:
    """How many verdicts say attack of something in the training's hours that the training did not know to be one."""
    with runtime.ledger.read() as connection:
        given = ledger_verdicts.verdicts(connection)
    first, last, sources = record["first_hour"], record["last_hour"], record.get("sources")
    mine = [
        one
        for one in given
        if one.hour is not None
        and first <= one.hour <= last
        and (sources is None or one.source is None or one.source in sources)
    ]
    return len(called_attack_since(mine, record.get("last_verdict")))


def _incidents(trial: Trial, seen: Seen) -> pl.DataFrame:
    """One row an incident: what it costs to find it, and what slices ask for."""
    from s3sentinel_assets.ml.evaluation.metrics import incident_costs

    about = (
        trial.events.filter(pl.col("kind") == "attack")
        .group_by("incident")
        .agg(
            pl.col("technique").first(),
            pl.col("variant").first(),
            pl.col("victim").drop_nulls().first(),
            pl.col("cold_start").any(),
        )
    )
    return incident_costs(trial.events, seen.raw, days=trial.days).join(about, on="incident").sort("incident")


def _recalls(trial: Trial, champion: Seen, challenger: Seen) -> dict[str, tuple[int, float, float]]:
    from s3sentinel_assets.ml.evaluation.metrics import recall_at
    from s3sentinel_assets.ml.evaluation.slices import SLICES

    both, budget = [_incidents(trial, seen) for seen in (champion, challenger)], _budget(trial)
    found = {}
    for name, condition in SLICES.items():
        parts = [incidents.filter(condition)["hours_per_day"] for incidents in both]
        recalls = [recall_at(part, budget) for part in parts]
        if recalls[0] is not None and recalls[1] is not None:
            found[name] = (parts[0].len(), recalls[0], recalls[1])
    return found


def _budget(trial: Trial) -> float:
    """Principal-hours a day at which recall is compared."""
    clear = trial.events.filter((pl.col("kind") == "background") & ~pl.col("shadow"))
    a_day = clear.select("account", "principal", "hour").n_unique() / trial.days
    return min(BUDGET_HOURS_PER_DAY, BUDGET_SHARE * a_day)


def _medium_volume(trial: Trial, seen: Seen) -> float | None:
    benign = (trial.events["kind"] == "background") & ~trial.events["shadow"]
    ranks = seen.rank.filter(benign)
    return float((ranks >= _MEDIUM).sum()) / ranks.len() if ranks.len() else None


def _score_psi(runtime: Runtime, detector: "Detector", seen: Seen) -> float | None:
    from s3sentinel_assets.ml.evaluation.drift import SCORE

    kept = reference_of(runtime, detector.version)
    return kept[0].drift_to(seen.histograms).get(SCORE) if kept else None


def _champion_psi(runtime: Runtime, detector: "Detector", champion: "Detector", seen: Seen) -> float | None:
    """How far the champion's score moved from the challenger's training days to the last days."""
    from s3sentinel_assets.ml.evaluation.drift import CHAMPION_SCORE, SCORE

    kept = reference_of(runtime, detector.version)
    if kept is None or kept[2] != champion.version:
        return _score_psi(runtime, champion, seen)
    return kept[0].drift_to(seen.histograms.named(SCORE, CHAMPION_SCORE)).get(CHAMPION_SCORE)


def _replays(runtime: Runtime, trial: Trial, detector: "Detector") -> bool | None:
    """Whether the last part scores alike in another order, by the model as it is and as its files make it."""
    from s3sentinel_assets.ml import score
    from s3sentinel_assets.ml.anomaly.detector import load_detector

    part = trial.last
    if part is None:
        return None
    with tempfile.TemporaryDirectory(prefix="s3sentinel-model-") as folder:
        detector.save(Path(folder))
        again = load_detector(Path(folder))
    batch = part.batch.drop("_label", "_urgent")
    shuffled = batch.sample(fraction=1.0, shuffle=True, seed=11)
    answers = []
    for rows, used in ((batch, detector), (shuffled, detector), (shuffled, again)):
        model = runtime.model(part.state.format).with_detector(used)
        scores = score(rows, part.state, None, model, hour=part.hour).scores
        answers.append(scores.with_columns(rows["event_id"].alias("event_id")).sort(["event_id", *scores.columns]))
    return all(answers[0].equals(other) for other in answers[1:])


def _metrics(trial: Trial, seen: Seen, psi: float | None, evidence: Evidence | None) -> dict[str, float]:
    """The same names for every model; what is not known is left out."""
    from s3sentinel_assets.ml.evaluation.metrics import recall_at
    from s3sentinel_assets.ml.evaluation.slices import SLICES

    metrics: dict[str, float] = {}
    if trial.events["kind"].eq("attack").any():
        incidents = _incidents(trial, seen)
        for name, condition in SLICES.items():
            recall = recall_at(incidents.filter(condition)["hours_per_day"], BUDGET_HOURS_PER_DAY)
            if recall is not None:
                metrics["incident_recall_at_20_hours" + ("" if name == "all" else f"_{name}")] = recall
    volume = _medium_volume(trial, seen)
    if volume is not None:
        metrics["benign_volume_at_medium"] = volume
    if psi is not None:
        metrics["score_psi"] = psi
    if evidence is not None:
        metrics |= {
            "training_days": evidence.days,
            "training_events": float(evidence.events),
            "training_principals": float(evidence.principals),
        }
        if evidence.unusual_hours is not None:
            metrics["unusual_training_hours"] = float(evidence.unusual_hours)
    metrics["events_judged"] = float(trial.events.height)
    return metrics


def _per_technique(trial: Trial, seen: Seen) -> list[dict[str, Any]]:
    if not trial.events["kind"].eq("attack").any():
        return []
    return (
        _incidents(trial, seen)
        .group_by(pl.col("technique").fill_null("unknown"))
        .agg(
            pl.len().cast(pl.Int64).alias("incidents"),
            (pl.col("hours_per_day") <= BUDGET_HOURS_PER_DAY).mean().round(4).alias("recall_at_20_hours"),
            pl.col("hours_per_day").median().round(3).alias("median_hours_per_day"),
        )
        .sort("technique")
        .to_dicts()
    )


def _log_champion(runtime: Runtime, champion: "Detector", trial: Trial) -> dict[str, float]:
    """Logs the champion's run on the same days; gives its metrics."""
    seen = trial.models[0]
    metrics = _metrics(trial, seen, _score_psi(runtime, champion, seen), None)
    _log_run(runtime, "champion", champion, None, trial, seen, metrics, None)
    return metrics


def _log_run(
    runtime: Runtime,
    role: str,
    model: "Detector",
    number: int | None,
    trial: Trial,
    seen: Seen,
    metrics: Mapping[str, float],
    report: GateReport | None,
) -> str:
    from s3sentinel_assets.ml.registry.experiments import log_evaluation

    return log_evaluation(
        tracking_of(runtime),
        name=f"{model.version} ({role})",
        tags={
            "role": role,
            "format": model.format,
            "version": model.version,
            "model_version": "" if number is None else str(number),
            "dataset": f"own events {trial.span} with shipped stories",
        },
        metrics=metrics,
        params={"budget_hours_per_day": round(_budget(trial), 3), "days": round(trial.days, 3)},
        tables={"per_technique.json": _per_technique(trial, seen), "gate.json": report.rows() if report else []},
    )


def _record(runtime: Runtime, judgement: Judgement, digest: str) -> None:
    detail = {
        "format": judgement.format,
        "number": judgement.number,
        "version": judgement.version,
        "champion": judgement.champion,
        "sha256": digest,
        "hours": judgement.span,
        "passed": judgement.report.passed,
        "refusals": judgement.report.refusals,
        "checks": judgement.report.rows(),
        "metrics": dict(judgement.metrics),
        "champion_metrics": dict(judgement.champion_metrics),
        "run_id": judgement.run_id,
    }
    with runtime.ledger.write() as connection:
        record_decision(
            connection,
            Decision(
                principal=current_principal(),
                action=JUDGED,
                target=model_target(judgement.format, judgement.number, judgement.version),
                reason="passed" if judgement.report.passed else "; ".join(judgement.report.refusals),
                detail=detail,
            ),
            runtime.ledger.now(),
        )
