import datetime
import hashlib
import json
import signal
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError, IncompleteReadError, ReadTimeoutError, ResponseStreamingError

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.local.aws import Fault, LocalAws, start_aws

BUCKET = "logs-bucket"
INSTANT = "2026-11-23T13:05:06Z"
ONCE = Config(retries={"total_max_attempts": 1})
ODD_KEYS = [
    "a b/c.gz",
    "a+b%3D c/é.gz",
    "a%2Bb",
    "x%20y",
    "ä/ß?q=1&r#frag",
    "日本/€.gz",
    "a//b",
    "c/./d",
    "semi;colon,comma",
    "e\u0301 decomposed",
]


@pytest.fixture(scope="module")
def shared_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    with start_aws(tmp_path_factory.mktemp("aws")) as local:
        local.client().create_bucket(Bucket=BUCKET)
        yield local


@pytest.fixture
def aws(shared_aws: LocalAws) -> Iterator[LocalAws]:
    yield shared_aws
    shared_aws.set_faults()


def _put(aws: LocalAws, key: str, body: bytes, when: str = INSTANT) -> None:
    aws.client().put_object(Bucket=BUCKET, Key=key, Body=body, Metadata={"local-last-modified": when})


def _code(error: pytest.ExceptionInfo[ClientError]) -> tuple[int, str]:
    response = error.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]  # pyright: ignore[reportTypedDictNotRequiredAccess]


def test_seeded_objects_report_their_instant_and_list_in_pages(aws: LocalAws) -> None:
    for index in range(7):
        _put(aws, f"pages/{index}", b"x" * index)
    pages = list(
        aws.client()
        .get_paginator("list_objects_v2")
        .paginate(Bucket=BUCKET, Prefix="pages/", PaginationConfig={"PageSize": 3})
    )
    found = [entry for page in pages for entry in page["Contents"]]
    assert [len(page["Contents"]) for page in pages] == [3, 3, 1]
    assert [entry["Size"] for entry in found] == list(range(7))
    assert {entry["LastModified"] for entry in found} == {
        datetime.datetime(2026, 11, 23, 13, 5, 6, tzinfo=datetime.UTC)
    }


@pytest.mark.parametrize("key", ODD_KEYS)
def test_odd_keys_round_trip(aws: LocalAws, key: str) -> None:
    _put(aws, f"odd/{key}", key.encode())
    client = aws.client()
    listed = [entry["Key"] for entry in client.list_objects_v2(Bucket=BUCKET, Prefix=f"odd/{key}")["Contents"]]
    assert listed == [f"odd/{key}"]
    assert client.get_object(Bucket=BUCKET, Key=f"odd/{key}")["Body"].read() == key.encode()
    client.delete_object(Bucket=BUCKET, Key=f"odd/{key}")
    assert "Contents" not in client.list_objects_v2(Bucket=BUCKET, Prefix=f"odd/{key}")


def test_ranges_and_if_match(aws: LocalAws) -> None:
    body = bytes(range(256)) * 8
    _put(aws, "ranged", body)
    client = aws.client()
    answer = client.get_object(Bucket=BUCKET, Key="ranged", Range="bytes=100-199")
    assert answer["Body"].read() == body[100:200]
    assert answer["ContentRange"] == f"bytes 100-199/{len(body)}"
    etag = f'"{hashlib.md5(body).hexdigest()}"'
    assert client.get_object(Bucket=BUCKET, Key="ranged", IfMatch=etag)["Body"].read() == body
    _put(aws, "ranged", b"replaced")
    with pytest.raises(ClientError) as error:
        client.get_object(Bucket=BUCKET, Key="ranged", IfMatch=etag)
    assert _code(error)[0] == 412


def test_an_instant_without_offset_is_refused(aws: LocalAws) -> None:
    with pytest.raises(ClientError, match="local-last-modified") as error:
        _put(aws, "bad-instant", b"x", when="2026-11-23T13:05:06")
    assert _code(error) == (400, "InvalidArgument")


