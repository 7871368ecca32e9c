"""VPC flow log files → rows of ``AWSVPCFlow`` and events to score, line by line."""

import gzip
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.ordinary.event import Event
from s3sentinel_assets.formats.vpc_flow.fields import FIELDS

__all__ = ["read_vpc_flow"]

_NUMBERS = {"version", "srcport", "dstport", "protocol", "packets", "bytes", "tcp-flags"}
_TIMES = {"start", "end"}
_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6"}
_PRIVATE = re.compile(
    r"^(?:10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|169\.254\.|f[cd]|fe80)"
)
_SERVICE_PORTS = {
    1433, 1521, 2049, 2375, 2376, 3128, 3306, 3389, 5432, 5439, 5601, 5900, 5985, 5986, 6379, 6443, 8000, 8080, 8443,
    8888, 9000, 9092, 9200, 9300, 10250, 11211, 27017,
}  # fmt: skip


def _instant(seconds: str) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _row(names: list[str], line: str, event_id: str) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, value in zip(names, line.split(" "), strict=True):
        if value == "-":
            continue
        if name in _NUMBERS:
            row[FIELDS[name]] = int(value)
        elif name in _TIMES:
            row[FIELDS[name]] = _instant(value)
        else:
            row[FIELDS[name]] = value
    row["TimeGenerated"] = row["EventTime_CF"] = row["Start"]
    row["EventId_CF"] = event_id
    return row


def _port_class(row: dict[str, Any]) -> str:
    ports = [row[name] for name in ("SrcPort", "DstPort") if name in row]
    if not ports:
        return "-"
    port = min(ports)
    if port < 1024 or port in _SERVICE_PORTS:
        return str(port)
    return "user" if port < 32768 else "ephemeral"


def _direction(row: dict[str, Any]) -> str:
    if "FlowDirection" in row:
        return row["FlowDirection"]
    sender, receiver = (bool(_PRIVATE.match(row.get(name, ""))) for name in ("SrcAddr", "DstAddr"))
    if sender and receiver:
        return "internal"
    if sender:
        return "egress"
    return "ingress" if receiver else "-"


def _event(row: dict[str, Any]) -> Event:
    number = row.get("Protocol")
    protocol = None if number is None else _PROTOCOLS.get(number, str(number))
    direction = _direction(row)
    account, place = row.get("AccountId"), row.get("SubnetId") or row.get("VpcId")
    return Event(
        row=row,
        event_id=row["EventId_CF"],
        time=row["EventTime_CF"],
        account=account,
        region=row.get("Region"),
        principal=row.get("InterfaceId") or row.get("InstanceId") or account or "unknown",
        kind="eni",
        peer="/".join(part for part in (account, place) if part),
        service=protocol,
        action=f"{protocol or '-'}/{_port_class(row)}/{direction}/{row.get('Action') or row.get('LogStatus') or '-'}",
        address=row.get("SrcAddr") if direction == "ingress" else row.get("DstAddr"),
        agent=None,
        error=None,
        size=row.get("Bytes"),
        packets=row.get("Packets"),
    )


def read_vpc_flow(file: Path, identity: str) -> Iterator[Event]:
    """The events of one file, with their rows.

    Args:
        file: the file.
        identity: stands for the object in event ids.
    """
    with gzip.open(file, "rt", encoding="utf-8") as stream:
        names = stream.readline().split()
        for number, line in enumerate(stream):
            yield _event(_row(names, line.rstrip("\n"), f"{identity}-{number}"))
