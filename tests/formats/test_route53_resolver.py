"""Route 53 Resolver query logs: what goes where, DNS Firewall, resolver endpoints."""

import json
from datetime import UTC, datetime

import pytest

from s3sentinel_assets.formats import ParseOptions, PartParser, detect
from tests.formats.parsing import Parsed, an_input, check_account, parse

TIME = datetime(2026, 11, 23, 10, 0, 5, tzinfo=UTC)


def query(number=0, **changes):
    """A query that DNS Firewall blocked; a change to ``...`` leaves a field out."""
    made = {
        "version": "1.100000",
        "account_id": "111122223333",
        "region": "eu-central-1",
        "vpc_id": "vpc-7example",
        "query_timestamp": "2026-11-23T10:00:05Z",
        "query_name": f"n{number}.example.com.",
        "query_type": "AAAA",
        "query_class": "IN",
        "rcode": "NXDOMAIN",
        "answers": [{"Rdata": "2001:db8::1", "Type": "AAAA", "Class": "IN"}],
        "srcaddr": "10.0.0.7",
        "srcport": "56067",
        "transport": "UDP",
        "srcids": {"instance": "i-0d15cd0d3example"},
        "firewall_rule_group_id": "rslvr-frg-0123",
        "firewall_rule_action": "BLOCK",
        "firewall_domain_list_id": "rslvr-fdl-0123",
    }
    return {name: value for name, value in (made | changes).items() if value is not ...}


PLAIN = {
    "rcode": "NOERROR",
    "firewall_rule_group_id": ...,
    "firewall_rule_action": ...,
    "firewall_domain_list_id": ...,
}
ENDPOINT = {
    "resolver_endpoint": "rslvr-in-1",
    "resolver_network_interface": "rni-1",
    "cluster": "new",
}


def lines(*records):
    return b"\n".join(json.dumps(record, separators=(",", ":")).encode() for record in records)


def filled(row):
    return {name: value for name, value in row.items() if value is not None and not name.startswith("_")}


def compact(value):
    return json.dumps(value, separators=(",", ":"))


def asim(*records):
    parser = PartParser("route53_resolver", ParseOptions(normalise="asim"))
    frames = list(parser.frames([an_input(0, lines(*records))]))
    parsed = Parsed(frames, parser.reports, parser.rejects)
    check_account(parsed)
    return parsed.rows.to_dicts()


def test_every_column_is_filled_from_its_field():
    record = query(firewall_protection="DGA", edge="new")
    parsed = parse(lines(record))
    assert parsed.report.format == "route53_resolver"
    (row,), (entity,) = parsed.rows.to_dicts(), parsed.entities.to_dicts()
    assert filled(row) == {
        "TimeGenerated": TIME,
        "AccountId": "111122223333",
        "Answers": compact(record["answers"]),
        "FirewallDomainListId": "rslvr-fdl-0123",
        "FirewallRuleAction": "BLOCK",
        "FirewallRuleGroupId": "rslvr-frg-0123",
        "LogType": "firewall",
        "QueryClass": "IN",
        "QueryName": "n0.example.com.",
        "QueryType": "AAAA",
        "Rcode": "NXDOMAIN",
        "Region": "eu-central-1",
        "SrcAddr": "10.0.0.7",
        "SrcIds": '{"instance":"i-0d15cd0d3example"}',
        "SrcPort": "56067",
        "Transport": "UDP",
        "Version": "1.100000",
        "VpcId": "vpc-7example",
        "EventId_CF": "0123456789abcdef0000-0",
        "EventTime_CF": TIME,
        "ExtraFields_CF": '{"firewall_protection":"DGA","edge":"new"}',
    }
    assert row["_flags"] is None
    assert filled(entity) == {
        "event_id": row["EventId_CF"],
        "time": TIME,
        "account": "111122223333",
        "region": "eu-central-1",
        "principal": "i-0d15cd0d3example",
        "principal_type": "instance",
        "peer": "111122223333/vpc-7example",
        "service": "dns",
        "action": "AAAA/NXDOMAIN",
        "target": "n0.example.com",
        "source_ip": "10.0.0.7",
        "error": "NXDOMAIN",
        "read_only": True,
    }


def test_queries_without_dns_firewall_and_through_endpoints():
    parsed = parse(lines(query(1, **PLAIN), query(2, srcids=ENDPOINT, **PLAIN), query(3, srcids=..., answers=...)))
    rows, entities = parsed.rows.to_dicts(), parsed.entities.to_dicts()
    assert [row["LogType"] for row in rows] == ["query", "query", "firewall"]
    assert [row["SrcIds"] for row in rows] == ['{"instance":"i-0d15cd0d3example"}', compact(ENDPOINT), None]
    who = [(entity["principal_type"], entity["principal"], entity["error"]) for entity in entities]
    assert who == [
        ("instance", "i-0d15cd0d3example", None),
        ("resolver", "rslvr-in-1", None),
        ("address", "10.0.0.7", "NXDOMAIN"),
    ]


