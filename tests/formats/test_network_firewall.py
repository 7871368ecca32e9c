"""AWS Network Firewall: the three tables, what has no column, drift inside of events."""

import json
from datetime import UTC, datetime

import pytest

from s3sentinel_assets.formats import ParseOptions, PartParser, detect
from tests.formats.parsing import Parsed, an_input, check_account, parse

TIME = datetime(2026, 11, 23, 10, 0, 1, 6_481, tzinfo=UTC)
STAMP = datetime(2026, 11, 23, 10, 0, 2, tzinfo=UTC)


def record(event, **changes):
    """A record; a change to ``...`` leaves a field out."""
    made = {
        "firewall_name": "edge",
        "availability_zone": "eu-central-1b",
        "event_timestamp": "1795428002",
        "event": {name: value for name, value in event.items() if value is not ...},
    }
    return {name: value for name, value in (made | changes).items() if value is not ...}


def alert(number=5, **changes):
    return record({
        "timestamp": "2026-11-23T10:00:01.006481+0000",
        "flow_id": 1_582_438_383_425_873,
        "event_type": "alert",
        "src_ip": "10.0.0.4",
        "src_port": 55555,
        "dest_ip": "192.0.2.16",
        "dest_port": 443,
        "proto": "TCP",
        "app_proto": "tls",
        "tx_id": 0,
        "pkt_src": "geneve encapsulation",
        "direction": "to_server",
        "alert": {
            "action": "blocked",
            "signature_id": number,
            "rev": 3,
            "signature": "no such name",
            "category": "Bad Traffic",
            "severity": 2,
        },
        "verdict": {"action": "drop"},
        "tls": {"sni": "bad.example.com", "version": "TLS 1.3"},
    } | changes)  # fmt: skip


def flow(**changes):
    return record({
        "timestamp": "2026-11-23T10:00:01.006481+0000",
        "flow_id": 770_453_319_291_727,
        "event_type": "netflow",
        "src_ip": "198.51.100.9",
        "src_port": 47047,
        "dest_ip": "172.31.16.139",
        "dest_port": 16463,
        "proto": "TCP",
        "app_proto": "unknown",
        "netflow": {
            "pkts": 2,
            "bytes": 5_000_000_000,
            "start": "2026-11-23T09:59:00.000000+0000",
            "end": "2026-11-23T10:00:00.500000+0000",
            "age": 60,
            "min_ttl": 57,
            "max_ttl": 58,
        },
        "tcp": {"tcp_flags": "1b", "syn": True, "fin": True, "psh": True, "ack": True, "rst": True, "ecn": False},
    } | changes)  # fmt: skip


def tls(**changes):
    return record(
        {
            "timestamp": "2026-11-23T10:00:01.006481Z",
            "src_ip": "10.0.2.53",
            "src_port": "55930",
            "dest_ip": "54.92.160.72",
            "dest_port": "443",
            "sni": "revoked.example.com",
            "revocation_check": {"leaf_cert_fpr": "1234EXAMPLE", "status": "REVOKED", "action": "DROP"},
        }
        | changes,
        event_timestamp=1795428002,
    )


UNTRUE = {"sni": "-", "revocation_check": ..., "tls_error": {"error_message": "Server name is not found."}}


def lines(*records):
    return b"\n".join(json.dumps(one, separators=(",", ":")).encode() for one in records)


def filled(row):
    return {name: value for name, value in row.items() if value is not None and not name.startswith("_")}


def asim(*records):
    parser = PartParser("network_firewall", ParseOptions(normalise="asim"))
    frames = list(parser.frames([an_input(0, lines(*records))]))
    parsed = Parsed(frames, parser.reports, parser.rejects)
    check_account(parsed)
    return parsed


@pytest.fixture(scope="module")
def tables():
    """Table → rows and entities of a mixed file."""
    parsed = parse(lines(alert(), flow(), tls(), alert(6, alert={"action": "allowed"}), tls(**UNTRUE)))
    assert parsed.report.format == "network_firewall"
    assert parsed.report.rows == 5
    return {frame.table: (frame.rows.to_dicts(), frame.entities.to_dicts()) for frame in parsed.frames}


COMMON = {
    "TimeGenerated": TIME,
    "EventTime_CF": TIME,
    "AvailabilityZone": "eu-central-1b",
    "FirewallName": "edge",
}


