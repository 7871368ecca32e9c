"""Figures on cases small enough to count by hand, and what must hold whatever the scores."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.ml.evaluation.metrics import (
    average_precision,
    baseline_recall,
    false_alarms,
    incident_costs,
    recall_at,
    roc_auc,
)
from s3sentinel_assets.ml.evaluation.truth import shadows

START = datetime(2026, 11, 12, 8, tzinfo=UTC)


def table(rows: list[tuple[str, int, float, str | None]]) -> tuple[pl.DataFrame, pl.Series]:
    """Rows of principal, minute, score, incident → events with their shadows, and scores."""
    events = pl.DataFrame(
        {
            "account": ["1"] * len(rows),
            "principal": [row[0] for row in rows],
            "time": pl.Series([START + timedelta(minutes=row[1]) for row in rows], dtype=pl.Datetime("us", "UTC")),
            "hour": [f"{8 + row[1] // 60:02}" for row in rows],
            "incident": pl.Series([row[3] for row in rows], dtype=pl.String),
            "kind": ["background" if row[3] is None else "attack" for row in rows],
        }
    )
    return events.with_columns(shadows(events)), pl.Series("score", [row[2] for row in rows], dtype=pl.Float64)


BENIGN = [
    ("ann", 0, 5.0, None),
    ("ann", 10, 9.0, None),  # the highest of ann's first hour
    ("ann", 70, 1.0, None),
    ("bob", 0, 7.0, None),
    ("bob", 20, 7.0, None),
    ("eve", 0, 3.0, None),
]


def test_an_incident_costs_the_benign_hours_that_score_at_least_as_much():
    events, scores = table(
        [*BENIGN, ("dan", 5, 7.0, "x"), ("dan", 6, 2.0, "x"), ("dan", 7, 8.0, "y"), ("kim", 0, 9.5, "z")]
    )
    costs = incident_costs(events, scores, days=2)
    assert costs["incident"].to_list() == ["x", "y", "z"]
    assert costs["score"].to_list() == [7.0, 8.0, 9.5]
    # At 7 both ann's first hour and bob's (a tie, which counts) are above: 2 hours in 2 days.
    assert costs["hours_per_day"].to_list() == [1.0, 0.5, 0.0]
    assert costs["events_share"].to_list() == pytest.approx([3 / 6, 1 / 6, 0.0])
    assert recall_at(costs["hours_per_day"], 0.0) == pytest.approx(1 / 3)
    assert recall_at(costs["hours_per_day"], 0.5) == pytest.approx(2 / 3)
    assert recall_at(costs["hours_per_day"], 1.0) == 1.0
    assert recall_at(costs["hours_per_day"].clear(), 1.0) is None


def test_one_benign_hour_counts_once_however_many_of_its_events_are_above():
    events, scores = table(BENIGN)
    assert false_alarms(events, scores).rows() == [
        ("1", "ann", "08", 9.0),
        ("1", "ann", "09", 1.0),
        ("1", "bob", "08", 7.0),
        ("1", "eve", "08", 3.0),
    ]


def test_benign_events_around_an_incident_are_in_its_shadow():
    events, scores = table(
        [
            ("ann", 0, 9.0, None),  # same hour, before
            ("ann", 30, 1.0, "x"),
            ("ann", 80, 9.0, None),  # 50 minutes after
            ("ann", 125, 9.0, None),  # 95 minutes after
            ("bob", 31, 9.0, None),  # somebody else
        ]
    )
    assert events["shadow"].to_list() == [True, False, True, False, False]
    assert false_alarms(events, scores).select("principal", "hour").rows() == [("ann", "10"), ("bob", "08")]
    # By events nothing is forgiven.
    assert incident_costs(events, scores, days=1)["events_share"].item() == 1.0


def test_a_yes_or_no_rule_has_one_budget_and_one_recall():
    events, scores = table([*BENIGN, ("dan", 5, 7.0, "x"), ("dan", 7, 8.0, "y")])
    assert baseline_recall(events, scores >= 7.5, days=0.5) == (2.0, 0.5)
    assert baseline_recall(events, scores >= 100, days=1) == (0.0, 0.0)


def test_order_is_counted_with_ties():
    benign, attack = pl.Series([1.0, 2.0, 2.0]), pl.Series([2.0, 3.0])
    # 2 beats one and ties with two of three; 3 beats all.
    assert roc_auc(benign, attack) == pytest.approx((1 + 0.5 + 0.5 + 3) / 6)
    # Threshold 3: 1 of 1 right, half of the recall. Threshold 2: 2 of 4 right, the other half.
    assert average_precision(benign, attack) == pytest.approx(0.5 * 1.0 + 0.5 * 0.5)
    assert roc_auc(benign, attack.clear()) is None
    assert average_precision(benign.clear(), attack) is None


def test_order_agrees_with_scikit_learn():
    from sklearn.metrics import average_precision_score, roc_auc_score

    generator = pl.Series(range(400)).shuffle(seed=3)
    scores, truth = generator % 37, generator % 11 == 0
    benign, attack = scores.filter(~truth), scores.filter(truth)
    assert roc_auc(benign, attack) == pytest.approx(roc_auc_score(truth.to_list(), scores.to_list()))
    assert average_precision(benign, attack) == pytest.approx(
        average_precision_score(truth.to_list(), scores.to_list())
    )


def test_days_must_be_some():
    events, scores = table(BENIGN)
    with pytest.raises(ValueError, match="span some time"):
        incident_costs(events, scores, days=0)


worlds = st.lists(
    st.tuples(
        st.sampled_from(["ann", "bob", "eve", "kim"]),
        st.integers(0, 600),
        st.integers(0, 8).map(float),
        st.sampled_from([None, None, None, "x", "y"]),
    ),
    min_size=1,
    max_size=40,
)


@given(rows=worlds)
@settings(max_examples=50, deadline=None)
def test_a_score_that_keeps_the_order_costs_the_same_and_the_order_of_rows_does_not_matter(rows):
    events, scores = table(rows)
    costs = incident_costs(events, scores, days=1).drop("score")
    assert incident_costs(events, scores * 3 - 5, days=1).drop("score").equals(costs)
    mixed = events.with_columns(score=scores).sample(fraction=1.0, shuffle=True, seed=1)
    assert incident_costs(mixed.drop("score"), mixed["score"], days=1).drop("score").equals(costs)


@given(rows=worlds)
@settings(max_examples=50, deadline=None)
def test_what_the_cost_says_is_what_a_threshold_gives(rows):
    """The definition, event by event: alert above a threshold, count benign hours, look for the incident."""
    events, scores = table(rows)
    for cost in incident_costs(events, scores, days=1).to_dicts():
        alerts = events.filter(scores >= cost["score"])
        assert cost["incident"] in alerts["incident"].to_list()
        shadowed = events.filter(pl.col("shadow")).select("principal", "hour")
        hours = alerts.filter(pl.col("kind") == "background").join(shadowed, on=["principal", "hour"], how="anti")
        assert hours.select("principal", "hour").unique().height == cost["hours_per_day"]
        assert cost["incident"] not in events.filter(scores > cost["score"])["incident"].to_list()
