"""Sensitivities against the verdicts and severities of published rule tests (shared data; skipped without it)."""

import polars as pl
import pytest

from tests.ml.priority.judged import SENSITIVITY, Model, judged
from tests.ml.priority.panther import measure, read_tests
from tests.ml.worlds import hours


@pytest.fixture(scope="module")
def tests(shared_dir) -> pl.DataFrame:
    file = shared_dir / "data" / "labelled" / "panther_analysis" / "aws_rule_tests.jsonl"
    if not file.is_file():
        pytest.skip("the shared sample data lacks labelled/panther_analysis")
    return read_tests(file)


def test_verdicts_and_severities(tests):
    found = measure(tests, SENSITIVITY)
    print(
        f"area under the ROC curve {found.auc:.3f}, within one of five {found.within_one:.3f}, exact {found.exact:.3f}"
    )
    assert found.tests > 440
    assert found.auc >= 0.75


def test_priorities_are_within_one_class(tests):
    """Of a first-seen call of a newcomer, for which the call alone decides; their Info and Low are our low."""
    rows = [
        row | {"first_seen": True, "cold_start": True} for row in tests.filter(pl.col("expected")).iter_rows(named=True)
    ]
    _, by_row, _ = judged(rows, hours(0, 1)[9], model=Model())
    ours = by_row["priority"].replace_strict({"low": 0, "medium": 1, "high": 2, "critical": 3})
    theirs = (tests.filter(pl.col("expected"))["theirs"].cast(pl.Int64) - 1).clip(0)
    distance = (ours - theirs).abs()
    print(f"within one class {(distance <= 1).mean():.3f}, exact {(distance == 0).mean():.3f}")
    assert float((distance <= 1).mean()) >= 0.85
