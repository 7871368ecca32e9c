"""The asset graph as a snapshot, and how definitions load."""

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from s3sentinel_assets.definitions import build_defs
from s3sentinel_assets.pipeline.runtime import Runtime
from tests.stages import FakeStages, config_of, hour

HOURLY = {"raw_logs", "parsed_logs", "entity_state", "scored_logs", "delivered_batches"}
REPOSITORY = Path(__file__).resolve().parent.parent


def _mapping(node, parent) -> str:
    mapping = node.partition_mappings.get(parent)
    if node.partitions_def is None:
        return "all hours"
    daily = isinstance(node.partitions_def, dg.DailyPartitionsDefinition)
    unit = "days" if daily else "hours"
    return f"{mapping.start_offset}..{mapping.end_offset} {unit}" if mapping else f"same {unit[:-1]}"


def describe(defs: dg.Definitions) -> dict:
    """All that a user of the graph depends on, as plain values."""
    graph = defs.resolve_asset_graph()
    assets = {}
    for key in sorted(graph.get_all_asset_keys()):
        node = graph.get(key)
        assets[key.to_user_string()] = {
            "after": {parent.to_user_string(): _mapping(node, parent) for parent in sorted(node.parent_keys)},
            "group": node.group_name,
            "kinds": sorted(node.kinds),
            "owners": sorted(node.owners),
            "tags": {name: value for name, value in sorted(node.tags.items()) if not name.startswith("dagster/")},
            "columns": len(columns.columns) if (columns := node.metadata.get("dagster/column_schema")) else 0,
            "checks": {key.name: bool(graph.get(key).blocking) for key in sorted(node.check_keys)},
            "description": node.description,
        }
        if node.is_executable:
            policy = node.backfill_policy
            retries = node.assets_def.op.retry_policy
            assets[key.to_user_string()] |= {
                "pools": sorted(node.pools or ()),
                "partitions a run": policy.max_partitions_per_run if policy else None,
                "retries": retries.max_retries if retries else 0,
            }
    jobs = {
        job.name: sorted(key.to_user_string() for key in job.asset_layer.selected_asset_keys)
        for job in defs.resolve_all_job_defs()
        if not job.name.startswith("__")
    }
    repository = defs.get_repository_def()
    return {
        "assets": assets,
        "jobs": jobs,
        "sensors": {sensor.name: [target.job_name for target in sensor.targets] for sensor in repository.sensor_defs},
        "schedules": {
            schedule.name: [schedule.job_name, schedule.cron_schedule, schedule.execution_timezone]
            for schedule in repository.schedule_defs
        },
    }


def test_the_asset_graph(snapshot):
    assert describe(build_defs(config_of(), stages=FakeStages())) == snapshot


def test_the_definitions_are_loadable():
    dg.Definitions.validate_loadable(build_defs(config_of(), stages=FakeStages()))


def test_hours_run_in_utc_from_the_start_to_the_open_one():
    from datetime import UTC, datetime

    graph = build_defs(config_of(), stages=FakeStages()).resolve_asset_graph()
    hourly = [key for key in graph.executable_asset_keys if key.path[-1] in HOURLY]
    assert len(hourly) == 2 * len(HOURLY)
    for key in hourly:
        partitions = graph.get(key).partitions_def
        keys = partitions.get_partition_keys(current_time=datetime(2026, 11, 20, 2, 30, tzinfo=UTC))
        assert keys == [hour(0), hour(1), hour(2)]


def test_a_source_that_is_not_enabled_is_left_out():
    config = config_of()
    sources = config.sources | {"vpc_flow": config.sources["vpc_flow"].model_copy(update={"enabled": False})}
    defs = build_defs(config.model_copy(update={"sources": sources}), stages=FakeStages())
    keys = defs.resolve_asset_graph().get_all_asset_keys()
    assert {key.path[:2][-1] if key.path[0] == "models" else key.path[0] for key in keys} == {"cloudtrail"}


def test_building_connects_to_nothing(tmp_path):
    config = config_of(data_dir=tmp_path / "data")
    runtime = Runtime(config)
    build_defs(config, runtime).resolve_asset_graph()
    assert not (tmp_path / "data").exists()


def _load(folder: Path, *lines: str) -> subprocess.CompletedProcess[str]:
    code = "\n".join(("from s3sentinel_assets.definitions import defs", *lines))
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)


def test_the_module_attribute_reads_the_configuration_when_asked(tmp_path):
    (tmp_path / "s3sentinel.yaml").write_bytes((REPOSITORY / "s3sentinel.yaml").read_bytes())
    done = _load(
        tmp_path,
        "import sys",
        "print(len(defs().resolve_asset_graph().get_all_asset_keys()), len(list(defs().resolve_all_job_defs())))",
        "print(sorted({'boto3', 'moto', 'duckdb', 'azure.identity', 'pyarrow', 'polars'} & set(sys.modules)))",
    )
    assert (done.stdout.split("\n")[:2], done.stderr) == (["20 9", "[]"], "")


@pytest.mark.slow
def test_a_wrong_configuration_is_one_sentence(tmp_path):
    text = (REPOSITORY / "s3sentinel.yaml").read_text().replace("grace_minutes", "grace_minuets")
    (tmp_path / "s3sentinel.yaml").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate", "-m", "s3sentinel_assets.definitions"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    sentence = "s3sentinel.yaml: grace_minuets: unknown key; did you mean 'grace_minutes'?"
    assert sentence in done.stdout + done.stderr
