"""How the bytes of an object are proved: S3's own checksums and the ETag, computed here over the whole stream.

Belongs here: which proofs an answer of GetObject allows, running digests, the verdict. Does not belong here: fetching
(``reader``), ETags of multipart uploads (``part_digests``), what a difference means for the object (``reader``).

Sources: Amazon S3 user guide, "Checking object integrity" (a COMPOSITE checksum is one of the parts' checksums and
cannot be had from the bytes alone; CRC-64/NVME is always of the full object) and the API reference on ETags (an MD5
only where the object came in one piece and is not encrypted with SSE-KMS or SSE-C).
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["LENGTH_ONLY", "Check", "Checks", "Running", "checks_of", "has_plain_etag", "leave_checksums_to_us"]

#: What ``checked_by`` says where nothing but the number of bytes could be compared.
LENGTH_ONLY = "length"

_MD5 = re.compile(r"[0-9a-f]{32}")
_MULTIPART = re.compile(r".*-[0-9]+")
_MD5_ENCRYPTIONS = (None, "AES256")  # of no other, ``aws:fsx`` or one yet to come, is that promised
_NO_MD5_CLASSES = frozenset({"EXPRESS_ONEZONE"})  # its ETags look like an MD5 and are none


class Running(Protocol):
    """A digest over a stream."""

    def update(self, data: bytes, /) -> None:
        """Takes the next bytes."""
        ...

    def digest(self) -> bytes:
        """The digest of all bytes taken."""
        ...


class _Crc:
    """A CRC; ``function`` takes bytes and the value so far. S3 writes them with the highest byte first."""

    def __init__(self, function: Callable[[bytes, int], int], size: int) -> None:
        self._function, self._size, self._value = function, size, 0

    def update(self, data: bytes, /) -> None:
        self._value = self._function(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size, "big")


class _XxHash:
    """The CRT's XXHash behind the usual two names."""

    def __init__(self, hasher: Any) -> None:
        self._hasher = hasher

    def update(self, data: bytes, /) -> None:
        self._hasher.update(data)

    def digest(self) -> bytes:
        return self._hasher.finalize()


def _running(name: str) -> Running:
    """A fresh digest of the algorithm."""
    if name.startswith("crc"):
        from awscrt import checksums

        return _Crc(getattr(checksums, name), 8 if name == "crc64nvme" else 4)
    if name.startswith("xxhash"):
        from awscrt.checksums import XXHash

        makers = {
            "xxhash64": XXHash.new_xxhash64,
            "xxhash3": XXHash.new_xxhash3_64,
            "xxhash128": XXHash.new_xxhash3_128,
        }
        return _XxHash(makers[name]())
    return hashlib.new(name, usedforsecurity=False)


#: In the order they are preferred in; S3 keeps one checksum for an object.
_ALGORITHMS = (
    *("sha512", "sha256", "xxhash128", "crc64nvme", "xxhash3", "xxhash64", "sha1", "crc32c", "crc32", "md5"),
)


@dataclass
class Check:
    """One proof: ``name`` says which, ``expected`` what must come out, ``source`` where that was said."""

    name: str
    expected: bytes
    source: str
    running: Running


class Checks:
    """All proofs of one object, fed with its bytes in order."""

    def __init__(self, checks: list[Check]) -> None:
        self._checks = checks

    @property
    def names(self) -> str:
        """What the proofs are, such as ``crc64nvme+md5``; `LENGTH_ONLY` where there is none."""
        return "+".join(dict.fromkeys(check.name for check in self._checks)) or LENGTH_ONLY

    def __len__(self) -> int:
        return len(self._checks)

    def update(self, data: bytes) -> None:
        """Takes the next bytes."""
        for check in self._checks:
            check.running.update(data)

    def difference(self) -> str | None:
        """Half a sentence about the first proof that fails; None when all hold."""
        for check in self._checks:
            found = check.running.digest()
            if found != check.expected:
                name = check.name.upper().replace("CRC64NVME", "CRC-64/NVME")
                return f"{name} is {found.hex()}, but {check.source} is {check.expected.hex()}"
        return None


def has_plain_etag(response: Mapping[str, Any]) -> bool:
    """Whether the ETag is computed from the plain bytes: only with SSE-S3 or none, and not in a directory bucket."""
    return (
        response.get("ServerSideEncryption") in _MD5_ENCRYPTIONS
        and "SSECustomerAlgorithm" not in response
        and response.get("StorageClass") not in _NO_MD5_CLASSES
    )


def checks_of(response: Mapping[str, Any], etag: str) -> Checks:
    """The proofs that are possible with the bytes alone.

    Args:
        response: of GetObject for the whole object with ``ChecksumMode=ENABLED``.
        etag: of the object, without quotes.
    """
    checks = [check] if (check := _own_checksum(response, etag)) is not None else []
    if _MD5.fullmatch(etag) and has_plain_etag(response):
        checks.append(Check("md5", bytes.fromhex(etag), "its ETag", _running("md5")))
    return Checks(checks)


def _own_checksum(response: Mapping[str, Any], etag: str) -> Check | None:
    kind = response.get("ChecksumType")
    if kind == "COMPOSITE":
        return None
    for name in _ALGORITHMS:
        value = response.get(f"Checksum{name.upper()}")
        # Without a type, a checksum of a multipart object may be of its parts.
        if not value or (kind is None and name != "crc64nvme" and _MULTIPART.fullmatch(etag)):
            continue
        running = _running(name)
        try:
            expected = base64.b64decode(value, validate=True)
        except binascii.Error:  # "<base64>-3" is of three parts
            continue
        if len(expected) == len(_running(name).digest()):
            return Check(name, expected, "S3's checksum", running)
    return None


def leave_checksums_to_us(client: Any) -> None:
    """Keeps botocore from computing the checksums of GetObject too: it would do so for each range on its own."""

    def forget(context: dict[str, Any], **_: Any) -> None:
        context.get("checksum", {}).pop("response_algorithms", None)

    client.meta.events.register("before-call.s3.GetObject", forget, unique_id="s3sentinel-checksums")
