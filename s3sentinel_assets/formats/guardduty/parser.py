"""Amazon GuardDuty findings, exported to S3 or brought by EventBridge.

Source: AWS, "Exporting generated findings to Amazon S3 buckets", "GuardDuty finding format", "Finding details"
(docs.aws.amazon.com/guardduty/latest/ug/guardduty_exportfindings.html, …/guardduty_finding-format.html,
…/guardduty_findings-summary.html) and the API reference of ``Finding``.

Belongs here: the table, the entities. Does not belong here: the finding's fields (``fields``), ASIM
(``asim``), findings that Security Hub forwards in its own format (``securityhub``).

A finding is exported again whenever GuardDuty sees more of the same: same id, new ``updatedAt`` and ``count``. Each
such version is an event of its own; only copies of one version are duplicates. ``TimeGenerated`` is the last update.
``Severity`` is a whole number in the table: a fraction is cut, and the number kept in ``ExtraFields_CF``.
"""

from collections.abc import Sequence
from typing import ClassVar

import msgspec
import polars as pl

from s3sentinel_assets.formats.frames import FLAGS, flags
from s3sentinel_assets.formats.guardduty.asim import asim_mapping
from s3sentinel_assets.formats.guardduty.fields import Record, Resource, Service
from s3sentinel_assets.formats.json_logs import Inner, JsonParser, first_time, iso_time
from s3sentinel_assets.formats.json_logs.eventbridge import judge_events
from s3sentinel_assets.formats.mapping import TIME, TableMapping, constant, derived, field
from s3sentinel_assets.formats.model import Verdict

__all__ = ["GuardDutyParser"]


class _Envelope(msgspec.Struct):
    """An EventBridge event."""

    source: str | None = None
    detail: msgspec.Raw = msgspec.Raw(b"null")


_EVENTS = ("GuardDuty Finding",)
_ENVELOPE = msgspec.json.Decoder(_Envelope)
# At the top of an object that has objects in it.
_REMOTE = r'"remoteIpDetails"\s*:\s*\{(?:[^{}]|\{[^{}]*\})*?"ipAddressV[46]"\s*:\s*"([^"]+)"'
_ACTOR = r'"user"\s*:\s*\{(?:[^{}]|\{[^{}]*\})*?"name"\s*:\s*"([^"]+)"'
_ACTIONS = ("networkConnection", "awsApiCall", "kubernetesApiCall", "rdsLoginAttempt")
_REMOTES = [
    f"service.action.{name}Action.remoteIpDetails.ipAddress{version}" for name in _ACTIONS for version in ("V4", "V6")
]
_SEQUENCE = "service.detection.sequence."

_USER = pl.coalesce(
    "resource.accessKeyDetails.userName",
    "resource.kubernetesDetails.kubernetesUserDetails.username",
    "resource.rdsDbUserDetails.user",
    pl.col(f"{_SEQUENCE}actors").str.extract(_ACTOR),
)
_THING = pl.coalesce(
    "resource.instanceDetails.instanceId",
    pl.col("resource.s3BucketDetails").str.extract(r'"arn"\s*:\s*"([^"]+)"'),
    "resource.lambdaDetails.functionArn",
    "resource.eksClusterDetails.arn",
    "resource.ecsClusterDetails.arn",
    "resource.rdsDbInstanceDetails.dbInstanceArn",
    pl.col(f"{_SEQUENCE}resources").str.extract(r'"uid"\s*:\s*"([^"]+)"'),
)
_PRINCIPAL = pl.coalesce(_USER, "resource.accessKeyDetails.principalId", _THING, "resource.resourceType", "accountId")
_VERSION = pl.concat_str("id", pl.col("updatedAt").fill_null("-"), pl.col("service.count").fill_null(1), separator="@")
#: AWS: critical from 9, high from 7, medium from 4, low from 1.
_LEVEL = (
    pl.when(pl.col("_severity") >= 7).then(pl.lit("High"))
    .when(pl.col("_severity") >= 4).then(pl.lit("Medium"))
    .when(pl.col("_severity") >= 1).then(pl.lit("Low"))
    .otherwise(pl.lit("Informational"))
)  # fmt: skip

