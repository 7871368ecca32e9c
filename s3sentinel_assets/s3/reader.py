"""Reading one object: a stream of stored bytes that is whole, or an exception that says why not.

Belongs here: ranged resumption and its bounds, the verdict on the bytes, reading a damaged object again. Does not
belong here: single requests (``object_requests``), what S3's refusals mean (``refusals``), which proofs there are
(``checksums``, ``part_digests``), several objects at once (``ahead``), decompression (``containers``).
"""

import contextlib
import random
import time
from collections.abc import Iterator
from typing import Any

from s3sentinel_assets.config import AwsAccess
from s3sentinel_assets.containers import ReadFailure
from s3sentinel_assets.s3.ahead import read_ahead
from s3sentinel_assets.s3.breaker import Breaker
from s3sentinel_assets.s3.checksums import LENGTH_ONLY, checks_of, has_plain_etag
from s3sentinel_assets.s3.object_requests import ObjectRequests, ReadFacts
from s3sentinel_assets.s3.part_digests import PARTS_MD5, PartDigests, parts_of_etag

__all__ = ["CHUNK_BYTES", "WHOLE_BYTES", "Breaker", "ReadFacts", "open_object", "read_ahead"]

#: Size of the chunks an object is streamed in.
CHUNK_BYTES = 1 << 20

#: Objects up to this size are checked whole before the first byte is handed out, so that damage can be mended by
#: reading again.
WHOLE_BYTES = 4 << 20

_PIECE_BYTES = 1 << 17  # what is asked of the connection at a time: at most this much is lost when it stalls
_BACKOFF_LIMIT_SECONDS = 20.0
# A connection may break this often, and once more for each so many bytes that came: else one that gives a byte at a
# time would go on for as many requests as there are bytes.
_FREE_RESUMES = 10
_BYTES_PER_RESUME = 1 << 20


class _DamagedError(Exception):
    """The bytes received are not the object's."""


def open_object(
    client: Any,
    bucket: str,
    key: str,
    etag: str,
    *,
    access: AwsAccess,
    version_id: str | None = None,
    breaker: Breaker | None = None,
    facts: ReadFacts | None = None,
) -> Iterator[bytes]:
    """The stored bytes of one object version, as a stream in bounded memory.

    A connection that breaks is resumed at the byte reached. The length is always checked, and what else proves the
    bytes: S3's own checksum of the whole object and the ETag where it is an MD5. Objects up to `WHOLE_BYTES` are
    checked before anything is handed out, and read again when damaged. Of a larger one chunks are out by the time that
    damage shows, so a failure to be tried again (`ReadFailure.again`) may come after any chunk: the caller must then
    forget them, and read the object again later as a whole.

    Args:
        client: the S3 client of ``session.s3_client``.
        bucket: the bucket.
        key: the key, decoded.
        etag: the version's ETag, without quotes; another version under the key is refused.
        access: attempts, back-off, the bucket's owner, and names for error sentences.
        version_id: S3's id of the version, if known: it is then read even when its key was deleted or replaced.
        breaker: shared by the objects of a part; stops them all when several in a row are throttled.
        facts: filled in while the stream goes on.

    Yields:
        Chunks of `CHUNK_BYTES`, the last one shorter.

    Raises:
        ReadFailure: ``vanished`` (gone or replaced); or worth another try as a whole: ``denied``, ``kms_denied``,
            ``archived``, ``throttled``, ``broken`` (S3 cannot serve this object now, whole and undamaged).
        UserError: the endpoint, the bucket or the credentials are the trouble, so that no object can be read; or the
            breaker has tripped.
    """
    requests = ObjectRequests(client, bucket, key, etag, access, version_id, breaker, facts or ReadFacts())
    for attempt in range(1, access.max_attempts + 1):
        try:
            first = requests.get(0)
            stream = _stream(requests, first)
            if requests.length > WHOLE_BYTES:
                yield from stream
            else:
                yield from list(stream)
        except _DamagedError as error:
            handed_out = requests.length > WHOLE_BYTES
            if handed_out or attempt == access.max_attempts:
                raise ReadFailure("broken", f"{requests.uri}: {error}; the store or the network damages it") from None
            _wait(access, attempt)
            requests.facts.retries += 1
        else:
            return


