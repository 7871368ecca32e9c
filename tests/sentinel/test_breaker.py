"""The breaker: opens after futile batches in a row, for a bounded and growing time, and lets one through afterwards."""

import pytest

from s3sentinel_assets.sentinel.breaker import FUTILE_IN_A_ROW, Admission, Breaker


class Clock:
    """A clock that stands."""

    now = 1_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def breaker(clock):
    return Breaker(60, clock)


def open_up(breaker):
    return [breaker.futile("down") for _ in range(FUTILE_IN_A_ROW)]


def test_it_opens_after_so_many_futile_batches_in_a_row(breaker):
    assert breaker.admit() == Admission()
    assert open_up(breaker) == [False, False, True]
    assert breaker.admit() == Admission(60, problem="down")


def test_one_accepted_batch_between_them_starts_the_count_again(breaker):
    for _ in range(5):
        assert not breaker.futile("down")
        assert not breaker.futile("down")
        breaker.accepted()
    assert breaker.admit() == Admission()


def test_a_sure_case_opens_it_at_once(breaker):
    assert breaker.futile("down", surely=True)
    assert breaker.admit().wait == 60


def test_what_was_under_way_when_it_opened_does_not_prolong_it(breaker, clock):
    open_up(breaker)
    clock.now += 20
    assert breaker.futile("later") and breaker.futile("later", surely=True)
    assert breaker.admit() == Admission(40, problem="down")


def test_half_open_lets_one_through_and_holds_the_others(breaker, clock):
    open_up(breaker)
    clock.now += 60
    assert breaker.admit() == Admission(probe=True)
    held = breaker.admit()
    assert 0 < held.wait <= 1 and held.problem is None and not held.probe
    breaker.accepted()
    assert [breaker.admit() for _ in range(3)] == [Admission()] * 3
    assert open_up(breaker) == [False, False, True]
    assert breaker.admit().wait == 60  # all is forgotten: the time is the first one again


def test_the_time_doubles_with_every_failure_to_close_up_to_a_bound(breaker, clock):
    open_up(breaker)
    times = []
    for _ in range(7):
        times.append(breaker.admit().wait)
        clock.now += times[-1]
        assert breaker.admit().probe
        assert breaker.futile("still down")  # one is enough now
    assert times == [60, 120, 240, 480, 480, 480, 480]
    assert breaker.admit().problem == "still down"


def test_one_that_tells_nothing_hands_over_to_the_next(breaker, clock):
    open_up(breaker)
    clock.now += 60
    assert breaker.admit().probe
    breaker.undecided()
    assert breaker.admit().probe
    assert not breaker.admit().probe


def test_after_the_end_of_the_one_that_failed_undecided_changes_nothing(breaker, clock):
    open_up(breaker)
    clock.now += 60
    breaker.admit()
    breaker.futile("still down")
    breaker.undecided()
    assert breaker.admit().wait == 120
