"""``delivered_batches``: the hour's rows in the Sentinel workspace, batch by batch, with receipts in the ledger."""

from collections.abc import Iterator

import dagster as dg

from s3sentinel_assets.assets.chart import HourChart
from s3sentinel_assets.assets.columns import delivered_columns
from s3sentinel_assets.assets.describe import delivered_text, streams_of, tags_of
from s3sentinel_assets.assets.hourly import RETRY_POLICY, bring_up_to_date
from s3sentinel_assets.assets.metadata import stage_metadata
from s3sentinel_assets.assets.progress import progress_key, report_progress
from s3sentinel_assets.checks import check_accounting, check_delivered, delivered_check_specs
from s3sentinel_assets.config import SourceSettings
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.partitions import BACKFILL_POLICY
from s3sentinel_assets.resources import SENTINEL_POOL, Stages

__all__ = ["delivered_batches"]


def _cost_metadata(stages: Stages, source: str, hour: str) -> dict[str, dg.MetadataValue]:
    """What the hour cost and what routing saved; a price list that cannot be read is said, and fails nothing."""
    try:
        cost = stages.cost(source, hour)
    except UserError as error:
        return {"cost": dg.MetadataValue.text(f"not reckoned: {error}")}
    if not cost.lines:
        return {}
    currency = cost.prices.currency
    return {
        f"cost_{currency}": dg.MetadataValue.float(round(cost.cost, 6)),
        f"saved_by_routing_{currency}": dg.MetadataValue.float(round(cost.saving, 6)),
        "cost_basis": dg.MetadataValue.text(cost.prices.basis),
    }


def delivered_batches(source: SourceSettings, hours: dg.HourlyPartitionsDefinition) -> dg.AssetsDefinition:
    """The asset ``delivered_batches`` of a source, with its checks."""
    scored = dg.AssetKey([source.name, "scored_logs"])

    @dg.asset(
        key=[source.name, "delivered_batches"],
        deps=[scored],
        partitions_def=hours,
        backfill_policy=BACKFILL_POLICY,
        retry_policy=RETRY_POLICY,
        pool=SENTINEL_POOL,
        kinds={"azure"},
        check_specs=delivered_check_specs(source.name, hours),
        metadata={**streams_of(source), **delivered_columns(source.tables)},
        description=delivered_text(source),
        group_name=source.name,
        owners=[source.owner],
        tags=tags_of(source, "5-delivered"),
    )
    def asset(
        context: dg.AssetExecutionContext, stages: dg.ResourceParam[Stages]
    ) -> Iterator[dg.MaterializeResult | dg.Output[None]]:
        chart = HourChart(lambda first, last: stages.hourly(source.name, "accepted", first, last), "delivered events")
        links = {"previous": scored, "progress": progress_key(source.name)}
        try:
            yield from bring_up_to_date(
                context,
                lambda hour: stage_metadata(
                    stages.deliver(source.name, hour),
                    links,
                    rows="rows",
                    chart=chart.of(hour),
                    more=_cost_metadata(stages, source.name, hour),
                ),
                lambda hour: check_delivered(stages, source.name, hour),
                on_failure=lambda hour, why: [check_accounting(stages, source.name, hour, f"delivery failed: {why}")],
            )
        finally:
            report_progress(context, stages, source.name)

    return asset
