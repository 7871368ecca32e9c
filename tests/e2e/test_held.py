"""Urgent events wait before history learns them: what is left out, what an analyst's word changes, and replays."""

import json
import shutil
from datetime import timedelta

import polars as pl
import pytest
import sqlalchemy as sa

from s3sentinel_assets.hours import hour_key, hour_start, shift_hour
from s3sentinel_assets.ledger.held import held_now
from s3sentinel_assets.ledger.schema import held, score_pin, stage, state
from s3sentinel_assets.ledger.states import newest_state
from s3sentinel_assets.ledger.verdicts import Verdict, Word, record_verdicts
from s3sentinel_assets.pipeline import discovery, parsing, scoring, states
from s3sentinel_assets.pipeline.histories import read_counters, read_history
from s3sentinel_assets.pipeline.learning import learn_again
from tests.conftest import REPOSITORY
from tests.e2e import logs

TRAIL = "cloudtrail"
NEW = "DeleteTrail"


def first_times_are_high(folder):
    """The shipped models with one rule: what a principal does for the first time is high."""
    shutil.copytree(REPOSITORY / "models", folder)
    file = folder / "priority.json"
    table = json.loads(file.read_text())
    table["tables"]["cloudtrail"] = [{"priority": "high", "first_seen": True}, {"priority": "low"}]
    file.write_text(json.dumps(table))
    return folder


def ten_days(make_world, models, now):
    start = hour_start(hour_key(now - timedelta(days=10)))
    return make_world(models_dir=str(models), start=start.isoformat())


@pytest.fixture
def models(tmp_path):
    return first_times_are_high(tmp_path / "models")


@pytest.fixture
def world(make_world, models, now):
    return ten_days(make_world, models, now)


@pytest.fixture
def first(world) -> str:
    return shift_hour(hour_key(world.runtime.config.start), 20)


def known(hour: str, count: int = 30, offset: int = 0) -> list[dict]:
    return logs.records(hour_start(hour), count, offset)


def strange(hour: str, number: int, name: str = NEW) -> dict:
    return logs.record(hour_start(hour) + timedelta(minutes=10), number, eventName=name)


def deliver(world, hour: str, *bodies: list[dict], score: bool = True) -> None:
    """Puts an object for each list and brings the hour up to date, without delivering."""
    for number, entries in enumerate(bodies):
        region = ("us-east-1", "eu-west-1")[number]
        key = logs.key(TRAIL, hour_start(hour), f"{hour[-5:-3]}-{number}.json.gz", region)
        world.put(key, logs.cloudtrail(entries), hour_start(hour) + timedelta(minutes=20 + number))
    discovery.discover(world.runtime, TRAIL, [hour])
    parsing.parse_hour(world.runtime, TRAIL, hour)
    if score:
        scoring.score_hour(world.runtime, TRAIL, hour)


def close(world, hour: str):
    states.seal_hour(world.runtime, TRAIL, hour)
    return states.advance_state(world.runtime, TRAIL, hour)


def history(world):
    with world.runtime.ledger.read() as connection:
        newest = newest_state(connection, TRAIL, "9999")
    return newest, read_history(world.runtime.ledger, world.runtime.store, newest).states[TRAIL]


def count_of(world, name: str) -> float:
    frame = history(world)[1].frame
    mine = (pl.col("table") == "principal/action") & pl.col("key").str.ends_with(f":{name}")
    return round(frame.filter(mine)["count"].sum(), 2)


def holding(world, **how):
    with world.runtime.ledger.read() as connection:
        return held_now(connection, TRAIL, **how)


def say(world, word: Word, **about) -> None:
    with world.runtime.ledger.write() as connection:
        record_verdicts(connection, [Verdict(at=world.runtime.ledger.now(), given_by="me", verdict=word, **about)])


def check_replays(world) -> None:
    """Every state made again from the ledger is the stored one, bit for bit, whatever was said since."""
    with world.runtime.ledger.read() as connection:
        ids = connection.execute(sa.select(state.c.id).order_by(state.c.id)).scalars().all()
        kept = [connection.execute(sa.select(state).where(state.c.id == each)).one() for each in ids]
    for row in kept:
        with world.runtime.ledger.read() as connection:
            sealed = newest_state(connection, TRAIL, row.hour)
        stored = read_history(world.runtime.ledger, world.runtime.store, sealed).states[TRAIL]
        again = learn_again(world.runtime, row.id)[TRAIL]
        assert again.stored.equals(stored.stored)
        assert again.values == stored.values


def test_urgent_events_are_left_out_for_a_week_and_learned_then(world, first):
    deliver(world, first, known(first))
    close(world, first)
    second = shift_hour(first, 1)
    deliver(world, second, [*known(second, 30, 100), strange(second, 500)])
    made = close(world, second)
    assert (made.counts["events"], made.counts["held_events"]) == (30, 1)
    (row,) = holding(world)
    assert (row.events, row.hour, row.outcome, row.learned_by) == (1, second, None, None)
    assert row.principal.endswith("alice")
    assert count_of(world, NEW) == 0
    early, late = shift_hour(second, 7 * 24 - 1), shift_hour(second, 7 * 24)
    assert close(world, early).counts["events"] == 0
    made = close(world, late)
    assert (made.counts["events"], made.counts["held_events_waited"]) == (1, 1)
    assert holding(world) == []
    assert count_of(world, NEW) == 1
    check_replays(world)


