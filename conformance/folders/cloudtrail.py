"""CloudTrail: events of Panther's rule tests, each field of which is expected in its column; lookup-events of plaso."""

import json
from collections.abc import Iterator
from pathlib import Path

from conformance.model import Case
from conformance.reading import expected, flat, json_lines, panther_events

__all__ = ["cases"]

_COLUMNS = {
    "eventVersion": "EventVersion",
    "eventTime": "TimeGenerated",
    "eventSource": "EventSource",
    "eventName": "EventName",
    "awsRegion": "AWSRegion",
    "sourceIPAddress": "SourceIpAddress",
    "userAgent": "UserAgent",
    "errorCode": "ErrorCode",
    "errorMessage": "ErrorMessage",
    "requestID": "AwsRequestId_",
    "eventID": "AwsEventId",
    "eventType": "EventTypeName",
    "recipientAccountId": "RecipientAccountId",
    "readOnly": "ReadOnly",
    "managementEvent": "ManagementEvent",
    "requestParameters": "RequestParameters",
    "responseElements": "ResponseElements",
    "additionalEventData": "AdditionalEventData",
    "resources": "Resources",
    "serviceEventDetails": "ServiceEventDetails",
    "eventCategory": "Category",
    "userIdentity.type": "UserIdentityType",
    "userIdentity.principalId": "UserIdentityPrincipalid",
    "userIdentity.arn": "UserIdentityArn",
    "userIdentity.accountId": "UserIdentityAccountId",
    "userIdentity.accessKeyId": "UserIdentityAccessKeyId",
    "userIdentity.userName": "UserIdentityUserName",
    "userIdentity.invokedBy": "UserIdentityInvokedBy",
}
_LOOKUP = {"EventId": "AwsEventId", "EventName": "EventName", "EventSource": "EventSource", "ReadOnly": "ReadOnly"}


def cases(folder: Path) -> Iterator[Case]:
    """All cases of the folder. An event that a rule's author left without a time cannot be one of AWS."""
    for name, event in panther_events(folder / "panther_analysis_events.jsonl"):
        good = str(event.get("eventTime", ""))[:1].isdigit()  # authors left it out, or wrote "redacted"
        yield Case(
            name,
            "cloudtrail",
            json.dumps({"Records": [event]}).encode(),
            1 if good else None,
            expected(flat(event), _COLUMNS) if good else (),
            valid=good,
            detected=good,
        )
    for name, event in json_lines(folder / "plaso_aws_cloudtrail_lookup_events.jsonl"):
        yield Case(name, "cloudtrail", json.dumps(event).encode(), 1, expected(event, _LOOKUP))
