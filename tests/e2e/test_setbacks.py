"""Scoring after a setback: a killed worker, a failing model, a damaged file. Events go out, nothing is told wrongly."""

from datetime import timedelta

import polars as pl
import pytest
import sqlalchemy as sa

from s3sentinel_assets.errors import LeaseLostError, UserError
from s3sentinel_assets.hours import hour_key, hour_start, shift_hour
from s3sentinel_assets.ledger.batches import batches_of_part
from s3sentinel_assets.ledger.held import held_now
from s3sentinel_assets.ledger.leases import take_lease
from s3sentinel_assets.ledger.parts import parts_of_hour
from s3sentinel_assets.ledger.schema import BatchKind, Stage, lease, state
from s3sentinel_assets.ledger.stages import latest_stages
from s3sentinel_assets.ledger.states import newest_state
from s3sentinel_assets.ledger.verdicts import Origin, Verdict, Word, record_verdicts
from s3sentinel_assets.pipeline import delivery, discovery, hour_rows, parsing, scoring
from s3sentinel_assets.pipeline.summary import StageSummary
from s3sentinel_assets.sentinel.hour_bodies import planned_rows
from tests.e2e import logs
from tests.e2e.test_held import (
    TRAIL,
    check_replays,
    close,
    deliver,
    first_times_are_high,
    history,
    known,
    say,
    strange,
    ten_days,
)


@pytest.fixture
def world(make_world, tmp_path, now):
    return ten_days(make_world, first_times_are_high(tmp_path / "models"), now)


@pytest.fixture
def first(world) -> str:
    """An hour that history knows."""
    hour = shift_hour(hour_key(world.runtime.config.start), 20)
    deliver(world, hour, known(hour))
    close(world, hour)
    return hour


def by(who: str, record: dict) -> dict:
    identity = {"arn": f"arn:aws:iam::{logs.ACCOUNT}:user/{who}", "userName": who}
    return record | {"userIdentity": record["userIdentity"] | identity}


def bob(hour: str, number: int, name: str) -> dict:
    return by("bob", strange(hour, number, name))


def two_parts(world, hour: str, *bodies: list[dict]) -> list:
    """Parses an hour whose objects come one after the other."""
    for number, entries in enumerate(bodies):
        at = hour_start(hour) + timedelta(minutes=20 + number)
        key = logs.key(TRAIL, hour_start(hour), f"{hour[-5:-3]}-{number}.json.gz", ("us-east-1", "eu-west-1")[number])
        world.put(key, logs.cloudtrail(entries), at)
        discovery.discover(world.runtime, TRAIL, [hour])
        parsing.parse_hour(world.runtime, TRAIL, hour)
    with world.runtime.ledger.read() as connection:
        return parts_of_hour(connection, TRAIL, hour)


def scored(world, hour: str) -> dict:
    with world.runtime.ledger.read() as connection:
        return latest_stages(connection, [part.id for part in parts_of_hour(connection, TRAIL, hour)], Stage.SCORED)


def told(world, hour: str) -> list[tuple]:
    """Who, which revision, final, how many events: the rows about the hour's principals."""
    with world.runtime.ledger.read() as connection:
        batches = [
            one
            for part in parts_of_hour(connection, TRAIL, hour)
            for one in batches_of_part(connection, part.id)
            if one.kind is BatchKind.ENTITY_HOURS
        ]
    rows = planned_rows(world.runtime.store, batches)
    return sorted((row["Principal"].rpartition("/")[2], row["Revision"], row["Final"], row["Events"]) for row in rows)


def damage(world, uri: str) -> None:
    path = world.runtime.store.path(uri)
    path.write_bytes(path.read_bytes()[:-10])


def finish(world, hour: str) -> None:
    scoring.score_hour(world.runtime, TRAIL, hour)
    delivery.deliver_hour(world.runtime, TRAIL, hour)
    close(world, hour)
    hour_rows.close_hour(world.runtime, TRAIL, hour)


