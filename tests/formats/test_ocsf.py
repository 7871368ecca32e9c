"""OCSF events: classes to tables, JSON and Parquet alike."""

import io
import json
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.formats.parsing import an_input, parse, parse_inputs

AT = 1_764_000_000_123


def event(class_uid: int, **fields):
    made = {
        "class_uid": class_uid,
        "class_name": "Class",
        "category_uid": class_uid // 1000,
        "activity_id": 1,
        "activity_name": "Create",
        "type_uid": class_uid * 100 + 1,
        "severity_id": 3,
        "status_id": 1,
        "time": AT,
        "metadata": {"version": "1.1.0", "uid": "u-1", "product": {"name": "CloudTrail", "vendor_name": "AWS"}},
        "cloud": {"provider": "AWS", "region": "eu-central-1", "account": {"uid": "111122223333"}},
        "src_endpoint": {"ip": "198.51.100.7", "port": 51234},
    }
    return made | fields


NETWORK = event(
    4001,
    dst_endpoint={"ip": "10.0.0.1", "port": 443, "interface_uid": "eni-1", "vpc_uid": "vpc-1"},
    connection_info={"protocol_num": 6, "direction_id": 1},
    traffic={"bytes": 500, "packets": 5},
    action_id=2,
    start_time=AT - 60_000,
    end_time=AT,
)
API = event(
    6003,
    api={"operation": "GetObject", "service": {"name": "s3.amazonaws.com"}, "response": {"error": "AccessDenied"}},
    actor={"user": {"name": "alice", "uid": "AIDA1", "type": "IAMUser"}, "session": {"uid": "s-1"}},
    resources=[{"owner": {"account": {"uid": "1"}}, "type": "AWS::S3::Object", "uid": "arn:aws:s3:::b/k"}],
    http_request={"user_agent": "aws-cli/2"},
    status_id=2,
)
EVENTS = {
    "ASimNetworkSessionLogs": NETWORK,
    "ASimWebSessionLogs": event(
        4002,
        http_request={"http_method": "GET", "url": {"hostname": "a.example.com", "path": "/x"}, "user_agent": "curl"},
        http_response={"code": 403},
    ),
    "ASimDnsActivityLogs": event(
        4003, query={"hostname": "example.com.", "type": "A", "class": "IN"}, rcode_id=3, answers=[{"rdata": "1.2.3.4"}]
    ),
    "ASimAuthenticationEventLogs": event(3002, user={"name": "bob", "uid": "AIDA2"}, activity_id=2),
    "ASimAuditEventLogs": API,
    "ASimAlertEventLogs": event(2004, finding_info={"uid": "f-1", "title": "Port probe", "desc": "probed"}),
    "OCSF_CL": event(1001, device={"hostname": "web01", "uid": "i-1"}, unmapped={"a": 1}),
}


def lines(*events) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in events)


@pytest.fixture(scope="module")
def rows():
    """The row of each table, of one file with an event of each kind."""
    parsed = parse(lines(*EVENTS.values()))
    assert (parsed.report.format, parsed.report.rows, parsed.report.rejected) == ("ocsf", len(EVENTS), 0)
    return {frame.table: frame.rows.row(0, named=True) for frame in parsed.frames}


def test_each_class_has_its_table(rows):
    assert set(rows) == set(EVENTS)
    for table, row in rows.items():
        assert row["TimeGenerated"] == datetime.fromtimestamp(AT / 1_000, UTC), table
        whole = row.get("AdditionalFields") or row["RawData"]
        assert json.loads(whole) == EVENTS[table]


