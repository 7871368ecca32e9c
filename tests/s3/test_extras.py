"""What goes with every request: owner, payer, customer's key; and that the key is shown nowhere."""

import base64
import logging
import secrets

import pytest

from s3sentinel_assets.config import AwsAccess
from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.s3.extras import customer_key, request_extras
from s3sentinel_assets.s3.session import s3_client

OWNER = "123456789012"  # of every bucket of the local stand-in


@pytest.fixture
def key_file(tmp_path):
    file = tmp_path / "key"
    file.write_bytes(secrets.token_bytes(32))
    return file


def test_nothing_is_asked_for_by_default() -> None:
    for operation in ("list", "get", "head", "head_bucket"):
        assert request_extras(AwsAccess(), operation) == {}


def test_each_operation_gets_what_it_can_take(key_file) -> None:
    access = AwsAccess(expected_bucket_owner=OWNER, requester_pays=True, sse_customer_key_file=key_file)
    owner = {"ExpectedBucketOwner": OWNER}
    payer = owner | {"RequestPayer": "requester"}
    key = payer | {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": key_file.read_bytes()}
    assert request_extras(access, "head_bucket") == owner
    assert request_extras(access, "list") == payer
    assert request_extras(access, "get") == request_extras(access, "head") == key


@pytest.mark.parametrize("explicit", [True, False], ids=["asked for", "left to the client"])
def test_extras_reach_the_wire_with_every_kind_of_request(bucket, explicit) -> None:
    access = bucket.access.model_copy(
        update={"expected_bucket_owner": OWNER, "requester_pays": True, "max_connections": 2 + explicit}
    )
    bucket.put("a")
    client, seen = s3_client(access), {}
    client.meta.events.register(
        "before-send.s3", lambda request, event_name, **_: seen.update({event_name.rpartition(".")[2]: request.headers})
    )

    def extras(operation):
        return request_extras(access, operation) if explicit else {}

    client.head_bucket(Bucket=bucket.name, **extras("head_bucket"))
    client.list_objects_v2(Bucket=bucket.name, **extras("list"))
    client.head_object(Bucket=bucket.name, Key="a", **extras("head"))
    client.get_object(Bucket=bucket.name, Key="a", **extras("get"))["Body"].read()

    def header(name, operation):
        value = seen[operation].get(name)
        return value.decode() if isinstance(value, bytes) else value

    assert {name: header("x-amz-expected-bucket-owner", name) for name in seen} == dict.fromkeys(seen, OWNER)
    assert {name: header("x-amz-request-payer", name) for name in sorted(seen)} == {
        "GetObject": "requester", "HeadBucket": None, "HeadObject": "requester", "ListObjectsV2": "requester",
    }  # fmt: skip


def test_what_a_caller_gives_wins(bucket) -> None:
    access = bucket.access.model_copy(update={"expected_bucket_owner": "999999999999"})
    with pytest.raises(s3_client(access).exceptions.ClientError, match="Forbidden"):
        s3_client(access).head_bucket(Bucket=bucket.name)
    s3_client(access).head_bucket(Bucket=bucket.name, ExpectedBucketOwner=OWNER)


def test_an_object_with_a_customers_key_is_read_with_that_key_alone(bucket, key_file, tmp_path) -> None:
    key = key_file.read_bytes()
    bucket.put("a", b"written with a key", SSECustomerAlgorithm="AES256", SSECustomerKey=key)
    client = s3_client(bucket.access.model_copy(update={"sse_customer_key_file": key_file}))
    answer = client.get_object(Bucket=bucket.name, Key="a")
    assert answer["Body"].read() == b"written with a key"
    assert answer["SSECustomerAlgorithm"] == "AES256"
    assert client.head_object(Bucket=bucket.name, Key="a")["ContentLength"] == 18
    with pytest.raises(bucket.client.exceptions.ClientError, match="stored using a form of Server Side Encryption"):
        bucket.client.get_object(Bucket=bucket.name, Key="a")
    key_file.write_bytes(secrets.token_bytes(32))  # read anew at each request
    with pytest.raises(client.exceptions.ClientError, match="AccessDenied"):
        client.get_object(Bucket=bucket.name, Key="a")


def test_the_key_is_in_no_log_even_at_debug(bucket, key_file, caplog) -> None:
    key = key_file.read_bytes()
    bucket.put("a", b"x", SSECustomerAlgorithm="AES256", SSECustomerKey=key)
    access = bucket.access.model_copy(update={"sse_customer_key_file": key_file, "max_connections": 5})
    client = s3_client(access)
    with caplog.at_level(logging.DEBUG):
        caplog.clear()
        client.get_object(Bucket=bucket.name, Key="a", **request_extras(access, "get"))["Body"].read()
    assert "customer-key" in caplog.text  # botocore does log the request
    shown = caplog.text
    assert base64.b64encode(key).decode() not in shown
    assert repr(key) not in shown
    assert str(key)[2:-1] not in shown


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n"])
def test_a_key_may_be_in_base64(key_file, ending) -> None:
    key = key_file.read_bytes()
    key_file.write_bytes(base64.b64encode(key) + ending)
    assert customer_key(key_file) == key


@pytest.mark.parametrize(
    "content",
    [b"", b"TOPSECRET" * 3, b"x" * 33, b"\xff" * 44, base64.b64encode(b"T" * 16), b"A" * (1 << 20), b"=" * 44],
    ids=["empty", "short", "long", "binary", "short in base64", "huge", "padding"],
)
def test_a_wrong_key_is_named_by_its_file_and_never_shown(key_file, content) -> None:
    key_file.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        s3_client(AwsAccess(sse_customer_key_file=key_file))  # said before anything is read
    sentence = str(caught.value)
    assert sentence.startswith(f"aws.sse_customer_key_file: {key_file} does not hold a key of 32 bytes")
    assert "\n" not in sentence
    assert not content or content[:8].decode("latin-1") not in sentence
    assert caught.value.__cause__ is None


def test_a_key_file_that_is_missing_is_named(tmp_path) -> None:
    with pytest.raises(ConfigurationError, match=r"aws\.sse_customer_key_file: .*absent cannot be read \(No such file"):
        s3_client(AwsAccess(sse_customer_key_file=tmp_path / "absent"))
