"""The listing sensor, driven as the daemon drives it."""

import json

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.test_utils import create_run_for_test

from s3sentinel_assets.definitions import build_defs
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.sensors import REQUESTS_PER_TICK
from tests.stages import FakeStages, config_of, hour


@pytest.fixture
def stages() -> FakeStages:
    return FakeStages()


@pytest.fixture
def ticks(stages):
    """Evaluates the sensor, and the instance it sees; result and cursor are as the daemon would keep them."""
    defs = build_defs(config_of(sensor_interval_seconds=7), stages=stages)
    sensor = defs.resolve_sensor_def("cloudtrail_listing")
    assert sensor.minimum_interval_seconds == 7
    with dg.DagsterInstance.ephemeral() as instance:

        def evaluate(cursor=None):
            context = dg.build_sensor_context(
                instance=instance, cursor=cursor, definitions=defs, resources={"stages": stages}
            )
            return sensor.evaluate_tick(context)

        yield evaluate, instance


@pytest.fixture
def tick(ticks):
    return ticks[0]


def test_one_run_for_each_touched_hour(stages, tick):
    stages.touched = {hour(3): "a1", hour(5): "b2"}
    data = tick()
    assert [(request.run_key, request.partition_key) for request in data.run_requests] == [
        (f"{hour(5)}:b2", hour(5)),
        (f"{hour(3)}:a1", hour(3)),
    ]
    assert data.run_requests[0].tags["s3sentinel/hour"] == f"cloudtrail|{hour(5)}"
    assert data.run_requests[0].tags["s3sentinel/trigger"] == "listing"
    assert [(stage, source) for stage, source, _ in stages.calls] == [("touched", "cloudtrail")]


def test_what_was_asked_for_is_not_asked_for_again_until_it_changes(stages, tick):
    stages.touched = {hour(3): "a1", hour(5): "b2"}
    first = tick()
    again = tick(first.cursor)
    assert again.run_requests == []
    assert again.skip_message == "cloudtrail: 2 hours have work, and a run was asked for each"
    stages.touched[hour(3)] = "a2"
    assert [request.run_key for request in tick(again.cursor).run_requests] == [f"{hour(3)}:a2"]


def made_run(instance, tags, status=dg.DagsterRunStatus.QUEUED, source="cloudtrail", **more) -> dg.DagsterRun:
    """A run such as the daemon makes it of a request."""
    job = f"{source}_live"
    place = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("s3sentinel"), "__repository__")
    origin = RemoteJobOrigin(place, job)  # a run cannot be queued without
    return create_run_for_test(instance, job_name=job, tags=tags, status=status, remote_job_origin=origin, **more)


def started(run: dg.DagsterRun) -> dg.EventLogEntry:
    """What a run says when it begins."""
    event = dg.DagsterEvent(event_type_value=dg.DagsterEventType.RUN_START.value, job_name=run.job_name)
    return dg.EventLogEntry(
        error_info=None, level="debug", user_message="", run_id=run.run_id, timestamp=0.0, dagster_event=event
    )


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING])
def test_a_run_that_has_not_begun_takes_along_what_came_since(stages, ticks, status):
    tick, instance = ticks
    stages.touched = {hour(3): "a1"}
    first = tick()
    run = made_run(instance, first.run_requests[0].tags, status)
    stages.touched = {hour(3): "a2", hour(5): "b1"}
    again = tick(first.cursor)
    assert [request.partition_key for request in again.run_requests] == [hour(5)]
    stages.touched.pop(hour(5))
    again = tick(again.cursor)
    assert again.run_requests == []
    assert again.skip_message == "cloudtrail: 1 hours have work, and a run was asked for each"
    # It never began: the hour is asked for after all.
    instance.report_run_failed(run)
    assert [request.run_key for request in tick(again.cursor).run_requests] == [f"{hour(3)}:a2"]


def test_a_waiting_run_that_was_canceled_is_waited_for_no_longer(stages, ticks):
    tick, instance = ticks
    stages.touched = {hour(3): "a1"}
    first = tick()
    run = made_run(instance, first.run_requests[0].tags)
    stages.touched = {hour(3): "a2"}
    second = tick(first.cursor)
    assert second.run_requests == []
    instance.report_run_canceling(run)
    assert [request.run_key for request in tick(second.cursor).run_requests] == [f"{hour(3)}:a2"]


def test_an_object_that_came_after_the_listing_of_the_run_it_waited_for_is_asked_for(stages, ticks):
    tick, instance = ticks
    stages.touched = {hour(3): "a1"}
    first = tick()
    run = made_run(instance, first.run_requests[0].tags)
    stages.touched = {hour(3): "a2"}
    waited = tick(first.cursor)
    assert waited.run_requests == []
    instance.handle_new_event(started(run))
    stages.touched = {hour(3): "a3"}  # listed by the sensor after that run has listed
    asked = tick(waited.cursor)
    assert [request.run_key for request in asked.run_requests] == [f"{hour(3)}:a3"]
    assert tick(asked.cursor).run_requests == []


