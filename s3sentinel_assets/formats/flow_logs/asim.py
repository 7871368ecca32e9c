"""ASIM's columns of a network session that every flow log fills.

Source: Microsoft, "The Advanced Security Information Model (ASIM) Network Session normalization schema reference"
(learn.microsoft.com/azure/sentinel/normalization-schema-network).

Belongs here: what flow logs of VPCs and transit gateways have in common. Does not belong here: what only one has.
"""

import polars as pl

from s3sentinel_assets.formats.asim.values import ip_version, network_direction, protocol_name
from s3sentinel_assets.formats.flow_logs.traffic import TCP_FLAGS
from s3sentinel_assets.formats.mapping import Origin, derived, field

__all__ = ["flow_columns"]

_DIRECTIONS = {"ingress": "Inbound", "egress": "Outbound"}
_SECONDS = pl.col("end").cast(pl.Int64) - pl.col("start").cast(pl.Int64)


def flow_columns() -> dict[str, Origin]:
    """Column → origin: addresses, ports, protocol, direction, amounts, duration, TCP flags."""
    return {
        "SrcIpAddr": field("srcaddr"),
        "SrcPortNumber": field("srcport"),
        "DstIpAddr": field("dstaddr"),
        "DstPortNumber": field("dstport"),
        "NetworkProtocol": derived("name of `protocol`", protocol_name("protocol")),
        "NetworkProtocolVersion": derived("`type`, else that of `srcaddr`", pl.coalesce("type", ip_version("srcaddr"))),
        "NetworkDirection": derived(
            "`flow-direction`, else by which address is private",
            pl.coalesce(
                pl.col("flow-direction").replace_strict(_DIRECTIONS, default=None, return_dtype=pl.String),
                network_direction("srcaddr", "dstaddr"),
            ),
        ),
        "NetworkDuration": derived("milliseconds from `start` to `end`", _SECONDS * 1_000),
        "NetworkBytes": field("bytes"),
        "NetworkPackets": field("packets"),
        "SrcBytes": field("bytes"),
        "SrcPackets": field("packets"),
        **TCP_FLAGS,
        "EventOriginalSubType": field("log-status"),
    }
