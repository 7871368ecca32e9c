"""What the tables of all OCSF classes have in common.

Source: OCSF, "Base Event" and the objects ``metadata``, ``cloud``, ``actor`` (schema.ocsf.io); Microsoft, "ASIM common
schema fields reference".

Belongs here: origins and column groups that several tables share, the entity view. Does not belong here: any one table.
"""

from collections.abc import Mapping

import polars as pl

from s3sentinel_assets.formats.asim.common import SCHEMAS, asim_columns
from s3sentinel_assets.formats.json_logs import TEXT
from s3sentinel_assets.formats.mapping import Origin, derived, field
from s3sentinel_assets.tables import load_schema

__all__ = [
    "ACCOUNT",
    "ACTION",
    "CLASS",
    "ENTITIES",
    "ERROR",
    "REFUSED",
    "USER",
    "USER_ID",
    "WHOLE",
    "common",
    "endpoint",
    "fitting",
]

CLASS = pl.col("class_uid")
ACCOUNT = derived(
    "`cloud.account.uid`, else `cloud.account_uid`", pl.coalesce("cloud.account.uid", "cloud.account_uid")
)
USER = derived("`actor.user.name`, else `user.name`", pl.coalesce("actor.user.name", "user.name"))
USER_ID = derived("`actor.user.uid`, else `user.uid`", pl.coalesce("actor.user.uid", "user.uid"))
WHOLE = derived("the whole event, without members that are null", pl.col(TEXT))
# Flow logs have the status of the logging there, mostly OK.
ERROR = pl.coalesce("api.response.error", pl.when(pl.col("status_code") != "OK").then("status_code"), "status_detail")

# Before there were actions, a firewall's decision was the disposition, or the activity of a connection: Fail, Refuse.
_REFUSING = (CLASS == 4001) & pl.col("activity_id").is_in([4, 5])
_DENIED = (pl.col("action_id") == 2) | (pl.col("disposition_id") == 2) | _REFUSING
#: Whether the event failed or was denied; never null.
REFUSED = (
    (pl.col("status_id") == 2).fill_null(value=False)
    | (pl.col("status") == "Failure").fill_null(value=False)
    | _DENIED.fill_null(value=False)
)
_WORKED = (
    (pl.col("status_id") == 1) | (pl.col("status") == "Success") | (pl.col("action_id") == 1) | (CLASS == 4001)
).fill_null(value=False)
_RESULT = derived(
    "`status_id` and `status`: Success or Failure; what was denied (`action_id`, `disposition_id`, a connection that "
    "failed or was refused) is Failure; else NA",
    pl.when(REFUSED | pl.col("api.response.error").is_not_null())
    .then(pl.lit("Failure"))
    .when(_WORKED)
    .then(pl.lit("Success"))
    .otherwise(pl.lit("NA")),
)
_SEVERITY = derived(
    "`severity_id`: 2 Low, 3 Medium, 4 to 6 High",
    pl.col("severity_id").replace_strict(
        {2: "Low", 3: "Medium", 4: "High", 5: "High", 6: "High"}, default="Informational", return_dtype=pl.String
    ),
)
ACTION = derived(
    "`action_id`: 1 Allow, 2 Deny; else `disposition_id` and the activity of a connection",
    pl.when(_DENIED.fill_null(value=False))
    .then(pl.lit("Deny"))
    .when((pl.col("action_id") == 1) | (pl.col("disposition_id") == 1))
    .then(pl.lit("Allow")),
)


def common(schema: str, event_type: Origin | str, *, result: Origin | str = _RESULT) -> dict[str, Origin]:
    """The columns that every event has, and those of the reporting device, as far as the schema's table has them."""
    made = asim_columns(
        schema,
        event_type=event_type,
        result=result,
        product=derived("`metadata.product.name`", pl.coalesce("metadata.product.name", pl.lit("OCSF"))),
        vendor=derived("`metadata.product.vendor_name`", pl.coalesce("metadata.product.vendor_name", pl.lit("OCSF"))),
        severity=_SEVERITY,
        start=derived("start or first sight, else `time`", pl.col("_start")),
        end=derived("end or last sight, else `time`", pl.col("_end")),
        product_version=field("metadata.product.version"),
        original_uid=field("metadata.uid"),
        original_type=field("type_name"),
        original_severity=field("severity"),
        message=field("message"),
    )
    made["EventCount"] = derived("`count`, else 1", pl.col("count").fill_null(1))
    more = {
        "EventOriginalSubType": field("activity_name"),
        "EventOriginalResultDetails": derived("error, `status_code` or `status_detail`", ERROR),
        "Dvc": derived(
            "`device.hostname` or `device.ip`, else `metadata.product.name`",
            pl.coalesce("device.hostname", "device.ip", "metadata.product.name", pl.lit("OCSF")),
        ),
        "DvcHostname": field("device.hostname"),
        "DvcIpAddr": field("device.ip"),
        "DvcMacAddr": field("device.mac"),
        "DvcId": field("device.uid"),
        "DvcOs": field("device.os.name"),
        "DvcOsVersion": field("device.os.version"),
        "DvcScopeId": ACCOUNT,
        "DvcSubscriptionId": ACCOUNT,
        "DvcZone": field("cloud.region"),
        "DvcAction": ACTION,
        "DvcOriginalAction": derived("`action`, else `disposition`", pl.coalesce("action", "disposition")),
        "AdditionalFields": WHOLE,
    }
    return made | fitting(schema, more)


