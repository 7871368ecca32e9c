"""Kubernetes audit events: what an event means, bare and from CloudWatch Logs."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.formats import PartParser, detect
from s3sentinel_assets.formats.asim.common import MANDATORY
from tests.formats.parsing import Parsed, an_input, check_account, parse
from tests.formats.test_cloudwatch_logs import event, rows, subscription

ARN = "arn:aws:sts::111122223333:assumed-role/Dev/alice"


def audit(**changes: Any) -> dict[str, Any]:
    """An audit event; a change to ``...`` leaves a field out."""
    made = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "RequestResponse",
        "auditID": "0f6a6d2e",
        "stage": "ResponseComplete",
        "requestURI": "/api/v1/namespaces/default/pods/web/exec?command=sh",
        "verb": "create",
        "user": {
            "username": "alice",
            "uid": "aws-iam-authenticator:111122223333:AROAEXAMPLE",
            "groups": ["system:masters", "system:authenticated"],
            "extra": {"arn": [ARN], "sessionName": ["alice"]},
        },
        "impersonatedUser": {"username": "bob", "groups": ["dev"]},
        "sourceIPs": ["198.51.100.7", "10.0.0.1"],
        "userAgent": "kubectl/v1.30.0",
        "objectRef": {
            "resource": "pods",
            "namespace": "default",
            "name": "web",
            "uid": "u-1",
            "apiVersion": "v1",
            "subresource": "exec",
        },
        "responseStatus": {"metadata": {}, "code": 101},
        "requestReceivedTimestamp": "2026-11-01T10:00:00.123456Z",
        "stageTimestamp": "2026-11-01T10:00:01.654321Z",
        "annotations": {
            "authorization.k8s.io/decision": "allow",
            "authorization.k8s.io/reason": 'RBAC: allowed by "x"',
        },
    }
    made |= changes
    return {key: value for key, value in made.items() if value is not ...}


def dumped(*events: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(each, separators=(",", ":")).encode() + b"\n" for each in events)


def one(**changes: Any) -> dict[str, Any]:
    parsed = parse(dumped(audit(**changes)), format="eks_audit")
    return parsed.rows.row(0, named=True)


def test_every_column_from_its_field():
    given_event = audit(annotations={"authorization.k8s.io/decision": "allow"}, newField={"a": 1})
    content = subscription(
        event(0, json.dumps(given_event)), event(1, "I1101 text of the api server"), group="/aws/eks/prod/cluster"
    )
    parsed = parse(content)
    assert rows(parsed) == {"cloudwatch_logs": [1], "eks_audit": [0]}
    [frame] = [frame for frame in parsed.frames if frame.format == "eks_audit"]
    row = {name: value for name, value in frame.rows.row(0, named=True).items() if value is not None}
    began, ended = datetime(2026, 11, 1, 10, 0, 0, 123_456, UTC), datetime(2026, 11, 1, 10, 0, 1, 654_321, UTC)
    assert json.loads(row.pop("AdditionalFields")) == given_event
    assert json.loads(row.pop("ExtraFields_CF")) == {
        "impersonatedUser": given_event["impersonatedUser"],
        "newField": {"a": 1},
    }
    assert row == {
        "TimeGenerated": began,
        "EventTime_CF": began,
        "EventStartTime": began,
        "EventEndTime": ended,
        "EventId_CF": row["EventId_CF"],
        "EventCount": 1,
        "EventType": "Execute",
        "EventResult": "Success",
        "EventSeverity": "Informational",
        "EventProduct": "EKS",
        "EventVendor": "AWS",
        "EventSchemaVersion": row["EventSchemaVersion"],
        "EventOriginalUid": "0f6a6d2e",
        "EventOriginalType": "create",
        "EventOriginalSubType": "ResponseComplete",
        "EventOriginalResultDetails": "101",
        "DvcAction": "Allowed",
        "DvcOriginalAction": "allow",
        "DvcScopeId": "111122223333",
        "ActorUsername": "alice",
        "ActorUsernameType": "Simple",
        "ActorUserId": "aws-iam-authenticator:111122223333:AROAEXAMPLE",
        "ActorUserIdType": "AWSId",
        "ActorUserType": "Admin",
        "ActorOriginalUserType": "system:masters, system:authenticated",
        "ActorScopeId": "111122223333",
        "SrcIpAddr": "198.51.100.7",
        "HttpUserAgent": "kubectl/v1.30.0",
        "Operation": "create pods/exec",
        "Object": "default/pods/web/exec",
        "ObjectId": "u-1",
        "ObjectType": "Cloud Resource",
        "OriginalObjectType": "pods",
        "TargetAppName": "prod",
        "TargetAppType": "Service",
        "TargetUrl": "/api/v1/namespaces/default/pods/web/exec?command=sh",
        "_object": 0,
        "_ordinal": 0,
    }
    entity = frame.entities.row(0, named=True)
    expected = {
        "account": "111122223333",
        "principal": "alice",
        "principal_type": "Admin",
        "peer": "prod/system:masters",
    }
    expected |= {"action": "create pods/exec", "target": "default/pods/web/exec", "error": None, "read_only": False}
    assert expected.items() <= entity.items()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"verb": "list", "objectRef": {"resource": "secrets"}}, ("Read", "list secrets", "secrets")),
        ({"verb": "watch", "objectRef": {"resource": "pods", "namespace": "a"}}, ("Read", "watch pods", "a/pods")),
        ({"verb": "patch", "objectRef": {"resource": "nodes", "name": "n", "subresource": "status"}},
         ("Set", "patch nodes/status", "nodes/n/status")),
        ({"verb": "deletecollection", "objectRef": {"resource": "pods"}}, ("Delete", "deletecollection pods", "pods")),
        ({"verb": "get", "objectRef": {"resource": "pods", "name": "w", "subresource": "exec"}},
         ("Execute", "get pods/exec", "pods/w/exec")),
        ({"verb": "create", "objectRef": {"resource": "pods", "name": "w", "subresource": "eviction"}},
         ("Delete", "create pods/eviction", "pods/w/eviction")),
        ({"verb": "get", "objectRef": ..., "requestURI": "/healthz?x=1"}, ("Read", "get /healthz", "/healthz")),
        ({"verb": "newverb", "objectRef": {"resource": "pods"}}, ("Other", "newverb pods", "pods")),
        ({"verb": ..., "objectRef": ..., "requestURI": ""}, ("Other", "ResponseComplete", "unknown")),
    ],
)  # fmt: skip
def test_what_is_done_to_what(changes, expected):
    row = one(**changes)
    assert (row["EventType"], row["Operation"], row["Object"]) == expected


@pytest.mark.parametrize(
    ("changes", "result", "severity"),
    [
        ({}, "Success", "Informational"),
        ({"responseStatus": {"code": 404, "reason": "NotFound"}}, "Failure", "Informational"),
        ({"responseStatus": ..., "stage": "RequestReceived"}, "NA", "Informational"),
        ({"responseStatus": ..., "stage": "Panic"}, "Failure", "Informational"),
        (
            {"annotations": {"authorization.k8s.io/decision": "forbid"}, "responseStatus": {"code": 403}},
            "Failure",
            "Low",
        ),
        ({"annotations": {"authorization.k8s.io/decision": "forbid"}, "responseStatus": ...}, "Failure", "Low"),
        ({"annotations": ...}, "Success", "Informational"),
    ],
)
def test_how_it_ended(changes, result, severity):
    row = one(**changes)
    assert (row["EventResult"], row["EventSeverity"]) == (result, severity)
    assert all(row[name] is not None for name in MANDATORY["ASimAuditEventLogs"])


def test_a_failure_has_its_reason():
    status = {"code": 403, "reason": "Forbidden", "message": "no"}
    parsed = parse(dumped(audit(responseStatus=status)))
    row = parsed.rows.row(0, named=True)
    assert (row["EventResultDetails"], row["EventMessage"], row["EventOriginalResultDetails"]) == (
        "Forbidden",
        "no",
        "403",
    )
    assert parsed.entities["error"].to_list() == ["Forbidden"]


@pytest.mark.parametrize(
    ("user", "kind"),
    [
        ({"username": "system:anonymous", "groups": ["system:unauthenticated"]}, "Anonymous"),
        ({"username": "system:serviceaccount:a:b"}, "Service"),
        ({"username": "system:node:ip-10-0-0-1"}, "Machine"),
        ({"username": "system:apiserver", "groups": ["system:masters"]}, "System"),
        ({"username": "eks:addon-manager"}, "System"),
        ({"username": "alice", "groups": ["dev"]}, "Regular"),
        ({}, None),
    ],
)
def test_who_acts(user, kind):
    assert one(user=user)["ActorUserType"] == kind


def test_account_comes_from_an_arn_where_the_uid_has_none():
    assert one(user={"username": ARN, "uid": "x"})["ActorScopeId"] == "111122223333"
    row = one(user={"username": "a", "uid": "x", "extra": {"arn": [ARN]}})
    assert (row["ActorScopeId"], row["ActorUserIdType"]) == ("111122223333", "UID")


def test_lists_and_lines_and_the_time_of_the_stage():
    wrapped = json.dumps({"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": [audit(), audit()]}).encode()
    parsed = parse(wrapped, dumped(audit(requestReceivedTimestamp=...), audit()))
    assert {report.format for report in parsed.reports} == {"eks_audit"}
    assert parsed.rows.height == 4
    assert parsed.rows["TimeGenerated"][2] == datetime(2026, 11, 1, 10, 0, 1, 654_321, UTC)


def test_other_kubernetes_objects_are_not_taken():
    other = {"kind": "Event", "apiVersion": "v1", "metadata": {"name": "x"}, "reason": "Started", "message": "m"}
    assert detect(dumped(other)).format != "eks_audit"
    parsed = parse(dumped(audit(), other, audit(requestReceivedTimestamp=..., stageTimestamp="never")))
    assert parsed.reasons() == [(1, "not_eks_audit"), (2, "no_event_time")]


def test_drift_is_flagged():
    parsed = parse(dumped(audit(responseStatus={"code": "x"}, objectRef={"resource": 5}, user=None)))
    row = parsed.rows.row(0, named=True)
    assert (row["EventResult"], row["Object"], row["ActorUsername"]) == ("NA", "5", None)
    assert "responseStatus.code" in row["_flags"]


def test_it_is_recognised():
    for content in (
        dumped(audit()),
        dumped(audit())[:300],
        dumped(audit(apiVersion=...)),
        b"[" + dumped(audit()) + b"]",
    ):
        found = detect(content)
        assert found.format == "eks_audit"
        assert [name for name, confidence, _ in found.considered if confidence >= 0.6] == ["eks_audit"]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from([dumped(audit()), b'{"stage":', b"}\n"]) | st.binary(max_size=40), max_size=6))
def test_any_bytes_are_accounted_for(parts):
    parser = PartParser("auto")
    frames = list(parser.frames([an_input(0, dumped(audit()) + b"".join(parts), step=31)]))
    check_account(Parsed(frames, parser.reports, parser.rejects))


def test_published_samples(shared_dir):
    file = shared_dir / "data/formats/eks_audit/panther_analysis_events.jsonl"
    if not file.is_file():
        pytest.skip("no samples")
    events = [json.loads(line)["event"] for line in file.read_text().splitlines()]
    timed = [each for each in events if "requestReceivedTimestamp" in each]
    assert timed
    parsed = parse(dumped(*timed), format="eks_audit")
    assert parsed.rejects.is_empty()
    assert parsed.rows["ActorUsername"].to_list() == [each.get("user", {}).get("username") for each in timed]
    assert parsed.rows["SrcIpAddr"].to_list() == [next(iter(each.get("sourceIPs", ())), None) for each in timed]
    # Shortened by hand to what their rules look at: without a time, nothing else is made of them.
    rest = [each for each in events if "requestReceivedTimestamp" not in each]
    parsed = parse(dumped(*timed[:1], *rest), format="eks_audit")
    assert set(parsed.rejects["reason"]) <= {"not_eks_audit", "no_event_time"}
