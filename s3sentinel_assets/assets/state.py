"""``entity_state``: what the source's entities have done up to the end of a sealed hour, for scoring later hours.

It lists and parses its hours itself: behind a ``parsed_logs`` step Dagster would skip every state of the run because of
one hour that cannot be parsed.
"""

from collections.abc import Iterator
from itertools import chain

import dagster as dg

from s3sentinel_assets.assets.describe import state_text, tags_of
from s3sentinel_assets.assets.hourly import RETRY_POLICY, bring_up_to_date, discover_each, found_in
from s3sentinel_assets.assets.metadata import stage_metadata
from s3sentinel_assets.assets.patterns import learn_at_seal
from s3sentinel_assets.assets.progress import report_progress
from s3sentinel_assets.checks import check_patterns, check_sealed
from s3sentinel_assets.config import SourceSettings
from s3sentinel_assets.errors import LeaseLostError, UserError
from s3sentinel_assets.partitions import PREVIOUS_HOUR, STATE_BACKFILL_POLICY
from s3sentinel_assets.pipeline.summary import StageSummary
from s3sentinel_assets.resources import S3_POOL, Stages

__all__ = ["entity_state"]


def entity_state(source: SourceSettings, hours: dg.HourlyPartitionsDefinition) -> dg.AssetsDefinition:
    """The asset ``entity_state`` of a source. It leans on its own previous hour, so hours are taken in order."""
    key, parsed = dg.AssetKey([source.name, "entity_state"]), dg.AssetKey([source.name, "parsed_logs"])

    @dg.asset(
        key=key,
        deps=[parsed, dg.AssetDep(key, partition_mapping=PREVIOUS_HOUR)],
        partitions_def=hours,
        backfill_policy=STATE_BACKFILL_POLICY,
        retry_policy=RETRY_POLICY,
        pool=S3_POOL,
        kinds={"polars", "parquet"},
        description=state_text(),
        group_name=source.name,
        owners=[source.owner],
        tags=tags_of(source, "3-history"),
    )
    def asset(
        context: dg.AssetExecutionContext, stages: dg.ResourceParam[Stages]
    ) -> Iterator[dg.MaterializeResult | dg.Output[None]]:
        listed: dict[str, StageSummary | Exception] = {}

        def seal_and_advance(hour: str) -> dict[str, dg.MetadataValue]:
            found_in(listed, hour)
            unparsed = None
            try:
                stages.parse(source.name, hour)
            except Exception as error:  # noqa: BLE001 - raised again once the hour is sealed
                unparsed = error
            # The seal says that the listing is complete, so a part that cannot be parsed does not keep it waiting.
            sealed = stages.seal(source.name, hour)
            if unparsed:
                raise unparsed
            state = stages.advance_state(source.name, hour)
            if sealed.counts.get("sealed") and not (state.done or state.kept) and (state.busy or state.problems):
                # Another run is still parsing the hour, or making the state. Green would say that the state is there.
                raise LeaseLostError("; ".join(state.problems) or f"another run is making the state of {hour}")
            state.problems[:0] = [sentence for sentence in sealed.problems if sentence not in state.problems]
            state.counts = sealed.counts | state.counts
            state.seconds += sealed.seconds
            learn_at_seal(context, stages, source.name, hour)
            if sealed.counts.get("sealed"):
                try:
                    state.counts["closing_rows"] = stages.close_hour(source.name, hour)
                except UserError as error:
                    state.problems.append(f"closing rows of {hour} wait for the next sweep: {error}")
            return stage_metadata(state, {"previous": parsed}, rows="keys")

        try:
            yield from bring_up_to_date(
                context,
                seal_and_advance,
                # "Nothing is pending once the hour is sealed" can be judged from now on, with or without the state.
                lambda hour: chain(check_sealed(stages, source.name, hour), check_patterns(stages, source.name, hour)),
                on_failure=lambda hour, _: check_sealed(stages, source.name, hour),
                prepare=lambda keys: listed.update(discover_each(stages, source.name, keys)),
                stands_alone=True,
            )
        finally:
            report_progress(context, stages, source.name)

    return asset
