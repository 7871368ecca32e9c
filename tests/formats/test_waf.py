"""AWS WAF: what of a record goes where, as the log examples of the AWS WAF Developer Guide have it."""

import json
from datetime import UTC, datetime

import pytest

from s3sentinel_assets.formats import ParseOptions, PartParser, detect
from tests.formats.parsing import an_input, parse

ACL = "arn:aws:wafv2:eu-central-1:111122223333:regional/webacl/shop/a1b2c3d4"
QUIET = {"terminatingRule": None, "nonTerminatingMatchingRules": [], "excludedRules": None, "customerConfig": None}


def request(number=0, *, http=None, **changes):
    """A WAF record; a change to ``...`` leaves a field out."""
    made = {
        "timestamp": 1767225600123 + number,
        "formatVersion": 1,
        "webaclId": ACL,
        "terminatingRuleId": "Default_Action",
        "terminatingRuleType": "REGULAR",
        "action": "ALLOW",
        "terminatingRuleMatchDetails": [],
        "httpSourceName": "ALB",
        "httpSourceId": "111122223333-app/shop/50dc6c495c0c9188",
        "ruleGroupList": [{"ruleGroupId": "AWS#Common", **QUIET}],
        "rateBasedRuleList": [],
        "nonTerminatingMatchingRules": [],
        "requestHeadersInserted": None,
        "responseCodeSent": None,
        "httpRequest": {
            "clientIp": "198.51.100.7",
            "country": "DE",
            "headers": [{"name": "Host", "value": "shop.example"}, {"name": "User-Agent", "value": 'a "b" é'}],
            "uri": "/basket",
            "args": f"item={number}",
            "httpVersion": "HTTP/2.0",
            "httpMethod": "GET",
            "requestId": f"1-{number}",
        }
        | (http or {}),
    }
    return {name: value for name, value in (made | changes).items() if value is not ...}


def lines(*records):
    return b"\n".join(json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode() for record in records)


