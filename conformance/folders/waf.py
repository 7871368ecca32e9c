"""AWS WAF logs: events of Panther's rule tests, each field of which is expected in its column."""

import json
from collections.abc import Iterator
from pathlib import Path

from conformance.model import Case
from conformance.reading import expected, flat, panther_events

__all__ = ["cases"]

_COLUMNS = {
    "timestamp": "TimeGenerated",
    "formatVersion": "FormatVersion",
    "webaclId": "WebAclId",
    "terminatingRuleId": "TerminatingRuleId",
    "terminatingRuleType": "TerminatingRuleType",
    "action": "Action",
    "terminatingRuleMatchDetails": "TerminatingRuleMatchDetails",
    "httpSourceName": "HttpSourceName",
    "httpSourceId": "HttpSourceId",
    "ruleGroupList": "RuleGroupList",
    "rateBasedRuleList": "RateBasedRuleList",
    "nonTerminatingMatchingRules": "NonTerminatingMatchingRules",
    "requestHeadersInserted": "RequestHeadersInserted",
    "responseCodeSent": "ResponseCodeSent",
    "labels": "Labels",
    "httpRequest": "HttpRequest",
    "httpRequest.clientIp": "ClientIp",
    "httpRequest.country": "Country",
    "httpRequest.headers": "Headers",
    "httpRequest.uri": "Uri",
    "httpRequest.args": "Args",
    "httpRequest.httpVersion": "HttpVersion",
    "httpRequest.httpMethod": "HttpMethod",
    "httpRequest.requestId": "RequestId",
}


def cases(folder: Path) -> Iterator[Case]:
    """All cases of the folder; an event without a web ACL or a request cannot be one of AWS."""
    for name, event in panther_events(folder / "panther_analysis_events.jsonl"):
        good = "timestamp" in event and "webaclId" in event and "httpRequest" in event
        yield Case(
            name,
            "waf",
            json.dumps(event).encode(),
            1 if good else None,
            expected(flat(event), _COLUMNS) if good else (),
            valid=good,
        )
