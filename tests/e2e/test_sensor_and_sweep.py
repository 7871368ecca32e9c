"""The sensor and the sweep on an ephemeral Dagster instance, with S3, SQS and the workspace behind them."""

import dagster as dg
import pytest

from s3sentinel_assets.definitions import build_defs
from s3sentinel_assets.hours import hour_start
from s3sentinel_assets.pipeline.runtime import Runtime
from s3sentinel_assets.resources import Stages
from tests.e2e import logs
from tests.e2e.test_reading_acceptance import created

SOURCE = "cloudtrail"
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def queue(world):
    """A queue that wakes both sources; the bucket is listed once an hour at most."""
    sqs = world.laptop.aws.client("sqs")
    url = sqs.create_queue(QueueName="logs")["QueueUrl"]
    config = world.runtime.config
    change = {"queue_url": url, "listing_seconds": 3_600.0}
    sources = {name: source.model_copy(update=change) for name, source in config.sources.items()}
    world.runtime = Runtime(config.model_copy(update={"sources": sources}))
    yield lambda body: sqs.send_message(QueueUrl=url, MessageBody=body)
    world.runtime.close()


def tick(world, instance, cursor=None):
    stages = Stages(world.runtime)
    defs = build_defs(world.runtime.config, stages=stages)
    sensor = defs.resolve_sensor_def(f"{SOURCE}_listing")
    context = dg.build_sensor_context(instance=instance, cursor=cursor, definitions=defs, resources={"stages": stages})
    return defs, sensor.evaluate_tick(context)


def run(defs, instance, request) -> None:
    done = defs.resolve_job_def(f"{SOURCE}_live").execute_in_process(
        instance=instance, partition_key=request.partition_key, tags=request.tags, run_config=QUIET
    )
    assert done.success


def verdicts(instance, asset: str, check: str) -> dict[str, str]:
    key = dg.AssetCheckKey(dg.AssetKey([SOURCE, asset]), check)
    history = instance.event_log_storage.get_asset_check_execution_history(key, limit=100)
    return {record.partition: record.status.value for record in history}


def test_a_notification_wakes_the_sensor_between_two_listings(world, queue, instance, hours, minute):
    import json

    hour, start = hours[1], hour_start(hours[1])
    _, first = tick(world, instance)  # the listing that is due: nothing there
    assert first.run_requests == []
    told, untold = (logs.key(SOURCE, start, f"{name}.json.gz") for name in ("told", "untold"))
    for number, key in enumerate((told, untold)):
        world.put(key, logs.cloudtrail(logs.records(start, 5, number * 10)), minute(hour, 5))
    _, silent = tick(world, instance, first.cursor)
    assert silent.run_requests == []  # nobody said anything, and no listing is due
    queue(json.dumps({"Records": [created(told)]}))
    defs, woken = tick(world, instance, silent.cursor)
    (request,) = woken.run_requests
    assert request.partition_key == hour
    run(defs, instance, request)  # a run lists for itself, so the unannounced object comes along
    assert world.account(SOURCE, hour).accepted == 10
    assert verdicts(instance, "raw_logs", "listing") == {hour: "SUCCEEDED"}
    assert tick(world, instance, woken.cursor)[1].run_requests == []


def test_the_sweep_finds_what_no_notification_announced(world, queue, instance, hours, minute):
    hour, start = hours[1], hour_start(hours[1])
    _, first = tick(world, instance)
    world.put(logs.key(SOURCE, start, "a.json.gz"), logs.cloudtrail(logs.records(start, 5)), minute(hour, 5))
    defs, silent = tick(world, instance, first.cursor)
    assert silent.run_requests == []
    assert defs.resolve_job_def(f"{SOURCE}_sweep").execute_in_process(instance=instance, run_config=QUIET).success
    defs, after = tick(world, instance, silent.cursor)
    (request,) = after.run_requests
    run(defs, instance, request)
    assert world.account(SOURCE, hour).accepted == 5


def test_without_a_queue_every_tick_lists(world, instance, hours, minute):
    hour, start = hours[1], hour_start(hours[1])
    _, first = tick(world, instance)
    world.put(logs.key(SOURCE, start, "a.json.gz"), logs.cloudtrail(logs.records(start, 5)), minute(hour, 5))
    defs, second = tick(world, instance, first.cursor)
    (request,) = second.run_requests
    run(defs, instance, request)
    assert world.account(SOURCE, hour).accepted == 5


def test_a_queue_that_is_gone_is_a_warning_and_the_listing_goes_on(world, queue, instance, hours, minute, capsys):
    hour, start = hours[1], hour_start(hours[1])
    _, first = tick(world, instance)
    world.put(logs.key(SOURCE, start, "a.json.gz"), logs.cloudtrail(logs.records(start, 5)), minute(hour, 5))
    world.laptop.aws.client("sqs").delete_queue(QueueUrl=world.runtime.config.sources[SOURCE].queue_url)
    _, told = tick(world, instance, first.cursor)
    assert [request.partition_key for request in told.run_requests] == [hour]
    assert "notifications could not be taken" in capsys.readouterr().err