def only(record):
    parsed = parse(lines(record), format="waf")
    assert parsed.report.rows == 1
    return parsed.rows.row(0, named=True), parsed.entities.row(0, named=True)


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def test_every_column_is_filled_from_its_field():
    rule = {"ruleId": "XSS", "action": "BLOCK", "ruleMatchDetails": None}
    record = request(
        5,
        action="BLOCK",
        terminatingRuleId="AWS-Common",
        terminatingRuleType="MANAGED_RULE_GROUP",
        terminatingRuleMatchDetails=[{"conditionType": "XSS", "location": "QUERY_STRING", "matchedData": ["<", "a"]}],
        ruleGroupList=[
            {
                "ruleGroupId": "AWS#Quiet",
                **QUIET,
                "excludedRules": [{"exclusionType": "EXCLUDED_AS_COUNT", "ruleId": "a"}],
            },
            {"ruleGroupId": "AWS#Common", **QUIET, "terminatingRule": rule, "excludedRules": [{"ruleId": "b"}]},
        ],
        rateBasedRuleList=[{"rateBasedRuleId": "r", "limitKey": "IP", "maxRateAllowed": 100}],
        nonTerminatingMatchingRules=[{"ruleId": "n", "action": "COUNT"}],
        requestHeadersInserted=[{"name": "x", "value": "y"}],
        responseCodeSent=403,
        labels=[{"name": "awswaf:managed:aws:core"}],
        captchaResponse={"responseCode": 405, "failureReason": "TOKEN_MISSING"},
        challengeResponse={"responseCode": 202, "failureReason": "TOKEN_EXPIRED"},
        oversizeFields=["REQUEST_BODY"],
        ja3Fingerprint="f7",
        ja4Fingerprint="t13d",
        requestBodySize=20,
    )
    row, entity = only(record)
    time = datetime(2026, 1, 1, 0, 0, 0, 128_000, tzinfo=UTC)
    assert row == {
        "TimeGenerated": time,
        "Action": "BLOCK",
        "Args": "item=5",
        "CaptchaResponse": compact(record["captchaResponse"]),
        "ChallengeResponse": compact(record["challengeResponse"]),
        "ClientIp": "198.51.100.7",
        "Country": "DE",
        "ExcludedRules": '[{"exclusionType":"EXCLUDED_AS_COUNT","ruleId":"a"},{"ruleId":"b"}]',
        "FormatVersion": "1",
        "Headers": compact(record["httpRequest"]["headers"]),
        "HttpMethod": "GET",
        "HttpRequest": compact(record["httpRequest"]),
        "HttpSourceId": "111122223333-app/shop/50dc6c495c0c9188",
        "HttpSourceName": "ALB",
        "HttpVersion": "HTTP/2.0",
        "Ja3Fingerprint": "f7",
        "Labels": '[{"name":"awswaf:managed:aws:core"}]',
        "NonTerminatingMatchingRules": '[{"ruleId":"n","action":"COUNT"}]',
        "OversizeFields": '["REQUEST_BODY"]',
        "RateBasedRuleList": compact(record["rateBasedRuleList"]),
        "RequestHeadersInserted": '[{"name":"x","value":"y"}]',
        "RequestId": "1-5",
        "ResponseCodeSent": 403,
        "RuleGroupId": "AWS#Common",
        "RuleGroupList": compact(record["ruleGroupList"]),
        "TerminatingRule": compact(rule),
        "TerminatingRuleId": "AWS-Common",
        "TerminatingRuleMatchDetails": compact(record["terminatingRuleMatchDetails"]),
        "TerminatingRuleType": "MANAGED_RULE_GROUP",
        "Uri": "/basket",
        "WebAclId": ACL,
        "EventId_CF": "0123456789abcdef0000-0",
        "EventTime_CF": time,
        "ExtraFields_CF": '{"requestBodySize":20,"ja4Fingerprint":"t13d"}',
        "_object": 0,
        "_ordinal": 0,
        "_flags": None,
    }
    assert entity == {
        "event_id": row["EventId_CF"],
        "time": time,
        "account": "111122223333",
        "region": "eu-central-1",
        "principal": "198.51.100.7",
        "principal_type": "client",
        "peer": "111122223333/shop",
        "service": "waf",
        "action": "GET/BLOCK/AWS-Common",
        "target": "shop.example/basket",
        "source_ip": "198.51.100.7",
        "user_agent": 'a "b" é',
        "error": "AWS-Common",
        "read_only": True,
        "bytes": 20,
        "packets": None,
        "detail": None,
        "severity": None,
    }


def test_a_request_that_was_let_through():
    row, entity = only(request())
    empty = ("RuleGroupId", "TerminatingRule", "ExcludedRules", "ResponseCodeSent", "RequestHeadersInserted")
    assert [row[name] for name in empty] == [None] * 5
    assert (row["NonTerminatingMatchingRules"], row["ExtraFields_CF"], row["_flags"]) == ("[]", None, None)
    assert (entity["error"], entity["action"]) == (None, "GET/ALLOW/Default_Action")


@pytest.mark.parametrize(
    ("acl", "source", "account", "peer"),
    [
        ("arn:aws:wafv2:us-east-1:222233334444:global/webacl/site/x", "E1ABC", "222233334444", "222233334444/site"),
        ("96bc3a0e-5e9a", "111122223333-app/shop/50dc", "111122223333", "111122223333/96bc3a0e-5e9a"),
        ("96bc3a0e-5e9a", "E1ABC", None, "96bc3a0e-5e9a"),
    ],
)
def test_whose_web_acl_it_is(acl, source, account, peer):
    _, entity = only(request(webaclId=acl, httpSourceId=source))
    assert (entity["account"], entity["peer"]) == (account, peer)


