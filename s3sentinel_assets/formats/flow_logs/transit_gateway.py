"""Transit gateway flow logs as text and as Parquet: any field order by header or settings, version 6 and later.

Source: AWS, "AWS Transit Gateway Flow Logs", section "Transit Gateway Flow Log records"
(docs.aws.amazon.com/vpc/latest/tgw/tgw-flow-logs.html). Where nobody chose fields, AWS writes all of them, in the order
of that page.

Belongs here: the fields, what tells them from VPC flow logs, the table. Does not belong here: reading (``flow_logs``).
"""

from collections.abc import Sequence
from typing import ClassVar

import polars as pl

from s3sentinel_assets.formats.asim.common import asim_columns
from s3sentinel_assets.formats.asim.values import network_direction
from s3sentinel_assets.formats.extra_fields import json_object
from s3sentinel_assets.formats.flow_logs import FlowFields, FlowLogParser
from s3sentinel_assets.formats.flow_logs.asim import flow_columns
from s3sentinel_assets.formats.flow_logs.columns import instant
from s3sentinel_assets.formats.flow_logs.traffic import PROTOCOL, action, with_traffic
from s3sentinel_assets.formats.mapping import TIME, TableMapping, derived, field

__all__ = ["KIND", "TgwFlowParser"]

_FIELDS = (
    "version",
    "resource-type",
    "account-id",
    "tgw-id",
    "tgw-attachment-id",
    "tgw-src-vpc-account-id",
    "tgw-dst-vpc-account-id",
    "tgw-src-vpc-id",
    "tgw-dst-vpc-id",
    "tgw-src-subnet-id",
    "tgw-dst-subnet-id",
    "tgw-src-eni",
    "tgw-dst-eni",
    "tgw-src-az-id",
    "tgw-dst-az-id",
    "tgw-pair-attachment-id",
    "srcaddr",
    "dstaddr",
    "srcport",
    "dstport",
    "protocol",
    "packets",
    "bytes",
    "start",
    "end",
    "log-status",
    "type",
    "packets-lost-no-route",
    "packets-lost-blackhole",
    "packets-lost-mtu-exceeded",
    "packets-lost-ttl-expired",
    "tcp-flags",
    "region",
    "flow-direction",
    "pkt-src-aws-service",
    "pkt-dst-aws-service",
)
_LOST = tuple(name for name in _FIELDS if name.startswith("packets-lost-"))

KIND = FlowFields(
    _FIELDS,
    small=frozenset({"version", "srcport", "dstport", "protocol", "tcp-flags"}),
    big=frozenset({"packets", "bytes", "start", "end", *_LOST}),
    default=_FIELDS,
    # Flow logs of VPCs share most names, but are another format.
    foreign=frozenset({"interface-id", "vpc-id", "action"}),
    telling=frozenset(name for name in _FIELDS if name.startswith("tgw-")) | {"resource-type", *_LOST},
)

_IN_ADDITIONAL = (
    "resource-type",
    "tgw-attachment-id",
    "tgw-pair-attachment-id",
    "tgw-src-vpc-account-id",
    "tgw-dst-vpc-account-id",
    "tgw-src-subnet-id",
    "tgw-dst-subnet-id",
    "tgw-src-az-id",
    "tgw-dst-az-id",
    *_LOST,
    "region",
    "pkt-src-aws-service",
    "pkt-dst-aws-service",
)
_LOST_ANY = pl.sum_horizontal(pl.col(name).cast(pl.Int64) for name in _LOST)
_ALL_LOST = derived(
    "Failure where as many packets were lost as counted, Partial where some were, NA without data, else Success",
    pl.when(pl.col("log-status").is_in(["NODATA", "SKIPDATA"]))
    .then(pl.lit("NA"))
    .when((_LOST_ANY > 0) & (pl.col("packets").cast(pl.Int64) <= _LOST_ANY).fill_null(value=True))
    .then(pl.lit("Failure"))
    .when(_LOST_ANY > 0)
    .then(pl.lit("Partial"))
    .otherwise(pl.lit("Success")),
)

