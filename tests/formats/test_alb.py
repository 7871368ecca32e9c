"""Application Load Balancer logs: all generations of fields, odd targets and requests, unescaped quotes."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.formats import detect
from tests.formats.access_lines import ALB, ARN, CERTIFICATE, entity, filled, line, parsed, text
from tests.formats.parsing import parse

AGENT = "curl/7.46.0 (x)"


def test_every_column_is_filled_from_its_field():
    found = parsed(line(ALB))
    assert found.report.table == "AWSALBAccessLogs"
    assert found.rows["TimeGenerated"].to_list() == [datetime(2026, 11, 23, 22, 23, 0, 186641, tzinfo=UTC)]
    assert filled(line(ALB)) == {
        "ALBType": "https",
        "Alb": "app/my-lb/50dc6c495c0c9188",
        "ClientIp": "192.0.2.39",
        "ClientPort": 2817,
        "TargetIp": "10.0.0.1",
        "TargetPort": 80,
        "RequestProcessingTime": "0.086",
        "TargetProcessingTime": "0.048",
        "ResponseProcessingTime": "0.037",
        "ElbStatusCode": 200,
        "TargetStatusCode": "201",
        "ReceivedBytes": 34,
        "SentBytes": 366,
        "RequestRaw": "GET https://www.example.com:443/a?b=c HTTP/1.1",
        "UserAgent": AGENT,
        "SslCipher": "ECDHE-RSA-AES128-GCM-SHA256",
        "SslProtocol": "TLSv1.2",
        "TargetGroupArn": ARN,
        "TraceId": "Root=1-58337281-1d84f3d73c47ec4e58577259",
        "DomainName": "www.example.com",
        "ChosenCertArn": CERTIFICATE,
        "MatchedRulePriority": "1",
        "RequestCreationTime": "2026-11-23T22:22:48.364000Z",
        "ActionsExecuted": "authenticate,forward",
        "RedirectUrl": "https://example.com:80/",
        "LambdaErrorReason": "LambdaInvalidResponse",
        "TargetPortList": "10.0.0.1:80",
        "TargetStatusCodeList": "201",
        "Classification": "Ambiguous",
        "ClassificationReason": "UriSpace",
        "ConnTraceId": "TID_dc57cebed65b444ebc8177bb698fe166",
        "ExtraFields_CF": '{"transformed_host":"api.example.com","transformed_uri":"/v2/a",'
        '"request_transform_status":"TransformSuccess"}',
    }


def test_asim():
    row = filled(line(ALB), asim=True)
    extra = json.loads(row.pop("AdditionalFields"))
    assert (extra["ssl_protocol"], extra["target:port_list"]) == ("TLSv1.2", "10.0.0.1:80")
    assert row["EventStartTime"] == datetime(2026, 11, 23, 22, 22, 48, 364000, tzinfo=UTC)
    assert row["EventEndTime"] == datetime(2026, 11, 23, 22, 23, 0, 186641, tzinfo=UTC)
    expected = {
        "EventResult": "Success",
        "EventResultDetails": "200",
        "EventOriginalUid": "Root=1-58337281-1d84f3d73c47ec4e58577259",
        "EventProduct": "Application Load Balancer",
        "Dvc": "app/my-lb/50dc6c495c0c9188",
        "DvcAction": "Allow",
        "SrcIpAddr": "192.0.2.39",
        "SrcPortNumber": 2817,
        "SrcBytes": 34,
        "DstIpAddr": "10.0.0.1",
        "DstPortNumber": 80,
        "DstBytes": 366,
        "NetworkBytes": 400,
        "NetworkDuration": 171,
        "HttpRequestTime": 86,
        "HttpResponseTime": 48,
        "HttpRequestMethod": "GET",
        "HttpVersion": "1.1",
        "HttpUserAgent": AGENT,
        "HttpHost": "www.example.com",
        "Url": "https://www.example.com:443/a?b=c",
        "RuleNumber": 1,
        "NetworkApplicationProtocol": "HTTPS",
        "NetworkProtocolVersion": "IPv4",
    }
    assert {name: row[name] for name in expected} == expected


def test_entities():
    assert entity(line(ALB)) == {
        "account": "123456789012",
        "region": "us-east-2",
        "principal": "192.0.2.39",
        "principal_type": "address",
        "peer": "app/my-lb/50dc6c495c0c9188",
        "service": "https",
        "action": "GET/200",
        "target": "https://www.example.com:443/a",
        "source_ip": "192.0.2.39",
        "user_agent": AGENT,
        "read_only": True,
        "bytes": 366,
    }
    refused = entity(line(ALB, elb_status_code="403", actions_executed='"waf"', request='"POST http://h:80/ HTTP/2.0"'))
    assert (refused["error"], refused["action"], refused["read_only"]) == ("403", "POST/403", False)
    assert filled(line(ALB, elb_status_code="403", actions_executed='"waf"'), asim=True)["DvcAction"] == "Deny"


@pytest.mark.parametrize("fields", [18, 21, 25, 29, 30, 33])
def test_every_generation_of_fields(fields):
    whole, row = filled(line(ALB)), filled(line(ALB, upto=fields))
    later = {"ExtraFields_CF"} if fields < 33 else set()
    assert row.items() <= whole.items()
    assert len(row) == min(fields, 30) + 1 + (0 if later else 1)  # addresses and ports apart, the time not among them


def test_fields_that_nobody_knows_yet_are_kept_by_their_place():
    extra = filled(line(ALB) + ' 10.1.1.1 "x y"')["ExtraFields_CF"]
    assert json.loads(extra) | {"field_34": "10.1.1.1", "field_35": "x y"} == json.loads(extra)


def test_generations_may_be_mixed():
    lines = [line(ALB, upto=29), line(ALB), line(ALB) + " new", line(ALB, upto=18)] * 10
    found = parsed(*lines)
    assert (found.report.rows, found.report.rejected) == (40, 0)
    assert found.rows["ConnTraceId"].null_count() == 20
    assert found.rows["UserAgent"].to_list() == [AGENT] * 40


@pytest.mark.parametrize(
    ("target", "address", "port"),
    [
        ("-", None, None),
        ("10.0.0.1:80", "10.0.0.1", 80),
        ("[2001:db8::1]:8080", "2001:db8::1", 8080),
        ("fd6d:6bbc:c529:6::face:ed83:f46:80", "fd6d:6bbc:c529:6::face:ed83:f46", 80),
        ("10.0.0.1", "10.0.0.1", None),
        ("10.0.0.1:-", "10.0.0.1", None),
        ("-:-", None, None),
    ],
)
def test_targets(target, address, port):
    row = filled(line(ALB, target_port=target))
    assert (row.get("TargetIp"), row.get("TargetPort")) == (address, port)


@pytest.mark.parametrize(
    ("request_line", "method", "url", "version"),
    [
        ("- http://lb.example.com:80- -", None, "http://lb.example.com:80-", None),
        ("- - - ", None, "-", None),
        ("GET http://h:80/a b HTTP/1.1", "GET", "http://h:80/a b", "1.1"),
        (r"\x16\x03\x01", None, r"\x16\x03\x01", None),
    ],
)
def test_requests_that_are_none(request_line, method, url, version):
    row = filled(line(ALB, request=f'"{request_line}"'), asim=True)
    assert (row.get("HttpRequestMethod"), row["Url"], row.get("HttpVersion")) == (method, url, version)


def test_a_request_that_reached_no_target():
    none = dict.fromkeys(("request_processing_time", "target_processing_time", "response_processing_time"), "-1")
    changed = line(ALB, **none, target_port="-", target_status_code="-", target_group_arn="-", chosen_cert_arn='"-"')
    assert filled(changed)["TargetProcessingTime"] == "-1"
    assert "NetworkDuration" not in filled(changed, asim=True)
    assert entity(changed)["target"] == "https://www.example.com:443/a"
    assert "account" not in entity(changed)


def test_values_that_do_not_fit_are_told():
    row = filled(line(ALB, client_port="192.0.2.1:abc", sent_bytes="99999999999999999999"))
    assert row["_flags"] == "bad_ClientPort=abc;SentBytes_overflow=99999999999999999999"


ODD_AGENTS = ['a "b" c', 'a" b', 'a "b', '"', '""', 'a" "b', ' " x " ', "a\\", 'é " ü', "'"]


@pytest.mark.parametrize("agent", ODD_AGENTS)
@pytest.mark.parametrize("copies", [1, 20])
def test_quotes_that_were_not_escaped(agent, copies):
    found = parsed(*[line(ALB), line(ALB, user_agent=f'"{agent}"')] * copies)
    assert found.report.rejected == 0
    assert found.rows["UserAgent"].to_list() == [AGENT, agent] * copies
    assert set(found.rows["ConnTraceId"]) == {"TID_dc57cebed65b444ebc8177bb698fe166"}
    assert found.rows["_flags"].to_list() == [None, None if agent == "'" else "odd_quotes"] * copies


def test_escaped_quotes_are_no_guess():
    row = filled(line(ALB, user_agent=r'"a \"b\" c"'))
    assert row["UserAgent"] == r"a \"b\" c"
    assert "_flags" not in row


@pytest.mark.parametrize("upto", [1, 5, 12, 17])
def test_short_lines_are_rejected_alone(upto):
    found = parsed(line(ALB), line(ALB, upto=upto), line(ALB), format="alb")
    assert found.rows["_ordinal"].to_list() == [0, 2]
    assert found.reasons() == [(1, "field_count")]


def test_a_line_without_time_is_rejected_alone():
    found = parsed(line(ALB), line(ALB, time="2026-13-23T22:23:00.186641Z"), line(ALB))
    assert found.reasons() == [(1, "no_event_time")]


@settings(max_examples=25, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 700), st.integers(1, 900))
def test_any_bytes_are_accounted_for(junk, at, step):
    content = bytearray(text(*[line(ALB)] * 3))
    content[at : at + len(junk) // 2] = junk
    parse(bytes(content), format="alb", step=step)
    parse(bytes(content) + junk, step=step)


def test_published_lines(shared_dir):
    folder = shared_dir / "data/formats/alb"
    if not folder.is_dir():
        pytest.skip("no samples")
    assert detect((folder / "otel_alb_al_valid_logs.log").read_bytes()).format == "alb"
    names = {
        "client_host": ("ClientIp", "ClientPort"),
        "target_host": ("TargetIp", "TargetPort"),
        "type": ("ALBType",),
        "elb": ("Alb",),
        "elb_status_code": ("ElbStatusCode",),
        "target_status_code": ("TargetStatusCode",),
        "received_bytes": ("ReceivedBytes",),
        "sent_bytes": ("SentBytes",),
        "user_agent": ("UserAgent",),
        "ssl_cipher": ("SslCipher",),
        "ssl_protocol": ("SslProtocol",),
        "target_group_arn": ("TargetGroupArn",),
        "trace_id": ("TraceId",),
        "domain_name": ("DomainName",),
        "chosen_cert_arn": ("ChosenCertArn",),
        "matched_rule_priority": ("MatchedRulePriority",),
        "actions_executed": ("ActionsExecuted",),
        "redirect_url": ("RedirectUrl",),
        "error_reason": ("LambdaErrorReason",),
        "classification": ("Classification",),
        "classification_reason": ("ClassificationReason",),
        "traceability_id": ("ConnTraceId",),
    }
    checked = 0
    for case in map(json.loads, (folder / "vrl_parse_aws_alb_log.jsonl").read_text().splitlines()):
        if "input" not in case or case["result"] != "ok" or "_rust" in case["expected"]:
            continue
        row = filled(case["input"])
        for name, columns in names.items():
            found = [str(row[column]) for column in columns if column in row]
            assert (":".join(found) or None) == (None if (e := case["expected"][name]) is None else str(e)), name
        checked += 1
    assert checked >= 8
