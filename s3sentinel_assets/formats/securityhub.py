"""AWS Security Hub findings in the AWS Security Finding Format (ASFF), exported or brought by EventBridge.

Source: AWS, "AWS Security Finding Format (ASFF)" and "Security Hub event formats for EventBridge"
(docs.aws.amazon.com/securityhub/latest/userguide/securityhub-findings-format-syntax.html and
…/securityhub-cwe-event-formats.html).

Belongs here: the finding's fields and their tables. Does not belong here: findings in OCSF (``ocsf``).

A finding is sent again whenever it is updated: same ``Id``, new ``UpdatedAt``. Each version is an event of its own.
``TimeGenerated`` is ``UpdatedAt``. ``RawData`` holds the whole finding.
"""

from collections.abc import Sequence
from typing import ClassVar

import msgspec
import polars as pl

from s3sentinel_assets.formats.asim import asim_columns
from s3sentinel_assets.formats.json_logs import NULL, TEXT, Inner, JsonParser, first_time, iso_time
from s3sentinel_assets.formats.mapping import TIME, TableMapping, constant, derived, field

__all__ = ["SecurityHubParser"]


class Compliance(msgspec.Struct, gc=False, rename="pascal"):
    """``Compliance``."""

    status: str | None = None
    related_requirements: msgspec.Raw = NULL
    status_reasons: msgspec.Raw = NULL
    security_control_id: str | None = None
    associated_standards: msgspec.Raw = NULL
    security_control_parameters: msgspec.Raw = NULL


class Severity(msgspec.Struct, gc=False, rename="pascal"):
    """``Severity``."""

    label: str | None = None
    normalized: float | None = None
    original: str | None = None


class Workflow(msgspec.Struct, gc=False, rename="pascal"):
    """``Workflow``."""

    status: str | None = None


class Record(msgspec.Struct, gc=False, rename="pascal"):
    """One version of a finding. Everything else in it is in its whole text."""

    schema_version: str | None = None
    id: str | None = None
    product_arn: str | None = None
    product_name: str | None = None
    company_name: str | None = None
    region: str | None = None
    generator_id: str | None = None
    aws_account_id: str | None = None
    aws_account_name: str | None = None
    types: msgspec.Raw = NULL
    first_observed_at: str | None = None
    last_observed_at: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    processed_at: str | None = None
    severity: msgspec.Raw = NULL
    title: str | None = None
    description: str | None = None
    remediation: msgspec.Raw = NULL
    product_fields: msgspec.Raw = NULL
    resources: msgspec.Raw = NULL
    compliance: msgspec.Raw = NULL
    workflow_state: str | None = None
    workflow: msgspec.Raw = NULL
    record_state: str | None = None
    source_url: str | None = None
    confidence: float | None = None


class _Detail(msgspec.Struct):
    """``detail`` of an EventBridge event."""

    findings: list[msgspec.Raw] = []


class _Envelope(msgspec.Struct):
    """An EventBridge event."""

    source: str | None = None
    detail: _Detail | None = None


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_SEEN = pl.concat_str(pl.col("Id"), pl.coalesce("UpdatedAt", "ProcessedAt", pl.lit("-")), separator="@")
_RESOURCE = r'"Id"\s*:\s*"([^"]+)"'
_RESOURCE_TYPE = r'"Type"\s*:\s*"([^"]+)"'
_REGION = pl.coalesce("Region", pl.col("ProductArn").str.extract(r"^arn:[^:]*:[^:]*:([^:]+):"))
_LEVEL = (
    pl.col("Severity.Label")
    .str.to_lowercase()
    .replace_strict(
        {"critical": "High", "high": "High", "medium": "Medium", "low": "Low"},
        default="Informational",
        return_dtype=pl.String,
    )
    .fill_null("Informational")
)

_ENTITIES = {
    "account": field("AwsAccountId"),
    "region": derived("`Region`, else that in `ProductArn`", _REGION),
    "principal": derived("`Id` of the first of `Resources`", pl.coalesce(pl.col("_resource"), "AwsAccountId")),
    "principal_type": derived("`Type` of the first of `Resources`", pl.col("_resource_type")),
    "peer": derived("`AwsAccountId`/`ProductName`",
                    pl.concat_str("AwsAccountId", "ProductName", separator="/", ignore_nulls=True)),
    "service": constant("securityhub"),
    "action": field("GeneratorId"),
    "target": derived("`Id` of the first of `Resources`", pl.col("_resource")),
    "error": derived("`Severity.Label` of an active finding that did not pass",
                     pl.when((pl.col("RecordState") != "ARCHIVED")
                             & (pl.col("Compliance.Status").fill_null("") != "PASSED")).then("Severity.Label")),
}  # fmt: skip

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
        "AwsSecurityFindingSeverity": field("Severity"),
        "AwsSecurityFindingTitle": field("Title"),
        "AwsSecurityFindingTypes": field("Types"),
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
    event_id=_SEEN,
)  # fmt: skip