def _wait(access: AwsAccess, attempt: int) -> None:
    """Backs off, doubling, with jitter so that many workers do not come back at once."""
    seconds = min(_BACKOFF_LIMIT_SECONDS, access.backoff_seconds * 2 ** (attempt - 1))
    if seconds:
        time.sleep(seconds * random.uniform(0.5, 1))  # noqa: S311 - spreads load, guards nothing


def _stream(requests: ObjectRequests, response: dict[str, Any]) -> Iterator[bytes]:
    """Every byte of the object, resumed where the connection breaks.

    Args:
        requests: for the ranges that are missing.
        response: the answer for the whole object.

    Raises:
        _DamagedError: a checksum differs; raised after the last byte.
        ReadFailure: the stream keeps breaking, or the object vanished or was refused meanwhile.
    """
    from botocore.exceptions import BotoCoreError, FlexibleChecksumError
    from urllib3.exceptions import HTTPError

    proof = _Proof(requests, response)
    pending: list[bytes] = []
    pending_bytes = reached = failures = resumed = 0
    while True:
        reason = "the connection was closed early"
        start = reached
        with contextlib.closing(response["Body"]) as body:
            try:
                while piece := body.read(min(_PIECE_BYTES, CHUNK_BYTES - pending_bytes)):
                    reached += len(piece)
                    pending_bytes += len(piece)
                    pending.append(piece)
                    if pending_bytes == CHUNK_BYTES:
                        yield proof.take(b"".join(pending))
                        pending, pending_bytes = [], 0
            except FlexibleChecksumError as error:
                raise _DamagedError(f"S3's checksum differs ({error})") from error
            except (BotoCoreError, HTTPError, OSError) as error:
                reason = " ".join(str(error).split())[:200]
        if reached >= requests.length:
            break
        failures = failures + 1 if reached == start else 1
        resumed += 1
        _bound(requests, reached, failures, resumed, reason)
        _wait(requests.access, failures)
        requests.facts.retries += 1
        requests.facts.resumed += 1
        response = requests.get(reached)
    if pending:
        yield proof.take(b"".join(pending))
    if reached > requests.length:
        raise _DamagedError(f"{reached} bytes came where {requests.length} were announced")
    requests.facts.checked_by = proof.verdict()


def _bound(requests: ObjectRequests, reached: int, failures: int, resumed: int, reason: str) -> None:
    """Ends it when the connection breaks too often at one place, or for the bytes that came."""
    often = f"{failures} times" if failures >= requests.access.max_attempts else None
    if resumed > _FREE_RESUMES + reached // _BYTES_PER_RESUME:
        often = f"after {resumed - 1} other times on the way there"
    if often:
        raise ReadFailure(
            "broken",
            f"{requests.uri} breaks off at byte {reached} of {requests.length}, {often} ({reason}); it is tried again "
            "later",
        )


class _Proof:
    """What proves the bytes of one reading."""

    def __init__(self, requests: ObjectRequests, response: dict[str, Any]) -> None:
        self._requests = requests
        self._checks = checks_of(response, requests.etag)
        self._parts = None if len(self._checks) or not has_plain_etag(response) else self._part_digests()

    def _part_digests(self) -> PartDigests | None:
        """The proof by the parts' MD5s; None where the parts are not equal or their size is not to be had."""
        requests = self._requests
        parts = parts_of_etag(requests.etag)
        size = requests.part_bytes() if parts > 1 else requests.length
        if not parts or not size:
            return None
        try:
            return PartDigests(requests.etag, requests.length, size)
        except ValueError:
            return None

    def take(self, chunk: bytes) -> bytes:
        """Takes the next bytes, and gives them back."""
        self._checks.update(chunk)
        if self._parts is not None:
            self._parts.update(chunk)
        return chunk

    def verdict(self) -> str:
        """What proved the bytes.

        Raises:
            _DamagedError: a proof fails.
        """
        if difference := self._checks.difference():
            raise _DamagedError(f"of its {self._requests.length} bytes the {difference}")
        proved = self._checks.names
        if proved == LENGTH_ONLY and self._parts is not None and self._parts.proved():
            return PARTS_MD5
        return proved
