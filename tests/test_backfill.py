"""Spans of hours in one action: the waves of `run_hours`, and the back-fill that the Dagster UI starts."""

import logging
import time
from pathlib import Path

import dagster as dg
import pytest

from s3sentinel_assets.assets import delivered, parsed, raw, scored, state
from s3sentinel_assets.backfill import folder_instance, run_hours
from s3sentinel_assets.definitions import build_defs
from s3sentinel_assets.errors import ConfigurationError, UserError
from s3sentinel_assets.s3.key_grammar import KeyFilter
from tests.stages import FakeStages, config_of, hour

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    for module in (raw, parsed, state, scored, delivered):
        monkeypatch.setattr(module, "RETRY_POLICY", None)


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


def test_three_waves_a_day_in_order(stages, defs, instance):
    told = []
    results = run_hours(defs, instance, ["cloudtrail", "vpc_flow"], hour(20), "2026-11-21-21:00", told.append)
    assert results == told
    assert all(result.ok for result in results)
    assert [(result.source, result.wave, result.first, result.last) for result in results[:6]] == [
        ("cloudtrail", "list and parse", hour(20), "2026-11-21-19:00"),
        ("cloudtrail", "seal and state", hour(20), "2026-11-21-19:00"),
        ("cloudtrail", "score and deliver", hour(20), "2026-11-21-19:00"),
        ("cloudtrail", "list and parse", "2026-11-21-20:00", "2026-11-21-21:00"),
        ("cloudtrail", "seal and state", "2026-11-21-20:00", "2026-11-21-21:00"),
        ("cloudtrail", "score and deliver", "2026-11-21-20:00", "2026-11-21-21:00"),
    ]
    assert [(result.done, result.total) for result in results] == [(number, 12) for number in range(1, 13)]
    for stage in ("seal", "state", "score", "deliver"):
        hours = stages.hours_of(stage)
        assert len(hours) == 26
        assert hours == sorted(hours)
    for stage in ("raw", "parse"):  # once for their own assets, once before the seal
        assert stages.hours_of(stage) == [*hours[:24], *hours[:24], *hours[24:], *hours[24:]]
    order = [(stage, key) for stage, source, key in stages.calls if source == "cloudtrail"]
    assert order.index(("state", "2026-11-21-19:00")) < order.index(("score", hour(20)))
    assert {run.tags["s3sentinel/trigger"] for run in instance.get_runs()} == {"backfill"}
    assert instance.get_runs_count() == 12


def test_a_narrowed_backfill_lists_that_alone_and_seals_nothing(stages, defs, instance):
    narrowed = raw.Narrowed(account="111122223333", region="eu-west-1", ask_again=True)
    results = run_hours(defs, instance, ["cloudtrail"], hour(4), hour(5), narrowed=narrowed)
    assert [result.wave for result in results] == ["list and parse", "score and deliver"]
    assert all(result.ok and result.total == 2 for result in results)
    assert stages.narrowed == [(KeyFilter(account="111122223333", region="eu-west-1"), True)]
    assert stages.hours_of("seal") == stages.hours_of("listing") == []
    assert stages.hours_of("deliver") == [hour(4), hour(5)]


def test_one_hour_carries_its_partition(defs, instance):
    run_hours(defs, instance, ["vpc_flow"], hour(4), hour(4))
    assert {run.tags["dagster/partition"] for run in instance.get_runs()} == {hour(4)}


def test_what_fails_is_named_and_the_rest_is_delivered(stages, defs, instance):
    stages.errors["parse", hour(1)] = [UserError("s3://logs/x is encrypted; allow kms:Decrypt")]
    results = run_hours(defs, instance, ["cloudtrail"], hour(0), hour(2))
    assert [result.ok for result in results] == [False, True, True]
    assert results[0].problems == (
        "1 of 3 hours failed; 2026-11-20-01:00: s3://logs/x is encrypted; allow kms:Decrypt",
    )
    assert stages.hours_of("deliver") == [hour(0), hour(1), hour(2)]


def test_what_is_scored_is_delivered_though_another_hour_is_not(stages, defs, instance):
    stages.errors["score", hour(1)] = [UserError("the model is missing")]
    results = run_hours(defs, instance, ["cloudtrail"], hour(0), hour(2))
    assert [result.ok for result in results] == [True, True, False]
    assert results[2].problems == ("1 of 3 hours failed; 2026-11-20-01:00: scored_logs: the model is missing",)
    assert stages.hours_of("deliver") == [hour(0), hour(2)]


