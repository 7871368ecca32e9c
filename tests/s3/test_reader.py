"""Reading objects: whole or refused, through broken connections, replaced versions and denials."""

import hashlib
import random
from collections.abc import Generator
from types import SimpleNamespace

import pytest

from s3sentinel_assets.containers import ReadFailure
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.local.aws import Fault, LocalAws
from s3sentinel_assets.s3.reader import CHUNK_BYTES, WHOLE_BYTES, open_object
from s3sentinel_assets.s3.session import s3_client

SMALL = random.Random(1).randbytes(300_000)
LARGE = random.Random(2).randbytes(WHOLE_BYTES + 2 * CHUNK_BYTES + 12_345)


def opened(bucket, key, etag, **access):
    changed = bucket.access.model_copy(update=access)
    return open_object(s3_client(changed), bucket.name, key, etag, access=changed)


@pytest.mark.parametrize("body", [b"", b"x", SMALL, LARGE], ids=["empty", "byte", "small", "large"])
def test_all_bytes_in_order(bucket, body) -> None:
    etag = bucket.put("a/key with+%2B é.gz", body)
    chunks = list(opened(bucket, "a/key with+%2B é.gz", etag))
    assert b"".join(chunks) == body
    assert all(len(chunk) == CHUNK_BYTES for chunk in chunks[:-1])


def test_stored_bytes_are_not_decoded_whatever_the_headers_say(bucket) -> None:
    import gzip

    body = gzip.compress(b"text" * 100)
    etag = bucket.put("k", body, ContentEncoding="gzip")
    assert b"".join(opened(bucket, "k", etag)) == body


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("after", [0, 1, 100_000, CHUNK_BYTES + 7])
def test_a_broken_connection_is_resumed_at_the_byte_reached(bucket, local_aws: LocalAws, body, after) -> None:
    etag = bucket.put("k", body)
    local_aws.set_faults(Fault("broken_body", after_bytes=after, times=1))
    ranges = []
    client = s3_client(bucket.access)
    client.meta.events.register(
        "before-parameter-build.s3.GetObject", lambda params, **_: ranges.append(dict(params)), unique_id="spy"
    )
    try:
        assert b"".join(opened(bucket, "k", etag)) == body
    finally:
        client.meta.events.unregister("before-parameter-build.s3.GetObject", unique_id="spy")
    if after < len(body):
        assert len(ranges) == 2
        assert ranges[1]["IfMatch"] == f'"{etag}"'
        reached = int(ranges[1].get("Range", "bytes=0-")[6:-1])
        assert after - CHUNK_BYTES < reached <= after


def test_a_connection_that_keeps_breaking_makes_progress(bucket, local_aws: LocalAws) -> None:
    etag = bucket.put("k", LARGE)
    local_aws.set_faults(Fault("broken_body", after_bytes=CHUNK_BYTES + 1))
    assert b"".join(opened(bucket, "k", etag)) == LARGE
    assert local_aws.faults()[0]["fired"] > 3


def test_a_connection_that_breaks_at_one_place_ends_after_bounded_attempts(bucket, local_aws: LocalAws) -> None:
    etag = bucket.put("k", SMALL)
    local_aws.set_faults(Fault("broken_body", after_bytes=0))
    with pytest.raises(ReadFailure, match="breaks off at byte 0 of 300000, 3 times") as caught:
        list(opened(bucket, "k", etag, max_attempts=3))
    assert caught.value.state == "denied"
    assert local_aws.faults()[0]["fired"] == 3


def test_a_body_that_stalls_is_given_up_and_resumed(bucket, local_aws: LocalAws) -> None:
    etag = bucket.put("k", SMALL)
    local_aws.set_faults(Fault("stalled_body", after_bytes=1_000, times=1))
    assert b"".join(opened(bucket, "k", etag, read_timeout_seconds=0.3)) == SMALL


def test_gone_and_replaced_objects(bucket) -> None:
    etag = bucket.put("k", b"one")
    with pytest.raises(ReadFailure, match="deleted before it was read") as caught:
        list(opened(bucket, "other", etag))
    assert caught.value.state == "vanished"
    bucket.put("k", b"two")
    with pytest.raises(ReadFailure, match="replaced by another version") as caught:
        list(opened(bucket, "k", etag))
    assert caught.value.state == "vanished"


