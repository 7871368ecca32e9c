"""Reading one object: a stream of stored bytes that is whole, or an exception that says why not.

Belongs here: ranged resumption, length and checksum. Does not belong here: what S3's refusals mean for an object
(``refusals``), several objects at once (``ahead``), decompression (``containers``).
"""

import contextlib
import hashlib
import random
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from s3sentinel_assets.config import AwsAccess
from s3sentinel_assets.containers import ReadFailure
from s3sentinel_assets.s3.ahead import read_ahead
from s3sentinel_assets.s3.errors import explain
from s3sentinel_assets.s3.refusals import refusal

__all__ = ["CHUNK_BYTES", "WHOLE_BYTES", "open_object", "read_ahead"]

#: Size of the chunks an object is streamed in.
CHUNK_BYTES = 1 << 20

#: Objects up to this size are checked whole before the first byte is handed out, so that damage can be mended by
#: reading again.
WHOLE_BYTES = 4 << 20

_MD5 = re.compile(r"[0-9a-f]{32}")
_NO_MD5_CLASSES = frozenset({"EXPRESS_ONEZONE"})  # its ETags look like an MD5 and are none
_BACKOFF_LIMIT_SECONDS = 20.0


class _DamagedError(Exception):
    """The bytes received are not the object's."""


def open_object(client: Any, bucket: str, key: str, etag: str, *, access: AwsAccess) -> Iterator[bytes]:
    """The stored bytes of one object version, as a stream in bounded memory.

    A connection that breaks is resumed at the byte reached. The length is always checked, and the MD5 where the ETag
    is one (and S3's own checksum where the object has one). Objects up to `WHOLE_BYTES` are checked before anything is
    handed out, and read again when damaged. Of a larger one chunks are out by the time that damage shows, so ``denied``
    may come after any chunk: the caller must then forget them, and read the object again later as a whole.

    Args:
        client: the S3 client of ``session.s3_client``.
        bucket: the bucket.
        key: the key, decoded.
        etag: the version's ETag, without quotes; another version under the key is refused.
        access: attempts, back-off, the bucket's owner, and names for error sentences.

    Yields:
        Chunks of `CHUNK_BYTES`, the last one shorter.

    Raises:
        ReadFailure: ``vanished`` (gone or replaced), ``denied`` (S3, KMS or the storage class refuses, or S3 cannot
            serve this object now, whole and undamaged; worth another try later).
        UserError: the endpoint, the bucket or the credentials are the trouble, so that no object can be read.
    """
    download = _Download(client, bucket, key, etag, access)
    for attempt in range(1, access.max_attempts + 1):
        try:
            first = download.get(0)
            if first["ContentLength"] > WHOLE_BYTES:
                yield from download.stream(first)
            else:
                yield from list(download.stream(first))
        except _DamagedError as error:
            handed_out = download.length > WHOLE_BYTES
            if handed_out or attempt == access.max_attempts:
                raise ReadFailure("denied", f"{download.uri}: {error}; the store or the network damages it") from None
            download.wait(attempt)
        else:
            return


@dataclass
class _Download:
    """One object being read. ``length`` is known after the first `get`."""

    client: Any
    bucket: str
    key: str
    etag: str
    access: AwsAccess
    length: int = 0

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    def wait(self, attempt: int) -> None:
        """Backs off, doubling, with jitter so that many workers do not come back at once."""
        seconds = min(_BACKOFF_LIMIT_SECONDS, self.access.backoff_seconds * 2 ** (attempt - 1))
        if seconds:
            time.sleep(seconds * random.uniform(0.5, 1))  # noqa: S311 - spreads load, guards nothing

    def get(self, offset: int) -> dict[str, Any]:
        """Asks for the object from byte ``offset``; botocore retries what is worth it."""
        from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

        request: dict[str, Any] = {"Bucket": self.bucket, "Key": self.key, "IfMatch": f'"{self.etag}"'}
        if self.access.expected_bucket_owner:
            request["ExpectedBucketOwner"] = self.access.expected_bucket_owner
        if offset:
            request["Range"] = f"bytes={offset}-"
        try:
            response = self.client.get_object(**request)
        except ClientError as error:
            failure = refusal(error, self.uri, self.access.max_attempts)
            raise (failure or explain(error, bucket=self.bucket, access=self.access)) from error
        except BotoCoreError as error:
            problem = explain(error, bucket=self.bucket, access=self.access)
            if isinstance(error, HTTPClientError) and self._bucket_answers():
                raise ReadFailure("denied", f"{self.uri} cannot be had though its bucket answers: {problem}") from error
            raise problem from error
        if not offset:
            self.length = response["ContentLength"]
        elif not str(response.get("ContentRange", "")).startswith(f"bytes {offset}-"):
            response["Body"].close()
            raise ReadFailure(
                "denied",
                f"{self.access.endpoint_url or 'S3'} ignores the Range header, so that {self.uri} cannot be resumed at "
                f"byte {offset}; use an endpoint that serves ranges",
            )
        return response

    def _bucket_answers(self) -> bool:
        """Whether the way to the bucket works, so that a connection that keeps breaking is this object's trouble."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self.client.head_bucket(Bucket=self.bucket)
        except ClientError as error:
            return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500) < 500
        except BotoCoreError:
            return False
        return True

    def stream(self, response: dict[str, Any]) -> Iterator[bytes]:
        """Every byte of the object, resumed where the connection breaks.

        Raises:
            _DamagedError: a checksum differs; raised after the last byte.
            ReadFailure: the stream keeps breaking at one place, or the object vanished or was denied meanwhile.
        """
        from botocore.exceptions import BotoCoreError, FlexibleChecksumError
        from urllib3.exceptions import HTTPError

        digest = hashlib.md5(usedforsecurity=False) if self._etag_is_md5(response) else None
        reached, failures = 0, 0
        while True:
            reason = "the connection was closed early"
            start = reached
            with contextlib.closing(response["Body"]) as body:
                try:
                    while chunk := body.read(CHUNK_BYTES):
                        reached += len(chunk)
                        if digest is not None:
                            digest.update(chunk)
                        yield chunk
                except FlexibleChecksumError as error:
                    raise _DamagedError(f"S3's checksum differs ({error})") from error
                except (BotoCoreError, HTTPError, OSError) as error:
                    reason = " ".join(str(error).split())[:200]
            if reached >= self.length:
                break
            failures = failures + 1 if reached == start else 1
            if failures >= self.access.max_attempts:
                raise ReadFailure(
                    "denied",
                    f"{self.uri} breaks off at byte {reached} of {self.length}, {failures} times ({reason})",
                )
            self.wait(failures)
            response = self.get(reached)
        if reached > self.length:
            raise _DamagedError(f"{reached} bytes came where {self.length} were announced")
        if digest is not None and digest.hexdigest() != self.etag:
            raise _DamagedError(f"the MD5 of its {reached} bytes is {digest.hexdigest()}, but its ETag is {self.etag}")

    def _etag_is_md5(self, response: dict[str, Any]) -> bool:
        return (
            _MD5.fullmatch(self.etag) is not None
            and not str(response.get("ServerSideEncryption", "")).startswith("aws:kms")
            and "SSECustomerAlgorithm" not in response
            and response.get("StorageClass") not in _NO_MD5_CLASSES
        )
