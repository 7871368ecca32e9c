"""One record of a notification: the object it announces, or the name under which it needs nothing.

Belongs here: events of S3, EventBridge, CloudTrail and AWS Config as parsed records, the decoding of keys, what makes a
field usable. Pure. Does not belong here: envelopes and JSON text (``notifications``).

Sources: Amazon S3 user guide, "Event message structure" (keys are URL-encoded as in a form: ``+`` is a space) and
"EventBridge event message structure" (says nothing of encoding; AWS's own Powertools take such keys as they are);
CloudTrail user guide on SNS notifications; AWS Config developer guide, "Notifications that AWS Config sends"; Security
Lake user guide on subscribers (the EventBridge form without ``detail-type``).
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import unquote_plus

__all__ = [
    "NotifiedObject",
    "UselessError",
    "bucket_name",
    "field_names",
    "from_cloudtrail",
    "from_config",
    "from_event_bridge",
    "from_s3",
    "short",
    "storable",
]

_KEY_BYTES = 1024  # S3's own limit
_NAME_LENGTH = 255
_BIGGEST = 1 << 63

_EVENT = re.compile(r"[A-Za-z]{1,40}(:[A-Za-z]{1,40}){0,2}")
_MD5_ETAG = re.compile(r"[0-9a-fA-F]{32}(-[0-9]{1,5})?")

_IGNORED_EVENTS = (
    *("ObjectRemoved", "ObjectRestore", "ObjectTagging", "ObjectAcl", "ObjectAnnotation", "ObjectAccessed"),
    *("ReducedRedundancyLostObject", "Replication", "LifecycleExpiration", "LifecycleTransition", "IntelligentTiering"),
)
_IGNORED_DETAIL_TYPES = frozenset(
    {
        "Object Deleted",
        "Object Restore Initiated",
        "Object Restore Expired",
        "Object Storage Class Changed",
        "Object Access Tier Changed",
        "Object ACL Updated",
        "Object Tags Added",
        "Object Tags Deleted",
    }
)
_CONFIG_WITHOUT_OBJECT = frozenset(
    {
        "ComplianceChangeNotification",
        "ConfigRulesEvaluationStarted",
        "ConfigurationItemChangeNotification",
        "ConfigurationSnapshotDeliveryStarted",
        "OversizedConfigurationItemChangeDeliveryFailed",
    }
)


@dataclass(frozen=True, slots=True)
class NotifiedObject:
    """An object that was announced. What is said of it may be old; S3 itself knows better.

    Attributes:
        bucket: the bucket.
        key: the key, decoded.
        etag: without quotes, as listings write it.
        size: stored bytes.
        version_id: None where the bucket keeps no versions.
        event_time: when it happened, aware UTC.
        event: S3's name of the event, or whose message announced it.
        kind: ``created`` (or written anew), ``restored`` from an archive.
        account: the bucket's owner, where the message names it.
        region: of the bucket, where the message names it.
    """

    bucket: str
    key: str
    etag: str | None
    size: int | None
    version_id: str | None
    event_time: datetime | None
    event: str
    kind: Literal["created", "restored"]
    account: str | None = None
    region: str | None = None


class UselessError(Exception):
    """A record that cannot be used.

    Attributes:
        reason: a short slug.
        detail: one sentence for people.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def from_s3(record: dict[str, Any]) -> NotifiedObject | str:
    """A record of S3's own event notifications."""
    name = record.get("eventName")
    if not isinstance(name, str) or not _EVENT.fullmatch(name.removeprefix("s3:")):
        raise UselessError("unknown_event", f"the record has {short(name)} for eventName, which is no event of S3")
    name = name.removeprefix("s3:")
    kind = _kind_of(name)
    if kind is None:
        return f"s3:{name}"
    s3 = record["s3"]
    found = _dict(s3.get("object"))
    if not isinstance(key := found.get("key"), str) or not key:
        raise UselessError("no_key", "the record names no key in s3.object.key")
    try:
        key = unquote_plus(key, errors="strict")
    except UnicodeDecodeError:
        raise UselessError("bad_key", f"the key {short(key)} is not UTF-8 in URL encoding") from None
    return NotifiedObject(
        bucket=bucket_name(_dict(s3.get("bucket")).get("name")),
        key=_key(key),
        etag=_etag(found),
        size=_size(found),
        version_id=_version(found.get("versionId")),
        event_time=_instant(record.get("eventTime")),
        event=f"s3:{name}",
        kind=kind,
        region=_name(record.get("awsRegion")),
    )


def _kind_of(name: str) -> Literal["created", "restored"] | None:
    """What an event of S3 means for its object; None where it needs nothing."""
    group = name.partition(":")[0]
    if group == "ObjectCreated":
        return "created"
    if name == "ObjectRestore:Completed":
        return "restored"
    if group in _IGNORED_EVENTS:
        return None
    raise UselessError("unknown_event", f"s3:{name} is an event that is not known here; the listing still counts")


