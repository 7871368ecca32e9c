"""The listing sensor of a source: looks for new objects and asks for one run per hour that has something to do.

Belongs here: turning touched hours into run requests, and the words of a tick. Does not belong here: looking
(`pipeline.work`), which records every object in the ledger before a run is asked for: a lost tick loses nothing. With
a queue a tick takes its notifications, and lists the bucket only every ``listing_seconds``; without one it lists.

It fires every ``sensor_interval_seconds``. An hour is touched when the ledger holds anything of it that is not
delivered yet, so a late object, a failed run and a batch to be sent again all come back by themselves. An hour whose
run is still waiting to start is left to that run, which lists for itself when it starts. Sensors start stopped;
``S3SENTINEL_SENSORS=running`` starts them with the code location.
"""

import json
import os
import time

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from s3sentinel_assets.config import SENSORS_VARIABLE
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.hours import hour_key, utc_now
from s3sentinel_assets.jobs import HOUR_TAG, SOURCE_TAG, run_tags
from s3sentinel_assets.orphans import fail_orphans
from s3sentinel_assets.resources import Stages

__all__ = ["REQUESTS_PER_TICK", "listing_sensor", "starts_running"]

#: A backlog is asked for in pieces: a tick that asks for hundreds of runs outlasts the time Dagster gives it.
REQUESTS_PER_TICK = 24

# Dagster ends a tick after DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS, 60 by default. What the listing has recorded by then
# stays recorded, but a tick that never ends in time never asks for runs.
_SLOW_SECONDS = 40.0

_NOT_BEGUN = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING]


def starts_running() -> bool:
    """Whether sensors and schedules start with the code location: ``S3SENTINEL_SENSORS=running``."""
    return os.environ.get(SENSORS_VARIABLE, "").strip().lower() == "running"


def _asked_before(cursor: str | None) -> dict[str, str]:
    """Hour → digest of what was asked for; a cursor that cannot be read is as good as none, run keys still hold."""
    try:
        asked = json.loads(cursor or "{}")
    except ValueError:
        return {}
    return {str(hour): str(digest) for hour, digest in asked.items()} if isinstance(asked, dict) else {}


def _waiting_hours(instance: dg.DagsterInstance, source: str, job: str) -> set[str]:
    """Hours with a run that has not begun. Whatever the ledger knew before this was asked, that run will find.

    Not so a run of some steps only, such as Dagster's own retry of what failed: it need not list.
    """
    runs = instance.get_runs(dg.RunsFilter(job_name=job, statuses=_NOT_BEGUN, tags={SOURCE_TAG: source}))
    whole = [run for run in runs if not (run.step_keys_to_execute or run.asset_selection or run.asset_check_selection)]
    return {run.tags[HOUR_TAG].rpartition("|")[2] for run in whole if HOUR_TAG in run.tags}


def listing_sensor(
    source: str, job: UnresolvedAssetJobDefinition, interval_seconds: int, hours: dg.HourlyPartitionsDefinition
) -> dg.SensorDefinition:
    """The sensor of a source.

    Args:
        source: the source's name.
        job: what brings an hour up to date.
        interval_seconds: how long it rests between ticks, at least.
        hours: the partitions; an hour that is none is left alone.
    """

    @dg.sensor(
        name=f"{source}_listing",
        job=job,
        minimum_interval_seconds=interval_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING if starts_running() else dg.DefaultSensorStatus.STOPPED,
        description=f"Looks for new objects of {source} in its bucket and, if it has one, its queue, and asks for a "
        "run of every hour they touch.",
    )
    def sensor(
        context: dg.SensorEvaluationContext, stages: dg.ResourceParam[Stages]
    ) -> dg.SensorResult | dg.SkipReason:
        began = time.monotonic()
        fail_orphans(context.instance)
        try:
            look = stages.touched_hours(source)
        except UserError as error:
            context.log.warning(str(error))
            return dg.SkipReason(f"{source} could not be listed: {error}")
        for problem in look.problems:
            context.log.warning(f"{source}: {problem}")
        touched = look.hours
        if (seconds := time.monotonic() - began) > _SLOW_SECONDS:
            context.log.warning(
                f"listing {source} took {seconds:.0f} s; narrow its prefix or lower look_back_hours, or raise "
                "DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS, before ticks are cut off"
            )
        # An object from a clock that runs ahead belongs to an hour that is no partition yet; its turn comes.
        touched = {hour: digest for hour, digest in touched.items() if hour <= hour_key(utc_now())}
        # Dagster refuses a whole tick because of one request for an hour that is no partition.
        if strange := [hour for hour in touched if not hours.has_partition_key(hour)]:
            context.log.warning(
                f"{source}: {len(strange)} hours with work are no partition, {min(strange)} to {max(strange)}; move "
                "'start' in the configuration back to include them"
            )
            touched = {hour: digest for hour, digest in touched.items() if hour not in strange}
        asked = _asked_before(context.cursor)
        # The newest first: what happens now must not wait behind a backlog.
        due = sorted((hour for hour, digest in touched.items() if asked.get(hour) != digest), reverse=True)
        waiting = _waiting_hours(context.instance, source, job.name) if due else set()
        # Not noted as asked for: should that run never start, the hour is asked for again.
        due = [hour for hour in due if hour not in waiting]
        now = due[:REQUESTS_PER_TICK]
        cursor = {hour: digest for hour, digest in asked.items() if hour in touched} | {h: touched[h] for h in now}
        requests = [
            dg.RunRequest(run_key=f"{hour}:{touched[hour]}", partition_key=hour, tags=run_tags(source, "listing", hour))
            for hour in now
        ]
        reason = None
        if not touched:
            reason = f"{source}: nothing new, everything listed is delivered"
        elif not due:
            reason = f"{source}: {len(touched)} hours have work, and a run was asked for each"
        elif len(due) > len(now):
            context.log.info(f"{source}: asked for {len(now)} of {len(due)} hours; the others follow with later ticks")
        return dg.SensorResult(
            run_requests=requests, skip_reason=reason, cursor=json.dumps(cursor, sort_keys=True, separators=(",", ":"))
        )

    return sensor
