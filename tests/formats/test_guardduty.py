"""GuardDuty findings: what goes where, versions and copies, EventBridge, findings among others."""

import json
from datetime import UTC, datetime

import pytest

from s3sentinel_assets.formats import ParseOptions, PartParser, detect
from tests.formats.parsing import Parsed, an_input, check_account, parse
from tests.formats.test_securityhub import finding as hub_finding

ARN = "arn:aws:guardduty:eu-central-1:111122223333:detector/12abc/finding/{}"


def finding(number=0, *, service=None, resource=None, **changes):
    """A finding about an instance; a change to ``...`` leaves a field out."""
    made = {
        "schemaVersion": "2.0",
        "accountId": "111122223333",
        "region": "eu-central-1",
        "partition": "aws",
        "id": f"f{number}",
        "arn": ARN.format(f"f{number}"),
        "type": "UnauthorizedAccess:EC2/MaliciousIPCaller.Custom",
        "resource": {
            "resourceType": "Instance",
            "instanceDetails": {"instanceId": "i-99999999", "networkInterfaces": [{"privateIpAddress": "10.0.0.5"}]},
            **(resource or {}),
        },
        "service": {
            "serviceName": "guardduty",
            "detectorId": "12abc",
            "resourceRole": "ACTOR",
            "action": {
                "actionType": "NETWORK_CONNECTION",
                "networkConnectionAction": {
                    "blocked": False,
                    "localIpDetails": {"ipAddressV4": "10.0.0.5"},
                    "remoteIpDetails": {"country": {"countryName": "x"}, "ipAddressV4": "198.51.100.0"},
                },
            },
            "eventFirstSeen": "2026-11-23T09:00:00Z",
            "eventLastSeen": "2026-11-23T10:00:00.000Z",
            "archived": False,
            "count": 3,
            **(service or {}),
        },
        "severity": 5,
        "createdAt": "2026-11-23T09:10:00.123Z",
        "updatedAt": "2026-11-23T10:05:00.456Z",
        "title": "EC2 instance talks to a listed address.",
        "description": 'It "talks" é.',
    }
    return {name: value for name, value in (made | changes).items() if value is not ...}


def lines(*records):
    return b"\n".join(json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode() for record in records)


def envelope(record):
    return {"version": "0", "id": "e", "detail-type": "GuardDuty Finding", "source": "aws.guardduty", "detail": record}


def asim(*records):
    parser = PartParser("guardduty", ParseOptions(normalise="asim"))
    frames = list(parser.frames([an_input(0, lines(*records))]))
    parsed = Parsed(frames, parser.reports, parser.rejects)
    check_account(parsed)
    return parsed.rows.to_dicts()


def filled(row):
    return {name: value for name, value in row.items() if value is not None and not name.startswith("_")}


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def at(*moment):
    return datetime(2026, 11, 23, *moment, tzinfo=UTC)


def test_every_column_is_filled_from_its_field():
    record = finding(severity=5.5, confidence=0.5, associatedAttackSequenceArn="arn:x")
    parsed = parse(lines(record))
    assert parsed.report.format == "guardduty"
    (row,), (entity,) = parsed.rows.to_dicts(), parsed.entities.to_dicts()
    assert filled(row) == {
        "TimeGenerated": at(10, 5, 0, 456_000),
        "AccountId": "111122223333",
        "ActivityType": record["type"],
        "Arn": record["arn"],
        "Description": 'It "talks" é.',
        "Id": "f0",
        "Partition": "aws",
        "Region": "eu-central-1",
        "ResourceDetails": compact(record["resource"]),
        "SchemaVersion": "2.0",
        "ServiceDetails": compact(record["service"]),
        "Severity": 5,
        "TimeCreated": at(9, 10, 0, 123_000),
        "Title": record["title"],
        "EventId_CF": "f0@2026-11-23T10:05:00.456Z@3",
        "EventTime_CF": at(10, 5, 0, 456_000),
        "ExtraFields_CF": '{"severity":5.5,"confidence":0.5,"associatedAttackSequenceArn":"arn:x"}',
    }
    assert row["_flags"] is None
    assert filled(entity) == {
        "event_id": row["EventId_CF"],
        "time": row["TimeGenerated"],
        "account": "111122223333",
        "region": "eu-central-1",
        "principal": "i-99999999",
        "principal_type": "Instance",
        "peer": "111122223333/eu-central-1",
        "service": "guardduty",
        "action": record["type"],
        "target": "i-99999999",
        "source_ip": "198.51.100.0",
        "error": "Medium",
        "severity": "medium",
    }


