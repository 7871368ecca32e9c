"""The requests for one object: from a byte on, by key or by version, each answer checked before a byte of it is used.

Belongs here: GetObject and HeadObject with their conditions, and what an answer must say. Does not belong here: the
stream and its resumption (``reader``), what refusals mean (``refusals``), which proofs there are (``checksums``).
"""

import re
from dataclasses import dataclass
from typing import Any, NoReturn

from s3sentinel_assets.config import AwsAccess
from s3sentinel_assets.containers import ReadFailure
from s3sentinel_assets.s3.breaker import Breaker
from s3sentinel_assets.s3.errors import explain
from s3sentinel_assets.s3.extras import request_extras
from s3sentinel_assets.s3.refusals import REPLACED, is_gone, refusal, version_refusal

__all__ = ["ObjectRequests", "ReadFacts"]

_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


@dataclass
class ReadFacts:
    """How an object was read; filled in as its stream goes on, complete when that has ended.

    Attributes:
        checked_by: what proved its bytes: ``md5``, ``crc64nvme``, ``crc32c+md5``, ``md5-of-parts``, … or ``length``
            where there was nothing but that; empty while nothing is proved.
        storage_class: S3's name of it; ``STANDARD`` where S3 sends none.
        server_side_encryption: ``AES256``, ``aws:kms``, ``aws:kms:dsse`` or ``SSE-C``; None where S3 tells nothing.
        retries: requests that were repeated, botocore's own included.
        resumed: of these, ranges after a connection broke.
        by_version: it was deleted or replaced, and read by its version id.
    """

    checked_by: str = ""
    storage_class: str | None = None
    server_side_encryption: str | None = None
    retries: int = 0
    resumed: int = 0
    by_version: bool = False


@dataclass
class ObjectRequests:
    """Asks for one object version.

    Attributes:
        client: the S3 client.
        bucket: the bucket.
        key: the key, decoded.
        etag: of the version, without quotes.
        access: the store's name, attempts and extras.
        version_id: S3's id of the version, if known.
        breaker: of the part.
        facts: filled in.
        length: of the whole object; known after the first `get`.
    """

    client: Any
    bucket: str
    key: str
    etag: str
    access: AwsAccess
    version_id: str | None
    breaker: Breaker | None
    facts: ReadFacts
    length: int = 0
    _by_version: bool = False

    @property
    def uri(self) -> str:
        """The object's name in sentences."""
        return f"s3://{self.bucket}/{self.key}"

    def get(self, offset: int) -> dict[str, Any]:
        """Asks for the object from byte ``offset``; botocore retries what is worth it.

        Raises:
            ReadFailure: the object is refused, or the answer is not the rest of it.
            UserError: no object can be had.
        """
        response = self._ask(offset)
        try:
            self._check_version(response)
            if offset:
                self._check_range(response, offset)
            else:
                self._take_facts(response)
        except BaseException:
            response["Body"].close()
            raise
        return response

    def part_bytes(self) -> int | None:
        """The size of the first part of an object that was uploaded in parts; None where it is not to be had."""
        from botocore.exceptions import BotoCoreError, ClientError

        request: dict[str, Any] = {"Bucket": self.bucket, "Key": self.key, "PartNumber": 1}
        if self._by_version:
            request["VersionId"] = self.version_id
        try:
            return self.client.head_object(**request, **request_extras(self.access, "head")).get("ContentLength")
        except (ClientError, BotoCoreError):
            return None  # it helps to prove the bytes, no more

    def _ask(self, offset: int) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

        if self.breaker is not None:
            self.breaker.check()
        try:
            response = self._request(offset)
        except ClientError as error:
            if not (is_gone(error) and self.version_id and not self._by_version):
                self._refuse(error)
            self._by_version = self.facts.by_version = True
            return self._ask(offset)
        except BotoCoreError as error:
            problem = explain(error, bucket=self.bucket, access=self.access)
            if isinstance(error, HTTPClientError) and self._bucket_answers():
                raise ReadFailure("broken", f"{self.uri} cannot be had though its bucket answers: {problem}") from error
            raise problem from error
        if self.breaker is not None:
            self.breaker.served()
        self.facts.retries += response.get("ResponseMetadata", {}).get("RetryAttempts", 0)
        return response

    def _request(self, offset: int) -> dict[str, Any]:
        request: dict[str, Any] = {"Bucket": self.bucket, "Key": self.key, "IfMatch": f'"{self.etag}"'}
        if self._by_version:
            request["VersionId"] = self.version_id
        if offset:
            request["Range"] = f"bytes={offset}-"
        else:
            request["ChecksumMode"] = "ENABLED"
        return self.client.get_object(**request, **request_extras(self.access, "get"))

    def _refuse(self, error: Any) -> NoReturn:
        """Raises what a refusal means."""
        attempts = self.access.max_attempts
        self.facts.retries += error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0)
        if self._by_version and self.version_id:
            failure = version_refusal(error, self.uri, self.version_id, attempts)
        else:
            failure = refusal(error, self.uri, attempts)
        if failure is None:
            raise explain(error, bucket=self.bucket, access=self.access) from error
        if self.breaker is not None:
            if failure.state == "throttled":
                self.breaker.throttled(explain(error, bucket=self.bucket, access=self.access))
            else:
                self.breaker.served()  # another answer than "slow down"
        raise failure from error

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

    def _take_facts(self, response: dict[str, Any]) -> None:
        """Takes the length and what S3 tells of the object from the answer for all of it."""
        length = response.get("ContentLength")
        if length is None:
            raise ReadFailure("broken", f"{self._store} does not say how long {self.uri} is (no Content-Length)")
        self.length = length
        self.facts.storage_class = response.get("StorageClass") or "STANDARD"
        self.facts.server_side_encryption = (
            "SSE-C" if "SSECustomerAlgorithm" in response else response.get("ServerSideEncryption")
        )

    def _check_version(self, response: dict[str, Any]) -> None:
        """Refuses another version, which a store that does not know If-Match may send."""
        if str(response.get("ETag", self.etag)).strip('"') != self.etag:
            raise ReadFailure("vanished", f"{self.uri} {REPLACED}")

    def _check_range(self, response: dict[str, Any], offset: int) -> None:
        """Refuses an answer that is not the rest of the same object."""
        given = str(response.get("ContentRange") or "")
        if not given:
            raise ReadFailure(
                "broken",
                f"{self._store} ignores the Range header, so that {self.uri} cannot be resumed at byte {offset}; use "
                "an endpoint that serves ranges",
            )
        found = _RANGE.fullmatch(given)
        wanted = (offset, self.length - 1)
        if not found or (int(found[1]), int(found[2])) != wanted or found[3] not in (str(self.length), "*"):
            raise ReadFailure(
                "broken",
                f"{self._store} was asked for bytes {offset} to {self.length - 1} of {self.length} of {self.uri} and "
                f"answers with {given[:100]!r}; use an endpoint that serves ranges as S3 does",
            )

    @property
    def _store(self) -> str:
        return self.access.endpoint_url or "S3"
