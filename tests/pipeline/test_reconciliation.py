"""Tables whose queries are billed: asked once sealed, not after agreement, at growing intervals, in short ranges."""

from contextlib import nullcontext
from datetime import timedelta
from types import SimpleNamespace

import pytest

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.hours import hour_start
from s3sentinel_assets.ledger.accounts import AcceptedBatch
from s3sentinel_assets.ledger.engine import to_micros
from s3sentinel_assets.ledger.proofs import EarlierProofs
from s3sentinel_assets.pipeline import reconciliation
from s3sentinel_assets.sentinel.query import Found

HOUR = "2026-11-20-07:00"
CHEAP, FULL = "AWSVPCFlow_Auxiliary_CL", "AWSVPCFlow"
MINUTE = 60_000_000


def at(minutes):
    """Microseconds so long after the hour began."""
    return to_micros(hour_start(HOUR)) + round(minutes * MINUTE)


class Query:
    """Remembers what was asked; holds what it is told to."""

    def __init__(self, held):
        self.held, self.calls = held, []

    def count_batches(self, table, batch_ids, *, since=None, time_range=None):
        self.calls.append((table, sorted(batch_ids), time_range))
        return {name: self.held[name] for name in batch_ids if name in self.held}


@pytest.fixture
def report(monkeypatch):
    def made(batches, held, earlier, now):
        query = Query(held)
        monkeypatch.setattr(reconciliation, "accepted_batches", lambda *_: batches)
        monkeypatch.setattr(reconciliation, "earlier_proofs", lambda *_: earlier)
        monkeypatch.setattr(reconciliation, "latest_stages", lambda *_: {})
        ledger = SimpleNamespace(read=lambda: nullcontext(None))
        runtime = SimpleNamespace(ledger=ledger, store=None, query=query)
        return reconciliation.workspace_report(runtime, "flows", HOUR, now), query.calls

    return made


ONE = {CHEAP: [AcceptedBatch("c", 1, 40, at(70))], FULL: [AcceptedBatch("f", 1, 60, at(70))]}
ALL = {"c": Found(40, 40), "f": Found(60, 60)}


@pytest.mark.parametrize(
    ("earlier", "now", "asks"),
    [
        ((None, None, False), 75, False),  # not sealed
        ((80, None, False), 81, True),
        ((80, 82, False), 85, False),  # rows take minutes to become visible
        ((80, 82, False), 113, True),
        ((80, 200, False), 310, False),  # asked two hours after it was final: not before two more
        ((80, 200, False), 321, True),
        ((80, 200, True), 900, False),  # the workspace had it all
    ],
)
def test_when_a_billed_table_is_asked(report, earlier, now, asks):
    final, asked, agreed = earlier
    said = EarlierProofs(final and at(final), asked and at(asked), agreed=agreed)
    made, calls = report(ONE, ALL, said, at(now))
    assert [call[0] for call in calls].count(CHEAP) == asks
    assert [call[0] for call in calls].count(FULL) == 1
    if asks or agreed:
        assert made.passed and made.counts == {"accepted": 100, "distinct_events": 100, "found": 100}
    else:
        assert not made.passed and "found" not in made.counts
        assert (made.counts["not_asked"], made.counts["found_so_far"]) == (40, 60)
        assert len(made.problems) == 1 and CHEAP in made.problems[0]


def test_missing_and_doubled_rows_of_a_billed_table_are_told_by_batch(report):
    said = EarlierProofs(at(80), None, agreed=False)
    made, _ = report(ONE, {"c": Found(41, 40), "f": Found(60, 60)}, said, at(90))
    assert not made.passed and made.counts["found"] == 101
    assert made.problems[0] == f"batch c in {CHEAP}: 40 rows accepted, 41 found"
    assert "1 rows are doubled" in made.problems[1]
    made, _ = report(ONE, {"f": Found(60, 60)}, said, at(90))
    assert made.problems == [
        f"batch c in {CHEAP}: 40 rows accepted, 0 found",
        "100 rows accepted, 60 found so far; rows can take minutes to become visible",
    ]


def test_what_is_missing_elsewhere_is_told_while_a_billed_table_waits(report):
    made, _ = report(ONE, {"f": Found(59, 59)}, EarlierProofs(None, None, agreed=False), at(75))
    assert f"batch f in {FULL}: 60 rows accepted, 59 found" in made.problems
    assert made.problems[-1].startswith("60 rows accepted, 59 found so far")


def test_one_query_for_an_hour_and_another_for_a_part_that_came_weeks_later(report):
    day = timedelta(days=1)
    weeks = 21 * 24 * 60
    batches = {
        CHEAP: [
            AcceptedBatch("a", 1, 1, at(70)),
            AcceptedBatch("b", 2, 1, at(75)),
            AcceptedBatch("z", 3, 1, at(weeks)),
        ]
    }
    held = dict.fromkeys("abz", Found(1, 1))
    made, calls = report(batches, held, EarlierProofs(at(weeks), None, agreed=False), at(weeks + 60))
    assert made.passed
    assert [call[1] for call in calls] == [["a", "b"], ["z"]]
    for _, _, (start, end) in calls:
        assert end - start < 4 * day
    assert calls[0][2][0] < hour_start(HOUR) < calls[0][2][1] < calls[1][2][0]


def test_a_workspace_that_cannot_be_asked_is_a_sentence(report, monkeypatch):
    def refuse(*_, **__):
        raise UserError("no right")

    monkeypatch.setattr(Query, "count_batches", refuse)
    made, _ = report(ONE, ALL, EarlierProofs(None, None, agreed=False), at(75))
    assert (made.passed, made.counts) == (False, {"accepted": 100})
    assert made.problems == ["the workspace could not be asked: no right"]