SEQUENCE = {
    "actors": [{"id": "a", "user": {"account": {"name": "no"}, "name": "alice", "uid": "AIDA"}}],
    "resources": [{"uid": "arn:aws:s3:::data", "resourceType": "S3_BUCKET"}],
    "endpoints": [{"id": "e", "ip": "203.0.113.9"}],
    "sequenceIndicators": [
        {"key": "ATTACK_TECHNIQUE", "values": ["T1098 - Account Manipulation", "T1530"], "title": "x"},
        {"key": "ATTACK_TACTIC", "values": ["Impact", "Discovery"]},
    ],
}
KEY = {"accessKeyId": "AKIA", "principalId": "AIDA1", "userName": "bob", "userType": "IAMUser"}


def call(name, address, **more):
    return {"action": {name: {"remoteIpDetails": {"organization": {"asn": "1"}, **address}, **more}}}


@pytest.fixture(scope="module")
def variants():
    """Findings of several kinds, parsed both ways: name → entity and ASIM row."""
    records = {
        "instance": finding(severity=8),
        "key": finding(
            type="Persistence:IAMUser/AnomalousBehavior",
            resource={"resourceType": "AccessKey", "accessKeyDetails": KEY, "instanceDetails": None},
            service=call("awsApiCallAction", {"ipAddressV4": "192.0.2.1"}, userAgent="aws-cli")
            | {"archived": True, "resourceRole": "TARGET"},
        ),
        "sequence": finding(
            type="AttackSequence:S3/CompromisedData",
            severity=9,
            resource={"resourceType": "AttackSequence", "instanceDetails": None},
            service={"action": None, "count": None, "detection": {"sequence": SEQUENCE}},
        ),
        "probe": finding(
            type="Recon:EC2/PortProbeUnprotectedPort",
            severity=2,
            service={
                "action": {
                    "portProbeAction": {
                        "blocked": True,
                        "portProbeDetails": [
                            {
                                "localIpDetails": {"ipAddressV4": "10.0.0.5"},
                                "remoteIpDetails": {"ipAddressV4": "192.0.2.2"},
                            }
                        ],
                    }
                }
            },
        ),
        "bucket": finding(
            type="Policy:S3/BucketAnonymousAccessGranted",
            resource={
                "resourceType": "S3Bucket",
                "instanceDetails": None,
                "s3BucketDetails": [{"arn": "arn:aws:s3:::b", "name": "b"}],
                "accessKeyDetails": KEY | {"userType": "Root", "userName": "root"},
            },
        ),
        "runtime": finding(
            type="Execution:Runtime/NewBinaryExecuted",
            resource={
                "resourceType": "EKSCluster",
                "instanceDetails": None,
                "eksClusterDetails": {"arn": "arn:aws:eks:::c"},
                "kubernetesDetails": {"kubernetesUserDetails": {"username": "system:pod"}},
            },
            service=call("kubernetesApiCallAction", {"ipAddressV6": "2001:db8::1"}, userAgent="kubectl")
            | {
                "runtimeDetails": {
                    "process": {"name": "xm", "executablePath": "/tmp/xm", "executableSha256": "ab", "pid": 7},
                    "context": {"commandLineExample": "/tmp/xm -o"},
                }
            },
        ),
    }
    entities = parse(lines(*records.values()), format="guardduty").entities.to_dicts()
    return {name: found for name, *found in zip(records, entities, asim(*records.values()), strict=True)}, records


