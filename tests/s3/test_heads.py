"""Asking S3 about single keys gives what a listing gives, and a key that cannot be had stops no other."""

import base64
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from s3sentinel_assets.config import AwsAccess
from s3sentinel_assets.containers import ReadFailure
from s3sentinel_assets.errors import ConfigurationError, UserError
from s3sentinel_assets.local.aws import Fault, LocalAws
from s3sentinel_assets.s3.heads import describe_objects
from s3sentinel_assets.s3.listing import ListedObject, list_objects
from s3sentinel_assets.s3.session import s3_client

WHEN = "2026-11-03T00:05:06Z"
DAY = datetime(2026, 11, 3, tzinfo=UTC)


def described(bucket: Any, *keys: str, workers: int = 2, **access: Any) -> list[tuple[str, ListedObject | ReadFailure]]:
    changed = bucket.access.model_copy(update=access)
    return list(describe_objects(bucket.client, bucket.name, keys, access=changed, workers=workers))


def failure(found: tuple[str, ListedObject | ReadFailure]) -> tuple[str, str]:
    """State and reason; the key is named in the reason."""
    key, answer = found
    assert isinstance(answer, ReadFailure)
    assert key in answer.reason
    return answer.state, answer.reason


@pytest.fixture
def listings(bucket: Any) -> Iterator[list[str]]:
    """The listings that are asked for, while the test runs."""
    asked: list[str] = []

    def note(params: Any, **_: Any) -> None:
        asked.append(params["url_path"])

    events = bucket.client.meta.events
    events.register("before-call.s3.ListObjectsV2", note)
    yield asked
    events.unregister("before-call.s3.ListObjectsV2", note)


KEYS = ["p/a+b%3D c/é.gz", "p/tab\t.gz", "p/%2F percent %zz.gz", "p/日本語 \U0001f600.gz", "p//double/slash", "p/plain"]


def test_the_same_facts_as_the_listing_gives(bucket: Any) -> None:
    for number, key in enumerate(KEYS):
        storage = {"StorageClass": "GLACIER"} if number == 1 else {}
        bucket.put(key, b"x" * number, last_modified=WHEN, **storage)
    upload = bucket.client.create_multipart_upload(Bucket=bucket.name, Key="p/parts")["UploadId"]
    part = bucket.client.upload_part(Bucket=bucket.name, Key="p/parts", UploadId=upload, PartNumber=1, Body=b"part")
    bucket.client.complete_multipart_upload(
        Bucket=bucket.name,
        Key="p/parts",
        UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
    )
    listed = {
        entry.key: entry
        for entry in list_objects(
            bucket.client,
            bucket.source("p/"),
            bucket.access,
            first=DAY,
            last=DAY + timedelta(hours=1),
            look_back=timedelta(0),
        )
    }
    assert set(listed) == {*KEYS, "p/parts"}
    assert dict(described(bucket, *listed)) == listed
    assert listed["p/parts"].etag.endswith("-1")
    assert {entry.storage_class for entry in listed.values()} == {"STANDARD", "GLACIER"}


def test_what_is_there_now_counts_not_what_was_announced(bucket: Any) -> None:
    bucket.put("key", b"old")
    etag = bucket.put("key", b"newer", last_modified=WHEN)
    ((_, found),) = described(bucket, "key")
    assert found == ListedObject(bucket.name, "key", etag, 5, datetime(2026, 11, 3, 0, 5, 6, tzinfo=UTC), "STANDARD")
    assert isinstance(found, ListedObject)
    assert found.last_modified.tzinfo is UTC


def test_answers_come_in_the_order_of_the_keys(bucket: Any) -> None:
    names = [f"key {number}" for number in range(40)]
    for name in names:
        bucket.put(name, name.encode())
    asked = [*reversed(names), "missing", *names]
    found = described(bucket, *asked, workers=8)
    assert [key for key, _ in found] == asked
    assert [answer.size for key, answer in found if isinstance(answer, ListedObject)] == [
        len(key) for key in asked if key != "missing"
    ]
    assert described(bucket) == []


def test_keys_are_taken_as_they_are_needed(bucket: Any) -> None:
    bucket.put("key")
    taken = 0

    def keys() -> Iterator[str]:
        nonlocal taken
        for _ in range(1_000):
            taken += 1
            yield "key"

    answers = describe_objects(bucket.client, bucket.name, keys(), access=bucket.access, workers=2)
    for _ in range(3):
        next(answers)
    assert taken <= 2 * 4 + 3
    answers.close()  # pyright: ignore[reportAttributeAccessIssue]


# one key


def test_a_missing_key_stops_no_other_and_the_bucket_is_asked_once(bucket: Any, listings: list[str]) -> None:
    bucket.put("there")
    found = described(bucket, "gone", "there", "gone too", workers=1)
    assert failure(found[0])[0] == "vanished"
    assert isinstance(found[1][1], ListedObject)
    assert failure(found[2])[0] == "vanished"
    assert len(listings) == 1


