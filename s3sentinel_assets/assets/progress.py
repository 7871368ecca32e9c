"""``delivery_progress``: up to which hour everything of a source is delivered and proved, as an asset to look at.

Belongs here: the asset, its check, and telling both from runs that changed something. Does not belong here: the figures
(`pipeline.progress`) and the verdict (``checks``).

The asset has no hours and nothing materialises it. Dagster's own "last materialised" would be made fresh by the
back-fill of any old hour; what is told here comes from the ledger and moves on without gaps only.
"""

from typing import TYPE_CHECKING

import dagster as dg

from s3sentinel_assets.assets.describe import progress_text, tags_of
from s3sentinel_assets.checks import ON_TIME, check_on_time
from s3sentinel_assets.config import SourceSettings
from s3sentinel_assets.hours import hour_key
from s3sentinel_assets.resources import Stages

if TYPE_CHECKING:
    from s3sentinel_assets.pipeline.progress import DeliveryProgress

__all__ = ["delivery_progress", "progress_check", "progress_key", "report_progress"]

# What, when it differs, is worth telling at once; the rest follows when an hour has passed.
_TOLD = ("complete_through", "waiting_hours", "waiting_objects", "waiting_events", "unknown_events")

_Context = dg.AssetExecutionContext | dg.OpExecutionContext


def progress_key(source: str) -> dg.AssetKey:
    """The key of a source's ``delivery_progress``."""
    return dg.AssetKey([source, "delivery_progress"])


def delivery_progress(source: SourceSettings) -> dg.AssetSpec:
    """The asset ``delivery_progress`` of a source."""
    return dg.AssetSpec(
        progress_key(source.name),
        deps=[dg.AssetKey([source.name, "delivered_batches"])],
        description=progress_text(source),
        kinds={"table"},
        group_name=source.name,
        owners=[source.owner],
        tags=tags_of(source, "6-progress"),
    )


def progress_check(source: SourceSettings) -> dg.AssetChecksDefinition:
    """The check of ``delivery_progress``, which runs can also tell without executing it."""

    @dg.asset_check(
        asset=progress_key(source.name),
        name=ON_TIME,
        description=f"Nothing has waited for delivery or proof for more than {source.late_after_hours:g} hours, and "
        "the bucket has not been silent for longer. Three times as long is an error.",
        blocking=False,
    )
    def check(context: dg.AssetCheckExecutionContext, stages: dg.ResourceParam[Stages]) -> dg.AssetCheckResult:
        progress = stages.progress(source.name)
        context.op_execution_context.log_event(_materialization(progress))
        told = check_on_time(progress, progress_key(source.name))
        return dg.AssetCheckResult(
            passed=told.passed, severity=told.severity, description=told.description, metadata=told.metadata
        )

    return check


def _metadata(progress: "DeliveryProgress") -> dict[str, dg.MetadataValue]:
    metadata: dict[str, dg.MetadataValue] = {
        "complete_through": dg.MetadataValue.text(progress.through or "no hour yet"),
        "hours_behind": dg.MetadataValue.float(progress.hours_behind),
        "waiting_hours": dg.MetadataValue.int(progress.waiting_hours),
        "waiting_objects": dg.MetadataValue.int(progress.waiting_objects),
        "waiting_events": dg.MetadataValue.int(progress.waiting_events),
        "unknown_events": dg.MetadataValue.int(progress.unknown_events),
        "longest_wait_hours": dg.MetadataValue.float(progress.longest_wait_hours),
        "bucket_silent_hours": dg.MetadataValue.float(progress.silent_hours),
    }
    if progress.oldest_waiting:
        metadata["oldest_waiting"] = dg.MetadataValue.text(progress.oldest_waiting)
        metadata["waits_for"] = dg.MetadataValue.text(progress.waits_for)
    if progress.newest_object:
        metadata["newest_object"] = dg.MetadataValue.timestamp(progress.newest_object)
    return metadata


def _materialization(progress: "DeliveryProgress") -> dg.AssetMaterialization:
    through = f"complete through {progress.through}" if progress.through else "no hour is complete yet"
    return dg.AssetMaterialization(
        progress_key(progress.source),
        description=f"{through}, {progress.hours_behind:.1f} hours behind the clock",
        metadata=_metadata(progress),
    )


def _worth_telling(instance: dg.DagsterInstance, made: dg.AssetMaterialization, progress: "DeliveryProgress") -> bool:
    last = instance.get_latest_materialization_event(made.asset_key)
    if last is None or last.asset_materialization is None:
        return True
    before = last.asset_materialization.metadata
    if any(name not in before or before[name].value != made.metadata[name].value for name in _TOLD):
        return True
    told_at = progress.at.fromtimestamp(last.timestamp, progress.at.tzinfo)
    return hour_key(told_at) != hour_key(progress.at)


def report_progress(context: _Context, stages: Stages, source: str) -> None:
    """Tells the progress and its verdict from inside a run, if anything changed since it was told, or an hour passed.

    Never fails the run: what the run did is done, and the next one tells of it.
    """
    try:
        progress = stages.progress(source)
        made = _materialization(progress)
        if not _worth_telling(context.instance, made, progress):
            return
        context.log_event(made)
        context.log_event(check_on_time(progress, made.asset_key))  # type: ignore[arg-type] - accepted since 1.8, missing in the alias
    except Exception as error:  # noqa: BLE001 - told in the log; the work itself is done
        context.log.warning(f"the progress of {source} could not be told: {type(error).__name__}: {error}")
