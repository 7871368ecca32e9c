"""AWS Network Firewall logs: alerts, flows and TLS events of its Suricata engine.

Source: AWS, "Contents of an AWS Network Firewall log" (docs.aws.amazon.com/network-firewall/latest/developerguide/
firewall-logging-contents.html), and Suricata, "EVE JSON Format" (docs.suricata.io/en/latest/output/eve/
eve-json-format.html).

Belongs here: the record's fields, the three tables, who goes where. Does not belong here: cutting JSON.

``event_timestamp`` comes as seconds since 1970 or as a time; ``event.timestamp`` is the engine's own and is preferred.
Ports and counters are texts in the native tables. An alert of the TLS inspection (``event_type`` tls, or
``tls_error``) goes to the TLS table, anything that is neither that nor a flow to the alert table.
"""

from typing import ClassVar

import msgspec
import polars as pl

from s3sentinel_assets.formats.asim import asim_columns
from s3sentinel_assets.formats.asim_values import network_direction, protocol_name
from s3sentinel_assets.formats.json_logs import NULL, JsonParser, any_time, first_time, iso_time
from s3sentinel_assets.formats.mapping import TableMapping, constant, derived, field

__all__ = ["NetworkFirewallParser"]


class Alert(msgspec.Struct, gc=False):
    """``event.alert``."""

    action: str | None = None
    signature_id: int | None = None
    rev: int | None = None
    signature: str | None = None
    category: str | None = None
    severity: int | None = None
    gid: int | None = None
    metadata: msgspec.Raw = NULL


class Netflow(msgspec.Struct, gc=False):
    """``event.netflow``."""

    pkts: int | None = None
    bytes: int | None = None
    start: str | None = None
    end: str | None = None
    age: int | None = None
    min_ttl: int | None = None
    max_ttl: int | None = None
    state: str | None = None
    reason: str | None = None


class Tcp(msgspec.Struct, gc=False):
    """``event.tcp``."""

    tcp_flags: str | None = None
    syn: bool | None = None
    fin: bool | None = None
    psh: bool | None = None
    ack: bool | None = None
    rst: bool | None = None
    ecn: bool | None = None
    urg: bool | None = None


class Verdict(msgspec.Struct, gc=False):
    """``event.verdict``."""

    action: str | None = None


class Tls(msgspec.Struct, gc=False):
    """``event.tls`` and ``event.tls_inspected``."""

    sni: str | None = None
    subject: str | None = None
    issuerdn: str | None = None
    version: str | None = None


class TlsError(msgspec.Struct, gc=False):
    """``event.tls_error``: an error of TLS inspection."""

    error_message: str | None = None


class Revocation(msgspec.Struct, gc=False):
    """``event.revocation_check``: what the check of a server's certificate said."""

    leaf_cert_fpr: str | None = None
    status: str | None = None
    action: str | None = None


class Event(msgspec.Struct, gc=False):
    """``event``: what the engine wrote."""

    timestamp: str | None = None
    event_type: str | None = None
    flow_id: int | None = None
    src_ip: str | None = None
    src_port: int | None = None
    dest_ip: str | None = None
    dest_port: int | None = None
    proto: str | None = None
    app_proto: str | None = None
    tx_id: int | None = None
    pkt_src: str | None = None
    direction: str | None = None
    sni: str | None = None
    tls_inspected: bool | None = None
    alert: Alert | None = None
    netflow: Netflow | None = None
    tcp: Tcp | None = None
    verdict: Verdict | None = None
    tls: Tls | None = None
    tls_error: TlsError | None = None
    revocation_check: Revocation | None = None


class Record(msgspec.Struct, gc=False):
    """One event of a firewall. ``event`` is kept as text too, for what no column holds."""

    firewall_name: str | None = None
    availability_zone: str | None = None
    event_timestamp: msgspec.Raw = NULL
    event: msgspec.Raw = NULL


_TYPE = pl.col("event.event_type")
_SNI = pl.coalesce("event.sni", "event.tls.sni")
_IS_FLOW = _TYPE.is_in(["netflow", "flow"])
_IS_TLS = (
    (_TYPE == "tls")
    | pl.col("event.tls_error.error_message").is_not_null()
    | pl.col("event.revocation_check.status").is_not_null()
)
_STAMP = derived("`event_timestamp`", pl.col("_stamp"))

