r"""Kubernetes audit events as ASIM's audit events: Sentinel has no table of its own that they can be sent to.

Source: Microsoft, "The Advanced Security Information Model (ASIM) Audit Events normalization schema reference"
(learn.microsoft.com/azure/sentinel/normalization-schema-audit); Kubernetes, "Determine the Request Verb"
(kubernetes.io/docs/reference/access-authn-authz/authorization), "Users in Kubernetes", "RBAC"; AWS IAM Authenticator
for Kubernetes, README (``uid`` of AWS identities).

Belongs here: what an event means, and the table. Does not belong here: reading events (``eks_audit``).

Decisions:

* ``Operation`` is ``verb resource/subresource``, ``Object`` is ``namespace/resource/name/subresource``; a request for
  no resource has its path in both places.
* ``EventType`` goes by the verb, but ``exec``, ``attach``, ``portforward`` and ``proxy`` are ``Execute`` whatever it
  is, and an ``eviction`` is ``Delete``.
* The actor is who was authenticated, with the groups in ``ActorOriginalUserType``. An impersonated user is in
  ``ExtraFields_CF``.
* The whole event is in ``AdditionalFields``.
"""

import polars as pl

from s3sentinel_assets.formats.asim.common import asim_columns
from s3sentinel_assets.formats.cloudwatch.messages import ACCOUNT, LOG_GROUP
from s3sentinel_assets.formats.json_logs import CONTEXT, TEXT
from s3sentinel_assets.formats.mapping import TableMapping, constant, derived, field

__all__ = ["ASIM", "with_meaning"]

_TYPES = {
    "get": "Read", "list": "Read", "watch": "Read", "head": "Read", "options": "Read",
    "create": "Create", "post": "Create",
    "update": "Set", "patch": "Set", "put": "Set", "bind": "Set", "escalate": "Set", "approve": "Set", "sign": "Set",
    "delete": "Delete", "deletecollection": "Delete",
    "connect": "Execute", "impersonate": "Execute", "use": "Execute",
}  # fmt: skip
_EXECUTING = ("exec", "attach", "portforward", "proxy")
_OBJECT_TYPES = {
    "roles": "Policy Rule",
    "rolebindings": "Policy Rule",
    "clusterroles": "Policy Rule",
    "clusterrolebindings": "Policy Rule",
    "networkpolicies": "Policy Rule",
    "podsecuritypolicies": "Policy Rule",
    "validatingadmissionpolicies": "Policy Rule",
    "validatingwebhookconfigurations": "Configuration Atom",
    "mutatingwebhookconfigurations": "Configuration Atom",
    "configmaps": "Configuration Atom",
    "cronjobs": "Scheduled Task",
    "services": "Service",
}
_VERB = pl.col("verb").str.to_lowercase()
_SUB, _RESOURCE = pl.col("objectRef.subresource"), pl.col("objectRef.resource")
_PATH = pl.col("requestURI").str.extract(r"^([^?]*)")
_CODE = pl.col("responseStatus.code")
_NAME = pl.col("user.username")
_DENIED = pl.col("_decision") == "forbid"
_FAILED = pl.col("_result") == "Failure"


def _filled(name: str) -> pl.Expr:
    return pl.when(pl.col(name) != "").then(name)


def _annotation(key: str) -> pl.Expr:
    return pl.col("annotations").str.extract(rf'"{key.replace(".", "[.]")}"\s*:\s*"([^"]*)"')


def with_meaning(raw: pl.DataFrame) -> pl.DataFrame:
    """Adds what events mean.

    Args:
        raw: raw columns of events.

    Returns:
        ``raw`` with String columns ``_decision``, ``_result``, ``_type``, ``_operation``, ``_target``, ``_source``,
        ``_groups``, ``_cluster``, ``_account`` and ``_user_type``.
    """
    resource = pl.concat_str(_RESOURCE, _filled("objectRef.subresource"), separator="/", ignore_nulls=True)
    named = pl.concat_str(
        *(_filled(f"objectRef.{name}") for name in ("namespace", "resource", "name", "subresource")),
        separator="/",
        ignore_nulls=True,
    )
    what = pl.when(_RESOURCE.is_not_null()).then(resource).otherwise(_PATH)
    uid = pl.col("user.uid")
    return raw.with_columns(
        _annotation("authorization.k8s.io/decision").alias("_decision"),
        pl.col("sourceIPs").str.extract(r'^\[\s*"([^"]+)"').alias("_source"),
        pl.col("user.groups").str.strip_chars('[]" \t\r\n').str.replace_all(r'"\s*,\s*"', ", ").alias("_groups"),
        pl.col(CONTEXT + LOG_GROUP).str.extract(r"^/aws/eks/(.+)/cluster$").alias("_cluster"),
        pl.coalesce(
            uid.str.extract(r"^aws-iam-authenticator:(\d{12}):"),
            pl.concat_str(_NAME, pl.col("user.extra").fill_null(""), separator=" ").str.extract(
                r"arn:[^:]*:(?:iam|sts)::(\d{12}):"
            ),
        ).alias("_account"),
        pl.coalesce(
            pl.when(_SUB.is_in(_EXECUTING)).then(pl.lit("Execute")).when(_SUB == "eviction").then(pl.lit("Delete")),
            _VERB.replace_strict(_TYPES, default="Other", return_dtype=pl.String),
            pl.lit("Other"),
        ).alias("_type"),
        pl.coalesce(
            _joined(pl.concat_str(pl.col("verb"), what, separator=" ", ignore_nulls=True)), "stage", pl.lit("unknown")
        ).alias("_operation"),
        pl.coalesce(
            pl.when(_RESOURCE.is_not_null()).then(_joined(named)), _joined(_PATH), pl.lit("unknown")
        ).alias("_target"),
    ).with_columns(
        pl.when((_CODE >= 400) | _DENIED | (pl.col("stage") == "Panic")).then(pl.lit("Failure"))
        .when(_CODE.is_between(100, 399)).then(pl.lit("Success"))
        .otherwise(pl.lit("NA")).alias("_result"),
        pl.when(_NAME == "system:anonymous").then(pl.lit("Anonymous"))
        .when(_NAME.str.starts_with("system:serviceaccount:")).then(pl.lit("Service"))
        .when(_NAME.str.starts_with("system:node:")).then(pl.lit("Machine"))
        .when(_NAME.str.contains(r"^(?:system|eks):")).then(pl.lit("System"))
        .when(pl.col("_groups").str.contains("system:masters", literal=True)).then(pl.lit("Admin"))
        .when(_NAME.is_not_null()).then(pl.lit("Regular")).alias("_user_type"),
    )  # fmt: skip


