"""Routing through the pipeline: filter, cheaper table, guards, long texts; the account balances, rows come back."""

import json
from datetime import timedelta

import pytest

from s3sentinel_assets.cli import main
from s3sentinel_assets.hours import hour_start
from s3sentinel_assets.pipeline import proofs
from s3sentinel_assets.pipeline.routing_report import routing_effects
from s3sentinel_assets.sentinel.cost import load_prices
from tests.e2e import logs

TWIN = "AWSCloudTrail_Auxiliary_CL"
GUARDED = "10.9.9.9"
COUNT = 40


def guards(tmp_path):
    """A guards file with one rule, which needs what `GUARDED` did."""
    where = {"where": f"SourceIpAddress = '{GUARDED}'", "pinned": False, "because": ""}
    rule = {"id": "1", "name": "one address", "file": "x.yaml", "enabled": True, "tables": {"AWSCloudTrail": where}}
    path = tmp_path / "guards.json"
    path.write_text(json.dumps({"version": 1, "rules": [rule]}), encoding="utf-8")
    return path


def put(world, hour):
    """List and get calls; every tenth from the guarded address, one with a parameter that no field can hold."""
    entries = logs.records(hour_start(hour), COUNT)
    for number, entry in enumerate(entries):
        if number % 10 == 5:
            entry["sourceIPAddress"] = GUARDED
    entries[7]["requestParameters"] = {"policy": "x" * 100_000}
    start = hour_start(hour)
    key = f"AWSLogs/{logs.ACCOUNT}/CloudTrail/us-east-1/{start:%Y/%m/%d}/a.json.gz"
    world.put(key, logs.cloudtrail(entries), start + timedelta(minutes=5))
    return entries


def routed(make_world, tmp_path, demotion):
    rules = [
        {"name": "lists", "where": "EventName = 'ListBuckets'", "drop": True},
        {"name": "gets", "where": "EventName = 'GetObject'", "to": {"table": TWIN}},
    ]
    routing = {
        "demotion": demotion,
        "audit_share": 0,
        "guards_file": str(guards(tmp_path)),
        "rules": rules,
    }
    source = {
        "bucket": "s3sentinel-logs",
        "prefix": "AWSLogs/{account}/CloudTrail/{region}/{yyyy}/{mm}/{dd}/",
        "format": "cloudtrail",
        "routing": routing,
    }
    return make_world(sources={"trail": source})


def ids(world, kql, hour=None):
    if hour is None:
        return [row["AwsEventId"] for row in world.rows(kql)]
    start = hour_start(hour)
    return [row["AwsEventId"] for row in world.runtime.query.search(kql, (start, start + timedelta(hours=1)))]


def command(world, capsys, *arguments):
    """What an s3sentinel command prints, a JSON object a line."""
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--config", str(world.laptop.config_file)])
    assert ended.value.code == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.slow
def test_rows_go_where_rules_say_and_every_one_is_accounted_for(make_world, tmp_path, hours, capsys):
    world, hour = routed(make_world, tmp_path, "on"), hours[1]
    entries = put(world, hour)
    world.bring_up("trail", hour)
    guarded = {entry["eventID"] for entry in entries if entry["sourceIPAddress"] == GUARDED}
    lists = {entry["eventID"] for entry in entries if entry["eventName"] == "ListBuckets"} - guarded
    gets = {entry["eventID"] for entry in entries} - lists - guarded

    assert sorted(ids(world, "AWSCloudTrail | project AwsEventId")) == sorted(guarded)
    assert sorted(ids(world, f"{TWIN} | project AwsEventId", hour)) == sorted(gets)
    pieces = world.rows("S3Overflow_CL | order by Piece asc | project SourceTable, SourceColumn, Value")
    assert {(row["SourceTable"], row["SourceColumn"]) for row in pieces} == {("AWSCloudTrail", "RequestParameters")}
    assert "".join(row["Value"] for row in pieces) == json.dumps({"policy": "x" * 100_000})

    account = world.account("trail", hour)
    assert (account.records, account.accepted, account.filtered) == (COUNT, len(guarded | gets), len(lists))
    assert account.verdict == "complete"
    world.close_hour("trail", hour)
    report = proofs.prove_hour(world.runtime, "trail", hour).report
    assert report.passed, report.problems

    lists_effect, gets_effect = routing_effects(world.runtime, "trail", [hour])
    assert (lists_effect.rows, gets_effect.rows) == (len(lists), len(gets))
    assert lists_effect.guarded + gets_effect.guarded == len(guarded)
    assert lists_effect.needed["one address"] + gets_effect.needed["one address"] == len(guarded)

    told = command(world, capsys, "routing", "--from", hour, "--json")
    assert {(one["rule"], one["rows"], one["shadow"]) for one in told} == {
        ("lists", len(lists), False),
        ("gets", len(gets), False),
    }
    orders = [("--from", hour, "--where", "SourceIpAddress = '198.51.100.7'"), ("--from", hour)]
    for order, expected in zip(orders, ({"AWSCloudTrail": len(gets)}, {}), strict=True):
        (tried,) = command(world, capsys, "promote", "--source", "trail", *order, "--dry-run", "--json")
        (made,) = command(world, capsys, "promote", "--source", "trail", *order, "--json")
        assert tried["promoted"] == made["promoted"] == expected and made["demoted"] == len(gets)
    assert sorted(ids(world, "AWSCloudTrail | project AwsEventId")) == sorted(guarded | gets)
    account = world.account("trail", hour)
    assert (account.accepted, account.verdict) == (len(guarded | gets), "complete")


def test_shadow_moves_nothing(make_world, tmp_path, hours, capsys):
    world, hour = routed(make_world, tmp_path, "shadow"), hours[1]
    entries = put(world, hour)
    world.bring_up("trail", hour)
    dropped = {entry["eventID"] for entry in entries if entry["eventName"] == "ListBuckets"}
    dropped -= {entry["eventID"] for entry in entries if entry["sourceIPAddress"] == GUARDED}
    stay = {entry["eventID"] for entry in entries} - dropped  # a named filter is not a demotion
    assert sorted(ids(world, "AWSCloudTrail | project AwsEventId")) == sorted(stay)
    (gets,) = (effect for effect in routing_effects(world.runtime, "trail", [hour]) if effect.rule == "gets")
    assert gets.shadow and gets.rows > 0 and gets.raw_bytes > 0
    told = {one["rule"]: one for one in command(world, capsys, "routing", "--from", hour, "--json")}
    prices = load_prices()
    less = prices.plans["Analytics"].ingestion_per_gb - prices.plans["Auxiliary"].ingestion_per_gb
    assert told["gets"]["saving"] == pytest.approx(gets.raw_bytes * prices.billed_share / 1e9 * less, rel=0.1)
    assert told["lists"]["saving"] is None
