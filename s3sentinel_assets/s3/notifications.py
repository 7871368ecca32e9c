"""What a queue's message says: which objects were written, in whichever envelope the news came.

Belongs here: shapes of messages, opening envelopes, a verdict on every record. Pure: text in, facts out. Does not
belong here: single records (``notified_records``), SQS (``queue``), asking S3 whether it is so (``heads``), which
source an object is for (``pipeline``).

A message is never refused as a whole because of one record in it, and nothing it says goes away silently: each record
is an object, or counted as ignored by name, or rejected with its text.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from s3sentinel_assets.s3.notified_records import (
    NotifiedObject,
    UselessError,
    bucket_name,
    field_names,
    from_cloudtrail,
    from_config,
    from_event_bridge,
    from_s3,
    short,
    storable,
)

__all__ = [
    "CLOUDTRAIL_VALIDATION",
    "REPEATED",
    "SNS_UNSUBSCRIBED",
    "TEST_EVENT",
    "Message",
    "NotifiedObject",
    "RejectedNotification",
    "read_message",
]

#: Names under which things that need nothing are counted; the others are the names of events.
TEST_EVENT = "s3:TestEvent"
CLOUDTRAIL_VALIDATION = "CloudTrail validation message"
SNS_UNSUBSCRIBED = "SNS unsubscribe confirmation"
REPEATED = "named twice in one message"

_Kept = str | dict[str, Any]

_MAX_WRAPS = 4
_MAX_REJECTED = 100  # of one message, each on its own; a message can hold 100,000 records


@dataclass(frozen=True, slots=True)
class RejectedNotification:
    """A record or message that nobody could use.

    Attributes:
        reason: a short slug, such as ``not_json``.
        detail: one sentence for people.
        text: the record where others of the message are fine, else the whole message.
    """

    reason: str
    detail: str
    text: str


@dataclass(frozen=True, slots=True)
class Message:
    """All that a message says. At least one of the three is never empty."""

    objects: tuple[NotifiedObject, ...]
    ignored: dict[str, int]
    rejected: tuple[RejectedNotification, ...]


def read_message(body: str) -> Message:
    """Understands the body of a message; never raises.

    Args:
        body: as SQS gives it. Envelopes of SNS, EventBridge and Lambda are opened, up to four one inside the other.
    """
    reading = _Reading()
    try:
        reading.text(body, body, 0)
    except RecursionError:
        reading = _Reading()
        reading.reject("too_deep", "the message is nested too deeply to be read", body)
    if reading.unlisted:
        detail = f"{reading.unlisted} further records of the message could not be used; this is the whole message"
        reading.rejected.append(RejectedNotification("many_rejected", detail, storable(body)))
    return Message(tuple(reading.objects.values()), reading.ignored, tuple(reading.rejected))


@dataclass
class _Reading:
    """What was found in one message so far. ``kept`` is what a rejection keeps: the message, or the record as JSON."""

    objects: dict[tuple[Any, ...], NotifiedObject] = field(default_factory=dict)
    ignored: dict[str, int] = field(default_factory=dict)
    rejected: list[RejectedNotification] = field(default_factory=list)
    unlisted: int = 0  # rejected beyond those

    def ignore(self, name: str) -> None:
        self.ignored[name] = self.ignored.get(name, 0) + 1

    def reject(self, reason: str, detail: str, kept: _Kept) -> None:
        if len(self.rejected) < _MAX_REJECTED:
            text = kept if isinstance(kept, str) else json.dumps(kept, ensure_ascii=False)
            self.rejected.append(RejectedNotification(reason, detail, storable(text)))
        else:
            self.unlisted += 1

    def text(self, text: str, kept: _Kept, wraps: int) -> None:
        """A message that came as text."""
        if not text.strip():
            self.reject("empty", "the message is empty", kept)
        elif text.strip().strip('"').rstrip(".") == CLOUDTRAIL_VALIDATION:
            self.ignore(CLOUDTRAIL_VALIDATION)
        else:
            try:
                value = _parse(text)
            except ValueError as error:
                self.reject("not_json", f"the message is no valid JSON: {short(str(error))}", kept)
            else:
                self.value(value, kept, wraps)

    def value(self, value: Any, kept: _Kept, wraps: int) -> None:
        """A message, parsed."""
        if wraps > _MAX_WRAPS:
            self.reject("too_deep", f"there are more than {_MAX_WRAPS} envelopes, one inside the other", kept)
        elif isinstance(value, str):  # JSON inside a JSON string
            self.text(value, kept, wraps + 1)
        elif not isinstance(value, dict):
            self.reject("not_an_object", "the message is valid JSON, but no object with named fields", kept)
        elif value.get("Event") == TEST_EVENT:
            self.ignore(TEST_EVENT)
        elif isinstance(value.get("Records"), list):
            self.records(value["Records"], kept, wraps)
        elif "TopicArn" in value and "Type" in value:
            self.sns(value, kept, wraps)
        elif isinstance(value.get("detail"), dict):
            self.one(from_event_bridge, value, kept)
        elif "s3ObjectKey" in value:
            self.keys(value, kept)
        elif "messageType" in value:
            self.one(from_config, value, kept)
        else:
            self.reject("unknown_shape", f"the message has no known shape; its fields are {field_names(value)}", kept)

    def sns(self, value: dict[str, Any], kept: _Kept, wraps: int) -> None:
        """The envelope of SNS, as it stands in SQS."""
        if value["Type"] == "Notification" and isinstance(value.get("Message"), str | dict):
            read = self.text if isinstance(value["Message"], str) else self.value
            read(value["Message"], kept, wraps + 1)
        elif value["Type"] == "SubscriptionConfirmation":
            # Nothing will come from that topic until a person has confirmed it; we follow no link of a message.
            self.reject(
                "subscription_unconfirmed",
                f"SNS topic {short(value['TopicArn'])} waits for its subscription to be confirmed and sends nothing "
                "until then; if the topic is yours, run aws sns confirm-subscription with the Token of this message",
                kept,
            )
        elif value["Type"] == "UnsubscribeConfirmation":
            self.ignore(SNS_UNSUBSCRIBED)
        else:
            self.reject("unknown_shape", f"SNS sent type {short(value['Type'])} or no text in Message", kept)

    def records(self, records: list[Any], kept: _Kept, wraps: int) -> None:
        """``Records``: of S3, or envelopes as Lambda functions get them from SNS and SQS."""
        if not records:
            self.reject("no_records", "the message holds an empty list of records", kept)
        for record in records:
            alone = record if isinstance(record, dict) else json.dumps(record, ensure_ascii=False)
            alone = kept if len(records) == 1 else alone
            if not isinstance(record, dict):
                self.reject("unknown_record", "the record is no object with named fields", alone)
            elif isinstance(record.get("s3"), dict):
                self.one(from_s3, record, alone)
            elif isinstance(record.get("Sns"), dict):
                self.sns({"TopicArn": None, "Type": None, **record["Sns"]}, alone, wraps + 1)
            elif isinstance(record.get("body"), str):
                self.text(record["body"], alone, wraps + 1)
            else:
                self.reject("unknown_record", f"the record is not of S3; its fields are {field_names(record)}", alone)

    def keys(self, value: dict[str, Any], kept: _Kept) -> None:
        """``s3Bucket`` and ``s3ObjectKey``: CloudTrail names several keys, AWS Config one. They are not encoded."""
        keys = value["s3ObjectKey"]
        if not isinstance(keys, list):
            self.one(from_config, value, kept)
            return
        try:
            bucket = bucket_name(value.get("s3Bucket"))
        except UselessError as useless:
            self.reject(useless.reason, useless.detail, kept)
            return
        if not keys:
            self.reject("no_key", "the message names no key in s3ObjectKey", kept)
        for key in keys:
            single = {"s3Bucket": bucket, "s3ObjectKey": key}
            self.one(from_cloudtrail, single, kept if len(keys) == 1 else single)

    def one(
        self, read: Callable[[dict[str, Any]], "NotifiedObject | str"], record: dict[str, Any], kept: _Kept
    ) -> None:
        """A record: an object, or the name under which it is ignored."""
        try:
            found = read(record)
        except UselessError as useless:
            self.reject(useless.reason, useless.detail, kept)
            return
        if isinstance(found, str):
            self.ignore(found)
            return
        same = (found.bucket, found.key, found.version_id, found.etag, found.kind)
        if same in self.objects:
            self.ignore(REPEATED)
        else:
            self.objects[same] = found


def _parse(text: str) -> Any:
    """Parses strictly: a field that stands there twice, or a NaN, has no sure meaning.

    Raises:
        ValueError: it is no JSON, or not so strictly.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _unique(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name in fields:
            raise ValueError(f"the field {name[:60]!r} stands there twice")
        fields[name] = value
    return fields


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")
