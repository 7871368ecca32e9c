"""OCSF classes → Sentinel tables.

Source: OCSF's classes (schema.ocsf.io/classes); Microsoft, the ASIM schema references
(learn.microsoft.com/azure/sentinel/normalization-about-schemas).

Belongs here: the mappings. Does not belong here: the events' fields (``fields``).

Network Activity (4001), HTTP Activity (4002), DNS Activity (4003) and Authentication (3002) have an ASIM schema of
their kind; the other identity classes and API Activity (6003) are audit events; findings (2001 to 2007) are alerts.
Every other class goes to ``OCSF_CL``. The whole event stands in ``AdditionalFields`` or ``RawData``.
"""

import polars as pl

from s3sentinel_assets.formats.asim import asim_columns
from s3sentinel_assets.formats.asim_values import dns_rcode_name, network_direction, protocol_name
from s3sentinel_assets.formats.json_logs import TEXT
from s3sentinel_assets.formats.mapping import Origin, TableMapping, derived, field

__all__ = ["MAPPINGS"]

_CLASS = pl.col("class_uid")
_ACCOUNT = derived(
    "`cloud.account.uid`, else `cloud.account_uid`", pl.coalesce("cloud.account.uid", "cloud.account_uid")
)
_USER = derived("`actor.user.name`, else `user.name`", pl.coalesce("actor.user.name", "user.name"))
_USER_ID = derived("`actor.user.uid`, else `user.uid`", pl.coalesce("actor.user.uid", "user.uid"))
_WHOLE = derived("the whole event", pl.col(TEXT))
_ERROR = pl.coalesce("api.response.error", "status_code", "status_detail")
_FAILED = pl.col("status_id") == 2
_DENIED = pl.col("action_id") == 2
_REFUSED = (_FAILED | _DENIED).fill_null(value=False)
_RESULT = derived(
    "`status_id`: 1 Success, 2 Failure; a denied `action_id` is Failure, else NA",
    pl.when(_REFUSED)
    .then(pl.lit("Failure"))
    .when((pl.col("status_id") == 1) | (pl.col("action_id") == 1))
    .then(pl.lit("Success"))
    .otherwise(pl.lit("NA")),
)
_SEVERITY = derived(
    "`severity_id`: 2 Low, 3 Medium, 4 to 6 High",
    pl.col("severity_id").replace_strict(
        {2: "Low", 3: "Medium", 4: "High", 5: "High", 6: "High"}, default="Informational", return_dtype=pl.String
    ),
)

_ENTITIES: dict[str, Origin] = {
    "account": _ACCOUNT,
    "region": field("cloud.region"),
    "principal": derived(
        "user, else device or source",
        pl.coalesce(
            "actor.user.name", "actor.user.uid", "user.name", "user.uid", "device.uid", "src_endpoint.instance_uid",
            "src_endpoint.ip",
        ),
    ),
    "principal_type": derived("`actor.user.type`, else the class", pl.coalesce("actor.user.type", "class_name")),
    "peer": derived("account and class", pl.concat_str(_ACCOUNT.value, "class_name", separator="/", ignore_nulls=True)),
    "service": derived("`api.service.name`, else the product",
                       pl.coalesce("api.service.name", "metadata.product.name")),
    "action": derived(
        "`api.operation`, else class and activity",
        pl.coalesce(
            "api.operation",
            pl.concat_str(
                pl.col("class_name").fill_null("-"),
                pl.coalesce("activity_name", pl.col("activity_id").cast(pl.String), pl.lit("-")),
                separator="/",
            ),
        ),
    ),
    "target": derived(
        "resource, host or address",
        pl.coalesce(
            "_resource", "query.hostname", "dst_endpoint.hostname", "dst_endpoint.ip", "http_request.url.hostname"
        ),
    ),
    "source_ip": field("src_endpoint.ip"),
    "user_agent": field("http_request.user_agent"),
    "error": derived("why it failed", pl.when(_REFUSED).then(pl.coalesce(_ERROR, "status", pl.lit("Failure")))),
    "bytes": field("traffic.bytes"),
    "packets": field("traffic.packets"),
}  # fmt: skip


def _common(schema: str, event_type: Origin | str) -> dict[str, Origin]:
    return asim_columns(
        schema,
        event_type=event_type,
        result=_RESULT,
        product=derived("`metadata.product.name`", pl.coalesce("metadata.product.name", pl.lit("OCSF"))),
        vendor=derived("`metadata.product.vendor_name`", pl.coalesce("metadata.product.vendor_name", pl.lit("OCSF"))),
        severity=_SEVERITY,
        start=derived("`start_time`, else `time`", pl.col("_start")),
        end=derived("`end_time`, else `time`", pl.col("_end")),
        product_version=field("metadata.product.version"),
        original_uid=field("metadata.uid"),
        original_type=field("type_name"),
        original_severity=field("severity"),
        original_result_details=None if schema == "Dns" else derived("error, `status_code` or `status_detail`", _ERROR),
        message=field("message"),
    )


