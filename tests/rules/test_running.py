"""When a rule is evaluated, and what is made of the answers."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.rules import Outcome, at_moment, parse_rule, run_rule

END = datetime(2026, 11, 23, 16, tzinfo=UTC)
START = END - timedelta(hours=3)
NOW = "datetime(2026-11-23T16:00:00.000000Z)"
HOURLY = parse_rule(
    "f", {"name": "r", "query": "T | where Time > ago(1h)", "queryFrequency": "1h", "queryPeriod": "2h"}
)
HUNT = parse_rule("f", {"name": "h", "query": "T | where X > todatetime('{{StartTimeISO}}')"})


@pytest.mark.parametrize(
    ("kql", "becomes"),
    [
        ("T | where A > ago(1d)", f"T | where A > ({NOW} - (1d))"),
        ("T | where A > ago (lookback)", f"T | where A > ({NOW} - (lookback))"),
        ("print now()", f"print {NOW}"),
        ("print now(-2h)", f"print ({NOW} + (-2h))"),
        ("print bin(ago(now() - B), 1h)", f"print bin(({NOW} - ({NOW} - B)), 1h)"),
        ("print 'ago(1d)', \"now()\", @'now()' // now()", "print 'ago(1d)', \"now()\", @'now()' // now()"),
        ("T | project x.now(1), mynow(2), now", "T | project x.now(1), mynow(2), now"),
        ("print ago(1d", "print ago(1d"),
        ("print ago(1d // one ) day\n)", f"print ({NOW} - (1d))"),
        ("print now // at once\n (), ago(\n// why\n1d)", f"print {NOW}, ({NOW} - (1d))"),
        ("print ~~~ago(1d)~~~, ```now()\n```", "print ~~~ago(1d)~~~, ```now()\n```"),
        (
            "let a = '{{StartTimeISO}} {{EndTimeISO}}'; T",
            "let a = '2026-11-23T13:00:00.000000Z 2026-11-23T16:00:00.000000Z'; T",
        ),
    ],
)
def test_the_moment_in_the_text(kql: str, becomes: str) -> None:
    assert at_moment(kql, END, START) == becomes


def test_rows_of_a_range_count_as_just_arrived() -> None:
    fields = {"name": "r", "queryFrequency": "1h", "queryPeriod": "2h"}
    late = parse_rule("f", {**fields, "query": "T | where ingestion_time() > ago(5m)"})
    workspace = Workspace(END)
    run_rule(late, workspace, START, END)
    run_rule(late, workspace, None, END)
    run_rule(late, workspace, END, END + timedelta(hours=1), every=True)
    assert workspace.asked[0][0] == f"T | where {NOW} > ({NOW} - (5m))"
    assert all("ingestion_time() >" in kql for kql, _ in workspace.asked[1:])


def test_brackets_without_end_are_refused_at_once() -> None:
    run = run_rule(parse_rule("f", {"name": "h", "query": "ago(" * 50_000}), Workspace(END), None, END)
    assert run.outcome is Outcome.FAILED
    assert "brackets" in run.reason


class Workspace:
    """Answers one row for every span that holds the event, and remembers what it was asked."""

    def __init__(self, event: datetime) -> None:
        self.event = event
        self.asked: list[tuple[str, tuple[datetime, datetime]]] = []

    def __call__(self, kql: str, span: tuple[datetime, datetime]) -> list[dict[str, Any]]:
        self.asked.append((kql, span))
        return [{"Time": self.event}] if span[0] <= self.event < span[1] else []


def test_once_over_the_period_or_the_range() -> None:
    workspace = Workspace(END - timedelta(minutes=90))
    run = run_rule(HOURLY, workspace, None, END, keep=1)
    assert workspace.asked == [(f"T | where Time > ({NOW} - (1h))", (END - timedelta(hours=2), END))]
    assert (run.outcome, run.rows, len(run.fired)) == (Outcome.RAN, 1, 1)
    assert run.evaluations[0].first == ({"Time": workspace.event},)
    run_rule(HOURLY, workspace, START, END)
    assert workspace.asked[-1][1] == (START, END)


def test_every_step_as_sentinel_would_have() -> None:
    workspace = Workspace(END - timedelta(minutes=90))
    run = run_rule(HOURLY, workspace, START, END, every=True)
    hour = timedelta(hours=1)
    assert [span for _, span in workspace.asked] == [(END - hour * n - 2 * hour, END - hour * n) for n in (2, 1, 0)]
    # The event lies in two overlapping periods, and both make an alert.
    assert [evaluation.moment for evaluation in run.fired] == [END - hour, END]
    assert f"datetime({END - hour:%Y-%m-%dT%H:%M:%S.%fZ})" in workspace.asked[1][0]


def test_hunting_queries_look_back_fourteen_days_and_are_run_once() -> None:
    workspace = Workspace(END)
    run = run_rule(HUNT, workspace, None, END, every=True)
    assert workspace.asked == [
        ("T | where X > todatetime('2026-11-22T16:00:00.000000Z')", (END - timedelta(days=14), END))
    ]
    assert not run.fired
    run_rule(HUNT, workspace, START, END)
    assert workspace.asked[-1][0].endswith("'2026-11-23T13:00:00.000000Z')")


def test_too_many_steps_are_refused_and_not_asked() -> None:
    workspace = Workspace(END)
    nrt = parse_rule("f", {"name": "n", "query": "T", "kind": "NRT"})
    run = run_rule(nrt, workspace, END - timedelta(days=30), END, every=True)
    assert run.outcome is Outcome.FAILED
    assert "43,200 evaluations" in run.reason
    assert not workspace.asked


@pytest.mark.parametrize(
    ("error", "outcome", "reason"),
    [
        (
            "the workspace refuses the query: Failed to resolve table or column expression named 'SigninLogs'",
            Outcome.SKIPPED,
            "needs table SigninLogs",
        ),
        (
            "the workspace refuses the query: Unknown function: '_GetWatchlist'.",
            Outcome.SKIPPED,
            "needs function _GetWatchlist",
        ),
        (
            "externaldata needs 'https://a/b.csv', which is not fetched in the local workspace; put it at /w/b.csv",
            Outcome.SKIPPED,
            "needs external data https://a/b.csv: put it at /w/b.csv",
        ),
        ("the workspace refuses the query: Query could not be parsed", Outcome.FAILED, "Query could not be parsed"),
        (
            "Failed to resolve scalar expression named 'X'",
            Outcome.FAILED,
            "Failed to resolve scalar expression named 'X'",
        ),
    ],
)
def test_what_it_needs_is_told_apart_from_what_is_wrong(error: str, outcome: Outcome, reason: str) -> None:
    def ask(_kql: str, _span: Any) -> list[dict[str, Any]]:
        raise UserError(error)

    run = run_rule(HOURLY, ask, None, END)
    assert (run.outcome, run.reason, run.rows) == (outcome, reason, 0)