_ASIM = TableMapping(
    "ASimAlertEventLogs",
    {
        **asim_columns(
            "AlertEvent",
            event_type="Alert",
            result="NA",
            product=derived("`ProductName`, else Security Hub", pl.coalesce("ProductName", pl.lit("Security Hub"))),
            vendor=derived("`CompanyName`, else AWS", pl.coalesce("CompanyName", pl.lit("AWS"))),
            severity=derived("`Severity.Label`; CRITICAL is High", _LEVEL),
            start=derived("`FirstObservedAt`, else `CreatedAt`", pl.col("_first")),
            end=derived("`LastObservedAt`, else `UpdatedAt`", pl.col("_last")),
            uid=derived("`Id` and `UpdatedAt`", _SEEN),
            original_uid=field("Id"),
            original_severity=field("Severity.Label"),
            original_type=derived("first of `Types`", pl.col("Types").str.extract(r'"([^"]+)"')),
            message=field("Description"),
            product_version=field("SchemaVersion"),
            report_url=field("SourceUrl"),
        ),
        "AlertId": field("Id"),
        "AlertName": field("Title"),
        "AlertDescription": field("Description"),
        "AlertOriginalStatus": derived("`Workflow.Status`, else `RecordState`",
                                       pl.coalesce("Workflow.Status", "RecordState")),
        "AlertStatus": derived(
            "Closed where archived, resolved or suppressed, else Active",
            pl.when((pl.col("RecordState") == "ARCHIVED")
                    | pl.col("Workflow.Status").is_in(["RESOLVED", "SUPPRESSED"]).fill_null(value=False))
            .then(pl.lit("Closed")).otherwise(pl.lit("Active")),
        ),
        "RuleName": field("GeneratorId"),
        "Rule": field("GeneratorId"),
        "DvcScopeId": field("AwsAccountId"),
        "DvcScope": field("AwsAccountName"),
        "DvcZone": derived("`Region`, else that in `ProductArn`", _REGION),
        "DvcId": derived("`Id` of the first of `Resources`", pl.col("_resource")),
        "AttackRemediationSteps": field("Remediation"),
        "AdditionalFields": derived("the whole finding", pl.col(TEXT)),
    },
    _ENTITIES,
    event_id=_SEEN,
)  # fmt: skip


class SecurityHubParser(JsonParser):
    """Parses Security Hub findings: bare, in lists, in EventBridge events."""

    name: ClassVar[str] = "securityhub"
    title: ClassVar[str] = "a Security Hub finding"
    native: ClassVar[tuple[TableMapping, ...]] = (_NATIVE,)
    asim: ClassVar[tuple[TableMapping, ...]] = (_ASIM,)
    native_event_ids: ClassVar[bool] = True
    keep_text: ClassVar[bool] = True
    Record = Record
    inside: ClassVar = {"Severity": Severity, "Compliance": Compliance, "Workflow": Workflow}
    wrappers: ClassVar = ("Findings", "findings")
    required: ClassVar = ("Id", ("ProductArn", "GeneratorId"), ("UpdatedAt", "CreatedAt"))
    telling: ClassVar = (
        "SchemaVersion", "Id", "ProductArn", "GeneratorId", "AwsAccountId", "CreatedAt", "UpdatedAt", "Severity",
        "Resources", "RecordState",
    )  # fmt: skip
    telling_enough: ClassVar[int] = 5
    envelope_marks: ClassVar = (b'"aws.securityhub"',)

    def unwrap(self, text: bytes) -> Sequence[Inner] | None:
        """The findings in an EventBridge event."""
        envelope = _ENVELOPE.decode(text)
        if envelope.source != "aws.securityhub" or envelope.detail is None or not envelope.detail.findings:
            return None
        return [Inner(bytes(finding)) for finding in envelope.detail.findings]

    def time(self, frame: pl.DataFrame) -> pl.Series:
        """``UpdatedAt``, else ``CreatedAt``."""
        return first_time(iso_time(frame["UpdatedAt"]), iso_time(frame["CreatedAt"]))

    def prepare(self, raw: pl.DataFrame) -> pl.DataFrame:
        """Adds the first resource, and the times of the first and last observation."""
        now = raw[TIME]
        return raw.with_columns(
            pl.col("Resources").str.extract(_RESOURCE).alias("_resource"),
            pl.col("Resources").str.extract(_RESOURCE_TYPE).alias("_resource_type"),
            first_time(iso_time(raw["FirstObservedAt"]), iso_time(raw["CreatedAt"]), now).alias("_first"),
            first_time(iso_time(raw["LastObservedAt"]), now).alias("_last"),
        )
