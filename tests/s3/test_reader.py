"""Reading objects: whole or refused, through broken connections, replaced versions and denials."""

import contextlib
import hashlib
import io
import random
from collections.abc import Generator, Iterator
from types import SimpleNamespace

import pytest

from s3sentinel_assets.containers import ReadFailure
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.local.aws import Fault, LocalAws
from s3sentinel_assets.s3.reader import CHUNK_BYTES, WHOLE_BYTES, Breaker, ReadFacts, open_object
from s3sentinel_assets.s3.session import s3_client

SMALL = random.Random(1).randbytes(300_000)
LARGE = random.Random(2).randbytes(WHOLE_BYTES + 2 * CHUNK_BYTES + 12_345)


def opened(bucket, key, etag, version_id=None, facts=None, breaker=None, **access):
    changed = bucket.access.model_copy(update=access)
    return open_object(
        s3_client(changed),
        bucket.name,
        key,
        etag,
        access=changed,
        version_id=version_id,
        facts=facts,
        breaker=breaker,
    )


@contextlib.contextmanager
def requests_of(bucket, **access) -> Iterator[list[dict]]:
    """The parameters of each GetObject request."""
    asked = []
    client = s3_client(bucket.access.model_copy(update=access))
    client.meta.events.register(
        "before-parameter-build.s3.GetObject", lambda params, **_: asked.append(dict(params)), unique_id="spy"
    )
    try:
        yield asked
    finally:
        client.meta.events.unregister("before-parameter-build.s3.GetObject", unique_id="spy")


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
    facts = ReadFacts()
    with requests_of(bucket) as asked:
        assert b"".join(opened(bucket, "k", etag, facts=facts)) == body
    if after < len(body):
        assert len(asked) == 2
        assert asked[1]["IfMatch"] == f'"{etag}"'
        reached = int(asked[1].get("Range", "bytes=0-")[6:-1])
        assert after - CHUNK_BYTES // 8 < reached <= after
        assert (facts.resumed, facts.checked_by) == (1, "crc32+md5")


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
    assert caught.value.state == "broken"
    assert local_aws.faults()[0]["fired"] == 3


class Dripping:
    """A client whose connections end after one byte each."""

    def __init__(self, body: bytes) -> None:
        self.body, self.calls = body, 0

    def get_object(self, **request):
        self.calls += 1
        start = int(request.get("Range", "bytes=0-")[6:-1])
        end = len(self.body) - 1
        range_ = {"ContentRange": f"bytes {start}-{end}/{end + 1}"} if start else {}
        return {"Body": io.BytesIO(self.body[start : start + 1]), "ContentLength": len(self.body) - start, **range_}


def test_a_connection_that_gives_a_byte_at_a_time_ends(bucket) -> None:
    client = Dripping(SMALL)
    with pytest.raises(ReadFailure, match="breaks off at byte 11 of 300000, after 10 other times") as caught:
        list(open_object(client, "b", "k", "opaque", access=bucket.access))
    assert (caught.value.state, client.calls) == ("broken", 11)


def test_a_few_drops_are_put_together(bucket) -> None:
    facts = ReadFacts()
    assert list(open_object(Dripping(b"drops"), "b", "k", "opaque", access=bucket.access, facts=facts)) == [b"drops"]
    assert (facts.resumed, facts.retries, facts.checked_by) == (4, 4, "length")


def test_a_body_that_stalls_is_given_up_and_resumed(bucket, local_aws: LocalAws) -> None:
    etag = bucket.put("k", SMALL)
    local_aws.set_faults(Fault("stalled_body", after_bytes=1_000, times=1))
    facts = ReadFacts()
    assert b"".join(opened(bucket, "k", etag, read_timeout_seconds=0.3, facts=facts)) == SMALL
    assert facts.resumed == 1


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


