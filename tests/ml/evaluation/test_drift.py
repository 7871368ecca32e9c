"""Drift: equal days have none, order does not matter, a shift shows."""

import random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.ml.evaluation.drift import BIT_EDGES, LEAST_EVENTS, Histograms, psi

COUNTS = st.lists(st.integers(0, 1000), min_size=4, max_size=4)


@settings(max_examples=50, deadline=None)
@given(COUNTS, COUNTS)
def test_it_is_never_negative_symmetric_and_nothing_for_equal_histograms(left, right):
    assert psi(left, left) == 0.0
    assert psi(left, right) == pytest.approx(psi(right, left), abs=1e-5)
    assert psi(left, right) >= 0.0


def drawn(source: random.Random, events: int, zero: float) -> list[int]:
    """A histogram of so many events, of which about a share of ``zero`` says nothing."""
    bins = [0] * (len(BIT_EDGES) + 1)
    for place in source.choices(range(len(bins)), [zero] + [(1 - zero) / 10] * 10, k=events):
        bins[place] += 1
    return bins


@pytest.mark.parametrize("zero", [0.3, 0.7, 0.9])
def test_chance_is_no_drift(zero):
    source = random.Random(1)
    few = [psi(drawn(source, 400, zero), drawn(source, 100, zero)) for _ in range(200)]
    assert sum(few) / len(few) < 0.04  # its mean was 10 · (1/400 + 1/100) = 0.125
    enough = [psi(drawn(source, LEAST_EVENTS, zero), drawn(source, LEAST_EVENTS, zero)) for _ in range(300)]
    assert max(enough) < 0.1


def test_a_real_change_shows_through_chance():
    source = random.Random(1)
    assert psi(drawn(source, LEAST_EVENTS, 0.9), drawn(source, LEAST_EVENTS, 0.6)) > 0.25


def test_a_name_with_few_events_on_either_side_is_left_out():
    many, few = Histograms.of(matrix([0.0] * 500)), Histograms.of(matrix([9.0] * 499))
    assert many.drift_to(few, least=500) == few.drift_to(many, least=500) == {}
    assert many.drift_to(few)["new_action"] > 1
    assert many.drift_to(many, least=500) == {"new_action": 0.0}


def test_different_bins_are_refused():
    with pytest.raises(ValueError, match="2 and 3 bins"):
        psi([1, 2], [1, 2, 3])


def matrix(values):
    return pl.DataFrame({"new_action": values}, schema={"new_action": pl.Float64})


def test_a_shift_shows_in_its_term_and_order_and_parts_do_not():
    before = Histograms.of(matrix([0.0] * 90 + [5.0] * 10))
    after = Histograms.of(matrix([9.0] * 40 + [0.0] * 60))
    assert before.drift_to(after)["new_action"] > 0.25
    again = Histograms.of(matrix([5.0] * 10 + [0.0] * 40)).plus(Histograms.of(matrix([0.0] * 50)))
    assert again == before
    assert before.drift_to(again) == {"new_action": 0.0}


def test_edges_belong_to_the_bin_below_and_nothing_counts_as_zero():
    counts = Histograms.of(matrix([0.0, 0.5, 0.51, 13.0, 99.0, None, float("nan")])).counts["new_action"]
    assert counts == [3, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1]
    assert len(counts) == len(BIT_EDGES) + 1


def test_it_survives_json_and_distrusts_it():
    made = Histograms.of(matrix([1.0, 2.0]))
    assert Histograms.from_data(made.as_data()) == made
    assert Histograms.from_data({**made.as_data(), "edges": [1.0]}) is None
    assert Histograms.from_data({**made.as_data(), "counts": {"new_action": ["x"]}}) is None
