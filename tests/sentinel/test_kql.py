"""The shipped KQL, run on seeded rows in the local workspace: what each text finds, not only that it runs."""

import contextlib
import hashlib
import json
from datetime import UTC, datetime, timedelta

import pytest

from s3sentinel_assets.hours import utc_now
from s3sentinel_assets.local.workspace.definitions import Catalogue
from s3sentinel_assets.local.workspace.query import Query, QueryApi
from s3sentinel_assets.local.workspace.rows import RowReader
from s3sentinel_assets.local.workspace.storage import Storage
from s3sentinel_assets.rules.moment import at_moment
from s3sentinel_assets.sentinel.kql import events_query, query_text, saved_functions, write_functions

NOW = utc_now()
#: The hour before: it may have been yesterday's.
HOUR = NOW.replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
ACCOUNT = "111122223333"


def text(instant):
    return instant.astimezone(UTC).isoformat()


def roll_up(principal, revision, priority, score, *, hour=None, final=False, events=(), **more):
    hour = hour or HOUR
    return {
        "TimeGenerated": text(hour + timedelta(minutes=50)),
        "HourStart": text(hour),
        "SourceName": "trail",
        "SourceTable": "AWSCloudTrail",
        "AccountId": ACCOUNT,
        "Principal": principal,
        "PrincipalType": "IAMUser",
        "Revision": revision,
        "Final": final,
        "Priority": priority,
        "PreviousPriority": "low",
        "AnomalyScore": score,
        "ExpectedHoursPerDay": 2.5,
        "Confidence": 0.8,
        "Events": 10 * revision,
        "MediumEvents": 1,
        "Reasons": "first use of iam:CreateUser",
        "Techniques": ["T1098", "T1136.003"],
        "Actions": ["iam:CreateUser"],
        "SourceIps": ["198.51.100.7", "203.0.113.9"],
        "EventIds": list(events),
        "FirstEvent": text(hour),
        "LastEvent": text(hour + timedelta(minutes=50)),
        "EventId_CF": hashlib.sha256(f"{principal}/{hour}/{revision}".encode()).hexdigest()[:32],
        **more,
    }


def event(name, priority="low", minutes=5):
    instant = NOW - timedelta(minutes=minutes)
    return {"TimeGenerated": text(instant), "EventId_CF": name, "EventName": "CreateUser", "Priority_CF": priority}


ODD = '111122223333/o\'neil "x"'
EVERYTHING = {
    "AwsEntityHour_CL": [
        roll_up("alice", 1, "medium", 11.0, events=["a1"]),
        roll_up("alice", 2, "critical", 19.5, events=["a1", "a2"]),
        roll_up("alice", 3, "critical", 19.5, events=["a1", "a2"], final=True),
        roll_up("bob", 1, "high", 14.0, events=["b1"]),
        roll_up("bob", 1, "medium", 12.0, events=["b0"], hour=HOUR - timedelta(hours=30)),
        roll_up("carol", 1, "medium", 12.5, events=["c1"]),
        roll_up(ODD, 1, "high", 15.0, events=["o1"], SourceIps=[]),
    ],
    "AWSCloudTrail": [event("a1", "medium"), event("a2", minutes=4), event("b1", "high"), event("quiet")],
    "AWSVPCFlow": [{"TimeGenerated": text(NOW), "EventId_CF": "a2", "Priority_CF": "low"}],
    "S3Patterns_CL": [
        {
            "TimeGenerated": text(NOW),
            "HourStart": text(HOUR),
            "SourceName": "logs",
            "LogFormat": "syslog",
            "Pattern": pattern,
            "Change": change,
            "Events": count,
            "Template": "session opened for <*>",
            "EventId_CF": f"{pattern}{change}",
        }
        for pattern, change, count in [("p1", "new", 3), ("p2", "new", 40), ("p3", "vanished", 0), ("p1", "new", 3)]
    ],
}
#: What arrived longer ago than a run of the rule.
EARLIER = {"AwsEntityHour_CL": [roll_up("dave", 1, "critical", 18.0)]}


