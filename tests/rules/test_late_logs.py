"""Log files that come late: the rules that ship see them, and tell of each attack once."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from s3sentinel_assets.local.workspace.definitions import Catalogue
from s3sentinel_assets.local.workspace.query import Query, QueryApi
from s3sentinel_assets.local.workspace.rows import RowReader
from s3sentinel_assets.local.workspace.storage import Storage
from s3sentinel_assets.rules import Outcome, find_rules, run_rule
from tests.rules.conftest import REPOSITORY

RULES = {Path(rule.file).stem: rule for rule in find_rules(REPOSITORY / "rules")[0]}
#: A run of a rule. What follows lies in one window of five minutes, an hour and more before.
RUN = datetime(2026, 11, 20, 16, 0, tzinfo=UTC)
WINDOW = RUN - timedelta(minutes=75)
CALLS = [("iam", "ListUsers"), ("s3", "ListBuckets"), ("ec2", "DescribeInstances"), ("kms", "ListKeys")]
CALLS += [("iam", "ListRoles"), ("sts", "GetCallerIdentity"), ("ec2", "DescribeVpcs"), ("iam", "GetUser")]


class Arrivals:
    """A workspace that rows come to at their time."""

    def __init__(self, folder: Path) -> None:
        self._catalogue = Catalogue.build()
        self.storage = Storage(folder / "w.duckdb", self._catalogue, "id")
        self._api = QueryApi(self.storage, self._catalogue)

    def arrive(self, table: str, rows: list[dict[str, Any]], at: datetime) -> None:
        frame = RowReader(self._catalogue.tables[table]).read(json.dumps(rows).encode(), RUN).frame
        self.storage.append(table, frame, at.replace(tzinfo=None))

    def fires(self, name: str, at: datetime) -> bool:
        """Whether the rule makes an alert in its run at that moment."""
        run = run_rule(RULES[name], self._ask, None, at)
        assert (run.outcome, run.reason) == (Outcome.RAN, "")
        return bool(run.fired)

    def _ask(self, kql: str, span: tuple[datetime, datetime]) -> list[dict[str, Any]]:
        result = self._api.run(Query(kql, "/".join(end.isoformat() for end in span)))
        return [dict(zip(result.columns, row, strict=True)) for row in result.rows]


@pytest.fixture
def arrivals(tmp_path: Path) -> Iterator[Arrivals]:
    made = Arrivals(tmp_path)
    yield made
    made.storage.close()


def refused(count: int, first: int = 0) -> list[dict[str, Any]]:
    return [
        {
            "TimeGenerated": (WINDOW + timedelta(seconds=number)).isoformat(),
            "EventId_CF": f"flow-{number}",
            "Action": "REJECT",
            "SrcAddr": "10.0.0.9",
            "DstAddr": f"10.0.1.{number}",
            "DstPort": 22,
            "InterfaceId": "eni-1",
            "VpcId": "vpc-1",
        }
        for number in range(first, first + count)
    ]


def looks(count: int, first: int = 0) -> list[dict[str, Any]]:
    return [
        {
            "TimeGenerated": (WINDOW + timedelta(seconds=number)).isoformat(),
            "EventId_CF": f"call-{number}",
            "EventSource": f"{CALLS[number % len(CALLS)][0]}.amazonaws.com",
            "EventName": CALLS[number % len(CALLS)][1],
            "ErrorCode": "AccessDenied",
            "UserIdentityUserName": "mallory",
            "SourceIpAddress": "203.0.113.9",
            "RecipientAccountId": "111122223333",
        }
        for number in range(first, first + count)
    ]


WINDOWED = [("port_sweep", "AWSVPCFlow", refused, 15), ("discovery_with_denials", "AWSCloudTrail", looks, 6)]
STEP = timedelta(minutes=15)


@pytest.mark.parametrize(("name", "table", "rows", "enough"), WINDOWED)
def test_a_window_that_comes_late_is_told_once(
    arrivals: Arrivals, name: str, table: str, rows: Any, enough: int
) -> None:
    arrivals.arrive(table, rows(enough), RUN - timedelta(minutes=5))
    assert arrivals.fires(name, RUN)
    arrivals.arrive(table, rows(2, enough), RUN + timedelta(minutes=5))  # more of the same
    assert not arrivals.fires(name, RUN + STEP)
    assert not arrivals.fires(name, RUN + 2 * STEP)


@pytest.mark.parametrize(("name", "table", "rows", "enough"), WINDOWED)
def test_a_window_that_comes_in_pieces_is_told_when_it_is_enough(
    arrivals: Arrivals, name: str, table: str, rows: Any, enough: int
) -> None:
    arrivals.arrive(table, rows(enough - 1), RUN - timedelta(minutes=50))
    assert not arrivals.fires(name, RUN - 3 * STEP)
    arrivals.arrive(table, rows(1, enough - 1), RUN - timedelta(minutes=5))
    assert arrivals.fires(name, RUN)
    assert not arrivals.fires(name, RUN + STEP)


@pytest.mark.parametrize("name", ["high_priority_event", "logging_stopped"])
def test_rules_about_one_event_go_by_its_arrival(name: str) -> None:
    # Sentinel gives a rule of this kind what came in during the last minute, whatever its TimeGenerated.
    assert RULES[name].kind == "NRT"
    assert "summarize" not in RULES[name].query
