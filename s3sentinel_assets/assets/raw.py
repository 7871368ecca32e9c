"""``raw_logs``: the hour's S3 objects as the ledger knows them, the new ones put into parts. Bytes stay in S3."""

from collections.abc import Iterator

import dagster as dg

from s3sentinel_assets.assets.describe import raw_text, tags_of
from s3sentinel_assets.assets.hourly import RETRY_POLICY, bring_up_to_date, discover_each, found_in
from s3sentinel_assets.assets.metadata import stage_metadata
from s3sentinel_assets.checks import check_accounting
from s3sentinel_assets.config import SourceSettings
from s3sentinel_assets.hours import utc_now
from s3sentinel_assets.partitions import BACKFILL_POLICY
from s3sentinel_assets.pipeline.summary import StageSummary
from s3sentinel_assets.resources import S3_POOL, Stages

__all__ = ["raw_logs"]


def raw_logs(source: SourceSettings, hours: dg.HourlyPartitionsDefinition) -> dg.AssetsDefinition:
    """The asset ``raw_logs`` of a source."""

    @dg.asset(
        key=[source.name, "raw_logs"],
        partitions_def=hours,
        backfill_policy=BACKFILL_POLICY,
        retry_policy=RETRY_POLICY,
        pool=S3_POOL,
        kinds={"s3"},
        metadata={"bucket": source.bucket, "prefix": source.prefix, "format": source.format},
        description=raw_text(source),
        group_name=source.name,
        owners=[source.owner],
        tags=tags_of(source, "1-listed"),
    )
    def asset(
        context: dg.AssetExecutionContext, stages: dg.ResourceParam[Stages]
    ) -> Iterator[dg.MaterializeResult | dg.Output[None]]:
        listed: dict[str, StageSummary | Exception] = {}
        watermark = {"listed_at": dg.MetadataValue.timestamp(utc_now())}  # what arrived before it is in
        links = {"next": dg.AssetKey([source.name, "parsed_logs"])}
        yield from bring_up_to_date(
            context,
            lambda hour: watermark | stage_metadata(found_in(listed, hour), links, rows="objects"),
            prepare=lambda keys: listed.update(discover_each(stages, source.name, keys)),
            on_failure=lambda hour, why: [check_accounting(stages, source.name, hour, f"raw_logs failed: {why}")],
        )

    return asset
