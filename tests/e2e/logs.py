"""Small log objects for tests of whole runs: what they hold is known by construction."""

import gzip
import json
import uuid
from datetime import datetime, timedelta

ACCOUNT = "111122223333"
VPC_HEADER = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
)


def record(moment: datetime, number: int = 0, **changes) -> dict:
    """One CloudTrail record; its eventID follows from time and number."""
    event_id = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{moment.isoformat()} {number}"))
    return {
        "eventVersion": "1.08",
        "userIdentity": {
            "type": "IAMUser",
            "principalId": "AIDAEXAMPLE",
            "arn": f"arn:aws:iam::{ACCOUNT}:user/alice",
            "accountId": ACCOUNT,
            "userName": "alice",
        },
        "eventTime": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
        "eventSource": "s3.amazonaws.com",
        "eventName": "GetObject" if number % 3 else "ListBuckets",
        "awsRegion": "us-east-1",
        "sourceIPAddress": "198.51.100.7",
        "userAgent": "aws-cli/2.15.0",
        "requestParameters": {"bucketName": "example", "key": f"k/{number}"},
        "responseElements": None,
        "requestID": f"R{number}",
        "eventID": event_id,
        "readOnly": True,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Management",
        **changes,
    }


def records(hour: datetime, count: int, first: int = 0) -> list[dict]:
    return [record(hour + timedelta(seconds=number % 3_600), number) for number in range(first, first + count)]


def cloudtrail(entries: list[dict]) -> bytes:
    return gzip.compress(json.dumps({"Records": entries}).encode(), mtime=0)


def flows(hour: datetime, count: int, first: int = 0) -> bytes:
    start = int(hour.timestamp())
    lines = [
        f"2 {ACCOUNT} eni-0a1b2c3d 10.0.0.{number % 250 + 1} 203.0.113.9 {40_000 + number} 443 6 10 {number + 64} "
        f"{start + number % 3_000} {start + number % 3_000 + 60} ACCEPT OK"
        for number in range(first, first + count)
    ]
    return gzip.compress("\n".join([VPC_HEADER, *lines, ""]).encode(), mtime=0)


def key(source: str, hour: datetime, name: str, region: str = "us-east-1") -> str:
    folder = "CloudTrail" if source == "cloudtrail" else "vpcflowlogs"
    return f"AWSLogs/{ACCOUNT}/{folder}/{region}/{hour:%Y/%m/%d}/{name}"
