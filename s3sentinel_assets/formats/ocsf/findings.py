"""OCSF's findings (classes 2001 to 2007) → ASIM alerts.

Source: OCSF (schema.ocsf.io/classes/detection_finding, vulnerability_finding, compliance_finding, security_finding);
Microsoft, the ASIM Alert schema reference.

Belongs here: this mapping. Does not belong here: what all classes share (``common``).
"""

import polars as pl

from s3sentinel_assets.formats.mapping import TableMapping, derived, field
from s3sentinel_assets.formats.ocsf.common import CLASS, ENTITIES, USER, USER_ID, common

__all__ = ["ALERT"]

_UID = pl.coalesce("finding_info.uid", "finding.uid")
_ATTACKS = pl.coalesce("attacks", "finding_info.attacks")


def _named(kind: str) -> pl.Expr:
    """Ids of the attacks' tactics or techniques, joined by commas."""
    found = _ATTACKS.str.extract_all(rf'"{kind}\d{{4}}(?:\.\d{{3}})?"').list.unique(maintain_order=True)
    return found.list.join(",").str.replace_all('"', "", literal=True).replace("", None)


ALERT = TableMapping(
    "ASimAlertEventLogs",
    {
        **common("AlertEvent", "Alert", result="NA"),
        "EventUid": derived("`metadata.uid`, else the finding's", pl.coalesce("metadata.uid", _UID, pl.lit("-"))),
        "EventReportUrl": derived(
            "`finding_info.src_url`, else `finding.src_url`", pl.coalesce("finding_info.src_url", "finding.src_url")
        ),
        "AlertId": derived("`finding_info.uid`, else `finding.uid`", _UID),
        "AlertName": derived(
            "`finding_info.title`, else `finding.title` or `message`",
            pl.coalesce("finding_info.title", "finding.title", "message"),
        ),
        "AlertDescription": derived(
            "`finding_info.desc`, else `finding.desc`", pl.coalesce("finding_info.desc", "finding.desc")
        ),
        "AlertOriginalStatus": field("status"),
        "AlertStatus": derived(
            "`status_id`, else `status`: Active while New or In Progress, Closed when Suppressed or Resolved",
            pl.when(pl.col("status_id").is_in([1, 2]) | pl.col("status").is_in(["New", "In Progress"]))
            .then(pl.lit("Active"))
            .when(pl.col("status_id").is_in([3, 4, 5]) | pl.col("status").is_in(["Suppressed", "Resolved", "Archived"]))
            .then(pl.lit("Closed")),
        ),
        "AttackTactics": derived("ids of the tactics in `attacks`", _named("TA")),
        "AttackTechniques": derived("ids of the techniques in `attacks`", _named("T")),
        "AttackRemediationSteps": field("remediation.desc"),
        "RuleName": field("finding_info.analytic.name"),
        "Rule": field("finding_info.analytic.uid"),
        "ThreatConfidence": field("confidence_score"),
        "ThreatRiskLevel": field("risk_score"),
        "ThreatOriginalCategory": derived(
            "first of `finding_info.types`, else of `finding.types`",
            pl.coalesce("finding_info.types", "finding.types").str.extract(r'"([^"\\]+)"'),
        ),
        "Username": USER,
        "UserId": USER_ID,
        "DvcId": derived("`device.uid`, else the first resource", pl.coalesce("device.uid", "_resource")),
    },
    ENTITIES,
    where=CLASS.is_between(2001, 2007),
)