def busy_hour(world, hour: str) -> list:
    return two_parts(
        world,
        hour,
        [*known(hour, 5, 100), strange(hour, 500), bob(hour, 501, "StopLogging")],
        [*known(hour, 5, 200), strange(hour, 600, "DeleteRole")],
    )


def test_no_part_is_passed_over_while_another_worker_scores_the_hour(world, first):
    hour = shift_hour(first, 1)
    busy_hour(world, hour)
    # A worker was killed: its lease goes on for a while.
    assert take_lease(world.runtime.ledger, f"score:{TRAIL}:{hour}", "killed", 120)
    waiting = scoring.score_hour(world.runtime, TRAIL, hour)
    assert (waiting.done, waiting.busy) == (0, 2)
    with world.runtime.ledger.write() as connection:
        connection.execute(sa.update(lease).values(expires_at=0))
    finish(world, hour)
    rows = told(world, hour)
    assert [row for row in rows if row[2]] == [("alice", 101, True, 12), ("bob", 101, True, 1)]
    assert len({row[:2] for row in rows}) == len(rows)
    check_replays(world)


def test_a_part_that_is_parsed_late_goes_on_from_those_that_were_scored_before_it(world, first):
    hour = shift_hour(first, 1)
    parts = busy_hour(world, hour)
    scoring.score_parts(world.runtime, parts[1:], StageSummary(TRAIL, hour))
    finish(world, hour)
    rows = told(world, hour)
    assert [row for row in rows if row[2]] == [("alice", 101, True, 12), ("bob", 101, True, 1)]
    assert len({row[:2] for row in rows}) == len(rows)


@pytest.mark.parametrize("kind", [AttributeError, MemoryError, AssertionError, pl.exceptions.PanicException])
def test_whatever_a_model_raises_its_events_go_out_unscored(world, first, monkeypatch, kind):
    hour = shift_hour(first, 1)
    deliver(world, hour, known(hour), score=False)

    def fails(*_, **__):
        raise kind("no such luck")

    monkeypatch.setattr("s3sentinel_assets.ml.score", fails)
    summary = scoring.score_hour(world.runtime, TRAIL, hour)
    assert (summary.counts["scored"], summary.counts["unscored"]) == (0, 30)
    assert f"{kind.__name__}: no such luck" in summary.problems[0]
    assert delivery.deliver_hour(world.runtime, TRAIL, hour).problems == []


def test_a_lost_lease_is_not_the_models_and_ends_the_run(world, first, monkeypatch):
    hour = shift_hour(first, 1)
    deliver(world, hour, known(hour), score=False)

    def fails(*_, **__):
        raise LeaseLostError("another worker")

    monkeypatch.setattr("s3sentinel_assets.ml.score", fails)
    with pytest.raises(LeaseLostError):
        scoring.score_hour(world.runtime, TRAIL, hour)
    assert scored(world, hour) == {}


def test_counters_with_a_flipped_bit_are_not_believed(world, first):
    hour = shift_hour(first, 1)
    parts = busy_hour(world, hour)
    scoring.score_parts(world.runtime, parts[:1], StageSummary(TRAIL, hour))
    (counters,) = scored(world, hour)[parts[0].id].files_of("counters")
    path = world.runtime.store.path(counters.uri)
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)
    summary = scoring.score_hour(world.runtime, TRAIL, hour)
    assert scored(world, hour)[parts[1].id].counts["unscored"] == 6
    assert any("damaged" in problem for problem in summary.problems)


def test_a_damaged_roll_up_is_told_and_holds_up_no_other_hour(world, first):
    hour, later = shift_hour(first, 1), shift_hour(first, 2)
    parts = busy_hour(world, hour)
    scoring.score_parts(world.runtime, parts[:1], StageSummary(TRAIL, hour))
    (standing,) = scored(world, hour)[parts[0].id].files_of("standing_hours")
    damage(world, standing.uri)
    summary = scoring.score_hour(world.runtime, TRAIL, hour)
    assert any("principals of the hour" in problem and "damaged" in problem for problem in summary.problems)
    assert summary.counts["unscored"] == 0
    deliver(world, later, [bob(later, 700, "DeleteRole")])
    for each in (hour, later):
        delivery.deliver_hour(world.runtime, TRAIL, each)
        close(world, each)
    with pytest.raises(UserError, match=hour):
        hour_rows.close_hours(world.runtime, TRAIL)
    assert ("bob", 101, True, 1) in told(world, later)