@contextlib.contextmanager
def workspace(folder, *arrivals):
    """A workspace that asks; ``arrivals`` are tables' rows, and how many minutes ago they came."""
    write_functions(folder / "functions")
    catalogue = Catalogue.build()
    storage = Storage(folder / "w.duckdb", catalogue, "id")
    for rows, minutes in arrivals:
        # By the clock: other tests may have taken long since this file was read.
        arrived = datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=minutes)
        for table, entries in rows.items():
            frame = RowReader(catalogue.tables[table]).read(json.dumps(entries).encode(), NOW).frame
            storage.append(table, frame, arrived)

    def asked(kql):
        result = QueryApi(storage, catalogue).run(Query(kql))
        return [dict(zip(result.columns, row, strict=True)) for row in result.rows]

    yield asked
    storage.close()


@pytest.fixture
def ask(tmp_path):
    with workspace(tmp_path, (EVERYTHING, 1), (EARLIER, 30)) as asked:
        yield asked


def test_entity_hours_gives_the_newest_revision_of_each_hour(ask):
    found = {(row["Principal"], row["HourStart"][:13]): row for row in ask("EntityHours")}
    assert len(found) == 6
    alice = found["alice", f"{HOUR:%Y-%m-%dT%H}"]
    assert (alice["Revision"], alice["Priority"], alice["Final"]) == (3, "critical", True)
    assert json.loads(alice["EventIds"]) == ["a1", "a2"]


def test_events_tell_what_is_known_now_of_their_principals_hour(ask):
    found = {row["EventId_CF"]: row for row in ask("AWSCloudTrail_Latest")}
    assert {name: row["LatestPriority"] for name, row in found.items()} == {
        "a1": "critical",
        "a2": "critical",
        "b1": "high",
        "quiet": "low",
    }
    assert found["a1"]["Priority_CF"] == "medium"
    assert (found["a2"]["HourPrincipal"], found["a2"]["HourRevision"]) == ("alice", 3)
    assert found["quiet"]["HourPrincipal"] in (None, "")


@pytest.mark.parametrize("name", ["AWSVPCFlow_Latest", "Syslog_Latest", "S3Patterns_CL_Once", "AwsEntityHour_CL_Once"])
def test_functions_of_other_tables_run(ask, name):
    assert name in saved_functions()
    ask(f"{name} | take 1")


def test_the_rule_alerts_once_for_each_principal_that_has_just_become_urgent(ask):
    found = {row["Principal"]: row for row in ask(query_text("rule_entity_hour"))}
    # Not medium ones, not what came in before, and not that an hour was closed.
    assert set(found) == {"alice", "bob", ODD}
    alice = found["alice"]
    assert (alice["AlertSeverity"], found["bob"]["AlertSeverity"]) == ("High", "Medium")
    assert (alice["Revision"], alice["SourceIp"], alice["Application"]) == (2, "198.51.100.7", "Amazon Web Services")
    assert json.loads(alice["TechniqueIds"]) == ["T1098", "T1136.003"]
    assert json.loads(alice["NamedEvents"]) == ["a1", "a2"]
    assert alice["Hour"] == f"{HOUR:%Y-%m-%d %H:%M}"
    assert found[ODD]["SourceIp"] in (None, "")


def test_the_rule_is_silent_about_a_backfill(tmp_path):
    def critical(principal, **ago):
        return roll_up(principal, 1, "critical", 18.0, hour=HOUR - timedelta(**ago))

    timeless = critical("timeless", hours=2) | {"FirstEvent": None, "LastEvent": None}
    rows = [critical("old", days=20), critical("yesterday", hours=45), critical("before", hours=48), timeless]
    # A row whose time is two days old is given the time of arrival, there as here: no period leaves it out.
    in_period = query_text("rule_entity_hour").replace(
        "AwsEntityHour_CL\n", "AwsEntityHour_CL | where TimeGenerated > ago(47h)\n"
    )
    with workspace(tmp_path, ({"AwsEntityHour_CL": rows}, 1)) as ask:
        assert len(ask("AwsEntityHour_CL | where TimeGenerated > ago(1h) and Principal == 'old'")) == 1
        assert {row["Principal"] for row in ask(in_period)} == {"yesterday", "timeless"}


