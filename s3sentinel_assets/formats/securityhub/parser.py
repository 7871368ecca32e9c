"""AWS Security Hub findings in the AWS Security Finding Format (ASFF), exported or brought by EventBridge.

Source: AWS, "AWS Security Finding Format (ASFF)" and "EventBridge event formats for Security Hub CSPM"
(docs.aws.amazon.com/securityhub/latest/userguide/securityhub-findings-format-syntax.html and
…/securityhub-cwe-event-formats.html); the API reference of ``BatchUpdateFindings``.

Belongs here: the table, the entities. Does not belong here: the finding's fields (``fields``), ASIM
(``asim``), findings in OCSF (``ocsf``), which newer events hold.

Decisions where a name does not say it all:

* A finding is sent again whenever it changes: same ``Id``, new ``UpdatedAt``. But where people change its workflow,
  note or severity ``UpdatedAt`` stays. So a version's event id has a digest of the finding in it too. White space does
  not count: a finding is the same in a file and in an event.
* ``TimeGenerated`` is ``UpdatedAt``. ``RawData`` holds the whole finding, and with it what has no column.
* A custom action, which sends a finding to EventBridge by hand, is in ``ExtraFields_CF``: ``actionName`` and
  ``actionDescription``.
"""

import hashlib
from collections.abc import Sequence
from typing import ClassVar

import msgspec
import polars as pl

from s3sentinel_assets.formats.json_logs import CONTEXT, TEXT, Inner, JsonParser, first_time, iso_time
from s3sentinel_assets.formats.json_logs.eventbridge import judge_events
from s3sentinel_assets.formats.mapping import TIME, TableMapping, constant, derived, field
from s3sentinel_assets.formats.model import Verdict
from s3sentinel_assets.formats.securityhub.asim import asim_mapping
from s3sentinel_assets.formats.securityhub.fields import (
    Action,
    Compliance,
    Network,
    ProviderFields,
    Record,
    Remediation,
    Severity,
    Workflow,
)

__all__ = ["SecurityHubParser"]


class _Detail(msgspec.Struct, rename="camel"):
    """``detail`` of an EventBridge event."""

    findings: list[msgspec.Raw] = []
    action_name: str | None = None
    action_description: str | None = None


class _Envelope(msgspec.Struct):
    """An EventBridge event."""

    source: str | None = None
    detail: _Detail | None = None


_EVENTS = ("Security Hub Findings - ", "Findings Imported")
_ENVELOPE = msgspec.json.Decoder(_Envelope)
_OF_ACTION = ("actionName", "actionDescription")
_REGION = pl.coalesce("Region", pl.col("ProductArn").str.extract(r"^arn:[^:]*:[^:]*:([^:]+):"))
_VERSION = pl.concat_str(
    "Id", pl.coalesce("UpdatedAt", "CreatedAt", pl.lit("-")), "_digest", f"{CONTEXT}actionName", separator="@",
    ignore_nulls=True,
)  # fmt: skip
_REMOTE = r'"RemoteIpDetails"\s*:\s*\{(?:[^{}]|\{[^{}]*\})*?"IpAddressV4"\s*:\s*"([^"]+)"'
_ADDRESSES = [
    *(f"Action.{name}Action.RemoteIpDetails.IpAddressV4" for name in ("AwsApiCall", "NetworkConnection")),
    *("Network.SourceIpV4", "Network.SourceIpV6"),
]

_ENTITIES = {
    "account": field("AwsAccountId"),
    "region": derived("`Region`, else that in `ProductArn`", _REGION),
    "principal": derived("`Id` of the first of `Resources`", pl.coalesce(pl.col("_resource"), "AwsAccountId")),
    "principal_type": derived("`Type` of the first of `Resources`", pl.col("_resource_type")),
    "peer": derived(
        "`AwsAccountId`/`ProductName`", pl.concat_str("AwsAccountId", "ProductName", separator="/", ignore_nulls=True)
    ),
    "service": constant("securityhub"),
    "action": derived("`GeneratorId`, else `ProductArn`", pl.coalesce("GeneratorId", "ProductArn")),
    "target": derived("`Id` of the first of `Resources`", pl.col("_resource")),
    "source_ip": derived("remote address of `Action`, else source address of `Network`", pl.col("_remote")),
    "error": derived(
        "severity as a word, of an active finding that did not pass",
        pl.when((pl.col("RecordState") != "ARCHIVED") & (pl.col("Compliance.Status").fill_null("") != "PASSED")).then(
            "_label"
        ),
    ),
    "severity": derived(
        "label of `Severity` of an active finding that did not pass, else informational",
        pl.when((pl.col("RecordState") != "ARCHIVED") & (pl.col("Compliance.Status").fill_null("") != "PASSED"))
        .then(
            pl.col("_label")
            .str.to_lowercase()
            .replace_strict({name: name for name in ("critical", "high", "medium", "low")}, default="informational")
        )
        .otherwise(pl.lit("informational")),
    ),
}

