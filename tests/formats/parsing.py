"""Parsing bytes in tests, with the account checked every time."""

import gzip
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from s3sentinel_assets.formats import ObjectInput, ObjectReport, ParsedFrame, PartParser
from s3sentinel_assets.tables import load_schema
from s3sentinel_assets.tables.entities import ENTITY_SCHEMA
from s3sentinel_assets.tables.types import POLARS_TYPES

IDENTITY = "0123456789abcdef"


@dataclass
class Parsed:
    """What came of some objects."""

    frames: list[ParsedFrame]
    reports: list[ObjectReport]
    rejects: pl.DataFrame

    @property
    def rows(self) -> pl.DataFrame:
        """All rows; for objects of one format."""
        return pl.concat([frame.rows for frame in self.frames]) if self.frames else pl.DataFrame()

    @property
    def entities(self) -> pl.DataFrame:
        return pl.concat([frame.entities for frame in self.frames]) if self.frames else pl.DataFrame()

    @property
    def report(self) -> ObjectReport:
        assert len(self.reports) == 1
        return self.reports[0]

    def reasons(self) -> list[tuple[int, str]]:
        return self.rejects.select("position", "reason").rows()


def pieces(data: bytes, step: int = 65_536) -> Iterator[bytes]:
    return (data[at : at + step] for at in range(0, len(data), step))


def an_input(number: int, data: bytes, key: str = "", step: int = 65_536) -> ObjectInput:
    return ObjectInput(number, key or f"object-{number}", f"{IDENTITY}{number:04x}", lambda: pieces(data, step))


def parse(*contents: bytes, format: str = "auto", step: int = 65_536, **limits: int) -> Parsed:  # noqa: A002
    """Parses contents as objects 0, 1, …"""
    return parse_inputs([an_input(number, data, step=step) for number, data in enumerate(contents)], format, **limits)


def parse_inputs(inputs: Iterable[ObjectInput], format: str = "auto", **limits: int) -> Parsed:  # noqa: A002
    parser = PartParser(format, **limits)
    frames = list(parser.frames(inputs))
    parsed = Parsed(frames, parser.reports, parser.rejects)
    check_account(parsed)
    return parsed


def check_account(parsed: Parsed) -> None:
    """Every record is a row or a reject, once; frames have exactly the shape they promise."""
    schema = {"_object": pl.Int64(), "_ordinal": pl.Int64()}
    placed = pl.concat([pl.DataFrame(schema=schema), *(frame.rows.select(*schema) for frame in parsed.frames)])
    for report in parsed.reports:
        assert report.records == report.rows + report.rejected
        ordinals = placed.filter(pl.col("_object") == report.object_id)["_ordinal"].to_list()
        positions = parsed.rejects.filter(pl.col("object_id") == report.object_id)["position"].to_list()
        assert (len(ordinals), len(positions)) == (report.rows, report.rejected)
        if "+" not in (report.table or ""):
            assert ordinals == sorted(ordinals)
        assert sorted(ordinals + positions) == list(range(report.records))
    for frame in parsed.frames:
        check_shape(frame)


def check_shape(frame: ParsedFrame) -> None:
    columns = load_schema(frame.table).columns
    expected = {name: POLARS_TYPES[kind] for name, kind in columns.items()}
    expected |= {"EventId_CF": pl.String(), "EventTime_CF": pl.Datetime("us", "UTC"), "ExtraFields_CF": pl.String()}
    expected |= {"_object": pl.Int64(), "_ordinal": pl.Int64(), "_flags": pl.String()}
    assert dict(frame.rows.schema) == expected
    assert dict(frame.entities.schema) == ENTITY_SCHEMA
    assert frame.rows.height == frame.entities.height > 0
    assert frame.rows["EventId_CF"].to_list() == frame.entities["event_id"].to_list()
    assert frame.rows["EventTime_CF"].equals(frame.rows["TimeGenerated"])
    assert frame.rows["TimeGenerated"].null_count() == 0
    assert frame.rows["EventId_CF"].null_count() == 0
    assert frame.entities["principal"].null_count() == 0


def record(number: int = 0, **changes: Any) -> dict[str, Any]:
    """A CloudTrail record; a change to ``...`` leaves a field out."""
    made = {
        "eventVersion": "1.08",
        "userIdentity": {
            "type": "IAMUser",
            "principalId": "AIDAEXAMPLE",
            "arn": "arn:aws:iam::111122223333:user/alice",
            "accountId": "111122223333",
            "userName": "alice",
        },
        "eventTime": f"2026-11-23T10:{number // 60 % 60:02d}:{number % 60:02d}Z",
        "eventSource": "s3.amazonaws.com",
        "eventName": "GetObject",
        "awsRegion": "eu-central-1",
        "sourceIPAddress": "198.51.100.7",
        "userAgent": "aws-cli/2.0",
        "requestParameters": {"bucketName": "b", "key": f'k{number} é,]}}\\" {{['},
        "responseElements": None,
        "requestID": f"r-{number}",
        "eventID": f"e-{number}",
        "readOnly": True,
        "eventType": "AwsApiCall",
        "managementEvent": False,
        "recipientAccountId": "111122223333",
        "eventCategory": "Data",
    }
    made |= changes
    return {key: value for key, value in made.items() if value is not ...}


def trail(*records: Any) -> bytes:
    """A CloudTrail object's content."""
    return json.dumps({"Records": list(records)}, separators=(",", ":"), ensure_ascii=False).encode()


def zipped(data: bytes) -> bytes:
    return gzip.compress(data, 6, mtime=0)
