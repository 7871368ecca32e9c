"""Subscription records of CloudWatch Logs: what surrounds the log events, as JSON or packed for a Lambda function.

Source: Amazon CloudWatch Logs User Guide, "Log group-level subscription filters" (docs.aws.amazon.com/
AmazonCloudWatch/latest/logs/SubscriptionFilters.html: the record, ``CONTROL_MESSAGE``); AWS Lambda Developer Guide,
"Using Lambda with CloudWatch Logs" (``awslogs.data`` is a record as gzip in base64).

Belongs here: opening one record. Does not belong here: log events (``subscription``).
"""

import base64
import binascii
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from s3sentinel_assets.formats.cloudwatch.messages import ACCOUNT, LOG_GROUP, LOG_STREAM

__all__ = ["MEMBERS", "UNPACKED_BYTES", "Opened", "Refused", "open_record"]

#: Key of `Opened.context`: the record's own members, all but the log events, as JSON text without braces.
MEMBERS = "members"
#: Bytes that a packed record may unpack to. AWS packs at most a mebibyte of log events, and hands on six at most.
UNPACKED_BYTES = 64 << 20

_EVENTS = "logEvents"
_CONTROL = b'"CONTROL_MESSAGE"'
#: Of a record of log events it says nothing.
_TYPE = "messageType"
_CONTEXT = {ACCOUNT: "owner", LOG_GROUP: "logGroup", LOG_STREAM: "logStream"}


class _Packed(msgspec.Struct):
    data: str


class _Wrapped(msgspec.Struct):
    awslogs: _Packed


_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)
_WRAPPED = msgspec.json.Decoder(_Wrapped)


@dataclass(frozen=True)
class Opened:
    """A record of log events.

    Attributes:
        events: their JSON texts; none in a control message, by which CloudWatch Logs tests a destination.
        context: `ACCOUNT`, `LOG_GROUP` and `LOG_STREAM` where the record tells them, and `MEMBERS`.
    """

    events: Sequence[msgspec.Raw]
    context: Mapping[str, str]


@dataclass(frozen=True)
class Refused:
    """A packed record that cannot be unpacked.

    Attributes:
        reason: slug: ``bad_base64``, ``truncated_gzip``, ``corrupt_gzip``, ``too_many_bytes`` or
            ``not_cloudwatch_logs``.
        detail: one sentence.
    """

    reason: str
    detail: str


def open_record(text: bytes) -> Opened | Refused | None:
    """Opens a subscription record; None when it is none."""
    try:
        if b'"awslogs"' in text[:200]:
            return _unpacked(_WRAPPED.decode(text).awslogs.data)
        return _opened(text)
    except (ValueError, RecursionError):
        return None  # other JSON, or none: for others to judge


def _opened(text: bytes) -> Opened | None:
    if b'"' + _EVENTS.encode() + b'"' not in text:
        return None
    members = _MEMBERS.decode(text)
    if _EVENTS not in members or not {_TYPE, "logGroup"} & members.keys():
        return None
    events: Sequence[msgspec.Raw] = () if bytes(members.get(_TYPE, b"")) == _CONTROL else _LIST.decode(members[_EVENTS])
    rest = ",".join(
        f"{msgspec.json.encode(name).decode()}:{bytes(value).decode(errors='replace')}"
        for name, value in members.items()
        if name not in (_EVENTS, _TYPE)
    )
    context = {key: _plain(members[name]) for key, name in _CONTEXT.items() if name in members}
    return Opened(events, {**context, MEMBERS: rest})


def _plain(value: msgspec.Raw) -> str:
    """A text as such, anything else as its JSON text."""
    try:
        return _TEXT.decode(value)
    except ValueError:
        return bytes(value).decode(errors="replace")


def _unpacked(data: str) -> Opened | Refused:
    try:
        packed = base64.b64decode(data, validate=True)
    except binascii.Error as error:
        return Refused("bad_base64", f"awslogs.data is not base64: {error}")
    decoder = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        text = decoder.decompress(packed, UNPACKED_BYTES + 1)
    except zlib.error as error:
        return Refused("corrupt_gzip", f"awslogs.data is not gzip: {error}")
    if len(text) > UNPACKED_BYTES:
        return Refused("too_many_bytes", f"awslogs.data unpacks to more than {UNPACKED_BYTES:,} bytes")
    if not decoder.eof:
        return Refused("truncated_gzip", "awslogs.data stops before the end of its gzip stream")
    try:
        opened = _opened(text)
    except (ValueError, RecursionError):
        opened = None
    return opened or Refused("not_cloudwatch_logs", "awslogs.data is not a record of CloudWatch Logs")
