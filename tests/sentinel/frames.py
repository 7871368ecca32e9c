"""Frames in the shape that parsing and scoring hand over."""

import hashlib
import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from s3sentinel_assets.tables import load_schema

START = datetime(2026, 11, 1, 13, tzinfo=UTC)
STAMPED = ("BatchId_CF", "AnomalyScore_CF", "Confidence_CF", "Priority_CF", "Reasons_CF", "Flags_CF", "Attempt_CF")


def rows_schema(table: str) -> dict[str, Any]:
    schema = load_schema(table).polars_schema()
    kept = {name: kind for name, kind in schema.items() if name not in STAMPED}
    return {**kept, "_object": pl.Int64(), "_ordinal": pl.Int64(), "_flags": pl.String()}


def rows_frame(records: list[dict[str, Any]], table: str = "AWSCloudTrail") -> pl.DataFrame:
    return pl.DataFrame(records, schema=rows_schema(table))


def cloudtrail(count: int, seed: int = 1) -> pl.DataFrame:
    draw = random.Random(seed)
    records = []
    for index in range(count):
        moment = START + timedelta(seconds=draw.randrange(3600))
        key = hashlib.sha256(f"{seed}/{index}".encode()).hexdigest()
        parameters = {"bucketName": f"bucket-{draw.randrange(99)}", "key": key, "Host": "s3.amazonaws.com"}
        records.append(
            {
                "TimeGenerated": moment,
                "EventTime_CF": moment,
                "EventId_CF": f"111122223333/{key[:32]}",
                "AwsEventId": key[:32],
                "EventName": draw.choice(["GetObject", "PutObject", "AssumeRole"]),
                "EventSource": "s3.amazonaws.com",
                "EventVersion": "1.09",
                "AWSRegion": "eu-west-1",
                "ManagementEvent": True,
                "ReadOnly": draw.random() < 0.8,
                "RecipientAccountId": "111122223333",
                "RequestParameters": json.dumps(parameters),
                "ResponseElements": json.dumps(parameters) if draw.random() < 0.3 else None,
                "SourceIpAddress": f"10.0.{draw.randrange(255)}.{draw.randrange(255)}",
                "UserAgent": "aws-cli/2.15.0 Python/3.11 Linux/5.10 exe/x86_64 prompt/off command/s3.cp",
                "UserIdentityArn": f"arn:aws:iam::111122223333:user/u{draw.randrange(20)}",
                "UserIdentityType": "IAMUser",
                "_object": 1,
                "_ordinal": index,
            }
        )
    return rows_frame(records)


def scores_frame(count: int, **columns: Any) -> pl.DataFrame:
    values = {
        "AnomalyScore_CF": [0.25] * count,
        "Confidence_CF": [0.5] * count,
        "Priority_CF": ["low"] * count,
        "Reasons_CF": [None] * count,
        "Flags_CF": [None] * count,
    }
    kinds = {"Priority_CF": pl.String, "Reasons_CF": pl.String, "Flags_CF": pl.String}
    return pl.DataFrame(values | columns, schema_overrides=kinds)