def test_alerts(tables):
    rows, entities = tables["AWSNetworkFirewallAlert"]
    assert filled(rows[0]) == COMMON | {
        "AlertAction": "blocked",
        "AppProto": "tls",
        "Category": "Bad Traffic",
        "DestIp": "192.0.2.16",
        "DestPort": "443",
        "Direction": "to_server",
        "EventTimestamp": STAMP,
        "EventType": "alert",
        "FlowId": "1582438383425873",
        "PktSrc": "geneve encapsulation",
        "Proto": "TCP",
        "Rev": "3",
        "Severity": "2",
        "Signature": "no such name",
        "SignatureId": "5",
        "Sni": "bad.example.com",
        "SrcIp": "10.0.0.4",
        "SrcPort": "55555",
        "Timestamp": TIME,
        "TxId": "0",
        "VerdictAction": "drop",
        "Version": "TLS 1.3",
        "EventId_CF": "0123456789abcdef0000-0",
    }
    assert filled(entities[0]) == {
        "event_id": "0123456789abcdef0000-0",
        "time": TIME,
        "region": "eu-central-1",
        "principal": "10.0.0.4",
        "principal_type": "address",
        "peer": "edge/eu-central-1b",
        "service": "TCP",
        "action": "alert/tls/443/drop",
        "target": "bad.example.com",
        "source_ip": "10.0.0.4",
        "error": "no such name",
        "severity": "medium",
    }


def test_flows(tables):
    (row,), (entity,) = tables["AWSNetworkFirewallFlow"]
    assert filled(row) == COMMON | {
        "Ack": True,
        "AppProto": "unknown",
        "DestIp": "172.31.16.139",
        "DestPort": "16463",
        "Ecn": False,
        "EventTimestamp": "1795428002",
        "EventType": "netflow",
        "Fin": True,
        "FlowId": "770453319291727",
        "NetFlowAge": "60",
        "NetFlowBytes": "5000000000",
        "NetFlowEnd": datetime(2026, 11, 23, 10, 0, 0, 500_000, tzinfo=UTC),
        "NetFlowMaxttl": "58",
        "NetFlowMinttl": "57",
        "NetFlowPkts": "2",
        "NetFlowStart": datetime(2026, 11, 23, 9, 59, tzinfo=UTC),
        "Proto": "TCP",
        "Psh": True,
        "Rst": True,
        "SrcIp": "198.51.100.9",
        "SrcPort": "47047",
        "Syn": True,
        "TCPFlags": "1b",
        "Timestamp": TIME,
        "EventId_CF": "0123456789abcdef0000-1",
    }
    assert (entity["bytes"], entity["packets"], entity["error"]) == (5_000_000_000, 2, None)
    assert (entity["action"], entity["target"]) == ("netflow/unknown/16463/-", "172.31.16.139")


def test_tls_events(tables):
    rows, entities = tables["AWSNetworkFirewallTls"]
    assert filled(rows[0]) == COMMON | {
        "Action": "DROP",
        "DestIp": "54.92.160.72",
        "DestPort": "443",
        "EventTimestamp": STAMP,
        "LeafCertificateFingerprint": "1234EXAMPLE",
        "Sni": "revoked.example.com",
        "SrcIp": "10.0.2.53",
        "SrcPort": "55930",
        "Status": "REVOKED",
        "EventId_CF": "0123456789abcdef0000-2",
    }
    assert (rows[1]["ErrorMessage"], rows[1]["Sni"], rows[1]["Status"]) == ("Server name is not found.", "-", None)
    told = [(entity["action"], entity["target"], entity["error"]) for entity in entities]
    assert told == [
        ("tls/-/443/DROP", "revoked.example.com", "REVOKED"),
        ("tls/-/443/-", "54.92.160.72", "Server name is not found."),
    ]


def test_what_has_no_column_is_kept():
    http = {"hostname": "h", "url": "/a?{", "http_user_agent": 'x "y"'}
    records = [
        alert(http=http, tcp={"ack": True}, tls_inspected=True, aws_metadata={"resource_arn": "arn:x"}),
        alert(alert={"action": "allowed", "gid": 1, "metadata": {"a": ["b"]}}, icmp_type=8),
        alert(),
        flow(tcp={"syn": True, "urg": True}, tx_id=4, pkt_src=None),
        record(
            tls()["event"] | {"event_type": "tls", "flow_id": 9, "proto": "TCP", "odd.name": None}, aws_category=["X"]
        ),
    ]
    parsed = parse(lines(*records), format="network_firewall")
    extra = {
        row["_ordinal"]: json.loads(row["ExtraFields_CF"]) if row["ExtraFields_CF"] else None
        for frame in parsed.frames
        for row in frame.rows.to_dicts()
    }
    assert extra == {
        0: {
            "event.http": http,
            "event.tcp.ack": True,
            "event.tls_inspected": True,
            "event.aws_metadata": {"resource_arn": "arn:x"},
        },
        1: {"event.alert.gid": 1, "event.alert.metadata": {"a": ["b"]}, "event.icmp_type": 8},
        2: None,
        3: {"event.tcp.urg": True, "event.tx_id": 4},
        4: {
            "event.event_type": "tls",
            "event.flow_id": 9,
            "event.proto": "TCP",
            "event.odd.name": None,
            "aws_category": ["X"],
        },
    }
    assert all(frame.rows["_flags"].null_count() == frame.rows.height for frame in parsed.frames)


