"""What a failed request for one object means for that object.

Belongs here: error codes of GetObject → `ReadFailure` with advice, so that one object never stops the others. Does not
belong here: troubles that all objects share (``errors``), retries (``reader``), throttling of many objects
(``breaker``).
"""

import re
from typing import TYPE_CHECKING

from s3sentinel_assets.containers import ReadFailure, ReadFailureState
from s3sentinel_assets.s3.errors import about_all_objects, error_code, error_words, is_throttling

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

__all__ = ["REPLACED", "is_gone", "refusal", "version_refusal"]

#: What is said of an object whose key holds another version now.
REPLACED = "was replaced by another version before it was read; the new one is read as another object"

_GONE = frozenset({"NoSuchKey", "404", "NotFound", "NoSuchVersion"})
_REPLACED = frozenset({"PreconditionFailed", "412"})
_NO_VERSION = frozenset({"MethodNotAllowed", "405", "InvalidArgument"})  # a delete marker; no versions there
_DENIED = frozenset({"AccessDenied", "403", "AllAccessDisabled", "Forbidden"})
_SERVER_ERROR = 500

_KMS_KEY = re.compile(r"arn:aws[\w-]*:kms:[\w-]*:\w*:(?:key|alias)/[\w/-]+")
_ACTION = re.compile(r"not authorized to perform: ([\w-]+):")
# What S3 passes on where no action is named. A bucket may be called kms-logs.
_KMS_WORDS = re.compile(r"\bkms:[A-Z]|(?:this|the) ciphertext\b|\bciphertext refers\b|\bKMS key\b", re.IGNORECASE)
#: Of KMS's own troubles, those that pass without anybody's help.
_KMS_PASSES = re.compile(r"KMS\.(KMSInternal|DependencyTimeout|KeyUnavailable)")
_KMS_ADVICE = (
    ("Disabled", "{key} is disabled; enable it (kms:EnableKey)"),
    ("NotFound", "{key} does not exist any more; only if the key comes back can the object be decrypted"),
    ("InvalidState", "{key} cannot be used as it is; cancel its deletion or finish its import, and enable it"),
    ("", "allow kms:Decrypt on {key} in the key's policy and for the role that reads"),
)
_ARCHIVE_TIERS = {"ARCHIVE_ACCESS": "3 to 5 hours", "DEEP_ARCHIVE_ACCESS": "up to 12 hours"}
_RESTORE_TIMES = {"GLACIER": "3 to 5 hours", "DEEP_ARCHIVE": "up to 12 hours"}


def is_gone(error: "ClientError") -> bool:
    """Whether the key is no more what it was: deleted, or replaced by another version."""
    return error.operation_name == "GetObject" and error_code(error) in _GONE | _REPLACED


def refusal(error: "ClientError", uri: str, attempts: int) -> ReadFailure | None:
    """What the error means for the object.

    Args:
        error: of a GetObject request, after botocore's retries.
        uri: the object, for messages.
        attempts: how often it was asked for.

    Returns:
        The failure; None where the trouble is not the object's (then see `errors.explain`).
    """
    code = error_code(error)
    if is_throttling(error):
        return ReadFailure("throttled", f"{uri}: {_throttling(code, attempts)}")
    if about_all_objects(error):
        return None
    if code in _GONE:
        return ReadFailure(
            "vanished", f"{uri} was deleted before it was read; let the bucket's lifecycle keep objects for longer"
        )
    if code in _REPLACED:
        return ReadFailure("vanished", f"{uri} {REPLACED}")
    state, words = _denial(error, code, attempts)
    return ReadFailure(state, f"{uri}: {words}")


def version_refusal(error: "ClientError", uri: str, version_id: str, attempts: int) -> ReadFailure | None:
    """What it means that a version cannot be had whose key is gone or replaced; else as `refusal`."""
    code = error_code(error)
    lost = f"{uri} was deleted or replaced before it was read"
    if about_all_objects(error) or is_throttling(error):
        return refusal(error, uri, attempts)
    if code in _GONE | _REPLACED | _NO_VERSION:
        return ReadFailure(
            "vanished", f"{lost}, and its version {version_id} is gone too; let the lifecycle keep old versions longer"
        )
    if code in _DENIED and not _is_of_kms(code, error_words(error)):
        return ReadFailure(
            "vanished", f"{lost}; allow s3:GetObjectVersion, so that the version {version_id} can be read next time"
        )
    return refusal(error, uri, attempts)


def _denial(error: "ClientError", code: str, attempts: int) -> tuple[ReadFailureState, str]:
    """The state, what refuses, and the way out."""
    message = error_words(error)
    words = f" ({message})" if message else ""
    if code == "InvalidObjectState":
        return "archived", _archived(error)
    if _KMS_PASSES.match(code):
        return "broken", f"KMS had trouble of its own ({code}); it is tried again later"
    if _is_of_kms(code, message):
        found = _KMS_KEY.search(message)
        key = f"key {found.group(0)}" if found else "the key it is encrypted with"
        advice = next(text for part, text in _KMS_ADVICE if part in code)
        return "kms_denied", f"KMS refuses to decrypt it ({code}); {advice.format(key=key)}"
    if code in _DENIED:
        return "denied", (
            "access is denied; allow s3:GetObject on it and, where encrypted, kms:Decrypt on its key (without "
            f"s3:ListBucket, S3 says so of deleted objects too){words}"
        )
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0
    if code in ("InternalError", "500") or status >= _SERVER_ERROR:
        named = "an internal error" if code in ("InternalError", "500") else f"error {code or status}"
        return "broken", f"S3 had {named} {attempts} times; it is tried again later"
    if "Server Side Encryption" in message:
        return "denied", (
            f"S3 answers {code}{words}; it is encrypted with a key that its writer keeps (SSE-C): name the file of "
            "that key in aws.sse_customer_key_file, or have it written with SSE-S3 or SSE-KMS"
        )
    if "ncryption parameters are not applicable" in message:
        return "denied", (
            "it is not encrypted with a key of its writer's (SSE-C); read it as a source without "
            "aws.sse_customer_key_file"
        )
    return "denied", f"S3 refuses it with {code or f'HTTP status {status}'}{words}; check the object, or copy it anew"


def _is_of_kms(code: str, message: str) -> bool:
    if code.startswith(("KMS.", "Kms.")):
        return True
    if code not in _DENIED:
        return False
    action = _ACTION.search(message)
    return action.group(1) == "kms" if action else _KMS_WORDS.search(message) is not None


def _archived(error: "ClientError") -> str:
    """Which archive holds the object, and how it comes back."""
    found = {**error.response.get("Error", {}), **error.response}
    storage, tier = found.get("StorageClass"), found.get("AccessTier")
    named = f"{storage or 'an archive class'}{f', {tier}' if tier else ''}"
    time = _ARCHIVE_TIERS.get(str(tier)) or _RESTORE_TIMES.get(str(storage), "minutes to hours")
    how = "it then moves back by itself" if tier else "a copy of some days is enough"
    return (
        f"it is archived ({named}); restore it (s3:RestoreObject, {time}; {how}), it is read "
        "after that; let the lifecycle archive logs only once they are read"
    )


def _throttling(code: str, attempts: int) -> str:
    if code.startswith("KMS."):
        return (
            f"KMS throttles ({code}) and still did at attempt {attempts}; it is tried again later: an S3 Bucket Key on "
            "the bucket needs far fewer KMS requests"
        )
    return (
        f"S3 throttles ({code}) and still did at attempt {attempts}; it is tried again later: lower "
        "aws.max_connections if it happens often"
    )