def test_objects_versions_and_deletions_survive_a_crash(tmp_path: Path) -> None:
    with start_aws(tmp_path) as aws:
        client = aws.client()
        client.create_bucket(Bucket=BUCKET)
        for key in ODD_KEYS:
            client.put_object(Bucket=BUCKET, Key=key, Body=key.encode(), Metadata={"local-last-modified": INSTANT})
        client.delete_object(Bucket=BUCKET, Key=ODD_KEYS[0])
        client.put_object(Bucket=BUCKET, Key=ODD_KEYS[1], Body=b"second", Metadata={"own": "value"})
        client.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": ODD_KEYS[2]}, {"Key": "never there"}]})
        upload = client.create_multipart_upload(
            Bucket=BUCKET, Key="parts", Metadata={"local-last-modified": "2026-11-23T10:00:00Z"}
        )["UploadId"]
        parts = [
            {
                "PartNumber": number,
                "ETag": client.upload_part(
                    Bucket=BUCKET, Key="parts", UploadId=upload, PartNumber=number, Body=bytes(size)
                )["ETag"],
            }
            for number, size in ((1, 5 << 20), (2, 10))
        ]
        client.complete_multipart_upload(Bucket=BUCKET, Key="parts", UploadId=upload, MultipartUpload={"Parts": parts})
        client.create_bucket(Bucket="versioned")
        client.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
        for body in (b"1", b"2"):
            client.put_object(Bucket="versioned", Key="k", Body=body)
        client.delete_object(Bucket="versioned", Key="k")
        client.create_bucket(Bucket="gone-bucket")
        client.delete_bucket(Bucket="gone-bucket")
        before = client.list_objects_v2(Bucket=BUCKET)["Contents"]
        versions = client.list_object_versions(Bucket="versioned")
        aws.kill()
    half = tmp_path / "s3" / BUCKET / ("0" * 64)
    half.mkdir()
    (half / "null.new").write_bytes(b'{"key": "a write that the crash cut off')
    with start_aws(tmp_path) as aws:
        client = aws.client()
        assert client.list_objects_v2(Bucket=BUCKET)["Contents"] == before
        assert {entry["Key"] for entry in before} == {*ODD_KEYS[1:2], *ODD_KEYS[3:], "parts"}
        assert client.get_object(Bucket=BUCKET, Key=ODD_KEYS[1])["Body"].read() == b"second"
        assert client.head_object(Bucket=BUCKET, Key=ODD_KEYS[1])["Metadata"] == {"own": "value"}
        whole = client.get_object(Bucket=BUCKET, Key="parts")
        assert whole["ETag"].endswith('-2"')
        assert whole["LastModified"].hour == 10
        assert len(whole["Body"].read()) == (5 << 20) + 10
        again = client.list_object_versions(Bucket="versioned")
        for kind in ("Versions", "DeleteMarkers"):
            assert [(entry["VersionId"], entry["IsLatest"]) for entry in again[kind]] == [
                (entry["VersionId"], entry["IsLatest"]) for entry in versions[kind]
            ]
        assert {bucket["Name"] for bucket in client.list_buckets()["Buckets"]} == {BUCKET, "versioned"}
    damaged = next(tmp_path.glob("s3/*/*/null.object"))
    damaged.write_bytes(b"not json\nx")
    with pytest.raises(UserError, match=r"null\.object: is damaged"):
        start_aws(tmp_path)


def test_secrets_are_private_and_only_loopback_listens(aws: LocalAws) -> None:
    for name in ("credentials", "control-token"):
        assert stat.S_IMODE((aws.data_dir / name).stat().st_mode) == 0o600
    assert aws.url.startswith("http://127.0.0.1:")
    assert aws.credentials_file.read_text().startswith("[default]\naws_access_key_id = ")


