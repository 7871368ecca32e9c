"""OCSF classes → Sentinel tables.

Source: OCSF's classes (schema.ocsf.io/classes).

Belongs here: which class goes where, and the table of all that has no ASIM schema. Does not belong here: the ASIM
tables (``network``, ``identity``, ``findings``), the events' fields (``fields``).

Network Activity (4001), HTTP Activity (4002), DNS Activity (4003) and Authentication (3002) have an ASIM schema of
their kind; the other identity classes and API Activity (6003) are audit events; findings (2001 to 2007) are alerts.
Every other class goes to ``OCSF_CL``. The whole event stands in ``AdditionalFields`` or ``RawData``.
"""

import polars as pl

from s3sentinel_assets.formats.mapping import TableMapping, derived, field
from s3sentinel_assets.formats.ocsf.common import ACCOUNT, ENTITIES, WHOLE
from s3sentinel_assets.formats.ocsf.findings import ALERT
from s3sentinel_assets.formats.ocsf.identity import AUDIT, AUTHENTICATION
from s3sentinel_assets.formats.ocsf.network import DNS, NETWORK, WEB

__all__ = ["MAPPINGS"]

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
        "CloudAccountId": ACCOUNT,
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
        "FindingTitle": derived("`finding_info.title`, else `finding.title` or `message`",
                                pl.coalesce("finding_info.title", "finding.title", "message")),
        "FindingTypes": derived("`finding_info.types`, else `finding.types`",
                                pl.coalesce("finding_info.types", "finding.types")),
        "ConfidenceScore": field("confidence_score"),
        "RiskScore": field("risk_score"),
        "Resources": derived("`resources`, else `resource`", pl.coalesce("resources", "resource")),
        "Observables": field("observables"),
        "Enrichments": field("enrichments"),
        "Unmapped": field("unmapped"),
        "RawData": WHOLE,
    },
    ENTITIES,
)  # fmt: skip

MAPPINGS: tuple[TableMapping, ...] = (NETWORK, WEB, DNS, AUTHENTICATION, AUDIT, ALERT, _OTHER)
