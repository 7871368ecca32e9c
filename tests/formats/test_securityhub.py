"""Security Hub findings: what goes where, versions and copies, EventBridge."""

import json
from datetime import UTC, datetime

import pytest

from s3sentinel_assets.formats import ParseOptions, PartParser, detect
from tests.formats.parsing import Parsed, an_input, check_account, parse

ARN = "arn:aws:securityhub:eu-central-1:111122223333:security-control/SQS.1/finding/{}"
PRODUCT = "arn:aws:securityhub:eu-central-1::product/aws/securityhub"


def finding(number=0, **changes):
    """A finding of a control; a change to ``...`` leaves a field out."""
    made = {
        "SchemaVersion": "2018-10-08",
        "Id": ARN.format(number),
        "ProductArn": PRODUCT,
        "ProductName": "Security Hub",
        "CompanyName": "AWS",
        "Region": "eu-central-1",
        "GeneratorId": "security-control/SQS.1",
        "AwsAccountId": "111122223333",
        "AwsAccountName": "prod",
        "Types": ["Software and Configuration Checks/Industry and Regulatory Standards"],
        "FirstObservedAt": "2026-11-23T08:00:00.000Z",
        "LastObservedAt": "2026-11-23T10:00:00.000Z",
        "CreatedAt": "2026-11-23T08:00:01.000Z",
        "UpdatedAt": "2026-11-23T10:00:02.500Z",
        "ProcessedAt": "2026-11-23T10:00:03.000Z",
        "Severity": {"Label": "MEDIUM", "Normalized": 40, "Original": "MEDIUM"},
        "Title": "Queues should be encrypted",
        "Description": 'Checks "queues" é.',
        "Remediation": {"Recommendation": {"Text": "Read this.", "Url": "https://docs.example/SQS.1"}},
        "ProductFields": {"aws/securityhub/CompanyName": "AWS"},
        "Resources": [{"Type": "AwsSqsQueue", "Id": "arn:aws:sqs:eu-central-1:111122223333:q", "Partition": "aws"}],
        "Compliance": {
            "Status": "FAILED",
            "RelatedRequirements": ["NIST.800-53.r5 SC-13"],
            "StatusReasons": [{"ReasonCode": "X"}],
            "SecurityControlId": "SQS.1",
            "AssociatedStandards": [{"StandardsId": "standards/nist"}],
            "SecurityControlParameters": [{"Name": "p", "Value": ["1"]}],
        },
        "WorkflowState": "NEW",
        "Workflow": {"Status": "NEW"},
        "RecordState": "ACTIVE",
        "SourceUrl": "https://source.example/",
        "Note": {"Text": "n", "UpdatedBy": "me", "UpdatedAt": "2026-11-23T09:00:00Z"},
    }
    return {name: value for name, value in (made | changes).items() if value is not ...}


def lines(*records):
    return b"\n".join(json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode() for record in records)


def envelope(*records, kind="Imported", **detail):
    return {
        "version": "0",
        "detail-type": f"Security Hub Findings - {kind}",
        "source": "aws.securityhub",
        "time": "2026-11-23T10:00:09Z",
        "detail": {"findings": records, **detail},
    }


def filled(row):
    return {name: value for name, value in row.items() if value is not None and not name.startswith("_")}


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def at(*moment):
    return datetime(2026, 11, 23, *moment, tzinfo=UTC)


def asim(*records):
    parser = PartParser("securityhub", ParseOptions(normalise="asim"))
    frames = list(parser.frames([an_input(0, lines(*records))]))
    parsed = Parsed(frames, parser.reports, parser.rejects)
    check_account(parsed)
    return parsed.rows.to_dicts()