def test_a_delete_marker_is_a_missing_key(bucket: Any) -> None:
    bucket.client.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
    bucket.put("key")
    bucket.client.delete_object(Bucket=bucket.name, Key="key")
    (found,) = described(bucket, "key")
    assert failure(found)[0] == "vanished"


@pytest.mark.parametrize("may_list", [True, False])
def test_a_denied_key_stops_no_other(bucket: Any, local_aws: LocalAws, listings: list[str], may_list: bool) -> None:
    bucket.put("secret")
    bucket.put("open")
    hit = ("head",) if may_list else ("head", "list")
    local_aws.set_faults(Fault("access_denied", keys="secret*", buckets=bucket.name, operations=hit))
    found = described(bucket, "secret", "open", "secret 2", workers=1)
    state, reason = failure(found[0])
    assert state == "denied"
    assert "allow s3:GetObject" in reason
    assert "s3:ListBucket on the bucket, without which S3 says so of missing objects too" in reason
    assert isinstance(found[1][1], ListedObject)
    assert failure(found[2])[0] == "denied"
    assert len(listings) == 1


def test_an_object_of_another_owner_than_expected_is_denied(bucket: Any) -> None:
    bucket.put("key")
    (found,) = described(bucket, "key", expected_bucket_owner="999999999999")
    assert failure(found)[0] == "denied"


def test_an_object_with_a_customers_key(bucket: Any, tmp_path: Path) -> None:
    key = os.urandom(32)
    bucket.put("locked", b"four", SSECustomerAlgorithm="AES256", SSECustomerKey=key)
    bucket.put("open")
    first, second = described(bucket, "locked", "open", workers=1)
    state, reason = failure(first)
    assert state == "denied"
    assert "SSE-C" in reason
    assert "aws.sse_customer_key_file" in reason
    assert isinstance(second[1], ListedObject)
    (tmp_path / "key").write_bytes(base64.b64encode(key))
    ((_, found),) = described(bucket, "locked", sse_customer_key_file=tmp_path / "key")
    assert isinstance(found, ListedObject)
    assert found.size == 4
    with pytest.raises(ConfigurationError, match="sse_customer_key_file"):
        described(bucket, "locked", sse_customer_key_file=tmp_path / "none")


def test_trouble_inside_s3_is_of_that_key(bucket: Any, local_aws: LocalAws) -> None:
    bucket.put("broken")
    bucket.put("whole")
    local_aws.set_faults(Fault("internal_error", keys="broken", buckets=bucket.name, operations=("head",)))
    first, second = described(bucket, "broken", "whole", workers=1)
    assert failure(first)[0] == "broken"
    assert isinstance(second[1], ListedObject)


def test_a_throttled_key_stops_no_other(bucket: Any, local_aws: LocalAws) -> None:
    names = ["slow 1", "slow 2", "fast", "slow 3", "slow 4"]
    for name in names:
        bucket.put(name)
    local_aws.set_faults(Fault("slow_down", keys="slow*", buckets=bucket.name, operations=("head",)))
    found = described(bucket, *names, workers=1)
    assert [failure(entry)[0] for entry in found if entry[0] != "fast"] == ["throttled"] * 4


# everything


def test_key_after_key_throttled_ends_it(bucket: Any, local_aws: LocalAws) -> None:
    for number in range(20):
        bucket.put(f"slow {number}")
    local_aws.set_faults(Fault("slow_down", keys="slow*", buckets=bucket.name, operations=("head",)))
    with pytest.raises(UserError, match=f"S3 throttles requests to bucket {bucket.name}"):
        described(bucket, *(f"slow {number}" for number in range(20)), workers=1)
    (report,) = local_aws.faults()
    assert report["fired"] <= (3 + 4) * bucket.access.max_attempts


def test_a_missing_bucket_is_no_missing_key(bucket: Any) -> None:
    with pytest.raises(UserError, match="bucket no-such-bucket does not exist"):
        list(describe_objects(bucket.client, "no-such-bucket", ["a", "b"], access=bucket.access))