@pytest.mark.parametrize("which", ["newest", "whole"])
def test_a_damaged_state_is_made_again(world, first, which):
    early = hour_key(hour_start(shift_hour(first, 24)).replace(hour=3))
    many = [by(f"user{number % 10}", record) for number, record in enumerate(known(early, 100, 1_000))]
    deliver(world, early, many)
    close(world, early)
    # Of the same day, and little beside what is known: these say only what changed.
    hours = [shift_hour(early, after) for after in range(1, 7)]
    for number, hour in enumerate(hours[:4]):
        deliver(world, hour, [by("user1", record) for record in known(hour, 20, 100 * number + 100)])
        close(world, hour)
    before = history(world)[1].stored
    with world.runtime.ledger.read() as connection:
        newest = newest_state(connection, TRAIL, "9999")
        rows = connection.execute(sa.select(state.c.uri, state.c.whole_id).order_by(state.c.id.desc())).all()
    assert newest.whole_id is not None
    broken = [newest.uri] if which == "newest" else [uri for uri, whole in rows if whole is None][:1]
    damage(world, *broken)
    deliver(world, hours[4], known(hours[4], 20, 600))
    assert scored(world, hours[4]).popitem()[1].counts["unscored"] == 20
    made = close(world, hours[4])
    assert made.done == 1
    assert any("was made again" in problem for problem in made.problems)
    deliver(world, hours[5], known(hours[5], 20, 700))
    assert scored(world, hours[5]).popitem()[1].counts["unscored"] == 0
    assert close(world, hours[5]).problems == []
    with world.runtime.ledger.read() as connection:
        mended = newest_state(connection, TRAIL, hours[3])
    from s3sentinel_assets.pipeline.histories import read_history

    again = read_history(world.runtime.ledger, world.runtime.store, mended).states[TRAIL]
    assert again.stored.equals(before)
    check_replays(world)


def test_a_state_that_cannot_be_made_again_says_what_is_missing(world, first):
    deliver(world, shift_hour(first, 1), known(first, 20, 100))
    close(world, shift_hour(first, 1))
    with world.runtime.ledger.read() as connection:
        newest = newest_state(connection, TRAIL, "9999")
        parts = [part.id for part in parts_of_hour(connection, TRAIL, shift_hour(first, 1))]
        parsed = latest_stages(connection, parts, Stage.PARSED)
    damage(world, newest.uri)
    for result in parsed.values():
        for file in result.files_of("entities"):
            world.runtime.store.path(file.uri).unlink()
    with pytest.raises(UserError, match=r"\.parquet"):
        close(world, shift_hour(first, 2))


def test_an_incident_that_clears_an_attack_counts_though_it_was_closed_before_the_last_state(world, first):
    hours = [shift_hour(first, after) for after in range(1, 5)]
    deliver(world, hours[0], known(hours[0], 5, 100), [strange(hours[0], 500)])
    close(world, hours[0])
    event = f"{logs.ACCOUNT}:{strange(hours[0], 500)['eventID']}"
    say(world, Word.ATTACK, event_id=event)
    close(world, hours[1])
    closed = world.runtime.ledger.now()
    close(world, hours[2])
    incident = Verdict(
        at=closed, given_by="soc", verdict=Word.BENIGN, origin=Origin.INCIDENT, incident="7", event_id=event
    )
    with world.runtime.ledger.write() as connection:
        record_verdicts(connection, [incident])
    assert close(world, hours[3]).counts["held_events_cleared"] == 1
    with world.runtime.ledger.read() as connection:
        assert held_now(connection, TRAIL, attacks=True) == []
