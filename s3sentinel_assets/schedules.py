"""The hourly schedules of a source: the seal at the end of the grace, and the sweep.

Belongs here: when, and for which hours. Does not belong here: what sealing and sweeping do (``pipeline``, ``jobs``).

The next tick makes up for a missed one: each asks for every hour that is due, in order, up to a day's worth. Where more
is due and the last run failed, the next one goes on behind it, so that hours which cannot be sealed hold up no others.
"""

import math
from collections.abc import Sequence

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.hours import shift_hour, utc_now
from s3sentinel_assets.jobs import RANGE_END_TAG, range_tags, run_tags
from s3sentinel_assets.partitions import HOURS_PER_RUN
from s3sentinel_assets.resources import Stages
from s3sentinel_assets.sensors import starts_running

__all__ = ["seal_schedule", "sweep_schedule"]

# Between two seals, so that they do not compete.
_SWEEP_AFTER_SEAL_MINUTES = 30


def _minute(minutes: float) -> int:
    """The first full minute of an hour at or after so many minutes past it."""
    return math.ceil(minutes) % 60


def _status() -> dg.DefaultScheduleStatus:
    return dg.DefaultScheduleStatus.RUNNING if starts_running() else dg.DefaultScheduleStatus.STOPPED


def seal_schedule(source: str, job: UnresolvedAssetJobDefinition, grace_minutes: float) -> dg.ScheduleDefinition:
    """Seals every hour whose grace is over and advances the entity state, oldest hour first.

    One run at a time: a state leans on the one before, so the hours of a backlog go into one run, which takes them in
    order, and the next tick waits for it.
    """

    @dg.schedule(
        name=f"{source}_seal",
        job=job,
        cron_schedule=f"{_minute(grace_minutes)} * * * *",
        execution_timezone="UTC",
        default_status=_status(),
        description=f"Seals closed hours of {source}, {grace_minutes:g} minutes after they closed.",
    )
    def schedule(
        context: dg.ScheduleEvaluationContext, stages: dg.ResourceParam[Stages]
    ) -> dg.RunRequest | dg.SkipReason:
        running = dg.RunsFilter(job_name=job.name, statuses=list(IN_PROGRESS_RUN_STATUSES))
        if context.instance.get_runs_count(running):
            return dg.SkipReason(f"{source}: a seal is still running or queued; the next tick takes what remains")
        scheduled = context.scheduled_execution_time or utc_now()
        try:
            due = stages.hours_to_seal(source, utc_now())
        except UserError as error:
            context.log.warning(str(error))
            return dg.SkipReason(f"{source}: hours to seal could not be read: {error}")
        if not due:
            return dg.SkipReason(f"{source}: every closed hour is sealed")
        first = _begin(due, context.instance, job.name)
        last = max(hour for hour in due if hour < shift_hour(first, HOURS_PER_RUN))
        # The tick is part of the key: an hour that could not be sealed is asked for again by the next tick.
        key = f"{first}..{last}@{scheduled:%Y-%m-%d-%H:%M}"
        if first == last:
            return dg.RunRequest(run_key=key, partition_key=first, tags=run_tags(source, "seal"))
        return dg.RunRequest(run_key=key, tags=run_tags(source, "seal") | range_tags(first, last))

    return schedule


def _begin(due: Sequence[str], instance: dg.DagsterInstance, job: str) -> str:
    """The oldest hour; of more than a run's worth, the one after the last run's if that failed, which may be stuck."""
    if due[-1] < shift_hour(due[0], HOURS_PER_RUN):
        return due[0]
    runs = instance.get_runs(dg.RunsFilter(job_name=job), limit=1)
    if not runs or runs[0].status is not dg.DagsterRunStatus.FAILURE:
        return due[0]
    last = runs[0].tags.get(RANGE_END_TAG) or runs[0].tags.get("dagster/partition", "")
    return next((hour for hour in due if hour > last), due[0])


def sweep_schedule(source: str, job: dg.JobDefinition, grace_minutes: float) -> dg.ScheduleDefinition:
    """Runs the sweep every hour, half an hour after the seal."""
    return dg.ScheduleDefinition(
        name=f"{source}_sweep",
        job=job,
        cron_schedule=f"{_minute(grace_minutes + _SWEEP_AFTER_SEAL_MINUTES)} * * * *",
        execution_timezone="UTC",
        tags=run_tags(source, "sweep"),
        default_status=_status(),
        description=f"Finds what was missed for {source}, settles unknown batches, and asks the workspace again.",
    )
