"""Faults that tests switch on: denied access, throttling, archived and vanished keys, broken and damaged bodies.

Belongs here: the rules, how a request is matched against them and the answers S3 gives in such a case. Does not belong
here: the server and the control endpoint that sets the rules (``server``).
"""

import dataclasses
import fnmatch
import threading
from collections.abc import Iterable
from typing import Any, Literal
from xml.sax.saxutils import escape

__all__ = ["ERRORS", "KEYS_ACTION", "Fault", "FaultKind", "FaultTable", "Operation", "error_body", "spoiled"]

FaultKind = Literal[
    "access_denied",
    "archived",
    "archived_tier",
    "broken_body",
    "expired_token",
    "flipped_byte",
    "internal_error",
    "kms_denied",
    "kms_disabled",
    "kms_missing",
    "kms_pending_deletion",
    "no_such_bucket",
    "no_such_key",
    "range_ignored",
    "slow_down",
    "stalled_body",
    "wrong_range",
]
Operation = Literal["get", "head", "list", "put", "delete", "assume_role", "keys", "other"]

_DENIED = "User: arn:aws:iam::123456789012:user/local is not authorized to perform: "
_KEY = "arn:aws:kms:us-east-1:123456789012:key/0000aaaa-11bb-22cc-33dd-444444eeeeee"
_ARCHIVED = "The operation is not valid for the object's storage class"
#: Kind → (HTTP status, S3 error code, message). The texts follow S3's own.
ERRORS: dict[str, tuple[str, str, str]] = {
    "access_denied": (
        "403 Forbidden",
        "AccessDenied",
        _DENIED + '{action} on resource: "arn:aws:s3:::{resource}" because no identity-based policy allows it',
    ),
    "kms_denied": (
        "403 Forbidden",
        "AccessDenied",
        _DENIED
        + "kms:Decrypt on the resource associated with this ciphertext because no resource-based policy allows it",
    ),
    "expired_token": ("400 Bad Request", "ExpiredToken", "The provided token has expired."),
    "archived": ("403 Forbidden", "InvalidObjectState", _ARCHIVED),
    "archived_tier": ("403 Forbidden", "InvalidObjectState", _ARCHIVED),
    "internal_error": (
        "500 Internal Server Error",
        "InternalError",
        "We encountered an internal error. Please try again.",
    ),
    "kms_disabled": ("400 Bad Request", "KMS.DisabledException", _KEY + " is disabled."),
    "kms_missing": ("400 Bad Request", "KMS.NotFoundException", "Key '" + _KEY + "' does not exist"),
    "kms_pending_deletion": ("400 Bad Request", "KMS.KMSInvalidStateException", _KEY + " is pending deletion."),
    "no_such_bucket": ("404 Not Found", "NoSuchBucket", "The specified bucket does not exist"),
    "no_such_key": ("404 Not Found", "NoSuchKey", "The specified key does not exist."),
    "slow_down": ("503 Slow Down", "SlowDown", "Please reduce your request rate."),
}

#: Kind → further elements of the error, as XML.
_DETAILS = {
    "archived": "<StorageClass>GLACIER</StorageClass>",
    "archived_tier": "<StorageClass>INTELLIGENT_TIERING</StorageClass><AccessTier>ARCHIVE_ACCESS</AccessTier>",
}
# Faults that let the request pass and spoil its answer; of these, those that hit only requests for a range.
_SPOILING = frozenset({"broken_body", "flipped_byte", "range_ignored", "stalled_body", "wrong_range"})
_OF_RANGES = frozenset({"range_ignored", "wrong_range"})

#: The operation ``keys``: whatever the fault's kind, CloudTrail denies it.
KEYS_ACTION = "cloudtrail:ListPublicKeys"
_ACTIONS: dict[str, str] = {
    "get": "s3:GetObject",
    "head": "s3:GetObject",
    "list": "s3:ListBucket",
    "put": "s3:PutObject",
    "delete": "s3:DeleteObject",
    "keys": KEYS_ACTION,
    "assume_role": "sts:AssumeRole",
    "other": "s3:*",
}


