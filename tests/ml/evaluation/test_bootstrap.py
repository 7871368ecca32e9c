"""Intervals: known cases, and that they hold what they promise."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.ml.evaluation.bootstrap import ratio

FOUND = pl.col("found")


def frame(shares: list[float], each: int = 20) -> pl.DataFrame:
    """Clusters of ``each`` rows, with a share of them found."""
    rows = [(f"t{number}", place < share * each) for number, share in enumerate(shares) for place in range(each)]
    return pl.DataFrame(rows, schema=["technique", "found"], orient="row").with_columns(seed=pl.lit(1))


def test_what_never_varies_has_no_width():
    interval = ratio(frame([1.0, 1.0, 1.0]), FOUND, cluster="technique")
    assert interval is not None
    assert interval.rounded() == [1.0, 1.0, 1.0]
    assert interval.clusters == 3


def test_nothing_counted_is_no_share():
    assert ratio(frame([1.0]).clear(), FOUND, cluster="technique") is None
    assert ratio(frame([1.0]), FOUND, pl.lit(0), cluster="technique") is None


def test_the_width_follows_the_clusters_and_not_the_rows():
    shares = [1.0, 0.0] * 10
    few = ratio(frame(shares, each=1), FOUND, cluster="technique")
    many = ratio(frame(shares, each=200), FOUND, cluster="technique")
    assert few == many
    by_row = frame(shares, each=200).with_row_index()
    assert few is not None
    narrow = ratio(by_row, FOUND, cluster="index")
    assert narrow is not None
    assert narrow.high - narrow.low < 0.2 * (few.high - few.low)


def test_repeating_the_same_techniques_with_another_seed_does_not_narrow_it():
    once = frame([1.0, 0.0] * 10, each=4)
    twice = pl.concat([once, once.with_columns(seed=pl.lit(2))])
    single = ratio(once, FOUND, cluster="technique", block="seed")
    double = ratio(twice, FOUND, cluster="technique", block="seed")
    assert single is not None
    assert double is not None
    assert double.high - double.low == pytest.approx(single.high - single.low, abs=0.02)


def test_a_difference_is_drawn_together():
    data = frame([0.9, 0.5, 0.7, 0.3]).with_columns(other=pl.col("found"))
    interval = ratio(data, FOUND.cast(pl.Int64) - pl.col("other").cast(pl.Int64), cluster="technique")
    assert interval is not None
    assert interval.rounded() == [0.0, 0.0, 0.0]


def test_the_interval_of_a_mean_of_clusters_is_the_textbook_one():
    generator = np.random.default_rng(5)
    values = generator.normal(10, 2, size=400)
    data = pl.DataFrame({"cluster": [str(n) for n in range(400)], "value": values})
    interval = ratio(data, pl.col("value"), cluster="cluster", resamples=4_000)
    assert interval is not None
    error = 1.96 * values.std() / 20
    assert interval.low == pytest.approx(values.mean() - error, abs=0.03)
    assert interval.high == pytest.approx(values.mean() + error, abs=0.03)


@given(rows=st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("12"), st.booleans()), min_size=1, max_size=40))
@settings(max_examples=50, deadline=None)
def test_bounds_are_shares_and_rows_have_no_order(rows):
    data = pl.DataFrame(rows, schema=["technique", "seed", "found"], orient="row")
    interval = ratio(data, FOUND, cluster="technique", block="seed", resamples=500)
    assert interval is not None
    assert 0 <= interval.low <= interval.high <= 1
    assert interval.value == pytest.approx(float(data["found"].cast(pl.Int64).sum()) / len(rows))
    assert ratio(data.reverse(), FOUND, cluster="technique", block="seed", resamples=500) == interval
