"""Classic Load Balancer logs: requests become web sessions, connections network sessions."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.formats import detect
from tests.formats.access_lines import ALB, ELB, NLB, TCP, WEB, entity, filled, line, parsed, text
from tests.formats.parsing import parse


def test_a_request_is_a_web_session():
    found = parsed(line(ELB))
    assert found.report.table == "ASimWebSessionLogs"
    when = datetime(2026, 11, 23, 23, 39, 43, 945958, tzinfo=UTC)
    assert found.rows["TimeGenerated"].to_list() == [when]
    row = filled(line(ELB))
    assert json.loads(row.pop("AdditionalFields")) == {
        "request_processing_time": "0.086",
        "backend_processing_time": "1.048",
        "response_processing_time": "0.001",
        "backend_status_code": "404",
        "ssl_cipher": "DHE-RSA-AES128-SHA",
        "ssl_protocol": "TLSv1.2",
    }
    assert row == {
        "EventCount": 1,
        "EventStartTime": when,
        "EventEndTime": when,
        "EventType": "HTTPsession",
        "EventResult": "Failure",
        "EventResultDetails": "404",
        "EventOriginalResultDetails": "404",
        "EventSeverity": "Informational",
        "EventProduct": "Classic Load Balancer",
        "EventVendor": "AWS",
        "EventSchemaVersion": "0.2.7",
        "Dvc": "my-loadbalancer",
        "DvcAction": "Allow",
        "SrcIpAddr": "192.0.2.39",
        "SrcPortNumber": 2817,
        "SrcBytes": 3,
        "DstIpAddr": "10.0.0.1",
        "DstPortNumber": 80,
        "DstBytes": 57,
        "NetworkApplicationProtocol": "HTTPS",
        "NetworkBytes": 60,
        "NetworkDuration": 1135,
        "NetworkProtocol": "TCP",
        "NetworkProtocolVersion": "IPv4",
        "HttpHost": "www.example.com",
        "HttpRequestMethod": "GET",
        "HttpRequestTime": 86,
        "HttpResponseTime": 1048,
        "HttpUserAgent": "curl/7.38.0",
        "HttpVersion": "1.1",
        "Url": "https://www.example.com:443/a",
    }
    assert entity(line(ELB)) == {
        "principal": "192.0.2.39",
        "principal_type": "address",
        "peer": "my-loadbalancer",
        "service": "https",
        "action": "GET/404",
        "target": "https://www.example.com:443/a",
        "source_ip": "192.0.2.39",
        "user_agent": "curl/7.38.0",
        "error": "404",
        "read_only": True,
        "bytes": 57,
    }


def test_a_connection_is_a_network_session():
    row = filled(line(TCP))
    assert (row["EventType"], row["EventResult"], row["NetworkProtocol"]) == ("NetworkSession", "Success", "TCP")
    assert (row["SrcPortNumber"], row["DstIpAddr"], row["NetworkBytes"]) == (2817, "10.0.0.1", 60)
    assert entity(line(TCP))["service"] == "tcp"
    unsent = filled(line(TCP, request_processing_time="-1", received_bytes="-1", sent_bytes="-1", backend_port="-"))
    assert unsent["EventResult"] == "Failure"
    assert not {"SrcBytes", "DstBytes", "NetworkBytes", "DstIpAddr"} & unsent.keys()


def test_both_in_one_file_are_shared_out():
    found = parsed(*[line(ELB), line(TCP), line(TCP)] * 10)
    assert [(frame.table, frame.rows.height) for frame in found.frames] == [
        ("ASimWebSessionLogs", 10),
        ("ASimNetworkSessionLogs", 20),
    ]
    assert found.frames[1].rows["_ordinal"].to_list()[:4] == [1, 2, 4, 5]


@pytest.mark.parametrize("fields", [12, 15])
def test_every_generation_of_fields(fields):
    row = filled(line(ELB, upto=fields))
    assert row.items() - {("AdditionalFields", row["AdditionalFields"])} <= filled(line(ELB)).items()
    assert ("HttpUserAgent" in row) == (fields == 15)


@pytest.mark.parametrize("agent", ['a "b" c', 'a" b', 'a "b', '"', 'a" "b', ' " x " ', 'é " ü'])
@pytest.mark.parametrize("copies", [1, 20])
def test_quotes_that_were_not_escaped(agent, copies):
    found = parsed(*[line(ELB), line(ELB, user_agent=f'"{agent}"')] * copies)
    assert found.rows["HttpUserAgent"].to_list() == ["curl/7.38.0", agent] * copies
    assert found.rows["_flags"].to_list() == [None, "odd_quotes"] * copies


def test_quotes_in_the_request_of_an_old_line():
    row = filled(line(ELB, upto=12, request='"GET http://h:80/"x" HTTP/1.1"'))
    assert (row["Url"], row["_flags"]) == ('http://h:80/"x"', "odd_quotes")


def test_other_lines_are_rejected_alone():
    lines = [line(ELB), line(ALB), line(NLB), line(ELB, upto=7), line(WEB), line(ELB, sent_bytes="x"), line(ELB)]
    found = parsed(*lines, format="elb")
    assert found.rows["_ordinal"].to_list() == [0, 6]
    assert [position for position, _ in found.reasons()] == [1, 2, 3, 4, 5]


@settings(max_examples=25, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 600), st.integers(1, 700))
def test_any_bytes_are_accounted_for(junk, at, step):
    content = bytearray(text(line(ELB), line(TCP), line(ELB, upto=12)))
    content[at : at + len(junk) // 2] = junk
    parse(bytes(content), format="elb", step=step)


def test_published_lines(shared_dir):
    file = shared_dir / "data/formats/elb_mixed_alb_clb_nlb/logstash_aws_messages.jsonl"
    if not file.exists():
        pytest.skip("no samples")
    cases = [json.loads(each) for each in file.read_text().splitlines()]
    lines = [case["message"] for case in cases if case["pattern"] == "ELB_ACCESS_LOG"]
    assert {detect(each.encode()).format for each in lines} == {"elb"}
    assert parsed(*lines).rows["Url"].to_list()[1] == "https://media.xxxyyyzzz.com:443/videos/F4_M-T4X0MM6Hvy1PFHesw"


def test_a_request_that_no_backend_answered_has_zero_for_its_status():
    text = '2026-11-23T23:39:43.945958Z lb 192.0.2.39:2817 - -1 -1 -1 503 0 0 0 "GET http://a.example:80/ HTTP/1.1" '
    found = parse(text.encode() + b'"curl" - -\n')
    assert (found.report.format, found.report.rejected) == ("elb", 0)
    assert found.rows.select("EventResult", "EventResultDetails", "EventOriginalResultDetails").rows() == [
        ("Failure", "503", "0")
    ]