def test_the_host_of_the_request_itself_comes_first():
    assert only(request(http={"host": "other.example"}))[1]["target"] == "other.example/basket"
    assert only(request(http={"headers": None}))[1]["target"] == "/basket"


@pytest.mark.parametrize("time", ["2026-01-01T00:00:00.123Z", 1767225600123, "1767225600123"])
def test_times(time):
    assert only(request(timestamp=time))[0]["TimeGenerated"] == datetime(2026, 1, 1, 0, 0, 0, 123_000, tzinfo=UTC)


@pytest.mark.parametrize("time", [..., None, "soon", -1, 10**20, {}])
def test_a_record_without_a_time_is_quarantined_alone(time):
    parsed = parse(lines(request(0), request(1, timestamp=time), request(2)), format="waf")
    assert parsed.rows["RequestId"].to_list() == ["1-0", "1-2"]
    assert parsed.reasons() == [(1, "no_event_time")]


def test_lists_that_are_none_stay_as_they_are():
    row, _ = only(request(ruleGroupList={"terminatingRule": {"a": 1}}))
    assert (row["RuleGroupList"], row["RuleGroupId"], row["_flags"]) == ('{"terminatingRule":{"a":1}}', None, None)


def test_it_is_recognised_by_its_own_keys():
    assert detect(lines(request(0), request(1))).format == "waf"
    assert detect(json.dumps(request(), indent=2).encode()).format == "waf"
    assert detect(lines(request())[:300]).format == "waf"
    assert detect(lines({"a": request()})).format != "waf"


def test_records_of_something_else_are_quarantined():
    parsed = parse(lines(request(0), {"timestamp": 1, "action": "ALLOW"}, request(1)), format="waf")
    assert (parsed.report.rows, parsed.reasons()) == (2, [(1, "not_waf")])


def test_published_records(shared_dir):
    file = shared_dir / "data/formats/waf/panther_analysis_events.jsonl"
    if not file.exists():
        pytest.skip("no sample")
    events = [json.loads(line)["event"] for line in file.read_text().splitlines()]
    parsed = parse(lines(*events))
    assert parsed.report.format == "waf"
    assert parsed.report.rows == len(events)
    rows = parsed.rows
    assert rows["ClientIp"].to_list() == [event["httpRequest"]["clientIp"] for event in events]
    assert rows["Action"].to_list() == [event["action"] for event in events]
    ended = [
        next((g["ruleGroupId"] for g in event.get("ruleGroupList", []) if g.get("terminatingRule")), None)
        for event in events
    ]
    assert rows["RuleGroupId"].to_list() == ended
    assert rows["_flags"].null_count() == len(events)


def test_requests_as_web_sessions():
    blocked = {
        "timestamp": 1_764_000_000_000,
        "formatVersion": 1,
        "webaclId": "arn:aws:wafv2:us-east-1:111122223333:regional/webacl/shop/a1",
        "terminatingRuleId": "bad-bots",
        "terminatingRuleType": "REGULAR",
        "action": "BLOCK",
        "httpSourceName": "ALB",
        "httpRequest": {
            "clientIp": "198.51.100.7",
            "country": "DE",
            "headers": [{"name": "Host", "value": "shop.example.com"}, {"name": "User-Agent", "value": "curl/8"}],
            "uri": "/x",
            "args": "a=1",
            "httpMethod": "GET",
        },
    }
    parser = PartParser("waf", ParseOptions(normalise="asim"))
    (frame,) = parser.frames([an_input(0, json.dumps(blocked).encode())])
    row = frame.rows.row(0, named=True)
    assert {
        name: row[name] for name in ("Url", "EventResult", "DvcAction", "RuleName", "SrcIpAddr", "HttpUserAgent")
    } == {
        "Url": "https://shop.example.com/x?a=1",
        "EventResult": "Failure",
        "DvcAction": "Deny",
        "RuleName": "bad-bots",
        "SrcIpAddr": "198.51.100.7",
        "HttpUserAgent": "curl/8",
    }
