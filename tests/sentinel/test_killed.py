"""A worker killed at any step; the next one and the sweep bring every event to the workspace exactly once."""

import random
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from s3sentinel_assets.hours import utc_now
from s3sentinel_assets.ledger.schema import BatchState
from s3sentinel_assets.sentinel.resolution import resolve_unknown

#: Moments of an undisturbed run of the part below: kills are drawn from all of them.
STEPS = 60


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_every_event_arrives_once_whatever_is_killed(seed, world, workspace, settings, client, query):
    draw = random.Random(seed)
    settings = settings.model_copy(update={"upload_threads": 2})
    part_id = world.plan(settings, 70)
    killed = 0
    for _ in range(2):
        victim = subprocess.run(
            [
                sys.executable,
                "-m",
                "tests.sentinel.victim",
                str(world.folder),
                settings.model_dump_json(),
                str(part_id),
                str(draw.randint(1, STEPS)),
            ],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert victim.returncode in (0, -9), victim.stderr.decode()
        killed += victim.returncode == -9
        with world.ledger.write() as connection:
            connection.exec_driver_sql("UPDATE lease SET expires_at = 0")  # as if its time had run out
    assert killed
    world.deliver(client, settings, part_id)
    world.deliver(client, settings, world.plan(settings, 3))  # a later batch, so that absence can be proved
    later = utc_now() + timedelta(hours=1)
    summary = resolve_unknown(world.ledger, world.store, client, query, settings, later)
    assert summary.problems == [] and summary.still_unknown == 0
    batches = world.batches(part_id)
    assert {batch.state for batch in batches} == {BatchState.ACCEPTED}
    found = query.count_batches("AWSCloudTrail", [batch.id for batch in batches])
    assert {batch.id: (batch.rows, batch.rows) for batch in batches} == {
        batch_id: (there.rows, there.events) for batch_id, there in found.items()
    }
    assert sum(batch.rows for batch in batches) == 70
