"""Batches: only the transitions that exist, only by the worker that holds the part."""

import dataclasses
import random

import pytest
import sqlalchemy as sa

from s3sentinel_assets.errors import LeaseLostError
from s3sentinel_assets.ledger.batches import (
    Batch,
    PlannedBatch,
    accepted_since,
    batches_by_id,
    batches_of_part,
    begin_sending,
    count_batches,
    delivery_lease,
    insert_batches,
    later_accepted,
    parts_in_doubt,
    requeue_dead_batches,
    resolve_batch,
    settle_batch,
    supersede_batch,
    suspend_sending,
    unknown_since,
)
from s3sentinel_assets.ledger.dead_letters import (
    DeadLetter,
    count_dead_letters,
    dead_letters_of_hour,
    record_dead_letters,
)
from s3sentinel_assets.ledger.engine import Ledger
from s3sentinel_assets.ledger.leases import take_lease
from s3sentinel_assets.ledger.schema import BatchState, part, stage

HOUR = "2026-11-01-13:00"
S = BatchState


def planned(batch_id, start, end, part_id=1, parent=None, **changes):
    values = PlannedBatch(
        batch_id, part_id, parent, "dcr", "Custom-T", "T", start, start, end, "bodies", 0, 10, 100, "0" * 64
    )
    return dataclasses.replace(values, **changes)


@pytest.fixture
def ledger(tmp_path):
    made = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    with made.write() as connection:
        for part_id in (1, 2):
            connection.execute(
                sa.insert(part).values(id=part_id, source="s", hour=HOUR, created_at=0, late=False, objects=1, bytes=1)
            )
        connection.execute(
            sa.insert(stage).values(
                id=1,
                part_id=1,
                stage="planned",
                generation=1,
                code_version="1",
                files=[],
                counts={},
                seconds=0,
                committed_at=0,
            )
        )
        insert_batches(connection, [planned("b", 10, 30), planned("a", 0, 10)], 1, 5)
        insert_batches(connection, [planned("c", 0, 4, part_id=2)], 1, 5)
    yield made
    made.close()


@pytest.fixture
def held(ledger):
    return take_lease(ledger, delivery_lease(1), "worker", 60)


def one(ledger, batch_id) -> Batch:
    with ledger.read() as connection:
        return next(b for p in (1, 2) for b in batches_of_part(connection, p) if b.id == batch_id)


def begin(ledger, held, batch_id, request_id="r1", now=100):
    with ledger.write() as connection:
        begin_sending(connection, held, batch_id, request_id, now)


def settle(ledger, held, batch_id, state, request_id="r1", **options):
    with ledger.write() as connection:
        settle_batch(
            connection,
            held,
            one(ledger, batch_id),
            request_id,
            state,
            **{"status": 204, "error": None, "now": 200} | options,
        )


def test_planned_batches_come_back_in_row_order(ledger):
    with ledger.read() as connection:
        batches = batches_of_part(connection, 1)
        assert count_batches(connection, [1, 2]) == {S.PLANNED: (3, 34)}
    assert [(b.id, b.rows, b.state, b.tries, b.attempt) for b in batches] == [
        ("a", 10, S.PLANNED, 0, 1),
        ("b", 20, S.PLANNED, 0, 1),
    ]


def test_a_send_is_written_down_before_and_after(ledger, held):
    begin(ledger, held, "a")
    sending = one(ledger, "a")
    assert (sending.state, sending.request_id, sending.tries, sending.sent_at, sending.lease_epoch) == (
        S.SENDING,
        "r1",
        1,
        100,
        held.epoch,
    )
    settle(ledger, held, "a", S.RETRY, status=429, error="x" * 5_000)
    assert (one(ledger, "a").state, len(one(ledger, "a").error)) == (S.RETRY, 1_000)
    begin(ledger, held, "a", "r2")
    with pytest.raises(LeaseLostError):
        settle(ledger, held, "a", S.ACCEPTED, "r1")  # the answer to an older request
    settle(ledger, held, "a", S.ACCEPTED, "r2")
    accepted = one(ledger, "a")
    assert (accepted.state, accepted.tries, accepted.settled_at, accepted.error) == (S.ACCEPTED, 2, 200, None)


