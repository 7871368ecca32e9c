"""What goes with every request for a bucket: its expected owner, who pays, the customer's key.

Belongs here: the parameters that follow from `AwsAccess` alone, the one reading of the customer's key, and keeping it
out of logs. Does not belong here: requests.
"""

import base64
import binascii
import logging
import re
from pathlib import Path
from typing import Any, Literal

from s3sentinel_assets.config import AwsAccess
from s3sentinel_assets.errors import ConfigurationError

__all__ = ["Operation", "add_extras", "customer_key", "request_extras"]

Operation = Literal["list", "get", "head", "head_bucket"]

_OPERATIONS: dict[str, Operation] = {
    "GetObject": "get",
    "HeadBucket": "head_bucket",
    "HeadObject": "head",
    "ListObjectVersions": "list",
    "ListObjects": "list",
    "ListObjectsV2": "list",
}
_KEY_BYTES = 32  # AES-256
#: More than a key of `_KEY_BYTES` in base64 with a line end or two: no larger file is read.
_FILE_BYTES = 64
_KEY_IN_TEXT = re.compile(r"(?i)(customer-key(?:-md5)?|SSECustomerKey(?:MD5)?)(\W{1,4}b?['\"]?)[^\s,'\"}]+")


class _HideKey(logging.Filter):
    """Blots out the customer's key where botocore writes whole requests into its debug log."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if "ustomer" in text:
            record.msg, record.args = _KEY_IN_TEXT.sub(r"\1\2…", text), ()
        return True


_HIDE = _HideKey()
_LOGGERS_OF_REQUESTS = ("botocore.auth", "botocore.endpoint")


def customer_key(file: Path) -> bytes:
    """The key that objects written with SSE-C are read with. Read anew each time, so a rotated file counts at once.

    Args:
        file: 32 bytes, as they are or in base64.

    Raises:
        ConfigurationError: it cannot be read, or holds something else. Its content is never shown.
    """
    try:
        with file.open("rb") as stream:
            content = stream.read(_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(
            f"aws.sse_customer_key_file: {file} cannot be read ({error.strerror}); create it, or remove the key"
        ) from None
    key = content
    if len(content) != _KEY_BYTES:
        try:
            key = base64.b64decode(content.strip(), validate=True)
        except binascii.Error:
            key = b""
    if len(key) != _KEY_BYTES:
        raise ConfigurationError(
            f"aws.sse_customer_key_file: {file} does not hold a key of {_KEY_BYTES} bytes, as they are or in base64; "
            "write the key into it that the objects were encrypted with"
        )
    return key


def request_extras(access: AwsAccess, operation: Operation) -> dict[str, Any]:
    """The parameters that an S3 request needs beside bucket and key.

    Args:
        access: how the bucket is reached.
        operation: ``list`` (objects), ``get`` and ``head`` (an object), ``head_bucket``.

    Returns:
        Any of ``ExpectedBucketOwner``, ``RequestPayer``, ``SSECustomerAlgorithm`` and ``SSECustomerKey``.

    Raises:
        ConfigurationError: the file of the customer's key is missing or wrong.
    """
    extras: dict[str, Any] = {}
    if access.expected_bucket_owner:
        extras["ExpectedBucketOwner"] = access.expected_bucket_owner
    if access.requester_pays and operation != "head_bucket":
        extras["RequestPayer"] = "requester"
    if access.sse_customer_key_file and operation in ("get", "head"):
        for name in _LOGGERS_OF_REQUESTS:
            logging.getLogger(name).addFilter(_HIDE)  # adding it again changes nothing
        extras["SSECustomerAlgorithm"] = "AES256"
        extras["SSECustomerKey"] = customer_key(access.sse_customer_key_file)
    return extras


def add_extras(client: Any, access: AwsAccess, bucket: str | None = None) -> None:
    """Makes a client add `request_extras` to every request whose caller did not give them. What a caller gives wins.

    Args:
        client: a boto3 S3 client.
        access: how the bucket is reached.
        bucket: the one that the extras are for; others get none. By default every bucket is meant.
    """
    if not (access.expected_bucket_owner or access.requester_pays or access.sse_customer_key_file):
        return

    def add(params: dict[str, Any], model: Any, **_: Any) -> dict[str, Any] | None:
        if bucket is not None and params.get("Bucket") != bucket:
            return None
        operation = _OPERATIONS.get(model.name)
        if operation is not None:
            return {**request_extras(access, operation), **params}
        if access.expected_bucket_owner and "ExpectedBucketOwner" in model.input_shape.members:
            return {"ExpectedBucketOwner": access.expected_bucket_owner, **params}
        return None

    client.meta.events.register("provide-client-params.s3", add, unique_id=f"s3sentinel-extras-{bucket}")
