"""Models as assets: ``anomaly_model`` (trained), ``model_evaluation`` (judged), ``champion`` (what scores); drift.

Belongs here: the assets of each log family, their check, jobs and schedules. Does not belong here: training, judging
and promotion (``pipeline``).

Nothing of the chain from bucket to workspace depends on them. They are driven by schedules, not by automation
conditions: one daily look that trains when a model is old or the events have drifted needs no further sensor, cannot
become a back-fill, and what is due follows from the ledger, so a missed tick is made up for by the next. So is a
judgement: where MLflow went away after a training, the next look judges what it left.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.hours import utc_now
from s3sentinel_assets.resources import Stages
from s3sentinel_assets.sensors import starts_running

if TYPE_CHECKING:
    from s3sentinel_assets.config.models import ModelSettings
    from s3sentinel_assets.pipeline.judging import Judgement
    from s3sentinel_assets.pipeline.training import Drift, Trained

__all__ = ["DRIFT", "GROUP", "WhenDue", "model_assets", "model_jobs", "model_schedules"]

GROUP = "models"
#: The check of ``anomaly_model``.
DRIFT = "drift"
_PREFIX = "models"
# After the busy minutes of the hour; daily at a quiet time.
_SYNC_CRON, _DAILY_CRON = "50 * * * *", "20 3 * * *"
# A training is on record when it ends: seven days later the look is minutes early, and would wait for an eighth.
_SLACK = timedelta(hours=12)


class WhenDue(dg.Config):
    """How a run trains.

    Attributes:
        only_when_due: trains only if the last model is old enough or the events have drifted, and else judges what was
            trained and never judged; the daily schedule says so. A run started by hand always trains.
    """

    only_when_due: bool = False


def _key(log_format: str, name: str) -> dg.AssetKey:
    return dg.AssetKey([_PREFIX, log_format, name])


def model_assets(log_format: str) -> list[dg.AssetsDefinition]:
    """The three assets of a log family, in order."""
    return [_anomaly_model(log_format), _model_evaluation(log_format), _champion(log_format)]


def _anomaly_model(log_format: str) -> dg.AssetsDefinition:
    key = _key(log_format, "anomaly_model")

    @dg.asset(
        key=key,
        output_required=False,
        check_specs=[
            dg.AssetCheckSpec(
                DRIFT,
                asset=key,
                description="The events of the last days are distributed like those that the champion was fitted on "
                "(population stability index of each term and of the score).",
                blocking=False,
            )
        ],
        kinds={"mlflow", "polars"},
        group_name=GROUP,
        description=f"Challengers for scoring {log_format} events: ECOD, the rarity sum and, with enough verdicts of "
        "analysts, an additive model, fitted on the last weeks without what was urgent, and registered in MLflow. "
        "Materialising it always trains; the daily schedule does so when the last model is old or the events drifted.",
    )
    def asset(
        context: dg.AssetExecutionContext, config: WhenDue, stages: dg.ResourceParam[Stages]
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        from s3sentinel_assets.pipeline import training

        runtime = stages.runtime
        try:
            drift = training.drift_of(runtime, log_format)
        except UserError as error:
            yield _check(key, None, str(error))
            if config.only_when_due:
                context.log.info(f"not trained: {error}")
                return
            raise dg.Failure(str(error), allow_retries=False) from error
        yield _check(key, drift, drift.sentence)
        last = training.last_trained(runtime, log_format)
        if config.only_when_due and last is not None and not _due(drift, last, runtime.config.models):
            context.log.info(f"not trained: the last challengers are of {last:%Y-%m-%d %H:%M} UTC; {drift.sentence}")
            waiting = training.unjudged(runtime, log_format)
            if waiting:
                yield dg.MaterializeResult(asset_key=key, metadata=_waiting_metadata(waiting, last))
            return
        try:
            made = training.train(runtime, log_format)
        except UserError as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        yield dg.MaterializeResult(asset_key=key, metadata=_trained_metadata(made, drift))

    return asset


def _due(drift: "Drift", last: datetime, settings: "ModelSettings") -> bool:
    """Whether a training is due, so long after the last one."""
    age = utc_now() - last + _SLACK
    # The last days are never trained on: before as many have gone by, another model would not know what drifted either.
    may_learn = age >= timedelta(days=settings.evaluate_days)
    return age >= timedelta(days=settings.retrain_days) or (drift.training_due and may_learn)


def _check(key: dg.AssetKey, drift: "Drift | None", sentence: str) -> dg.AssetCheckResult:
    metadata: dict[str, Any] = {}
    if drift is not None:
        metadata = {"champion": drift.champion, "hours": drift.span, "limit": drift.limit}
        metadata |= {
            "events_before": drift.events[0],
            "events": drift.events[1],
            "challenger": drift.challenger or "none",
        }
        metadata["psi"] = dg.MetadataValue.json(dict(sorted(drift.psi.items(), key=lambda item: -item[1])))
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=DRIFT,
        passed=drift is not None and not drift.drifted,
        severity=dg.AssetCheckSeverity.WARN,
        description=sentence,
        metadata=metadata,
    )


def _trained_metadata(made: "Sequence[Trained]", drift: "Drift") -> dict[str, Any]:
    first = made[0]
    records = [
        dg.TableRecord({"kind": one.kind, "number": one.number, "version": one.version, "sha256": one.sha256[:16]})
        for one in made
    ]
    return {
        "challengers": dg.MetadataValue.table(records),
        "hours": first.span,
        "training_days": round(first.facts.days, 2),
        "training_events": first.facts.events,
        "principals": first.facts.principals,
        "drift": drift.sentence,
    }


def _waiting_metadata(waiting: "Sequence[dict[str, Any]]", last: datetime) -> dict[str, Any]:
    records = [
        dg.TableRecord({name: row[name] for name in ("kind", "number", "version")} | {"sha256": row["sha256"][:16]})
        for row in waiting
    ]
    return {
        "challengers": dg.MetadataValue.table(records),
        "hours": waiting[0]["span"],
        "trained": f"not in this run but at {last:%Y-%m-%d %H:%M} UTC; never judged, which is made up for now",
    }


def _model_evaluation(log_format: str) -> dg.AssetsDefinition:
    @dg.asset(
        key=_key(log_format, "model_evaluation"),
        deps=[_key(log_format, "anomaly_model")],
        kinds={"mlflow"},
        group_name=GROUP,
        description="Each new challenger against the champion on the last days, with transplanted attack stories: a "
        'run in the MLflow experiment "evaluation" for both, and the gate\'s table. Only what the gate lets through '
        "may become champion.",
    )
    def asset(context: dg.AssetExecutionContext, stages: dg.ResourceParam[Stages]) -> dg.MaterializeResult:
        from s3sentinel_assets.pipeline import champions, judging, training

        runtime = stages.runtime
        try:
            numbers = [row["number"] for row in training.newest_challengers(runtime, log_format)]
            judged = judging.evaluate(runtime, log_format, numbers)
            first = judged[0]
            if runtime.config.models.promotion == "automatic" and first.report.passed:
                why = "models.promotion is automatic"
                result = champions.promote(runtime, log_format, first.number, reason=why, automatic=True)
                context.log.info(result.problem or f"{result.champion} is champion now: the gate let it through")
        except UserError as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        return dg.MaterializeResult(metadata=_judged_metadata(judged))

    return asset


def _judged_metadata(judged: "Sequence[Judgement]") -> dict[str, Any]:
    first = judged[0]
    rows = [
        {"version": one.version, **{name: row[name] for name in ("name", "value", "limit", "passed", "why")}}
        for one in judged
        for row in one.report.rows()
    ]
    numbers = {f"metric/{name}": value for name, value in sorted(first.metrics.items())}
    return {
        "gate": dg.MetadataValue.table([dg.TableRecord(row) for row in rows]),
        "verdict": "passed" if first.report.passed else f"refused: {'; '.join(first.report.refusals)}",
        "challenger": first.version,
        "champion": first.champion,
        "hours": first.span,
        **numbers,
    }


def _champion(log_format: str) -> dg.AssetsDefinition:
    @dg.asset(
        key=_key(log_format, "champion"),
        deps=[_key(log_format, "model_evaluation")],
        kinds={"mlflow"},
        group_name=GROUP,
        description="The model that scores: the version with the alias champion in MLflow, verified and copied to "
        "where scoring reads it. The hourly schedule follows the alias; when the registry is away or the version was "
        "not let through, the present champion goes on.",
    )
    def asset(context: dg.AssetExecutionContext, stages: dg.ResourceParam[Stages]) -> dg.MaterializeResult:
        from s3sentinel_assets.pipeline import champions

        (result,) = champions.sync_champions(stages.runtime, [log_format])
        if result.problem:
            context.log.warning(result.problem)
        return dg.MaterializeResult(
            metadata={
                "champion": result.champion or "shipped model",
                "number": str(result.number or ""),
                "changed": result.changed,
                "problem": result.problem or "none",
            }
        )

    return asset


def model_jobs(formats: Sequence[str]) -> dict[str, UnresolvedAssetJobDefinition]:
    """``models_train`` (all three assets) and ``models_sync`` (champions only), over all log families."""
    every = dg.AssetSelection.groups(GROUP)
    champions = dg.AssetSelection.assets(*(_key(log_format, "champion") for log_format in formats))
    return {
        "train": dg.define_asset_job(
            "models_train",
            selection=every,
            description="Trains challengers, judges them, and follows the alias champion. By hand it always trains; "
            "the schedule models_daily trains what is due.",
        ),
        "sync": dg.define_asset_job(
            "models_sync",
            selection=champions,
            description="Follows the alias champion in MLflow. The schedule models_hourly starts it.",
        ),
    }


def model_schedules(
    jobs: dict[str, UnresolvedAssetJobDefinition], formats: Sequence[str]
) -> list[dg.ScheduleDefinition]:
    """The daily look that trains what is due, and the hourly sync."""
    status = dg.DefaultScheduleStatus.RUNNING if starts_running() else dg.DefaultScheduleStatus.STOPPED
    due = {
        _key(log_format, "anomaly_model").to_python_identifier(): {"config": {"only_when_due": True}}
        for log_format in formats
    }
    return [
        dg.ScheduleDefinition(
            name="models_daily",
            job=jobs["train"],
            cron_schedule=_DAILY_CRON,
            execution_timezone="UTC",
            run_config={"ops": due},
            default_status=status,
            description="Looks for drift, and trains and judges challengers where the last are old or events drifted.",
        ),
        dg.ScheduleDefinition(
            name="models_hourly",
            job=jobs["sync"],
            cron_schedule=_SYNC_CRON,
            execution_timezone="UTC",
            default_status=status,
            description="Takes over the version that has the alias champion in MLflow.",
        ),
    ]
