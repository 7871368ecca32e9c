"""What runs of one and of many hours leave in the event log: metadata and verdicts per hour, also when some fail."""

import dagster as dg
import pytest
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus as Status

from s3sentinel_assets.assets import delivered, failures, hourly, parsed, raw, scored, state
from s3sentinel_assets.assets.metadata import stage_metadata
from s3sentinel_assets.definitions import build_defs
from s3sentinel_assets.errors import LeaseLostError, UserError
from s3sentinel_assets.jobs import range_tags
from s3sentinel_assets.pipeline.summary import StageSummary
from tests.stages import FakeStages, config_of, hour

DAY = [hour(number) for number in range(24)]
CHECKS = {
    "parsed_logs": ("schema", "records", "event_time_bounds", "shape", "null_rates"),
    "delivered_batches": ("accounting", "workspace_count"),
}
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    """Retries as in production, without their pauses."""
    for module in (raw, parsed, state, scored, delivered):
        monkeypatch.setattr(module, "RETRY_POLICY", dg.RetryPolicy(max_retries=hourly.RETRY_POLICY.max_retries))


@pytest.fixture
def stages() -> FakeStages:
    return FakeStages()


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def run(stages, instance, *, job="cloudtrail_live", one=None, tags=None):
    definition = build_defs(config_of(), stages=stages).resolve_job_def(job)
    return definition.execute_in_process(
        instance=instance, partition_key=one, tags=tags, run_config=QUIET, raise_on_error=False
    )


def materializations(instance, asset, source="cloudtrail"):
    """Partition → metadata of each materialisation, oldest first."""
    records = instance.fetch_materializations(dg.AssetKey([source, asset]), limit=1000, ascending=True).records
    return [(record.partition_key, record.asset_materialization.metadata) for record in records]


def verdicts(instance, asset, check, source="cloudtrail"):
    """Partition → evaluations of the check."""
    key = dg.AssetCheckKey(dg.AssetKey([source, asset]), check)
    found = {}
    for record in instance.event_log_storage.get_asset_check_execution_history(key, limit=1000):
        found.setdefault(record.partition, []).append(record)
    return found


def test_one_hour_runs_every_stage_once_and_leaves_its_metadata(stages, instance):
    assert run(stages, instance, one=hour(7)).success
    for stage in ("raw", "parse", "score", "deliver"):
        assert stages.hours_of(stage) == [hour(7)]
    assert stages.hours_of("state") == []
    ((partition, metadata),) = materializations(instance, "parsed_logs")
    assert partition == hour(7)
    assert metadata["rows"].value == metadata["dagster/row_count"].value == 107
    assert metadata["MB/s"].value == 2.0
    assert "listed_at" in materializations(instance, "raw_logs")[0][1]
    assert metadata["previous"].value == dg.AssetKey(["cloudtrail", "raw_logs"])
    assert metadata["events/s"].value == 214
    assert next(iter(metadata)) == "last_hours"
    assert "107 records in this hour" in metadata["last_hours"].value
    preview = metadata["preview"]
    assert [column.name for column in preview.schema.columns] == ["EventName", "n"]
    assert len(preview.records[0].data["EventName"]) == 200
    assert preview.records[1].data == {"EventName": "", "n": 2}
    for asset, checks in CHECKS.items():
        for check in checks:
            (evaluations,) = verdicts(instance, asset, check).values()
            assert [record.status for record in evaluations] == [Status.SUCCEEDED]


def test_speed_is_that_of_the_work_whenever_it_was_done():
    kept = StageSummary("cloudtrail", hour(1), kept=2, counts={"records": 900, "decoded_bytes": 6_000_000}, seconds=0.1)
    assert not {"MB/s", "events/s"} & set(stage_metadata(kept, {}))
    kept.worked_seconds = 3.0
    metadata = stage_metadata(kept, {})
    assert (metadata["MB/s"].value, metadata["events/s"].value) == (2.0, 300)


def test_problems_come_first_and_the_ledgers_words_are_explained():
    summary = StageSummary("cloudtrail", hour(1), counts={"state_hour": hour(0)}, problems=["a", "b"])
    metadata = stage_metadata(summary, {})
    assert next(iter(metadata)) == "problems"
    assert metadata["history_through"].value == hour(0)


