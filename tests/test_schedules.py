"""The seal and the sweep, driven as the daemon drives them."""

from datetime import UTC, datetime

import dagster as dg
import pytest

from s3sentinel_assets.definitions import build_defs
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.pipeline.proofs import CheckReport
from tests.stages import FakeStages, config_of, hour

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@pytest.fixture
def stages() -> FakeStages:
    return FakeStages()


@pytest.fixture
def defs(stages) -> dg.Definitions:
    return build_defs(config_of(), stages=stages)


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture(scope="module")
def persisted(tmp_path_factory):
    """On disk: a schedule's context opens its instance itself. Making one takes seconds, so the tests share it."""
    with dg.instance_for_test(temp_dir=str(tmp_path_factory.mktemp("dagster"))) as made:
        yield made


@pytest.fixture
def tick(defs, stages, persisted):
    def evaluate(at=datetime(2026, 11, 20, 9, 15, tzinfo=UTC)):
        context = dg.build_schedule_context(
            instance=persisted,
            scheduled_execution_time=at,
            repository_def=defs.get_repository_def(),
            resources={"stages": stages},
        )
        return defs.resolve_schedule_def("cloudtrail_seal").evaluate_tick(context)

    return evaluate


@pytest.mark.parametrize(
    ("grace", "seal", "sweep"),
    [(15, "15 * * * *", "45 * * * *"), (0, "0 * * * *", "30 * * * *"), (59.5, "0 * * * *", "30 * * * *"),
     (90, "30 * * * *", "0 * * * *"), (0.5, "1 * * * *", "31 * * * *")],
)  # fmt: skip
def test_they_run_when_the_grace_is_over(grace, seal, sweep):
    defs = build_defs(config_of(grace_minutes=grace), stages=FakeStages())
    assert defs.resolve_schedule_def("cloudtrail_seal").cron_schedule == seal
    assert defs.resolve_schedule_def("cloudtrail_sweep").cron_schedule == sweep


def test_the_hour_just_closed_is_one_ordinary_run(stages, tick):
    stages.unsealed = [hour(8)]
    (request,) = tick().run_requests
    assert request.partition_key == hour(8)
    assert request.run_key == f"{hour(8)}..{hour(8)}@2026-11-20-09:15"


def test_missed_ticks_are_made_up_in_one_run_in_order(stages, defs, instance, tick):
    stages.unsealed = [hour(3), hour(4), hour(7)]
    (request,) = tick().run_requests
    assert request.partition_key is None
    job = defs.resolve_job_def("cloudtrail_seal")
    assert job.execute_in_process(instance=instance, tags=request.tags, run_config=QUIET).success
    assert stages.hours_of("seal") == stages.hours_of("state") == [hour(n) for n in (3, 4, 5, 6, 7)]


def test_a_backlog_of_weeks_goes_a_day_a_tick(stages, tick):
    stages.unsealed = [f"2026-11-{day:02d}-{number:02d}:00" for day in (20, 21, 22) for number in range(24)]
    (request,) = tick().run_requests
    assert request.tags["dagster/asset_partition_range_start"] == "2026-11-20-00:00"
    assert request.tags["dagster/asset_partition_range_end"] == "2026-11-20-23:00"


def test_a_day_that_cannot_be_sealed_holds_up_no_later_one(stages, defs, persisted, tick):
    stages.unsealed = [f"2026-11-{day:02d}-{number:02d}:00" for day in (20, 21, 22) for number in range(24)]
    job, runs, began = defs.resolve_job_def("cloudtrail_seal"), [], []
    for _ in range(4):
        (request,) = tick().run_requests
        began.append(request.tags["dagster/asset_partition_range_start"])
        made = persisted.create_run_for_job(job, status=dg.DagsterRunStatus.FAILURE, tags=dict(request.tags))
        runs.append(made.run_id)
    assert began == [f"2026-11-{day}-00:00" for day in (20, 21, 22, 20)]
    stages.unsealed = stages.unsealed[:24]  # a day or less is always taken as a whole
    assert tick().run_requests[0].tags["dagster/asset_partition_range_start"] == hour(0)
    for run in runs:
        persisted.delete_run(run)


def test_an_hour_that_could_not_be_sealed_is_asked_for_again_by_the_next_tick(stages, tick):
    stages.unsealed = [hour(3)]
    keys = {tick(datetime(2026, 11, 20, at, 15, tzinfo=UTC)).run_requests[0].run_key for at in (9, 10)}
    assert len(keys) == 2