_PEOPLE = {
    "principal": field("event.src_ip"),
    "principal_type": constant("address"),
    "peer": derived(
        "`firewall_name`/`availability_zone`",
        pl.concat_str("firewall_name", "availability_zone", separator="/", ignore_nulls=True),
    ),
    "service": field("event.proto"),
    "action": derived(
        "type, application, port and action",
        pl.concat_str(
            _TYPE.fill_null("-"),
            pl.coalesce("event.app_proto", pl.lit("-")),
            pl.coalesce(pl.col("event.dest_port").cast(pl.String), pl.lit("-")),
            pl.coalesce("event.alert.action", "event.verdict.action", pl.lit("-")),
            separator="/",
        ),
    ),
    "target": derived("SNI, else `event.dest_ip`", pl.coalesce(_SNI, "event.dest_ip")),
    "source_ip": field("event.src_ip"),
    "error": derived(
        "`event.alert.signature` of what was blocked, or the TLS error",
        pl.coalesce(
            pl.when(pl.col("event.alert.action") == "blocked").then("event.alert.signature"),
            "event.tls_error.error_message",
        ),
    ),
    "bytes": field("event.netflow.bytes"),
    "packets": field("event.netflow.pkts"),
}

_COMMON = {
    "AvailabilityZone": field("availability_zone"),
    "DestIp": field("event.dest_ip"),
    "DestPort": field("event.dest_port"),
    "FirewallName": field("firewall_name"),
    "SrcIp": field("event.src_ip"),
    "SrcPort": field("event.src_port"),
}

_FLOW = TableMapping(
    "AWSNetworkFirewallFlow",
    {
        **_COMMON,
        "Ack": field("event.tcp.ack"),
        "AppProto": field("event.app_proto"),
        "Ecn": field("event.tcp.ecn"),
        "EventTimestamp": derived("`event_timestamp` as it is written", pl.col("event_timestamp").str.strip_chars('"')),
        "EventType": field("event.event_type"),
        "Fin": field("event.tcp.fin"),
        "FlowId": field("event.flow_id"),
        "NetFlowAge": field("event.netflow.age"),
        "NetFlowBytes": field("event.netflow.bytes"),
        "NetFlowEnd": field("event.netflow.end"),
        "NetFlowMaxttl": field("event.netflow.max_ttl"),
        "NetFlowMinttl": field("event.netflow.min_ttl"),
        "NetFlowPkts": field("event.netflow.pkts"),
        "NetFlowStart": field("event.netflow.start"),
        "Proto": field("event.proto"),
        "Psh": field("event.tcp.psh"),
        "Rst": field("event.tcp.rst"),
        "Syn": field("event.tcp.syn"),
        "TCPFlags": field("event.tcp.tcp_flags"),
        "Timestamp": field("event.timestamp"),
    },
    _PEOPLE,
    where=_IS_FLOW,
)

_TLS = TableMapping(
    "AWSNetworkFirewallTls",
    {
        **_COMMON,
        "Action": derived(
            "`event.revocation_check.action`, else `event.verdict.action`",
            pl.coalesce("event.revocation_check.action", "event.verdict.action"),
        ),
        "ErrorMessage": field("event.tls_error.error_message"),
        "EventTimestamp": _STAMP,
        "LeafCertificateFingerprint": field("event.revocation_check.leaf_cert_fpr"),
        "Sni": derived("`event.sni`, else `event.tls.sni`", _SNI),
        "Status": field("event.revocation_check.status"),
    },
    _PEOPLE,
    where=_IS_TLS,
)

_ALERT = TableMapping(
    "AWSNetworkFirewallAlert",
    {
        **_COMMON,
        "AlertAction": field("event.alert.action"),
        "AppProto": field("event.app_proto"),
        "Category": field("event.alert.category"),
        "Direction": field("event.direction"),
        "EventTimestamp": _STAMP,
        "EventType": field("event.event_type"),
        "FlowId": field("event.flow_id"),
        "PktSrc": field("event.pkt_src"),
        "Proto": field("event.proto"),
        "Rev": field("event.alert.rev"),
        "Severity": field("event.alert.severity"),
        "Signature": field("event.alert.signature"),
        "SignatureId": field("event.alert.signature_id"),
        "Sni": derived("`event.sni`, else `event.tls.sni`", _SNI),
        "Timestamp": field("event.timestamp"),
        "TxId": field("event.tx_id"),
        "VerdictAction": field("event.verdict.action"),
        "Version": field("event.tls.version"),
    },
    _PEOPLE,
)

