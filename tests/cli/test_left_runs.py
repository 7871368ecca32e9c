"""What a killed `s3sentinel dev` leaves in Dagster's history is put right, and nothing else is touched."""

import os
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.events import EngineEventData
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, SensorInstigatorData

from s3sentinel_assets.cli import left_runs
from s3sentinel_assets.cli.left_runs import fail_left_runs, stopped_by_hand
from s3sentinel_assets.orphans import process_tags


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def begun(instance, status, pid=None, tags=None) -> str:
    """A run as Dagster's launcher leaves it when everything is killed at once."""
    run = instance.create_run_for_job(dg.GraphDefinition("g").to_job(), status=status, tags=tags)
    if pid is not None:
        instance.report_engine_event(f"Started process for run (pid: {pid}).", run, EngineEventData.in_process(pid))
    return run.run_id


def test_runs_whose_process_is_gone_are_ended_and_no_others(instance):
    status = dg.DagsterRunStatus
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    lost = {
        begun(instance, status.STARTED, gone.pid): status.FAILURE,
        begun(instance, status.STARTING): status.FAILURE,  # its process was never born
        begun(instance, status.CANCELING, gone.pid): status.CANCELED,
    }
    kept = {
        begun(instance, status.STARTED, os.getpid()): status.STARTED,
        begun(instance, status.STARTED, None, process_tags()): status.STARTED,  # inside a command that goes on
        begun(instance, status.SUCCESS, gone.pid): status.SUCCESS,
        begun(instance, status.NOT_STARTED): status.NOT_STARTED,
    }
    assert set(fail_left_runs(instance)) == set(lost)
    assert {run.run_id: run.status for run in instance.get_runs()} == lost | kept
    assert fail_left_runs(instance) == []


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system does not tell when a process began")
def test_a_process_that_got_the_number_later_is_another_one():
    assert left_runs._alive(os.getpid(), time.time())
    assert not left_runs._alive(os.getpid(), 1_000_000_000.0)


def test_what_was_stopped_in_the_ui_is_named(tmp_path):
    place = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("s3sentinel"), "__repository__")
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        for name, status in (("b", "STOPPED"), ("a", "STOPPED"), ("c", "DECLARED_IN_CODE"), ("d", "RUNNING")):
            origin = RemoteInstigatorOrigin(place, name)
            state = InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus[status], SensorInstigatorData())
            instance.add_instigator_state(state)
        assert stopped_by_hand(instance) == ["a", "b"]


def test_a_folder_with_history_is_looked_after_and_says_so(tmp_path, monkeypatch, capsys):
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    left_runs.main()
    assert capsys.readouterr().out == ""
    with dg.DagsterInstance.get() as instance:
        run = begun(instance, dg.DagsterRunStatus.STARTED)
    left_runs.main()
    assert "runs that lost their process before, now failed: 1" in capsys.readouterr().out
    with dg.DagsterInstance.get() as instance:
        found = instance.get_run_by_id(run)
        assert found
        assert found.status is dg.DagsterRunStatus.FAILURE


def test_a_home_without_settings_is_left_to_dagster(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    left_runs.main()
    assert list(tmp_path.iterdir()) == []
