"""Amazon GuardDuty findings, exported to S3 or brought by EventBridge.

Source: AWS, "Exporting findings", "GuardDuty finding format" and the API reference of ``Finding``
(docs.aws.amazon.com/guardduty/latest/ug/guardduty_exportfindings.html and …/APIReference/API_Finding.html).

Belongs here: the finding's fields and their tables. Does not belong here: findings that Security Hub forwards in its
own format (``securityhub``).

A finding is exported again whenever GuardDuty sees more of the same: same id, new ``updatedAt`` and ``count``. Each
such version is an event of its own; only exact copies of one version are duplicates. ``TimeGenerated`` is the last update.
``Severity`` is a whole number in the table; AWS's may have a fraction, which is cut and told in ``ExtraFields_CF``.
"""

from collections.abc import Sequence
from typing import ClassVar

import msgspec
import polars as pl

from s3sentinel_assets.formats.asim import asim_columns
from s3sentinel_assets.formats.json_logs import NULL, Inner, JsonParser, first_time, iso_time
from s3sentinel_assets.formats.mapping import TIME, TableMapping, constant, derived, field

__all__ = ["GuardDutyParser"]


class Service(msgspec.Struct, gc=False, rename="camel"):
    """``service``: what was seen, how often, when."""

    count: str | None = None
    event_first_seen: str | None = None
    event_last_seen: str | None = None
    archived: bool | None = None
    detector_id: str | None = None
    user_feedback: str | None = None
    feature_name: str | None = None
    action: msgspec.Raw = NULL


class AccessKey(msgspec.Struct, gc=False, rename="camel"):
    """``resource.accessKeyDetails``."""

    access_key_id: str | None = None
    principal_id: str | None = None
    user_name: str | None = None
    user_type: str | None = None


class Instance(msgspec.Struct, gc=False, rename="camel"):
    """``resource.instanceDetails``."""

    instance_id: str | None = None


class Resource(msgspec.Struct, gc=False, rename="camel"):
    """``resource``: what the finding is about."""

    resource_type: str | None = None
    access_key_details: AccessKey | None = None
    instance_details: Instance | None = None


class Record(msgspec.Struct, gc=False, rename="camel"):
    """One version of a finding."""

    schema_version: str | None = None
    account_id: str | None = None
    region: str | None = None
    partition: str | None = None
    id: str | None = None
    arn: str | None = None
    type: str | None = None
    resource: msgspec.Raw = NULL
    service: msgspec.Raw = NULL
    severity: float | None = None
    created_at: str | None = None
    updated_at: str | None = None
    title: str | None = None
    description: str | None = None
    confidence: float | None = None


class _Envelope(msgspec.Struct):
    """An EventBridge event."""

    source: str | None = None
    detail: msgspec.Raw = NULL


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_REMOTE = r'"remoteIpDetails"\s*:\s*\{[^{}]*"ipAddressV[46]"\s*:\s*"([^"]+)"'
_REMOTE_AFTER = r'"ipAddressV4"\s*:\s*"([^"]+)"'
_API = r'"api"\s*:\s*"([^"]+)"'
_SEEN = pl.concat_str(pl.col("id"), "updatedAt", pl.col("service.count").fill_null("-"), separator="@")
_PRINCIPAL = pl.coalesce(
    "resource.accessKeyDetails.userName",
    "resource.accessKeyDetails.principalId",
    "resource.instanceDetails.instanceId",
    "resource.resourceType",
)
#: AWS: critical from 9, high from 7, medium from 4, low from 1.
_LEVEL = (
    pl.when(pl.col("severity") >= 7)
    .then(pl.lit("High"))
    .when(pl.col("severity") >= 4)
    .then(pl.lit("Medium"))
    .when(pl.col("severity") >= 1)
    .then(pl.lit("Low"))
    .otherwise(pl.lit("Informational"))
)

_ENTITIES = {
    "account": field("accountId"),
    "region": field("region"),
    "principal": derived("user, instance or kind of resource the finding is about", _PRINCIPAL),
    "principal_type": field("resource.resourceType"),
    "peer": derived("`accountId`/`region`", pl.concat_str("accountId", "region", separator="/", ignore_nulls=True)),
    "service": constant("guardduty"),
    "action": field("type"),
    "target": field("arn"),
    "source_ip": derived("remote address of `service.action`", pl.col("_remote")),
    "error": derived("severity as a word", _LEVEL),
}

_NATIVE = TableMapping(
    "AWSGuardDuty",
    {
        "AccountId": field("accountId"),
        "ActivityType": field("type"),
        "Arn": field("arn"),
        "Description": field("description"),
        "Id": field("id"),
        "Partition": field("partition"),
        "Region": field("region"),
        "ResourceDetails": field("resource"),
        "SchemaVersion": field("schemaVersion"),
        "ServiceDetails": field("service"),
        "Severity": derived("`severity`, its fraction cut", pl.col("severity").floor()),
        "TimeCreated": field("createdAt"),
        "Title": field("title"),
    },
    _ENTITIES,
    event_id=_SEEN,
)

