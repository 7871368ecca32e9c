"""What priorities are worth, counted by hand."""

import polars as pl

from s3sentinel_assets.ml.evaluation.outcomes import benign_outcomes, incident_outcomes, rank, strongest
from s3sentinel_assets.ml.evaluation.slices import SLICES

EVENTS = pl.DataFrame(
    {
        "account": ["1"] * 7,
        "principal": ["ann", "ann", "ann", "bob", "bob", "bob", "bob"],
        "hour": ["08", "08", "09", "08", "08", "08", "08"],
        "kind": ["background"] * 3 + ["attack", "attack", "background", "placebo"],
        "incident": [None, None, None, "x", "x", None, "p"],
        "shadow": [False, False, False, False, False, True, False],
    }
)
PRIORITY = pl.Series(["low", "medium", "critical", "low", "high", "high", "critical"])


def test_priorities_are_ranked_and_what_is_not_known_is_least():
    assert rank(pl.Series(["critical", "high", "medium", "low", "unknown", None, "?"])).to_list() == [
        4,
        3,
        2,
        1,
        0,
        0,
        0,
    ]


def test_an_incident_has_its_highest_priority_and_its_events_by_level():
    assert incident_outcomes(EVENTS, rank(PRIORITY)).rows(named=True) == [
        {"incident": "x", "events": 2, "rank": 3, "events_medium": 1, "events_high": 1, "events_critical": 0}
    ]


def test_benign_events_in_a_shadow_are_counted_apart_and_a_placebo_is_not_benign_background():
    ann, bob = benign_outcomes(EVENTS, rank(PRIORITY)).rows(named=True)
    assert (ann["events"], ann["events_medium"], ann["events_high"], ann["events_critical"]) == (3, 2, 1, 1)
    assert (bob["events"], bob["events_high"]) == (0, 0)
    assert (bob["events_all"], bob["events_high_all"], bob["events_critical_all"]) == (1, 1, 0)


def test_the_roll_up_lifts_all_events_of_the_principal_hour():
    assert strongest(EVENTS, rank(PRIORITY)).to_list() == [2, 2, 4, 4, 4, 4, 4]
    assert strongest(EVENTS.clear(), rank(PRIORITY.clear())).to_list() == []


def test_slices_are_what_their_names_say():
    incidents = pl.DataFrame(
        {
            "variant": ["same_ip,same_agent,working_hours", "same_ip", "same_agent", None],
            "victim": ["human", "workload", "admin", "ci"],
            "cold_start": [False, False, True, False],
        }
    )
    members = {
        name: incidents.select(condition.alias("in"))["in"].to_list()
        for name, condition in SLICES.items()
        if name != "all"
    }
    assert members == {
        "new_ip": [False, False, True, True],
        "same_ip": [True, True, False, False],
        "same_ip_and_agent": [True, False, False, False],
        "off_hours": [False, True, True, True],
        "human": [True, False, False, False],
        "human_same_ip": [True, False, False, False],
        "workload": [False, True, False, False],
        "ci": [False, False, False, True],
        "admin": [False, False, True, False],
        "cold_start": [False, False, True, False],
    }
