"""Faults that tests switch on: denied access, throttling, vanished keys, broken and stalled bodies.

Belongs here: the rules, how a request is matched against them and the answers S3 gives in such a case. Does not belong
here: the server and the control endpoint that sets the rules (``server``).
"""

import dataclasses
import fnmatch
import threading
from collections.abc import Iterable
from typing import Any, Literal
from xml.sax.saxutils import escape

__all__ = ["ERRORS", "Fault", "FaultKind", "FaultTable", "Operation", "error_body"]

FaultKind = Literal[
    "access_denied",
    "broken_body",
    "internal_error",
    "kms_denied",
    "no_such_bucket",
    "no_such_key",
    "slow_down",
    "stalled_body",
]
Operation = Literal["get", "head", "list", "put", "delete", "other"]

_DENIED = "User: arn:aws:iam::123456789012:user/local is not authorized to perform: "
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
    "internal_error": (
        "500 Internal Server Error",
        "InternalError",
        "We encountered an internal error. Please try again.",
    ),
    "no_such_bucket": ("404 Not Found", "NoSuchBucket", "The specified bucket does not exist"),
    "no_such_key": ("404 Not Found", "NoSuchKey", "The specified key does not exist."),
    "slow_down": ("503 Slow Down", "SlowDown", "Please reduce your request rate."),
}

_ACTIONS: dict[str, str] = {
    "get": "s3:GetObject",
    "head": "s3:GetObject",
    "list": "s3:ListBucket",
    "put": "s3:PutObject",
    "delete": "s3:DeleteObject",
    "other": "s3:*",
}


@dataclasses.dataclass(frozen=True)
class Fault:
    """One rule. The first rule that matches a request decides.

    Attributes:
        kind: what goes wrong.
        keys: shell pattern over the key; for a listing, over its prefix.
        buckets: shell pattern over the bucket.
        operations: which requests it hits.
        times: for how many requests; None: until cleared.
        after_bytes: ``broken_body`` and ``stalled_body``: body bytes sent before the connection breaks or stalls.
    """

    kind: FaultKind
    keys: str = "*"
    buckets: str = "*"
    operations: tuple[Operation, ...] = ("get",)
    times: int | None = None
    after_bytes: int = 0

    def __post_init__(self) -> None:
        """Refuses a rule that could never fire, because a test would then prove nothing."""
        if self.kind not in ERRORS and self.kind not in {"broken_body", "stalled_body"}:
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

    def hits(self, operation: str, bucket: str, key: str) -> bool:
        """Whether the rule is about this request."""
        return (
            operation in self.operations
            and fnmatch.fnmatchcase(bucket, self.buckets)
            and fnmatch.fnmatchcase(key, self.keys)
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

    def take(self, operation: str, bucket: str, key: str) -> Fault | None:
        """The fault this request meets, counted, or None."""
        with self._lock:
            for fault, fired in self._rules:
                if (fault.times is None or fired[0] < fault.times) and fault.hits(operation, bucket, key):
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
    """The HTTP status line and XML body S3 answers with.

    Args:
        kind: a key of `ERRORS`.
        operation: which request failed.
        bucket: the bucket asked for.
        key: the key asked for; may be empty.
    """
    status, code, message = ERRORS[kind]
    resource = f"{bucket}/{key}" if key and operation != "list" else bucket
    text = message.format(action=_ACTIONS[operation], resource=resource)
    xml = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{code}</Code><Message>{escape(text)}</Message><Resource>/{escape(resource)}</Resource>"
        "<RequestId>4442587FB7D0A2F9</RequestId><HostId>local</HostId></Error>"
    )
    return status, xml.encode()