def _joined(text: pl.Expr) -> pl.Expr:
    return pl.when(text != "").then(text)


ASIM = TableMapping(
    "ASimAuditEventLogs",
    {
        **asim_columns(
            "AuditEvent",
            event_type=derived("by `verb`; `Execute` for exec, attach, portforward and proxy", pl.col("_type")),
            result=derived(
                "failure from `responseStatus.code` 400 on or where authorization forbids, `NA` without a code",
                pl.col("_result"),
            ),
            product="EKS",
            severity=derived(
                "Low where authorization forbids, else Informational",
                pl.when(_DENIED).then(pl.lit("Low")).otherwise(pl.lit("Informational")),
            ),
            end=derived("`stageTimestamp`, else as `EventStartTime`", pl.col("_ended")),
            original_uid=field("auditID"),
            original_type=field("verb"),
            original_sub_type=field("stage"),
            result_details=field("responseStatus.reason"),
            original_result_details=derived("`responseStatus.code`", _CODE.cast(pl.String)),
            message=field("responseStatus.message"),
            dvc_action=derived(
                "annotation `authorization.k8s.io/decision`: Allowed or Denied",
                pl.col("_decision").replace_strict({"allow": "Allowed", "forbid": "Denied"}, default=None),
            ),
            dvc_original_action=derived("annotation `authorization.k8s.io/decision`", pl.col("_decision")),
            dvc_scope_id=field(CONTEXT + ACCOUNT, "owner"),
        ),
        "ActorUsername": field("user.username"),
        "ActorUsernameType": derived("`Simple`", pl.when(_NAME.is_not_null()).then(pl.lit("Simple"))),
        "ActorUserId": field("user.uid"),
        "ActorUserIdType": derived(
            "AWSId for identities of AWS, else UID",
            pl.when(pl.col("user.uid").str.starts_with("aws-iam-authenticator:")).then(pl.lit("AWSId"))
            .when(pl.col("user.uid").is_not_null()).then(pl.lit("UID")),
        ),
        "ActorUserType": derived("by `user.username`; Admin for members of `system:masters`", pl.col("_user_type")),
        "ActorOriginalUserType": derived("`user.groups`", _filled("_groups")),
        "ActorScopeId": derived("AWS account in `user.uid`, else in an ARN of `user`", pl.col("_account")),
        "SrcIpAddr": derived("first of `sourceIPs`", pl.col("_source")),
        "HttpUserAgent": field("userAgent"),
        "Operation": derived("`verb` and resource, else path", pl.col("_operation")),
        "Object": derived("namespace/resource/name/subresource, else the path of `requestURI`", pl.col("_target")),
        "ObjectId": field("objectRef.uid"),
        "ObjectType": derived(
            "by `objectRef.resource`; Other for a path",
            pl.when(_RESOURCE.is_not_null())
            .then(_RESOURCE.replace_strict(_OBJECT_TYPES, default="Cloud Resource", return_dtype=pl.String))
            .otherwise(pl.lit("Other")),
        ),
        "OriginalObjectType": derived(
            "resource and API group",
            pl.concat_str(_RESOURCE, _filled("objectRef.apiGroup"), separator=".", ignore_nulls=True).replace("", None),
        ),
        "TargetAppName": derived("cluster in the log group's name", pl.col("_cluster")),
        "TargetAppType": derived("`Service`", pl.when(pl.col("_cluster").is_not_null()).then(pl.lit("Service"))),
        "TargetUrl": field("requestURI"),
        "AdditionalFields": derived("the whole event", pl.col(TEXT)),
    },
    {
        "account": derived("account of the log group, else of the actor", pl.coalesce(CONTEXT + ACCOUNT, "_account")),
        "principal": field("user.username"),
        "principal_type": derived("as `ActorUserType`", pl.col("_user_type")),
        "peer": derived(
            "cluster and first group",
            _joined(pl.concat_str("_cluster", pl.col("_groups").str.extract(r"^([^,]+)"), separator="/",
            ignore_nulls=True))
        ),
        "service": constant("eks"),
        "action": derived("as `Operation`", pl.col("_operation")),
        "target": derived("as `Object`", pl.col("_target")),
        "source_ip": derived("first of `sourceIPs`", pl.col("_source")),
        "user_agent": field("userAgent"),
        "error": derived(
            "`responseStatus.reason`, else the code, of a failure",
            pl.when(_FAILED).then(pl.coalesce("responseStatus.reason", _CODE.cast(pl.String), pl.lit("Failure"))),
        ),
        "read_only": derived("whether it reads only", pl.col("_type") == "Read"),
    },
)  # fmt: skip