_DENIED = pl.col("event.alert.action").is_in(["blocked", "drop", "reject"]) | pl.col("event.verdict.action").is_in(
    ["drop", "reject"]
)
_ASIM = TableMapping(
    "ASimNetworkSessionLogs",
    {
        **asim_columns(
            "NetworkSession",
            event_type="NetworkSession",
            result=derived(
                "Failure where the firewall dropped or blocked",
                pl.when(_DENIED.fill_null(value=False)).then(pl.lit("Failure")).otherwise(pl.lit("Success")),
            ),
            product="Network Firewall",
            dvc=derived("`firewall_name`", pl.coalesce("firewall_name", pl.lit("Network Firewall"))),
            start=derived("`event.netflow.start`, else the time of the event", pl.col("_start")),
            end=derived("`event.netflow.end`, else the time of the event", pl.col("_end")),
            severity=derived(
                "`event.alert.severity`: 1 High, 2 Medium, 3 Low",
                pl.col("event.alert.severity").replace_strict(
                    {1: "High", 2: "Medium", 3: "Low"}, default="Informational", return_dtype=pl.String
                ),
            ),
            original_severity=field("event.alert.severity"),
            original_type=field("event.event_type"),
        ),
        "SrcIpAddr": field("event.src_ip"),
        "SrcPortNumber": field("event.src_port"),
        "DstIpAddr": field("event.dest_ip"),
        "DstPortNumber": field("event.dest_port"),
        "DstHostname": derived("`event.sni`, else `event.tls.sni`", _SNI),
        "DvcAction": derived(
            "Deny where the firewall dropped or blocked, else Allow",
            pl.when(_DENIED.fill_null(value=False)).then(pl.lit("Deny")).otherwise(pl.lit("Allow")),
        ),
        "DvcOriginalAction": derived(
            "`event.alert.action`, else `event.verdict.action`",
            pl.coalesce("event.alert.action", "event.verdict.action"),
        ),
        "DvcZone": field("availability_zone"),
        "NetworkProtocol": derived("`event.proto`", protocol_name("event.proto")),
        "NetworkApplicationProtocol": field("event.app_proto"),
        "NetworkDirection": derived(
            "which of the addresses are private", network_direction("event.src_ip", "event.dest_ip")
        ),
        "NetworkSessionId": field("event.flow_id"),
        "NetworkBytes": field("event.netflow.bytes"),
        "NetworkPackets": field("event.netflow.pkts"),
        "NetworkRuleName": field("event.alert.signature"),
        "NetworkRuleNumber": field("event.alert.signature_id"),
        "TcpFlagsAck": field("event.tcp.ack"),
        "TcpFlagsFin": field("event.tcp.fin"),
        "TcpFlagsPsh": field("event.tcp.psh"),
        "TcpFlagsRst": field("event.tcp.rst"),
        "TcpFlagsSyn": field("event.tcp.syn"),
        "TcpFlagsUrg": field("event.tcp.urg"),
        "ThreatCategory": field("event.alert.category"),
        "AdditionalFields": derived("`event`, whole", pl.col("event")),
    },
    _PEOPLE,
)


class NetworkFirewallParser(JsonParser):
    """Parses AWS Network Firewall alert, flow and TLS logs."""

    name: ClassVar[str] = "network_firewall"
    title: ClassVar[str] = "an AWS Network Firewall log"
    native: ClassVar[tuple[TableMapping, ...]] = (_FLOW, _TLS, _ALERT)
    asim: ClassVar[tuple[TableMapping, ...]] = (_ASIM,)
    Record = Record
    inside: ClassVar = {"event": Event}
    required: ClassVar = ("firewall_name", "event")
    telling: ClassVar = ("firewall_name", "availability_zone", "event_timestamp", "event")
    telling_enough: ClassVar[int] = 3

    def time(self, frame: pl.DataFrame) -> pl.Series:
        """The engine's ``event.timestamp``, else ``event_timestamp``."""
        return first_time(iso_time(frame["event.timestamp"]), any_time(frame["event_timestamp"]))

    def prepare(self, raw: pl.DataFrame) -> pl.DataFrame:
        """Adds the instants of ``event_timestamp`` and of a flow's start and end."""
        now = raw["_time"]
        return raw.with_columns(
            any_time(raw["event_timestamp"]).alias("_stamp"),
            first_time(iso_time(raw["event.netflow.start"]), now).alias("_start"),
            first_time(iso_time(raw["event.netflow.end"]), now).alias("_end"),
        )