@pytest.fixture
def versioned(bucket):
    """The bucket keeps versions; ``put_version`` gives ETag and version id."""
    bucket.client.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})

    def put_version(key: str, body: bytes) -> tuple[str, str]:
        response = bucket.client.put_object(Bucket=bucket.name, Key=key, Body=body)
        return response["ETag"].strip('"'), response["VersionId"]

    bucket.put_version = put_version
    return bucket


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("then", ["replaced", "deleted"])
def test_a_version_is_read_though_its_key_is(versioned, local_aws: LocalAws, body, then) -> None:
    etag, version = versioned.put_version("k", body)
    if then == "replaced":
        versioned.put_version("k", b"newer")
    else:
        versioned.client.delete_object(Bucket=versioned.name, Key="k")
    # The first answer, that the key is not what it was, is shorter than that.
    local_aws.set_faults(Fault("broken_body", after_bytes=200_000, times=2))
    facts = ReadFacts()
    with requests_of(versioned) as asked:
        assert b"".join(opened(versioned, "k", etag, version, facts)) == body
    assert (facts.by_version, facts.resumed, facts.checked_by) == (True, 1, "crc32+md5")
    # The current version is asked for first: reading by version needs a permission more.
    assert [request.get("VersionId") for request in asked] == [None, version, version]


def test_a_current_version_is_read_without_its_id(versioned) -> None:
    etag, version = versioned.put_version("k", SMALL)
    facts = ReadFacts()
    with requests_of(versioned) as asked:
        assert b"".join(opened(versioned, "k", etag, version, facts)) == SMALL
    assert (facts.by_version, len(asked)) == (False, 1)


def test_a_version_replaced_in_the_middle_is_read_on(versioned, local_aws: LocalAws) -> None:
    etag, version = versioned.put_version("k", LARGE)
    local_aws.set_faults(Fault("broken_body", after_bytes=CHUNK_BYTES * 2, times=1))
    stream = opened(versioned, "k", etag, version)
    first = next(stream)
    versioned.put_version("k", b"newer")
    assert first + b"".join(stream) == LARGE


def test_a_version_that_is_gone_too_has_vanished(versioned) -> None:
    etag, version = versioned.put_version("k", b"x")
    versioned.client.delete_object(Bucket=versioned.name, Key="k", VersionId=version)
    with pytest.raises(ReadFailure, match=f"its version {version} is gone too") as caught:
        list(opened(versioned, "k", etag, version))
    assert caught.value.state == "vanished"


def test_versions_that_may_not_be_read_name_the_permission(versioned, local_aws: LocalAws) -> None:
    etag, version = versioned.put_version("k", b"x")
    local_aws.set_faults(Fault("no_such_key", times=1), Fault("access_denied"))
    with pytest.raises(ReadFailure, match="allow s3:GetObjectVersion") as caught:
        list(opened(versioned, "k", etag, version))
    assert caught.value.state == "vanished"


@pytest.mark.parametrize(
    ("kind", "state"), [("kms_denied", "kms_denied"), ("archived", "archived"), ("internal_error", "broken")]
)
def test_a_version_may_be_refused_like_any_object(versioned, local_aws: LocalAws, kind, state) -> None:
    etag, version = versioned.put_version("k", b"x")
    local_aws.set_faults(Fault("no_such_key", times=1), Fault(kind))
    with pytest.raises(ReadFailure) as caught:
        list(opened(versioned, "k", etag, version))
    assert caught.value.state == state


def test_a_bucket_without_versions_knows_no_version(bucket) -> None:
    etag = bucket.put("k", b"one")
    bucket.put("k", b"two")
    with pytest.raises(ReadFailure) as caught:
        list(opened(bucket, "k", etag, "3HL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY"))
    assert caught.value.state == "vanished"


@pytest.mark.parametrize(
    ("kind", "state", "words"),
    [
        ("access_denied", "denied", "allow s3:GetObject on it"),
        ("archived", "archived", r"archived \(GLACIER\); restore it \(s3:RestoreObject, 3 to 5 hours"),
        ("archived_tier", "archived", r"\(INTELLIGENT_TIERING, ARCHIVE_ACCESS\); restore it .* moves back by itself"),
        ("internal_error", "broken", "internal error 2 times"),
        ("kms_denied", "kms_denied", "allow kms:Decrypt on the key it is encrypted with"),
        ("kms_disabled", "kms_denied", r"key arn:aws:kms:us-east-1:123456789012:key/[0-9a-e-]+ is disabled; enable"),
        ("kms_missing", "kms_denied", r"key/[0-9a-e-]+ does not exist any more"),
        ("kms_pending_deletion", "kms_denied", "cancel its deletion"),
        ("no_such_key", "vanished", "deleted before it was read"),
        (
            "slow_down",
            "throttled",
            r"S3 throttles \(SlowDown\) and still did at attempt 2; .* lower aws.max_connections",
        ),
    ],
)
def test_a_refused_object_ends_in_its_own_state_with_advice(bucket, local_aws: LocalAws, kind, state, words) -> None:
    etag = bucket.put("dir/kms-logs é.gz", b"x")
    local_aws.set_faults(Fault(kind))
    with pytest.raises(ReadFailure, match=words) as caught:
        list(opened(bucket, "dir/kms-logs é.gz", etag))
    assert caught.value.state == state
    assert caught.value.again == (state != "vanished")
    assert "dir/kms-logs é.gz" in caught.value.reason
    assert "\n" not in caught.value.reason