_ENDPOINTS = {
    "SrcIpAddr": field("src_endpoint.ip"),
    "SrcPortNumber": field("src_endpoint.port"),
    "SrcHostname": derived(
        "`src_endpoint.hostname` or `.domain`", pl.coalesce("src_endpoint.hostname", "src_endpoint.domain")
    ),
    "AdditionalFields": _WHOLE,
}
_DESTINATION = {
    "DstIpAddr": field("dst_endpoint.ip"),
    "DstPortNumber": field("dst_endpoint.port"),
    "DstHostname": derived(
        "`dst_endpoint.hostname` or `.domain`", pl.coalesce("dst_endpoint.hostname", "dst_endpoint.domain")
    ),
}
_TRAFFIC = {
    "NetworkBytes": field("traffic.bytes"),
    "NetworkPackets": field("traffic.packets"),
    "SrcBytes": field("traffic.bytes_out"),
    "DstBytes": field("traffic.bytes_in"),
    "SrcPackets": field("traffic.packets_out"),
    "DstPackets": field("traffic.packets_in"),
    "NetworkProtocol": derived(
        "`connection_info.protocol_name`, else the number's name",
        pl.coalesce(
            pl.col("connection_info.protocol_name").str.to_uppercase(), protocol_name("connection_info.protocol_num")
        ),
    ),
    "NetworkSessionId": field("connection_info.uid"),
    "NetworkDirection": derived(
        "`connection_info.direction_id`, else which addresses are private",
        pl.coalesce(
            pl.col("connection_info.direction_id").replace_strict(
                {1: "Inbound", 2: "Outbound", 3: "Local"}, default=None, return_dtype=pl.String
            ),
            network_direction("src_endpoint.ip", "dst_endpoint.ip"),
        ),
    ),
    "NetworkDuration": field("duration"),
}
_ACTION = derived(
    "`action_id`: 1 Allow, 2 Deny",
    pl.col("action_id").replace_strict({1: "Allow", 2: "Deny"}, default=None, return_dtype=pl.String),
)

_NETWORK = TableMapping(
    "ASimNetworkSessionLogs",
    {
        **_common("NetworkSession", "NetworkSession"),
        **_ENDPOINTS,
        **_DESTINATION,
        **_TRAFFIC,
        "SrcInterfaceName": field("src_endpoint.interface_uid"),
        "SrcDvcId": field("src_endpoint.instance_uid"),
        "SrcMacAddr": field("src_endpoint.mac"),
        "SrcZone": field("src_endpoint.vpc_uid"),
        "DstInterfaceName": field("dst_endpoint.interface_uid"),
        "DstDvcId": field("dst_endpoint.instance_uid"),
        "DstMacAddr": field("dst_endpoint.mac"),
        "DstZone": field("dst_endpoint.vpc_uid"),
        "DvcAction": _ACTION,
        "DvcOriginalAction": derived("`action`, else `disposition`", pl.coalesce("action", "disposition")),
    },
    _ENTITIES,
    where=_CLASS == 4001,
)

_WEB = TableMapping(
    "ASimWebSessionLogs",
    {
        **_common("WebSession", "HTTPsession"),
        **_ENDPOINTS,
        **_DESTINATION,
        "NetworkBytes": field("traffic.bytes"),
        "Url": derived(
            "`http_request.url.url_string`, else host and path",
            pl.coalesce(
                "http_request.url.url_string",
                "http_request.url.text",
                pl.concat_str("http_request.url.hostname", "http_request.url.path", ignore_nulls=True),
                pl.lit(""),
            ),
        ),
        "HttpRequestMethod": field("http_request.http_method"),
        "HttpUserAgent": field("http_request.user_agent"),
        "HttpReferrer": field("http_request.referrer"),
        "HttpVersion": field("http_request.version"),
        "HttpHost": field("http_request.url.hostname"),
        "HttpResponseTime": field("http_response.latency"),
        "EventResultDetails": derived("`http_response.code`", pl.col("http_response.code").cast(pl.String)),
        "SrcUsername": _USER,
        "SrcUserId": _USER_ID,
        "DvcAction": _ACTION,
    },
    _ENTITIES,
    where=_CLASS == 4002,
)