def test_a_day_asks_for_its_charts_once(stages, instance):
    assert run(stages, instance, tags=range_tags(DAY[0], DAY[-1])).success
    for what in ("records", "accepted"):
        asked = [(name, last) for name, _, last in stages.calls if name.startswith(f"hourly {what}")]
        assert asked == [
            (f"hourly {what} 2026-11-18-01:00", DAY[0]),
            *((f"hourly {what} {key}", key) for key in DAY[1:]),
        ]


def test_a_day_in_one_run_leaves_24_materialisations_and_24_verdicts_each_with_its_own_content(stages, instance):
    stages.accounts["cloudtrail", hour(3)] = {"quarantined": 4, "records": 107}
    stages.accounts["cloudtrail", hour(9)] = {"records": 500}
    stages.found["cloudtrail", hour(5)] = 1
    assert run(stages, instance, tags=range_tags(DAY[0], DAY[-1])).success
    assert stages.hours_of("discover") == [""]  # one listing for the whole day
    for asset in ("raw_logs", "parsed_logs", "scored_logs", "delivered_batches"):
        made = materializations(instance, asset)
        assert sorted(partition for partition, _ in made) == DAY
        assert {partition: metadata["rows"].value for partition, metadata in made} == {
            key: 100 + number for number, key in enumerate(DAY)
        }
    failing = {"accounting": {hour(3), hour(9)}, "workspace_count": {hour(5)}}
    for asset, checks in CHECKS.items():
        for check in checks:
            found = verdicts(instance, asset, check)
            assert sorted(found) == DAY
            for key, records in found.items():
                wanted = Status.FAILED if key in failing.get(check, ()) else Status.SUCCEEDED
                assert [record.status for record in records] == [wanted], (check, key)
    accounts = verdicts(instance, "delivered_batches", "accounting")
    exceptions, broken = (accounts[hour(number)][0].evaluation for number in (3, 9))
    assert exceptions.severity is dg.AssetCheckSeverity.WARN
    assert exceptions.description == ("complete with exceptions: 107 records read = 103 accepted + 4 quarantined")
    assert broken.severity is dg.AssetCheckSeverity.ERROR
    assert broken.metadata["records"].value == 500


def test_good_hours_are_recorded_when_others_fail(stages, instance):
    stages.errors["deliver", hour(5)] = [UserError("role Monitoring Metrics Publisher is missing on dcr-1; assign it")]
    result = run(stages, instance, tags=range_tags(DAY[0], DAY[-1]))
    assert not result.success
    made = [partition for partition, _ in materializations(instance, "delivered_batches")]
    assert sorted(made) == [key for key in DAY if key != hour(5)]
    assert stages.hours_of("deliver") == DAY
    found = verdicts(instance, "delivered_batches", "accounting")
    assert [key for key in DAY if found[key][0].status is Status.FAILED] == [hour(5)]
    red = found[hour(5)][0].evaluation
    assert red.severity is dg.AssetCheckSeverity.ERROR
    assert red.description.startswith("delivery failed: role Monitoring Metrics Publisher is missing on dcr-1; assign")
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    data = failure.step_failure_data.user_failure_data
    assert data.description == (
        "1 of 24 hours failed; 2026-11-20-05:00: role Monitoring Metrics Publisher is missing on dcr-1; assign it"
    )
    assert list(data.metadata) == [hour(5)]


LIVE = ("raw_logs", "parsed_logs", "scored_logs", "delivered_batches")


