"""GuardDuty findings → ASIM's alerts.

Source: Microsoft, "ASIM Alert Schema Reference" (learn.microsoft.com/azure/sentinel/normalization-schema-alert); AWS,
"GuardDuty finding format" (a type is ``ThreatPurpose:ResourceType/ThreatFamilyName.DetectionMechanism!Artifact``).

Belongs here: this mapping. Does not belong here: the native table (``guardduty``).

The device is the instance that a finding is about, with its own address; where there is none, ``DvcIpAddr`` is the
remote address. What was seen in several events has their number in ``EventCount``.
"""

import polars as pl

from s3sentinel_assets.formats.asim.common import asim_columns
from s3sentinel_assets.formats.mapping import Origin, TableMapping, derived, field

__all__ = ["asim_mapping"]

_TYPE, _SEVERITY = pl.col("type"), pl.col("_severity")
_PURPOSE = _TYPE.str.extract(r"^([^:]+):")
_ACTIVE = ~pl.col("service.archived").fill_null(value=False)
_KEY = "resource.accessKeyDetails."
_PROCESS = "service.runtimeDetails.process."
_INSTANCE = pl.col("resource.instanceDetails.instanceId")
_BLOCKED = pl.coalesce(
    *(f"service.action.{name}Action.blocked" for name in ("networkConnection", "portProbe", "dnsRequest"))
)
#: Threat purposes that are named after a tactic of MITRE ATT&CK.
_TACTICS = {
    "CredentialAccess": "Credential Access", "DefenseEvasion": "Defense Evasion", "Discovery": "Discovery",
    "Execution": "Execution", "Exfiltration": "Exfiltration", "Impact": "Impact", "InitialAccess": "Initial Access",
    "Persistence": "Persistence", "PrivilegeEscalation": "Privilege Escalation", "Recon": "Reconnaissance",
}  # fmt: skip
_USER_TYPES = {
    "IAMUser": "Regular", "FederatedUser": "Regular", "Root": "Admin", "AssumedRole": "Service Principal",
    "Role": "Service Principal", "AWSService": "Service",
}  # fmt: skip
_INDICATORS = {
    "AccessKey": "User", "Instance": "Host", "Container": "Host", "EKSCluster": "Cloud Resource",
    "ECSCluster": "Cloud Resource", "KubernetesCluster": "Cloud Resource", "S3Bucket": "Cloud Resource",
    "S3Object": "File", "Lambda": "Cloud Resource", "RDSDBInstance": "Cloud Resource", "EBSSnapshot": "Cloud Resource",
}  # fmt: skip


def _as(values: pl.Expr, names: dict[str, str]) -> pl.Expr:
    return values.replace_strict(names, default=None, return_dtype=pl.String)


def _indicator(key: str) -> pl.Expr:
    """The values of one of an attack sequence's indicators, joined by commas."""
    listed = pl.col("service.detection.sequence.sequenceIndicators")
    entry = listed.str.extract(rf'\{{([^{{}}]*"key"\s*:\s*"{key}"[^{{}}]*)\}}')
    found = entry.str.extract(r'"values"\s*:\s*\[([^\]]*)\]')
    return found.str.replace_all(r'"\s*,\s*"', ", ").str.strip_chars(' "\r\n\t')


_SUB_TYPE = (
    pl.when(_TYPE.str.contains("Anomal|Unusual|^Behavior:")).then(pl.lit("Anomaly"))
    .when(_PURPOSE == "Policy").then(pl.lit("Compliance Violation"))
    .when(_PURPOSE.is_in(["AttackSequence", "Backdoor", "CryptoCurrency", "Trojan"])
          | _TYPE.str.contains("Malicious(?:File|Object|Software)|Malware"))
    .then(pl.lit("Threat")).otherwise(pl.lit("Suspicious Activity"))
)  # fmt: skip
_METHOD = (
    pl.when(_TYPE.str.contains("Anomal|Unusual|^Behavior:")).then(pl.lit("Behavioral Analytics"))
    .when(_TYPE.str.contains(r"\.Custom\b")).then(pl.lit("User Defined Blocked List"))
    .when(_PURPOSE == "Policy").then(pl.lit("Cloud Security Posture Management"))
    .when(_TYPE.str.contains("Malicious(?:File|Object|Software)|Malware")).then(pl.lit("Antivirus"))
    .when(_TYPE.str.contains(r"Malicious|Tor(?:IPCaller|Relay|Client)|KaliLinux|ParrotLinux|PentooLinux|!DNS"))
    .then(pl.lit("Threat Intelligence"))
    .when(_TYPE.str.contains(":Runtime/") | pl.col(f"{_PROCESS}pid").is_not_null()).then(pl.lit("EDR"))
    .otherwise(pl.lit("Intrusion Detection"))
)  # fmt: skip
_CATEGORY = (
    pl.when(_TYPE.str.contains("(?i)phishing")).then(pl.lit("Phishing"))
    .when(_PURPOSE == "Trojan").then(pl.lit("Trojan"))
    .when(_PURPOSE == "CryptoCurrency").then(pl.lit("Cryptominor"))  # so the schema spells it
    .when(_PURPOSE == "Policy").then(pl.lit("Security Policy Violation"))
    .when((_PURPOSE == "Backdoor") | _TYPE.str.contains("Malicious(?:File|Object|Software)|Malware"))
    .then(pl.lit("Malware")).otherwise(pl.lit("Unknown"))
)  # fmt: skip


