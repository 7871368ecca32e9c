"""Shares add up, percentiles are of the values, moments are reproducible."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3sentinel_assets.local.latency import STEPS, Journey, gaps, percentile, summary


def test_each_step_takes_the_time_since_the_one_before() -> None:
    journey = Journey(100.0, {"seen": 102.0, "queued": 102.5, "started": 105.0, "delivered": 106.0, "found": 106.5})
    assert journey.shares == {"seen": 2.0, "queued": 0.5, "started": 2.5, "delivered": 1.0, "found": 0.5}
    assert journey.seconds == 6.5


def test_a_run_that_was_already_on_its_way_took_no_time_to_queue() -> None:
    journey = Journey(100.0, {"seen": 101.0, "queued": 98.0, "started": 100.5, "delivered": 103.0, "found": 104.0})
    assert journey.shares == {"seen": 1.0, "queued": 0.0, "started": 0.0, "delivered": 2.0, "found": 1.0}


def test_what_is_not_known_is_not_guessed() -> None:
    assert Journey(100.0, {"found": 107.0}).shares == dict.fromkeys(STEPS, 0.0) | {"found": 7.0}


_INSTANT = st.floats(0, 1_000)


@given(_INSTANT, st.dictionaries(st.sampled_from(STEPS[:-1]), _INSTANT), _INSTANT)
def test_shares_always_add_up(put: float, at: dict[str, float], after: float) -> None:
    journey = Journey(put, at | {"found": put + after})
    assert min(journey.shares.values()) >= 0
    assert sum(journey.shares.values()) == pytest.approx(journey.seconds, abs=1e-6)


def test_percentiles_are_values_that_occurred() -> None:
    values = [float(number) for number in range(20, 0, -1)]
    assert (percentile(values, 0.5), percentile(values, 0.95), percentile(values, 1)) == (10.0, 19.0, 20.0)
    assert percentile([3.0], 0.95) == 3.0


def test_the_summary_holds_the_whole_and_each_step() -> None:
    figures = summary([Journey(0.0, {"seen": n / 2, "found": float(n)}) for n in (2, 4, 6)])
    assert (figures["objects"], figures["p50"], figures["p95"], figures["max"]) == (3, 4.0, 6.0, 6.0)
    assert figures["steps"]["seen"] == {"p50": 2.0, "p95": 3.0, "max": 3.0, "share": 0.5}
    assert sum(step["share"] for step in figures["steps"].values()) == pytest.approx(1)
    assert summary([])["objects"] == 0


def test_what_was_never_found_counts_as_slowest() -> None:
    found = [Journey(0.0, {"found": float(n)}) for n in range(1, 10)]
    figures = summary(found, lost=1)
    assert (figures["objects"], figures["lost"], figures["p50"]) == (9, 1, 5.0)
    assert (figures["p95"], figures["max"]) == (None, None)  # not the 9.0 of those that were lucky
    assert summary(found)["p95"] == 9.0
    assert summary([], lost=3)["lost"] == 3


def test_moments_come_from_the_seed() -> None:
    one = gaps(50, 7, 4, 9)
    assert one == gaps(50, 7, 4, 9) != gaps(50, 8, 4, 9)
    assert all(4 <= gap <= 9 for gap in one)
    assert len({round(gap, 2) for gap in one}) > 40