def test_asim_columns(variants):
    _, row = variants[0]["instance"]
    record = variants[1]["instance"]
    assert filled(row) == {
        "TimeGenerated": at(10, 5, 0, 456_000),
        "EventCount": 3,
        "EventStartTime": at(9),
        "EventEndTime": at(10),
        "EventType": "Alert",
        "EventSubType": "Suspicious Activity",
        "EventResult": "NA",
        "EventSeverity": "High",
        "EventProduct": "GuardDuty",
        "EventVendor": "AWS",
        "EventSchemaVersion": "0.1",
        "EventUid": "f0",
        "EventOriginalUid": record["arn"],
        "EventOriginalSeverity": "8.0",
        "EventOriginalType": record["type"],
        "EventOriginalSubType": "NETWORK_CONNECTION",
        "EventMessage": record["description"],
        "EventProductVersion": "2.0",
        "AlertId": "f0",
        "AlertName": record["title"],
        "AlertDescription": record["description"],
        "AlertStatus": "Active",
        "DetectionMethod": "User Defined Blocked List",
        "IndicatorType": "Host",
        "IndicatorAssociation": "Associated",
        "DvcScopeId": "111122223333",
        "DvcScope": "111122223333",
        "DvcZone": "eu-central-1",
        "DvcId": "i-99999999",
        "DvcIdType": "Other",
        "DvcIpAddr": "10.0.0.5",
        "DvcAction": "Allowed",
        "DvcOriginalAction": "false",
        "ThreatCategory": "Unknown",
        "ThreatOriginalCategory": "UnauthorizedAccess",
        "ThreatName": record["type"],
        "ThreatIsActive": True,
        "ThreatRiskLevel": 80,
        "ThreatOriginalRiskLevel": "8.0",
        "ThreatFirstReportedTime": at(9),
        "ThreatLastReportedTime": at(10),
        "AdditionalFields": compact({"resource": record["resource"], "service": record["service"]}),
        "EventId_CF": "f0@2026-11-23T10:05:00.456Z@3",
        "EventTime_CF": at(10, 5, 0, 456_000),
    }


@pytest.mark.parametrize(
    ("name", "who", "target", "source", "expected"),
    [
        (
            "key", "bob", ARN.format("f0"), "192.0.2.1",
            {
                "Username": "bob", "User": "bob", "UsernameType": "Simple", "UserId": "AIDA1", "UserIdType": "AWSId",
                "UserType": "Regular", "OriginalUserType": "IAMUser", "UserScopeId": "111122223333",
                "AttackTactics": "Persistence", "EventSubType": "Anomaly", "DetectionMethod": "Behavioral Analytics",
                "AlertStatus": "Closed", "ThreatIsActive": False, "DvcIpAddr": "192.0.2.1", "IndicatorType": "User",
                "IndicatorAssociation": "Targeted", "DvcId": None, "DvcIdType": None, "DvcAction": None,
            },
        ),
        (
            "sequence", "alice", "arn:aws:s3:::data", "203.0.113.9",
            {
                "AttackTactics": "Impact, Discovery", "AttackTechniques": "T1098 - Account Manipulation, T1530",
                "Username": "alice", "UserId": None, "EventSubType": "Threat", "EventSeverity": "High",
                "EventCount": 1, "DvcIpAddr": "203.0.113.9", "IndicatorType": None,
            },
        ),
        (
            "probe", "i-99999999", "i-99999999", "192.0.2.2",
            {
                "DvcAction": "Blocked", "EventSeverity": "Low", "AttackTactics": "Reconnaissance",
                "DetectionMethod": "Intrusion Detection", "DvcIpAddr": "10.0.0.5",
            },
        ),
        (
            "bucket", "root", "arn:aws:s3:::b", "198.51.100.0",
            {
                "UserType": "Admin", "EventSubType": "Compliance Violation", "IndicatorType": "Cloud Resource",
                "ThreatCategory": "Security Policy Violation", "DetectionMethod": "Cloud Security Posture Management",
            },
        ),
        (
            "runtime", "system:pod", "arn:aws:eks:::c", "2001:db8::1",
            {
                "ProcessName": "/tmp/xm", "ProcessId": "7", "ProcessCommandLine": "/tmp/xm -o", "FileSHA256": "ab",
                "DetectionMethod": "EDR", "AttackTactics": "Execution", "Username": "system:pod", "UserType": None,
            },
        ),
    ],
)  # fmt: skip
def test_kinds_of_findings(variants, name, who, target, source, expected):
    entity, row = variants[0][name]
    assert (entity["principal"], entity["target"], entity["source_ip"]) == (who, target, source)
    assert {column: row[column] for column in expected} == expected


