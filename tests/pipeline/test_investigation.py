"""Questions to the results of offline scoring."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.pipeline import investigation as ask
from s3sentinel_assets.pipeline.offline import RESULT_SCHEMA

HOUR, START = "2026-11-05-14:00", datetime(2026, 11, 5, 14, tzinfo=UTC)


def results(*rows):
    """Results of which only what matters is named; ``at``: minutes from the hour's beginning."""
    named = []
    for number, row in enumerate(rows):
        usual = {"event_id": f"{number:04}", "account": "1", "principal": "1/eve", "priority": "low", "score": 1.0}
        named.append(usual | {"time": START + timedelta(minutes=row["at"])} | row)
    return pl.DataFrame(
        [{name: row.get(name) for name in RESULT_SCHEMA} for row in named], schema=RESULT_SCHEMA, orient="row"
    )


def test_the_most_urgent_hour_comes_first_and_nameless_events_are_nobodys():
    frame = results(
        {"at": 1, "principal": "1/bob", "score": 30.0, "priority": "medium"},
        {"at": 2, "priority": "high", "score": 9.0, "rule": "b"},
        {"at": 3, "priority": "critical", "score": 8.0, "rule": "a"},
        {"at": 4, "principal": None, "priority": "critical", "score": 99.0},
        {"at": 70},
    )
    hours = ask.notable_hours(frame)
    assert hours.select("principal", "hour", "priority", "urgent", "events").row(0) == (
        "1/eve",
        HOUR,
        "critical",
        2,
        2,
    )
    assert hours["rules"][0] == "a, b"
    assert hours["principal"].to_list() == ["1/eve", "1/bob", "1/eve"]


def test_first_uses_know_the_principal_and_the_account():
    frame = results(
        {"at": -90, "action": "s3:GetObject", "source_ip": "10.0.0.1"},
        {"at": -80, "principal": "1/bob", "action": "iam:ListUsers", "source_ip": "10.0.0.2"},
        {"at": 5, "action": "s3:GetObject", "source_ip": "198.51.100.9"},
        {"at": 6, "action": "iam:ListUsers", "source_ip": "198.51.100.9"},
        {"at": 61, "action": "iam:CreateUser"},
    )
    new = ask.first_uses(frame, "1", "1/eve", HOUR)
    found = {(what, value): (events, account) for what, value, _, events, _, account in new.iter_rows()}
    assert found == {("source_ip", "198.51.100.9"): (2, 0), ("action", "iam:ListUsers"): (1, 1)}
    assert new["principal_before"].unique().to_list() == [1]


def test_peers_tell_whether_others_do_such_things():
    frame = results(
        {"at": -50, "peer": "team", "action": "a"},
        {"at": -50, "peer": "team", "action": "x", "principal": "1/bob"},
        {"at": -40, "peer": "other", "action": "x", "principal": "1/ann"},
        {"at": 3, "peer": "team", "action": "x", "score": 50.0},
        {"at": 4, "peer": "team", "action": "y"},
    )
    peers = ask.peers_of(frame, "1", "1/eve", HOUR)
    assert peers["principal"].to_list() == ["1/eve", "1/bob"]
    assert dict(peers.select("principal", "done_by_it").iter_rows()) == {"1/eve": 0.0, "1/bob": 0.5}
    assert peers["score"][0] == 1.0  # what made the hour stand out is not held against its past


def test_the_pivot_finds_others_nearby_only():
    frame = results(
        {"at": 1, "source_ip": "198.51.100.9", "action": "a", "priority": "high"},
        {"at": 2, "source_ip": "198.51.100.9", "action": "b", "principal": "1/bob"},
        {"at": 3, "source_ip": "198.51.100.8", "principal": "1/ann"},
        {"at": 3_000, "source_ip": "198.51.100.9", "principal": "1/late"},
    )
    others = ask.others_with(frame, "source_ip", ["198.51.100.9"], START, timedelta(days=1))
    assert set(others.select("principal", "priority", "actions").iter_rows()) == {
        ("1/eve", "high", "a"),
        ("1/bob", "low", "b"),
    }


def test_queries_name_the_hours_events_and_quote_what_others_wrote():
    name = '1/eve"\\ | union *\n'
    frame = results(
        {"at": 1, "principal": name, "priority": "low"}, {"at": 2, "principal": name, "priority": "critical"}
    )
    hours, events = ask.in_sentinel("AWSCloudTrail", frame, "1", name, HOUR).values()
    assert '"1/eve\\"\\\\ | union *\\u000a"' in hours
    assert '\n| where EventId_CF in ("0001", "0000")' in events  # the most urgent first
    assert events.startswith("AWSCloudTrail_Latest\n")


def test_results_are_read_from_either_kind_of_file(tmp_path):
    frame = results({"at": 1, "read_only": True}, {"at": 2, "sensitivity": 3})
    frame.write_parquet(tmp_path / "scores.parquet")
    lines = tmp_path / "lines"
    lines.mkdir()
    text = frame.with_columns(pl.col("time").dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ"))
    text.write_ndjson(lines / "scores.ndjson")
    assert ask.read_results(tmp_path).equals(frame)
    assert ask.read_results(lines).equals(frame)
    with pytest.raises(UserError, match="holds no results; write them with s3sentinel score"):
        ask.read_results(tmp_path / "nowhere")
    pl.DataFrame({"x": [1]}).write_parquet(tmp_path / "other.parquet")
    with pytest.raises(UserError, match="holds no results of s3sentinel score"):
        ask.read_results(tmp_path / "other.parquet")
