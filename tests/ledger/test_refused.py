"""Refused objects come back in time, not for ever, and at once when somebody asks."""

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from s3sentinel_assets.ledger.engine import Ledger
from s3sentinel_assets.ledger.objects import REFUSED, ObjectOutcome, SeenObject, settle_object
from s3sentinel_assets.ledger.refused import RETRIES, requeue_refused
from s3sentinel_assets.ledger.schema import ObjectState, objects
from s3sentinel_assets.ledger.seen import record_seen

HOUR = "2026-11-20-10:00"
START = datetime(2026, 11, 20, 10, tzinfo=UTC)


def put(ledger: Ledger, *keys: str) -> None:
    record_seen(ledger, "s", [SeenObject("logs", key, "e", "e", 1, START) for key in keys])


def refuse(ledger: Ledger, state: ObjectState, *, due: bool = False) -> None:
    """As a part's commit says it of every object that waits; ``due``: and its wait is over."""
    with ledger.write() as connection:
        for object_id in connection.execute(sa.select(objects.c.id).where(objects.c.state == "listed")).scalars().all():
            settle_object(connection, ObjectOutcome(object_id, state, None, 0, 0, 0, 0, 0, None, None), ledger.now())
        if due:
            connection.execute(sa.update(objects).where(objects.c.ask_at.is_not(None)).values(ask_at=0))


def versions(ledger: Ledger) -> list[str]:
    with ledger.read() as connection:
        return list(connection.execute(sa.select(objects.c.version).order_by(objects.c.id)).scalars())


@pytest.mark.parametrize("state", RETRIES)
def test_a_refused_object_gets_bounded_new_chances(ledger, state):
    put(ledger, "k")
    tries = RETRIES[state].tries
    for turn in range(tries + 3):
        refuse(ledger, state, due=True)
        assert requeue_refused(ledger, "s", HOUR) == (1 if turn < tries else 0)
        assert requeue_refused(ledger, "s", HOUR) == 0
    assert versions(ledger) == ["e", *(f"e~{turn}" for turn in range(1, tries + 1))]


@pytest.mark.parametrize("state", RETRIES)
def test_a_refusal_of_a_moment_ago_waits_unless_somebody_asks(ledger, state):
    put(ledger, "k")
    refuse(ledger, state)
    assert requeue_refused(ledger, "s", HOUR) == 0
    assert requeue_refused(ledger, "s", HOUR, at_once=True) == 1
    assert versions(ledger) == ["e", "e~1"]


def test_what_is_gone_or_unreadable_is_not_asked_for_again(ledger):
    for state in (ObjectState.VANISHED, ObjectState.UNREADABLE, ObjectState.READ):
        put(ledger, f"k/{state}")
        refuse(ledger, state, due=True)
    assert requeue_refused(ledger, "s", HOUR, at_once=True) == 0
    assert {*RETRIES, ObjectState.VANISHED} == set(REFUSED)


def test_only_the_hours_and_keys_that_are_meant(ledger):
    put(ledger, "a", "b")
    refuse(ledger, ObjectState.ARCHIVED)
    assert requeue_refused(ledger, "s", "2026-11-20-11:00", at_once=True) == 0
    assert requeue_refused(ledger, "s", "2026-11-20-08:00", "2026-11-20-09:00", at_once=True) == 0
    assert requeue_refused(ledger, "other", HOUR, at_once=True) == 0
    assert requeue_refused(ledger, "s", HOUR, at_once=True, matches=lambda key: key == "c") == 0
    assert requeue_refused(ledger, "s", HOUR, at_once=True, keys={("elsewhere", "a"), ("logs", "b")}) == 1
    with ledger.read() as connection:
        again = connection.execute(sa.select(objects.c.key).where(objects.c.version == "e~1")).scalars().all()
    assert again == ["b"]


def test_waits_double_up_to_a_bound():
    retries = RETRIES[ObjectState.ARCHIVED]
    waits = [retries.wait(number) for number in range(1, retries.tries + 1)]
    assert waits[:3] == [3_600, 7_200, 14_400]
    assert max(waits) == 86_400
    assert sum(RETRIES[ObjectState.DENIED].wait(number) for number in range(1, 13)) == 60 * (2**12 - 1)


def test_tries_for_one_state_are_not_counted_against_another(ledger):
    put(ledger, "k")
    for _ in range(RETRIES[ObjectState.DENIED].tries + 3):
        refuse(ledger, ObjectState.ARCHIVED, due=True)
        assert requeue_refused(ledger, "s", HOUR) == 1
    refuse(ledger, ObjectState.BROKEN, due=True)
    assert requeue_refused(ledger, "s", HOUR) == 1


def test_asking_at_once_uses_no_tries_up(ledger):
    put(ledger, "k")
    for _ in range(RETRIES[ObjectState.DENIED].tries + 3):
        refuse(ledger, ObjectState.DENIED)
        assert requeue_refused(ledger, "s", HOUR, at_once=True) == 1
    refuse(ledger, ObjectState.DENIED, due=True)
    assert requeue_refused(ledger, "s", HOUR) == 1


def test_more_objects_than_a_page_are_all_queued_again(ledger):
    put(ledger, *(f"k/{number}" for number in range(1_203)))
    refuse(ledger, ObjectState.DENIED, due=True)
    assert requeue_refused(ledger, "s", HOUR) == 1_203
    assert requeue_refused(ledger, "s", HOUR) == 0
