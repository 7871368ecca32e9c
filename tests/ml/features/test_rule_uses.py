"""First uses of sensitivity rules: a habit of harmless calls does not hide the first dangerous parameter."""

import json

import polars as pl
import pytest

from s3sentinel_assets.hours import shift_hour
from s3sentinel_assets.ml import load_model, score, update
from s3sentinel_assets.ml.features.rule_uses import TABLE
from tests.ml.worlds import ACCOUNT, MODELS, World, frame, hours

MODEL = load_model(MODELS, "cloudtrail")
ADDRESS = "198.51.100.50"
HOUR = shift_hour(hours(6, 1)[0], 10)


def _ingress(cidr: str) -> dict:
    ranges = {"items": [{"cidrIp": cidr}]}
    rule = {"ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "groups": {}, "ipRanges": ranges}
    return {"groupId": "sg-1", "ipPermissions": {"items": [rule]}}


def _trust(principal: dict) -> dict:
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return {"roleName": "r", "policyDocument": json.dumps({"Statement": [statement]})}


def _shared(entry: dict) -> dict:
    return {"createVolumePermission": {"add": {"items": [entry]}}}


def _attached(policy: str) -> dict:
    return {"roleName": "app", "policyArn": f"arn:aws:iam::aws:policy/{policy}"}


#: Action → harmless and dangerous parameters.
CALLS = {
    "ec2:AuthorizeSecurityGroupIngress": (_ingress("10.0.0.0/8"), _ingress("0.0.0.0/0")),
    "iam:AttachRolePolicy": (_attached("AmazonS3ReadOnlyAccess"), _attached("AdministratorAccess")),
    "iam:UpdateAssumeRolePolicy": (_trust({"Service": "ec2.amazonaws.com"}), _trust({"AWS": "*"})),
    "ec2:ModifySnapshotAttribute": (_shared({"userId": ACCOUNT}), _shared({"group": "all"})),
}


def history(calls: dict[str, dict], *, error: str | None = None, days: int = 6):
    """The state after days in which the user "deploy" made such calls every working hour."""
    world, state = World(), None
    for hour in hours(0, days):
        if int(hour[11:13]) not in (8, 9, 10, 11):
            continue
        rows = world.hour(hour)
        for action, detail in calls.items():
            for minute in (5, 6, 7):
                rows.append(_call(world, hour, minute, action, detail, error=error))
        rows += [_call(world, hour, 9 + minute, "ec2:DescribeInstances", None) for minute in range(10)]
        state = update(state, [frame(rows)], hour, format="cloudtrail", model=MODEL)
    return state


def _call(world: World, hour: str, minute: float, action: str, detail: dict | None, **more) -> dict:
    text = None if detail is None else json.dumps(detail)
    return world.call(hour, minute, "deploy", action, source_ip=ADDRESS, detail=text, **more)


def priorities(state, rows: list[dict], counters=None):
    made = score(frame(rows), state, counters, MODEL, hour=HOUR)
    return made.scores["Priority_CF"].to_list(), made


@pytest.mark.parametrize("action", CALLS)
def test_a_habit_of_harmless_calls_does_not_hide_the_first_dangerous_one(action):
    harmless, dangerous = CALLS[action]
    state = history({action: harmless})
    world = World(9)
    (again,), _ = priorities(state, [_call(world, HOUR, 5, action, harmless)])
    (first,), _ = priorities(state, [_call(world, HOUR, 5, action, dangerous)])
    assert (again, first in ("high", "critical")) == ("low", True), first


@pytest.mark.parametrize("harmless_calls", [1, 4, 9])
def test_harmless_calls_in_the_same_hour_do_not_hide_it_either(harmless_calls):
    harmless, dangerous = CALLS["iam:AttachRolePolicy"]
    state, world = history({}), World(9)
    rows = [_call(world, HOUR, 5 + number, "iam:AttachRolePolicy", harmless) for number in range(harmless_calls)]
    rows.append(_call(world, HOUR, 30, "iam:AttachRolePolicy", dangerous))
    assert priorities(state, rows)[0][-1] in ("high", "critical")
    # The same when the harmless ones came with an earlier part of the hour.
    _, before = priorities(state, rows[:-1])
    assert priorities(state, rows[-1:], before.counters)[0][-1] in ("high", "critical")


def test_what_was_done_in_this_way_before_is_known():
    action = "iam:AttachRolePolicy"
    dangerous = CALLS[action][1]
    state, world = history({action: dangerous}), World(9)
    keys = state.frame.filter(pl.col("table") == TABLE)["key"].to_list()
    assert [key.rpartition("\x1f")[2] for key in keys if "/deploy" in key] == [_rule(action, dangerous)]
    assert priorities(state, [_call(world, HOUR, 5, action, dangerous)])[0] == ["low"]


def test_an_attempt_does_not_make_the_deed_known():
    action = "iam:AttachRolePolicy"
    dangerous = CALLS[action][1]
    state, world = history({action: dangerous}, error="AccessDenied"), World(9)
    (denied,), _ = priorities(state, [_call(world, HOUR, 5, action, dangerous, error="AccessDenied")])
    (done,), _ = priorities(state, [_call(world, HOUR, 5, action, dangerous)])
    assert denied == "low" and done in ("high", "critical")


def test_only_the_first_uses_in_an_hour_count_across_parts():
    action = "iam:AttachRolePolicy"
    harmless, dangerous = CALLS[action]
    state, world, counters, found = history({action: harmless}), World(9), None, []
    for minute in range(6):
        said, made = priorities(state, [_call(world, HOUR, minute * 5, action, dangerous)], counters)
        counters, found = made.counters, [*found, *said]
    together, _ = priorities(state, [_call(world, HOUR, minute * 5, action, dangerous) for minute in range(6)])
    most = MODEL.parameters.first_seen_occurrences
    assert all(each in ("high", "critical") for each in found[:most])
    assert together == found


def _rule(action: str, detail: dict) -> str:
    rows = [_call(World(9), HOUR, 5, action, detail)]
    return score(frame(rows), history({}, days=1), None, MODEL, hour=HOUR).scores["_rule"][0]