@pytest.mark.parametrize("about", ["event", "hour"])
def test_an_analysts_word_releases_the_events_or_bars_them(world, first, about):
    deliver(world, first, known(first))
    close(world, first)
    second, third, fourth = (shift_hour(first, after) for after in (1, 2, 3))
    deliver(world, second, known(second, 30, 100), [strange(second, 500), strange(second, 501, "StopLogging")])
    close(world, second)
    event = f"{logs.ACCOUNT}:{strange(second, 500)['eventID']}"
    (row,) = holding(world)
    mine = {"event_id": event} if about == "event" else {"principal": row.principal, "hour": second}
    say(world, Word.ATTACK, **mine)
    close(world, third)
    assert (count_of(world, NEW), count_of(world, "StopLogging")) == (0, 0)
    barred = [one for one in holding(world, attacks=True) if one.outcome == "attack"]
    assert sum(one.events for one in barred) == (1 if about == "event" else 2)
    say(world, Word.BENIGN, **mine)  # the newest word counts
    assert close(world, fourth).counts["held_events_cleared"] == (1 if about == "event" else 2)
    assert count_of(world, NEW) == 1
    assert count_of(world, "StopLogging") == (0 if about == "event" else 1)
    say(world, Word.ATTACK, **mine)  # too late: what was learned stays, and so do the states
    check_replays(world)
    # An attack is never learned, however much time passes.
    if about == "event":
        say(world, Word.ATTACK, event_id=f"{logs.ACCOUNT}:{strange(second, 501, 'StopLogging')['eventID']}")
        close(world, shift_hour(second, 7 * 24 + 1))
        assert count_of(world, "StopLogging") == 0
        check_replays(world)


def test_the_state_scores_its_parts_first_and_a_backfill_gives_the_same_states(make_world, models, now):
    """Live: parts are scored before the hour closes. Backfill: states come first, and score where they need to."""
    start = hour_start(hour_key(now - timedelta(days=10)))
    first = shift_hour(hour_key(start), 20)
    hours = [shift_hour(first, after) for after in range(4)]
    bodies = [
        [known(hour, 20, 100 * place), [strange(hour, 900 + place, f"New{place}")]] for place, hour in enumerate(hours)
    ]
    found = []
    for live in (True, False):
        world = make_world(models_dir=str(models), start=start.isoformat(), data_dir=str(models / f"data-{live}"))
        for hour, body in zip(hours, bodies, strict=True):
            deliver(world, hour, *body, score=live)
            if live:
                close(world, hour)
        for hour in hours:
            close(world, hour)
            scoring.score_hour(world.runtime, TRAIL, hour)
        with world.runtime.ledger.read() as connection:
            keys = sa.select(state.c.hour, state.c.sha256, state.c.events).order_by(state.c.hour)
            waiting = sa.select(held.c.hour, held.c.events, held.c.sha256).order_by(held.c.id)
            scores = sa.select(stage.c.files).where(stage.c.stage == "scored").order_by(stage.c.part_id)
            found.append(
                (
                    connection.execute(keys).all(),
                    connection.execute(waiting).all(),
                    [[file["sha256"] for file in files] for files in connection.execute(scores).scalars()],
                )
            )
        assert len(found[-1][1]) == 3
        check_replays(world)
    assert found[0] == found[1]


def test_a_model_that_fails_does_not_stop_the_state(world, first, monkeypatch):
    deliver(world, first, known(first))
    close(world, first)
    second = shift_hour(first, 1)
    deliver(world, second, [*known(second, 10, 100), strange(second, 500)], score=False)

    def broken(*_, **__):
        raise MemoryError("no room")

    monkeypatch.setattr("s3sentinel_assets.pipeline.scoring._score_part", broken)
    made = close(world, second)
    assert (made.done, made.counts["events"], made.counts["held_events"]) == (1, 11, 0)
    assert any("no room" in sentence for sentence in made.problems)


def test_a_copy_of_an_event_in_another_region_is_learned_once(world, first):
    deliver(world, first, known(first, 12), known(first, 9))
    assert close(world, first).counts["events"] == 12
    assert count_of(world, "ListBuckets") == 4