def test_every_column_is_filled_from_its_field():
    record = finding()
    parsed = parse(lines(record))
    assert parsed.report.format == "securityhub"
    (row,), (entity,) = parsed.rows.to_dicts(), parsed.entities.to_dicts()
    compliance = record["Compliance"]
    identity = row["EventId_CF"]
    assert identity.startswith(f"{ARN.format(0)}@2026-11-23T10:00:02.500Z@")
    assert filled(row) == {
        "TimeGenerated": at(10, 0, 2, 500_000),
        "AwsAccountId": "111122223333",
        "AwsRegion": "eu-central-1",
        "AwsSecurityFindingCreatedAt": at(8, 0, 1),
        "AwsSecurityFindingDescription": 'Checks "queues" é.',
        "AwsSecurityFindingFirstObservedAt": at(8),
        "AwsSecurityFindingGeneratorId": "security-control/SQS.1",
        "AwsSecurityFindingId": ARN.format(0),
        "AwsSecurityFindingLastObservedAt": at(10),
        "AwsSecurityFindingProcessedAt": at(10, 0, 3),
        "AwsSecurityFindingProductArn": PRODUCT,
        "AwsSecurityFindingProductFields": compact(record["ProductFields"]),
        "AwsSecurityFindingProductName": "Security Hub",
        "AwsSecurityFindingSeverity": compact(record["Severity"]),
        "AwsSecurityFindingTitle": "Queues should be encrypted",
        "AwsSecurityFindingTypes": compact(record["Types"]),
        "AwsSecurityFindingUpdatedAt": at(10, 0, 2, 500_000),
        "ComplianceAssociatedStandards": compact(compliance["AssociatedStandards"]),
        "ComplianceRelatedRequirements": compact(compliance["RelatedRequirements"]),
        "ComplianceSecurityControlId": "SQS.1",
        "ComplianceSecurityControlParameters": compact(compliance["SecurityControlParameters"]),
        "ComplianceStatus": "FAILED",
        "ComplianceStatusReasons": compact(compliance["StatusReasons"]),
        "RawData": compact(record),
        "RecordState": "ACTIVE",
        "Remediation": compact(record["Remediation"]),
        "Resources": compact(record["Resources"]),
        "SchemaVersion": "2018-10-08",
        "WorkflowState": "NEW",
        "EventId_CF": identity,
        "EventTime_CF": at(10, 0, 2, 500_000),
    }
    assert row["_flags"] is None
    assert filled(entity) == {
        "event_id": identity,
        "time": at(10, 0, 2, 500_000),
        "account": "111122223333",
        "region": "eu-central-1",
        "principal": "arn:aws:sqs:eu-central-1:111122223333:q",
        "principal_type": "AwsSqsQueue",
        "peer": "111122223333/Security Hub",
        "service": "securityhub",
        "action": "security-control/SQS.1",
        "target": "arn:aws:sqs:eu-central-1:111122223333:q",
        "error": "MEDIUM",
        "severity": "medium",
    }


GUARD = {
    "ProductName": "GuardDuty",
    "Types": ["TTPs/Initial Access/UnauthorizedAccess:IAMUser-Console"],
    "Severity": {"Label": "CRITICAL", "Normalized": 90, "Original": 8.5},
    "Compliance": ...,
    "Workflow": {"Status": "RESOLVED"},
    "VerificationState": "BENIGN_POSITIVE",
    "Confidence": 77,
    "Region": ...,
    "Resources": [{"Type": "AwsIamAccessKey", "Id": "AWS::IAM::AccessKey:AKIA"}],
    "Remediation": ...,
    "Action": {"AwsApiCallAction": {"RemoteIpDetails": {"City": {}, "IpAddressV4": "198.51.100.7"}}},
}
INSPECTOR = {
    "ProductName": "Inspector",
    "Severity": ...,
    "Types": ...,
    "FindingProviderFields": {"Severity": {"Label": "HIGH"}, "Types": ["Effects/Data Exposure"]},
    "FirstObservedAt": ...,
    "LastObservedAt": ...,
    "RecordState": "ARCHIVED",
    "Resources": [{"Type": "AwsEc2Instance", "Id": "i-1"}],
    "Network": {"SourceIpV4": "192.0.2.1"},
    "WorkflowState": ...,
}