@pytest.mark.parametrize(
    ("stage", "asset", "error", "tries", "sentence"),
    [
        ("parse", "parsed_logs", UserError("part 7 is damaged"), 1, "part 7 is damaged"),
        ("parse", "parsed_logs", ZeroDivisionError("a bug"), 4, "ZeroDivisionError: a bug"),
        ("raw", "raw_logs", ZeroDivisionError("a bug"), 8, "ZeroDivisionError: a bug"),  # all hours first, then each
        ("score", "scored_logs", LeaseLostError("taken over"), 4, "taken over"),
    ],
)
def test_an_hour_that_fails_early_holds_up_no_other_and_the_last_step_names_it(
    stages, instance, stage, asset, error, tries, sentence
):
    hours, bad = DAY[3:9], hour(5)
    stages.errors[stage, bad] = [error] * 100
    result = run(stages, instance, tags=range_tags(hours[0], hours[-1]))
    assert not result.success
    assert stages.hours_of(stage).count(bad) == tries
    good = [key for key in hours if key != bad]
    assert stages.hours_of("deliver") == good
    at = LIVE.index(asset)
    for place, name in enumerate(LIVE):
        made = sorted({partition for partition, _ in materializations(instance, name)})
        assert made == (hours if place < at else good), name
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert failure.step_key == "cloudtrail__delivered_batches"
    data = failure.step_failure_data.user_failure_data
    assert data.description == f"1 of 6 hours failed; {bad}: {asset}: {sentence}"
    (record,) = instance.fetch_observations(dg.AssetKey(["cloudtrail", asset]), limit=9).records
    assert (record.partition_key, record.asset_observation.description) == (bad, f"failed: {sentence}")
    accounts = verdicts(instance, "delivered_batches", "accounting")
    assert {key: records[0].status for key, records in accounts.items()} == dict.fromkeys(good, Status.SUCCEEDED) | {
        bad: Status.FAILED
    }
    assert accounts[bad][0].evaluation.description.startswith(f"{asset} failed: {sentence}; ")


def test_several_bad_hours_are_all_named(stages, instance):
    for number in (1, 4):
        stages.errors["parse", hour(number)] = [UserError(f"damaged {number}")]
    for number in (2, 6):
        stages.errors["deliver", hour(number)] = [UserError(f"refused {number}")]
    result = run(stages, instance, tags=range_tags(DAY[0], DAY[7]))
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    data = failure.step_failure_data.user_failure_data
    assert data.description == (
        f"4 of 8 hours failed; {hour(1)}: parsed_logs: damaged 1; {hour(2)}: refused 2; "
        f"{hour(4)}: parsed_logs: damaged 4; also {hour(6)}"
    )
    assert list(data.metadata) == [hour(1), hour(2), hour(4), hour(6)]
    assert {key for key, _ in materializations(instance, "delivered_batches")} == {hour(n) for n in (0, 3, 5, 7)}


def test_an_hour_alone_fails_at_the_step_that_failed_and_its_old_verdict_does_not_stand(stages, instance):
    assert run(stages, instance, one=hour(5)).success
    stages.errors["parse", hour(5)] = [UserError("part 7 is damaged")]
    result = run(stages, instance, one=hour(5))
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert failure.step_key == "cloudtrail__parsed_logs"
    assert failure.step_failure_data.user_failure_data.description == "part 7 is damaged"
    assert stages.hours_of("score") == [hour(5)]
    (records,) = verdicts(instance, "delivered_batches", "accounting").values()
    assert records[0].evaluation.description == (
        "parsed_logs failed: part 7 is damaged; complete: 105 records read = 105 accepted"
    )


def test_where_every_hour_fails_nothing_follows(stages, instance):
    for key in DAY[:3]:
        stages.errors["parse", key] = [UserError("the ledger is locked")]
    result = run(stages, instance, tags=range_tags(DAY[0], DAY[2]))
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert failure.step_key == "cloudtrail__parsed_logs"
    assert failure.step_failure_data.user_failure_data.description == "the ledger is locked"
    assert stages.hours_of("deliver") == []


def test_the_cause_of_what_nobody_foresaw_is_kept(stages, instance):
    stages.errors["deliver", hour(1)] = [ZeroDivisionError("a bug")] * 4
    result = run(stages, instance, one=hour(1))
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert failure.step_failure_data.user_failure_data.description == "ZeroDivisionError: a bug"
    assert "stages.py" in "".join(failure.step_failure_data.error.cause.stack)


SHARED = FakeStages()


def live_job_again():
    return build_defs(config_of(), stages=SHARED).resolve_job_def("cloudtrail_live")


def test_a_run_repeated_from_its_failure_remembers_the_hours_that_its_first_steps_lack(instance):
    SHARED.errors["parse", hour(1)] = [UserError("part 7 is damaged")]
    job = dg.reconstructable(live_job_again)
    tags = range_tags(DAY[0], DAY[2])
    first = dg.execute_job(job, instance, run_config=QUIET, tags=tags)
    assert SHARED.hours_of("deliver") == [hour(0), hour(2)]
    options = dg.ReexecutionOptions.from_failure(first.run_id, instance)
    again = dg.execute_job(job, instance, run_config=QUIET, tags=tags, reexecution_options=options)
    assert not again.success
    assert SHARED.hours_of("parse") == DAY[:3]
    assert SHARED.hours_of("deliver") == [hour(0), hour(2)] * 2
    whole = dg.ReexecutionOptions(parent_run_id=again.run_id)
    assert dg.execute_job(job, instance, run_config=QUIET, tags=tags, reexecution_options=whole).success
    assert {key for key, _ in materializations(instance, "delivered_batches")} == set(DAY[:3])