def test_a_bug_is_told_in_a_line(stages, defs, instance):
    stages.errors["score", hour(0)] = [ZeroDivisionError("division by zero")]
    results = run_hours(defs, instance, ["cloudtrail"], hour(0), hour(0))
    assert results[2].problems == ("ZeroDivisionError: division by zero",)


@pytest.mark.parametrize(
    ("sources", "first", "last", "kind", "words"),
    [
        (["nobody"], hour(0), hour(1), ConfigurationError, "no enabled source 'nobody'"),
        (["cloudtrail"], hour(2), hour(1), UserError, "is after the last one"),
        (["cloudtrail"], "2026-11-19-23:00", hour(1), UserError, "2026-11-19-23:00 is no hour of cloudtrail"),
        (["cloudtrail"], hour(1), "tomorrow", UserError, "tomorrow is no hour of cloudtrail"),
    ],
)
def test_wrong_spans_are_refused_before_anything_runs(stages, defs, instance, sources, first, last, kind, words):
    with pytest.raises(kind, match=words):
        run_hours(defs, instance, sources, first, last)
    assert stages.calls == []


def test_the_folders_own_instance_keeps_history(tmp_path, monkeypatch, defs):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    with pytest.raises(ConfigurationError, match=r"holds no dagster\.yaml"), folder_instance():
        pass
    (tmp_path / "dagster.yaml").write_bytes((REPOSITORY / "dagster.yaml").read_bytes())
    with folder_instance() as instance:
        run_hours(defs, instance, ["cloudtrail"], hour(1), hour(2))
    with folder_instance() as instance:
        assert instance.get_runs_count() == 3
        key = dg.AssetKey(["cloudtrail", "delivered_batches"])
        assert instance.get_materialized_partitions(key) == {hour(1), hour(2)}
        assert not instance.telemetry_enabled
    assert sorted(path.name for path in tmp_path.iterdir()) == [".dagster", "dagster.yaml"]


CODE_LOCATION = """
from s3sentinel_assets.definitions import build_defs
from tests.stages import FakeStages, config_of

defs = build_defs(config_of(), stages=FakeStages())
"""


@pytest.mark.slow
def test_the_back_fill_of_the_ui_completes(tmp_path, monkeypatch):
    """All assets of three hours, as the button in the UI launches them, carried out by the daemon's own code."""
    from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
    from dagster._core.test_utils import create_test_daemon_workspace_context
    from dagster._core.workspace.load_target import PythonFileTarget
    from dagster._daemon.backfill import execute_backfill_iteration

    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    (tmp_path / "location.py").write_text(CODE_LOCATION)
    target = PythonFileTarget(str(tmp_path / "location.py"), None, str(REPOSITORY), None)
    home = tmp_path / "home"
    home.mkdir()
    overrides = {
        "run_launcher": {
            "module": "dagster._core.launcher.sync_in_memory_run_launcher",
            "class": "SyncInMemoryRunLauncher",
        },
        "run_coordinator": {"module": "dagster._core.run_coordinator", "class": "DefaultRunCoordinator"},
    }
    hours = [hour(5), hour(6), hour(7)]
    names = ("raw_logs", "parsed_logs", "entity_state", "scored_logs", "delivered_batches")
    keys = [dg.AssetKey(["cloudtrail", name]) for name in names]
    with (
        dg.instance_for_test(temp_dir=str(home), overrides=overrides) as instance,
        create_test_daemon_workspace_context(target, instance) as workspace,
    ):
        graph = workspace.create_request_context().asset_graph
        backfill = PartitionBackfill.from_asset_partitions(
            backfill_id="three",
            asset_graph=graph,
            partition_names=hours,
            asset_selection=keys,
            backfill_timestamp=time.time(),
            tags={},
            dynamic_partitions_store=instance,
            all_partitions=False,
            title=None,
            description=None,
            run_config=None,
        )
        instance.add_backfill(backfill)
        logger = logging.getLogger("backfill")
        for _ in range(12):
            errors = [error for error in execute_backfill_iteration(workspace, logger) if error]
            assert errors == []
            status = instance.get_backfill("three").status
            if status is not BulkActionStatus.REQUESTED:
                break
        assert status is BulkActionStatus.COMPLETED_SUCCESS
        for key in keys:
            # By its lineage Dagster may add the hour after the last one to what leans on the state before it.
            assert set(hours) <= instance.get_materialized_partitions(key) <= {*hours, hour(8)}
        runs = [sorted({key.path[-1] for key in run.asset_selection}) for run in instance.get_runs()]
    assert runs[::-1] == [["parsed_logs", "raw_logs"], ["entity_state"], ["delivered_batches", "scored_logs"]]