def test_a_server_that_is_not_there(bucket: Any) -> None:
    access = bucket.access.model_copy(update={"endpoint_url": "http://127.0.0.1:1", "max_attempts": 1})
    with pytest.raises(UserError, match="cannot be reached"):
        list(describe_objects(s3_client(access), "logs", ["a"], access=access))


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (400, "ExpiredToken", "have expired"),
        (403, "InvalidAccessKeyId", "does not accept the credentials"),
        (403, "SignatureDoesNotMatch", "does not accept the credentials"),
        (403, "RequestTimeTooSkewed", "clock of this machine"),
        (404, "NoSuchBucket", "does not exist"),
    ],
)
def test_what_a_bare_status_hides_the_bucket_tells(status: int, code: str, words: str) -> None:
    client = boto3.client("s3", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(client) as stubber:
        stubber.add_client_error("head_object", str(status), http_status_code=status)
        stubber.add_client_error(
            "list_objects_v2",
            code,
            http_status_code=status,
            expected_params={"Bucket": "logs", "Prefix": "k", "MaxKeys": 1},
        )
        with pytest.raises(UserError, match=words):
            list(describe_objects(client, "logs", ["k"], access=AwsAccess(region="eu-west-1"), workers=1))
        stubber.assert_no_pending_responses()


def answering(heads: dict[str, int], verdicts: list[str | None], seconds: float) -> tuple[Any, Any, list[str]]:
    """A client whose heads fail with a bare status and whose listings with a code, each listing with the next one.

    Returns:
        The client, a clock that moves on by so many seconds with each head, and the keys that were listed.
    """
    client = boto3.client("s3", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
    now, listed = 0.0, []

    def head(params: Any, **_: Any) -> Any:
        nonlocal now
        now += seconds
        status = heads[params["url_path"].rpartition("/")[2]]
        answer = {"Error": {"Code": str(status)}, "ResponseMetadata": {"HTTPStatusCode": status}}
        return SimpleNamespace(status_code=status), answer

    def listing(params: Any, **_: Any) -> Any:
        listed.append(params["query_string"]["prefix"])
        code = verdicts[min(len(listed), len(verdicts)) - 1]
        status = 400 if code else 200
        error = {"Error": {"Code": code}} if code else {}
        return SimpleNamespace(status_code=status), {**error, "ResponseMetadata": {"HTTPStatusCode": status}}

    client.meta.events.register("before-call.s3.HeadObject", head)
    client.meta.events.register("before-call.s3.ListObjectsV2", listing)
    return client, lambda: now, listed


@pytest.mark.parametrize(
    ("status", "code", "words"), [(400, "ExpiredToken", "have expired"), (403, "InvalidToken", "does not accept")]
)
def test_credentials_that_end_in_between_are_no_trouble_of_a_key(status: int, code: str, words: str) -> None:
    heads = {"gone": 404, "ended": status}
    client, clock, listed = answering(heads, [None, code], seconds=5)
    answers = describe_objects(client, "logs", heads, access=AwsAccess(region="eu-west-1"), workers=1, clock=clock)
    with pytest.raises(UserError, match=words):
        list(answers)
    assert listed == ["gone", "ended"]


@pytest.mark.parametrize(("seconds", "listings"), [(0.01, 1), (1, 7), (60, 12)])
def test_many_refused_keys_ask_the_bucket_now_and_then_and_not_for_ever(seconds: float, listings: int) -> None:
    heads = {f"locked-{number}": 400 for number in range(20)}
    client, clock, listed = answering(heads, [None], seconds)
    access = AwsAccess(region="eu-west-1")
    found = list(describe_objects(client, "logs", heads, access=access, workers=1, clock=clock))
    assert {failure(entry)[0] for entry in found} == {"denied"}
    assert len(listed) == listings


def test_missing_keys_do_not_ask_the_bucket_again() -> None:
    heads = {f"gone-{number}": 404 for number in range(20)}
    client, clock, listed = answering(heads, [None], seconds=60)
    list(describe_objects(client, "logs", heads, access=AwsAccess(region="eu-west-1"), workers=1, clock=clock))
    assert listed == ["gone-0"]


@pytest.mark.parametrize(
    ("status", "state"),
    [(400, "denied"), (403, "denied"), (404, "vanished"), (405, "vanished"), (412, "denied"), (418, "denied")],
)
def test_no_single_key_can_end_it_where_the_bucket_answers(status: int, state: str) -> None:
    client = boto3.client("s3", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(client) as stubber:
        stubber.add_client_error("head_object", str(status), http_status_code=status)
        stubber.add_response("list_objects_v2", {"KeyCount": 0}, {"Bucket": "logs", "Prefix": "k", "MaxKeys": ANY})
        (found,) = describe_objects(client, "logs", ["k"], access=AwsAccess(region="eu-west-1"), workers=1)
    assert failure(found)[0] == state


def test_a_bucket_elsewhere_is_for_the_user() -> None:
    client = boto3.client("s3", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(client) as stubber:
        stubber.add_client_error("head_object", "301", http_status_code=301)
        with pytest.raises(UserError, match="bucket logs is not in region eu-west-1"):
            list(describe_objects(client, "logs", ["k"], access=AwsAccess(region="eu-west-1"), workers=1))


def test_a_role_that_cannot_be_assumed_is_for_the_user() -> None:
    role = "arn:aws:iam::111122223333:role/reader"
    client = boto3.client("s3", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")

    def refuse(**_: Any) -> None:
        raise client.exceptions.ClientError({"Error": {"Code": "AccessDenied"}}, "AssumeRole")

    client.meta.events.register("before-call.s3.HeadObject", refuse)
    with pytest.raises(UserError, match="cannot be assumed; allow sts:AssumeRole"):
        list(describe_objects(client, "logs", ["k"], access=AwsAccess(role_arn=role), workers=1))