def fitting(schema: str, columns: Mapping[str, Origin]) -> dict[str, Origin]:
    """Those of ``columns`` that the schema's table has."""
    has = load_schema(SCHEMAS[schema][0]).columns
    return {name: origin for name, origin in columns.items() if name in has}


def endpoint(schema: str, who: str) -> dict[str, Origin]:
    """The columns of ``src_endpoint`` or ``dst_endpoint``, as far as the schema's table has them.

    Args:
        schema: one of `asim.SCHEMAS`.
        who: what the columns begin with, ``Src`` or ``Dst``.
    """
    side = f"{who.lower()}_endpoint"
    machine = pl.coalesce(f"{side}.instance_uid", f"{side}.uid")
    columns = {
        "IpAddr": field(f"{side}.ip"),
        "PortNumber": field(f"{side}.port"),
        "Hostname": derived(
            f"`{side}.hostname`, `.domain` or `.name`",
            pl.coalesce(f"{side}.hostname", f"{side}.domain", f"{side}.name"),
        ),
        "MacAddr": field(f"{side}.mac"),
        "DvcId": derived(f"`{side}.instance_uid`, else `{side}.uid`", machine),
        "DvcIdType": derived("Other where there is an id", pl.when(machine.is_not_null()).then(pl.lit("Other"))),
        "InterfaceName": field(f"{side}.interface_uid"),
        "Zone": field(f"{side}.vpc_uid"),
        "DvcScopeId": field(f"{side}.vpc_uid"),
        "AppName": field(f"{side}.svc_name"),
        "GeoCity": field(f"{side}.location.city"),
        "GeoCountry": field(f"{side}.location.country"),
        "GeoRegion": field(f"{side}.location.region"),
    }
    return fitting(schema, {f"{who}{name}": origin for name, origin in columns.items()})


_ROLE = pl.coalesce(
    pl.col("actor.session.issuer").str.extract(r":role/(?:.*/)?([^/]+)$"),
    pl.col("actor.user.uid").str.extract(r":assumed-role/([^/]+)"),
)
_PERSON = pl.coalesce("actor.user.name", _ROLE, "actor.user.uid", "user.name", "user.uid")
_KIND = pl.coalesce("actor.user.type", "user.type")
_PRODUCT = pl.coalesce("metadata.product.name", pl.lit("ocsf"))
ENTITIES: dict[str, Origin] = {
    "account": ACCOUNT,
    "region": field("cloud.region"),
    "principal": derived(
        "account and user, or role; else machine, network interface or address of the source",
        pl.coalesce(
            pl.when(_PERSON.is_not_null()).then(
                pl.concat_str(ACCOUNT.value, _PERSON, separator="/", ignore_nulls=True)
            ),
            "src_endpoint.instance_uid",
            "src_endpoint.interface_uid",
            "src_endpoint.ip",
            "device.uid",
            "device.hostname",
        ),
    ),
    "principal_type": derived(
        "type of the user, else `user` or `source`",
        pl.coalesce(
            pl.when(_PERSON.is_not_null()).then(pl.coalesce(_KIND, pl.lit("user"))),
            pl.when(pl.col("src_endpoint.ip").is_not_null()).then(pl.lit("source")),
        ),
    ),
    "peer": derived(
        "account, product and type of the user",
        pl.concat_str(ACCOUNT.value, _PRODUCT, _KIND, separator="/", ignore_nulls=True),
    ),
    "service": derived(
        "`api.service.name` without `.amazonaws.com`, else the product",
        pl.coalesce(pl.col("api.service.name").str.strip_suffix(".amazonaws.com"), _PRODUCT),
    ),
    "action": derived(
        "`api.operation`, else class and activity",
        pl.coalesce(
            "api.operation",
            pl.concat_str(
                pl.coalesce("class_name", CLASS.cast(pl.String)),
                pl.coalesce("activity_name", pl.col("activity_id").cast(pl.String), pl.lit("-")),
                separator="/",
            ),
        ),
    ),
    "target": derived(
        "first resource, name asked for, destination or finding",
        pl.coalesce(
            *("_resource", "_resource_name", "query.hostname", "dst_endpoint.hostname", "http_request.url.hostname"),
            *("dst_endpoint.ip", "entity.name", "finding_info.uid", "finding.uid"),
        ),
    ),
    "source_ip": field("src_endpoint.ip"),
    "user_agent": field("http_request.user_agent"),
    "error": derived(
        "why it failed",
        pl.coalesce(
            "api.response.error",
            pl.when(REFUSED).then(pl.coalesce(ERROR, "disposition", "action", "status", pl.lit("Failure"))),
        ),
    ),
    "read_only": derived(
        "whether `activity_id` of API Activity is 2",
        pl.when((CLASS == 6003) & pl.col("activity_id").is_between(1, 4)).then(pl.col("activity_id") == 2),
    ),
    "bytes": field("traffic.bytes"),
    "packets": field("traffic.packets"),
    "severity": derived(
        "`severity_id` of a finding (classes 2001 to 2007): 1 informational, 2 low, 3 medium, 4 high, 5 and 6 critical",
        pl.when(CLASS.is_between(2001, 2007)).then(
            pl.col("severity_id").replace_strict(
                {1: "informational", 2: "low", 3: "medium", 4: "high", 5: "critical", 6: "critical"},
                default=None,
                return_dtype=pl.String,
            )
        ),
    ),
}
