"""The adaptive limit: grows by one a round, halves once a round, stays within its bounds; and threads wait at it."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3sentinel_assets.sentinel import concurrency
from s3sentinel_assets.sentinel.concurrency import AdaptiveLimit, Slots


def round_of(limit, succeeded):
    """As many uploads at once as may be, all with the same end."""
    slots = []
    while (slot := limit.take()) is not None:
        slots.append(slot)
    for slot in slots:
        limit.give_back(slot, succeeded)
    return len(slots)


def test_it_begins_at_the_most_and_never_exceeds_it():
    limit = AdaptiveLimit(4)
    assert [round_of(limit, True) for _ in range(3)] == [4, 4, 4]


def test_a_round_of_failures_halves_once_down_to_one():
    limit = AdaptiveLimit(16)
    assert [round_of(limit, False) for _ in range(7)] == [16, 8, 4, 2, 1, 1, 1]


def test_a_round_of_successes_adds_one():
    limit = AdaptiveLimit(6)
    for _ in range(4):
        round_of(limit, False)
    assert [round_of(limit, True) for _ in range(8)] == [1, 2, 3, 4, 5, 6, 6, 6]


def test_what_says_nothing_changes_nothing():
    limit = AdaptiveLimit(8)
    round_of(limit, False)
    assert [round_of(limit, None) for _ in range(3)] == [4, 4, 4]


def test_a_failure_of_an_earlier_round_does_not_halve_again():
    limit = AdaptiveLimit(8)
    early = [limit.take() for _ in range(8)]
    limit.give_back(early[0], False)
    assert limit.limit == 4
    for slot in early[1:]:
        limit.give_back(slot, False)
    assert (limit.limit, limit.taken) == (4, 0)
    limit.give_back(limit.take(), False)
    assert limit.limit == 2


def test_after_a_halving_nothing_begins_until_enough_has_ended():
    limit = AdaptiveLimit(4)
    slots = [limit.take() for _ in range(4)]
    limit.give_back(slots.pop(), False)
    assert limit.take() is None
    limit.give_back(slots.pop(), None)
    assert limit.take() is None
    limit.give_back(slots.pop(), None)
    assert limit.take() is not None


@given(
    most=st.integers(1, 64),
    steps=st.lists(st.tuples(st.booleans(), st.sampled_from([True, False, None]), st.integers(0, 63)), max_size=200),
)
def test_it_stays_between_one_and_the_most(most, steps):
    limit, slots = AdaptiveLimit(most), []
    for begin, succeeded, which in steps:
        if begin:
            before = limit.taken
            slot = limit.take()
            assert (slot is None) == (before >= limit.limit)
            slots += [slot] if slot else []
        elif slots:
            limit.give_back(slots.pop(which % len(slots)), succeeded)
        assert 1 <= limit.limit <= most
        assert limit.taken == len(slots) <= most
    for slot in slots:
        limit.give_back(slot, True)
    assert limit.taken == 0 and limit.take() is not None  # whatever happened, it goes on


def waiting(slots, stop):
    got = []
    thread = threading.Thread(target=lambda: got.append(slots.take(stop)))
    thread.start()
    return thread, got


def test_a_thread_gets_the_slot_that_comes_free():
    slots, stop = Slots(1), threading.Event()
    slot = slots.take(stop)
    thread, got = waiting(slots, stop)
    slots.give_back(slot, True)
    thread.join(30)
    assert got[0] is not None and slots.limit == 1


@pytest.mark.parametrize("before", [True, False])
def test_a_run_that_stops_waits_for_no_slot(before, monkeypatch):
    monkeypatch.setattr(concurrency, "_LOOK_SECONDS", 0.001)
    slots, stop = Slots(1), threading.Event()
    slots.take(stop)
    if before:
        stop.set()
    thread, got = waiting(slots, stop)
    stop.set()
    thread.join(30)
    assert got == [None]