def test_states_are_whole_at_midnight_and_after_a_gap_and_changes_in_between(world, first):
    arn = f"arn:aws:iam::{logs.ACCOUNT}:user/"
    others = [
        {"type": "IAMUser", "arn": f"{arn}u{n}", "accountId": logs.ACCOUNT, "userName": f"u{n}"} for n in range(40)
    ]
    calls = [logs.record(hour_start(first), 5_000 + n, userIdentity=identity) for n, identity in enumerate(others)]
    deliver(world, first, [*known(first, 20), *calls])
    made = {first: close(world, first)}
    for after in range(1, 8):
        hour = shift_hour(first, after)
        deliver(world, hour, known(hour, 5, 1_000 * after))
        made[hour] = close(world, hour)
    gap = shift_hour(first, 12)
    made[gap] = close(world, gap)
    with world.runtime.ledger.read() as connection:
        rows = connection.execute(sa.select(state.c.hour, state.c.id, state.c.whole_id).order_by(state.c.hour)).all()
    whole = {row.hour: row.id for row in rows if row.whole_id is None}
    assert first in whole
    assert gap in whole
    assert all(hour in whole for hour in made if hour.endswith("-00:00"))
    in_between = [row for row in rows if row.whole_id is not None]
    assert len(in_between) >= 3
    for row in in_between:
        assert row.whole_id == max(number for hour, number in whole.items() if hour < row.hour)
    check_replays(world)


def test_counters_go_on_from_the_hour_before(world, first):
    for after in range(3):
        hour = shift_hour(first, after)
        deliver(world, hour, known(hour, 20, 100 * after))
        if after < 2:
            close(world, hour)
    with world.runtime.ledger.read() as connection:
        pins = connection.execute(sa.select(score_pin).order_by(score_pin.c.part_id)).all()
    # The first hour has no history, so it left no counters; the third goes on from the second.
    assert [pin.counters_part_id for pin in pins] == [None, None, pins[1].part_id]
    assert set(read_counters(world.runtime.store.path(pins[2].counters_uri), (TRAIL,))) == {TRAIL}
    third = scored_of(world, pins[2].part_id)
    assert third.counts["scored"] == 20
    # A counters file that is gone leaves events unscored, with the reason, and never stops them.
    fourth = shift_hour(first, 3)
    close(world, shift_hour(first, 2))
    for file in third.files:
        if file["kind"] == "counters":
            world.runtime.store.path(file["uri"]).unlink()
    deliver(world, fourth, known(fourth, 5, 900))
    with world.runtime.ledger.read() as connection:
        newest = (
            connection.execute(sa.select(score_pin.c.part_id).order_by(score_pin.c.part_id.desc())).scalars().first()
        )
    lost = scored_of(world, newest).counts
    assert (lost["scored"], lost["unscored"]) == (0, 5)
    assert "missing" in lost["why_unscored_cloudtrail"]


def scored_of(world, part_id: int):
    with world.runtime.ledger.read() as connection:
        return connection.execute(sa.select(stage).where(stage.c.part_id == part_id, stage.c.stage == "scored")).one()


def test_a_pinned_model_is_used_again_though_another_one_is_champion_now(world, first, models):
    for after in range(2):
        hour = shift_hour(first, after)
        deliver(world, hour, known(hour, 20, 100 * after))
        close(world, hour)
    with world.runtime.ledger.write() as connection:
        part_id, version = connection.execute(
            sa.select(score_pin.c.part_id, score_pin.c.model_version).order_by(score_pin.c.part_id.desc())
        ).first()
        before = scored_of(world, part_id)
        connection.execute(sa.delete(stage).where(stage.c.id == before.id))
    table = json.loads((models / "priority.json").read_text())
    table["tables"]["cloudtrail"] = [{"priority": "critical"}]
    (models / "priority.json").write_text(json.dumps(table))
    assert world.runtime.model(TRAIL).version != version
    scoring.score_hour(world.runtime, TRAIL, shift_hour(first, 1))
    after = scored_of(world, part_id)
    assert after.code_version == before.code_version == version
    assert [file["sha256"] for file in after.files] == [file["sha256"] for file in before.files]
    check_replays(world)


def test_old_states_are_given_up_and_what_is_needed_stays(make_world, models, now):
    import os

    from s3sentinel_assets.pipeline.housekeeping import sweep_store

    start = hour_start(hour_key(now - timedelta(days=100)))
    world = make_world(models_dir=str(models), start=start.isoformat(), deep_look_back_days=1)
    first = f"{start:%Y-%m-%d}-22:00"
    spans = [
        [shift_hour(first, after) for after in range(5)],
        [shift_hour(first, 24 * 95 + after) for after in range(5)],
    ]
    for hours in spans:
        for hour in hours:
            if hour in (spans[0][0],):
                deliver(world, hour, known(hour, 50))
            close(world, hour)
    for path in world.runtime.store.root.rglob("*.*"):
        os.utime(path, (0, 0))
    deleted = sweep_store(world.runtime)
    with world.runtime.ledger.read() as connection:
        rows = dict(connection.execute(sa.select(state.c.hour, state.c.uri)).all())
    assert {hour for hour, uri in rows.items() if not uri} == set(spans[0])
    assert len([uri for uri in deleted if "/state/" in uri]) == 5
    newest, _ = history(world)
    assert newest.hour == spans[1][-1]
    # A part that comes for an old hour is scored with what is left: nothing, and it says so.
    deliver(world, spans[0][1], known(spans[0][1], 3, 700))
    with world.runtime.ledger.read() as connection:
        counts = connection.execute(
            sa.select(stage.c.counts).where(stage.c.stage == "scored").order_by(stage.c.id)
        ).scalars()
        assert "no sealed state" in list(counts)[-1]["why_unscored_cloudtrail"]