def test_asim_columns():
    row, guard, inspector = asim(finding(), finding(1, **GUARD), finding(2, **INSPECTOR))
    record = finding()
    row.pop("EventId_CF")
    assert filled(row) == {
        "TimeGenerated": at(10, 0, 2, 500_000),
        "EventTime_CF": at(10, 0, 2, 500_000),
        "EventCount": 1,
        "EventStartTime": at(8),
        "EventEndTime": at(10),
        "EventType": "Alert",
        "EventSubType": "Compliance Violation",
        "EventResult": "NA",
        "EventSeverity": "Medium",
        "EventProduct": "Security Hub",
        "EventVendor": "AWS",
        "EventSchemaVersion": "0.1",
        "EventUid": record["Id"],
        "EventOriginalUid": record["Id"],
        "EventOriginalSeverity": "MEDIUM",
        "EventOriginalType": record["Types"][0],
        "EventOriginalResultDetails": "FAILED",
        "EventMessage": record["Description"],
        "EventProductVersion": "2018-10-08",
        "EventReportUrl": "https://source.example/",
        "AlertId": record["Id"],
        "AlertName": record["Title"],
        "AlertDescription": record["Description"],
        "AlertOriginalStatus": "NEW",
        "AlertStatus": "Active",
        "DetectionMethod": "Cloud Security Posture Management",
        "RuleName": "security-control/SQS.1",
        "Rule": "security-control/SQS.1",
        "AttackRemediationSteps": "Read this. https://docs.example/SQS.1",
        "IndicatorType": "Cloud Resource",
        "DvcScopeId": "111122223333",
        "DvcScope": "prod",
        "DvcZone": "eu-central-1",
        "DvcId": "arn:aws:sqs:eu-central-1:111122223333:q",
        "DvcIdType": "Other",
        "ThreatIsActive": True,
        "ThreatRiskLevel": 40,
        "ThreatOriginalRiskLevel": "MEDIUM",
        "ThreatFirstReportedTime": at(8),
        "ThreatLastReportedTime": at(10),
        "AdditionalFields": compact(record),
    }
    wanted = {
        "EventSubType": "Threat", "EventSeverity": "High", "AlertStatus": "Closed", "ThreatIsActive": False,
        "AlertOriginalStatus": "RESOLVED", "AlertVerdict": "Benign Positive", "AttackTactics": "Initial Access",
        "DetectionMethod": "Threat Intelligence", "IndicatorType": "User", "DvcIpAddr": "198.51.100.7",
        "DvcZone": "eu-central-1", "ThreatConfidence": 77, "ThreatOriginalConfidence": "77.0", "ThreatRiskLevel": 90,
        "ThreatOriginalRiskLevel": "8.5", "AttackRemediationSteps": None,
    }  # fmt: skip
    assert {name: guard[name] for name in wanted} == wanted
    wanted = {
        "EventSubType": "Threat", "EventSeverity": "High", "EventOriginalSeverity": "HIGH", "AlertStatus": "Closed",
        "EventStartTime": at(8, 0, 1), "EventEndTime": at(10, 0, 2, 500_000), "IndicatorType": "Host",
        "DvcIpAddr": "192.0.2.1", "DetectionMethod": "Other", "EventOriginalType": "Effects/Data Exposure",
    }  # fmt: skip
    assert {name: inspector[name] for name in wanted} == wanted


def test_what_a_finding_lacks_is_taken_from_elsewhere():
    parsed = parse(lines(finding(1, **GUARD), finding(2, **INSPECTOR)), format="securityhub")
    first, second = parsed.rows.to_dicts()
    assert (first["AwsRegion"], first["ComplianceStatus"], first["_flags"]) == ("eu-central-1", None, None)
    assert second["AwsSecurityFindingSeverity"] == '{"Label":"HIGH"}'
    assert (second["AwsSecurityFindingTypes"], second["WorkflowState"]) == ('["Effects/Data Exposure"]', "NEW")
    assert parsed.entities["source_ip"].to_list() == ["198.51.100.7", "192.0.2.1"]
    assert parsed.entities["error"].to_list() == ["CRITICAL", None]


