"""``scored_logs``: an anomaly score, a priority and printable reasons for every event of the hour."""

from collections.abc import Iterator

import dagster as dg

from s3sentinel_assets.assets.columns import scored_columns
from s3sentinel_assets.assets.describe import scored_text, tags_of
from s3sentinel_assets.assets.hourly import RETRY_POLICY, bring_up_to_date
from s3sentinel_assets.assets.metadata import stage_metadata
from s3sentinel_assets.checks import check_accounting, check_patterns, pattern_check_specs
from s3sentinel_assets.config import SourceSettings
from s3sentinel_assets.partitions import BACKFILL_POLICY, PREVIOUS_HOUR
from s3sentinel_assets.resources import Stages

__all__ = ["scored_logs"]


def scored_logs(source: SourceSettings, hours: dg.HourlyPartitionsDefinition) -> dg.AssetsDefinition:
    """The asset ``scored_logs`` of a source. It reads the newest state before the hour and never waits."""
    parsed, state = dg.AssetKey([source.name, "parsed_logs"]), dg.AssetKey([source.name, "entity_state"])

    @dg.asset(
        key=[source.name, "scored_logs"],
        deps=[parsed, dg.AssetDep(state, partition_mapping=PREVIOUS_HOUR)],
        partitions_def=hours,
        backfill_policy=BACKFILL_POLICY,
        retry_policy=RETRY_POLICY,
        check_specs=pattern_check_specs(source.name, hours),
        kinds={"polars", "parquet"},
        description=scored_text(source),
        metadata=scored_columns(source.tables),
        group_name=source.name,
        owners=[source.owner],
        tags=tags_of(source, "4-scored"),
    )
    def asset(
        context: dg.AssetExecutionContext, stages: dg.ResourceParam[Stages]
    ) -> Iterator[dg.MaterializeResult | dg.Output[None]]:
        links = {"previous": parsed, "history": state, "next": dg.AssetKey([source.name, "delivered_batches"])}
        yield from bring_up_to_date(
            context,
            lambda hour: stage_metadata(stages.score(source.name, hour), links, rows="scored"),
            lambda hour: check_patterns(stages, source.name, hour),
            on_failure=lambda hour, why: [check_accounting(stages, source.name, hour, f"scored_logs failed: {why}")],
        )

    return asset
