"""Network Firewall logs: samples of OpenTelemetry's collector, each field of which is expected in its column."""

import json
from collections.abc import Iterator
from pathlib import Path

from conformance.model import Case
from conformance.reading import expected, flat

__all__ = ["cases"]

_COMMON = {
    "firewall_name": "FirewallName",
    "availability_zone": "AvailabilityZone",
    "event_timestamp": "EventTimestamp",
    "event.src_ip": "SrcIp",
    "event.src_port": "SrcPort",
    "event.dest_ip": "DestIp",
    "event.dest_port": "DestPort",
}
_COLUMNS = {
    "netflow": {
        "event.event_type": "EventType",
        "event.flow_id": "FlowId",
        "event.proto": "Proto",
        "event.netflow.pkts": "NetFlowPkts",
        "event.netflow.bytes": "NetFlowBytes",
        "event.netflow.start": "NetFlowStart",
        "event.netflow.end": "NetFlowEnd",
        "event.netflow.age": "NetFlowAge",
        "event.netflow.min_ttl": "NetFlowMinttl",
        "event.netflow.max_ttl": "NetFlowMaxttl",
    },
    "alert": {
        "event.event_type": "EventType",
        "event.flow_id": "FlowId",
        "event.proto": "Proto",
        "event.alert.action": "AlertAction",
        "event.alert.signature": "Signature",
        "event.alert.signature_id": "SignatureId",
        "event.alert.rev": "Rev",
        "event.alert.category": "Category",
        "event.alert.severity": "Severity",
    },
    "tls": {"event.sni": "Sni"},
}


def cases(folder: Path) -> Iterator[Case]:
    """All cases of the folder."""
    for file in sorted(folder.glob("*.json")):
        event = json.loads(file.read_text(encoding="utf-8"))
        columns = _COMMON | _COLUMNS[event["event"]["event_type"]]
        yield Case(file.name, "network_firewall", file.read_bytes(), 1, expected(flat(event), columns))
