"""``pattern_catalogue``: the kinds of events that a source is known to have, grown by a day at a time.

A day's partition is what was learnt from that day; events of the next day are matched with it. The seal makes it by
itself as soon as the day is over (`learn_at_seal`), so materialising is for back-fills and for days that failed. A day
that is missing holds up nothing: events go out with provisional ids, and the next day learns both.
"""

from collections.abc import Iterator

import dagster as dg

from s3sentinel_assets.assets.describe import tags_of
from s3sentinel_assets.assets.hourly import RETRY_POLICY, bring_up_to_date
from s3sentinel_assets.assets.metadata import stage_metadata
from s3sentinel_assets.config import Config, SourceSettings
from s3sentinel_assets.errors import LeaseLostError
from s3sentinel_assets.pipeline.summary import StageSummary
from s3sentinel_assets.resources import Stages

__all__ = ["catalogue_key", "daily_partitions", "learn_at_seal", "pattern_catalogue"]

_DAYS_PER_RUN = 31
_TEXT = (
    "The kinds of events of the source (*patterns*): structures of JSON events and templates of texts, each under an "
    "id that stays, with how often they usually come at which time of the day. Rows carry the id in `Pattern_CF`; what "
    "is new, has vanished or come too often in an hour goes to `S3Patterns_CL` and check *patterns* of `scored_logs`."
    "\n\n**Materialising a day** learns that day, and days before it that were left out. The seal of the day's last "
    "hour does it by itself.\n\n**When it is red:** the ledger or a stage file cannot be read. Rows go out all the "
    "same; kinds that are not known yet have provisional ids, which the next catalogue keeps."
)


def catalogue_key(source: str) -> dg.AssetKey:
    """The key of a source's ``pattern_catalogue``."""
    return dg.AssetKey([source, "pattern_catalogue"])


def daily_partitions(config: Config) -> dg.DailyPartitionsDefinition:
    """One partition a day in UTC from the day of ``config.start`` on."""
    return dg.DailyPartitionsDefinition(start_date=f"{config.start:%Y-%m-%d}", timezone="UTC")


def pattern_catalogue(source: SourceSettings, days: dg.DailyPartitionsDefinition) -> dg.AssetsDefinition:
    """The asset ``pattern_catalogue`` of a source. It leans on the day before, so days are taken in order."""
    key, scored = catalogue_key(source.name), dg.AssetKey([source.name, "scored_logs"])
    day_before = dg.TimeWindowPartitionMapping(
        start_offset=-1, end_offset=-1, allow_nonexistent_upstream_partitions=True
    )
    hours_of_day = dg.TimeWindowPartitionMapping(allow_nonexistent_upstream_partitions=True)

    @dg.asset(
        key=key,
        deps=[
            dg.AssetDep(scored, partition_mapping=hours_of_day),
            dg.AssetDep(key, partition_mapping=day_before),
        ],
        partitions_def=days,
        backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=_DAYS_PER_RUN),
        retry_policy=RETRY_POLICY,
        kinds={"polars", "parquet"},
        description=_TEXT,
        group_name=source.name,
        owners=[source.owner],
        tags=tags_of(source, "3-history"),
    )
    def asset(
        context: dg.AssetExecutionContext, stages: dg.ResourceParam[Stages]
    ) -> Iterator[dg.MaterializeResult | dg.Output[None]]:
        def learn(day: str) -> dict[str, dg.MetadataValue]:
            made = stages.pattern_catalogue(source.name, day)
            if made.busy:
                raise LeaseLostError(f"another run is making the catalogue of {source.name}")
            return _metadata(made, source.name)

        yield from bring_up_to_date(context, learn)

    return asset


def learn_at_seal(context: dg.AssetExecutionContext, stages: Stages, source: str, hour: str) -> None:
    """Learns the day that is over, if no catalogue has it yet; told as a materialisation of its own.

    Never fails the run that seals: the next seal tries again.
    """
    try:
        day = stages.catalogue_due(source, hour)
        made = stages.pattern_catalogue(source, day) if day else None
        if day and made and made.done:
            context.log_event(
                dg.AssetMaterialization(catalogue_key(source), partition=day, metadata=_metadata(made, source))
            )
    except Exception as error:  # noqa: BLE001 - told in the log; the seal itself is done
        context.log.warning(f"the patterns of {source} could not be learnt: {type(error).__name__}: {error}")


def _metadata(made: StageSummary, source: str) -> dict[str, dg.MetadataValue]:
    return stage_metadata(made, {"previous": dg.AssetKey([source, "scored_logs"])}, rows="patterns")
