"""Public keys of CloudTrail and the signatures made with them: RSA PKCS #1 v1.5 over SHA-256.

Belongs here: keys in both forms, the text that is signed, the check. Does not belong here: where keys come from
(``s3.digests``, ``pipeline.digest_keys``).
"""

import base64
import binascii
import functools
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.integrity.digest import Digest

__all__ = ["PublicKey", "load_keys_file", "make_key", "signature_holds", "text_to_sign"]

_NUMBER = re.compile(r"\d+(?:\.\d*)?", re.ASCII)
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})+", re.ASCII)
_MIN_BITS = 2048


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key of CloudTrail in one region.

    Attributes:
        fingerprint: hex MD5 of ``der``.
        der: PKCS #1 or SubjectPublicKeyInfo.
        valid_from: start of its validity.
        valid_to: end of its validity.
    """

    fingerprint: str
    der: bytes
    valid_from: datetime
    valid_to: datetime


@functools.lru_cache(maxsize=256)
def _rsa(der: bytes) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        key = load_der_public_key(der)  # takes both forms
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("is no public key in DER") from None
    if not isinstance(key, RSAPublicKey):
        raise ValueError("is no RSA key")  # noqa: TRY004 - of the entry, not of an argument
    if key.key_size < _MIN_BITS:
        raise ValueError(f"has {key.key_size} bits; CloudTrail's keys have at least {_MIN_BITS}")
    return key


def _instant(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        instant = datetime.fromisoformat(value)
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        return datetime.fromtimestamp(float(value), tz=UTC)
    raise ValueError("has no time of validity")


def make_key(entry: Mapping[str, Any]) -> PublicKey:
    """A key from an entry of ``PublicKeyList``, as boto3 gives it or as the AWS command line prints it.

    Raises:
        ValueError: the entry is no usable key; the text is half a sentence about it.
    """
    value, fingerprint = entry.get("Value"), entry.get("Fingerprint")
    if isinstance(value, str):
        try:
            value = base64.b64decode(value, validate=True)
        except binascii.Error:
            raise ValueError("has a Value that is not base64") from None
    if not isinstance(value, bytes) or not isinstance(fingerprint, str):
        raise ValueError("lacks Value or Fingerprint")  # noqa: TRY004 - as above
    actual = hashlib.md5(value, usedforsecurity=False).hexdigest()
    if not hmac.compare_digest(actual.encode(), fingerprint.lower().encode()):
        raise ValueError(f"has the fingerprint {actual}, not {fingerprint[:64]!r} as it says")
    _rsa(value)
    try:
        valid_from, valid_to = _instant(entry.get("ValidityStartTime")), _instant(entry.get("ValidityEndTime"))
    except (OverflowError, OSError, ValueError):
        raise ValueError("has no readable ValidityStartTime or ValidityEndTime") from None
    return PublicKey(actual, value, valid_from, valid_to)


def load_keys_file(path: Path) -> dict[str, PublicKey]:
    """The keys of a file that ``aws cloudtrail list-public-keys`` printed, by fingerprint.

    Raises:
        ConfigurationError: the file cannot be read, or an entry is no usable key.
    """
    advice = "write it with: aws cloudtrail list-public-keys --start-time … --end-time … --region … > FILE"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror}); {advice}") from None
    except (ValueError, RecursionError):
        raise ConfigurationError(f"{path}: is not JSON; {advice}") from None
    entries = values.get("PublicKeyList") if isinstance(values, dict) else values
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ConfigurationError(f"{path}: has no PublicKeyList; {advice}")
    keys: dict[str, PublicKey] = {}
    for number, entry in enumerate(entries, start=1):
        try:
            key = make_key(entry)
        except ValueError as error:
            raise ConfigurationError(f"{path}: key {number} {error}; {advice}") from None
        keys[key.fingerprint] = key
    return keys


def text_to_sign(digest: Digest, content_sha256: str) -> bytes:
    """The text that CloudTrail signs: end, place, hash of the decoded content, the signature before or ``null``."""
    previous = digest.previous.signature if digest.previous else "null"
    return f"{digest.end_text}\n{digest.bucket}/{digest.key}\n{content_sha256}\n{previous}".encode()


def signature_holds(key: PublicKey, signature: str, text: bytes) -> bool:
    """Whether ``signature``, in hex, was made over ``text`` with the private half of ``key``."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    if not _HEX.fullmatch(signature):
        return False
    try:
        _rsa(key.der).verify(bytes.fromhex(signature), text, PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True
