"""AWS Network Firewall's logs → ASIM's network sessions.

Source: Microsoft, "ASIM Network Session normalization schema reference" (learn.microsoft.com/azure/sentinel/
normalization-schema-network); Suricata, "EVE JSON Format" (actions and severities).

Belongs here: this mapping. Does not belong here: the native tables (``network_firewall``).

``DvcAction`` is that of the verdict, which decides about the packet, else that of the rule. A flow log does not say
whether its packets got through. An error of TLS inspection resets the connection.
"""

import polars as pl

from s3sentinel_assets.formats.asim.common import asim_columns
from s3sentinel_assets.formats.asim.values import network_direction, protocol_name
from s3sentinel_assets.formats.mapping import Origin, TableMapping, derived, field
from s3sentinel_assets.formats.network_firewall.fields import SNI, port

__all__ = ["asim_mapping"]

_ACTIONS = {
    "drop": "Drop", "reject": "Reset", "rejectsrc": "Reset Source", "rejectdst": "Reset Destination",
    "rejectboth": "Reset", "blocked": "Deny", "pass": "Allow", "alert": "Allow", "allowed": "Allow",
}  # fmt: skip
_ORIGINAL = pl.coalesce("event.verdict.action", "event.alert.action", "event.revocation_check.action")
_ACTION = pl.coalesce(
    _ORIGINAL.str.to_lowercase().replace_strict(_ACTIONS, default=None, return_dtype=pl.String),
    pl.when(pl.col("event.tls_error.error_message").is_not_null()).then(pl.lit("Reset")),
)
_STOPPED = _ACTION.is_not_null() & (_ACTION != "Allow")
_TYPE = pl.col("event.event_type")
_SENT, _RECEIVED = (
    {kind: pl.col(f"event.flow.{kind}_{way}") for kind in ("bytes", "pkts")} for way in ("toserver", "toclient")
)


def _total(kind: str) -> pl.Expr:
    both = _SENT[kind].fill_null(0) + _RECEIVED[kind].fill_null(0)
    known = _SENT[kind].is_not_null() | _RECEIVED[kind].is_not_null()
    return pl.coalesce(f"event.netflow.{kind}", pl.when(known).then(both))


def asim_mapping(entities: dict[str, Origin]) -> TableMapping:
    """The mapping; raw columns ``_start``, ``_end`` and ``_additional`` are the parser's."""
    return TableMapping(
        "ASimNetworkSessionLogs",
        {
            **asim_columns(
                "NetworkSession",
                event_type=derived(
                    "Flow for flow logs, IDS for alerts, else NetworkSession",
                    pl.when(_TYPE.is_in(["netflow", "flow"])).then(pl.lit("Flow"))
                    .when(_TYPE == "alert").then(pl.lit("IDS")).otherwise(pl.lit("NetworkSession")),
                ),
                result=derived(
                    "Failure where the firewall stopped it, by `DvcAction`",
                    pl.when(_STOPPED).then(pl.lit("Failure")).otherwise(pl.lit("Success")),
                ),
                product="Network Firewall",
                dvc=derived("`firewall_name`", pl.coalesce("firewall_name", pl.lit("Network Firewall"))),
                start=derived("`event.netflow.start`, `event.flow.start`, else the event's time", pl.col("_start")),
                end=derived("`event.netflow.end`, else the time of the event", pl.col("_end")),
                severity=derived(
                    "`event.alert.severity`: 1 High, 2 Medium, 3 Low; without one, Low where the firewall stopped it; "
                    "else Informational",
                    pl.when(pl.col("event.alert.severity").is_in([1, 2, 3]))
                    .then(pl.col("event.alert.severity").replace_strict(
                        {1: "High", 2: "Medium", 3: "Low"}, default=None, return_dtype=pl.String))
                    .when(pl.col("event.alert.severity").is_null() & _STOPPED).then(pl.lit("Low"))
                    .otherwise(pl.lit("Informational")),
                ),
                original_severity=field("event.alert.severity"),
                original_type=field("event.event_type"),
                message=field("event.tls_error.error_message"),
                original_result_details=field("event.revocation_check.status"),
            ),
            "SrcIpAddr": field("event.src_ip"),
            "SrcPortNumber": derived("`event.src_port`", port("event.src_port")),
            "DstIpAddr": field("event.dest_ip"),
            "DstPortNumber": derived("`event.dest_port`", port("event.dest_port")),
            "DstFQDN": derived(
                "`event.sni`, else `event.tls.sni`; none where it is `-`", pl.when(SNI != "-").then(SNI)
            ),
            "DvcAction": derived(
                "`event.verdict.action`, else `event.alert.action`, else `event.revocation_check.action`: Allow, Deny "
                "for `blocked`, Drop, Reset; Reset where there is an `event.tls_error`",
                _ACTION,
            ),
            "DvcOriginalAction": derived(
                "`event.verdict.action`, else `event.alert.action`, else `event.revocation_check.action`", _ORIGINAL
            ),
            "DvcHostname": field("firewall_name"),
            "DvcZone": field("availability_zone"),
            "NetworkProtocol": derived("`event.proto`", protocol_name("event.proto")),
            "NetworkApplicationProtocol": derived("`event.app_proto`", pl.col("event.app_proto").str.to_uppercase()),
            "NetworkDirection": derived(
                "which of the addresses are private", network_direction("event.src_ip", "event.dest_ip")
            ),
            "NetworkIcmpType": field("event.icmp_type"),
            "NetworkIcmpCode": field("event.icmp_code"),
            "NetworkSessionId": field("event.flow_id"),
            "NetworkDuration": derived(
                "milliseconds from `event.netflow.start` to `event.netflow.end`",
                pl.when(pl.col("event.netflow.start").is_not_null() & pl.col("event.netflow.end").is_not_null())
                .then((pl.col("_end") - pl.col("_start")).dt.total_milliseconds()),
            ),
            "NetworkBytes": derived(
                "`event.netflow.bytes`, or those of `event.flow` in both directions", _total("bytes")
            ),
            "NetworkPackets": derived(
                "`event.netflow.pkts`, or those of `event.flow` in both directions", _total("pkts")
            ),
            "SrcBytes": derived(
                "`event.netflow.bytes`, or `event.flow.bytes_toserver`",
                pl.coalesce("event.netflow.bytes", _SENT["bytes"]),
            ),
            "SrcPackets": derived(
                "`event.netflow.pkts`, or `event.flow.pkts_toserver`",
                pl.coalesce("event.netflow.pkts", _SENT["pkts"]),
            ),
            "DstBytes": field("event.flow.bytes_toclient"),
            "DstPackets": field("event.flow.pkts_toclient"),
            "NetworkRuleName": field("event.alert.signature"),
            "NetworkRuleNumber": field("event.alert.signature_id"),
            "NetworkConnectionHistory": field("event.tcp.tcp_flags"),
            "TcpFlagsAck": field("event.tcp.ack"),
            "TcpFlagsFin": field("event.tcp.fin"),
            "TcpFlagsPsh": field("event.tcp.psh"),
            "TcpFlagsRst": field("event.tcp.rst"),
            "TcpFlagsSyn": field("event.tcp.syn"),
            "TcpFlagsUrg": field("event.tcp.urg"),
            "ThreatCategory": field("event.alert.category"),
            "ThreatOriginalRiskLevel": field("event.alert.severity"),
            "AdditionalFields": derived("the fields of `event` that have no column here", pl.col("_additional")),
        },
        entities,
    )  # fmt: skip
