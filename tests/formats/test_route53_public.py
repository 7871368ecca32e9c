"""Query logs of public hosted zones: every column from its field, and nothing else is taken."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.formats import detect
from tests.formats.parsing import parse, zipped

#: As AWS documents them.
UDP = "1.0 2017-12-13T08:16:02.130Z Z123412341234 example.com A NOERROR UDP FRA6 192.168.1.1 -"
TCP = "1.0 2017-12-13T08:15:50.235Z Z123412341234 example.com AAAA NOERROR TCP IAD12 192.168.3.1 192.168.222.0/24"
SIX = "1.0 2017-12-13T08:16:03.983Z Z123412341234 example.com ANY NOERROR UDP FRA6 2001:db8::1234 2001:db8:abcd::/48"
BAD = "1.0 2017-12-13T08:15:50.342Z Z123412341234 bad.example.com A NXDOMAIN UDP IAD12 192.168.3.1 192.168.111.0/24"


def text(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def test_every_column_from_its_field():
    row = parse(text(BAD)).rows.row(0, named=True)
    at = datetime(2017, 12, 13, 8, 15, 50, 342_000, UTC)
    assert json.loads(row["AdditionalFields"]) == {
        "hosted_zone_id": "Z123412341234",
        "edge_location": "IAD12",
        "edns_client_subnet": "192.168.111.0/24",
    }
    assert {name: value for name, value in row.items() if value is not None and name != "AdditionalFields"} == {
        "TimeGenerated": at,
        "EventTime_CF": at,
        "EventStartTime": at,
        "EventEndTime": at,
        "EventId_CF": row["EventId_CF"],
        "EventCount": 1,
        "EventType": "Query",
        "EventSubType": "response",
        "EventResult": "Failure",
        "EventResultDetails": "NXDOMAIN",
        "EventSeverity": "Informational",
        "EventProduct": "Route 53",
        "EventProductVersion": "1.0",
        "EventVendor": "AWS",
        "EventSchemaVersion": row["EventSchemaVersion"],
        "Dvc": "IAD12",
        "DvcZone": "IAD12",
        "DnsQuery": "bad.example.com",
        "DnsQueryType": 1,
        "DnsQueryTypeName": "A",
        "DnsQueryClass": 1,
        "DnsQueryClassName": "IN",
        "DnsResponseCode": 3,
        "NetworkProtocol": "UDP",
        "SrcIpAddr": "192.168.3.1",
        "Src": "192.168.3.1",
        "_object": 0,
        "_ordinal": 0,
    }


def test_entities():
    parsed = parse(zipped(text(UDP, BAD)))
    assert parsed.entities.select("principal", "peer", "service", "action", "target", "source_ip", "error").rows() == [
        ("192.168.1.1", "Z123412341234", "dns", "A/NOERROR", "example.com", "192.168.1.1", None),
        ("192.168.3.1", "Z123412341234", "dns", "A/NXDOMAIN", "bad.example.com", "192.168.3.1", "NXDOMAIN"),
    ]


def test_documented_lines_old_ones_and_ones_to_come():
    old = UDP.removesuffix(" -")
    parsed = parse(text(UDP, TCP, SIX, old, UDP + " new", UDP.replace(" A ", " TYPE65280 ")))
    assert (parsed.report.rows, parsed.report.rejected) == (6, 0)
    assert parsed.rows["DnsQueryTypeName"].to_list() == ["A", "AAAA", "ANY", "A", "A", "TYPE65280"]
    assert parsed.rows["DnsQueryType"].to_list() == [1, 28, 255, 1, 1, 65280]
    assert parsed.rows["ExtraFields_CF"].to_list() == [None, None, None, None, '{"field_11":"new"}', None]
    assert parsed.rows["_flags"].null_count() == 6


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1.0 2017-12-13T08:16:02.130Z Z1 example.com", "field_count"),
        (UDP.replace("UDP", "HTTP"), "not_route53_public"),
        (UDP.replace("Z1234", "X1234"), "not_route53_public"),
        (UDP.replace("192.168.1.1", "two words"), "not_route53_public"),
        (UDP.replace("2017-12-13", "2017-13-13"), "no_event_time"),
    ],
)
def test_bad_lines_are_rejected_alone(line, reason):
    parsed = parse(text(UDP, line, TCP), format="route53_public")
    assert (parsed.rows["_ordinal"].to_list(), parsed.reasons()) == ([0, 2], [(1, reason)])
    assert parsed.rejects["data"].to_list() == [line.encode()]


@pytest.mark.parametrize(
    ("head", "mine"),
    [(text(UDP), True), (text(UDP, TCP)[:-30], True), (b"", False), (b"1.0 2017-12-13T08:16:02.130Z Z1", False)],
)
def test_detection(head, mine):
    assert (detect(head).format == "route53_public") is mine


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_damage_is_accounted_for(data):
    content = bytearray(text(UDP, TCP, SIX, BAD))
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.sampled_from(b' \n\r\t-"#x\x00\xff9'))
    parse(bytes(content), format="route53_public", step=data.draw(st.integers(1, 300)))  # the account is checked inside