@pytest.mark.parametrize("state", [S.SENDING, S.ACCEPTED, S.UNKNOWN, S.DEAD, S.SUPERSEDED])
def test_only_open_batches_are_sent(ledger, held, state):
    with ledger.write() as connection:
        connection.exec_driver_sql(f"UPDATE batch SET state = '{state.value}'")
    with pytest.raises(LeaseLostError):
        begin(ledger, held, "a")


def test_a_lost_lease_changes_nothing(ledger, held):
    begin(ledger, held, "a")
    with ledger.write() as connection:
        connection.exec_driver_sql("UPDATE lease SET expires_at = 0")
    thief = take_lease(ledger, delivery_lease(1), "thief", 60)
    before = one(ledger, "a"), one(ledger, "b")
    children = [planned("x", 0, 5, parent="a"), planned("y", 5, 10, parent="a")]
    attempts = [
        lambda: begin(ledger, held, "b"),
        lambda: settle(ledger, held, "a", S.ACCEPTED),
        lambda: settle(ledger, held, "a", S.DEAD),
        lambda: _supersede(ledger, held, "a", children),
        lambda: _suspend(ledger, held),
    ]
    for attempt in attempts:
        with pytest.raises(LeaseLostError):
            attempt()
    assert (one(ledger, "a"), one(ledger, "b")) == before
    with ledger.read() as connection:
        assert dead_letters_of_hour(connection, "s", HOUR) == []
    assert _suspend(ledger, thief) == 1
    assert one(ledger, "a").state is S.UNKNOWN


def _supersede(ledger, held, batch_id, children):
    with ledger.write() as connection:
        supersede_batch(connection, held, one(ledger, batch_id), children, status=413, error=None, now=300)


def _suspend(ledger, held):
    with ledger.write() as connection:
        return suspend_sending(connection, held, 1, 300)


def test_a_dead_batch_is_a_dead_letter(ledger, held):
    begin(ledger, held, "b")
    settle(ledger, held, "b", S.DEAD, status=400, error="bad")
    with ledger.read() as connection:
        letters = dead_letters_of_hour(connection, "s", HOUR)
    assert [(x.batch_id, x.row_start, x.row_end, x.reason, x.detail) for x in letters] == [
        ("b", 10, 30, "refused", "bad")
    ]


def test_children_take_over_exactly_the_rows(ledger, held):
    begin(ledger, held, "b")
    for wrong in ([(10, 20)], [(10, 20), (21, 30)], [(10, 31)], [(20, 30), (10, 20)], []):
        children = [planned(f"k{start}", start, end, parent="b") for start, end in wrong]
        with pytest.raises(ValueError, match="do not carry exactly its rows"):
            _supersede(ledger, held, "b", children)
    assert one(ledger, "b").state is S.SENDING
    _supersede(ledger, held, "b", [planned("k1", 10, 15, parent="b"), planned("k2", 15, 30, parent="b")])
    assert (one(ledger, "b").state, one(ledger, "k1").state, one(ledger, "k2").stage_id) == (S.SUPERSEDED, S.PLANNED, 1)


def test_unknown_batches_are_resolved_once(ledger, held):
    for batch_id, state, attempt in (("a", S.ACCEPTED, 1), ("b", S.RETRY, 2)):
        begin(ledger, held, batch_id)
        settle(ledger, held, batch_id, S.UNKNOWN, status=None, error="lost")
        doubted = one(ledger, batch_id)
        with ledger.write() as connection:
            resolve_batch(connection, held, doubted, state, error=None, now=400)
        assert (one(ledger, batch_id).state, one(ledger, batch_id).attempt) == (state, attempt)
        with pytest.raises(LeaseLostError), ledger.write() as connection:
            resolve_batch(connection, held, doubted, S.RETRY, error=None, now=400)
    with pytest.raises(ValueError, match="cannot become"), ledger.write() as connection:
        resolve_batch(connection, held, one(ledger, "a"), S.DEAD, error=None, now=400)