def from_event_bridge(event: dict[str, Any]) -> NotifiedObject | str:
    """An event of EventBridge, or of Security Lake, which leaves ``detail-type`` out for new objects."""
    source, name, detail = event.get("source"), event.get("detail-type"), event["detail"]
    if source != "aws.s3":
        raise UselessError("unknown_event", f"the event is {short(name)} of {short(source)}, not of aws.s3")
    if isinstance(name, str) and name in _IGNORED_DETAIL_TYPES:
        return name
    if name is None and "deletion-type" in detail:
        return "Object Deleted"
    if name not in (None, "Object Created", "Object Restore Completed"):
        raise UselessError("unknown_event", f"{short(name)} of aws.s3 is an event that is not known here")
    found = _dict(detail.get("object"))
    return NotifiedObject(
        bucket=bucket_name(_dict(detail.get("bucket")).get("name")),
        key=_key(found.get("key")),
        etag=_etag(found),
        size=_size(found),
        version_id=_version(found.get("version-id")),
        event_time=_instant(event.get("time")),
        event=name or "Object Created",
        kind="restored" if name == "Object Restore Completed" else "created",
        account=_name(event.get("account")),
        region=_name(event.get("region")),
    )


def from_cloudtrail(value: dict[str, Any]) -> NotifiedObject:
    """A key that CloudTrail's own message names."""
    return _bare(bucket_name(value["s3Bucket"]), value["s3ObjectKey"], "CloudTrail log file delivery", None)


def from_config(value: dict[str, Any]) -> NotifiedObject | str:
    """A message of AWS Config, most of which are about no object."""
    name, time = value.get("messageType"), value.get("notificationCreationTime")
    if "s3ObjectKey" in value:
        event = f"AWS Config {_name(name)}" if _name(name) else "CloudTrail log file delivery"
        return _bare(bucket_name(value.get("s3Bucket")), value["s3ObjectKey"], event, time)
    place = _dict(value.get("s3DeliverySummary")).get("s3BucketLocation")
    if name == "OversizedConfigurationItemChangeNotification" and isinstance(place, str):
        bucket, _, key = place.removeprefix("s3://").partition("/")
        return _bare(bucket_name(bucket), key, f"AWS Config {name}", time)
    if isinstance(name, str) and name in _CONFIG_WITHOUT_OBJECT:
        return f"AWS Config {name}"
    raise UselessError("unknown_shape", f"the message is of type {short(name)}, which names no object")


def _bare(bucket: str, key: Any, event: str, time: Any) -> NotifiedObject:
    """An object of which nothing is said but where it is."""
    return NotifiedObject(bucket, _key(key), None, None, None, _instant(time), event, "created")


def bucket_name(value: Any) -> str:
    """The name, if it is one that could be a bucket's.

    Raises:
        UselessError: it is not.
    """
    if (name := _name(value)) is None:
        raise UselessError("no_bucket", "no bucket is named, or not by a usable name")
    return name


def _key(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise UselessError("no_key", "no key is named")
    if storable(value) != value or "\0" in value or len(value.encode()) > _KEY_BYTES:
        raise UselessError("bad_key", f"the key {short(value)} cannot be a key of S3 (UTF-8, {_KEY_BYTES} bytes)")
    return value


def _name(value: Any) -> str | None:
    """A short text that can be stored, or None."""
    usable = isinstance(value, str) and value and len(value) <= _NAME_LENGTH and value.isprintable()
    return value if usable and storable(value) == value else None


def _etag(found: dict[str, Any]) -> str | None:
    """The ETag as listings write it: without quotes, an MD5 in small letters."""
    value = _name(next((found[name] for name in ("eTag", "etag", "ETag") if name in found), None))
    if value is None:
        return None
    etag = value.strip('"')
    return (etag.lower() if _MD5_ETAG.fullmatch(etag) else etag) or None


def _size(found: dict[str, Any]) -> int | None:
    value = found.get("size")
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _BIGGEST else None


def _version(value: Any) -> str | None:
    """The version; ``null`` is the one that the next write replaces, so it names nothing lasting."""
    return None if value == "null" else _name(value)


def _instant(value: Any) -> datetime | None:
    try:
        instant = datetime.fromisoformat(value) if isinstance(value, str) else None
        if instant is None:
            return None
        return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def field_names(value: dict[str, Any]) -> str:
    """The names of some fields, for a sentence."""
    return short(", ".join(list(value)[:8])) if value else "none"


def short(value: Any) -> str:
    """A value for a sentence: on one line, not long."""
    if value is None:
        return "nothing"
    text = storable(" ".join(value.split()) if isinstance(value, str) else type(value).__name__)
    text = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text[:200])
    return text if len(text) <= 120 else f"{text[:120]}…"


def storable(text: str) -> str:
    """The text with half surrogates escaped: no file or database takes them."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