def test_very_many_names_that_nobody_knows():
    records = [alert(**{f"n{number}_{place}": place for place in range(3)}) for number in range(40)]
    parsed = parse(lines(*records), format="network_firewall")
    assert [json.loads(text) for text in parsed.rows["ExtraFields_CF"]] == [
        {f"event.n{number}_{place}": place for place in range(3)} for number in range(40)
    ]


def test_values_that_drift():
    records = [
        alert(src_port="many", alert={"action": ["drop"], "severity": "2", "new": "kept"}),
        alert(flow_id=1 << 70, new=1),
        alert(tls="none", http=None),
        record({}) | {"event": "lost? no"},
        alert(alert={"category": "\ud800"}, proto=6),
        flow(netflow={"bytes": "12", "start": "soon"}),
    ]
    content = lines(*records).replace(b'"app_proto":"unknown"', b'"app_proto":"\xff"')
    parsed = parse(content, format="network_firewall")
    assert parsed.rejects.is_empty()
    rows = {row["_ordinal"]: row for frame in parsed.frames for row in frame.rows.to_dicts()}
    assert {ordinal: row["_flags"] for ordinal, row in rows.items()} == {
        0: "drift:event.alert.action",
        1: f"drift:event.flow_id={1 << 70}",
        2: 'drift:event.tls="none"',
        3: 'drift:event="lost? no"',
        4: "lone_surrogate",
        5: "invalid_utf8;bad_NetFlowStart=soon",
    }
    assert (rows[0]["SrcPort"], rows[0]["AlertAction"], rows[0]["Severity"]) == ("many", '["drop"]', "2")
    extra = [rows[ordinal]["ExtraFields_CF"] for ordinal in range(5)]
    assert extra == [
        '{"event.alert.new":"kept"}',
        '{"event.new":1}',
        '{"event.http":null}',
        '{"event":"lost? no"}',
        None,
    ]
    assert (rows[3]["TimeGenerated"], rows[4]["Proto"], rows[5]["AppProto"]) == (STAMP, "6", "�")
    assert (rows[5]["NetFlowBytes"], rows[5]["NetFlowStart"]) == ("12", None)


def test_asim_columns():
    parsed = asim(alert(), flow(), tls(), tls(**UNTRUE))
    rows = parsed.rows.to_dicts()
    assert filled(rows[0]) == {
        "TimeGenerated": TIME,
        "EventTime_CF": TIME,
        "EventId_CF": "0123456789abcdef0000-0",
        "EventCount": 1,
        "EventStartTime": TIME,
        "EventEndTime": TIME,
        "EventType": "IDS",
        "EventResult": "Failure",
        "EventSeverity": "Medium",
        "EventProduct": "Network Firewall",
        "EventVendor": "AWS",
        "EventSchemaVersion": "0.2.7",
        "EventOriginalSeverity": "2",
        "EventOriginalType": "alert",
        "Dvc": "edge",
        "DvcHostname": "edge",
        "DvcZone": "eu-central-1b",
        "DvcAction": "Drop",
        "DvcOriginalAction": "drop",
        "SrcIpAddr": "10.0.0.4",
        "SrcPortNumber": 55555,
        "DstIpAddr": "192.0.2.16",
        "DstPortNumber": 443,
        "DstFQDN": "bad.example.com",
        "NetworkProtocol": "TCP",
        "NetworkApplicationProtocol": "TLS",
        "NetworkDirection": "Outbound",
        "NetworkSessionId": "1582438383425873",
        "NetworkRuleName": "no such name",
        "NetworkRuleNumber": 5,
        "ThreatCategory": "Bad Traffic",
        "ThreatOriginalRiskLevel": "2",
        "AdditionalFields": '{"event.tx_id":0,"event.pkt_src":"geneve encapsulation","event.direction":"to_server",'
        '"event.alert.rev":3,"event.tls.version":"TLS 1.3"}',
    }
    wanted = {
        "EventType": "Flow", "EventResult": "Success", "EventSeverity": "Informational", "DvcAction": None,
        "EventStartTime": datetime(2026, 11, 23, 9, 59, tzinfo=UTC), "NetworkDuration": 60_500,
        "EventEndTime": datetime(2026, 11, 23, 10, 0, 0, 500_000, tzinfo=UTC), "NetworkDirection": "Inbound",
        "NetworkBytes": 5_000_000_000, "SrcBytes": 5_000_000_000, "NetworkPackets": 2, "SrcPackets": 2,
        "DstBytes": None, "NetworkConnectionHistory": "1b", "TcpFlagsSyn": True, "TcpFlagsRst": True,
        "TcpFlagsUrg": None,
        "AdditionalFields": '{"event.netflow.age":60,"event.netflow.min_ttl":57,"event.netflow.max_ttl":58,'
        '"event.tcp.ecn":false}',
    }  # fmt: skip
    assert {name: rows[1][name] for name in wanted} == wanted
    wanted = {
        "EventType": "NetworkSession", "EventResult": "Failure", "EventSeverity": "Low", "DvcAction": "Drop",
        "DvcOriginalAction": "DROP", "EventOriginalResultDetails": "REVOKED", "DstFQDN": "revoked.example.com",
        "AdditionalFields": '{"event.revocation_check.leaf_cert_fpr":"1234EXAMPLE"}', "SrcPortNumber": 55930,
    }  # fmt: skip
    assert {name: rows[2][name] for name in wanted} == wanted
    told = [rows[3][name] for name in ("DvcAction", "EventMessage", "DstFQDN", "AdditionalFields")]
    assert told == ["Reset", "Server name is not found.", None, None]


