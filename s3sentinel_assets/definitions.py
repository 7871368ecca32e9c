"""All that Dagster loads: assets, checks, jobs, sensors and schedules of every configured source.

Belongs here: putting the parts together. Does not belong here: any part. ``defs`` is read from the configuration when
Dagster asks for it; tests and the demo call `build_defs` with what they need.
"""

from collections.abc import Sequence

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from s3sentinel_assets.assets.delivered import delivered_batches
from s3sentinel_assets.assets.models import model_assets, model_jobs, model_schedules
from s3sentinel_assets.assets.parsed import parsed_logs
from s3sentinel_assets.assets.patterns import daily_partitions, pattern_catalogue
from s3sentinel_assets.assets.progress import delivery_progress, progress_check
from s3sentinel_assets.assets.raw import raw_logs
from s3sentinel_assets.assets.scored import scored_logs
from s3sentinel_assets.assets.state import entity_state
from s3sentinel_assets.aws_resources import source_resources
from s3sentinel_assets.config import Config, SourceSettings, load_config
from s3sentinel_assets.jobs import live_job, seal_job, sweep_job
from s3sentinel_assets.partitions import hourly_partitions
from s3sentinel_assets.pipeline.runtime import Runtime
from s3sentinel_assets.resources import Stages
from s3sentinel_assets.schedules import seal_schedule, sweep_schedule
from s3sentinel_assets.sensors import listing_sensor

__all__ = ["build_defs", "defs", "source_assets", "trained_formats"]


def source_assets(source: SourceSettings, hours: dg.HourlyPartitionsDefinition) -> Sequence[dg.AssetsDefinition]:
    """The five assets of a source that do work, in pipeline order."""
    return [make(source, hours) for make in (raw_logs, parsed_logs, entity_state, scored_logs, delivered_batches)]


def trained_formats(config: Config) -> list[str]:
    """The formats whose models are trained: those that enabled sources name, and CloudTrail wherever it may come.

    Of all that a source recognises by content most never come; they are scored with what ships.
    """
    enabled = [source for source in config.sources.values() if source.enabled]
    named = {source.formats[0] for source in enabled if len(source.formats) == 1}
    anywhere = {"cloudtrail"} if any("cloudtrail" in source.formats for source in enabled) else set[str]()
    return sorted(named | anywhere)


def build_defs(config: Config, runtime: Runtime | None = None, *, stages: Stages | None = None) -> dg.Definitions:
    """The definitions of a configuration. Nothing is connected to: a stage opens what it needs when it runs.

    Args:
        config: the validated configuration; sources that are not enabled are left out.
        runtime: connections to share; by default one runtime for the life of the process.
        stages: what to run in place of the pipeline's own stages.
    """
    hours, days = hourly_partitions(config), daily_partitions(config)
    assets: list[dg.AssetsDefinition | dg.AssetSpec] = []
    checks: list[dg.AssetChecksDefinition] = []
    jobs: list[dg.JobDefinition | UnresolvedAssetJobDefinition] = []
    sensors: list[dg.SensorDefinition] = []
    schedules: list[dg.ScheduleDefinition] = []
    for source in config.sources.values():
        if not source.enabled:
            continue
        live, seal, sweep = live_job(source.name), seal_job(source.name), sweep_job(source.name)
        assets += [*source_assets(source, hours), pattern_catalogue(source, days), delivery_progress(source)]
        checks.append(progress_check(source))
        jobs += [live, seal, sweep]
        sensors.append(listing_sensor(source.name, live, config.sensor_interval_seconds, hours))
        schedules.append(seal_schedule(source.name, seal, config.grace_minutes))
        schedules.append(sweep_schedule(source.name, sweep, config.grace_minutes))
    if formats := trained_formats(config):
        training = model_jobs(formats)
        assets += [asset for log_format in formats for asset in model_assets(log_format)]
        jobs += training.values()
        schedules += model_schedules(training, formats)
    return dg.Definitions(
        assets=assets,
        asset_checks=checks,
        jobs=jobs,
        sensors=sensors,
        schedules=schedules,
        resources={"stages": stages or Stages(runtime or Runtime(config)), **source_resources(config)},
        executor=dg.in_process_executor,  # a process a step costs 3 s each; the stages run threads of their own
    )


@dg.definitions
def defs() -> dg.Definitions:
    """The definitions of ``s3sentinel.yaml``, or of the file that ``S3SENTINEL_CONFIG`` names."""
    return build_defs(load_config())
