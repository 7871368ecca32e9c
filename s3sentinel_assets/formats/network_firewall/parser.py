"""AWS Network Firewall logs: alerts, flows and TLS events of its Suricata engine.

Source: AWS, "Contents of an AWS Network Firewall log" and "Logging for TLS inspection in AWS Network Firewall"
(docs.aws.amazon.com/network-firewall/latest/developerguide/firewall-logging-contents.html and
…/tls-inspection-logging.html); Suricata, "EVE JSON Format" (docs.suricata.io/en/latest/output/eve/
eve-json-format.html).

Belongs here: the three tables, which record goes where. Does not belong here: the record's fields
(``fields``), ASIM (``asim``).

Decisions where a name does not say it all:

* ``event_timestamp`` comes as seconds since 1970, as number or text, or as a time; ``event.timestamp`` is the engine's
  own, finer, and comes first.
* What has ``event.tls_error`` or ``event.revocation_check`` goes to the TLS table (AWS gives these no ``event_type``),
  and so does the type ``tls``; ``netflow`` goes to the flow table; all else to the alert table.
* Fields of ``event`` that the record's table has no column for go to ``ExtraFields_CF``, as ``event.http``.
"""

from typing import ClassVar

import polars as pl

from s3sentinel_assets.formats.frames import EXTRA
from s3sentinel_assets.formats.json_logs import JsonParser, any_time, first_time, iso_time
from s3sentinel_assets.formats.json_logs.extras import with_unplaced
from s3sentinel_assets.formats.mapping import TIME, TableMapping, constant, derived, field
from s3sentinel_assets.formats.network_firewall.asim import asim_mapping
from s3sentinel_assets.formats.network_firewall.fields import SNI, Event, Header, Record, port, without_column

__all__ = ["NetworkFirewallParser"]

_TYPE = pl.col("event.event_type")
_IS_FLOW = _TYPE.is_in(["netflow", "flow"])
_IS_TLS = (
    (_TYPE == "tls")
    | pl.col("event.tls_error.error_message").is_not_null()
    | pl.any_horizontal(pl.col(f"event.revocation_check.{name}").is_not_null() for name in ("status", "action"))
)
_STAMP = derived("`event_timestamp`", pl.col("_stamp"))
_SNI = derived("`event.sni`, else `event.tls.sni`", SNI)
_OUTCOME = pl.coalesce("event.verdict.action", "event.alert.action", "event.revocation_check.action")
_STOPPED = _OUTCOME.str.to_lowercase().is_in(["blocked", "drop", "reject"])

_ENTITIES = {
    "region": derived(
        "region of `availability_zone`", pl.col("availability_zone").str.extract(r"^([a-z]{2}(?:-[a-z]+)+-\d+)")
    ),
    "principal": field("event.src_ip"),
    "principal_type": constant("address"),
    "peer": derived(
        "`firewall_name`/`availability_zone`",
        pl.concat_str("firewall_name", "availability_zone", separator="/", ignore_nulls=True),
    ),
    "service": field("event.proto"),
    "action": derived(
        "type, application, port and what the firewall did",
        pl.concat_str(
            _TYPE.fill_null("tls"),
            pl.col("event.app_proto").fill_null("-"),
            port("event.dest_port").fill_null("-"),
            _OUTCOME.fill_null("-"),
            separator="/",
        ),
    ),
    "target": derived(
        "`event.sni`, else `event.tls.sni`, else `event.dest_ip`",
        pl.coalesce(pl.when(SNI != "-").then(SNI), "event.dest_ip"),
    ),
    "source_ip": field("event.src_ip"),
    "error": derived(
        "TLS error, failed check of a certificate, or rule of what was stopped",
        pl.coalesce(
            "event.tls_error.error_message",
            "event.revocation_check.status",
            pl.when(_STOPPED).then(pl.coalesce("event.alert.signature", _OUTCOME)),
        ),
    ),
    "bytes": field("event.netflow.bytes"),
    "packets": field("event.netflow.pkts"),
    "severity": derived(
        "`event.alert.severity`: 1 high, 2 medium, 3 low",
        pl.col("event.alert.severity").replace_strict(
            {1: "high", 2: "medium", 3: "low"}, default=None, return_dtype=pl.String
        ),
    ),
}