ASIM = TableMapping(
    "ASimNetworkSessionLogs",
    {
        **asim_columns(
            "NetworkSession",
            event_type="Flow",
            result=_ALL_LOST,
            product="Transit Gateway",
            dvc=derived("`tgw-id`, else `Transit Gateway`", pl.coalesce("tgw-id", pl.lit("Transit Gateway"))),
            end=derived("`end`, else the event's time", pl.coalesce(instant("end"), pl.col(TIME))),
            product_version=field("version"),
        ),
        **flow_columns(),
        # What comes into the gateway does not come into the network.
        "NetworkDirection": derived("by which address is private", network_direction("srcaddr", "dstaddr")),
        "DvcId": field("tgw-id"),
        "DvcIdType": derived(
            "`Other` where there is a `tgw-id`", pl.when(pl.col("tgw-id").is_not_null()).then(pl.lit("Other"))
        ),
        "DvcSubscriptionId": field("account-id"),
        "DvcInboundInterface": field("tgw-src-eni"),
        "DvcOutboundInterface": field("tgw-dst-eni"),
        "SrcZone": field("tgw-src-vpc-id"),
        "DstZone": field("tgw-dst-vpc-id"),
        "AdditionalFields": derived(
            f"{', '.join(f'`{name}`' for name in _IN_ADDITIONAL)}, as JSON",
            json_object({name: name for name in _IN_ADDITIONAL}),
        ),
    },
    entities={
        "account": field("account-id"),
        "region": field("region"),
        "principal": derived(
            "`tgw-src-eni`, else `tgw-attachment-id`, `srcaddr` or `tgw-id`",
            pl.coalesce("tgw-src-eni", "tgw-attachment-id", "srcaddr", "tgw-id"),
        ),
        "principal_type": derived(
            "`eni`, `attachment` or `address`",
            pl.when(pl.col("tgw-src-eni").is_not_null())
            .then(pl.lit("eni"))
            .when(pl.col("tgw-attachment-id").is_not_null())
            .then(pl.lit("attachment"))
            .otherwise(pl.lit("address")),
        ),
        "peer": derived(
            "`tgw-src-vpc-account-id` or `account-id`, with `tgw-src-subnet-id` or `tgw-src-vpc-id`",
            pl.concat_str(
                pl.coalesce("tgw-src-vpc-account-id", "account-id"),
                pl.coalesce("tgw-src-subnet-id", "tgw-src-vpc-id"),
                separator="/",
                ignore_nulls=True,
            ),
        ),
        "service": derived("name of `protocol`", pl.col(PROTOCOL)),
        "action": action(pl.coalesce("log-status", pl.lit("-")), "`log-status`"),
        "target": field("dstaddr"),
        "source_ip": field("srcaddr"),
        "bytes": field("bytes"),
        "packets": field("packets"),
    },
)


class TgwFlowParser(FlowLogParser):
    """Parses transit gateway flow logs: text, Parquet, JSON lines."""

    name: ClassVar[str] = "tgw_flow"
    title: ClassVar[str] = "a transit gateway flow log"
    kind: ClassVar[FlowFields] = KIND
    telling_value: ClassVar[bytes] = b"tgw-"
    native: ClassVar[tuple[TableMapping, ...]] = (ASIM,)

    @classmethod
    def default_shape(cls, fields: Sequence[bytes]) -> bool:
        """Whether the fields of a line could be those of version 6."""
        return (
            len(fields) == len(_FIELDS)
            and fields[0].isdigit()
            and fields[3].startswith(b"tgw-")
            and fields[25] in (b"OK", b"NODATA", b"SKIPDATA")
        )

    def prepare(self, raw: pl.DataFrame) -> pl.DataFrame:
        """Adds names for traffic."""
        return with_traffic(super().prepare(raw))