ADDRESSES = [
    (["cloudformation.amazonaws.com", "203.0.113.9", "198.51.100.7"], "203.0.113.9"),
    (["AWS Internal", "2001:db8::1"], "2001:db8::1"),
    (["::ffff:198.51.100.7"], "::ffff:198.51.100.7"),
    (["999.1.1.1", "1.2.3.4.5", "12:30", 'x"198.51.100.7"', "198.51.100.7.example.com"], ""),
    (["cloudtrail.amazonaws.com"], ""),
    ([], ""),
    (None, ""),
]


def test_the_address_of_an_alert_is_an_address(tmp_path):
    rows = [
        roll_up(f"p{number}", 1, "high", 14.0, SourceIps=addresses) for number, (addresses, _) in enumerate(ADDRESSES)
    ]
    with workspace(tmp_path, ({"AwsEntityHour_CL": rows}, 1)) as ask:
        found = {row["Principal"]: row["SourceIp"] or "" for row in ask(query_text("rule_entity_hour"))}
    assert found == {f"p{number}": address for number, (_, address) in enumerate(ADDRESSES)}


def test_the_top_anomalies_just_after_midnight_are_those_of_the_night(tmp_path):
    midnight = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
    rows = [
        roll_up("night", 1, "critical", 18.0, hour=midnight - timedelta(hours=1)),
        roll_up("older", 1, "critical", 19.0, hour=midnight - timedelta(hours=25)),
    ]
    at = midnight + timedelta(minutes=5)
    with workspace(tmp_path, ({"AwsEntityHour_CL": rows}, 1)) as ask:
        found = ask(at_moment(query_text("hunt_top_anomalies"), at, at))
    assert [row["Principal"] for row in found] == ["night"]


def test_the_top_anomalies_of_the_last_day_come_most_urgent_first(ask):
    found = [(row["Principal"], row["Priority"]) for row in ask(query_text("hunt_top_anomalies"))]
    assert found == [
        ("alice", "critical"),
        ("dave", "critical"),
        (ODD, "high"),
        ("bob", "high"),
        ("carol", "medium"),
    ]


def test_new_patterns_are_named_once_with_the_most_frequent_first(ask):
    found = [(row["Pattern"], row["Events"]) for row in ask(query_text("hunt_new_patterns"))]
    assert found == [("p2", 40), ("p1", 3)]


def test_the_workbook_leads_from_principals_to_hours_to_events(ask):
    principals = ask(query_text("workbook_principals"))
    assert [row["Principal"] for row in principals] == ["alice", "dave", ODD, "bob", "carol"]
    bob = next(row for row in principals if row["Principal"] == "bob")
    assert (bob["Hours"], bob["Priority"]) == (2, "high")
    hours = ask(query_text("workbook_hours").replace("{PrincipalRow}", bob["Row"]))
    assert [row["Priority"] for row in hours] == ["high", "medium"]
    (odd,) = (row for row in principals if row["Principal"] == ODD)
    assert len(ask(query_text("workbook_hours").replace("{PrincipalRow}", odd["Row"]))) == 1
    alice = principals[0]
    (hour,) = ask(query_text("workbook_hours").replace("{PrincipalRow}", alice["Row"]))
    assert hour["Final"]
    events = ask(events_query(["AWSCloudTrail", "AWSVPCFlow"]).replace("{HourRow}", hour["Row"]))
    assert [(row["Table"], row["EventId_CF"]) for row in events] == [
        ("AWSCloudTrail", "a1"),
        ("AWSCloudTrail", "a2"),
        ("AWSVPCFlow", "a2"),
    ]


def test_names_are_left_open_only_where_the_workbook_fills_them():
    open_ones = [name for name, body in saved_functions().items() if "{table}" in body or "{tables}" in body]
    assert open_ones == []