_DNS = TableMapping(
    "ASimDnsActivityLogs",
    {
        **_common("Dns", "Query"),
        **_ENDPOINTS,
        **_DESTINATION,
        "EventResult": derived(
            "`rcode_id`: 0 Success, else Failure; without one NA",
            pl.when(pl.col("rcode_id") == 0).then(pl.lit("Success"))
            .when(pl.col("rcode_id").is_not_null()).then(pl.lit("Failure")).otherwise(pl.lit("NA")),
        ),
        "EventResultDetails": derived(
            "`rcode_id`, else `rcode`", pl.coalesce(dns_rcode_name("rcode_id"), "rcode", pl.lit("NA"))
        ),
        "DnsQuery": derived("`query.hostname` without the dot at its end",
                            pl.coalesce(pl.col("query.hostname").str.strip_suffix("."), pl.lit("-"))),
        "DnsQueryTypeName": field("query.type"),
        "DnsQueryClassName": field("query.class"),
        "DnsResponseCode": field("rcode_id"),
        "DnsResponseName": field("answers"),
        "SrcDvcId": field("src_endpoint.instance_uid"),
        "SrcDvcScopeId": field("src_endpoint.vpc_uid"),
        "NetworkProtocol": derived("`connection_info.protocol_name`",
                                   pl.col("connection_info.protocol_name").str.to_uppercase()),
        "DvcOriginalAction": derived("`action`, else `disposition`", pl.coalesce("action", "disposition")),
    },
    _ENTITIES,
    where=_CLASS == 4003,
)  # fmt: skip

_LOGON = {1: "Logon", 2: "Logoff"}
_AUTHENTICATION = TableMapping(
    "ASimAuthenticationEventLogs",
    {
        **_common(
            "Authentication",
            derived(
                "`activity_id`: 2 Logoff, else Logon",
                pl.col("activity_id").replace_strict(_LOGON, default="Logon", return_dtype=pl.String),
            ),
        ),
        **_ENDPOINTS,
        "TargetUsername": derived("`user.name`, else `actor.user.name`", pl.coalesce("user.name", "actor.user.name")),
        "TargetUserId": derived("`user.uid`, else `actor.user.uid`", pl.coalesce("user.uid", "actor.user.uid")),
        "TargetOriginalUserType": derived("`user.type`, else `actor.user.type`",
                                          pl.coalesce("user.type", "actor.user.type")),
        "TargetUserScopeId": _ACCOUNT,
        "TargetAppName": derived("`dst_endpoint.svc_name`, else `api.service.name`",
                                 pl.coalesce("dst_endpoint.svc_name", "api.service.name")),
        "TargetSessionId": field("actor.session.uid"),
        "HttpUserAgent": field("http_request.user_agent"),
    },
    _ENTITIES,
    where=_CLASS == 3002,
)  # fmt: skip

_VERBS = {1: "Create", 2: "Read", 3: "Set", 4: "Delete"}
_AUDIT = TableMapping(
    "ASimAuditEventLogs",
    {
        **_common(
            "AuditEvent",
            derived(
                "`activity_id` of API Activity: 1 Create, 2 Read, 3 Set, 4 Delete; else Other",
                pl.when(_CLASS == 6003)
                .then(pl.col("activity_id").replace_strict(_VERBS, default="Other", return_dtype=pl.String))
                .otherwise(pl.lit("Other")),
            ),
        ),
        **_ENDPOINTS,
        "Operation": derived("`api.operation`, else the activity", pl.coalesce(
            "api.operation", "activity_name", "type_name", pl.col("class_uid").cast(pl.String))),
        "Object": derived("first resource, affected user, or service", pl.coalesce(
            "_resource", "_resource_name", "user.name", "user.uid", "api.service.name", pl.lit("-"))),
        "OriginalObjectType": field("_resource_type", "resources[0].type"),
        "ActorUsername": derived("`actor.user.name`, else `user.name`", pl.coalesce("actor.user.name", "user.name")),
        "ActorUserId": derived("`actor.user.uid`, else `user.uid`", pl.coalesce("actor.user.uid", "user.uid")),
        "ActorOriginalUserType": field("actor.user.type"),
        "ActorSessionId": field("actor.session.uid"),
        "ActorScopeId": _ACCOUNT,
        "ActingAppName": derived("`actor.app_name`, else `actor.invoked_by`",
                                 pl.coalesce("actor.app_name", "actor.invoked_by")),
        "TargetAppName": field("api.service.name"),
        "HttpUserAgent": field("http_request.user_agent"),
    },
    _ENTITIES,
    where=_CLASS.is_in([3001, 3003, 3004, 3005, 3006, 6003]),
)  # fmt: skip

