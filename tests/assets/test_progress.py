"""``delivery_progress`` in runs: told when something changed or an hour passed, also when the work failed."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus as Status

from s3sentinel_assets.assets import delivered, state
from s3sentinel_assets.definitions import build_defs
from s3sentinel_assets.errors import UserError
from tests.stages import FakeStages, config_of, hour

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
KEY = dg.AssetKey(["cloudtrail", "delivery_progress"])
CHECK = dg.AssetCheckKey(KEY, "on_time")


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    for module in (state, delivered):
        monkeypatch.setattr(module, "RETRY_POLICY", None)


@pytest.fixture
def stages() -> FakeStages:
    made = FakeStages()
    made.progress_fields["cloudtrail"] = {"at": datetime.now(UTC), "newest_object": datetime.now(UTC)}
    return made


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def run(stages, instance, job="cloudtrail_live", one=None):
    definition = build_defs(config_of(), stages=stages).resolve_job_def(job)
    return definition.execute_in_process(instance=instance, partition_key=one, run_config=QUIET, raise_on_error=False)


def told(instance):
    """Metadata of what was told, oldest first."""
    records = instance.fetch_materializations(KEY, limit=100, ascending=True).records
    return [record.asset_materialization.metadata for record in records]


def verdicts(instance):
    return instance.event_log_storage.get_asset_check_execution_history(CHECK, limit=100)


def test_a_delivery_tells_it_with_its_verdict(stages, instance):
    assert run(stages, instance, one=hour(3)).success
    (metadata,) = told(instance)
    assert metadata["complete_through"].value == hour(8)
    assert metadata["hours_behind"].value == 1.33
    assert metadata["waits_for"].value == "the hour can be sealed from 10:30 UTC on"
    (verdict,) = verdicts(instance)
    assert verdict.status is Status.SUCCEEDED
    assert verdict.evaluation.description == f"everything is delivered and proved through {hour(8)}"


def test_it_is_told_again_only_when_something_changed_or_an_hour_passed(stages, instance):
    for number in (3, 4):
        run(stages, instance, one=hour(number))
    assert len(told(instance)) == len(verdicts(instance)) == 1
    fields = stages.progress_fields["cloudtrail"]
    fields["hours_behind"] = 1.4  # grows all the time
    run(stages, instance, one=hour(5))
    assert len(told(instance)) == 1
    fields["waiting_objects"] = 2
    run(stages, instance, one=hour(5))
    assert len(told(instance)) == 2
    fields["at"] = datetime.now(UTC) + timedelta(hours=1)
    run(stages, instance, one=hour(5))
    assert len(told(instance)) == len(verdicts(instance)) == 3


def test_a_failed_delivery_tells_it_too(stages, instance):
    stages.errors["deliver", hour(3)] = [UserError("role is missing")]
    assert not run(stages, instance, one=hour(3)).success
    assert len(told(instance)) == 1


@pytest.mark.parametrize(("job", "one"), [("cloudtrail_seal", hour(3)), ("cloudtrail_sweep", None)])
def test_a_seal_and_the_sweep_tell_it(stages, instance, job, one):
    assert run(stages, instance, job, one).success
    assert len(told(instance)) == len(verdicts(instance)) == 1


def test_the_sweep_tells_it_where_everything_else_fails(stages, instance):
    for stage in ("sweep", "touched", "unproved"):
        stages.errors[stage, "cloudtrail"] = [UserError("cannot be reached")]
    assert not run(stages, instance, "cloudtrail_sweep").success
    assert len(told(instance)) == 1


def test_a_progress_that_cannot_be_told_fails_nothing(stages, instance):
    stages.errors["progress", "cloudtrail"] = [UserError("the ledger is locked")]
    assert run(stages, instance, one=hour(3)).success
    assert told(instance) == []


def test_the_check_can_be_run_by_itself_and_then_tells_it(stages, instance):
    stages.progress_fields["cloudtrail"] |= {"longest_wait_hours": 7.0, "through": hour(2), "oldest_waiting": hour(3)}
    job = build_defs(config_of(), stages=stages).resolve_implicit_global_asset_job_def()
    alone = job.get_subset(asset_selection=set(), asset_check_selection={CHECK})
    result = alone.execute_in_process(instance=instance, run_config=QUIET)
    assert result.success
    assert len(told(instance)) == 1
    (verdict,) = verdicts(instance)
    assert verdict.status is Status.FAILED
    assert verdict.evaluation.severity is dg.AssetCheckSeverity.ERROR
