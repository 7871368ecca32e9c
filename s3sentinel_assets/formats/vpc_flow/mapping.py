"""VPC flow log fields → the columns of ``AWSVPCFlow``, of ASIM's network sessions and of the entity view.

Source: Microsoft, "AWSVPCFlow" (learn.microsoft.com/azure/azure-monitor/reference/tables/awsvpcflow) and "The Advanced
Security Information Model (ASIM) Network Session normalization schema reference".

Belongs here: the mappings. Lines with status NODATA or SKIPDATA are kept: that nothing was seen, or something was
missed, is information. Does not belong here: names for traffic (``flow_logs.traffic``).
"""

import polars as pl

from s3sentinel_assets.formats.asim.common import asim_columns
from s3sentinel_assets.formats.extra_fields import json_object
from s3sentinel_assets.formats.flow_logs.asim import flow_columns
from s3sentinel_assets.formats.flow_logs.columns import instant
from s3sentinel_assets.formats.flow_logs.traffic import DIRECTION, PROTOCOL, action
from s3sentinel_assets.formats.mapping import Origin, TableMapping, constant, derived, field
from s3sentinel_assets.formats.vpc_flow.fields import FIELDS

__all__ = ["ASIM", "NATIVE", "PEER", "with_peer"]

#: Raw column that `with_peer` makes.
PEER = "_peer"
_TIMES = {name: derived(f"`{name}`, a second", instant(name)) for name in ("start", "end")}

_ENTITIES: dict[str, Origin] = {
    "account": field("account-id"),
    "region": field("region"),
    "principal": derived(
        "`interface-id`, else `instance-id` or `account-id`", pl.coalesce("interface-id", "instance-id", "account-id")
    ),
    "principal_type": constant("eni"),
    "peer": derived("`account-id`, with `subnet-id` or `vpc-id` where there is one", pl.col(PEER)),
    "service": derived("name of `protocol`", pl.col(PROTOCOL)),
    "action": action(pl.coalesce("action", "log-status", pl.lit("-")), "`action` or `log-status`"),
    "target": derived(
        "`srcaddr` of what comes in, else `dstaddr`",
        pl.when(pl.col(DIRECTION) == "ingress").then("srcaddr").otherwise("dstaddr"),
    ),
    "source_ip": field("srcaddr"),
    "bytes": field("bytes"),
    "packets": field("packets"),
}

NATIVE = TableMapping(
    "AWSVPCFlow",
    {column: _TIMES.get(name) or field(name) for name, column in FIELDS.items()},
    entities=_ENTITIES,
)

_PLACED = {
    "version", "account-id", "interface-id", "srcaddr", "dstaddr", "srcport", "dstport", "protocol", "packets", "bytes",
    "start", "end", "action", "tcp-flags", "flow-direction",
}  # fmt: skip
_OTHERS = [name for name in FIELDS if name not in _PLACED]

ASIM = TableMapping(
    "ASimNetworkSessionLogs",
    {
        **asim_columns(
            "NetworkSession",
            event_type="Flow",
            result=derived(
                "`action`: Success for ACCEPT, Failure for REJECT, else NA",
                pl.col("action")
                .replace_strict({"ACCEPT": "Success", "REJECT": "Failure"}, default="NA", return_dtype=pl.String)
                .fill_null("NA"),
            ),
            product="VPC",
            severity=derived(
                "Low for REJECT, else Informational",
                pl.when(pl.col("action") == "REJECT").then(pl.lit("Low")).otherwise(pl.lit("Informational")),
            ),
            dvc=derived("`interface-id`, else `VPC`", pl.coalesce("interface-id", pl.lit("VPC"))),
            end=derived("`end`, else the event's time", pl.coalesce(instant("end"), pl.col("_time"))),
            product_version=field("version"),
        ),
        **flow_columns(),
        "DvcAction": derived(
            "`action`: Allow for ACCEPT, Deny for REJECT",
            pl.col("action").replace_strict(
                {"ACCEPT": "Allow", "REJECT": "Deny"}, default=None, return_dtype=pl.String
            ),
        ),
        "DvcOriginalAction": field("action"),
        "DvcInterface": field("interface-id"),
        "DvcSubscriptionId": field("account-id"),
        "AdditionalFields": derived(
            f"{', '.join(f'`{name}`' for name in _OTHERS)}, as JSON", json_object({name: name for name in _OTHERS})
        ),
    },
    entities=_ENTITIES,
)


def with_peer(raw: pl.DataFrame) -> pl.DataFrame:
    """Adds what an interface is compared with: the account, with the subnet or VPC where the log names one."""
    parts = [name for name in ("subnet-id", "vpc-id") if name in raw.columns and raw[name].null_count() < raw.height]
    account = raw["account-id"] if "account-id" in raw.columns else None
    if not parts:
        return raw if account is None else raw.with_columns(account.alias(PEER))
    network = raw.select(pl.coalesce(parts).alias("network")).to_series()
    if account is None:
        return raw.with_columns(network.alias(PEER))
    named = network.is_not_null().arg_true()
    texts = pl.DataFrame([account.gather(named).alias("account"), network.gather(named)]).select(
        pl.concat_str("account", "network", separator="/", ignore_nulls=True)
    )
    return raw.with_columns(account.clone().scatter(named, texts.to_series()).alias(PEER))