def test_replaced_in_the_middle(bucket, local_aws: LocalAws) -> None:
    etag = bucket.put("k", LARGE)
    local_aws.set_faults(Fault("broken_body", after_bytes=CHUNK_BYTES * 2, times=1))
    stream = opened(bucket, "k", etag)
    next(stream)
    bucket.put("k", b"new")
    with pytest.raises(ReadFailure, match="replaced"):
        list(stream)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("access_denied", "allow s3:GetObject"),
        ("kms_denied", "allow kms:Decrypt"),
        ("internal_error", "internal error 2 times"),
    ],
)
def test_refusals_of_one_object(bucket, local_aws: LocalAws, kind, words) -> None:
    etag = bucket.put("dir/kms-logs é.gz", b"x")
    local_aws.set_faults(Fault(kind))
    with pytest.raises(ReadFailure, match=words) as caught:
        list(opened(bucket, "dir/kms-logs é.gz", etag))
    assert caught.value.state == "denied"
    assert "dir/kms-logs é.gz" in caught.value.reason
    assert "\n" not in caught.value.reason


def test_an_archived_object(bucket) -> None:
    etag = bucket.put("k", b"x", StorageClass="GLACIER")
    with pytest.raises(ReadFailure, match=r"archived.*restore it") as caught:
        list(opened(bucket, "k", etag))
    assert caught.value.state == "denied"


def test_a_missing_bucket_is_not_the_objects_trouble(bucket) -> None:
    with pytest.raises(UserError, match="bucket not-there-at-all does not exist"):
        list(open_object(bucket.client, "not-there-at-all", "k", "e", access=bucket.access))


def test_throttling_is_not_the_objects_trouble(bucket, local_aws: LocalAws) -> None:
    etag = bucket.put("k", b"x")
    local_aws.set_faults(Fault("slow_down"))
    with pytest.raises(UserError, match="throttles"):
        list(opened(bucket, "k", etag, max_attempts=1))


def test_an_unreachable_endpoint(bucket) -> None:
    with pytest.raises(UserError, match=r"http://127\.0\.0\.1:1 cannot be reached"):
        list(opened(bucket, "k", "e", endpoint_url="http://127.0.0.1:1", max_attempts=1))


def test_expired_credentials_are_not_the_objects_trouble(bucket) -> None:
    with pytest.raises(UserError, match="have expired"):
        list(open_object(Refusing("ExpiredToken"), bucket.name, "k", "e", access=bucket.access))


class Refusing:
    """A client that refuses every request with one code."""

    def __init__(self, code: str, message: str = "") -> None:
        self.code, self.message = code, message

    def get_object(self, **_request):
        from botocore.exceptions import ClientError

        raise ClientError({"Error": {"Code": self.code, "Message": self.message}}, "GetObject")


@pytest.mark.parametrize(
    ("code", "message", "words"),
    [
        ("KMS.DisabledException", "arn:aws:kms:eu-west-1:111122223333:key/ab-cd is disabled.", "key/ab-cd, and see"),
        (
            "AccessDenied",
            "not authorized to perform: kms:Decrypt on resource: arn:aws:kms:us-east-1:1:key/k, x",
            "key/k, and",
        ),
        ("AccessDenied", "not authorized: s3:GetObject on arn:aws:s3:::kms-logs/x", "allow s3:GetObject"),
    ],
)
def test_denials_name_the_permission_and_the_key(bucket, code, message, words) -> None:
    with pytest.raises(ReadFailure, match=words):
        list(open_object(Refusing(code, message), "b", "k", "e", access=bucket.access))


class Canned:
    """A client that gives the bodies in turn, with a wrong or right number of bytes."""

    def __init__(self, *bodies: bytes, length: int | None = None, **headers: str) -> None:
        self.bodies, self.length, self.headers, self.calls = list(bodies), length, headers, 0

    def get_object(self, **_request):
        import io

        body = self.bodies[min(self.calls, len(self.bodies) - 1)]
        self.calls += 1
        return {"Body": io.BytesIO(body), "ContentLength": self.length or len(body), **self.headers}