def test_versions_differ_and_copies_do_not():
    versions = [
        finding(1),
        finding(1, updatedAt="2026-11-23T11:05:00.456Z"),
        finding(1, service={"count": 4}),
        finding(2),
    ]
    parsed = parse(lines(*versions), lines(*map(envelope, versions)), json.dumps(versions, indent=1).encode())
    ids = [frame_ids for _, frame_ids in parsed.rows.group_by("_object", maintain_order=True)]
    ids = [rows.sort("_ordinal")["EventId_CF"].to_list() for rows in ids]
    assert len(set(ids[0])) == 4
    assert ids == [ids[0]] * 3


def test_findings_in_eventbridge_events_and_lists():
    content = lines(envelope(finding(0)), finding(1), {"findings": [finding(2), finding(3)]})
    parsed = parse(content, format="guardduty")
    assert parsed.rows["Id"].to_list()[:2] == ["f0", "f1"]
    assert parse(lines({"findings": [finding(2), finding(3)]})).rows["Id"].to_list() == ["f2", "f3"]
    other = envelope({"scanStatus": "COMPLETED"}) | {"detail-type": "GuardDuty Malware Protection Object Scan Result"}
    rejected = parse(lines(finding(0), other, finding(1)), format="guardduty")
    assert (rejected.report.rows, rejected.reasons()) == (2, [(1, "not_guardduty")])


def test_values_that_drift():
    records = [
        finding(0, severity="7.5", accountId=111122223333) | {"service": "none"},
        finding(1, service={"count": "12", "action": []}),
        finding(2, resource={"instanceDetails": {"instanceId": 5}}, updatedAt="yesterday"),
        finding(3, updatedAt=..., title=None),
    ]
    rows = parse(lines(*records), format="guardduty").rows.to_dicts()
    assert [row["_flags"] for row in rows] == [
        'drift:service="none"',
        "drift:service.action=[]",
        "bad_updatedAt=yesterday",
        None,
    ]
    assert (rows[0]["Severity"], rows[0]["AccountId"], rows[0]["ServiceDetails"]) == (7, "111122223333", '"none"')
    assert rows[1]["EventId_CF"].endswith("@12")
    assert [row["TimeGenerated"] for row in rows[2:]] == [at(9, 10, 0, 123_000)] * 2


def test_a_finding_without_a_time_is_quarantined_alone():
    bad = finding(1, updatedAt="soon", createdAt=None)
    parsed = parse(lines(finding(0), bad, finding(2)), format="guardduty")
    assert (parsed.rows["Id"].to_list(), parsed.reasons()) == (["f0", "f2"], [(1, "no_event_time")])


def test_findings_of_security_hub_in_the_same_file_go_to_their_own_table():
    event = {"detail-type": "x", "source": "aws.securityhub", "detail": {"findings": [hub_finding(3)]}}
    parsed = parse(lines(finding(0), hub_finding(1), envelope(finding(2)), event))
    assert {frame.table: frame.rows["_ordinal"].to_list() for frame in parsed.frames} == {
        "AWSGuardDuty": [0, 2],
        "AWSSecurityHubFindings": [1, 3],
    }
    assert parsed.report.rejected == 0


def test_it_is_recognised_by_its_own_keys():
    bare, wrapped = lines(finding()), lines(envelope(finding()))
    for content in (bare, json.dumps([finding()], indent=2).encode(), bare[:900], wrapped, wrapped[:300]):
        assert detect(content).format == "guardduty"
    assert detect(lines({"a": finding()})).format != "guardduty"


def test_published_findings(shared_dir):
    file = shared_dir / "data/formats/guardduty/panther_analysis_events.jsonl"
    if not file.exists():
        pytest.skip("no sample")
    events = [json.loads(line)["event"] for line in file.read_text().splitlines()]
    parsed = parse(lines(*events))
    assert (parsed.report.format, parsed.report.rows) == ("guardduty", len(events))
    assert parsed.rows["Severity"].to_list() == [event["severity"] for event in events]
    assert parsed.rows["ActivityType"].to_list() == [event["type"] for event in events]
    assert [json.loads(text) for text in parsed.rows["ServiceDetails"]] == [event["service"] for event in events]
    assert parsed.rows["_flags"].null_count() == len(events)