def test_an_archived_object_is_read_once_it_is_restored(bucket) -> None:
    etag = bucket.put("k", b"x", StorageClass="DEEP_ARCHIVE")
    with pytest.raises(ReadFailure, match=r"archived \(DEEP_ARCHIVE\); restore it \(s3:RestoreObject, up to 12 hours"):
        list(opened(bucket, "k", etag))
    bucket.client.restore_object(Bucket=bucket.name, Key="k", RestoreRequest={"Days": 1})
    facts = ReadFacts()
    assert list(opened(bucket, "k", etag, facts=facts)) == [b"x"]
    assert facts.storage_class == "DEEP_ARCHIVE"


def test_a_missing_bucket_is_not_the_objects_trouble(bucket) -> None:
    with pytest.raises(UserError, match="bucket not-there-at-all does not exist"):
        list(open_object(bucket.client, "not-there-at-all", "k", "e", access=bucket.access))


def test_throttled_objects_in_a_row_stop_the_part(bucket, local_aws: LocalAws) -> None:
    etag = bucket.put("k", b"x")
    local_aws.set_faults(Fault("slow_down"))
    breaker = Breaker(3)
    for _ in range(2):
        with pytest.raises(ReadFailure):
            list(opened(bucket, "k", etag, breaker=breaker))
    with pytest.raises(UserError, match="throttles requests to bucket logs-"):
        list(opened(bucket, "k", etag, breaker=breaker))
    asked = local_aws.faults()[0]["fired"]
    assert asked == 3 * 2
    with pytest.raises(UserError, match="throttles"):
        list(opened(bucket, "k", etag, breaker=breaker))
    assert local_aws.faults()[0]["fired"] == asked  # no more hammering


def test_an_object_that_is_served_forgives_the_throttled_ones(bucket, local_aws: LocalAws) -> None:
    etag = bucket.put("k", b"x")
    breaker = Breaker(2)
    for _ in range(3):
        local_aws.set_faults(Fault("slow_down"))
        with pytest.raises(ReadFailure) as caught:
            list(opened(bucket, "k", etag, breaker=breaker))
        assert caught.value.state == "throttled"
        local_aws.set_faults()
        assert list(opened(bucket, "k", etag, breaker=breaker)) == [b"x"]


def test_an_object_that_is_refused_otherwise_shows_that_s3_answers(bucket, local_aws: LocalAws) -> None:
    etag = bucket.put("k", b"x")
    breaker = Breaker(2)
    for kind, state in (("slow_down", "throttled"), ("access_denied", "denied")) * 2:
        local_aws.set_faults(Fault(kind))
        with pytest.raises(ReadFailure) as caught:
            list(opened(bucket, "k", etag, breaker=breaker))
        assert caught.value.state == state


def test_the_facts_of_an_object(bucket, local_aws: LocalAws) -> None:
    etag = bucket.put("k", SMALL, StorageClass="STANDARD_IA", ServerSideEncryption="AES256")
    local_aws.set_faults(Fault("internal_error", times=1))
    facts = ReadFacts()
    assert b"".join(opened(bucket, "k", etag, facts=facts)) == SMALL
    assert facts == ReadFacts("crc32+md5", "STANDARD_IA", "AES256", retries=1)


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


class Canned:
    """A client that gives the bodies in turn, with a wrong or right number of bytes."""

    def __init__(self, *bodies: bytes, length: int | None = None, **headers: str) -> None:
        self.bodies, self.length, self.headers, self.calls = list(bodies), length, headers, 0

    def get_object(self, **_request):
        body = self.bodies[min(self.calls, len(self.bodies) - 1)]
        self.calls += 1
        return {"Body": io.BytesIO(body), "ContentLength": self.length or len(body), **self.headers}

    def head_object(self, **_request):
        return {"ContentLength": 5 << 20}


