"""``parsed_logs``: the hour's objects as rows of Sentinel tables, in Parquet stage files; rejects in quarantine.

Its metadata shows which formats the hour has, the tables their rows are in, and fields that no column is for.
"""

from collections.abc import Iterator

import dagster as dg

from s3sentinel_assets.assets.chart import HourChart
from s3sentinel_assets.assets.columns import parsed_columns
from s3sentinel_assets.assets.describe import parsed_text, tags_of
from s3sentinel_assets.assets.hourly import RETRY_POLICY, bring_up_to_date
from s3sentinel_assets.assets.metadata import shape_metadata, stage_metadata
from s3sentinel_assets.checks import check_accounting, check_parsed, parsed_check_specs
from s3sentinel_assets.config import SourceSettings
from s3sentinel_assets.partitions import BACKFILL_POLICY
from s3sentinel_assets.resources import S3_POOL, Stages

__all__ = ["parsed_logs"]


def parsed_logs(source: SourceSettings, hours: dg.HourlyPartitionsDefinition) -> dg.AssetsDefinition:
    """The asset ``parsed_logs`` of a source, with its checks."""
    raw = dg.AssetKey([source.name, "raw_logs"])

    @dg.asset(
        key=[source.name, "parsed_logs"],
        deps=[raw],
        partitions_def=hours,
        backfill_policy=BACKFILL_POLICY,
        retry_policy=RETRY_POLICY,
        pool=S3_POOL,
        kinds={"polars", "parquet"},
        check_specs=parsed_check_specs(source.name, hours, integrity=source.verifies_digests),
        description=parsed_text(source),
        metadata=parsed_columns(source.tables),
        group_name=source.name,
        owners=[source.owner],
        tags=tags_of(source, "2-parsed"),
    )
    def asset(
        context: dg.AssetExecutionContext, stages: dg.ResourceParam[Stages]
    ) -> Iterator[dg.MaterializeResult | dg.Output[None]]:
        chart = HourChart(lambda first, last: stages.hourly(source.name, "records", first, last), "records")
        links = {"previous": raw, "next": dg.AssetKey([source.name, "scored_logs"])}
        yield from bring_up_to_date(
            context,
            lambda hour: stage_metadata(
                stages.parse(source.name, hour),
                links,
                rows="rows",
                chart=chart.of(hour),
                more=shape_metadata(stages.shapes(source.name, hour)),  # after parsing: arguments are made in order
            ),
            lambda hour: check_parsed(stages, source.name, hour, integrity=source.verifies_digests),
            on_failure=lambda hour, why: [check_accounting(stages, source.name, hour, f"parsed_logs failed: {why}")],
        )

    return asset
