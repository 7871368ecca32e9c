"""The same assets over the real pipeline and the local stand-ins: sensor, runs, a late object, seal, a replay."""

import dagster as dg
import pytest

from s3sentinel_assets.definitions import build_defs
from s3sentinel_assets.hours import hour_key, hour_range, hour_start, shift_hour, utc_now
from s3sentinel_assets.local.generator import SOURCES, Generator, Scenario, seed
from s3sentinel_assets.local.laptop import BUCKET, start_laptop
from s3sentinel_assets.pipeline.runtime import Runtime
from s3sentinel_assets.resources import Stages

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@pytest.fixture(scope="module")
def laptop(tmp_path_factory):
    first = shift_hour(hour_key(utc_now()), -3)
    home = tmp_path_factory.mktemp("laptop")
    with start_laptop(home, start=hour_start(first).isoformat(), grace_minutes=0) as started:
        started.aws.client().create_bucket(Bucket=BUCKET)
        yield started


@pytest.mark.slow
def test_from_the_bucket_to_the_workspace(laptop):
    client = laptop.aws.client()
    scenario = Scenario(Generator(5), [shift_hour(hour_key(utc_now()), -back) for back in (3, 2)])
    seed(client, BUCKET, list(scenario.objects()))
    runtime = Runtime(laptop.config())
    defs, stages = build_defs(runtime.config, runtime), Stages(runtime)
    with dg.DagsterInstance.ephemeral() as instance:

        def tick(source, cursor=None):
            """One tick of the sensor, and the runs it asks for."""
            sensor = defs.resolve_sensor_def(f"{source}_listing")
            data = sensor.evaluate_tick(
                dg.build_sensor_context(
                    instance=instance, cursor=cursor, definitions=defs, resources={"stages": stages}
                )
            )
            for request in data.run_requests:
                assert _run(f"{source}_live", partition_key=request.partition_key, tags=request.tags).success
            return [request.partition_key for request in data.run_requests]

        def _run(job, **how):
            return defs.resolve_job_def(job).execute_in_process(instance=instance, run_config=QUIET, **how)

        for source in SOURCES:
            assert sorted(tick(source)) == list(scenario.hours)
            assert tick(source) == []
        seed(client, BUCKET, list(scenario.late_objects()))
        for source in SOURCES:
            assert tick(source) == [scenario.late_hour]
            assert stages.hours_to_seal(source, utc_now())[:2] == list(scenario.hours)
            for hour in scenario.hours:
                assert _run(f"{source}_seal", partition_key=hour).success
                assert _run(f"{source}_live", partition_key=hour).success  # a replay: nothing goes out twice
        for (source, hour), expected in scenario.expected(late=True).items():
            account = stages.account(source, hour)
            assert (account.records, account.accepted, account.quarantined, account.filtered, account.sealed) == (
                expected.records,
                expected.delivered,
                expected.quarantined,
                expected.filtered,
                True,
            )
            assert stages.prove(source, hour).found == expected.delivered
            batches = stages.deliver(source, hour).preview
            assert batches.is_empty() is not bool(expected.delivered)
            assert set(batches["state"]) <= {"accepted"}
            progress = stages.progress(source)
            assert (progress.waiting_objects, progress.waiting_events, progress.unknown_events) == (0, 0, 0)
        states = instance.fetch_materializations(dg.AssetKey(["cloudtrail", "entity_state"]), limit=9).records
        assert {record.partition_key for record in states} == set(scenario.hours)
        assert all(record.asset_materialization.metadata["sealed"].value == 1 for record in states)
        assert all(record.asset_materialization.metadata["keys_in_history"].value > 0 for record in states)
        silent = list(hour_range(shift_hour(scenario.hours[-1], 1), shift_hour(hour_key(utc_now()), -1)))
        for source in SOURCES:
            assert stages.progress(source).through == scenario.hours[-1]
            for hour in silent:
                assert _run(f"{source}_seal", partition_key=hour).success
            assert stages.progress(source).through == silent[-1]
            key = dg.AssetKey([source, "delivery_progress"])
            told = instance.get_latest_materialization_event(key).asset_materialization.metadata
            assert told["complete_through"].value == silent[-1]
    runtime.close()
