"""Log files that come late: the rules that ship see them, and tell of each attack once."""

import json
import random
import uuid
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
STEPS = ["CreateUser", "AttachUserPolicy", "CreateAccessKey", "AddUserToGroup", "CreateLoginProfile"]
OUTSIDE = "203.0.113.9"
FOREIGN = "999988887777"


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
            "SourceIpAddress": OUTSIDE,
            "RecipientAccountId": "111122223333",
        }
        for number in range(first, first + count)
    ]


def anomalies(count: int, first: int = 0) -> list[dict[str, Any]]:
    return [row | {"Priority_CF": "medium", "AnomalyScore_CF": 14.0} for row in looks(count, first)]


def equips(count: int, first: int = 0) -> list[dict[str, Any]]:
    return [
        {
            "TimeGenerated": (WINDOW + timedelta(minutes=number)).isoformat(),
            "EventId_CF": f"step-{number}",
            "EventName": STEPS[number],
            "RequestParameters": json.dumps({"userName": "support"}),
            "UserIdentityArn": "arn:aws:iam::111122223333:user/mallory",
            "SourceIpAddress": OUTSIDE,
            "RecipientAccountId": "111122223333",
        }
        for number in range(first, first + count)
    ]


def uploads(count: int, first: int = 0) -> list[dict[str, Any]]:
    return [
        {
            "TimeGenerated": (WINDOW + timedelta(minutes=number)).isoformat(),
            "EventId_CF": f"upload-{number}",
            "Action": "ACCEPT",
            "SrcAddr": "10.0.0.9",
            "DstAddr": OUTSIDE,
            "Bytes": 600_000_000,
            "InterfaceId": "eni-1",
        }
        for number in range(first, first + count)
    ]


def answers(size: int) -> list[dict[str, Any]]:
    return [
        row | {"EventId_CF": f"answer-{size}", "SrcAddr": OUTSIDE, "DstAddr": row["SrcAddr"], "Bytes": size}
        for row in uploads(1)
    ]


def shares(count: int, first: int = 0) -> list[dict[str, Any]]:
    parameters = {"snapshotId": "snap-1", "createVolumePermission": {"add": {"items": [{"userId": FOREIGN}]}}}
    return [
        {
            "TimeGenerated": (WINDOW + timedelta(seconds=number)).isoformat(),
            "EventId_CF": f"share-{number}",
            "EventName": "ModifySnapshotAttribute",
            "RequestParameters": json.dumps(parameters),
            "UserIdentityUserName": "mallory",
            "SourceIpAddress": OUTSIDE,
            "RecipientAccountId": "111122223333",
        }
        for number in range(first, first + count)
    ]


WINDOWED = [
    ("port_sweep", "AWSVPCFlow", refused, 15),
    ("discovery_with_denials", "AWSCloudTrail", looks, 6),
    ("anomaly_cluster", "AWSCloudTrail", anomalies, 3),
    ("backdoor_user", "AWSCloudTrail", equips, 3),
    ("large_upload", "AWSVPCFlow", uploads, 2),
    ("snapshot_shared_outside", "AWSCloudTrail", shares, 1),
]
SOON = timedelta(minutes=5)
HOUR = timedelta(hours=1)


def step(name: str) -> timedelta:
    frequency = RULES[name].frequency
    assert frequency is not None
    return frequency


@pytest.mark.parametrize(("name", "table", "rows", "enough"), WINDOWED)
def test_a_window_that_comes_late_is_told_once(
    arrivals: Arrivals, name: str, table: str, rows: Any, enough: int
) -> None:
    arrivals.arrive(table, rows(enough), RUN - SOON)
    assert arrivals.fires(name, RUN)
    arrivals.arrive(table, rows(2, enough), RUN + SOON)  # more of the same
    assert not arrivals.fires(name, RUN + step(name))
    assert not arrivals.fires(name, RUN + 2 * step(name))


@pytest.mark.parametrize(("name", "table", "rows", "enough"), [case for case in WINDOWED if case[-1] > 1])
def test_a_window_that_comes_in_pieces_is_told_when_it_is_enough(
    arrivals: Arrivals, name: str, table: str, rows: Any, enough: int
) -> None:
    arrivals.arrive(table, rows(enough - 1), RUN - step(name) - SOON)
    assert not arrivals.fires(name, RUN - step(name))
    arrivals.arrive(table, rows(1, enough - 1), RUN - SOON)
    assert arrivals.fires(name, RUN)
    assert not arrivals.fires(name, RUN + step(name))


@pytest.mark.parametrize("late", [SOON, timedelta(hours=3)], ids=["soon", "late"])
@pytest.mark.parametrize(("name", "table", "rows", "enough"), [case for case in WINDOWED if step(case[0]) == HOUR])
def test_of_all_hourly_runs_one_tells_of_a_window(
    arrivals: Arrivals, name: str, table: str, rows: Any, enough: int, late: timedelta
) -> None:
    due = WINDOW + SOON + late
    runs = [RUN + HOUR * number for number in range(-1, 5)]
    before = [run for run in runs if run < due and arrivals.fires(name, run)]
    arrivals.arrive(table, rows(enough), due)
    after = [run for run in runs if run > due]
    assert not before
    assert [run for run in after if arrivals.fires(name, run)] == after[:1]


def test_a_new_user_is_told_when_its_creation_comes_last(arrivals: Arrivals) -> None:
    arrivals.arrive("AWSCloudTrail", equips(4, 1), RUN - step("backdoor_user") - SOON)
    assert not arrivals.fires("backdoor_user", RUN - step("backdoor_user"))
    arrivals.arrive("AWSCloudTrail", equips(1), RUN - SOON)
    assert arrivals.fires("backdoor_user", RUN)
    assert not arrivals.fires("backdoor_user", RUN + step("backdoor_user"))


def test_an_exchange_is_told_when_it_becomes_an_upload(arrivals: Arrivals) -> None:
    arrivals.arrive("AWSVPCFlow", uploads(2) + answers(300_000_000), RUN - step("large_upload") - SOON)
    assert not arrivals.fires("large_upload", RUN - step("large_upload"))
    arrivals.arrive("AWSVPCFlow", uploads(1, 2), RUN - SOON)
    assert arrivals.fires("large_upload", RUN)
    arrivals.arrive("AWSVPCFlow", answers(1), RUN + SOON)
    assert not arrivals.fires("large_upload", RUN + step("large_upload"))


def test_a_snapshot_that_goes_to_an_account_met_before_is_not_told(arrivals: Arrivals) -> None:
    rng = random.Random(0)
    own = [
        {
            "TimeGenerated": (RUN - timedelta(hours=30, seconds=number)).isoformat(),
            "EventId_CF": f"own-{number}",
            "AwsEventId": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
            "EventName": "PutObject",
            "RecipientAccountId": FOREIGN,
        }
        for number in range(200)
    ]
    arrivals.arrive("AWSCloudTrail", own, RUN - timedelta(hours=29))
    arrivals.arrive("AWSCloudTrail", shares(1), RUN - SOON)
    assert not arrivals.fires("snapshot_shared_outside", RUN)


@pytest.mark.parametrize("name", ["high_priority_event", "logging_stopped"])
def test_rules_about_one_event_go_by_its_arrival(name: str) -> None:
    # Sentinel gives a rule of this kind what came in during the last minute, whatever its TimeGenerated.
    assert RULES[name].kind == "NRT"
    assert "summarize" not in RULES[name].query