def test_asim_columns():
    record = query(firewall_protection="DGA")
    alert = query(2, srcids=ENDPOINT, firewall_rule_action="ALERT", rcode="SERVFAIL", query_type="TYPE65400")
    blocked, plain, alerted, odd = asim(record, query(1, **PLAIN), alert, query(3, rcode=..., srcaddr="::1"))
    assert filled(blocked) == {
        "TimeGenerated": TIME,
        "EventCount": 1,
        "EventStartTime": TIME,
        "EventEndTime": TIME,
        "EventType": "Query",
        "EventSubType": "response",
        "EventResult": "Failure",
        "EventResultDetails": "NXDOMAIN",
        "EventSeverity": "Medium",
        "EventProduct": "Route 53 Resolver",
        "EventVendor": "AWS",
        "EventSchemaVersion": "0.1.7",
        "EventProductVersion": "1.100000",
        "Dvc": "Route 53 Resolver",
        "DnsQuery": "n0.example.com",
        "DnsQueryType": 28,
        "DnsQueryTypeName": "AAAA",
        "DnsQueryClass": 1,
        "DnsQueryClassName": "IN",
        "DnsResponseCode": 3,
        "DnsResponseName": compact(record["answers"]),
        "SrcIpAddr": "10.0.0.7",
        "Src": "10.0.0.7",
        "SrcPortNumber": 56067,
        "SrcDvcId": "i-0d15cd0d3example",
        "SrcDvcIdType": "Other",
        "SrcDvcScopeId": "111122223333",
        "SrcDvcScope": "111122223333",
        "NetworkProtocol": "UDP",
        "NetworkProtocolVersion": "IPv4",
        "DvcAction": "Blocked",
        "DvcOriginalAction": "BLOCK",
        "DvcScopeId": "111122223333",
        "DvcScope": "111122223333",
        "DvcZone": "eu-central-1",
        "RuleName": "rslvr-frg-0123",
        "ThreatCategory": "DGA",
        "ThreatField": "Domain",
        "AdditionalFields": '{"region":"eu-central-1","vpc_id":"vpc-7example",'
        '"firewall_domain_list_id":"rslvr-fdl-0123","srcids":{"instance":"i-0d15cd0d3example"}}',
        "EventId_CF": "0123456789abcdef0000-0",
        "EventTime_CF": TIME,
        "ExtraFields_CF": '{"firewall_protection":"DGA"}',
    }
    columns = ("EventResult", "EventSeverity", "DvcAction", "ThreatField", "DnsResponseCode")
    assert [plain[name] for name in columns] == ["Success", "Informational", None, None, 0]
    assert [alerted[name] for name in columns] == ["Failure", "Low", "Allowed", "Domain", 2]
    assert (alerted["DnsQueryType"], alerted["SrcDvcId"]) == (65_400, "rslvr-in-1")
    assert json.loads(alerted["AdditionalFields"])["srcids"] == ENDPOINT
    assert (odd["EventResult"], odd["EventResultDetails"], odd["NetworkProtocolVersion"]) == ("NA", "NA", "IPv6")


def test_values_that_drift_and_times():
    records = [
        query(0, srcport=53, srcids="none"),
        query(1, answers={"Rdata": "x"}, query_timestamp="2026-11-23 10:00:05"),
        query(2, query_timestamp="2026-11-23T25:00:05Z"),
        {"query_timestamp": "2026-11-23T10:00:05Z"},
        query(3, transport=None),
    ]
    parsed = parse(lines(*records), format="route53_resolver")
    assert parsed.reasons() == [(2, "no_event_time"), (3, "not_route53_resolver")]
    rows = parsed.rows.to_dicts()
    assert [row["_flags"] for row in rows] == ['drift:srcids="none"', None, None]
    assert (rows[0]["SrcPort"], rows[0]["SrcIds"], rows[1]["Answers"]) == ("53", '"none"', '{"Rdata":"x"}')
    assert [row["TimeGenerated"] for row in rows] == [TIME] * 3


def test_it_is_recognised_by_its_own_keys():
    for content in (lines(query()), json.dumps(query(), indent=2).encode(), lines(query())[:300]):
        assert detect(content).format == "route53_resolver"
    assert detect(lines({"a": query()})).format != "route53_resolver"


def test_published_queries(shared_dir):
    file = shared_dir / "data/formats/route53_resolver/panther_analysis_events.jsonl"
    if not file.exists():
        pytest.skip("no sample")
    events = [json.loads(line)["event"] for line in file.read_text().splitlines()]
    events = [event for event in events if "query_timestamp" in event]
    parsed = parse(lines(*events))
    assert (parsed.report.format, parsed.report.rows) == ("route53_resolver", len(events))
    assert parsed.rows["QueryName"].to_list() == [event["query_name"] for event in events]
    assert [text and json.loads(text) for text in parsed.rows["Answers"]] == [event.get("answers") for event in events]
    assert parsed.rows["_flags"].null_count() == len(events)
