"""AWS Config: snapshots, history files and notices of changes.

Source: AWS Config Developer Guide, "Viewing Delivered Configuration Snapshots", "Example Configuration Snapshot from
AWS Config", "Example Configuration Item Change Notifications" and "Example Oversized Configuration Item Change
Notification" (docs.aws.amazon.com/config/latest/developerguide); API reference, ``ConfigurationItem``.

Belongs here: the configuration item's fields, whatever file it comes in, and their table. Does not belong here: cutting
JSON; evaluations of rules, which Security Hub passes on.

Decisions:

* Each configuration item is a record. ``TimeGenerated`` is when it was captured, which in a snapshot may be long ago.
* Event ids are the usual ones, not the item's own. A resource, the capture time and the state id together do name a
  version of it, but the same version stands in the history file and in every snapshot until the next change: that it
  still was so at the time of a snapshot is what a snapshot says, and filtering by the item would drop it.
* ``FileVersion`` and ``SnapshotId`` are those that the file begins with. Where several files are strung together, the
  items have none, and the object's note tells so.
* ``configuration`` is an object in files and a text of JSON from the API: both become JSON.
* A notice of an oversized item has a summary in place of the item: it is a record like the others. Where the item is
  stored (``s3DeliverySummary``) is in ``RawData``, which holds each record whole.
* ``ConfigWritabilityCheckFile``, by which AWS tries out a bucket, is empty: it holds no record.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar

import msgspec
import polars as pl

from s3sentinel_assets.formats.aws_config.notices import DIFF, MESSAGE_TYPE, WHOLE, unwrap_notice
from s3sentinel_assets.formats.frames import OBJECT
from s3sentinel_assets.formats.json_logs import CONTEXT, NULL, TEXT, Inner, JsonParser, any_time, judge, peek
from s3sentinel_assets.formats.mapping import TableMapping, constant, derived, field
from s3sentinel_assets.formats.model import ParseOptions, Reading, Strays, Verdict

__all__ = ["AwsConfigParser"]

_ITEMS = "configurationItems"
#: Bytes in which a file says what it is.
_HEAD = 4 << 10
_FILE_KEY = b'"configSnapshotId"'
#: ``fileVersion`` and ``configSnapshotId`` of what is no file.
_NO_FILE = (None, None)


class Record(msgspec.Struct, gc=False, rename="camel"):
    """A configuration item, by its names in files and in the API."""

    configuration_item_version: str | None = None
    version: str | None = None
    configuration_item_capture_time: msgspec.Raw = NULL
    configuration_item_delivery_time: msgspec.Raw = NULL
    configuration_item_status: str | None = None
    configuration_state_id: msgspec.Raw = NULL
    configuration_state_md5_hash: str | None = msgspec.field(default=None, name="configurationStateMd5Hash")
    configuration_item_md5_hash: str | None = msgspec.field(default=None, name="configurationItemMD5Hash")
    aws_account_id: str | None = None
    account_id: str | None = None
    aws_region: str | None = None
    availability_zone: str | None = None
    resource_type: str | None = None
    resource_id: str | None = None
    resource_name: str | None = None
    file_arn: str | None = msgspec.field(default=None, name="ARN")
    arn: str | None = None
    resource_creation_time: msgspec.Raw = NULL
    recording_frequency: str | None = None
    related_events: msgspec.Raw = NULL
    relationships: msgspec.Raw = NULL
    configuration: msgspec.Raw = NULL
    supplementary_configuration: msgspec.Raw = NULL
    tags: msgspec.Raw = NULL
    change_type: str | None = None


_ACCOUNT = pl.coalesce("awsAccountId", "accountId")
_ARN = pl.coalesce("ARN", "arn")
_VERSION = pl.coalesce("configurationItemVersion", "version")

_NATIVE = TableMapping(
    "AWSConfig_CL",
    {
        "AccountId": derived("`awsAccountId`, in the API `accountId`", _ACCOUNT),
        "Region": field("awsRegion"),
        "AvailabilityZone": field("availabilityZone"),
        "ResourceType": field("resourceType"),
        "ResourceId": field("resourceId"),
        "ResourceName": field("resourceName"),
        "ResourceArn": derived("`ARN`, in the API `arn`", _ARN),
        "ItemStatus": field("configurationItemStatus"),
        "ItemVersion": derived("`configurationItemVersion`, in the API `version`", _VERSION),
        "CaptureTime": field("_captured", "configurationItemCaptureTime"),
        "DeliveryTime": field("_delivered", "configurationItemDeliveryTime"),
        "ResourceCreationTime": field("_created", "resourceCreationTime"),
        "StateId": field("_state", "configurationStateId"),
        "StateMd5Hash": derived(
            "`configurationStateMd5Hash`, in the API `configurationItemMD5Hash`",
            pl.coalesce("configurationStateMd5Hash", "configurationItemMD5Hash"),
        ),
        "RecordingFrequency": field("recordingFrequency"),
        "Configuration": field("_configuration", "configuration"),
        "SupplementaryConfiguration": field("supplementaryConfiguration"),
        "Relationships": field("relationships"),
        "RelatedEvents": field("relatedEvents"),
        "Tags": field("tags"),
        "ItemDiff": field(CONTEXT + DIFF, "configurationItemDiff"),
        "SnapshotId": field("_snapshot", "configSnapshotId"),
        "FileVersion": field("_file", "fileVersion"),
        "MessageType": field(CONTEXT + MESSAGE_TYPE, "messageType"),
        "RawData": derived("the item, or the notice that it came in", pl.coalesce(CONTEXT + WHOLE, TEXT)),
    },
    {
        "account": derived("`awsAccountId`", _ACCOUNT),
        "region": field("awsRegion"),
        "principal": derived("`ARN`, else `resourceId`", pl.coalesce(_ARN, "resourceId")),
        "principal_type": field("resourceType"),
        "peer": derived(
            "account and `resourceType`", pl.concat_str(_ACCOUNT.fill_null("-"), "resourceType", separator="/")
        ),
        "service": constant("config"),
        "action": derived(
            "`changeType`, else `configurationItemStatus`", pl.coalesce("changeType", "configurationItemStatus")
        ),
        "target": derived("`ARN`, else `resourceId`", pl.coalesce(_ARN, "resourceId")),
    },
)


class AwsConfigParser(JsonParser):
    """Parses files and notices of AWS Config."""

    name: ClassVar[str] = "aws_config"
    title: ClassVar[str] = "an AWS Config item"
    native: ClassVar[tuple[TableMapping, ...]] = (_NATIVE,)
    Record = Record
    wrappers: ClassVar = (_ITEMS,)
    required: ClassVar = ("configurationItemCaptureTime", "resourceType", ("resourceId", "ARN", "arn"))
    telling: ClassVar = (
        "configurationItemCaptureTime", "configurationItemStatus", "configurationStateId", "awsAccountId", "accountId",
        "resourceType", "resourceId", "awsRegion", "relationships", "configuration", "supplementaryConfiguration",
        "relatedEvents", "configurationItemVersion", "configurationStateMd5Hash",
    )  # fmt: skip
    telling_enough: ClassVar[int] = 5
    context_keys: ClassVar = (DIFF, MESSAGE_TYPE, WHOLE)
    unplaced: ClassVar = ("changeType",)
    keep_text: ClassVar[bool] = True
    envelope_marks: ClassVar = (b'"configurationItem"', b'"configurationItemSummary"')

    @classmethod
    def sniff(cls, head: bytes, key: str) -> Verdict:  # noqa: ARG003 - content says it all here
        """What a file or a notice says of itself, else the keys of items."""
        for members in peek(head):
            if _ITEMS in members and "fileVersion" in members:
                return Verdict(0.98, "a file of AWS Config")
            notice = "messageType" in members and {"configurationItem", "configurationItemSummary"} & members.keys()
            event = members.get("source") == b'"aws.config"' and b'"configurationItem' in members.get("detail", b"")
            if notice or event:
                return Verdict(0.95, "a notice of AWS Config")
        return judge(head, cls.telling, cls.telling_enough, cls.wrappers, cls.title)

    def __init__(self, options: ParseOptions | None = None, strays: Strays | None = None, **limits: int) -> None:
        """Prepares to parse; ``limits`` as `JsonParser` has them."""
        super().__init__(options, strays, **limits)
        self._files: dict[int, tuple[str | None, str | None]] = {}

    def read(self, reading: Reading, chunks: Iterable[bytes]) -> Iterator[None]:
        """Gathers one object's items; see `FormatParser.read`."""
        return super().read(reading, self._watched(reading, chunks))

    def _watched(self, reading: Reading, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The same bytes; notes what the file says of itself, as long as it is one file."""
        head, files = b"", 0
        for chunk in chunks:
            if len(head) < _HEAD:
                head += chunk[:_HEAD]
                self._files[reading.object_id] = _file_of(head)
            files += chunk.count(_FILE_KEY)
            if files > 1 and self._files[reading.object_id] != _NO_FILE:
                self._files[reading.object_id] = _NO_FILE
                reading.remark("several files of AWS Config in one object: their items are not told apart")
            yield chunk

    def unwrap(self, text: bytes) -> Sequence[Inner] | None:
        """The item in a notice, or its summary."""
        return unwrap_notice(text)

    def time(self, frame: pl.DataFrame) -> pl.Series:
        """``configurationItemCaptureTime``, a time or a number."""
        return any_time(frame["configurationItemCaptureTime"])

    def prepare(self, raw: pl.DataFrame) -> pl.DataFrame:
        """Adds times, plain texts, and what files say of themselves."""
        files = {object_id: version for object_id, (version, _) in self._files.items()}
        snapshots = {object_id: snapshot for object_id, (_, snapshot) in self._files.items()}
        return raw.with_columns(
            any_time(raw["configurationItemCaptureTime"]).alias("_captured"),
            any_time(raw["configurationItemDeliveryTime"]).alias("_delivered"),
            any_time(raw["resourceCreationTime"]).alias("_created"),
            pl.col("configurationStateId").str.strip_chars('"').alias("_state"),
            _as_json(raw["configuration"]).alias("_configuration"),
            pl.col(OBJECT).replace_strict(files, default=None, return_dtype=pl.String).alias("_file"),
            pl.col(OBJECT).replace_strict(snapshots, default=None, return_dtype=pl.String).alias("_snapshot"),
        )


def _file_of(head: bytes) -> tuple[str | None, str | None]:
    """``fileVersion`` and ``configSnapshotId`` in the first bytes of a file."""
    members = next(iter(peek(head)), {})
    if _ITEMS not in members:
        return _NO_FILE
    return _plain(members.get("fileVersion")), _plain(members.get("configSnapshotId"))


def _plain(value: bytes | None) -> str | None:
    return None if value in (None, b"null") else value.decode(errors="replace").strip('"')


def _as_json(texts: pl.Series) -> pl.Series:
    """JSON texts, those that hold a text of JSON replaced by what is in it."""
    quoted = texts.str.starts_with('"').fill_null(value=False)
    if not quoted.any():
        return texts
    rows = quoted.arg_true()
    return texts.scatter(rows, pl.Series([_inside(text) for text in texts.gather(rows)], dtype=pl.String))


def _inside(text: str) -> str:
    try:
        inner = msgspec.json.decode(text, type=str)
        msgspec.json.decode(inner, type=msgspec.Raw)
    except (ValueError, RecursionError):
        return text  # a text like any other
    return inner
