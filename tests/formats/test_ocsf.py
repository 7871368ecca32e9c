"""OCSF events: classes to tables, JSON and Parquet alike."""

import io
import json
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.formats import detect
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
    "ASimWebSessionLogs": {"Url": "http://a.example.com/x", "HttpRequestMethod": "GET", "EventResultDetails": "403"},
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
        "principal": "111122223333/alice",
        "service": "s3",
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


def test_parquet_writes_nulls_everywhere_and_they_are_left_out():
    file = io.BytesIO()
    struct = pa.struct([("name", pa.string()), ("uid", pa.string())])
    empty = {"count": None, "device": None, "api": {"operation": None, "version": "1"}, "message": 'a,"b":null,"c'}
    table = pa.Table.from_pylist([NETWORK | empty | {"count": 2}, NETWORK | empty])
    table = table.append_column("user", pa.nulls(2, struct)).append_column("labels", pa.nulls(2, pa.list_(struct)))
    pq.write_table(table.append_column("time_dt", pa.array([AT, AT], pa.timestamp("ms"))), file)
    rows = parse(file.getvalue()).rows
    assert [json.loads(text) for text in rows["AdditionalFields"]] == [
        NETWORK | {"api": {"version": "1"}, "message": empty["message"], "time_dt": "2025-11-24T16:00:00.123Z"} | more
        for more in ({"count": 2}, {})
    ]
    assert rows["EventCount"].to_list() == [2, 1]


names = st.text(st.sampled_from('ab_,:"\\{}[] né'), min_size=1, max_size=5)
anything = st.recursive(
    st.none() | st.integers(0, 9) | names | st.just(':null,"'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)


def without_nulls(value):
    if isinstance(value, dict):
        return {name: without_nulls(inner) for name, inner in value.items() if inner is not None}
    return [without_nulls(inner) for inner in value] if isinstance(value, list) else value


@settings(max_examples=40, deadline=None)
@given(anything, st.booleans())
def test_only_nulls_are_left_out(value, ascii_only):
    content = json.dumps(event(1001, unmapped=value), separators=(",", ":"), ensure_ascii=ascii_only).encode()
    kept = json.loads(parse(content, format="ocsf").rows["RawData"][0])
    assert without_nulls(kept) == without_nulls(json.loads(content))


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=120), st.integers(0, 400))
def test_any_bytes_are_accounted_for(noise, cut):
    parse(lines(API)[:cut] + noise, format="ocsf")  # the account is checked inside


def test_times_that_only_the_datetime_profile_has():
    made = event(4001, time=None, time_dt="2025-07-11 15:26:24+00:00", start_time_dt="2025-07-11 15:26:20+00:00")
    row = parse(lines(made | {"end_time_dt": "2025-07-11T15:26:43Z"})).rows.row(0, named=True)
    times = [row[name].isoformat()[11:19] for name in ("TimeGenerated", "EventStartTime", "EventEndTime")]
    assert times == ["15:26:24", "15:26:20", "15:26:43"]


def test_a_flow_log_of_before_there_were_actions():
    old = {name: value for name, value in NETWORK.items() if name not in ("action_id", "status_id")}
    old |= {"activity_id": 5, "activity_name": "Refuse", "disposition": "Blocked", "disposition_id": 2}
    old |= {"status_code": "OK", "connection_info": {"protocol_num": 6, "tcp_flags": 18}}
    old |= {"src_endpoint": {"ip": "198.51.100.7", "instance_uid": "-", "svc_name": "-"}}
    parsed = parse(lines(old))
    row = parsed.rows.row(0, named=True)
    assert (row["EventResult"], row["DvcAction"], row["DvcOriginalAction"]) == ("Failure", "Deny", "Blocked")
    assert (row["TcpFlagsSyn"], row["TcpFlagsAck"], row["TcpFlagsFin"]) == (True, True, False)
    assert row["SrcDvcId"] is None
    assert parsed.entities.select("principal", "error", "bytes").row(0) == ("198.51.100.7", "Blocked", 500)
    allowed = parse(lines(old | {"activity_id": 6, "disposition": "Allowed", "disposition_id": 1})).rows
    assert allowed.select("EventResult", "DvcAction").row(0) == ("Success", "Allow")


