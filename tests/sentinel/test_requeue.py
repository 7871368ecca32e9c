"""Requeueing: what is dead can be sent again, and is at every moment in exactly one place."""

import json
from pathlib import Path

import polars as pl
import pytest
import yaml
from typer.testing import CliRunner

from s3sentinel_assets.cli import dead_letter as command
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.ledger.audit import decisions
from s3sentinel_assets.ledger.batches import delivery_lease
from s3sentinel_assets.ledger.dead_letters import count_dead_letters
from s3sentinel_assets.ledger.leases import take_lease
from s3sentinel_assets.ledger.schema import BatchState
from s3sentinel_assets.sentinel import requeue as requeue_module
from s3sentinel_assets.sentinel.requeue import requeue_dead
from tests.sentinel.frames import cloudtrail, scores_frame
from tests.sentinel.test_refusals import PickyClient, ends, letters, marked
from tests.sentinel.worlds import HOUR

REPOSITORY = Path(__file__).resolve().parents[2]


def audited(world):
    with world.ledger.read() as connection:
        return decisions(connection)


@pytest.fixture
def dead_part(world, settings):
    """A part with three dead rows."""
    client = PickyClient(settings)
    part_id = world.plan(settings, marked(60, {1, 2, 40}, 11))
    assert world.deliver(client, settings, part_id).done
    client.close()
    assert ends(world, part_id).count("dead") == 3
    return part_id


def test_dead_batches_are_sent_again(world, settings, client, query, dead_part):
    done = requeue_dead(world.ledger, "cloudtrail")
    assert (done.batches, done.rows, done.busy_parts, done.lone_rows, done.hours) == (3, 3, 0, 0, [HOUR])
    assert letters(world) == [] and ends(world, dead_part).count("retry") == 3
    opened = [batch for batch in world.batches(dead_part) if batch.state is BatchState.RETRY]
    assert all(batch.error.startswith("sent again on request; before: InvalidPayload") for batch in opened)
    summary = world.deliver(client, settings, dead_part)
    assert summary.done and summary.accepted_rows == 3
    assert ends(world, dead_part) == ["accepted"] * 60
    ids = [batch.id for batch in world.batches(dead_part) if batch.state is BatchState.ACCEPTED]
    found = query.count_batches("AWSCloudTrail", ids).values()
    assert sum(there.rows for there in found) == sum(there.events for there in found) == 60
    assert requeue_dead(world.ledger, "cloudtrail").batches == 0
    [decision] = audited(world)
    assert (decision.action, decision.hour, decision.target) == (
        "dead-letter requeue",
        HOUR,
        "3 dead letters (refused)",
    )
    assert decision.detail["rows"] == 3 and set(decision.detail["letters"].values()) == {one.id for one in opened}


def test_only_what_was_asked_for(world, dead_part):
    for arguments in (("vpc_flow",), ("cloudtrail", "2026-11-01-14:00"), ("cloudtrail", HOUR, "row_too_large")):
        done = requeue_dead(world.ledger, *arguments)
        assert (done.batches, done.hours) == (0, [])
    assert len(letters(world)) == 3
    assert requeue_dead(world.ledger, "cloudtrail", HOUR, "refused").batches == 3


def test_a_busy_part_is_left_alone(world, dead_part):
    take_lease(world.ledger, delivery_lease(dead_part), "somebody", 60)
    done = requeue_dead(world.ledger, "cloudtrail")
    assert (done.batches, done.busy_parts) == (0, 1) and len(letters(world)) == 3


def test_a_lost_lease_changes_nothing(world, dead_part, monkeypatch):
    real = requeue_module.requeue_dead_batches

    def late(connection, held, part_id, **options):
        connection.exec_driver_sql("UPDATE lease SET epoch = epoch + 1")
        return real(connection, held, part_id, **options)

    monkeypatch.setattr(requeue_module, "requeue_dead_batches", late)
    done = requeue_dead(world.ledger, "cloudtrail")
    assert (done.batches, done.busy_parts) == (0, 1)
    assert len(letters(world)) == 3 and ends(world, dead_part).count("dead") == 3
    assert audited(world) == []


def test_a_row_that_fitted_no_batch_stays(world, settings):
    frame = cloudtrail(3, 1).with_columns(
        UserAgent=pl.when(pl.int_range(3) == 1).then(pl.lit("x" * 12_000)).otherwise("UserAgent")
    )
    world.commit(world.draft(world.part(), settings, [frame], [scores_frame(3)]))
    done = requeue_dead(world.ledger, "cloudtrail")
    assert (done.batches, done.lone_rows, done.hours) == (0, 1, [])
    with world.ledger.read() as connection:
        [entry] = count_dead_letters(connection)
    assert (entry.reason, entry.letters, entry.rows, entry.lone_rows) == ("row_too_large", 1, 1, 1)


@pytest.fixture
def command_line(world, tmp_path, monkeypatch):
    values = yaml.safe_load((REPOSITORY / "s3sentinel.yaml").read_text())
    values["ledger"] = {"url": f"sqlite:///{world.folder / 'ledger.db'}"}
    path = tmp_path / "s3sentinel.yaml"
    path.write_text(yaml.safe_dump(values))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments):
        return CliRunner().invoke(command.app, [*arguments, "--config", str(path)])

    return run


def test_the_command_lists_and_requeues(world, dead_part, command_line):
    shown = command_line("list")
    assert shown.exit_code == 0 and "refused" in shown.output and HOUR in shown.output
    listed = json.loads(command_line("list", "--json", "--source", "cloudtrail", "--hour", HOUR).output)
    assert (listed["hour"], listed["rows"], listed["lone_rows"]) == (HOUR, 3, 0)
    done = command_line("requeue", "--source", "cloudtrail", "--hour", "2026-11-01T13:00Z")
    assert done.exit_code == 0 and "3 batches with 3 rows will be sent again" in done.output and HOUR in done.output
    assert command_line("list").output == "no dead letters\n"
    assert command_line("list", "--json").output == ""
    assert "0 batches" in command_line("requeue", "--source", "cloudtrail").output


def test_the_command_tells_of_what_stays(world, settings, dead_part, command_line):
    frame = marked(1, {}, 3).with_columns(UserAgent=pl.lit("x" * 12_000))
    world.commit(world.draft(world.part(), settings, [frame], [scores_frame(1)]))
    take_lease(world.ledger, delivery_lease(dead_part), "somebody", 60)
    busy = command_line("requeue", "--source", "cloudtrail")
    assert busy.exit_code == 1 and "1 parts are being sent" in busy.output
    assert "1 rows fit no request and stay dead" in busy.output
    wrong = command_line("requeue", "--source", "nosuch")
    assert isinstance(wrong.exception, UserError) and "nosuch" in str(wrong.exception)