_NATIVE = TableMapping(
    "AWSSecurityHubFindings",
    {
        "AwsAccountId": field("AwsAccountId"),
        "AwsRegion": derived("`Region`, else that in `ProductArn`", _REGION),
        "AwsSecurityFindingCreatedAt": field("CreatedAt"),
        "AwsSecurityFindingDescription": field("Description"),
        "AwsSecurityFindingFirstObservedAt": field("FirstObservedAt"),
        "AwsSecurityFindingGeneratorId": field("GeneratorId"),
        "AwsSecurityFindingId": field("Id"),
        "AwsSecurityFindingLastObservedAt": field("LastObservedAt"),
        "AwsSecurityFindingProcessedAt": field("ProcessedAt"),
        "AwsSecurityFindingProductArn": field("ProductArn"),
        "AwsSecurityFindingProductFields": field("ProductFields"),
        "AwsSecurityFindingProductName": field("ProductName"),
        "AwsSecurityFindingSeverity": derived(
            "`Severity`, else `FindingProviderFields.Severity`",
            pl.coalesce("Severity", "FindingProviderFields.Severity"),
        ),
        "AwsSecurityFindingTitle": field("Title"),
        "AwsSecurityFindingTypes": derived(
            "`Types`, else `FindingProviderFields.Types`", pl.coalesce("Types", "FindingProviderFields.Types")
        ),
        "AwsSecurityFindingUpdatedAt": field("UpdatedAt"),
        "ComplianceAssociatedStandards": field("Compliance.AssociatedStandards"),
        "ComplianceRelatedRequirements": field("Compliance.RelatedRequirements"),
        "ComplianceSecurityControlId": field("Compliance.SecurityControlId"),
        "ComplianceSecurityControlParameters": field("Compliance.SecurityControlParameters"),
        "ComplianceStatus": field("Compliance.Status"),
        "ComplianceStatusReasons": field("Compliance.StatusReasons"),
        "RawData": derived("the whole finding", pl.col(TEXT)),
        "RecordState": field("RecordState"),
        "Remediation": field("Remediation"),
        "Resources": field("Resources"),
        "SchemaVersion": field("SchemaVersion"),
        "WorkflowState": derived("`WorkflowState`, else `Workflow.Status`",
                                 pl.coalesce("WorkflowState", "Workflow.Status")),
    },
    _ENTITIES,
    event_id=_VERSION,
)  # fmt: skip
_ASIM = asim_mapping(_ENTITIES, _REGION, _VERSION)


class SecurityHubParser(JsonParser):
    """Parses Security Hub findings: bare, in lists, in EventBridge events."""

    name: ClassVar[str] = "securityhub"
    title: ClassVar[str] = "a Security Hub finding"
    native: ClassVar[tuple[TableMapping, ...]] = (_NATIVE,)
    asim: ClassVar[tuple[TableMapping, ...]] = (_ASIM,)
    native_event_ids: ClassVar[bool] = True
    keep_text: ClassVar[bool] = True
    keep_unknown: ClassVar[bool] = False  # the text has it all
    Record = Record
    inside: ClassVar = {
        "Severity": Severity,
        "Compliance": Compliance,
        "Workflow": Workflow,
        "FindingProviderFields": ProviderFields,
        "Remediation": Remediation,
        "Action": Action,
        "Network": Network,
    }
    wrappers: ClassVar = ("Findings", "findings")
    required: ClassVar = ("Id", ("ProductArn", "GeneratorId"), ("UpdatedAt", "CreatedAt"))
    telling: ClassVar = (
        "SchemaVersion", "Id", "ProductArn", "GeneratorId", "AwsAccountId", "CreatedAt", "UpdatedAt", "Severity",
        "Resources", "RecordState",
    )  # fmt: skip
    telling_enough: ClassVar[int] = 5
    context_keys: ClassVar = _OF_ACTION
    unplaced: ClassVar = _OF_ACTION
    envelope_marks: ClassVar = (b'"aws.securityhub"',)

    @classmethod
    def sniff(cls, head: bytes, key: str) -> Verdict:
        """The keys of findings, or events that bring them."""
        return judge_events(head, "aws.securityhub", _EVENTS, cls.title) or super().sniff(head, key)

    def unwrap(self, text: bytes) -> Sequence[Inner] | None:
        """The findings in an EventBridge event."""
        envelope = _ENVELOPE.decode(text)
        if envelope.source != "aws.securityhub" or envelope.detail is None or not envelope.detail.findings:
            return None
        told = (envelope.detail.action_name, envelope.detail.action_description)
        context = {name: value for name, value in zip(_OF_ACTION, told, strict=True) if value}
        return [Inner(bytes(finding), context) for finding in envelope.detail.findings]

    def time(self, frame: pl.DataFrame) -> pl.Series:
        """``UpdatedAt``, else ``CreatedAt``."""
        return first_time(iso_time(frame["UpdatedAt"]), iso_time(frame["CreatedAt"]))

    def prepare(self, raw: pl.DataFrame) -> pl.DataFrame:
        """Adds the digest, the first resource, the remote address, the times of the first and last observation."""
        now = raw[TIME]
        return raw.with_columns(
            _digests(raw[TEXT]),
            *(pl.col(CONTEXT + name).alias(name) for name in _OF_ACTION),
            pl.col("Resources").str.extract(r'"Id"\s*:\s*"([^"]+)"').alias("_resource"),
            pl.col("Resources").str.extract(r'"Type"\s*:\s*"([^"]+)"').alias("_resource_type"),
            pl.coalesce(
                *_ADDRESSES, pl.col("Action.PortProbeAction").str.extract(_REMOTE.replace("V4", "V[46]"))
            ).alias("_remote"),
            pl.coalesce(
                "Severity.Label",
                pl.col("FindingProviderFields.Severity").str.extract(r'"Label"\s*:\s*"([^"]+)"'),
            ).alias("_label"),
            first_time(iso_time(raw["FirstObservedAt"]), iso_time(raw["CreatedAt"]), now).alias("_first"),
            first_time(iso_time(raw["LastObservedAt"]), now).alias("_last"),
        )


def _digests(texts: pl.Series) -> pl.Series:
    """A digest of each finding, whatever the white space between its members."""
    digests = [hashlib.blake2b(_compact(text.encode()), digest_size=8).hexdigest() for text in texts]
    return pl.Series("_digest", digests, pl.String)


def _compact(text: bytes) -> bytes:
    try:
        return msgspec.json.format(text, indent=-1)
    except (ValueError, RecursionError):
        return text  # JSON with words for numbers that are none
