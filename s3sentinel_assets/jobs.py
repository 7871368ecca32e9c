"""The jobs of a source: ``…_live`` brings hours up to date, ``…_seal`` closes them, ``…_sweep`` settles what is open.

Belongs here: which assets run together, and the sweep's one op. Does not belong here: when they run (``sensors``,
``schedules``).
"""

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from s3sentinel_assets.assets.progress import report_progress
from s3sentinel_assets.checks import check_delivered, check_integrity, check_listed
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.hours import utc_now
from s3sentinel_assets.partitions import HOURS_PER_RUN
from s3sentinel_assets.pipeline.summary import StageSummary
from s3sentinel_assets.resources import SENTINEL_POOL, Stages

__all__ = [
    "HOUR_TAG",
    "RANGE_END_TAG",
    "SOURCE_TAG",
    "TRIGGER_TAG",
    "live_job",
    "range_tags",
    "run_tags",
    "seal_job",
    "sweep_job",
]

_T = TypeVar("_T")

SOURCE_TAG = "s3sentinel/source"
TRIGGER_TAG = "s3sentinel/trigger"
#: ``source|hour``: ``dagster.yaml`` lets one run at a time have it. Courtesy only; the ledger's leases are the safety.
HOUR_TAG = "s3sentinel/hour"
RANGE_END_TAG = "dagster/asset_partition_range_end"


def run_tags(source: str, trigger: str, hour: str | None = None) -> dict[str, str]:
    """The tags of a run of ours."""
    return {SOURCE_TAG: source, TRIGGER_TAG: trigger} | ({HOUR_TAG: f"{source}|{hour}"} if hour else {})


def range_tags(first: str, last: str) -> dict[str, str]:
    """The tags that make a run cover every hour from ``first`` to ``last``."""
    return {"dagster/asset_partition_range_start": first, RANGE_END_TAG: last}


def _selection(source: str, assets: Sequence[str]) -> dg.AssetSelection:
    keys = dg.AssetSelection.assets(*([source, name] for name in assets))
    return keys | dg.AssetSelection.checks_for_assets(*(dg.AssetKey([source, name]) for name in assets))


def live_job(source: str) -> UnresolvedAssetJobDefinition:
    """From the bucket to the workspace, without the state: what the sensor asks for when objects arrive."""
    return dg.define_asset_job(
        f"{source}_live",
        selection=_selection(source, ["raw_logs", "parsed_logs", "scored_logs", "delivered_batches"]),
        description=f"Brings hours of {source} up to date: lists, parses, scores and delivers what is new. The sensor "
        f"{source}_listing starts it for every hour that something arrived in.",
        tags={SOURCE_TAG: source},
    )


def seal_job(source: str) -> UnresolvedAssetJobDefinition:
    """Lists once more, parses what turned up, seals, and carries the entity state on: all inside ``entity_state``.

    As steps of their own, listing and parsing would take every state of the run with them when one hour fails. Delivery
    is not in it: it must not wait for a state, and inside one run Dagster would make it wait.
    """
    return dg.define_asset_job(
        f"{source}_seal",
        selection=_selection(source, ["entity_state"]),
        description=f"Closes hours of {source} after their grace, in order: lists once more, seals, and carries the "
        f"history for scoring on. The schedule {source}_seal starts it every hour.",
        tags={SOURCE_TAG: source},
    )


def sweep_job(source: str) -> dg.JobDefinition:
    """Settles unknown batches, lists and compares the look-back window, verifies digests, proves hours again."""

    @dg.op(name=f"{source}_sweep_op", pool=SENTINEL_POOL, out=dg.Out(dg.Nothing))
    def sweep(context: dg.OpExecutionContext, stages: dg.ResourceParam[Stages]) -> None:
        failed: list[str] = []

        def attempt(what: Callable[[str], _T], otherwise: _T) -> _T:
            try:
                return what(source)
            except UserError as error:
                failed.append(str(error))
            except Exception as error:  # named below: with S3 away, unknown batches are settled all the same
                context.log.exception("unforeseen")
                failed.append(f"{type(error).__name__}: {error}")
            return otherwise

        settled = attempt(stages.sweep_unknown, StageSummary(source, ""))
        look = attempt(stages.reconcile, None)
        judged, digest_problems = attempt(stages.verify_digests, ([], []))
        _say_again(context, stages, source, judged, listed=look is not None)
        unproved = _this_hours_share(attempt(stages.unproved_hours, []))
        orphans = attempt(lambda _: stages.sweep_store(), [])
        incident_problems = attempt(lambda _: stages.take_incidents(), [])
        for sentence in (*settled.problems, *digest_problems, *incident_problems):
            context.log.warning(sentence)
        good = 0
        for hour in unproved:
            evaluations = list(check_delivered(stages, source, hour))
            for evaluation in evaluations:
                context.log_event(evaluation)  # type: ignore[arg-type] - accepted since 1.8, missing in the alias
            good += all(evaluation.passed for evaluation in evaluations)
        waiting = len(look.hours) if look else "an unknown number of"
        context.log.info(
            f"{source} at {utc_now():%Y-%m-%d %H:%M} UTC: unknown batches: {settled.counts}; {waiting} hours have "
            f"work for {source}_live; {good} of {len(unproved)} hours that lacked a proof have one; "
            f"{len(orphans)} orphaned stage files deleted"
        )
        report_progress(context, stages, source)  # also where nothing ran for hours, or everything failed
        if failed:
            raise dg.Failure("; ".join(dict.fromkeys(failed)), allow_retries=False)

    @dg.job(
        name=f"{source}_sweep",
        description=f"Looks after {source}: settles uploads whose outcome is unknown, lists again, asks the workspace "
        f"for proofs that are missing, and tells the progress. The schedule {source}_sweep starts it every hour.",
        tags={SOURCE_TAG: source},
    )
    def job() -> None:
        sweep()

    return job


def _say_again(
    context: dg.OpExecutionContext, stages: Stages, source: str, judged: Sequence[str], *, listed: bool
) -> None:
    """Verdicts that a sweep may change: hours judged by digests, and listings that do not agree, or agree again.

    Args:
        context: of the sweep.
        stages: the pipeline.
        source: the source's name.
        judged: hours in which digests judged log files.
        listed: whether the sweep's own listing worked; without it nothing new is known of the others.
    """
    evaluations = [check_integrity(stages, source, hour) for hour in judged]
    for hour in stages.recent_hours() if listed else ():
        for found in check_listed(stages, source, hour):
            if not found.passed or _failed_before(context.instance, found):
                evaluations.append(found)
    for evaluation in evaluations:
        context.log_event(evaluation)  # type: ignore[arg-type] - accepted since 1.8, missing in the alias


def _failed_before(instance: dg.DagsterInstance, evaluation: dg.AssetCheckEvaluation) -> bool:
    """Whether the newest recorded verdict of this check and hour is a failure."""
    records = instance.event_log_storage.get_asset_check_execution_history(
        evaluation.asset_check_key, limit=1, partition_filter=PartitionKeyFilter(key=evaluation.partition)
    )
    return bool(records) and records[0].status is AssetCheckExecutionRecordStatus.FAILED


def _this_hours_share(hours: Sequence[str]) -> Sequence[str]:
    """The oldest hours, a run's worth; of more than that another share each hour, so that none holds up others."""
    shares = max(1, math.ceil(len(hours) / HOURS_PER_RUN))
    share = int(utc_now().timestamp()) // 3_600 % shares
    return hours[share * HOURS_PER_RUN : (share + 1) * HOURS_PER_RUN]