def test_control_needs_the_token_and_moto_switches_are_closed(aws: LocalAws) -> None:
    for path, status in (("/_local/faults", 403), ("/moto-api/reset", 404)):
        request = urllib.request.Request(aws.url + path, method="POST", headers={"Authorization": "Bearer wrong"})
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(request)
        assert error.value.code == status
        error.value.close()


def test_a_second_server_on_the_same_folder_or_port_says_why(aws: LocalAws, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="already uses"):
        start_aws(aws.data_dir)
    with pytest.raises(UserError, match=f"port {aws.port} cannot be used"):
        start_aws(tmp_path, port=aws.port)
    assert aws.running


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("access_denied", (403, "AccessDenied")),
        ("kms_denied", (403, "AccessDenied")),
        ("kms_disabled", (400, "KMS.DisabledException")),
        ("kms_missing", (400, "KMS.NotFoundException")),
        ("kms_pending_deletion", (400, "KMS.KMSInvalidStateException")),
        ("no_such_key", (404, "NoSuchKey")),
        ("slow_down", (503, "SlowDown")),
        ("internal_error", (500, "InternalError")),
    ],
)
def test_errors_hit_matching_keys_only(aws: LocalAws, kind: str, expected: tuple[int, str]) -> None:
    _put(aws, "faults/one", b"1")
    _put(aws, "faults/two", b"2")
    aws.set_faults(Fault(kind, keys="faults/o*"))  # pyright: ignore[reportArgumentType]
    client = aws.client(config=ONCE)
    with pytest.raises(ClientError) as error:
        client.get_object(Bucket=BUCKET, Key="faults/one")
    assert _code(error) == expected
    if kind == "kms_denied":
        assert "kms:Decrypt" in str(error.value)
    assert client.get_object(Bucket=BUCKET, Key="faults/two")["Body"].read() == b"2"
    assert client.list_objects_v2(Bucket=BUCKET, Prefix="faults/")["KeyCount"] == 2
    assert [entry["fired"] for entry in aws.faults()] == [1]


def test_denied_listing_and_missing_bucket(aws: LocalAws) -> None:
    client = aws.client(config=ONCE)
    aws.set_faults(Fault("access_denied", operations=("list",), keys="secret/*"))
    with pytest.raises(ClientError, match="s3:ListBucket") as error:
        client.list_objects_v2(Bucket=BUCKET, Prefix="secret/")
    assert _code(error) == (403, "AccessDenied")
    assert client.list_objects_v2(Bucket=BUCKET, Prefix="other/")["KeyCount"] == 0
    with pytest.raises(ClientError) as error:
        client.list_objects_v2(Bucket="no-such-bucket")
    assert _code(error) == (404, "NoSuchBucket")


def test_boto3_rides_out_slow_down(aws: LocalAws) -> None:
    _put(aws, "busy", b"in the end")
    aws.set_faults(Fault("slow_down", keys="busy", times=1))
    client = aws.client(config=Config(retries={"total_max_attempts": 3, "mode": "standard"}))
    assert client.get_object(Bucket=BUCKET, Key="busy")["Body"].read() == b"in the end"
    assert aws.faults()[0]["fired"] == 1


def test_a_connection_breaks_inside_the_body(aws: LocalAws) -> None:
    body = bytes(100_000)
    _put(aws, "broken", body)
    aws.set_faults(Fault("broken_body", keys="broken", after_bytes=1_000, times=1))
    client = aws.client(config=ONCE)
    stream = client.get_object(Bucket=BUCKET, Key="broken")["Body"]
    with pytest.raises((IncompleteReadError, ResponseStreamingError)):
        stream.read()
    assert client.get_object(Bucket=BUCKET, Key="broken")["Body"].read() == body


def test_a_stalled_body_runs_into_the_read_timeout(aws: LocalAws) -> None:
    _put(aws, "stalled", bytes(50_000))
    aws.set_faults(Fault("stalled_body", keys="stalled", after_bytes=10))
    client = aws.client(config=Config(retries={"total_max_attempts": 1}, read_timeout=0.2))
    with pytest.raises(ReadTimeoutError):
        client.get_object(Bucket=BUCKET, Key="stalled")["Body"].read()


