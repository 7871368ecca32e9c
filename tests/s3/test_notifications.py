"""Every shape of message is understood, a bad record never spoils its neighbours, and nothing goes away unseen."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.s3.notifications import (
    CLOUDTRAIL_VALIDATION,
    REPEATED,
    SNS_UNSUBSCRIBED,
    TEST_EVENT,
    Message,
    NotifiedObject,
    read_message,
)

HARD_KEY = "AWSLogs/a+b%3D c/é%2F,&=日本 \U0001f600.gz"
ETAG = "0123456789abcdef0123456789abcdef"


def record(key: str = "logs/a.gz", event: str = "ObjectCreated:Put", **found: Any) -> dict[str, Any]:
    """A record of S3; ``key`` as it is in the bucket."""
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "eu-west-1",
        "eventTime": "2026-11-03T10:20:30.456Z",
        "eventName": event,
        "s3": {
            "s3SchemaVersion": "1.0",
            "bucket": {"name": "logs-bucket", "arn": "arn:aws:s3:::logs-bucket"},
            "object": {"key": quote_plus(key, safe="/"), "size": 12, "eTag": ETAG, "sequencer": "0055"} | found,
        },
    }


def of_s3(*records: Any) -> str:
    return json.dumps({"Records": list(records)})


def of_event_bridge(key: str = "logs/a.gz", name: str | None = "Object Created", **detail: Any) -> str:
    event = {
        "version": "0",
        "source": "aws.s3",
        "account": "111122223333",
        "time": "2026-11-03T10:20:30Z",
        "region": "eu-west-1",
        "detail": {
            "bucket": {"name": "logs-bucket"},
            "object": {"key": key, "size": 12, "etag": ETAG, "version-id": "v1"},
            "reason": "PutObject",
        }
        | detail,
    }
    return json.dumps(event if name is None else event | {"detail-type": name})


def sns(message: Any, kind: str = "Notification") -> str:
    return json.dumps({"Type": kind, "TopicArn": "arn:aws:sns:eu-west-1:111122223333:t", "Message": message})


def lambda_of_sqs(*bodies: str) -> str:
    return json.dumps({"Records": [{"eventSource": "aws:sqs", "body": body} for body in bodies]})


def lambda_of_sns(*messages: str) -> str:
    return json.dumps({"Records": [{"EventSource": "aws:sns", "Sns": json.loads(sns(text))} for text in messages]})


def keys(message: Message) -> list[str]:
    return [found.key for found in message.objects]


def nothing_but(message: Message, **expected: Any) -> None:
    """Everything of the message is what was expected; the rest is empty."""
    assert (
        keys(message),
        message.ignored,
        [rejected.reason for rejected in message.rejected],
    ) == (expected.get("keys", []), expected.get("ignored", {}), expected.get("rejected", []))


# shapes


def test_a_record_of_s3_with_all_its_facts() -> None:
    message = read_message(of_s3(record(HARD_KEY, versionId="v1")))
    assert message == Message(
        (
            NotifiedObject(
                bucket="logs-bucket",
                key=HARD_KEY,
                etag=ETAG,
                size=12,
                version_id="v1",
                event_time=datetime(2026, 11, 3, 10, 20, 30, 456000, UTC),
                event="s3:ObjectCreated:Put",
                kind="created",
                account=None,
                region="eu-west-1",
            ),
        ),
        {},
        (),
    )


def test_an_event_of_event_bridge_with_all_its_facts_and_its_key_as_it_is() -> None:
    message = read_message(of_event_bridge(HARD_KEY))
    assert message == Message(
        (
            NotifiedObject(
                bucket="logs-bucket",
                key=HARD_KEY,
                etag=ETAG,
                size=12,
                version_id="v1",
                event_time=datetime(2026, 11, 3, 10, 20, 30, tzinfo=UTC),
                event="Object Created",
                kind="created",
                account="111122223333",
                region="eu-west-1",
            ),
        ),
        {},
        (),
    )


@pytest.mark.parametrize(
    ("encoded", "key"),
    [
        ("noog+nork", "noog nork"),
        ("noog%2bnork", "noog+nork"),
        ("noog%20nork", "noog nork"),
        ("region%3Deu-west-1/a%252Fb", "region=eu-west-1/a%2Fb"),
        ("100%25%zz", "100%%zz"),
        ("caf%C3%A9/%F0%9F%98%80", "café/\U0001f600"),
        ("café", "café"),
    ],
)
def test_keys_of_s3_are_decoded_as_forms_are(encoded: str, key: str) -> None:
    event = record()
    event["s3"]["object"]["key"] = encoded
    assert keys(read_message(of_s3(event))) == [key]


def test_security_lake_leaves_the_kind_of_event_out() -> None:
    (found,) = read_message(of_event_bridge("ext/region=eu-west-1/a.parquet", None, requester="x")).objects
    assert (found.key, found.kind, found.event) == ("ext/region=eu-west-1/a.parquet", "created", "Object Created")
    deleted = read_message(of_event_bridge(name=None, **{"deletion-type": "Permanently Deleted"}))
    nothing_but(deleted, ignored={"Object Deleted": 1})


def test_cloudtrail_names_several_keys_not_encoded() -> None:
    body = sns(json.dumps({"s3Bucket": "trail", "s3ObjectKey": ["AWSLogs/a+b%20c.json.gz", "AWSLogs/d.json.gz"]}))
    message = read_message(body)
    nothing_but(message, keys=["AWSLogs/a+b%20c.json.gz", "AWSLogs/d.json.gz"])
    assert {(found.bucket, found.event, found.etag, found.size) for found in message.objects} == {
        ("trail", "CloudTrail log file delivery", None, None)
    }


@pytest.mark.parametrize("text", ["CloudTrail validation message.", '"CloudTrail validation message."'])
def test_the_validation_message_of_cloudtrail_needs_nothing(text: str) -> None:
    nothing_but(read_message(text), ignored={CLOUDTRAIL_VALIDATION: 1})
    nothing_but(read_message(sns(text)), ignored={CLOUDTRAIL_VALIDATION: 1})


CONFIG_KEY = "AWSLogs/1/Config/eu-west-1/2026/11/3/ConfigHistory/1_Config_AWS::EC2::Volume_1.json.gz"


@pytest.mark.parametrize("name", ["ConfigurationHistoryDeliveryCompleted", "ConfigurationSnapshotDeliveryCompleted"])
def test_config_names_the_key_of_a_delivery(name: str) -> None:
    delivery = {
        "s3Bucket": "config",
        "s3ObjectKey": CONFIG_KEY,
        "messageType": name,
        "notificationCreationTime": "2026-11-03T10:20:30.5Z",
    }
    for body in (sns(json.dumps(delivery)), sns(delivery), json.dumps(delivery)):
        (found,) = read_message(body).objects
        assert (found.bucket, found.key, found.event) == ("config", CONFIG_KEY, f"AWS Config {name}")
        assert found.event_time == datetime(2026, 11, 3, 10, 20, 30, 500000, UTC)


def test_config_names_where_an_oversized_item_lies() -> None:
    place = {"s3DeliverySummary": {"s3BucketLocation": f"config/{CONFIG_KEY}", "errorCode": None}}
    message = read_message(sns(json.dumps({"messageType": "OversizedConfigurationItemChangeNotification"} | place)))
    assert [(found.bucket, found.key) for found in message.objects] == [("config", CONFIG_KEY)]


def test_other_messages_of_config_are_ignored_by_name_and_strange_ones_kept() -> None:
    nothing_but(
        read_message(sns(json.dumps({"messageType": "ComplianceChangeNotification"}))),
        ignored={"AWS Config ComplianceChangeNotification": 1},
    )
    nothing_but(read_message(json.dumps({"messageType": "SomethingElse"})), rejected=["unknown_shape"])


# envelopes


@pytest.mark.parametrize("inner", [of_s3(record()), of_event_bridge()])
@pytest.mark.parametrize(
    "wrap",
    [
        sns,
        lambda text: sns(json.loads(text)),
        lambda_of_sqs,
        lambda_of_sns,
        lambda text: lambda_of_sqs(sns(text)),
        lambda text: lambda_of_sqs(lambda_of_sqs(sns(text))),
        lambda text: sns(sns(sns(sns(text)))),
        json.dumps,
    ],
)
def test_envelopes_are_opened(wrap: Callable[[str], str], inner: str) -> None:
    assert read_message(wrap(inner)) == read_message(inner)


def test_the_test_event_of_s3_needs_nothing_at_any_depth() -> None:
    event = json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"})
    for body in (event, sns(event), lambda_of_sqs(sns(event)), sns(sns(sns(event)))):
        nothing_but(read_message(body), ignored={TEST_EVENT: 1})


def test_a_fifth_envelope_is_not_opened_but_kept() -> None:
    body = of_s3(record())
    for _ in range(5):
        body = sns(body)
    nothing_but(read_message(body), rejected=["too_deep"])
    assert read_message(body).rejected[0].text == body


def test_envelopes_side_by_side_are_all_opened() -> None:
    body = lambda_of_sqs(of_s3(record("a"), record("b")), "junk", sns(of_event_bridge("c")), '{"Event":"s3:TestEvent"}')
    nothing_but(read_message(body), keys=["a", "b", "c"], ignored={TEST_EVENT: 1}, rejected=["not_json"])
    assert json.loads(read_message(body).rejected[0].text)["body"] == "junk"


def test_an_unconfirmed_subscription_is_kept_for_a_person() -> None:
    body = json.dumps({"Type": "SubscriptionConfirmation", "TopicArn": "arn:aws:sns:eu-west-1:1:t", "Token": "x"})
    (rejected,) = read_message(body).rejected
    assert rejected.reason == "subscription_unconfirmed"
    assert "arn:aws:sns:eu-west-1:1:t" in rejected.detail
    nothing_but(read_message(sns("bye", "UnsubscribeConfirmation")), ignored={SNS_UNSUBSCRIBED: 1})


# events


@pytest.mark.parametrize("event", ["Put", "Post", "Copy", "CompleteMultipartUpload"])
@pytest.mark.parametrize("prefix", ["", "s3:"])
def test_all_creations_in_both_spellings(event: str, prefix: str) -> None:
    (found,) = read_message(of_s3(record(event=f"{prefix}ObjectCreated:{event}"))).objects
    assert (found.kind, found.event) == ("created", f"s3:ObjectCreated:{event}")


def test_a_restored_object_is_one() -> None:
    (found,) = read_message(of_s3(record(event="s3:ObjectRestore:Completed"))).objects
    assert found.kind == "restored"
    (found,) = read_message(of_event_bridge(name="Object Restore Completed")).objects
    assert found.kind == "restored"


@pytest.mark.parametrize(
    "event",
    [
        "ObjectRemoved:Delete",
        "ObjectRemoved:DeleteMarkerCreated",
        "ObjectRestore:Post",
        "ObjectRestore:Delete",
        "ReducedRedundancyLostObject",
        "Replication:OperationFailedReplication",
        "Replication:OperationNotTracked",
        "LifecycleExpiration:Delete",
        "LifecycleExpiration:DeleteMarkerCreated",
        "LifecycleTransition",
        "IntelligentTiering",
        "IntelligentTiering:TransitionAccess",
        "ObjectTagging:Put",
        "ObjectAcl:Put",
    ],
)
def test_events_that_are_no_creation_are_ignored_by_name(event: str) -> None:
    body = of_s3(record(event=event), record(event=f"s3:{event}"))
    nothing_but(read_message(body), ignored={f"s3:{event}": 2})


@pytest.mark.parametrize("name", ["Object Deleted", "Object Tags Added", "Object Access Tier Changed"])
def test_events_of_event_bridge_that_are_no_creation_are_ignored_by_name(name: str) -> None:
    nothing_but(read_message(of_event_bridge(name=name)), ignored={name: 1})


@pytest.mark.parametrize("event", ["ObjectRenamed:Put", "", None, 7, "GetObject", "ObjectCreated:Put\nx", "s3:"])
def test_events_nobody_knows_are_kept(event: Any) -> None:
    nothing_but(read_message(of_s3(record(event=event))), rejected=["unknown_event"])


def test_events_of_other_services_are_kept() -> None:
    body = json.dumps(
        {"source": "aws.guardduty", "detail-type": "GuardDuty Finding", "detail": {"object": {"key": "k"}}}
    )
    nothing_but(read_message(body), rejected=["unknown_event"])
    nothing_but(read_message(of_event_bridge(name="Object Renamed")), rejected=["unknown_event"])


# fields


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"eTag": f'"{ETAG}"'}, (ETAG, 12)),
        ({"eTag": ETAG.upper()}, (ETAG, 12)),
        ({"eTag": f'"{ETAG.upper()}-12"'}, (f"{ETAG}-12", 12)),
        ({"eTag": "Not-An-MD5"}, ("Not-An-MD5", 12)),
        ({"eTag": ""}, (None, 12)),
        ({"eTag": '""'}, (None, 12)),
        ({"eTag": None}, (None, 12)),
        ({"eTag": "\ud800"}, (None, 12)),
        ({"size": "34"}, (ETAG, 34)),
        ({"size": 0}, (ETAG, 0)),
        ({"size": None}, (ETAG, None)),
        ({"size": -1}, (ETAG, None)),
        ({"size": True}, (ETAG, None)),
        ({"size": 1.5}, (ETAG, None)),
        ({"size": 1 << 70}, (ETAG, None)),
        ({"size": "²"}, (ETAG, None)),
        ({"size": "9" * 5000}, (ETAG, None)),
    ],
)
def test_etag_and_size_in_all_spellings(given: dict[str, Any], read: tuple[str | None, int | None]) -> None:
    (found,) = read_message(of_s3(record(**given))).objects
    assert (found.etag, found.size) == read


def test_what_is_absent_or_of_the_wrong_kind_does_not_cost_the_object() -> None:
    bare = {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "b"}, "object": {"key": "k"}}}
    (found,) = read_message(of_s3(bare)).objects
    assert found == NotifiedObject("b", "k", None, None, None, None, "s3:ObjectCreated:Put", "created")
    for time in ("yesterday", 7, None, [], "0001-01-01T00:00:00+23:00"):
        (found,) = read_message(of_s3(bare | {"eventTime": time, "awsRegion": {}})).objects
        assert (found.event_time, found.region) == (None, None)


def test_times_are_utc_whatever_their_offset() -> None:
    for text in ("2026-11-03T12:20:30+02:00", "2026-11-03T10:20:30Z", "2026-11-03T10:20:30"):
        (found,) = read_message(of_s3(record() | {"eventTime": text})).objects
        assert found.event_time == datetime(2026, 11, 3, 10, 20, 30, tzinfo=UTC)
        assert found.event_time is not None
        assert found.event_time.tzinfo is UTC


def test_the_null_version_names_nothing_lasting() -> None:
    (found,) = read_message(of_s3(record(versionId="null"))).objects
    assert found.version_id is None


# many records, some bad


def test_one_bad_record_among_good_ones_costs_only_itself() -> None:
    no_key, no_bucket, bad_key = record(), record(), record()
    del no_key["s3"]["object"]["key"]
    del no_bucket["s3"]["bucket"]["name"]
    bad_key["s3"]["object"]["key"] = "%ff%fe"
    strange = {"dynamodb": {"Keys": 1}}
    body = of_s3(record("a"), no_key, record("b"), no_bucket, bad_key, strange, "text", record("c"))
    message = read_message(body)
    nothing_but(
        message,
        keys=["a", "b", "c"],
        rejected=["no_key", "no_bucket", "bad_key", "unknown_record", "unknown_record"],
    )
    assert [json.loads(rejected.text) for rejected in message.rejected] == [no_key, no_bucket, bad_key, strange, "text"]


def test_a_record_named_twice_is_one_object_and_counted() -> None:
    body = of_s3(record("a"), record("a"), record("a", event="ObjectCreated:Copy"), record("a", eTag="other"))
    message = read_message(body)
    nothing_but(message, keys=["a", "a"], ignored={REPEATED: 2})
    assert [found.etag for found in message.objects] == [ETAG, "other"]


@pytest.mark.parametrize("key", ["", None, 7, [], {}, "%00", "\ud800", "a" * 1025, "%C3"])
def test_keys_that_can_be_no_key_are_kept_as_they_came(key: Any) -> None:
    event = record()
    event["s3"]["object"]["key"] = key
    body = of_s3(event)
    message = read_message(body)
    assert (message.objects, message.ignored, len(message.rejected)) == ((), {}, 1)
    assert message.rejected[0].reason in ("no_key", "bad_key")
    assert message.rejected[0].text == body


@pytest.mark.parametrize("bucket", ["", None, 7, "b\n", "b" * 256, "\ud800"])
def test_buckets_that_can_be_no_bucket_are_kept(bucket: Any) -> None:
    event = record()
    event["s3"]["bucket"]["name"] = bucket
    nothing_but(read_message(of_s3(event)), rejected=["no_bucket"])
    nothing_but(read_message(json.dumps({"s3Bucket": bucket, "s3ObjectKey": ["a", "b"]})), rejected=["no_bucket"])


def test_bad_keys_of_cloudtrail_are_kept_one_by_one() -> None:
    message = read_message(json.dumps({"s3Bucket": "b", "s3ObjectKey": ["a", None, "", "c", "a"]}))
    nothing_but(message, keys=["a", "c"], ignored={REPEATED: 1}, rejected=["no_key", "no_key"])
    assert json.loads(message.rejected[0].text) == {"s3Bucket": "b", "s3ObjectKey": None}
    nothing_but(read_message(json.dumps({"s3Bucket": "b", "s3ObjectKey": []})), rejected=["no_key"])
    nothing_but(read_message(json.dumps({"s3Bucket": "b", "s3ObjectKey": 7})), rejected=["no_key"])


# what is no notification


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("hello", "not_json"),
        ("{", "not_json"),
        ('{"Records": [NaN]}', "not_json"),
        ('{"size": -Infinity}', "not_json"),
        ('{"Records": [], "Records": [1]}', "not_json"),
        ('{"a": {"b": 1, "b": 2}}', "not_json"),
        ("[" * 100_000, "not_json"),
        ('{"a":' * 50_000, "not_json"),
        ("9" * 5000, "not_json"),
        ("[" * 300 + "]" * 300, "not_an_object"),
        ("null", "not_an_object"),
        ("7", "not_an_object"),
        ("1e999", "not_an_object"),
        ("[{}]", "not_an_object"),
        ("{}", "unknown_shape"),
        ('{"key": "noog+nork"}', "unknown_shape"),
        ('{"Records": {}}', "unknown_shape"),
        ('{"detail": 7}', "unknown_shape"),
        ('{"Records": []}', "no_records"),
        ('{"Records": [[]]}', "unknown_record"),
        ('{"Records": [{"s3": 7}]}', "unknown_record"),
        ('{"Records": [{"Sns": {}}]}', "unknown_shape"),
        ('{"Type": "Notification", "TopicArn": "t"}', "unknown_shape"),
        ('{"Type": "Notification", "TopicArn": "t", "Message": "hello"}', "not_json"),
        ('{"Type": {}, "TopicArn": []}', "unknown_shape"),
    ],
)
def test_what_is_no_notification_is_kept_whole(body: str, reason: str) -> None:
    message = read_message(body)
    nothing_but(message, rejected=[reason])
    assert message.rejected[0].text == body


def test_half_surrogates_are_kept_in_a_form_that_can_be_stored() -> None:
    (rejected,) = read_message("no \ud800 json \0").rejected
    assert rejected.text == "no \\ud800 json \0"


def test_a_message_of_nothing_but_bad_records_is_kept_once_whole() -> None:
    body = lambda_of_sqs(*["x" * 50] * 500, of_s3(record("good")))
    message = read_message(body)
    assert keys(message) == ["good"]
    assert [rejected.reason for rejected in message.rejected] == ["not_json"] * 100 + ["many_rejected"]
    assert message.rejected[-1].text == body
    assert message.rejected[-1].detail.startswith("400 further records")
    assert sum(len(rejected.text) for rejected in message.rejected) < 2 * len(body)


# any text at all


def stays_accountable(body: str) -> None:
    message = read_message(body)
    assert message.objects or message.ignored or message.rejected
    assert all(count > 0 for count in message.ignored.values())
    for found in message.objects:
        assert found.bucket
        assert 0 < len(found.key.encode()) <= 1024
        assert "\0" not in found.key
    for rejected in message.rejected:
        assert rejected.reason.isidentifier()
        assert rejected.text.encode() is not None
        assert rejected.detail.isprintable()
        assert len(rejected.detail) < 400


@given(st.text())
def test_any_text_is_accounted_for(body: str) -> None:
    stays_accountable(body)


_WORDS = (
    "Notification",
    "aws.s3",
    "Object Created",
    "ObjectCreated:Put",
    TEST_EVENT,
    "k",
    "%ff",
    "{}",
    "null",
    "\ud800",
)
_TEXTS = st.text(max_size=8) | st.sampled_from(_WORDS)
_NAMES = st.sampled_from(
    (
        *("Records", "s3", "object", "key", "bucket", "name", "eventName", "eventTime", "size", "eTag", "versionId"),
        *("Type", "TopicArn", "Message", "Sns", "body", "detail", "source", "detail-type", "time", "Event"),
        *("s3Bucket", "s3ObjectKey", "messageType", "s3DeliverySummary", "s3BucketLocation"),
    )
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_NAMES | _TEXTS, inner, max_size=6),
    max_leaves=25,
)


@settings(max_examples=300)
@given(_JSON, st.booleans())
def test_any_json_is_accounted_for(value: Any, wrapped: bool) -> None:
    body = json.dumps(value)
    stays_accountable(sns(body) if wrapped else body)


@settings(max_examples=200)
@given(st.lists(st.fixed_dictionaries({"eventName": _TEXTS, "s3": _JSON}) | _JSON, max_size=5), st.integers(0, 4))
def test_records_of_any_content_leave_a_good_neighbour_alone(records: list[Any], place: int) -> None:
    records.insert(place, record("the good one"))
    body = of_s3(*records)
    if "NaN" not in body and "Infinity" not in body:
        assert "the good one" in keys(read_message(body))
    stays_accountable(body)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=250))
def test_any_key_survives_the_encoding_of_s3_and_the_lack_of_it(key: str) -> None:
    assert keys(read_message(of_s3(record(key)))) == [key]
    assert keys(read_message(of_event_bridge(key))) == [key]


# messages of others


def _shared_cases(shared_dir: Path) -> list[dict[str, Any]]:
    file = shared_dir / "data/formats/s3_events/cases.jsonl"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_collated_messages_of_other_projects_come_out_right(shared_dir: Path) -> None:
    cases = _shared_cases(shared_dir)
    assert len(cases) > 20
    for case in cases:
        if case["kind"] == "key_decode":
            event = record()
            event["s3"]["object"]["key"] = case["body"]
            assert keys(read_message(of_s3(event))) == [case["expected_key"]], case
            continue
        message = read_message(case["body"])
        named = [[found.bucket, found.key] for found in message.objects]
        if case["kind"] == "other":
            assert [rejected.reason for rejected in message.rejected] == ["unknown_shape"], case
        elif any(word in case["body"] for word in ("LifecycleTransition", "Replication:", "IntelligentTiering:")):
            assert (named, sum(message.ignored.values())) == ([], len(case["expected_objects"])), case
        else:
            assert named == case["expected_objects"], case
            assert not message.rejected, case


def test_events_of_lambda_functions_are_opened(shared_dir: Path) -> None:
    folder = shared_dir / "data/formats/s3_events"
    for name in ("datadog_sqs_s3.json", "datadog_sqs_sns_s3.json"):
        assert keys(read_message((folder / name).read_text(encoding="utf-8"))) == ["my-key.log"], name
    for name in ("lambda_go_sqs-event.json", "lambda_go_sns-event.json"):
        nothing_but(read_message((folder / name).read_text(encoding="utf-8")), rejected=["not_json"])