EXPECTED = {
    "ASimNetworkSessionLogs": {
        "SrcIpAddr": "198.51.100.7",
        "SrcPortNumber": 51234,
        "DstIpAddr": "10.0.0.1",
        "DstPortNumber": 443,
        "DstZone": "vpc-1",
        "NetworkProtocol": "TCP",
        "NetworkDirection": "Inbound",
        "NetworkBytes": 500,
        "NetworkPackets": 5,
        "DvcAction": "Deny",
        "EventResult": "Failure",
        "EventSeverity": "Medium",
        "EventStartTime": datetime.fromtimestamp((AT - 60_000) / 1_000, UTC),
        "EventProduct": "CloudTrail",
    },
    "ASimWebSessionLogs": {"Url": "a.example.com/x", "HttpRequestMethod": "GET", "EventResultDetails": "403"},
    "ASimDnsActivityLogs": {
        "DnsQuery": "example.com",
        "DnsQueryTypeName": "A",
        "EventResultDetails": "NXDOMAIN",
        "EventResult": "Failure",
        "DnsResponseName": '[{"rdata": "1.2.3.4"}]',
    },
    "ASimAuthenticationEventLogs": {"TargetUsername": "bob", "EventType": "Logoff", "EventResult": "Success"},
    "ASimAuditEventLogs": {
        "Operation": "GetObject",
        "Object": "arn:aws:s3:::b/k",
        "OriginalObjectType": "AWS::S3::Object",
        "ActorUsername": "alice",
        "ActorUserId": "AIDA1",
        "EventType": "Create",
        "EventResult": "Failure",
        "EventOriginalResultDetails": "AccessDenied",
        "HttpUserAgent": "aws-cli/2",
    },
    "ASimAlertEventLogs": {"AlertName": "Port probe", "AlertId": "f-1", "EventUid": "u-1", "DvcZone": "eu-central-1"},
    "OCSF_CL": {"ClassUid": 1001, "DeviceHostname": "web01", "Unmapped": '{"a": 1}', "CloudAccountId": "111122223333"},
}


@pytest.mark.parametrize("table", EXPECTED)
def test_columns_come_from_their_fields(rows, table):
    assert {name: rows[table][name] for name in EXPECTED[table]} == EXPECTED[table]


def test_entities():
    entities = parse(lines(API)).entities.row(0, named=True)
    assert {name: entities[name] for name in ("account", "region", "principal", "service", "action", "target")} == {
        "account": "111122223333",
        "region": "eu-central-1",
        "principal": "alice",
        "service": "s3.amazonaws.com",
        "action": "GetObject",
        "target": "arn:aws:s3:::b/k",
    }
    assert (entities["error"], entities["source_ip"]) == ("AccessDenied", "198.51.100.7")


def test_parquet_as_security_lake_writes_it_gives_the_rows_of_json():
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([NETWORK, NETWORK | {"time": AT + 1}]), file, compression="zstd")
    key = "aws/VPC_FLOW/2.0/region=eu-central-1/accountId=111122223333/eventDay=20261123/x.gz.parquet"
    parsed = parse_inputs([an_input(0, file.getvalue(), key)])
    from_json = parse(lines(NETWORK, NETWORK | {"time": AT + 1}))
    same = [name for name in from_json.rows.columns if name != "AdditionalFields"]
    assert parsed.report.format == "ocsf"
    assert parsed.rows.select(same).equals(from_json.rows.select(same), null_equal=True)


def test_old_names_and_missing_objects():
    old = {"class_uid": 2001, "time": AT, "metadata": {}, "finding": {"uid": "f", "title": "t"}, "category_uid": 2}
    old |= {"activity_id": 1, "type_uid": 200101, "severity_id": 9, "cloud": {"account_uid": "1"}}
    row = parse(lines(old)).rows.row(0, named=True)
    assert (row["AlertId"], row["DvcScopeId"], row["EventSeverity"]) == ("f", "1", "Informational")


def test_an_event_without_a_time_is_rejected_alone():
    parsed = parse(lines(NETWORK, {**NETWORK, "time": None}, {**NETWORK, "time": "x"}, NETWORK), format="ocsf")
    assert parsed.reasons() == [(1, "not_ocsf"), (2, "no_event_time")]
