"""The fields of AWS Network Firewall's logs that some table has a column for.

Source: as ``network_firewall``. Belongs here: the record and the event in it. Does not belong here: the tables.

What Suricata writes beside these (``http``, ``dns``, ``alert.metadata`` …) and what AWS adds (``aws_metadata``,
``tls_inspected`` …) has no column anywhere: it is kept with the other unknown members.
"""

import msgspec
import polars as pl

from s3sentinel_assets.formats.json_logs import NULL
from s3sentinel_assets.formats.json_logs.typed import plan_of
from s3sentinel_assets.formats.mapping import TableMapping

__all__ = ["SNI", "Event", "Header", "Record", "port", "without_column"]


class Alert(msgspec.Struct, gc=False):
    """``event.alert``: the rule that matched."""

    action: str | None = None
    signature_id: int | None = None
    rev: int | None = None
    signature: str | None = None
    category: str | None = None
    severity: int | None = None


class Netflow(msgspec.Struct, gc=False):
    """``event.netflow``: packets in one direction."""

    pkts: int | None = None
    bytes: int | None = None
    start: str | None = None
    end: str | None = None
    age: int | None = None
    min_ttl: int | None = None
    max_ttl: int | None = None


class Flow(msgspec.Struct, gc=False):
    """``event.flow``: packets in both directions, up to an alert."""

    pkts_toserver: int | None = None
    pkts_toclient: int | None = None
    bytes_toserver: int | None = None
    bytes_toclient: int | None = None
    start: str | None = None


class Tcp(msgspec.Struct, gc=False):
    """``event.tcp``: the flags of all packets; those that are false are left out."""

    tcp_flags: str | None = None
    syn: bool | None = None
    fin: bool | None = None
    psh: bool | None = None
    ack: bool | None = None
    rst: bool | None = None
    ecn: bool | None = None
    urg: bool | None = None


class Verdict(msgspec.Struct, gc=False):
    """``event.verdict``: what became of the packet."""

    action: str | None = None


class Tls(msgspec.Struct, gc=False):
    """``event.tls``."""

    sni: str | None = None
    version: str | None = None


class TlsError(msgspec.Struct, gc=False):
    """``event.tls_error``: why TLS inspection reset a connection."""

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
    src_port: msgspec.Raw = NULL  # a number, but a text in TLS logs
    dest_ip: str | None = None
    dest_port: msgspec.Raw = NULL
    proto: str | None = None
    icmp_type: int | None = None
    icmp_code: int | None = None
    app_proto: str | None = None
    tx_id: int | None = None
    pkt_src: str | None = None
    direction: str | None = None
    sni: str | None = None
    alert: Alert | None = None
    netflow: Netflow | None = None
    flow: Flow | None = None
    tcp: Tcp | None = None
    verdict: Verdict | None = None
    tls: Tls | None = None
    tls_error: TlsError | None = None
    revocation_check: Revocation | None = None


class Header(msgspec.Struct, gc=False):
    """What AWS says about an event."""

    firewall_name: str | None = None
    availability_zone: str | None = None
    event_timestamp: msgspec.Raw = NULL


class Record(Header, gc=False):
    """One event of a firewall. No column holds ``event`` whole."""

    event: msgspec.Raw = NULL


#: The name that the client asked for; a hyphen stands for none in TLS logs.
SNI = pl.coalesce("event.sni", "event.tls.sni")


def port(name: str) -> pl.Expr:
    """A port, as text."""
    return pl.col(name).str.strip_chars('"')


def _leaves(kind: type[msgspec.Struct], prefix: str) -> list[str]:
    found: list[str] = []
    for field in plan_of(kind):
        name = prefix + field.name
        found += _leaves(field.kind, f"{name}.") if issubclass(field.kind, msgspec.Struct) else [name]
    return found


def without_column(mapping: TableMapping) -> list[str]:
    """The raw columns of the event that no column of a mapping is made of; the time is always in the row."""
    placed = {name for origin in mapping.columns.values() for name in origin.value.meta.root_names()}
    return [name for name in _leaves(Event, "event.") if name not in placed | {"event.timestamp"}]