def test_versions_differ_and_copies_do_not():
    versions = [
        finding(1),
        finding(1, UpdatedAt="2026-11-23T11:00:00Z"),
        # What people change leaves UpdatedAt as it was.
        finding(1, Workflow={"Status": "SUPPRESSED"}),
        finding(1, Note={"Text": "mine", "UpdatedBy": "me", "UpdatedAt": "2026-11-23T09:00:00Z"}),
        finding(1, ProductArn="arn:aws:securityhub:eu-central-1:444455556666:product/444455556666/default"),
        finding(2),
    ]
    contents = [
        lines(*versions),
        json.dumps({"Findings": versions}, indent=2, ensure_ascii=False).encode(),
        b"".join(json.dumps(envelope(version), ensure_ascii=False).encode() for version in versions),
    ]
    rows = parse(*contents).rows.sort("_object", "_ordinal")
    ids = [rows.filter(rows["_object"] == number)["EventId_CF"].to_list() for number in range(3)]
    assert len(set(ids[0])) == len(versions)
    assert ids == [ids[0]] * 3


def test_findings_in_eventbridge_events():
    action = envelope(finding(3), kind="Custom Action", actionName="isolate", actionDescription="Isolates it")
    insight = {
        "source": "aws.securityhub",
        "detail-type": "Security Hub Insight Results",
        "detail": {"actionName": "x"},
    }
    parsed = parse(lines(envelope(finding(0), finding(1)), insight, action, finding(3)), format="securityhub")
    assert parsed.rows["AwsSecurityFindingId"].to_list() == [ARN.format(number) for number in (0, 1, 3, 3)]
    assert parsed.reasons() == [(2, "not_securityhub")]
    extra = parsed.rows["ExtraFields_CF"].to_list()
    assert extra == [None, None, '{"actionName":"isolate","actionDescription":"Isolates it"}', None]
    assert parsed.rows["EventId_CF"].n_unique() == 4
    assert parsed.rows["RawData"].to_list()[2] == json.dumps(finding(3), separators=(",", ":"), ensure_ascii=False)


def test_values_that_drift():
    records = [
        finding(0, Severity="HIGH", AwsAccountId=111122223333, Brand="new"),
        finding(1, Compliance=[1], ProcessedAt="later", Confidence="80"),
        finding(2, Resources={}, Title=None, UpdatedAt="2026-11-23 10:00:02.500000000"),
    ]
    rows = parse(lines(*records), format="securityhub").rows.to_dicts()
    assert [row["_flags"] for row in rows] == [
        'drift:Severity="HIGH"',
        "drift:Compliance=[1];bad_AwsSecurityFindingProcessedAt=later",
        None,
    ]
    assert (rows[0]["AwsSecurityFindingSeverity"], rows[0]["AwsAccountId"]) == ('"HIGH"', "111122223333")
    assert '"Brand":"new"' in rows[0]["RawData"]
    assert rows[2]["TimeGenerated"] == at(10, 0, 2, 500_000)


def test_a_finding_without_a_time_is_quarantined_alone():
    bad = finding(1, UpdatedAt="soon", CreatedAt=None)
    nameless = b'{"Id":"x","ProductArn":"p","UpdatedAt":"2026-11-23T10:00:00Z","Confidence":NaN}'
    parsed = parse(lines(finding(0), bad, finding(2)) + b"\n" + nameless, format="securityhub")
    assert parsed.reasons() == [(1, "no_event_time")]
    assert parsed.rows["AwsSecurityFindingId"].to_list() == [ARN.format(0), ARN.format(2), "x"]


def test_it_is_recognised_by_its_own_keys():
    bare, wrapped = lines(finding()), lines(envelope(finding()))
    listed = json.dumps({"Findings": [finding()]}, indent=2).encode()
    for content in (bare, listed, bare[:900], wrapped, wrapped[:300]):
        assert detect(content).format == "securityhub"
    assert detect(lines({"a": finding()})).format != "securityhub"


def test_published_findings(shared_dir):
    file = shared_dir / "data/formats/securityhub/panther_analysis_events.jsonl"
    if not file.exists():
        pytest.skip("no sample")
    events = [json.loads(line)["event"] for line in file.read_text().splitlines()]
    parsed = parse(lines(*events))
    assert (parsed.report.format, parsed.report.rows) == ("securityhub", len(events))
    assert parsed.rows["AwsSecurityFindingId"].to_list() == [event["Id"] for event in events]
    assert [json.loads(text) for text in parsed.rows["RawData"]] == events
    assert [json.loads(text) for text in parsed.rows["Resources"]] == [event["Resources"] for event in events]
    assert parsed.rows["_flags"].null_count() == len(events)