GOOD, BAD = b"good bytes", b"bad  bytes"
MD5 = hashlib.md5(GOOD).hexdigest()


def test_damage_is_mended_by_reading_again(bucket) -> None:
    assert list(open_object(Canned(BAD, GOOD), "b", "k", MD5, access=bucket.access)) == [GOOD]


def test_damage_that_stays_is_refused_before_a_byte_is_handed_out(bucket) -> None:
    stream = open_object(Canned(BAD), "b", "k", MD5, access=bucket.access)
    with pytest.raises(ReadFailure, match=f"its ETag is {MD5}"):
        next(stream)


def test_damage_of_a_large_object_is_found_at_its_end(bucket) -> None:
    etag = hashlib.md5(LARGE).hexdigest()
    received = []
    with pytest.raises(ReadFailure, match="its ETag is"):
        for chunk in open_object(Canned(LARGE[:-1] + b"?"), "b", "k", etag, access=bucket.access):
            received.append(chunk)
    assert sum(map(len, received)) == len(LARGE)


@pytest.mark.parametrize(
    ("etag", "headers"),
    [
        (MD5 + "-2", {}),
        (MD5, {"ServerSideEncryption": "aws:kms"}),
        (MD5, {"ServerSideEncryption": "aws:kms:dsse"}),
        (MD5, {"SSECustomerAlgorithm": "AES256"}),
        (MD5, {"StorageClass": "EXPRESS_ONEZONE"}),
        ("opaque", {}),
    ],
)
def test_an_etag_that_is_no_md5_is_not_taken_for_one(bucket, etag, headers) -> None:
    assert list(open_object(Canned(BAD, **headers), "b", "k", etag, access=bucket.access)) == [BAD]


def test_too_many_bytes(bucket) -> None:
    with pytest.raises(ReadFailure, match="10 bytes came where 4 were announced"):
        list(open_object(Canned(GOOD, length=4), "b", "k", "opaque", access=bucket.access))


def test_a_store_that_ignores_ranges_is_named(bucket) -> None:
    with pytest.raises(ReadFailure, match="ignores the Range header") as caught:
        list(open_object(Canned(GOOD, length=20), "b", "k", "opaque", access=bucket.access))
    assert caught.value.state == "denied"


def test_giving_up_early_frees_the_connection(bucket) -> None:
    etag = bucket.put("k", LARGE)
    one = bucket.access.model_copy(update={"max_connections": 1})
    client = s3_client(one)
    for _ in range(3):
        stream = open_object(client, bucket.name, "k", etag, access=one)
        next(stream)
        assert isinstance(stream, Generator)
        stream.close()
    assert b"".join(open_object(client, bucket.name, "k", etag, access=one)) == LARGE


def test_the_bucket_owner_is_asked_for() -> None:
    asked = {}

    class Client(Canned):
        def get_object(self, **request):
            asked.update(request)
            return super().get_object()

    from s3sentinel_assets.config import AwsAccess

    access = AwsAccess(expected_bucket_owner="012345678901")
    list(open_object(Client(GOOD), "b", "k", MD5, access=access))
    assert asked == {"Bucket": "b", "Key": "k", "IfMatch": f'"{MD5}"', "ExpectedBucketOwner": "012345678901"}


def test_back_off_doubles_and_is_bounded(monkeypatch) -> None:
    from s3sentinel_assets.config import AwsAccess
    from s3sentinel_assets.s3 import reader

    waits = []
    monkeypatch.setattr(reader, "time", SimpleNamespace(sleep=waits.append))
    monkeypatch.setattr(reader.random, "uniform", lambda low, high: high)
    access = AwsAccess(max_attempts=9, backoff_seconds=1)
    with pytest.raises(ReadFailure):
        list(open_object(Canned(BAD), "b", "k", MD5, access=access))
    assert waits == [1, 2, 4, 8, 16, 20, 20, 20]
