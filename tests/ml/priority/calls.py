"""Calls in tests: what their parameters look like in CloudTrail, and how sensitive they are."""

import json

from s3sentinel_assets.ml.history.keys import prepare
from s3sentinel_assets.ml.priority.sensitivity import SensitivityRules
from tests.ml.priority.judged import SENSITIVITY
from tests.ml.worlds import ACCOUNT, call, frame, hours

FOREIGN = "444455556666"
HOUR = hours(0, 1)[9]
ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}
ONE_BUCKET = {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "arn:aws:s3:::reports/*"}


def levels(
    cases: list[tuple[str, object, dict]], rules: SensitivityRules = SENSITIVITY
) -> list[tuple[int, str | None]]:
    """Level and rule of calls: action, parameters and more columns of each."""
    rows = [
        call(HOUR, number / 100, "anna", action, number)
        | {
            "principal": f"{ACCOUNT}/anna",
            "detail": given if given is None or isinstance(given, str) else json.dumps(given),
        }
        | more
        for number, (action, given, more) in enumerate(cases)
    ]
    batch = frame(rows)
    events = prepare(batch, "cloudtrail")
    found = rules.levels(events, batch["detail"][events.rows])
    return list(zip(found.level.to_list(), found.rule.to_list(), strict=True))


def level(action: str, given: object = None, **more) -> int:
    return levels([(action, given, more)])[0][0]


def policy(*statements: dict, **more) -> dict:
    return {"policyDocument": json.dumps({"Version": "2012-10-17", "Statement": list(statements)}), **more}


def trust(principal: object) -> dict:
    return policy({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"})


def selectors(**more) -> dict:
    return {"eventSelectors": [more]}


def added(**who) -> dict:
    return {"createVolumePermission": {"add": {"items": [who]}}}


def bucket(**statement) -> dict:
    return {"bucketName": "b", "bucketPolicy": {"Statement": [{"Effect": "Allow", "Action": "s3:*", **statement}]}}


def ingress(cidr: str, first: int | None = 22, last: int | None = None, protocol: str = "tcp") -> dict:
    ranges = {"items": [{"cidrIp" if "." in cidr else "cidrIpv6": cidr}]}
    kind = "ipRanges" if "." in cidr else "ipv6Ranges"
    ports = {} if first is None else {"fromPort": first, "toPort": last or first}
    return {
        "groupId": "sg-1",
        "ipPermissions": {"items": [{"ipProtocol": protocol, **ports, "groups": {}, kind: ranges}]},
    }