def test_a_waiting_retry_of_some_steps_need_not_list_so_it_is_not_relied_on(stages, ticks):
    tick, instance = ticks
    stages.touched = {hour(3): "a1"}
    first = tick()
    made_run(instance, first.run_requests[0].tags, step_keys_to_execute=["cloudtrail__delivered_batches"])
    stages.touched = {hour(3): "a2"}
    assert [request.run_key for request in tick(first.cursor).run_requests] == [f"{hour(3)}:a2"]


@pytest.mark.parametrize(
    "status", [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
)
def test_a_run_that_has_begun_may_have_listed_before_the_object_came(stages, ticks, status):
    tick, instance = ticks
    stages.touched = {hour(3): "a1"}
    first = tick()
    made_run(instance, first.run_requests[0].tags, status)
    stages.touched = {hour(3): "a2"}
    assert [request.run_key for request in tick(first.cursor).run_requests] == [f"{hour(3)}:a2"]


def test_a_run_of_another_source_says_nothing(stages, ticks):
    tick, instance = ticks
    tags = {"s3sentinel/source": "vpc_flow", "s3sentinel/hour": f"vpc_flow|{hour(3)}"}
    made_run(instance, tags, source="vpc_flow")
    stages.touched = {hour(3): "a1"}
    assert len(tick().run_requests) == 1


def test_an_hour_that_comes_back_with_the_same_digest_is_asked_for_again(stages, tick):
    stages.touched = {hour(3): "a1"}
    cursor = tick().cursor
    stages.touched = {}
    cursor = tick(cursor).cursor
    stages.touched = {hour(3): "a1"}
    assert len(tick(cursor).run_requests) == 1


def test_a_backlog_is_asked_for_in_pieces_and_the_newest_hours_go_first(stages, tick):
    hours = [f"2026-11-{day:02d}-{number:02d}:00" for day in (20, 21) for number in range(24)]
    stages.touched = dict.fromkeys(hours, "x")
    first = tick()
    assert [request.partition_key for request in first.run_requests] == hours[: -REQUESTS_PER_TICK - 1 : -1]
    second = tick(first.cursor)
    assert {request.partition_key for request in (*first.run_requests, *second.run_requests)} == set(hours)
    assert tick(second.cursor).run_requests == []


def test_an_hour_still_to_come_waits_and_holds_nothing_up(stages, tick):
    stages.touched = {"2099-01-01-00:00": "x", hour(3): "a1"}
    assert [request.partition_key for request in tick().run_requests] == [hour(3)]


@pytest.mark.parametrize("strange", ["2026-11-19-23:00", "1999", ""])
def test_an_hour_that_is_no_partition_is_left_alone(stages, tick, strange):
    stages.touched = {strange: "x", hour(3): "a1"}
    data = tick()
    assert [request.partition_key for request in data.run_requests] == [hour(3)]
    assert json.loads(data.cursor) == {hour(3): "a1"}


def test_nothing_new_is_said_in_words(tick):
    data = tick()
    assert (data.run_requests, data.skip_message) == ([], "cloudtrail: nothing new, everything listed is delivered")


def test_trouble_with_s3_is_one_sentence(stages, tick):
    stages.errors["touched", "cloudtrail"] = [UserError("http://127.0.0.1:1 cannot be reached (bucket logs)")]
    data = tick()
    assert data.skip_message == "cloudtrail could not be listed: http://127.0.0.1:1 cannot be reached (bucket logs)"
    assert data.run_requests == []


@pytest.mark.parametrize("cursor", ["", "not json", "[1]", "3", json.dumps({"x": 1})])
def test_a_cursor_that_makes_no_sense_costs_nothing(stages, tick, cursor):
    stages.touched = {hour(3): "a1"}
    data = tick(cursor)
    assert len(data.run_requests) == 1
    assert json.loads(data.cursor) == {hour(3): "a1"}


def test_the_requested_runs_bring_their_hours_up_to_date(stages, tick):
    stages.touched = {hour(3): "a1", hour(5): "b2"}
    defs = build_defs(config_of(), stages=stages)
    with dg.DagsterInstance.ephemeral() as instance:
        for request in tick().run_requests:
            result = defs.resolve_job_def("cloudtrail_live").execute_in_process(
                instance=instance,
                partition_key=request.partition_key,
                tags=request.tags,
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )
            assert result.success
    assert stages.hours_of("deliver") == [hour(5), hour(3)]


@pytest.mark.parametrize(
    ("value", "status"),
    [("running", dg.DefaultSensorStatus.RUNNING), ("", dg.DefaultSensorStatus.STOPPED)],
)
def test_sensors_start_when_told_so(monkeypatch, value, status):
    monkeypatch.setenv("S3SENTINEL_SENSORS", value)
    defs = build_defs(config_of(), stages=FakeStages())
    assert defs.resolve_sensor_def("vpc_flow_listing").default_status is status
    assert defs.resolve_schedule_def("vpc_flow_seal").default_status.value == status.value
