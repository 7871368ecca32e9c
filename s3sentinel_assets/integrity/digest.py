"""What a digest file says: when, where, which log files with which hashes, and which digest came before.

Belongs here: reading the decoded content, strictly. Does not belong here: whether it is true (``check``).
"""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from s3sentinel_assets.integrity.verdicts import Reason

__all__ = ["SHA256", "SIGNED_WITH", "Digest", "DigestError", "LogFile", "Previous", "parse_digest"]

SHA256 = "SHA-256"
SIGNED_WITH = "SHA256withRSA"

_HEX64 = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", re.ASCII)


class DigestError(Exception):
    """The content is not that of a digest.

    Attributes:
        reason: the slug.
        detail: one sentence naming the field.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class LogFile:
    """A log file as its digest lists it: where CloudTrail wrote it, and the hex SHA-256 of its decoded content."""

    bucket: str
    key: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Previous:
    """The digest before: its place, the hex SHA-256 of its decoded content, its signature in hex."""

    bucket: str
    key: str
    sha256: str
    signature: str


@dataclass(frozen=True, slots=True)
class Digest:
    """A digest's content.

    Attributes:
        account: whose log files it lists.
        bucket: where CloudTrail put the digest.
        key: the same, its key.
        start: start of the time in which the log files were delivered.
        end: its end.
        end_text: the end as written, which is what is signed.
        fingerprint: of the public key.
        algorithm: of the signature.
        previous: the digest before; None in the first one of a chain.
        files: each log file once.
    """

    account: str
    bucket: str
    key: str
    start: datetime
    end: datetime
    end_text: str
    fingerprint: str
    algorithm: str
    previous: Previous | None
    files: tuple[LogFile, ...]


class _DuplicateError(ValueError):
    pass


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        # Two readers may take different ones of them.
        raise _DuplicateError("a key appears twice in one object")
    return found


def _wrong(detail: str) -> DigestError:
    return DigestError(Reason.BAD_DIGEST, detail)


def _text(values: dict[str, Any], name: str, where: str = "") -> str:
    value = values.get(name)
    if not isinstance(value, str) or not value:
        problem = "is missing" if name not in values else f"is {value!r}"[:80] + " where text is needed"
        raise _wrong(f"{where}{name} {problem}")
    return value


def _hash(values: dict[str, Any], name: str, algorithm: str, where: str = "") -> str:
    used = _text(values, algorithm, where)
    if used != SHA256:
        raise DigestError(Reason.UNKNOWN_ALGORITHM, f"{where}{algorithm} is {used[:40]!r}; known is {SHA256}")
    value = _text(values, name, where)
    if not _HEX64.fullmatch(value):
        raise _wrong(f"{where}{name} is no SHA-256 in hex")
    return value.lower()


def _instant(values: dict[str, Any], name: str) -> tuple[datetime, str]:
    text = _text(values, name)
    if _INSTANT.fullmatch(text):
        try:
            return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC), text
        except ValueError:  # a 31st of February
            pass
    raise _wrong(f"{name} is {text[:40]!r}, not an instant like 2026-11-20T07:00:00Z")


_PREVIOUS = (
    "previousDigestS3Bucket",
    "previousDigestS3Object",
    "previousDigestHashValue",
    "previousDigestHashAlgorithm",
    "previousDigestSignature",
)


def _previous(values: dict[str, Any]) -> Previous | None:
    for name in _PREVIOUS:
        if name not in values:
            raise _wrong(f"{name} is missing")
    empty = [name for name in _PREVIOUS if values[name] is None]
    if len(empty) == len(_PREVIOUS):
        return None
    if empty:
        raise _wrong(f"{empty[0]} is null although other fields name a previous digest")
    return Previous(
        bucket=_text(values, "previousDigestS3Bucket"),
        key=_text(values, "previousDigestS3Object"),
        sha256=_hash(values, "previousDigestHashValue", "previousDigestHashAlgorithm"),
        signature=_text(values, "previousDigestSignature"),
    )


def _files(values: dict[str, Any]) -> tuple[LogFile, ...]:
    listed = values.get("logFiles")
    if not isinstance(listed, list):
        raise _wrong("logFiles is missing or no list")
    found: dict[tuple[str, str], LogFile] = {}
    for index, entry in enumerate(listed):
        where = f"logFiles[{index}]."
        if not isinstance(entry, dict):
            raise _wrong(f"{where[:-1]} is no object")
        file = LogFile(
            _text(entry, "s3Bucket", where),
            _text(entry, "s3Object", where),
            _hash(entry, "hashValue", "hashAlgorithm", where),
        )
        if found.setdefault((file.bucket, file.key), file).sha256 != file.sha256:
            raise _wrong(f"{where}s3Object is listed twice with different hashes")
    return tuple(found.values())


def parse_digest(content: bytes) -> Digest:
    """Reads a digest's decoded content.

    Unknown fields are allowed: CloudTrail may add some, and they are signed like the others.

    Raises:
        DigestError: it is not the content of a digest (``bad_json``, ``bad_digest``), or hashes in an unknown way.
    """
    try:
        values = json.loads(content.decode("utf-8"), object_pairs_hook=_object)
    except _DuplicateError as error:
        raise DigestError(Reason.BAD_JSON, str(error)) from None
    except (ValueError, RecursionError) as error:
        raise DigestError(Reason.BAD_JSON, f"it cannot be read as JSON: {' '.join(str(error).split())[:120]}") from None
    if not isinstance(values, dict):
        raise DigestError(Reason.BAD_JSON, "it is JSON, but no object")
    start, _ = _instant(values, "digestStartTime")
    end, end_text = _instant(values, "digestEndTime")
    if start >= end:
        raise _wrong("digestEndTime is not later than digestStartTime")
    return Digest(
        account=_text(values, "awsAccountId"),
        bucket=_text(values, "digestS3Bucket"),
        key=_text(values, "digestS3Object"),
        start=start,
        end=end,
        end_text=end_text,
        fingerprint=_text(values, "digestPublicKeyFingerprint"),
        algorithm=_text(values, "digestSignatureAlgorithm"),
        previous=_previous(values),
        files=_files(values),
    )
