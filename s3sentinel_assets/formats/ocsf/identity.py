"""OCSF's classes of identities and calls → ASIM: Authentication (3002), and the audit events 3001, 3003 to 3006, 6003.

Source: OCSF (schema.ocsf.io/classes/authentication, account_change, entity_management, user_access, api_activity);
Microsoft, the ASIM Authentication and Audit Event schema references.

Belongs here: these two mappings. Does not belong here: what all classes share (``common``).
"""

import polars as pl

from s3sentinel_assets.formats.cloudtrail.verbs import event_type
from s3sentinel_assets.formats.mapping import TableMapping, derived, field
from s3sentinel_assets.formats.ocsf.common import ACCOUNT, CLASS, ENTITIES, USER, USER_ID, common, endpoint

__all__ = ["AUDIT", "AUTHENTICATION"]

_ACTIVITY = pl.col("activity_id")
_TARGET_APP = pl.coalesce("service.name", "dst_endpoint.svc_name", "api.service.name")
AUTHENTICATION = TableMapping(
    "ASimAuthenticationEventLogs",
    {
        **common(
            "Authentication",
            derived(
                "`activity_id`: 2 Logoff, else Logon",
                pl.when(_ACTIVITY == 2).then(pl.lit("Logoff")).otherwise(pl.lit("Logon")),
            ),
        ),
        **endpoint("Authentication", "Src"),
        "TargetUsername": derived("`user.name`, else `actor.user.name`", pl.coalesce("user.name", "actor.user.name")),
        "TargetUserId": derived("`user.uid`, else `actor.user.uid`", pl.coalesce("user.uid", "actor.user.uid")),
        "TargetOriginalUserType": derived(
            "`user.type`, else `actor.user.type`", pl.coalesce("user.type", "actor.user.type")
        ),
        "TargetUserScopeId": ACCOUNT,
        "TargetAppName": derived("`service.name`, `dst_endpoint.svc_name` or `api.service.name`", _TARGET_APP),
        "TargetHostname": field("dst_endpoint.hostname"),
        "TargetIpAddr": field("dst_endpoint.ip"),
        "TargetPortNumber": field("dst_endpoint.port"),
        "TargetSessionId": field("actor.session.uid"),
        "TargetUrl": field("http_request.url.url_string"),
        # Where both are told, the actor lets another one in.
        "ActorUsername": derived(
            "`actor.user.name` where there is a `user` too",
            pl.when(pl.coalesce("user.name", "user.uid").is_not_null()).then("actor.user.name"),
        ),
        "ActorUserId": derived(
            "`actor.user.uid` where there is a `user` too",
            pl.when(pl.coalesce("user.name", "user.uid").is_not_null()).then("actor.user.uid"),
        ),
        "LogonMethod": derived(
            "Multi factor authentication where `is_mfa`",
            pl.when(pl.col("is_mfa").fill_null(value=False)).then(pl.lit("Multi factor authentication")),
        ),
        "LogonProtocol": field("auth_protocol"),
        "HttpUserAgent": field("http_request.user_agent"),
    },
    ENTITIES,
    where=CLASS == 3002,
)

_CALLS = {1: "Create", 2: "Read", 3: "Set", 4: "Delete"}
# Account Change: create, enable, password change and reset, disable, delete, attach and detach policy, lock, MFA.
_ACCOUNTS = {1: "Create", 2: "Enable", 3: "Set", 4: "Set", 5: "Disable", 6: "Delete", 7: "Set", 8: "Set", 9: "Disable"}
_ACCOUNTS |= {10: "Enable", 11: "Disable"}
_VERB = pl.coalesce(
    pl.when(CLASS.is_in([3004, 6003])).then(_ACTIVITY.replace_strict(_CALLS, default=None, return_dtype=pl.String)),
    pl.when(CLASS == 3001).then(_ACTIVITY.replace_strict(_ACCOUNTS, default=None, return_dtype=pl.String)),
    pl.when(CLASS.is_in([3003, 3005, 3006])).then(pl.lit("Set")),
    event_type("api.operation"),
)
AUDIT = TableMapping(
    "ASimAuditEventLogs",
    {
        **common("AuditEvent", derived("`activity_id` of the class, else the verb of `api.operation`", _VERB)),
        **endpoint("AuditEvent", "Src"),
        "Operation": derived(
            "`api.operation`, else the activity",
            pl.coalesce("api.operation", "activity_name", "type_name", CLASS.cast(pl.String)),
        ),
        "Object": derived(
            "first resource, entity or affected user, else the service",
            pl.coalesce(
                *("_resource", "_resource_name", "entity.name", "entity.uid", "user.name", "user.uid"),
                *("api.service.name", pl.lit("-")),
            ),
        ),
        "ObjectId": derived(
            "first resource's, entity's or affected user's id", pl.coalesce("_resource", "entity.uid", "user.uid")
        ),
        "OriginalObjectType": derived(
            "`resources[0].type`, else `entity.type`", pl.coalesce("_resource_type", "entity.type")
        ),
        "ActorUsername": USER,
        "ActorUserId": USER_ID,
        "ActorOriginalUserType": field("actor.user.type"),
        "ActorSessionId": field("actor.session.uid"),
        "ActorScopeId": derived(
            "`actor.user.account.uid`, else the account of `cloud`",
            pl.coalesce("actor.user.account.uid", ACCOUNT.value),
        ),
        "ActingAppName": derived(
            "`actor.app_name`, else `actor.invoked_by`", pl.coalesce("actor.app_name", "actor.invoked_by")
        ),
        "TargetAppName": field("api.service.name"),
        "TargetHostname": field("dst_endpoint.hostname"),
        "TargetIpAddr": field("dst_endpoint.ip"),
        "TargetUrl": field("http_request.url.url_string"),
        "HttpUserAgent": field("http_request.user_agent"),
    },
    ENTITIES,
    where=CLASS.is_in([3001, 3003, 3004, 3005, 3006, 6003]),
)