def test_two_seals_never_run_at_once(stages, defs, persisted, tick):
    stages.unsealed = [hour(3)]
    run = persisted.create_run_for_job(defs.resolve_job_def("cloudtrail_seal"), status=dg.DagsterRunStatus.STARTED)
    data = tick()
    persisted.delete_run(run.run_id)
    assert data.run_requests == []
    assert data.skip_message == "cloudtrail: a seal is still running or queued; the next tick takes what remains"


def test_words_when_there_is_nothing_or_trouble(stages, tick):
    assert tick().skip_message == "cloudtrail: every closed hour is sealed"
    stages.errors["hours_to_seal", "cloudtrail"] = [UserError("the ledger cannot be reached")]
    assert tick().skip_message == "cloudtrail: hours to seal could not be read: the ledger cannot be reached"


def test_the_sweep_settles_lists_and_proves_again_what_disagreed(stages, defs, instance):
    stages.unproved = [hour(2), hour(4)]
    stages.found["cloudtrail", hour(4)] = 1
    assert defs.resolve_job_def("cloudtrail_sweep").execute_in_process(instance=instance, run_config=QUIET).success
    assert [name for name, *_ in stages.calls if name in {"reconcile", "sweep", "verify_digests", "prove"}] == [
        "sweep", "reconcile", "verify_digests", "prove", "prove",
    ]  # fmt: skip
    assert verdicts(instance, "workspace_count") == {hour(2): "SUCCEEDED", hour(4): "FAILED"}
    assert verdicts(instance, "accounting") == {hour(2): "SUCCEEDED", hour(4): "SUCCEEDED"}


def verdicts(instance, check, asset="delivered_batches"):
    key = dg.AssetCheckKey(dg.AssetKey(["cloudtrail", asset]), check)
    history = instance.event_log_storage.get_asset_check_execution_history(key, limit=100)
    return {record.partition: record.status.value for record in history}


def test_a_sweep_that_cannot_says_why_and_does_what_it_can(stages, defs, instance):
    stages.unproved = [hour(2)]
    stages.errors["sweep", "cloudtrail"] = [UserError("the workspace refuses the query; assign Log Analytics Reader")]
    stages.errors["reconcile", "cloudtrail"] = [ZeroDivisionError("a bug")]
    result = defs.resolve_job_def("cloudtrail_sweep").execute_in_process(
        instance=instance, run_config=QUIET, raise_on_error=False
    )
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert failure.step_failure_data.user_failure_data.description == (
        "the workspace refuses the query; assign Log Analytics Reader; ZeroDivisionError: a bug"
    )
    assert stages.hours_of("prove") == [hour(2)]


def test_s3_away_keeps_no_batch_unknown(stages, defs, instance):
    stages.errors["reconcile", "cloudtrail"] = [UserError("bucket logs cannot be reached")]
    sweep = defs.resolve_job_def("cloudtrail_sweep")
    assert not sweep.execute_in_process(instance=instance, run_config=QUIET, raise_on_error=False).success
    assert [name for name, *_ in stages.calls if name != "listing"] == [
        "sweep", "reconcile", "verify_digests", "unproved", "sweep_store", "progress",
    ]  # fmt: skip


def test_the_sweep_says_again_what_digests_and_listings_changed(stages, defs, instance):
    stages.judged = [hour(3)]
    stages.digest_problems = ["digest d.json.gz is gone"]
    stages.reports["integrity", hour(3)] = CheckReport(False, {"failed": 1}, ["a.json.gz was changed"])
    stages.reports["listing", hour(9)] = CheckReport(
        False, {"listed_at": "x"}, ["1 listed objects are not in the ledger"]
    )
    assert defs.resolve_job_def("cloudtrail_sweep").execute_in_process(instance=instance, run_config=QUIET).success
    assert verdicts(instance, "integrity", "parsed_logs") == {hour(3): "FAILED"}
    assert verdicts(instance, "listing", "raw_logs") == {hour(9): "FAILED"}


@pytest.mark.parametrize(("now", "first", "last"), [(0, 0, 24), (1, 24, 30), (2, 0, 24)])
def test_the_sweep_proves_the_oldest_hours_first_and_every_hour_in_its_turn(
    stages, defs, instance, monkeypatch, now, first, last
):
    hours = [f"2026-11-{20 + number // 24}-{number % 24:02d}:00" for number in range(30)]
    stages.unproved = list(hours)
    monkeypatch.setattr("s3sentinel_assets.jobs.utc_now", lambda: datetime(2026, 11, 23, now, 45, tzinfo=UTC))
    assert defs.resolve_job_def("cloudtrail_sweep").execute_in_process(instance=instance, run_config=QUIET).success
    assert stages.hours_of("prove") == hours[first:last]
