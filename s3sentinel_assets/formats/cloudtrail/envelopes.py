"""What single CloudTrail events come in when no trail delivered them.

Source: AWS, "LookupEvents" (docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html), "AWS service
events delivered via AWS CloudTrail" (docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html)
and "Parsing message formats" of Amazon SNS.

Belongs here: an event of ``aws cloudtrail lookup-events`` (its JSON is a text in ``CloudTrailEvent``), of EventBridge
(in ``detail``), and either in a notification of SNS (a text in ``Message``). Does not belong here: lists of events.
"""

import msgspec

from s3sentinel_assets.formats.json_logs import NULL, count_keys
from s3sentinel_assets.formats.model import Verdict

__all__ = ["inner_event", "judge_envelope"]


class _Envelope(msgspec.Struct):
    event: msgspec.Raw = msgspec.field(default=NULL, name="CloudTrailEvent")
    detail: msgspec.Raw = NULL
    detail_type: msgspec.Raw = msgspec.field(default=NULL, name="detail-type")
    message: msgspec.Raw = msgspec.field(default=NULL, name="Message")


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_TEXT = msgspec.json.Decoder(str)
_VIA = b" via CloudTrail"
_MARK = b'"eventVersion"'
_LOOKED_UP = ("EventId", "EventName", "EventTime", "EventSource", "CloudTrailEvent")


def inner_event(text: bytes) -> bytes | None:
    """The event in an envelope; None: it is no envelope."""
    try:
        envelope = _ENVELOPE.decode(text)
        event = _event_of(envelope)
        if event is None and (message := _object_in(envelope.message)) is not None and _MARK in message:
            event = _event_of(_ENVELOPE.decode(message)) or message
    except (ValueError, RecursionError):
        return None  # nothing that can be looked into
    return event


def _event_of(envelope: _Envelope) -> bytes | None:
    event = _object_in(envelope.event)
    if event is None and _VIA in bytes(envelope.detail_type) and bytes(envelope.detail).startswith(b"{"):
        return bytes(envelope.detail)
    return event


def _object_in(raw: msgspec.Raw) -> bytes | None:
    """The JSON object that a text holds."""
    if not bytes(raw).startswith(b'"'):
        return None
    text = _TEXT.decode(raw)
    return text.encode() if text.lstrip().startswith("{") else None


def judge_envelope(head: bytes) -> Verdict | None:
    """A verdict on content whose first records are envelopes; None: they are not.

    Args:
        head: content's first bytes.
    """
    if b'"CloudTrailEvent"' in head and count_keys(head, _LOOKED_UP, ("Events",)) >= len(_LOOKED_UP) - 1:
        return Verdict(0.95, "JSON of looked-up CloudTrail events")
    if _VIA in head:
        if count_keys(head, ("detail-type", "detail", "source")) == 3:
            return Verdict(0.9, "CloudTrail events of EventBridge")
        if count_keys(head, ("Type", "TopicArn", "Message")) == 3:
            return Verdict(0.9, "notifications with CloudTrail events")
    return None