@pytest.mark.parametrize(
    ("class_uid", "activity", "operation", "kind"),
    [
        *((6003, 1, "X", "Create"), (6003, 3, "X", "Set"), (6003, 99, "StopLogging", "Stop"), (6003, 99, "X", "Other")),
        *((3001, 1, None, "Create"), (3001, 6, None, "Delete"), (3001, 5, None, "Disable"), (3001, 99, None, "Other")),
        *((3004, 2, None, "Read"), (3005, 1, None, "Set")),
    ],
)
def test_what_an_audit_event_did(class_uid, activity, operation, kind):
    made = event(class_uid, activity_id=activity, api={"operation": operation}, user={"name": "bob", "uid": "AIDA2"})
    made |= {"actor": {"user": {"name": "alice"}}}
    row = parse(lines(made)).rows.row(0, named=True)
    assert (row["EventType"], row["Object"], row["ActorUsername"]) == (kind, "bob", "alice")


def test_a_role_is_its_own_principal_whatever_its_session():
    def session(name):
        user = {"type": "AssumedRole", "uid": f"arn:aws:sts::1:assumed-role/app/{name}"}
        return API | {"actor": {"user": user, "session": {"issuer": "arn:aws:iam::1:role/path/app"}}}

    entities = parse(lines(session("i-1"), session("i-2"))).entities
    assert entities["principal"].to_list() == ["111122223333/app"] * 2
    assert entities["peer"].to_list() == ["111122223333/CloudTrail/AssumedRole"] * 2


def test_a_sign_in():
    made = event(3002, user={"name": "bob", "uid": "AIDA2"}, is_mfa=True, auth_protocol="SAML", status_id=None)
    row = parse(lines(made | {"status": "Failure", "status_detail": "Wrong password"})).rows.row(0, named=True)
    assert (row["EventType"], row["EventResult"], row["LogonProtocol"]) == ("Logon", "Failure", "SAML")
    assert row["LogonMethod"] == "Multi factor authentication"
    assert (row["EventOriginalResultDetails"], row["ActorUsername"]) == ("Wrong password", None)


def test_a_finding_with_attacks():
    made = event(
        2004,
        status="Resolved",
        status_id=4,
        finding_info={
            "uid": "f-1",
            "title": "t",
            "types": ["TTPs/Discovery", "x"],
            "src_url": "https://example.com/f",
            "analytic": {"name": "Rule 1", "uid": "r-1"},
            "attacks": [{"tactics": [{"uid": "TA0008"}, {"uid": "TA0005"}], "technique": {"uid": "T1587.001"}}],
            "first_seen_time": AT - 1_000,
        },
        remediation={"desc": "patch"},
        confidence_score=80,
        risk_score=70,
    )
    row = parse(lines(made)).rows.row(0, named=True)
    expected = {
        "AlertStatus": "Closed",
        "AttackTactics": "TA0008,TA0005",
        "AttackTechniques": "T1587.001",
        "AttackRemediationSteps": "patch",
        "RuleName": "Rule 1",
        "ThreatOriginalCategory": "TTPs/Discovery",
        "ThreatConfidence": 80,
        "ThreatRiskLevel": 70,
        "EventReportUrl": "https://example.com/f",
        "EventResult": "NA",
        "EventStartTime": datetime.fromtimestamp((AT - 1_000) / 1_000, UTC),
    }
    assert {name: row[name] for name in expected} == expected


@pytest.mark.parametrize("table", EVENTS)
def test_events_are_taken_for_nothing_else(table):
    found = detect(lines(EVENTS[table]) * 3)
    assert (found.format, found.considered[1][1] < 0.6) == ("ocsf", True)


def test_old_names_and_missing_objects():
    old = {"class_uid": 2001, "time": AT, "metadata": {}, "finding": {"uid": "f", "title": "t"}, "category_uid": 2}
    old |= {"activity_id": 1, "type_uid": 200101, "severity_id": 9, "cloud": {"account_uid": "1"}}
    row = parse(lines(old)).rows.row(0, named=True)
    assert (row["AlertId"], row["DvcScopeId"], row["EventSeverity"]) == ("f", "1", "Informational")


def test_an_event_without_a_time_is_rejected_alone():
    parsed = parse(lines(NETWORK, {**NETWORK, "time": None}, {**NETWORK, "time": "x"}, NETWORK), format="ocsf")
    assert parsed.reasons() == [(1, "not_ocsf"), (2, "no_event_time")]