def asim_mapping(entities: dict[str, Origin], level: pl.Expr, user: pl.Expr, event_id: pl.Expr) -> TableMapping:
    """The mapping.

    Args:
        entities: the entity view.
        level: the severity as a word.
        user: name of the user it is about.
        event_id: of this version of the finding.
    """
    return TableMapping(
        "ASimAlertEventLogs",
        {
            **asim_columns(
                "AlertEvent",
                event_type="Alert",
                result="NA",
                product="GuardDuty",
                severity=derived("`severity`: High from 7, Medium from 4, Low from 1", level),
                start=derived("`service.eventFirstSeen`, else `createdAt`", pl.col("_first")),
                end=derived("`service.eventLastSeen`, else `updatedAt`", pl.col("_last")),
                sub_type=derived(
                    "Anomaly, Compliance Violation for policies, Threat for malware and attack sequences, else "
                    "Suspicious Activity, by `type`",
                    _SUB_TYPE,
                ),
                uid=field("id"),
                original_uid=field("arn"),
                original_severity=derived("`severity`", _SEVERITY.cast(pl.String)),
                original_type=field("type"),
                original_sub_type=field("service.action.actionType"),
                message=field("description"),
                product_version=field("schemaVersion"),
            ),
            "EventCount": derived("`service.count`, else 1", pl.col("service.count").fill_null(1)),
            "AlertId": field("id"),
            "AlertName": field("title"),
            "AlertDescription": field("description"),
            "AlertStatus": derived(
                "Closed where `service.archived`, else Active",
                pl.when(_ACTIVE).then(pl.lit("Active")).otherwise(pl.lit("Closed")),
            ),
            "DetectionMethod": derived("by `type`", _METHOD),
            "AttackTactics": derived(
                "values of the indicator ATTACK_TACTIC, else the threat purpose in `type` where it is a tactic",
                pl.coalesce(_indicator("ATTACK_TACTIC"), _as(_PURPOSE, _TACTICS)),
            ),
            "AttackTechniques": derived("values of the indicator ATTACK_TECHNIQUE", _indicator("ATTACK_TECHNIQUE")),
            "IndicatorType": derived(
                "by `resource.resourceType`", _as(pl.col("resource.resourceType"), _INDICATORS)
            ),
            "IndicatorAssociation": derived(
                "`service.resourceRole`: Targeted for TARGET, Associated for ACTOR",
                _as(pl.col("service.resourceRole"), {"TARGET": "Targeted", "ACTOR": "Associated"}),
            ),
            "DvcScopeId": field("accountId"),
            "DvcScope": field("accountId"),
            "DvcZone": field("region"),
            "DvcId": derived("`resource.instanceDetails.instanceId`", _INSTANCE),
            "DvcIdType": derived("Other where there is one", pl.when(_INSTANCE.is_not_null()).then(pl.lit("Other"))),
            "DvcIpAddr": derived(
                "private address of the instance; without an instance the remote address",
                pl.when(_INSTANCE.is_not_null()).then("_private").otherwise("_remote"),
            ),
            "DvcAction": derived(
                "`blocked` of the action: Blocked or Allowed",
                pl.when(_BLOCKED).then(pl.lit("Blocked")).when(~_BLOCKED).then(pl.lit("Allowed")),
            ),
            "DvcOriginalAction": derived("`blocked` of the action", _BLOCKED.cast(pl.String)),
            "Username": derived("user of access key, Kubernetes or database; first actor of an attack sequence", user),
            "User": derived("as `Username`", user),
            "UsernameType": derived("Simple where there is one", pl.when(user.is_not_null()).then(pl.lit("Simple"))),
            "UserId": field(f"{_KEY}principalId"),
            "UserIdType": derived(
                "AWSId where there is one", pl.when(pl.col(f"{_KEY}principalId").is_not_null()).then(pl.lit("AWSId"))
            ),
            "UserType": derived(
                f"`{_KEY}userType`: Regular, Admin, Service Principal, Service, else Other",
                pl.when(pl.col(f"{_KEY}userType").is_not_null())
                .then(_as(pl.col(f"{_KEY}userType"), _USER_TYPES).fill_null("Other")),
            ),
            "OriginalUserType": field(f"{_KEY}userType"),
            "UserScopeId": derived(
                "`accountId` of a user of AWS",
                pl.when(pl.col(f"{_KEY}principalId").is_not_null()).then("accountId"),
            ),
            "ProcessId": field(f"{_PROCESS}pid"),
            "ProcessName": derived(
                "path of the process, else its name", pl.coalesce(f"{_PROCESS}executablePath", f"{_PROCESS}name")
            ),
            "ProcessCommandLine": field("service.runtimeDetails.context.commandLineExample"),
            "FileSHA256": field(f"{_PROCESS}executableSha256"),
            "ThreatCategory": derived("by the threat purpose in `type`", _CATEGORY),
            "ThreatOriginalCategory": derived("threat purpose: first part of `type`", _PURPOSE),
            "ThreatName": field("type"),
            "ThreatIsActive": derived("not `service.archived`", _ACTIVE),
            "ThreatRiskLevel": derived(
                "ten times `severity`, at most 100",
                (_SEVERITY * 10).round().clip(0, 100).cast(pl.Int32, strict=False),
            ),
            "ThreatOriginalRiskLevel": derived("`severity`", _SEVERITY.cast(pl.String)),
            "ThreatOriginalConfidence": derived("`confidence`", pl.col("confidence").cast(pl.String)),
            "ThreatFirstReportedTime": field("service.eventFirstSeen"),
            "ThreatLastReportedTime": field("service.eventLastSeen"),
            "AdditionalFields": derived(
                "`resource` and `service`, whole",
                pl.concat_str(
                    pl.lit('{"resource":'), pl.col("resource").fill_null("null"),
                    pl.lit(',"service":'), pl.col("service").fill_null("null"), pl.lit("}"),
                ),
            ),
        },
        entities,
        event_id=event_id,
    )  # fmt: skip
