"""Security Hub findings → ASIM's alerts.

Source: Microsoft, "ASIM Alert Schema Reference" (learn.microsoft.com/azure/sentinel/normalization-schema-alert); AWS,
"Types taxonomy for ASFF" (docs.aws.amazon.com/securityhub/latest/userguide/
securityhub-findings-format-type-taxonomy.html).

Belongs here: this mapping. Does not belong here: the native table (``securityhub``).
"""

import polars as pl

from s3sentinel_assets.formats.asim.common import asim_columns
from s3sentinel_assets.formats.json_logs import TEXT
from s3sentinel_assets.formats.mapping import Origin, TableMapping, derived, field

__all__ = ["asim_mapping"]

_LEVEL = (
    pl.col("_label").str.to_lowercase()
    .replace_strict(
        {"critical": "High", "high": "High", "medium": "Medium", "low": "Low"},
        default="Informational", return_dtype=pl.String,
    ).fill_null("Informational")
)  # fmt: skip
_TYPES = pl.coalesce("Types", "FindingProviderFields.Types")
_FIRST_TYPE = _TYPES.str.extract(r'"([^"]+)"')
_KIND = _FIRST_TYPE.str.extract(r"^([^/]+)")
_CLOSED = (pl.col("RecordState") == "ARCHIVED").fill_null(value=False) | pl.col("Workflow.Status").is_in(
    ["RESOLVED", "SUPPRESSED"]
).fill_null(value=False)
_SUB_TYPES = {
    "TTPs": "Threat", "Effects": "Threat", "Unusual Behaviors": "Anomaly",
    "Software and Configuration Checks": "Compliance Violation",
    "Sensitive Data Identifications": "Suspicious Activity",
}  # fmt: skip
_METHODS = {
    "Security Hub": "Cloud Security Posture Management", "Config": "Cloud Security Posture Management",
    "IAM Access Analyzer": "Cloud Security Posture Management", "Trusted Advisor": "Cloud Security Posture Management",
    "Systems Manager Patch Manager": "Cloud Security Posture Management", "GuardDuty": "Threat Intelligence",
    "Macie": "Data Loss Prevention",
}  # fmt: skip
_VERDICTS = {
    "TRUE_POSITIVE": "True Positive", "FALSE_POSITIVE": "False Positive", "BENIGN_POSITIVE": "Benign Positive",
    "UNKNOWN": "Unknown",
}  # fmt: skip
_RESOURCE, _RESOURCE_TYPE = pl.col("_resource"), pl.col("_resource_type")


def _as(values: pl.Expr, names: dict[str, str], default: str | None = None) -> pl.Expr:
    return values.replace_strict(names, default=default, return_dtype=pl.String)


def asim_mapping(entities: dict[str, Origin], region: pl.Expr, event_id: pl.Expr) -> TableMapping:
    """The mapping; raw columns that begin with ``_`` are the parser's.

    Args:
        entities: the entity view.
        region: where it was found.
        event_id: of this version of the finding.
    """
    original_level = pl.coalesce(pl.col("Severity.Original").str.strip_chars('"'), pl.col("_label"))
    return TableMapping(
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
                sub_type=derived(
                    "first part of `Types`: Threat, Anomaly, Compliance Violation or Suspicious Activity",
                    pl.coalesce(
                        _as(_KIND, _SUB_TYPES),
                        pl.when(pl.col("Compliance.Status").is_not_null()).then(pl.lit("Compliance Violation")),
                    ),
                ),
                uid=field("Id"),
                original_uid=field("Id"),
                original_severity=derived("`Severity.Label`", pl.col("_label")),
                original_type=derived("first of `Types`", _FIRST_TYPE),
                original_result_details=field("Compliance.Status"),
                message=field("Description"),
                product_version=field("SchemaVersion"),
                report_url=field("SourceUrl"),
            ),
            "AlertId": field("Id"),
            "AlertName": field("Title"),
            "AlertDescription": field("Description"),
            "AlertOriginalStatus": derived(
                "`Workflow.Status`, else `WorkflowState`, else `RecordState`",
                pl.coalesce("Workflow.Status", "WorkflowState", "RecordState"),
            ),
            "AlertStatus": derived(
                "Closed where archived, resolved or suppressed, else Active",
                pl.when(_CLOSED).then(pl.lit("Closed")).otherwise(pl.lit("Active")),
            ),
            "AlertVerdict": derived("`VerificationState`", _as(pl.col("VerificationState"), _VERDICTS)),
            "DetectionMethod": derived(
                "by `ProductName`", pl.when(pl.col("ProductName").is_not_null())
                .then(_as(pl.col("ProductName"), _METHODS, "Other")).otherwise(pl.lit("Other")),
            ),
            "RuleName": field("GeneratorId"),
            "Rule": field("GeneratorId"),
            "AttackTactics": derived("second part of what begins with `TTPs` in `Types`",
                                     _TYPES.str.extract(r'"TTPs/([^"/]+)')),
            "AttackRemediationSteps": derived(
                "text and address of `Remediation.Recommendation`",
                pl.when(pl.col("Remediation").is_not_null()).then(
                    pl.concat_str(
                        *(f"Remediation.Recommendation.{name}" for name in ("Text", "Url")),
                        separator=" ", ignore_nulls=True,
                    ).replace("", None)
                ),
            ),
            "IndicatorType": derived(
                "type of the first resource: User, Host, else Cloud Resource",
                pl.when(_RESOURCE_TYPE.is_in(["AwsIamUser", "AwsIamAccessKey"])).then(pl.lit("User"))
                .when(_RESOURCE_TYPE == "AwsEc2Instance").then(pl.lit("Host"))
                .when(_RESOURCE.is_not_null()).then(pl.lit("Cloud Resource")),
            ),
            "DvcScopeId": field("AwsAccountId"),
            "DvcScope": derived("`AwsAccountName`, else `AwsAccountId`", pl.coalesce("AwsAccountName", "AwsAccountId")),
            "DvcZone": derived("`Region`, else that in `ProductArn`", region),
            "DvcId": derived("`Id` of the first of `Resources`", _RESOURCE),
            "DvcIdType": derived("Other where there is one", pl.when(_RESOURCE.is_not_null()).then(pl.lit("Other"))),
            "DvcIpAddr": derived("remote address of `Action`, else source address of `Network`", pl.col("_remote")),
            "ThreatIsActive": derived("whether `AlertStatus` is Active", ~_CLOSED),
            "ThreatConfidence": derived("`Confidence`", pl.col("Confidence").round().cast(pl.Int32, strict=False)),
            "ThreatOriginalConfidence": derived("`Confidence`", pl.col("Confidence").cast(pl.String)),
            "ThreatRiskLevel": derived(
                "`Severity.Normalized`", pl.col("Severity.Normalized").round().cast(pl.Int32, strict=False)
            ),
            "ThreatOriginalRiskLevel": derived("`Severity.Original`, else `Severity.Label`", original_level),
            "ThreatFirstReportedTime": field("FirstObservedAt"),
            "ThreatLastReportedTime": field("LastObservedAt"),
            "AdditionalFields": derived("the whole finding", pl.col(TEXT)),
        },
        entities,
        event_id=event_id,
    )  # fmt: skip
