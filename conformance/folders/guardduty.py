"""GuardDuty findings: events of Panther's rule tests, each field of which is expected in its column."""

import json
from collections.abc import Iterator
from pathlib import Path

from conformance.model import Case
from conformance.reading import expected, panther_events

__all__ = ["cases"]

_COLUMNS = {
    "accountId": "AccountId",
    "arn": "Arn",
    "createdAt": "TimeCreated",
    "description": "Description",
    "id": "Id",
    "partition": "Partition",
    "region": "Region",
    "resource": "ResourceDetails",
    "schemaVersion": "SchemaVersion",
    "service": "ServiceDetails",
    "severity": "Severity",
    "title": "Title",
    "type": "ActivityType",
    "updatedAt": "TimeGenerated",
}


def cases(folder: Path) -> Iterator[Case]:
    """All cases of the folder; some are cut short, but tell what they are."""
    for name, event in panther_events(folder / "panther_analysis_events.jsonl"):
        good = {"id", "type", "service"} <= event.keys() and bool(event.keys() & {"updatedAt", "createdAt"})
        yield Case(
            name,
            "guardduty",
            json.dumps(event).encode(),
            1 if good else None,
            expected(event, _COLUMNS) if good else (),
            valid=good,
        )
