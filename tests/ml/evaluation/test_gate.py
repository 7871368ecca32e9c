"""The gate: what is let through, and the sentence with which each kind of bad model is refused."""

from dataclasses import replace

import pytest

from s3sentinel_assets.ml.evaluation.gate import Evidence, GateLimits, judge_challenger

GOOD = Evidence(
    days=11.0,
    principals=180,
    events=900_000,
    top_share=0.2,
    top_principal="role/worker",
    informative_terms=12,
    attacks_left_in=0,
    urgent_left_in=0,
    unusual_hours=12,
    expected_unusual_hours=11.0,
    recall={"all": (60, 0.94, 0.95), "same_ip": (15, 0.80, 0.79)},
    medium_volume=0.02,
    score_psi=0.05,
    champion_psi=0.04,
    replay_identical=True,
    load_error="",
)


def test_a_good_challenger_passes_every_line():
    report = judge_challenger(GOOD)
    assert report.passed, report.refusals
    assert len({check.name for check in report.checks}) == len(report.checks) == 13


@pytest.mark.parametrize(
    ("changes", "name", "words"),
    [
        ({"days": 2.0}, "training days", "2.0 days"),
        ({"principals": 3}, "principals", "3 principals"),
        ({"informative_terms": 2}, "informative terms", "degenerate"),
        ({"top_share": 0.93}, "share of one principal", "role/worker has 93%"),
        ({"attacks_left_in": 4}, "attacks left in", "part of what analysts called an attack"),
        ({"urgent_left_in": 9}, "urgent events left in", "never cleared"),
        ({"unusual_hours": 60}, "unusual training hours", "attacks may have been left in"),
        ({"recall": {"all": (60, 0.94, 0.93), "same_ip": (15, 0.80, 0.73)}}, "incident recall, same_ip", "lost"),
        ({"medium_volume": 0.031}, "benign volume at medium", "3.10%"),
        ({"score_psi": 0.4}, "score stability", "does not describe"),
        ({"replay_identical": False}, "replay", "differ"),
        ({"load_error": "tables.npz is damaged"}, "load test", "tables.npz is damaged"),
    ],
)
def test_each_way_of_being_worse_is_refused_with_its_reason(changes, name, words):
    report = judge_challenger(replace(GOOD, **changes))
    assert [check.name for check in report.checks if not check.passed] == [name]
    assert words in report.refusals[0]


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"recall": {}}, "incident recall"),
        ({"recall": {"all": (3, 1.0, 1.0)}}, "incident recall"),
        ({"medium_volume": None}, "benign volume at medium"),
        ({"score_psi": None, "missing": {"score stability": "no record"}}, "score stability"),
        ({"replay_identical": None}, "replay"),
        ({"load_error": None}, "load test"),
        ({"unusual_hours": None}, "unusual training hours"),
    ],
)
def test_what_cannot_be_judged_is_not_passed(changes, name):
    report = judge_challenger(replace(GOOD, **changes))
    assert [check.name for check in report.checks if not check.passed] == [name]
    assert "could not be judged" in report.refusals[0]


def test_exactly_two_points_may_be_lost_and_small_slices_do_not_decide():
    assert judge_challenger(replace(GOOD, recall={"all": (50, 0.94, 0.92), "ci": (9, 1.0, 0.0)})).passed


def test_a_moved_score_is_explained_where_the_champions_moved_as_far():
    moved = replace(GOOD, score_psi=0.5, champion_psi=0.6)
    assert judge_challenger(moved).passed
    assert not judge_challenger(replace(moved, champion_psi=0.1)).passed
    assert not judge_challenger(replace(moved, champion_psi=None)).passed


def test_a_log_family_without_stories_and_a_plain_champion_are_judged_by_the_rest():
    assert judge_challenger(replace(GOOD, recall=None)).passed
    assert judge_challenger(replace(GOOD, champion_calibrated=False, unusual_hours=99)).passed
    assert not judge_challenger(replace(GOOD, recall=None), GateLimits(least_days=12)).passed
