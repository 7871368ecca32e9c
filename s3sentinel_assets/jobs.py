"""The jobs of a source: ``…_live`` brings hours up to date, ``…_seal`` closes them, ``…_sweep`` settles what is open.

Belongs here: which assets run together, and the sweep's one op. Does not belong here: when they run (``sensors``,
``schedules``).
"""

from collections.abc import Sequence

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from s3sentinel_assets.checks import workspace_count
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.hours import utc_now
from s3sentinel_assets.partitions import HOURS_PER_RUN
from s3sentinel_assets.resources import SENTINEL_POOL, Stages

__all__ = ["HOUR_TAG", "SOURCE_TAG", "TRIGGER_TAG", "live_job", "range_tags", "run_tags", "seal_job", "sweep_job"]

SOURCE_TAG = "s3sentinel/source"
TRIGGER_TAG = "s3sentinel/trigger"
#: ``source|hour``: ``dagster.yaml`` lets one run at a time have it. Courtesy only; the ledger's leases are the safety.
HOUR_TAG = "s3sentinel/hour"


def run_tags(source: str, trigger: str, hour: str | None = None) -> dict[str, str]:
    """The tags of a run of ours."""
    return {SOURCE_TAG: source, TRIGGER_TAG: trigger} | ({HOUR_TAG: f"{source}|{hour}"} if hour else {})


def range_tags(first: str, last: str) -> dict[str, str]:
    """The tags that make a run cover every hour from ``first`` to ``last``."""
    return {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}


def _selection(source: str, assets: Sequence[str]) -> dg.AssetSelection:
    keys = dg.AssetSelection.assets(*([source, name] for name in assets))
    return keys | dg.AssetSelection.checks_for_assets(*(dg.AssetKey([source, name]) for name in assets))


def live_job(source: str) -> UnresolvedAssetJobDefinition:
    """From the bucket to the workspace, without the state: what the sensor asks for when objects arrive."""
    return dg.define_asset_job(
        f"{source}_live",
        selection=_selection(source, ["raw_logs", "parsed_logs", "scored_logs", "delivered_batches"]),
        description=f"Brings hours of {source} up to date in the workspace.",
        tags={SOURCE_TAG: source},
    )


def seal_job(source: str) -> UnresolvedAssetJobDefinition:
    """Lists once more, parses what turned up, seals, and carries the entity state on.

    Delivery is not in it: it must not wait for a state, and inside one run Dagster would make it wait.
    """
    return dg.define_asset_job(
        f"{source}_seal",
        selection=_selection(source, ["raw_logs", "parsed_logs", "entity_state"]),
        description=f"Seals closed hours of {source} and advances their entity state, in order.",
        tags={SOURCE_TAG: source},
    )


def sweep_job(source: str) -> dg.JobDefinition:
    """Lists the look-back window again, settles unknown batches, and proves again hours whose proof disagreed."""

    @dg.op(name=f"{source}_sweep_op", pool=SENTINEL_POOL, out=dg.Out(dg.Nothing))
    def sweep(context: dg.OpExecutionContext, stages: dg.ResourceParam[Stages]) -> None:
        try:
            touched = stages.touched_hours(source)
            settled = stages.sweep_unknown(source)
            unproved = stages.unproved_hours(source)[-HOURS_PER_RUN:]
        except UserError as error:
            raise dg.Failure(str(error), allow_retries=False) from None
        for sentence in settled.problems:
            context.log.warning(sentence)
        proved = 0
        for hour in unproved:
            evaluation = workspace_count(stages, source, hour)
            context.log_event(evaluation)  # type: ignore[arg-type] - accepted since 1.8, missing in the alias
            proved += evaluation.passed
        context.log.info(
            f"{source} at {utc_now():%Y-%m-%d %H:%M} UTC: {len(touched)} hours have work for {source}_live; unknown "
            f"batches: {settled.counts}; {proved} of {len(unproved)} hours that disagreed now agree"
        )

    @dg.job(
        name=f"{source}_sweep",
        description=f"Finds what was missed for {source} and settles what is unknown.",
        tags={SOURCE_TAG: source},
    )
    def job() -> None:
        sweep()

    return job