@pytest.mark.parametrize(
    ("kind", "details"),
    [
        ("archived", {"StorageClass": "GLACIER"}),
        ("archived_tier", {"StorageClass": "INTELLIGENT_TIERING", "AccessTier": "ARCHIVE_ACCESS"}),
    ],
)
def test_an_archived_object_says_where_it_is(aws: LocalAws, kind, details: dict[str, str]) -> None:
    _put(aws, "cold", b"x")
    aws.set_faults(Fault(kind, keys="cold"))
    with pytest.raises(ClientError) as error:
        aws.client(config=ONCE).get_object(Bucket=BUCKET, Key="cold")
    assert _code(error) == (403, "InvalidObjectState")
    assert error.value.response.items() >= details.items()


@pytest.mark.parametrize("at", [0, 1_234, 10**9])
def test_a_flipped_byte_keeps_the_length(aws: LocalAws, at: int) -> None:
    body = bytes(range(250)) * 10
    _put(aws, "damaged", body)
    aws.set_faults(Fault("flipped_byte", keys="damaged", after_bytes=at))
    client = aws.client(config=Config(response_checksum_validation="when_required"))
    received = client.get_object(Bucket=BUCKET, Key="damaged")["Body"].read()
    differing = [index for index, pair in enumerate(zip(received, body, strict=True)) if pair[0] != pair[1]]
    assert differing == [min(at, len(body) - 1)]


def test_faults_of_ranges_hit_only_requests_for_a_range(aws: LocalAws) -> None:
    body = bytes(range(256))
    _put(aws, "ranged", body)
    client = aws.client()
    for kind in ("range_ignored", "wrong_range"):
        aws.set_faults(Fault(kind, keys="ranged"))
        assert client.get_object(Bucket=BUCKET, Key="ranged")["Body"].read() == body
        assert aws.faults()[0]["fired"] == 0
        answer = client.get_object(Bucket=BUCKET, Key="ranged", Range="bytes=100-")
        if kind == "wrong_range":
            assert (answer["ContentRange"], answer["Body"].read()) == ("bytes 101-255/256", body[100:])
        else:
            assert ("ContentRange" in answer, answer["Body"].read()) == (False, body)
        assert aws.faults()[0]["fired"] == 1


def test_a_checksum_given_without_its_algorithm_is_kept(aws: LocalAws) -> None:
    given = "rosUhgp5mYg="  # CRC-64/NVME of "123456789"
    aws.client().put_object(Bucket=BUCKET, Key="checked", Body=b"123456789", ChecksumCRC64NVME=given)
    answer = aws.client().get_object(Bucket=BUCKET, Key="checked", ChecksumMode="ENABLED")
    assert answer["ChecksumCRC64NVME"] == given


def test_a_bucket_of_another_owner_is_denied(aws: LocalAws) -> None:
    _put(aws, "owned", b"x")
    client = aws.client()
    read = client.get_object(Bucket=BUCKET, Key="owned", ExpectedBucketOwner="123456789012")
    assert read["Body"].read() == b"x"
    for call in (client.get_object, client.head_object):
        with pytest.raises(ClientError) as error:
            call(Bucket=BUCKET, Key="owned", ExpectedBucketOwner="210987654321")
        assert _code(error)[0] == 403


