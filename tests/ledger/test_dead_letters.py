"""Dead letters: found by what is asked for; dropped ones are left alone unless they are named."""

import dataclasses

import pytest
import sqlalchemy as sa

from s3sentinel_assets.errors import LeaseLostError
from s3sentinel_assets.ledger.batches import (
    PlannedBatch,
    batches_by_id,
    delivery_lease,
    insert_batches,
    replace_dead_letter,
    requeue_dead_batches,
)
from s3sentinel_assets.ledger.dead_letters import (
    DeadLetter,
    LetterFilter,
    count_dead_letters,
    drop_letters,
    find_letters,
    record_dead_letters,
)
from s3sentinel_assets.ledger.leases import take_lease
from s3sentinel_assets.ledger.schema import BatchKind, part, stage

HOURS = ("2026-11-01-13:00", "2026-11-01-14:00")


def planned(batch_id, start, end, part_id=1, **changes):
    made = PlannedBatch(
        batch_id, part_id, None, "dcr", "Custom-T", "T", start, start, end, "bodies", 0, 10, 100, "0" * 64
    )
    return dataclasses.replace(made, **changes)


@pytest.fixture
def filled(ledger):
    """Two parts, one dead batch of 4 rows in each, and a row that fitted none."""
    with ledger.write() as connection:
        for part_id, hour in enumerate(HOURS, 1):
            home = {"id": part_id, "source": "s", "hour": hour, "created_at": 0, "late": False}
            connection.execute(sa.insert(part).values(**home, objects=1, bytes=1))
            made = {"id": part_id, "part_id": part_id, "stage": "planned", "generation": 1, "code_version": "1"}
            connection.execute(sa.insert(stage).values(**made, files=[], counts={}, seconds=0, committed_at=0))
            insert_batches(connection, [planned(f"b{part_id}", 0, 4, part_id)], part_id, 5)
            record_dead_letters(connection, [DeadLetter(part_id, f"b{part_id}", 0, 4, "refused", "bad", "bodies")], 9)
        connection.exec_driver_sql("UPDATE batch SET state = 'dead'")
        record_dead_letters(connection, [DeadLetter(1, None, 4, 5, "row_too_large", "huge", "rejects")], 9)
    return ledger


def letters(ledger, *arguments, **options):
    with ledger.read() as connection:
        return find_letters(connection, LetterFilter(*arguments, **options))


def drop(ledger, *letters):
    with ledger.write() as connection:
        return drop_letters(connection, letters, "ada", "noise", 50)


def test_letters_are_found_by_what_is_asked_for(filled):
    first, lone, second = letters(filled)
    assert [(one.batch_id, one.hour, one.rows) for one in (first, lone, second)] == [
        ("b1", HOURS[0], 4),
        (None, HOURS[0], 1),
        ("b2", HOURS[1], 4),
    ]
    assert letters(filled, "s", HOURS[1]) == [second] and letters(filled, "other") == []
    assert letters(filled, reason="row_too_large") == [lone]
    assert letters(filled, part_id=1) == [first, lone]
    assert letters(filled, ids=frozenset([second.id, first.id, 999])) == [first, second]
    assert letters(filled, "s", HOURS[0], ids=frozenset([second.id])) == []
    many = frozenset(range(5_000))
    assert letters(filled, ids=many) == [first, lone, second]
    with filled.read() as connection:
        assert find_letters(connection, LetterFilter(ids=many), limit=2) == [first, lone]


def test_dropped_letters_stay_and_are_counted_apart(filled):
    first, lone, second = letters(filled)
    gone = dataclasses.replace(first, id=999)
    other = dataclasses.replace(second, batch_id="b9")  # its number is another letter's by now
    [dropped] = drop(filled, first, gone, other)
    assert (dropped.dropped_at, dropped.dropped_by, dropped.dropped_because) == (50, "ada", "noise")
    assert drop(filled, first) == drop(filled, dropped) == drop(filled) == []
    assert letters(filled) == [lone, second]
    assert letters(filled, with_dropped=True) == [dropped, lone, second]
    assert letters(filled, ids=frozenset([first.id])) == [dropped]
    with filled.read() as connection:
        counted = count_dead_letters(connection, "s")
    assert [(one.hour, one.reason, one.rows, one.lone_rows, one.dropped_rows) for one in counted] == [
        (HOURS[0], "refused", 4, 0, 4),
        (HOURS[0], "row_too_large", 1, 1, 0),
        (HOURS[1], "refused", 4, 0, 0),
    ]


def test_a_dropped_letter_is_requeued_only_if_it_is_named(filled):
    first, *_ = letters(filled)
    drop(filled, first)
    held = take_lease(filled, delivery_lease(1), "worker", 60)
    taken = []
    with filled.write() as connection:
        assert requeue_dead_batches(connection, held, 1, now=60, on_taken=taken.extend) == (0, 0)
        assert taken == []
        again = requeue_dead_batches(connection, held, 1, now=60, ids=[first.id], on_taken=taken.extend)
        assert again == (1, 4) and [one.id for one in taken] == [first.id]


def replace(ledger, held, letter, children):
    with ledger.write() as connection:
        replace_dead_letter(connection, held, letter, children, stage_id=1, now=70)


def test_mended_batches_take_the_place_of_a_letter_and_its_batch(filled):
    first, lone, second = letters(filled)
    held = take_lease(filled, delivery_lease(1), "worker", 60)
    children = [
        planned(f"c{row}", row, row + 1, parent_id="b1", route="r", kind=BatchKind.PROMOTED) for row in range(4)
    ]
    for wrong in (children[:3], [*children, planned("c4", 4, 5)]):
        with pytest.raises(ValueError, match="do not carry exactly its rows"):
            replace(filled, held, first, wrong)
    with pytest.raises(LeaseLostError):
        replace(filled, dataclasses.replace(held, epoch=held.epoch + 1), first, children)
    assert letters(filled) == [first, lone, second]
    replace(filled, held, first, children)
    replace(filled, held, lone, [planned("d", 4, 5)])
    assert letters(filled) == [second]
    with filled.read() as connection:
        old, *new = batches_by_id(connection, ["b1", "c0", "c1", "c2", "c3", "d"])
    assert (old.id, old.state, old.settled_at) == ("b1", "superseded", 70)
    assert old.error == "mended on request; before: bad"
    assert [(one.id, one.state, one.kind, one.route) for one in new[:2]] == [
        (f"c{row}", "planned", "promoted", "r") for row in range(2)
    ]
    with pytest.raises(LeaseLostError, match="taken back"):
        replace(filled, held, first, children)


def test_a_letter_that_was_dropped_meanwhile_is_not_replaced(filled):
    first, *_ = letters(filled)
    held = take_lease(filled, delivery_lease(1), "worker", 60)
    drop(filled, first)
    with pytest.raises(LeaseLostError):
        replace(filled, held, first, [planned("c", 0, 4)])
    [dropped] = letters(filled, ids=frozenset([first.id]))
    replace(filled, held, dropped, [planned("c", 0, 4)])
    assert letters(filled, ids=frozenset([first.id])) == []