GOOD, BAD = b"good bytes", b"bad  bytes"
MD5 = hashlib.md5(GOOD).hexdigest()


def test_damage_is_mended_by_reading_again(bucket) -> None:
    facts = ReadFacts()
    assert list(open_object(Canned(BAD, GOOD), "b", "k", MD5, access=bucket.access, facts=facts)) == [GOOD]
    assert (facts.retries, facts.checked_by) == (1, "md5")


def test_damage_that_stays_is_refused_before_a_byte_is_handed_out(bucket) -> None:
    stream = open_object(Canned(BAD), "b", "k", MD5, access=bucket.access)
    with pytest.raises(ReadFailure, match=f"its ETag is {MD5}") as caught:
        next(stream)
    assert caught.value.state == "broken"


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


@pytest.mark.parametrize(
    ("kind", "words"),
    [("range_ignored", "ignores the Range header"), ("wrong_range", r"answers with 'bytes \d+-\d+/300000'")],
)
def test_a_store_that_answers_with_another_range_is_named(bucket, local_aws: LocalAws, kind, words) -> None:
    etag = bucket.put("k", SMALL)
    local_aws.set_faults(Fault("broken_body", after_bytes=200_000, times=1), Fault(kind))
    with pytest.raises(ReadFailure, match=words) as caught:
        list(opened(bucket, "k", etag))
    assert caught.value.state == "broken"


@pytest.mark.parametrize(
    "given",
    [
        "bytes 4-8/9",  # begins early
        "bytes 5-7/9",  # ends early
        "bytes 5-9/10",  # of a longer object
        "bytes 5-8/8",  # of a shorter one
        "bytes 50-8/9",
        "bytes */9",
        "items 5-8/9",
    ],
)
def test_only_the_rest_of_the_same_object_is_taken(bucket, given) -> None:
    class Client(Canned):
        def get_object(self, **request):
            return super().get_object() | ({"ContentRange": given} if "Range" in request else {})

    with pytest.raises(ReadFailure, match="as S3 does") as caught:
        list(open_object(Client(b"first", b"rest", length=9), "b", "k", "opaque", access=bucket.access))
    assert caught.value.state == "broken"


def test_another_version_is_refused_though_the_store_does_not_know_if_match(bucket) -> None:
    with pytest.raises(ReadFailure, match="replaced by another version") as caught:
        list(open_object(Canned(GOOD, ETag='"other"'), "b", "k", MD5, access=bucket.access))
    assert caught.value.state == "vanished"