def test_proxies_of_the_environment_are_not_used(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert aws.client().list_buckets()["Buckets"]
    assert aws.faults() == []


def test_the_server_ends_with_its_parent(tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    code = (
        "import os, sys; from s3sentinel_assets.local.aws import start_aws;"
        f"aws = start_aws({str(tmp_path)!r}); print(aws.port, flush=True); os.kill(os.getpid(), 9)"
    )
    parent = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (parent.returncode, parent.stdout.strip().isdigit()) == (-9, True)
    with (tmp_path / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # free only when the orphan has ended


def test_the_command_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from s3sentinel_assets.cli import main; main()", "aws", "serve", "--port", "0"]
    with subprocess.Popen([*command, "--dir", str(tmp_path / "aws")], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        line = child.stdout.readline()
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=60) == 0
    assert "http://127.0.0.1:" in line
    assert str(tmp_path / "aws" / "credentials") in line


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot be written"):
        start_aws(tmp_path / "file" / "aws")


def test_unknown_faults_are_refused() -> None:
    for wrong in (
        {"kind": "nonsense"},
        {"kind": "slow_down", "operations": ("fetch",)},
        {"kind": "slow_down", "times": 0},
    ):
        with pytest.raises(ValueError, match=r"unknown|times"):
            Fault.from_json(json.loads(json.dumps(wrong)))


def test_a_copy_keeps_its_source_instant_as_replication_does(aws: LocalAws) -> None:
    _put(aws, "source", b"x")
    client = aws.client()
    client.copy_object(Bucket=BUCKET, Key="replica", CopySource={"Bucket": BUCKET, "Key": "source"})
    assert client.head_object(Bucket=BUCKET, Key="replica")["LastModified"].hour == 13


ROLE = "arn:aws:iam::111122223333:role/reader"


def test_a_role_can_be_denied_and_its_keys_can_expire(aws: LocalAws) -> None:
    sts = aws.client("sts", config=ONCE)
    aws.set_faults(Fault("access_denied", operations=("assume_role",), keys="*role/reader"))
    with pytest.raises(ClientError, match=f"sts:AssumeRole on resource: {ROLE}") as error:
        sts.assume_role(RoleArn=ROLE, RoleSessionName="test")
    assert _code(error) == (403, "AccessDenied")
    other = sts.assume_role(RoleArn=ROLE + "-2", RoleSessionName="test")["Credentials"]  # the fault names one role only
    aws.set_faults(Fault("expired_token", operations=("list",), access_keys=other["AccessKeyId"]))
    assert aws.client(config=ONCE).list_objects_v2(Bucket=BUCKET)["ResponseMetadata"]["HTTPStatusCode"] == 200
    session = boto3.Session(other["AccessKeyId"], other["SecretAccessKey"], other["SessionToken"], "us-east-1")
    with pytest.raises(ClientError) as error:
        session.client("s3", endpoint_url=aws.url, config=ONCE).list_objects_v2(Bucket=BUCKET)
    assert _code(error) == (400, "ExpiredToken")


def test_a_request_that_nobody_signed_leaves_the_files_alone(aws: LocalAws) -> None:
    _put(aws, "stays", b"x")
    unsigned = aws.client("sts", config=Config(signature_version=UNSIGNED))
    unsigned.assume_role_with_web_identity(RoleArn=ROLE, RoleSessionName="test", WebIdentityToken="token")
    assert list((aws.data_dir / "s3" / BUCKET).glob("*/*.object"))


def test_the_key_of_a_customer_is_asked_for_also_after_a_restart(tmp_path: Path) -> None:
    key = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}
    with start_aws(tmp_path) as aws:
        client = aws.client(config=ONCE)
        client.create_bucket(Bucket=BUCKET)
        client.put_object(Bucket=BUCKET, Key="a", Body=b"x", **key)
        client.put_object(Bucket=BUCKET, Key="plain", Body=b"x")
    with start_aws(tmp_path) as aws:
        client = aws.client(config=ONCE)
        assert client.get_object(Bucket=BUCKET, Key="a", **key)["Body"].read() == b"x"
        with pytest.raises(ClientError) as error:
            client.get_object(Bucket=BUCKET, Key="a")
        assert _code(error) == (400, "InvalidRequest")
        with pytest.raises(ClientError) as error:
            client.get_object(Bucket=BUCKET, Key="a", **(key | {"SSECustomerKey": "x" * 32}))
        assert _code(error) == (403, "AccessDenied")
        with pytest.raises(ClientError, match="not applicable to this object") as error:
            client.get_object(Bucket=BUCKET, Key="plain", **key)
