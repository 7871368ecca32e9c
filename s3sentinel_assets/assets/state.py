"""``entity_state``: what the source's entities have done up to the end of a sealed hour, for scoring later hours."""

from collections.abc import Iterator

import dagster as dg

from s3sentinel_assets.assets.hourly import RETRY_POLICY, bring_up_to_date
from s3sentinel_assets.assets.metadata import stage_metadata
from s3sentinel_assets.config import SourceSettings
from s3sentinel_assets.errors import LeaseLostError
from s3sentinel_assets.partitions import PREVIOUS_HOUR, STATE_BACKFILL_POLICY
from s3sentinel_assets.resources import S3_POOL, Stages

__all__ = ["entity_state"]


def entity_state(source: SourceSettings, hours: dg.HourlyPartitionsDefinition) -> dg.AssetsDefinition:
    """The asset ``entity_state`` of a source. It leans on its own previous hour, so hours are taken in order."""
    key, parsed = dg.AssetKey([source.name, "entity_state"]), dg.AssetKey([source.name, "parsed_logs"])

    @dg.asset(
        key=key,
        deps=[parsed, dg.AssetDep(key, partition_mapping=PREVIOUS_HOUR)],
        group_name=source.name,
        partitions_def=hours,
        backfill_policy=STATE_BACKFILL_POLICY,
        retry_policy=RETRY_POLICY,
        pool=S3_POOL,
        kinds={"polars", "parquet"},
        description="Seals the hour once it is over and its grace has passed, and carries the history of its entities "
        "one hour on. An hour that may not be sealed yet is left as it is, and says so.",
    )
    def asset(
        context: dg.AssetExecutionContext, stages: dg.ResourceParam[Stages]
    ) -> Iterator[dg.MaterializeResult | dg.Output[None]]:
        def seal_and_advance(hour: str) -> dict[str, dg.MetadataValue]:
            sealed = stages.seal(source.name, hour)
            state = stages.advance_state(source.name, hour)
            if sealed.counts.get("sealed") and not (state.done or state.kept) and (state.busy or state.problems):
                # Another run is still parsing the hour, or making the state. Green would say that the state is there.
                raise LeaseLostError("; ".join(state.problems) or f"another run is making the state of {hour}")
            state.problems[:0] = [sentence for sentence in sealed.problems if sentence not in state.problems]
            state.counts = sealed.counts | state.counts
            state.seconds += sealed.seconds
            return stage_metadata(state, {"previous": parsed}, rows="keys")

        yield from bring_up_to_date(context, seal_and_advance)

    return asset
