"""What a failed request for one object means for that object.

Belongs here: error codes of GetObject → `ReadFailure`, so that one object never stops the others. Does not belong here:
troubles that all objects share (``errors``), retries (``reader``).
"""

import re
from typing import TYPE_CHECKING

from s3sentinel_assets.containers import ReadFailure
from s3sentinel_assets.s3.errors import about_all_objects, error_code, error_words

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

__all__ = ["refusal"]

_GONE = frozenset({"NoSuchKey", "404", "NotFound", "NoSuchVersion"})
_REPLACED = frozenset({"PreconditionFailed", "412"})
_DENIED = frozenset({"AccessDenied", "403", "AllAccessDisabled"})
_SERVER_ERROR = 500
_KMS_KEY = re.compile(r"arn:aws[\w-]*:kms:\S+?(?=[\s,;]|$)")
_KMS_WORDS = re.compile(r"\bkms:|\bKMS\b|ciphertext")  # a bucket may be called kms-logs


def refusal(error: "ClientError", uri: str, attempts: int) -> ReadFailure | None:
    """What the error means for the object.

    Args:
        error: of a GetObject request, after botocore's retries.
        uri: the object, for messages.
        attempts: how often it was asked for.

    Returns:
        ``vanished`` or ``denied``; None where the trouble is not the object's (then see `errors.explain`).
    """
    if about_all_objects(error):
        return None
    code = error_code(error)
    if code in _GONE:
        return ReadFailure(
            "vanished", f"{uri} was deleted before it was read; let objects expire later, or read sooner"
        )
    if code in _REPLACED:
        return ReadFailure(
            "vanished",
            f"{uri} was replaced by another version before it was read; the new one is read as another object",
        )
    return ReadFailure("denied", f"{uri}: {_denial(error, code, attempts)}")


def _denial(error: "ClientError", code: str, attempts: int) -> str:
    """What refuses, and the way out."""
    message = error_words(error)
    words = f" ({message})" if message else ""
    if code == "InvalidObjectState":
        storage = error.response.get("Error", {}).get("StorageClass") or "an archive class"
        return f"it is archived ({storage}); restore it (s3:RestoreObject), it is then read"
    if code.startswith("KMS.") or (code in _DENIED and _KMS_WORDS.search(message)):
        found = _KMS_KEY.search(message)
        named = found.group(0) if found else "the key it is encrypted with"
        return f"KMS refuses; allow kms:Decrypt on {named}, and see that the key is enabled"
    if code in _DENIED:
        return f"access is denied; allow s3:GetObject on it and, where encrypted, kms:Decrypt on its key{words}"
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0
    if code in ("InternalError", "500") or status >= _SERVER_ERROR:
        named = "an internal error" if code in ("InternalError", "500") else f"error {code or status}"
        return f"S3 had {named} {attempts} times; it is tried again later"
    if "Server Side Encryption" in message:
        return (
            f"S3 answers {code}{words}; it is encrypted with a key that its writer keeps (SSE-C): have it written with "
            "SSE-S3 or SSE-KMS"
        )
    return f"S3 refuses it with {code or f'HTTP status {status}'}{words}; check the object, or copy it anew"
