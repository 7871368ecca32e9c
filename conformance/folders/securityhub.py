"""Security Hub findings: events of Panther's rule tests, each field of which is expected in its column.

Datadog's files hold what its forwarder makes of findings, not findings: they are no cases.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from conformance.model import Case
from conformance.reading import expected, flat, panther_events

__all__ = ["cases"]

_COLUMNS = {
    "AwsAccountId": "AwsAccountId",
    "Region": "AwsRegion",
    "CreatedAt": "AwsSecurityFindingCreatedAt",
    "Description": "AwsSecurityFindingDescription",
    "FirstObservedAt": "AwsSecurityFindingFirstObservedAt",
    "GeneratorId": "AwsSecurityFindingGeneratorId",
    "Id": "AwsSecurityFindingId",
    "LastObservedAt": "AwsSecurityFindingLastObservedAt",
    "ProcessedAt": "AwsSecurityFindingProcessedAt",
    "ProductArn": "AwsSecurityFindingProductArn",
    "ProductFields": "AwsSecurityFindingProductFields",
    "ProductName": "AwsSecurityFindingProductName",
    "Severity": "AwsSecurityFindingSeverity",
    "Title": "AwsSecurityFindingTitle",
    "Types": "AwsSecurityFindingTypes",
    "UpdatedAt": "AwsSecurityFindingUpdatedAt",
    "Compliance.Status": "ComplianceStatus",
    "RecordState": "RecordState",
    "Remediation": "Remediation",
    "Resources": "Resources",
    "SchemaVersion": "SchemaVersion",
    "WorkflowState": "WorkflowState",
}


def cases(folder: Path) -> Iterator[Case]:
    """All cases of the folder."""
    for name, event in panther_events(folder / "panther_analysis_events.jsonl"):
        good = "Id" in event and bool(event.keys() & {"UpdatedAt", "CreatedAt"})
        good = good and bool(event.keys() & {"ProductArn", "GeneratorId"})
        yield Case(
            name,
            "securityhub",
            json.dumps(event).encode(),
            1 if good else None,
            expected(flat(event), _COLUMNS) if good else (),
            valid=good,
        )
