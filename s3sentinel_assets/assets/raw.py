"""``raw_logs``: the hour's S3 objects as the ledger knows them, the new ones put into parts. Bytes stay in S3.

A run can be narrowed to an account, a region or a prefix, and told to ask again for refused objects at once: see
`Narrowed`, which the launchpad of the UI shows.
"""

from collections.abc import Iterator

import dagster as dg
from pydantic import Field

from s3sentinel_assets.assets.describe import raw_text, tags_of
from s3sentinel_assets.assets.hourly import RETRY_POLICY, bring_up_to_date, discover_each, found_in
from s3sentinel_assets.assets.metadata import stage_metadata
from s3sentinel_assets.checks import check_accounting, check_listed, raw_check_specs
from s3sentinel_assets.config import SourceSettings
from s3sentinel_assets.hours import utc_now
from s3sentinel_assets.partitions import BACKFILL_POLICY
from s3sentinel_assets.pipeline.summary import StageSummary
from s3sentinel_assets.resources import S3_POOL, Stages
from s3sentinel_assets.s3.key_grammar import KeyFilter

__all__ = ["Narrowed", "raw_logs"]


class Narrowed(dg.Config):
    """What a run of ``raw_logs`` may be narrowed to. Empty: everything."""

    account: str | None = Field(default=None, description="Only this AWS account (twelve digits).")
    region: str | None = Field(default=None, description="Only this region, such as eu-central-1.")
    prefix: str | None = Field(default=None, description="Only keys that begin with this text.")
    ask_again: bool = Field(
        default=False, description="Ask S3 again at once for objects of these hours that it refused, whatever the wait."
    )

    def key_filter(self) -> KeyFilter | None:
        """The objects meant; None for all."""
        if self.account or self.region or self.prefix:
            return KeyFilter(account=self.account, region=self.region, prefix=self.prefix)
        return None


def raw_logs(source: SourceSettings, hours: dg.HourlyPartitionsDefinition) -> dg.AssetsDefinition:
    """The asset ``raw_logs`` of a source."""

    @dg.asset(
        key=[source.name, "raw_logs"],
        partitions_def=hours,
        backfill_policy=BACKFILL_POLICY,
        retry_policy=RETRY_POLICY,
        pool=S3_POOL,
        kinds={"s3"},
        check_specs=raw_check_specs(source.name, hours),
        metadata={"bucket": source.bucket, "prefix": source.prefix, "format": source.format},
        description=raw_text(source),
        group_name=source.name,
        owners=[source.owner],
        tags=tags_of(source, "1-listed"),
    )
    def asset(
        context: dg.AssetExecutionContext, config: Narrowed, stages: dg.ResourceParam[Stages]
    ) -> Iterator[dg.MaterializeResult | dg.Output[None]]:
        listed: dict[str, StageSummary | Exception] = {}
        only = config.key_filter()
        # What arrived before it is in; a narrowed listing cannot say that.
        watermark = {"listed_at": dg.MetadataValue.timestamp(utc_now())} if only is None else {}
        links = {"next": dg.AssetKey([source.name, "parsed_logs"])}
        yield from bring_up_to_date(
            context,
            lambda hour: watermark | stage_metadata(found_in(listed, hour), links, rows="objects"),
            # A narrowed listing covers no hour, so it says nothing about the hour as a whole.
            lambda hour: check_listed(stages, source.name, hour) if only is None else (),
            prepare=lambda keys: listed.update(discover_each(stages, source.name, keys, only, config.ask_again)),
            on_failure=lambda hour, why: [check_accounting(stages, source.name, hour, f"raw_logs failed: {why}")],
        )

    return asset