@dataclasses.dataclass(frozen=True)
class Fault:
    """One rule. The first rule that matches a request decides.

    Attributes:
        kind: what goes wrong.
        keys: shell pattern over the key; for a listing, over its prefix; for ``assume_role``, over the role's ARN.
        buckets: shell pattern over the bucket.
        operations: which requests it hits.
        times: for how many requests; None: until cleared.
        access_keys: shell pattern over the access key id that signed the request; empty where none did.
        after_bytes: ``broken_body`` and ``stalled_body``: body bytes sent before the connection breaks or stalls;
            ``flipped_byte``: body bytes before the one that is changed.
    """

    kind: FaultKind
    keys: str = "*"
    buckets: str = "*"
    operations: tuple[Operation, ...] = ("get",)
    times: int | None = None
    access_keys: str = "*"
    after_bytes: int = 0

    def __post_init__(self) -> None:
        """Refuses a rule that could never fire, because a test would then prove nothing."""
        if self.kind not in ERRORS and self.kind not in _SPOILING:
            raise ValueError(f"unknown fault {self.kind!r}")
        unknown = set(self.operations) - set(_ACTIONS)
        if unknown or not self.operations:
            raise ValueError(f"unknown operations {sorted(unknown)}; known are {', '.join(_ACTIONS)}")
        if self.times is not None and self.times < 1:
            raise ValueError("times must be at least 1, or None for no limit")

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Fault":
        """The fault described by a decoded JSON object.

        Raises:
            TypeError, ValueError: a field is unknown or wrong.
        """
        return cls(**{**values, "operations": tuple(values.get("operations", ("get",)))})

    def hits(self, operation: str, bucket: str, key: str, access_key: str, *, ranged: bool) -> bool:
        """Whether the rule is about this request; ``ranged``: it asks for a range."""
        return (
            operation in self.operations
            and (ranged or self.kind not in _OF_RANGES)
            and fnmatch.fnmatchcase(bucket, self.buckets)
            and fnmatch.fnmatchcase(key, self.keys)
            and fnmatch.fnmatchcase(access_key, self.access_keys)
        )


class FaultTable:
    """The rules in force and how often each has fired. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[tuple[Fault, list[int]]] = []
        self._released = threading.Event()

    def replace(self, faults: Iterable[Fault]) -> None:
        """Puts new rules in force; stalled responses of the old ones are let go."""
        with self._lock:
            self._released.set()
            self._released = threading.Event()
            self._rules = [(fault, [0]) for fault in faults]

    def take(
        self, operation: str, bucket: str, key: str, access_key: str = "", *, ranged: bool = False
    ) -> Fault | None:
        """The fault this request meets, counted, or None."""
        with self._lock:
            for fault, fired in self._rules:
                left = fault.times is None or fired[0] < fault.times
                if left and fault.hits(operation, bucket, key, access_key, ranged=ranged):
                    fired[0] += 1
                    return fault
        return None

    def release(self) -> threading.Event:
        """The event that ends a stalled response; take it before the response starts."""
        with self._lock:
            return self._released

    def report(self) -> list[dict[str, Any]]:
        """Every rule with the number of requests it has hit, ready for JSON."""
        with self._lock:
            return [{**dataclasses.asdict(fault), "fired": fired[0]} for fault, fired in self._rules]


def error_body(kind: str, operation: str, bucket: str, key: str) -> tuple[str, bytes]:
    """The HTTP status line and XML body S3 or, for ``assume_role``, STS answers with.

    Args:
        kind: a key of `ERRORS`.
        operation: which request failed.
        bucket: the bucket asked for.
        key: the key asked for; may be empty. For ``assume_role`` the role's ARN.
    """
    status, code, message = ERRORS[kind]
    if operation == "assume_role":
        text = f"{_DENIED}sts:AssumeRole on resource: {key}" if kind == "access_denied" else message
        xml = (
            '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
            f"<Code>{code}</Code><Message>{escape(text)}</Message></Error>"
            "<RequestId>6aa9f4d8-0000-4000-8000-000000000000</RequestId></ErrorResponse>"
        )
        return status, xml.encode()
    resource = f"{bucket}/{key}" if key and operation != "list" else bucket
    text = message.format(action=_ACTIONS[operation], resource=resource)
    xml = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{escape(text)}</Message>'
        f"<Resource>/{escape(resource)}</Resource>{_DETAILS.get(kind, '')}"
        "<RequestId>4442587FB7D0A2F9</RequestId><HostId>local</HostId></Error>"
    )
    return status, xml.encode()


def spoiled(fault: Fault, headers: list[tuple[str, str]], body: bytes) -> tuple[list[tuple[str, str]], bytes]:
    """The answer with a changed byte, or with a ``Content-Range`` that begins one byte late; else as it was."""
    if fault.kind == "flipped_byte" and body:
        at = min(fault.after_bytes, len(body) - 1)
        body = body[:at] + bytes([body[at] ^ 0xFF]) + body[at + 1 :]
    if fault.kind == "wrong_range":
        headers = [(name, _one_late(value) if name.lower() == "content-range" else value) for name, value in headers]
    return headers, body


def _one_late(content_range: str) -> str:
    unit, _, rest = content_range.partition(" ")
    first, _, end = rest.partition("-")
    return f"{unit} {int(first) + 1}-{end}"
