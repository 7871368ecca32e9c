"""``delivered_batches``: the hour's rows in the Sentinel workspace, batch by batch, with receipts in the ledger."""

from collections.abc import Iterator

import dagster as dg

from s3sentinel_assets.assets.hourly import RETRY_POLICY, bring_up_to_date
from s3sentinel_assets.assets.metadata import stage_metadata
from s3sentinel_assets.checks import check_accounting, check_delivered, delivered_check_specs
from s3sentinel_assets.config import SourceSettings
from s3sentinel_assets.partitions import BACKFILL_POLICY
from s3sentinel_assets.resources import SENTINEL_POOL, Stages

__all__ = ["delivered_batches"]


def delivered_batches(source: SourceSettings, hours: dg.HourlyPartitionsDefinition) -> dg.AssetsDefinition:
    """The asset ``delivered_batches`` of a source, with its checks."""
    scored = dg.AssetKey([source.name, "scored_logs"])
    destination = source.destination_or_default

    @dg.asset(
        key=[source.name, "delivered_batches"],
        deps=[scored],
        group_name=source.name,
        partitions_def=hours,
        backfill_policy=BACKFILL_POLICY,
        retry_policy=RETRY_POLICY,
        pool=SENTINEL_POOL,
        kinds={"azure"},
        check_specs=delivered_check_specs(source.name, hours),
        metadata={"table": destination.table, "stream": destination.stream_name},
        description=f"The hour's rows in {destination.table}: packed, sent, and settled batch by batch. Materialising "
        "it again sends nothing twice.",
    )
    def asset(
        context: dg.AssetExecutionContext, stages: dg.ResourceParam[Stages]
    ) -> Iterator[dg.MaterializeResult | dg.Output[None]]:
        yield from bring_up_to_date(
            context,
            lambda hour: stage_metadata(stages.deliver(source.name, hour), {"previous": scored}, rows="rows"),
            lambda hour: check_delivered(stages, source.name, hour),
            on_failure=lambda hour, why: [check_accounting(stages, source.name, hour, f"delivery failed: {why}")],
        )

    return asset