def test_what_passes_by_itself_is_tried_again(stages, instance):
    stages.errors["deliver", hour(5)] = [_chain(UserError("cannot be reached"), ConnectionRefusedError())] * 2
    assert run(stages, instance, one=hour(5)).success
    assert stages.hours_of("deliver") == [hour(5)] * 3


def test_a_user_error_is_one_sentence_and_is_not_tried_again(stages, instance):
    stages.errors["discover", "cloudtrail"] = [UserError("bucket logs does not exist; check 'bucket'")] * 2
    result = run(stages, instance, one=hour(1))
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert failure.step_failure_data.user_failure_data.description == "bucket logs does not exist; check 'bucket'"
    assert stages.hours_of("discover") == [""]
    assert stages.hours_of("parse") == []


def test_a_check_that_cannot_be_made_says_so_and_fails_nothing(stages, instance):
    stages.errors["prove", hour(2)] = [UserError("the ledger is locked")]
    assert run(stages, instance, one=hour(2)).success
    ((record,),) = verdicts(instance, "delivered_batches", "workspace_count").values()
    assert record.evaluation.description == "could not be checked: the ledger is locked"
    assert record.evaluation.severity is dg.AssetCheckSeverity.WARN


def test_the_seal_run_takes_hours_in_order_and_reports_the_seal(stages, instance):
    assert run(stages, instance, job="cloudtrail_seal", tags=range_tags(hour(2), hour(6))).success
    assert stages.hours_of("state") == stages.hours_of("seal") == [hour(number) for number in range(2, 7)]
    assert stages.hours_of("score") == []
    assert {metadata["sealed"].value for _, metadata in materializations(instance, "entity_state")} == {1}


def test_an_hour_that_cannot_be_parsed_is_sealed_and_holds_up_no_state_but_its_own(stages, instance):
    hours = DAY[3:9]
    stages.errors["parse", hour(3)] = stages.errors["parse", hour(5)] = [UserError("part 7 is damaged")] * 9
    stages.accounts["cloudtrail", hour(4)] = {"objects": 0}
    result = run(stages, instance, job="cloudtrail_seal", tags=range_tags(hours[0], hours[-1]))
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert failure.step_failure_data.user_failure_data.description == (
        f"2 of 6 hours failed; {hour(3)}: part 7 is damaged; {hour(5)}: part 7 is damaged"
    )
    assert stages.hours_of("discover") == [""]
    assert stages.hours_of("seal") == hours
    made = [hour(4), hour(6), hour(7), hour(8)]
    assert stages.hours_of("state") == [key for key, _ in materializations(instance, "entity_state")] == made
    # An hour without objects has nothing to account for; of the others it is told anew, now that they are sealed.
    assert sorted(verdicts(instance, "delivered_batches", "accounting")) == [key for key in hours if key != hour(4)]


def test_what_turned_up_last_is_listed_and_parsed_before_the_seal(stages, instance):
    assert run(stages, instance, job="cloudtrail_seal", one=hour(2)).success
    order = ["discover", "raw", "parse", "seal", "state", "account", "progress"]
    assert [stage for stage, *_ in stages.calls] == order


def test_a_sealed_hour_that_is_incomplete_turns_red(stages, instance):
    stages.accounts["cloudtrail", hour(2)] = {"accepted": 1, "sealed": True}
    assert run(stages, instance, job="cloudtrail_seal", one=hour(2)).success
    ((record,),) = verdicts(instance, "delivered_batches", "accounting").values()
    assert record.evaluation.severity is dg.AssetCheckSeverity.ERROR
    assert record.evaluation.description.startswith("the hour is sealed and still incomplete")


