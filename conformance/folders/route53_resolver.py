"""Route 53 Resolver query logs: events of Panther's rule tests, each field of which is expected in its column."""

import json
from collections.abc import Iterator
from pathlib import Path

from conformance.model import Case
from conformance.reading import expected, panther_events

__all__ = ["cases"]

_COLUMNS = {
    "version": "Version",
    "account_id": "AccountId",
    "region": "Region",
    "vpc_id": "VpcId",
    "query_timestamp": "TimeGenerated",
    "query_name": "QueryName",
    "query_type": "QueryType",
    "query_class": "QueryClass",
    "rcode": "Rcode",
    "answers": "Answers",
    "srcaddr": "SrcAddr",
    "srcport": "SrcPort",
    "transport": "Transport",
    "srcids": "SrcIds",
}


def cases(folder: Path) -> Iterator[Case]:
    """All cases of the folder."""
    for name, event in panther_events(folder / "panther_analysis_events.jsonl"):
        good = {"query_timestamp", "query_name"} <= event.keys()
        yield Case(
            name,
            "route53_resolver",
            json.dumps(event).encode(),
            1 if good else None,
            expected(event, _COLUMNS) if good else (),
            valid=good,
        )