_ASIM = TableMapping(
    "ASimAlertEventLogs",
    {
        **asim_columns(
            "AlertEvent",
            event_type="Alert",
            result="NA",
            product="GuardDuty",
            severity=derived("`severity`: High from 7, Medium from 4, Low from 1", _LEVEL),
            start=derived("`service.eventFirstSeen`, else `createdAt`", pl.col("_first")),
            end=derived("`service.eventLastSeen`, else `updatedAt`", pl.col("_last")),
            uid=derived("`id`, `updatedAt` and `service.count`", _SEEN),
            original_uid=field("id"),
            original_severity=derived("`severity`", pl.col("severity").cast(pl.String)),
            original_type=field("type"),
            message=field("description"),
            product_version=field("schemaVersion"),
        ),
        "AlertId": field("id"),
        "AlertName": field("title"),
        "AlertDescription": field("description"),
        "AlertStatus": derived(
            "Closed where `service.archived`, else Active",
            pl.when(pl.col("service.archived").fill_null(value=False)).then(pl.lit("Closed")).otherwise(
                pl.lit("Active")
            ),
        ),
        "DetectionMethod": constant("Threat Intelligence"),
        "DvcScopeId": field("accountId"),
        "DvcZone": field("region"),
        "DvcAction": constant("Allowed"),
        "DvcIpAddr": derived("remote address of `service.action`", pl.col("_remote")),
        "Username": field("resource.accessKeyDetails.userName"),
        "UserId": field("resource.accessKeyDetails.principalId"),
        "UserType": field("resource.accessKeyDetails.userType"),
        "DvcId": field("resource.instanceDetails.instanceId"),
        "ThreatCategory": derived("first part of `type`, before the colon", pl.col("type").str.extract(r"^([^:]+)")),
        "ThreatName": field("type"),
        "AdditionalFields": derived(
            "`resource` and `service`, whole",
            pl.concat_str(
                pl.lit('{"resource":'), pl.col("resource").fill_null("null"),
                pl.lit(',"service":'), pl.col("service").fill_null("null"), pl.lit("}"),
            ),
        ),
    },
    _ENTITIES,
    event_id=_SEEN,
)  # fmt: skip


class GuardDutyParser(JsonParser):
    """Parses GuardDuty findings, bare or in EventBridge events."""

    name: ClassVar[str] = "guardduty"
    title: ClassVar[str] = "a GuardDuty finding"
    native: ClassVar[tuple[TableMapping, ...]] = (_NATIVE,)
    asim: ClassVar[tuple[TableMapping, ...]] = (_ASIM,)
    native_event_ids: ClassVar[bool] = True
    Record = Record
    inside: ClassVar = {"service": Service, "resource": Resource}
    wrappers: ClassVar = ("findings", "Findings")
    required: ClassVar = ("id", "type", "service", "resource")
    telling: ClassVar = (
        "schemaVersion", "accountId", "region", "partition", "id", "arn", "type", "resource", "service", "severity",
        "createdAt", "updatedAt",
    )  # fmt: skip
    telling_enough: ClassVar[int] = 8
    unplaced: ClassVar = ("confidence", "_exact")
    envelope_marks: ClassVar = (b'"aws.guardduty"',)

    def unwrap(self, text: bytes) -> Sequence[Inner] | None:
        """The ``detail`` of an EventBridge event."""
        envelope = _ENVELOPE.decode(text)
        if envelope.source != "aws.guardduty" or not bytes(envelope.detail).startswith(b"{"):
            return None
        return (Inner(bytes(envelope.detail)),)

    def time(self, frame: pl.DataFrame) -> pl.Series:
        """``updatedAt``, else ``createdAt``."""
        return first_time(iso_time(frame["updatedAt"]), iso_time(frame["createdAt"]))

    def prepare(self, raw: pl.DataFrame) -> pl.DataFrame:
        """Adds the remote address, the times of the first and last event, and a severity with a fraction."""
        now, severity = raw[TIME], pl.col("severity")
        return raw.with_columns(
            pl.coalesce(
                pl.col("service.action").str.extract(_REMOTE), pl.col("service.action").str.extract(_REMOTE_AFTER)
            ).alias("_remote"),
            first_time(iso_time(raw["service.eventFirstSeen"]), iso_time(raw["createdAt"]), now).alias("_first"),
            first_time(iso_time(raw["service.eventLastSeen"]), now).alias("_last"),
            pl.when(severity != severity.floor()).then(severity).alias("_exact"),
        )