def test_parts_in_doubt(ledger, held):
    def doubted():
        with ledger.read() as connection:
            return parts_in_doubt(connection, ledger.now())

    assert doubted() == []
    begin(ledger, held, "a")
    assert doubted() == []  # its worker lives
    with ledger.write() as connection:
        connection.exec_driver_sql("UPDATE lease SET expires_at = 0")
        connection.exec_driver_sql("UPDATE batch SET state = 'unknown' WHERE id = 'c'")
    assert doubted() == [1, 2]


def test_later_accepted_gives_both_ends(ledger):
    rows = [planned(f"n{number:02}", number, number + 1, position=number) for number in range(20)]
    random.Random(3).shuffle(rows)
    with ledger.write() as connection:
        insert_batches(connection, rows, 1, 5)
        connection.exec_driver_sql("UPDATE batch SET state = 'accepted', sent_at = row_start WHERE id LIKE 'n%'")
    with ledger.read() as connection:
        found = sorted(b.id for b in later_accepted(connection, "T", 4, limit=2))
        assert found == ["n05", "n06", "n18", "n19"]
        assert later_accepted(connection, "U", 4) == []


def requeue(ledger, held, **options):
    with ledger.write() as connection:
        return requeue_dead_batches(connection, held, 1, **{"now": 500} | options)


def test_dead_batches_are_requeued_with_their_letters(ledger, held):
    for batch_id, reason in (("a", "refused"), ("b", "row_too_large")):
        begin(ledger, held, batch_id)
        settle(ledger, held, batch_id, S.DEAD, status=400, error="bad", reason=reason)
    with ledger.write() as connection:
        record_dead_letters(connection, [DeadLetter(1, None, 30, 31, "row_too_large", "huge", "u")], 200)
        counted = count_dead_letters(connection, "s", HOUR)
    assert [(x.reason, x.letters, x.rows, x.lone_rows) for x in counted] == [
        ("refused", 1, 10, 0),
        ("row_too_large", 2, 21, 1),
    ]
    with pytest.raises(LeaseLostError):
        requeue(ledger, dataclasses.replace(held, epoch=held.epoch + 1))
    with ledger.read() as connection:
        assert len(dead_letters_of_hour(connection, "s", HOUR)) == 3
    assert requeue(ledger, held, reason="refused") == (1, 10)
    assert (one(ledger, "a").state, one(ledger, "b").state, one(ledger, "a").attempt) == (S.RETRY, S.DEAD, 1)
    assert one(ledger, "a").error == "sent again on request; before: bad"
    assert requeue(ledger, held) == (1, 20)
    assert requeue(ledger, held) == (0, 0)
    with ledger.read() as connection:
        assert [x.batch_id for x in dead_letters_of_hour(connection, "s", HOUR)] == [None]  # no batch could carry it
        assert count_dead_letters(connection, "other") == []
    begin(ledger, held, "a", "r2")


def test_accepted_since_asks_for_rule_stream_and_time(ledger):
    with ledger.write() as connection:
        connection.exec_driver_sql("UPDATE batch SET state = 'accepted', sent_at = 100 WHERE id = 'a'")
        connection.exec_driver_sql("UPDATE batch SET state = 'unknown', sent_at = 300 WHERE id = 'b'")
        assert accepted_since(connection, "dcr", "Custom-T", 100)
        assert not accepted_since(connection, "dcr", "Custom-T", 101)
        assert not accepted_since(connection, "dcr2", "Custom-T", 100)
        assert not accepted_since(connection, "dcr", "Custom-U", 100)
        assert [b.id for b in batches_by_id(connection, ["b", "a", "nosuch"])] == ["a", "b"]


def test_unknown_since_gives_the_oldest_and_counts_all(ledger):
    with ledger.write() as connection:
        connection.exec_driver_sql("UPDATE batch SET state = 'unknown', sent_at = 100 + row_start")
    with ledger.read() as connection:
        old, count = unknown_since(connection, 110, limit=1)
        assert ([b.id for b in old], count) == (["a"], 2)
        assert [b.id for b in unknown_since(connection, 111, limit=9)[0]] == ["a", "c", "b"]
        assert unknown_since(connection, 111, "other", limit=9) == ([], 0)