def test_states_wait_for_an_hour_that_may_succeed_at_another_try(stages, instance):
    stages.errors["parse", hour(3)] = [_chain(UserError("slow"), TimeoutError())] * 2
    assert run(stages, instance, job="cloudtrail_seal", tags=range_tags(hour(2), hour(4))).success
    states = stages.hours_of("state")
    assert states.index(hour(3)) < states.index(hour(4))
    stages.errors["parse", hour(6)] = [_chain(UserError("slow"), TimeoutError())] * 9
    assert not run(stages, instance, job="cloudtrail_seal", tags=range_tags(hour(5), hour(7))).success
    assert hour(7) in stages.hours_of("state")


@pytest.mark.parametrize("last", [hour(4), hour(6)])
def test_delivery_does_not_wait_for_a_state_even_in_one_run_of_all_assets(stages, instance, last):
    hours = [key for key in DAY if hour(4) <= key <= last]
    for key in hours:
        stages.errors["state", key] = [UserError("the model is missing")]
    defs = build_defs(config_of(), stages=stages)
    result = defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance,
        asset_selection=[dg.AssetKey(["cloudtrail", name]) for name in (*LIVE, "entity_state")],
        partition_key=hour(4) if len(hours) == 1 else None,
        tags=range_tags(hours[0], last) if len(hours) > 1 else {},
        run_config=QUIET,
        raise_on_error=False,
    )
    assert not result.success
    assert stages.hours_of("deliver") == hours
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert failure.step_failure_data.user_failure_data.description == "entity_state: the model is missing"
    assert materializations(instance, "entity_state") == []
    assert [key for key, _ in materializations(instance, "delivered_batches")] == hours


def test_a_state_that_has_to_wait_for_another_run_is_tried_again_and_is_never_green(stages, instance):
    answers = [
        StageSummary("cloudtrail", hour(2), busy=1),
        StageSummary("cloudtrail", hour(2), problems=["not parsed"]),
    ]
    made = stages.advance_state
    stages.advance_state = lambda source, key: answers.pop(0) if answers else made(source, key)
    assert run(stages, instance, job="cloudtrail_seal", one=hour(2)).success
    assert stages.hours_of("seal") == [hour(2)] * 3
    answers[:] = [StageSummary("cloudtrail", hour(3), problems=["1 parts are not parsed yet"]) for _ in range(4)]
    result = run(stages, instance, job="cloudtrail_seal", one=hour(3))
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert failure.step_failure_data.user_failure_data.description == "1 parts are not parsed yet"
    assert {partition for partition, _ in materializations(instance, "entity_state")} == {hour(2)}


def test_an_hour_that_may_not_be_sealed_yet_is_left_as_it_is_and_says_so(stages, instance):
    open_hour = StageSummary("cloudtrail", hour(2), counts={"sealed": 0}, problems=["hour is open"])
    stages.seal = lambda source, key: open_hour
    stages.advance_state = lambda source, key: StageSummary(source, key, counts={"sealed": 0})
    assert run(stages, instance, job="cloudtrail_seal", one=hour(2)).success
    ((_, metadata),) = materializations(instance, "entity_state")
    assert metadata["sealed"].value == 0
    assert metadata["problems"].records[0].data == {"problem": "hour is open"}


def test_the_other_source_is_left_alone(stages, instance):
    run(stages, instance, one=hour(1))
    assert {source for _, source, _ in stages.calls} == {"cloudtrail"}
    assert materializations(instance, "raw_logs", "vpc_flow") == []


def _chain(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (UserError("bucket is missing"), False),
        (_chain(UserError("cannot be reached"), ConnectionRefusedError()), True),
        (_chain(UserError("slow"), TimeoutError()), True),
        (_chain(UserError("x"), ValueError()), False),
        (_chain(UserError("x"), _chain(RuntimeError(), BrokenPipeError())), True),
        (LeaseLostError("taken over"), True),
    ],
)
def test_only_what_passes_by_itself_is_tried_again(error, again):
    assert failures.worth_retrying(error) is again


def test_botocore_errors_are_told_apart():
    from botocore import exceptions

    passing = exceptions.EndpointConnectionError(endpoint_url="http://127.0.0.1:1")
    lasting = exceptions.SSLError(endpoint_url="https://127.0.0.1:1", error="self-signed")
    assert failures.worth_retrying(_chain(UserError("x"), passing))
    assert not failures.worth_retrying(_chain(UserError("x"), lasting))
    assert not failures.worth_retrying(_chain(UserError("x"), exceptions.NoCredentialsError()))
