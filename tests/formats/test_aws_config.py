"""AWS Config: snapshots, history files and notices."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.formats import PartParser, detect
from tests.formats.parsing import Parsed, an_input, check_account, parse, zipped

ARN = "arn:aws:ec2:eu-central-1:111122223333:security-group/sg-1"


def item(**changes: Any) -> dict[str, Any]:
    """A configuration item as files have it; a change to ``...`` leaves a field out."""
    made = {
        "relatedEvents": ["e-1"],
        "relationships": [{"resourceId": "vpc-1", "resourceType": "AWS::EC2::VPC", "name": "Is contained in Vpc"}],
        "configuration": {"groupId": "sg-1", "ipPermissions": []},
        "supplementaryConfiguration": {"a": "b"},
        "tags": {"team": "é"},
        "configurationItemVersion": "1.3",
        "configurationItemCaptureTime": "2026-11-01T10:00:00.123Z",
        "configurationStateId": 1793527200123,
        "awsAccountId": "111122223333",
        "configurationItemStatus": "OK",
        "resourceType": "AWS::EC2::SecurityGroup",
        "resourceId": "sg-1",
        "resourceName": "web",
        "ARN": ARN,
        "awsRegion": "eu-central-1",
        "availabilityZone": "Not Applicable",
        "configurationStateMd5Hash": "abc",
        "resourceCreationTime": "2025-01-02T03:04:05.000Z",
        "configurationItemDeliveryTime": "2026-11-01T11:00:00.000Z",
        "recordingFrequency": "DAILY",
    }
    made |= changes
    return {key: value for key, value in made.items() if value is not ...}


def file(*items: Any, snapshot: str | None = "snap-1") -> bytes:
    head = {"fileVersion": "1.0"} | ({"configSnapshotId": snapshot} if snapshot else {})
    return json.dumps(head | {"configurationItems": list(items)}, separators=(",", ":")).encode()


def change(**changes: Any) -> dict[str, Any]:
    return {
        "configurationItemDiff": {"changedProperties": {}, "changeType": "UPDATE"},
        "configurationItem": item(configuration='{"groupId":"sg-1"}', **changes),
        "notificationCreationTime": "2026-11-01T10:00:01.000Z",
        "messageType": "ConfigurationItemChangeNotification",
        "recordVersion": "1.3",
    }


OVERSIZED = {
    "configurationItemSummary": {
        "changeType": "UPDATE",
        **{
            name: value
            for name, value in item().items()
            if name not in ("relatedEvents", "relationships", "configuration", "supplementaryConfiguration", "tags")
        },
    },
    "s3DeliverySummary": {"s3BucketLocation": "bucket/key", "errorCode": None, "errorMessage": None},
    "notificationCreationTime": "2026-11-01T10:00:01.000Z",
    "messageType": "OversizedConfigurationItemChangeNotification",
    "recordVersion": "1.0",
}


def filled(parsed: Parsed, place: int = 0) -> dict[str, Any]:
    return {name: value for name, value in parsed.rows.row(place, named=True).items() if value is not None}


def test_every_column_from_its_field():
    given_item = item(newField=1)
    row = filled(parse(file(given_item)))
    for column, name in {
        "Configuration": "configuration",
        "SupplementaryConfiguration": "supplementaryConfiguration",
        "Relationships": "relationships",
        "RelatedEvents": "relatedEvents",
        "Tags": "tags",
    }.items():
        assert json.loads(row.pop(column)) == given_item[name]
    assert json.loads(row.pop("RawData")) == given_item
    assert json.loads(row.pop("ExtraFields_CF")) == {"newField": 1}
    captured = datetime(2026, 11, 1, 10, 0, 0, 123_000, UTC)
    assert row == {
        "TimeGenerated": captured,
        "EventTime_CF": captured,
        "CaptureTime": captured,
        "DeliveryTime": datetime(2026, 11, 1, 11, tzinfo=UTC),
        "ResourceCreationTime": datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC),
        "EventId_CF": row["EventId_CF"],
        "AccountId": "111122223333",
        "Region": "eu-central-1",
        "AvailabilityZone": "Not Applicable",
        "ResourceType": "AWS::EC2::SecurityGroup",
        "ResourceId": "sg-1",
        "ResourceName": "web",
        "ResourceArn": ARN,
        "ItemStatus": "OK",
        "ItemVersion": "1.3",
        "StateId": "1793527200123",
        "StateMd5Hash": "abc",
        "RecordingFrequency": "DAILY",
        "SnapshotId": "snap-1",
        "FileVersion": "1.0",
        "_object": 0,
        "_ordinal": 0,
    }


def test_entities():
    entity = parse(file(item())).entities.row(0, named=True)
    expected = {"account": "111122223333", "region": "eu-central-1", "principal": ARN, "target": ARN, "action": "OK"}
    assert (expected | {"peer": "111122223333/AWS::EC2::SecurityGroup"}).items() <= entity.items()


def test_the_same_item_in_two_snapshots_is_two_records():
    parsed = parse(file(item()), file(item(), snapshot="snap-2"))
    assert parsed.rows["SnapshotId"].to_list() == ["snap-1", "snap-2"]
    assert parsed.rows["EventId_CF"].n_unique() == 2


def test_history_files_have_no_snapshot():
    assert filled(parse(file(item(), snapshot=None))).items() >= {"FileVersion": "1.0"}.items()
    assert parse(file(item(), snapshot=None)).rows["SnapshotId"].to_list() == [None]


@pytest.mark.parametrize("step", [7, 65_536])
def test_several_files_in_one_object_are_not_told_apart_and_that_is_said(step):
    parsed = parse(file(item()) + file(item(), snapshot="snap-2"), step=step)
    assert parsed.rows["SnapshotId"].to_list() == [None, None]
    assert "several files" in (parsed.report.note or "")


def test_a_deleted_resource_has_no_configuration():
    row = filled(parse(file(item(configuration=None, configurationItemStatus="ResourceDeleted", tags={}, ARN=...))))
    assert (row["ItemStatus"], row["Tags"]) == ("ResourceDeleted", "{}")
    assert "Configuration" not in row


@pytest.mark.parametrize(
    ("text", "expected"),
    [('{"a": "x"}', '{"a": "x"}'), ("no JSON", '"no JSON"'), ("[1]", "[1]"), ('{"a":"\\ud83d\\ude00"}', None)],
)
def test_a_configuration_that_is_a_text_of_json_becomes_json(text, expected):
    parsed = parse(file(item(), item(configuration=text)))
    assert parsed.rows["Configuration"][1] == (expected or text)


def test_items_as_the_api_has_them():
    api = item(
        version="1.3", accountId="111122223333", arn=ARN, configurationItemMD5Hash="abc", configurationStateId="17",
        configurationItemCaptureTime=1793527200.123, ARN=..., awsAccountId=..., configurationItemVersion=...,
        configurationStateMd5Hash=...,
    )  # fmt: skip
    row = filled(parse(json.dumps(api).encode()))
    expected = {"AccountId": "111122223333", "ResourceArn": ARN, "StateMd5Hash": "abc", "StateId": "17"}
    assert (expected | {"ItemVersion": "1.3"}).items() <= row.items()
    assert row["TimeGenerated"] == datetime(2026, 11, 1, 10, 0, 0, 123_000, UTC)


@pytest.mark.parametrize("in_event", [False, True])
def test_notices_of_changes(in_event):
    notice = change()
    content = {"source": "aws.config", "detail-type": "Config Configuration Item Change", "detail": notice}
    parsed = parse(json.dumps(content if in_event else notice).encode())
    row = filled(parsed)
    assert json.loads(row["ItemDiff"]) == notice["configurationItemDiff"]
    assert json.loads(row["RawData"]) == (content if in_event else notice)
    assert (row["MessageType"], row["Configuration"]) == ("ConfigurationItemChangeNotification", '{"groupId":"sg-1"}')


def test_notices_of_oversized_items():
    parsed = parse(json.dumps(OVERSIZED).encode())
    row = filled(parsed)
    assert json.loads(row["RawData"]) == OVERSIZED
    assert (row["ResourceArn"], row["MessageType"]) == (ARN, "OversizedConfigurationItemChangeNotification")
    assert json.loads(row["ExtraFields_CF"]) == {"changeType": "UPDATE"}
    assert parsed.entities["action"].to_list() == ["UPDATE"]


@pytest.mark.parametrize("log_format", ["auto", "aws_config"])
@pytest.mark.parametrize("content", [b"", file(), zipped(b"")])
def test_files_without_items_hold_no_record(content, log_format):
    report = parse(content, format=log_format).report
    assert (report.state, report.records) == ("read", 0)


def test_what_is_no_item_is_rejected():
    parsed = parse(file(item(), {"a": 1}, item(configurationItemCaptureTime="never"), 5, item()))
    assert parsed.reasons() == [(1, "not_aws_config"), (2, "no_event_time"), (3, "not_an_object")]


def test_drift_is_flagged():
    parsed = parse(file(item(resourceName=["a"], tags=[{"key": "k"}], awsAccountId=111122223333)))
    row = filled(parsed)
    assert (row["ResourceName"], row["Tags"], row["AccountId"]) == ('["a"]', '[{"key":"k"}]', "111122223333")
    assert "resourceName" in row["_flags"]


@pytest.mark.parametrize(
    "content", [file(item()), file(item())[:120], file(), json.dumps(item()).encode(), json.dumps(OVERSIZED).encode()]
)
def test_it_is_recognised(content):
    found = detect(content)
    assert found.format == "aws_config"
    assert [name for name, confidence, _ in found.considered if confidence >= 0.6] == ["aws_config"]


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.sampled_from([file(item()), json.dumps(change()).encode(), b"]}", b'{"configurationItem":'])
        | st.binary(max_size=40)
    ),
    st.integers(1, 400),
)
def test_any_bytes_are_accounted_for(parts, step):
    parser = PartParser("auto")
    frames = list(parser.frames([an_input(0, file(item(), item()) + b"".join(parts), step=step)]))
    check_account(Parsed(frames, parser.reports, parser.rejects))
