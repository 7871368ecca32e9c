"""Runs are killed at any instant and overlap; every event is in the workspace exactly once all the same."""

import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from s3sentinel_assets.hours import hour_start
from s3sentinel_assets.ledger.schema import BatchState, batch, stage
from s3sentinel_assets.pipeline import proofs
from s3sentinel_assets.pipeline.delivery import sweep_unknown
from tests.e2e import logs

CLOUDTRAIL = "cloudtrail"
OBJECTS, EVENTS = 12, 60
WORKER = Path(__file__).with_name("worker.py")
LIMITS = {"part_objects": 3, "lease_seconds": 1}


def _start(world, hour: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, str(WORKER), str(world.laptop.config_file), CLOUDTRAIL, hour],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _fill(world, hour: str, minute) -> None:
    start = hour_start(hour)
    for number in range(OBJECTS):
        body = logs.cloudtrail(logs.records(start, EVENTS, number * 40))  # twenty events repeat the next object's first
        world.put(logs.key(CLOUDTRAIL, start, f"{number:02}.json.gz"), body, minute(hour, number))


def _later_traffic(world, hour: str, minute, turn: int) -> None:
    """An object of a later hour: a batch counts as absent only once one that was sent after it can be seen."""
    events = [logs.record(hour_start(hour), turn, recipientAccountId="999988887777")]
    world.put(
        logs.key(CLOUDTRAIL, hour_start(hour), f"later{turn}.json.gz"), logs.cloudtrail(events), minute(hour, turn)
    )
    world.bring_up(CLOUDTRAIL, hour)


def _assert_whole(world, hour: str) -> None:
    account = world.account(CLOUDTRAIL, hour)
    distinct = (OBJECTS - 1) * 40 + EVENTS
    assert account.verdict == "complete", account
    assert account.accepted == distinct
    assert account.filtered == OBJECTS * EVENTS - distinct
    assert proofs.prove_hour(world.runtime, CLOUDTRAIL, hour).agrees
    found = world.rows(
        f"AWSCloudTrail | where RecipientAccountId == '{logs.ACCOUNT}' | summarize n = count() by AwsEventId"
        " | summarize rows = sum(n), events = count()"
    )
    assert found == [{"rows": distinct, "events": distinct}]
    with world.runtime.ledger.read() as connection:
        doubled = connection.execute(
            sa.select(stage.c.part_id).group_by(stage.c.part_id, stage.c.stage).having(sa.func.count() > 1)
        ).all()
    assert doubled == []


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_killed_runs_are_finished_by_the_next_and_nothing_is_lost_or_doubled(make_world, hours, minute):
    world = make_world(
        limits=LIMITS, sentinel={"unknown_bound_minutes": 0, "read_timeout_seconds": 1, "upload_threads": 2}
    )
    world.laptop.workspace.set_faults(slow_seconds=0.05)
    hour = hours[1]
    _fill(world, hour, minute)
    dice = random.Random(11)
    kills = 0
    for _ in range(12):
        child = _start(world, hour)
        assert child.stdout is not None
        assert child.stdout.readline() == "started\n"
        try:
            child.communicate(timeout=dice.uniform(0.0, 1.6))
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            kills += 1
    assert kills >= 3
    for turn in range(20):
        child = _start(world, hour)
        out, err = child.communicate(timeout=120)
        assert out.endswith("finished\n"), err
        _later_traffic(world, hours[2], minute, turn)
        sweep_unknown(world.runtime, CLOUDTRAIL)
        if world.account(CLOUDTRAIL, hour).verdict == "complete":
            break
    _assert_whole(world, hour)


@pytest.mark.slow
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_overlapping_runs_do_each_part_once(make_world, hours, minute, database, request):
    ledger = {"url": request.getfixturevalue("postgresql_url")} if database == "postgresql" else {}
    world = make_world(limits=LIMITS | {"lease_seconds": 30}, ledger=ledger)
    hour = hours[1]
    _fill(world, hour, minute)
    children = [_start(world, hour) for _ in range(3)]
    threads = [threading.Thread(target=child.wait) for child in children]
    for thread in threads:
        thread.start()
    outputs = [child.communicate(timeout=120) for child in children]
    for thread in threads:
        thread.join()
    assert all(out.endswith("finished\n") for out, _ in outputs), outputs
    world.bring_up(CLOUDTRAIL, hour)  # whatever a run left to another that was busy is finished by now
    _assert_whole(world, hour)
    with world.runtime.ledger.read() as connection:
        states = set(connection.execute(sa.select(batch.c.state)).scalars())
        tries = set(connection.execute(sa.select(batch.c.tries)).scalars())
    assert (states, tries) == ({BatchState.ACCEPTED}, {1})