_COMMON = {
    "AvailabilityZone": field("availability_zone"),
    "DestIp": field("event.dest_ip"),
    "DestPort": derived("`event.dest_port`", port("event.dest_port")),
    "FirewallName": field("firewall_name"),
    "SrcIp": field("event.src_ip"),
    "SrcPort": derived("`event.src_port`", port("event.src_port")),
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
    _ENTITIES,
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
        "Sni": _SNI,
        "Status": field("event.revocation_check.status"),
    },
    _ENTITIES,
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
        "Sni": _SNI,
        "Timestamp": field("event.timestamp"),
        "TxId": field("event.tx_id"),
        "VerdictAction": field("event.verdict.action"),
        "Version": field("event.tls.version"),
    },
    _ENTITIES,
)
_ASIM = asim_mapping(_ENTITIES)

_NATIVE = (_FLOW, _TLS, _ALERT)
_WITHOUT_COLUMN = {mapping.table: without_column(mapping) for mapping in (*_NATIVE, _ASIM)}
#: Which of `_NATIVE` takes a record.
_TABLE = pl.when(_IS_FLOW).then(0).when(_IS_TLS.fill_null(value=False)).then(1).otherwise(2)
_JSON_TEXTS = ("event.src_port", "event.dest_port")


class NetworkFirewallParser(JsonParser):
    """Parses AWS Network Firewall alert, flow and TLS logs."""

    name: ClassVar[str] = "network_firewall"
    title: ClassVar[str] = "an AWS Network Firewall log"
    native: ClassVar[tuple[TableMapping, ...]] = _NATIVE
    asim: ClassVar[tuple[TableMapping, ...]] = (_ASIM,)
    Record = Record
    Columns = Header
    inside: ClassVar = {"event": Event}
    keep_inside: ClassVar = ("event",)
    required: ClassVar = ("firewall_name", "event")
    telling: ClassVar = ("firewall_name", "availability_zone", "event_timestamp", "event")
    telling_enough: ClassVar[int] = 3

    def time(self, frame: pl.DataFrame) -> pl.Series:
        """The engine's ``event.timestamp``, else ``event_timestamp``."""
        times = iso_time(frame["event.timestamp"])
        return first_time(times, any_time(frame["event_timestamp"])) if times.null_count() else times

    def prepare(self, raw: pl.DataFrame) -> pl.DataFrame:
        """Adds the instants of ``event_timestamp`` and of a flow's start and end, and what has no column."""
        if self.mappings is not self.asim:
            return _with_extra(raw.with_columns(any_time(raw["event_timestamp"]).alias("_stamp")))
        starts = (iso_time(raw[f"event.{kind}.start"]) for kind in ("netflow", "flow"))
        rest = with_unplaced(
            raw.with_columns(pl.lit(None, dtype=pl.String).alias(EXTRA)), _WITHOUT_COLUMN[_ASIM.table], _JSON_TEXTS
        )
        return raw.with_columns(
            first_time(*starts, raw[TIME]).alias("_start"),
            first_time(iso_time(raw["event.netflow.end"]), raw[TIME]).alias("_end"),
            rest[EXTRA].alias("_additional"),
        )


def _with_extra(raw: pl.DataFrame) -> pl.DataFrame:
    """Adds to ``_extra`` what the table of each record has no column for."""
    tables = raw.select(_TABLE.alias("table")).to_series()
    parts = [
        with_unplaced(
            raw if all_ else raw.filter(tables == number), _WITHOUT_COLUMN[_NATIVE[number].table], _JSON_TEXTS
        )
        for number, all_ in ((number, tables.n_unique() == 1) for number in sorted(tables.unique()))
    ]
    # Each table takes its own records out again, in the order they have here.
    return parts[0] if len(parts) == 1 else pl.concat(parts)