@pytest.mark.parametrize(
    ("verdict", "action", "expected"),
    [
        ("pass", "blocked", ("Allow", "Success")),
        ("alert", "allowed", ("Allow", "Success")),
        (None, "allowed", ("Allow", "Success")),
        (None, "blocked", ("Deny", "Failure")),
        ("reject", "blocked", ("Reset", "Failure")),
        ("levitate", None, (None, "Success")),
    ],
)
def test_the_verdict_decides(verdict, action, expected):
    flows = {"pkts_toserver": 3, "pkts_toclient": 2, "bytes_toserver": 300, "bytes_toclient": 20}
    row = asim(alert(verdict={"action": verdict}, alert={"action": action}, flow=flows)).rows.row(0, named=True)
    assert (row["DvcAction"], row["EventResult"]) == expected
    assert [row[name] for name in ("SrcBytes", "DstBytes", "NetworkBytes")] == [300, 20, 320]
    assert [row[name] for name in ("SrcPackets", "DstPackets", "NetworkPackets")] == [3, 2, 5]


def test_times():
    records = [
        alert(1, timestamp=...),
        record(alert(2)["event"], event_timestamp="2026-11-23T10:00:02Z"),
        record(alert(3)["event"] | {"timestamp": "soon"}, event_timestamp=...),
        record(alert(4)["event"], event_timestamp=..., availability_zone="use1-az1"),
    ]
    parsed = parse(lines(*records), format="network_firewall")
    assert parsed.reasons() == [(2, "no_event_time")]
    assert parsed.rows["TimeGenerated"].to_list() == [STAMP, TIME, TIME]
    assert parsed.rows["EventTimestamp"].to_list() == [STAMP, STAMP, None]
    assert parsed.entities["region"].to_list() == ["eu-central-1", "eu-central-1", None]


def test_it_is_recognised_by_its_own_keys():
    for content in (lines(alert(), flow()), json.dumps(tls(), indent=2).encode(), lines(flow())[:200]):
        assert detect(content).format == "network_firewall"
    assert detect(lines({"a": flow()})).format != "network_firewall"
    parsed = parse(lines(flow(), alert()["event"], flow()), format="network_firewall")
    assert parsed.reasons() == [(1, "not_network_firewall")]


def test_published_events(shared_dir):
    files = sorted((shared_dir / "data/formats/network_firewall").glob("*.json"))
    if not files:
        pytest.skip("no sample")
    parsed = parse(*(file.read_bytes() for file in files))
    assert {report.format for report in parsed.reports} == {"network_firewall"}
    assert {frame.table.removeprefix("AWSNetworkFirewall"): frame.rows.height for frame in parsed.frames} == {
        "Alert": 1,
        "Flow": 1,
        "Tls": 1,
    }
    extra = [json.loads(text) if text else {} for frame in parsed.frames for text in frame.rows["ExtraFields_CF"]]
    assert {name for object_ in extra for name in object_} == {
        "event.alert.gid", "event.event_type", "event.flow_id", "event.proto",
        "event.tls.issuer", "event.tls.session_resumed", "event.tls.subject",
    }  # fmt: skip
