"""A run inside a command that was killed holds no place in the queue."""

import subprocess
import sys

import dagster as dg
import pytest

from s3sentinel_assets.orphans import fail_orphans, process_tags


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def _run(instance, tags, status=dg.DagsterRunStatus.STARTED) -> str:
    job = dg.GraphDefinition("g").to_job()
    return instance.create_run_for_job(job, status=status, tags=tags).run_id


def test_runs_of_a_dead_process_are_failed_and_no_others(instance):
    asked = "from s3sentinel_assets.orphans import process_tags as p; print(p()['s3sentinel/process'])"
    dead = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout.strip()
    own = process_tags()
    orphan = _run(instance, own | {"s3sentinel/process": dead})
    alive = _run(instance, own)
    launched = _run(instance, {})
    elsewhere = _run(instance, own | {"s3sentinel/process": "another-host|1|1"})
    reused = own["s3sentinel/process"].rsplit("|", 1)[0] + "|1"  # our process id, but another start
    earlier = _run(instance, own | {"s3sentinel/process": reused})
    finished = _run(instance, own | {"s3sentinel/process": dead}, dg.DagsterRunStatus.SUCCESS)
    assert set(fail_orphans(instance)) == {orphan, earlier}
    statuses = {run.run_id: run.status for run in instance.get_runs()}
    assert statuses[orphan] == statuses[earlier] == dg.DagsterRunStatus.FAILURE
    assert {statuses[run] for run in (alive, launched, elsewhere)} == {dg.DagsterRunStatus.STARTED}
    assert statuses[finished] == dg.DagsterRunStatus.SUCCESS
    assert fail_orphans(instance) == []