def test_a_store_that_tells_no_length_is_named(bucket) -> None:
    class Client(Canned):
        def get_object(self, **request):
            return {"Body": io.BytesIO(GOOD)}

    with pytest.raises(ReadFailure, match="no Content-Length"):
        list(open_object(Client(), "b", "k", MD5, access=bucket.access))


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize(
    ("algorithm", "name"),
    [(name, name.lower()) for name in ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256", "SHA512")]
    + [(name, name.lower()) for name in ("XXHASH64", "XXHASH3", "XXHASH128")],
)
def test_s3s_checksum_is_compared_over_the_whole_object_also_when_resumed(
    bucket, local_aws: LocalAws, body, algorithm, name
) -> None:
    etag = bucket.put("k", body, ChecksumAlgorithm=algorithm)
    local_aws.set_faults(Fault("broken_body", after_bytes=250_001, times=1))
    facts = ReadFacts()
    assert b"".join(opened(bucket, "k", etag, facts=facts)) == body
    assert (facts.checked_by, facts.resumed) == (f"{name}+md5", 1)


@pytest.mark.parametrize("algorithm", ["CRC64NVME", "SHA256"])
def test_a_flipped_byte_is_found_by_s3s_checksum(bucket, local_aws: LocalAws, algorithm) -> None:
    body = SMALL
    # KMS: the ETag proves nothing.
    etag = bucket.put("k", body, ChecksumAlgorithm=algorithm, ServerSideEncryption="aws:kms")
    local_aws.set_faults(Fault("flipped_byte", after_bytes=777, times=1))
    facts = ReadFacts()
    assert b"".join(opened(bucket, "k", etag, facts=facts)) == body
    assert (facts.retries, facts.checked_by, facts.server_side_encryption) == (1, algorithm.lower(), "aws:kms")
    local_aws.set_faults(Fault("flipped_byte", after_bytes=777))
    with pytest.raises(ReadFailure, match=r"S3's checksum is .* the store or the network damages it") as caught:
        next(opened(bucket, "k", etag))
    assert caught.value.state == "broken"


def test_a_flipped_byte_in_a_resumed_range_is_found(bucket, local_aws: LocalAws) -> None:
    etag = bucket.put("k", LARGE, ChecksumAlgorithm="CRC64NVME")
    local_aws.set_faults(
        Fault("broken_body", after_bytes=CHUNK_BYTES, times=1), Fault("flipped_byte", after_bytes=WHOLE_BYTES)
    )
    facts = ReadFacts()
    with pytest.raises(ReadFailure, match="CRC-64/NVME is") as caught:
        list(opened(bucket, "k", etag, facts=facts))
    assert (caught.value.state, facts.checked_by) == ("broken", "")


def test_checksums_are_computed_once_and_by_us(bucket) -> None:
    """Botocore would compute them for each range on its own, which proves nothing of the whole."""
    bucket.put("k", SMALL)
    body = s3_client(bucket.access).get_object(Bucket=bucket.name, Key="k", ChecksumMode="ENABLED")["Body"]
    assert type(body).__name__ == "StreamingBody"
    assert body.read() == SMALL


def upload_parts(bucket, key: str, parts: list[bytes], **options) -> str:
    """Uploads in parts and returns the ETag."""
    client, where = bucket.client, {"Bucket": bucket.name, "Key": key}
    upload = client.create_multipart_upload(**where, **options)["UploadId"]
    algorithm = {"ChecksumAlgorithm": options["ChecksumAlgorithm"]} if "ChecksumAlgorithm" in options else {}
    done = [
        {
            "PartNumber": number,
            "ETag": client.upload_part(**where, UploadId=upload, PartNumber=number, Body=part, **algorithm)["ETag"],
        }
        for number, part in enumerate(parts, 1)
    ]
    response = client.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": done})
    return response["ETag"].strip('"')


PARTS = [random.Random(number).randbytes(5 << 20) for number in range(2)] + [b"the last one"]


@pytest.mark.parametrize(
    ("parts", "options", "proof"),
    [
        (PARTS, {"ChecksumAlgorithm": "CRC64NVME", "ChecksumType": "FULL_OBJECT"}, "crc64nvme"),
        (PARTS, {"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"}, "crc32"),
        # One of the parts' checksums says nothing of the whole; the ETag does where parts are equal.
        (PARTS, {"ChecksumAlgorithm": "SHA256", "ChecksumType": "COMPOSITE"}, "md5-of-parts"),
        (PARTS, {}, "md5-of-parts"),
        (PARTS[2:], {}, "md5-of-parts"),
        ([PARTS[0], PARTS[1] + b"longer"], {}, "length"),
        ([PARTS[0] + b"longer", PARTS[1], PARTS[0]], {}, "length"),
    ],
    ids=["crc64nvme", "crc32", "composite", "none", "single part", "uneven, counted", "uneven"],
)
def test_what_proves_an_object_uploaded_in_parts(bucket, local_aws: LocalAws, parts, options, proof) -> None:
    etag = upload_parts(bucket, "k", parts, **options)
    if sum(map(len, parts)) > 300_000:
        local_aws.set_faults(Fault("broken_body", after_bytes=3_000_003, times=1))
    facts = ReadFacts()
    assert b"".join(opened(bucket, "k", etag, facts=facts)) == b"".join(parts)
    assert facts.checked_by == proof


def test_the_size_of_the_parts_is_no_must(bucket, local_aws: LocalAws) -> None:
    etag = upload_parts(bucket, "k", PARTS)
    local_aws.set_faults(Fault("access_denied", operations=("head",)))
    facts = ReadFacts()
    assert b"".join(opened(bucket, "k", etag, facts=facts)) == b"".join(PARTS)
    assert facts.checked_by == "length"


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
    assert asked == {
        "Bucket": "b",
        "Key": "k",
        "IfMatch": f'"{MD5}"',
        "ChecksumMode": "ENABLED",
        "ExpectedBucketOwner": "012345678901",
    }


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