_ENTITIES = {
    "account": field("accountId"),
    "region": field("region"),
    "principal": derived("user, else what the finding is about, else `resource.resourceType`", _PRINCIPAL),
    "principal_type": field("resource.resourceType"),
    "peer": derived("`accountId`/`region`", pl.concat_str("accountId", "region", separator="/", ignore_nulls=True)),
    "service": constant("guardduty"),
    "action": field("type"),
    "target": derived("what the finding is about, else `arn`", pl.coalesce(_THING, "arn")),
    "source_ip": derived("remote address of the action", pl.col("_remote")),
    "user_agent": derived(
        "`userAgent` of a call",
        pl.coalesce(*(f"service.action.{name}ApiCallAction.userAgent" for name in ("aws", "kubernetes"))),
    ),
    "error": derived("severity as a word", _LEVEL),
    "severity": derived(
        "`severity`: critical from 9, high from 7, medium from 4, low from 1",
        pl.when(pl.col("_severity") >= 9).then(pl.lit("critical")).otherwise(_LEVEL.str.to_lowercase()),
    ),
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
        "Severity": derived("`severity`, its fraction cut", pl.col("_severity").floor()),
        "TimeCreated": field("createdAt"),
        "Title": field("title"),
    },
    _ENTITIES,
    event_id=_VERSION,
)
_ASIM = asim_mapping(_ENTITIES, _LEVEL, _USER, _VERSION)


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
    required: ClassVar = ("id", "type", "service", ("resource", "schemaVersion"))
    telling: ClassVar = (
        "schemaVersion", "accountId", "region", "partition", "id", "arn", "type", "resource", "service", "severity",
        "createdAt", "updatedAt",
    )  # fmt: skip
    telling_enough: ClassVar[int] = 8
    unplaced: ClassVar = ("severity", "confidence")
    envelope_marks: ClassVar = (b'"aws.guardduty"',)

    @classmethod
    def sniff(cls, head: bytes, key: str) -> Verdict:
        """The keys of findings, or events that bring them."""
        return judge_events(head, "aws.guardduty", _EVENTS, cls.title) or super().sniff(head, key)

    def unwrap(self, text: bytes) -> Sequence[Inner] | None:
        """The ``detail`` of an EventBridge event."""
        envelope = _ENVELOPE.decode(text)
        if envelope.source != "aws.guardduty" or not bytes(envelope.detail).startswith(b"{"):
            return None
        return (Inner(bytes(envelope.detail)),)

    def time(self, frame: pl.DataFrame) -> pl.Series:
        """``updatedAt``, else ``createdAt``."""
        times = iso_time(frame["updatedAt"])
        return first_time(times, iso_time(frame["createdAt"])) if times.null_count() else times

    def prepare(self, raw: pl.DataFrame) -> pl.DataFrame:
        """Adds addresses, the severity in ``_severity``; ``severity`` stays where it has a fraction."""
        severity = pl.col("severity")
        made = raw.with_columns(
            severity.alias("_severity"),
            pl.when(severity != severity.floor()).then(severity).alias("severity"),
            pl.coalesce(
                *_REMOTES,
                pl.col("service.action.portProbeAction.portProbeDetails").str.extract(_REMOTE),
                pl.col(f"{_SEQUENCE}endpoints").str.extract(r'"ip"\s*:\s*"([^"]+)"'),
            ).alias("_remote"),
            pl.when(iso_time(raw["updatedAt"]).is_null())
            .then(flags(pl.col(FLAGS), pl.format("bad_updatedAt={}", pl.col("updatedAt").str.slice(0, 100))))
            .otherwise(FLAGS)
            .alias(FLAGS),
        )
        if self.mappings is not self.asim:
            return made
        created = iso_time(raw["createdAt"])
        return made.with_columns(
            pl.col("resource.instanceDetails.networkInterfaces")
            .str.extract(r'"privateIpAddress"\s*:\s*"([^"]+)"')
            .alias("_private"),
            first_time(iso_time(raw["service.eventFirstSeen"]), created, raw[TIME]).alias("_first"),
            first_time(iso_time(raw["service.eventLastSeen"]), raw[TIME]).alias("_last"),
        )