_TITLE = pl.coalesce("finding_info.title", "finding.title", "message")
_ALERT = TableMapping(
    "ASimAlertEventLogs",
    {
        **_common("AlertEvent", "Alert"),
        "EventUid": derived("`metadata.uid`, else the finding's", pl.coalesce(
            "metadata.uid", "finding_info.uid", "finding.uid", pl.lit("-"))),
        "AlertId": derived("`finding_info.uid`, else `finding.uid`", pl.coalesce("finding_info.uid", "finding.uid")),
        "AlertName": derived("`finding_info.title`, else `finding.title`", _TITLE),
        "AlertDescription": derived("`finding_info.desc`, else `finding.desc`",
                                    pl.coalesce("finding_info.desc", "finding.desc")),
        "AlertOriginalStatus": field("status"),
        "Username": _USER,
        "UserId": _USER_ID,
        "DvcHostname": field("device.hostname"),
        "DvcIpAddr": field("device.ip"),
        "DvcId": derived("`device.uid`, else the first resource", pl.coalesce("device.uid", "_resource")),
        "DvcScopeId": _ACCOUNT,
        "DvcZone": field("cloud.region"),
        "AdditionalFields": _WHOLE,
    },
    _ENTITIES,
    where=_CLASS.is_between(2001, 2007),
)  # fmt: skip

_OTHER = TableMapping(
    "OCSF_CL",
    {
        "ClassUid": field("class_uid"),
        "ClassName": field("class_name"),
        "CategoryUid": field("category_uid"),
        "CategoryName": field("category_name"),
        "ActivityId": field("activity_id"),
        "ActivityName": field("activity_name"),
        "TypeUid": field("type_uid"),
        "TypeName": field("type_name"),
        "SeverityId": field("severity_id"),
        "Severity": field("severity"),
        "StatusId": field("status_id"),
        "Status": field("status"),
        "StatusCode": field("status_code"),
        "StatusDetail": field("status_detail"),
        "Message": field("message"),
        "EventStartTime": derived("`start_time`, else `time`", pl.col("_start")),
        "EventEndTime": derived("`end_time`, else `time`", pl.col("_end")),
        "EventCount": field("count"),
        "Duration": field("duration"),
        "CloudProvider": field("cloud.provider"),
        "CloudAccountId": _ACCOUNT,
        "CloudRegion": field("cloud.region"),
        "ProductName": field("metadata.product.name"),
        "ProductVendor": field("metadata.product.vendor_name"),
        "ProductVersion": field("metadata.product.version"),
        "MetadataVersion": field("metadata.version"),
        "MetadataUid": field("metadata.uid"),
        "LogName": field("metadata.log_name"),
        "LogProvider": field("metadata.log_provider"),
        "Profiles": field("metadata.profiles"),
        "ActorUsername": field("actor.user.name"),
        "ActorUserUid": field("actor.user.uid"),
        "ActorUserType": field("actor.user.type"),
        "ActorSessionUid": field("actor.session.uid"),
        "ActorProcessName": field("actor.process.name"),
        "Username": field("user.name"),
        "UserUid": field("user.uid"),
        "SrcIp": field("src_endpoint.ip"),
        "SrcPort": field("src_endpoint.port"),
        "SrcHostname": field("src_endpoint.hostname"),
        "DstIp": field("dst_endpoint.ip"),
        "DstPort": field("dst_endpoint.port"),
        "DstHostname": field("dst_endpoint.hostname"),
        "DeviceHostname": field("device.hostname"),
        "DeviceIp": field("device.ip"),
        "DeviceUid": field("device.uid"),
        "ApiService": field("api.service.name"),
        "ApiOperation": field("api.operation"),
        "UserAgent": field("http_request.user_agent"),
        "FindingUid": derived("`finding_info.uid`, else `finding.uid`", pl.coalesce("finding_info.uid", "finding.uid")),
        "FindingTitle": derived("`finding_info.title`, else `finding.title`", _TITLE),
        "FindingTypes": derived("`finding_info.types`, else `finding.types`",
                                pl.coalesce("finding_info.types", "finding.types")),
        "ConfidenceScore": field("confidence_score"),
        "RiskScore": field("risk_score"),
        "Resources": derived("`resources`, else `resource`", pl.coalesce("resources", "resource")),
        "Observables": field("observables"),
        "Enrichments": field("enrichments"),
        "Unmapped": field("unmapped"),
        "RawData": _WHOLE,
    },
    _ENTITIES,
)  # fmt: skip

MAPPINGS = (_NETWORK, _WEB, _DNS, _AUTHENTICATION, _AUDIT, _ALERT, _OTHER)
