"""Writing VPC flow log lines: who talks to whom, scans from outside, idle interfaces.

Belongs here: ordinary traffic and the two line formats (version 2 in AWS's default order, version 5 in an order of
our own). Does not belong here: the networks (``network``), files and keys (``layout``) or how many lines an hour has
(``generator``).
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate

from s3sentinel_assets.local.generator.network import FlowLog, Interface

__all__ = ["HEADERS", "Flow", "format_line", "nodata_line", "window_flows"]

HEADERS: dict[int, str] = {
    2: (
        "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action "
        "log-status"
    ),
    5: (
        "interface-id version start end srcaddr dstaddr pkt-srcaddr pkt-dstaddr srcport dstport protocol type action "
        "log-status bytes packets tcp-flags flow-direction traffic-path pkt-src-aws-service pkt-dst-aws-service "
        "vpc-id subnet-id instance-id az-id region account-id"
    ),
}
#: (public address, service name) that instances talk to; the names are those of the pkt-…-aws-service fields.
_AWS_SERVICES = (
    ("198.18.200.10", "S3"),
    ("198.18.200.44", "S3"),
    ("198.18.201.9", "DYNAMODB"),
    ("198.18.202.77", "AMAZON"),
)
_SCAN_PORTS = (22, 23, 80, 445, 1433, 3306, 3389, 5432, 5900, 6379, 8080, 8443, 9200, 27017)
_AZ = {"us-east-1": "use1-az2", "eu-central-1": "euc1-az1"}


@dataclass(frozen=True)
class Flow:
    """One line before it is written. ``egress`` is the direction as the interface sees it."""

    interface: Interface
    source: str
    target: str
    source_port: int
    target_port: int
    protocol: int
    packets: int
    size: int
    accepted: bool
    egress: bool
    flags: int = 19
    service: str = "-"


def _pick(rng: random.Random, items: tuple[Interface, ...]) -> Interface:
    return items[int(rng.random() * len(items))]


def _size(rng: random.Random, mean: float) -> tuple[int, int]:
    """(packets, bytes) of a conversation in one minute; packets and bytes go together as they do on a wire."""
    packets = 1 + int(rng.expovariate(1 / mean))
    return packets, packets * 52 + int(packets * rng.random() * 1200)


def _both_ways(rng: random.Random, client: Interface, server: Interface, port: int, mean: float) -> tuple[Flow, ...]:
    """Request and answer, each as client and server see them: four lines."""
    ephemeral = 32768 + int(rng.random() * 28000)
    out_packets, out_size = _size(rng, mean)
    in_packets, in_size = _size(rng, mean * 1.5)
    request = (client.address, server.address, ephemeral, port, 6, out_packets, out_size, True)
    answer = (server.address, client.address, port, ephemeral, 6, in_packets, in_size, True)
    return (
        Flow(client, *request, egress=True),
        Flow(server, *request, egress=False),
        Flow(server, *answer, egress=True),
        Flow(client, *answer, egress=False),
    )


def _visitor(rng: random.Random, log: FlowLog) -> tuple[Flow, ...]:
    """A browser out there and the load balancer."""
    server = _pick(rng, log.interfaces["balancer"])
    # Customers in a few provider networks: the networks come back, the addresses often do.
    outside = f"100.{100 + int(rng.random() * 12)}.{int(rng.random() * 32)}.{1 + int(rng.random() * 254)}"
    ephemeral = 1024 + int(rng.random() * 64000)
    in_packets, in_size = _size(rng, 12)
    out_packets, out_size = _size(rng, 30)
    return (
        Flow(server, outside, server.address, ephemeral, 443, 6, in_packets, in_size, accepted=True, egress=False),
        Flow(server, server.address, outside, 443, ephemeral, 6, out_packets, out_size, accepted=True, egress=True),
    )


def _to_web(rng: random.Random, log: FlowLog) -> tuple[Flow, ...]:
    return _both_ways(rng, _pick(rng, log.interfaces["balancer"]), _pick(rng, log.interfaces["web"]), 8080, 20)


def _to_app(rng: random.Random, log: FlowLog) -> tuple[Flow, ...]:
    return _both_ways(rng, _pick(rng, log.interfaces["web"]), _pick(rng, log.interfaces["app"]), 8443, 20)


def _to_database(rng: random.Random, log: FlowLog) -> tuple[Flow, ...]:
    return _both_ways(rng, _pick(rng, log.interfaces["app"]), _pick(rng, log.interfaces["database"]), 5432, 40)


def _to_cache(rng: random.Random, log: FlowLog) -> tuple[Flow, ...]:
    return _both_ways(rng, _pick(rng, log.interfaces["app"]), _pick(rng, log.interfaces["cache"]), 6379, 15)


def _to_aws(rng: random.Random, log: FlowLog) -> tuple[Flow, ...]:
    """An instance and an AWS service through the NAT gateway, as the instance sees it."""
    client = _pick(rng, log.interfaces["app"])
    address, service = _AWS_SERVICES[int(rng.random() * len(_AWS_SERVICES))]
    ephemeral = 32768 + int(rng.random() * 28000)
    out_packets, out_size = _size(rng, 25)
    in_packets, in_size = _size(rng, 40)
    return (
        Flow(client, client.address, address, ephemeral, 443, 6, out_packets, out_size, True, True, 19, service),
        Flow(client, address, client.address, 443, ephemeral, 6, in_packets, in_size, True, False, 19, service),
    )


def _time_service(rng: random.Random, log: FlowLog) -> tuple[Flow, ...]:
    client = _pick(rng, log.interfaces["web"])
    port = 32768 + int(rng.random() * 28000)
    return (Flow(client, client.address, "198.18.250.1", port, 123, 17, 1, 76, accepted=True, egress=True, flags=0),)


def _scan(rng: random.Random, log: FlowLog) -> tuple[Flow, ...]:
    """A probe from outside that the security group refuses."""
    target = _pick(rng, log.interfaces["nat"] + log.interfaces["balancer"])
    outside = f"192.0.2.{1 + int(rng.random() * 180)}"
    port = _SCAN_PORTS[int(rng.random() * len(_SCAN_PORTS))]
    ephemeral = 1024 + int(rng.random() * 64000)
    return (Flow(target, outside, target.address, ephemeral, port, 6, 1, 44, accepted=False, egress=False, flags=2),)


_KINDS: tuple[tuple[Callable[[random.Random, FlowLog], tuple[Flow, ...]], float], ...] = (
    (_visitor, 12),
    (_to_web, 6),
    (_to_app, 5),
    (_to_database, 4),
    (_to_cache, 3),
    (_to_aws, 6),
    (_time_service, 3),
    (_scan, 9),
)
_MAKERS = [maker for maker, _ in _KINDS]
_WEIGHTS = list(accumulate(weight for _, weight in _KINDS))


def window_flows(rng: random.Random, log: FlowLog, count: int) -> list[Flow]:
    """Exactly ``count`` ordinary lines in the mixed order of a real file; one conversation may lack its answer."""
    flows: list[Flow] = []
    while len(flows) < count:
        (maker,) = rng.choices(_MAKERS, cum_weights=_WEIGHTS)
        flows.extend(maker(rng, log))
    del flows[count:]
    rng.shuffle(flows)
    return flows


def format_line(log: FlowLog, flow: Flow, start: int, end: int) -> str:
    """One line in the log's format; ``start`` and ``end`` are epoch seconds."""
    action = "ACCEPT" if flow.accepted else "REJECT"
    interface = flow.interface
    if log.version == 2:
        return (
            f"2 {log.account} {interface.eni} {flow.source} {flow.target} {flow.source_port} {flow.target_port} "
            f"{flow.protocol} {flow.packets} {flow.size} {start} {end} {action} OK"
        )
    direction, path = ("egress", "8" if flow.service != "-" else "1") if flow.egress else ("ingress", "-")
    services = f"- {flow.service}" if flow.egress else f"{flow.service} -"
    return (
        f"{interface.eni} 5 {start} {end} {flow.source} {flow.target} {flow.source} {flow.target} {flow.source_port} "
        f"{flow.target_port} {flow.protocol} IPv4 {action} OK {flow.size} {flow.packets} {flow.flags} {direction} "
        f"{path} {services} "
        f"{log.vpc} {interface.subnet} {interface.instance} {_AZ[log.region]} {log.region} {log.account}"
    )


def nodata_line(log: FlowLog, interface: Interface, start: int, end: int) -> str:
    """The line of an interface that had no traffic."""
    if log.version == 2:
        return f"2 {log.account} {interface.eni} - - - - - - - {start} {end} - NODATA"
    return (
        f"{interface.eni} 5 {start} {end} - - - - - - - - - NODATA - - - - - - - "
        f"{log.vpc} {interface.subnet} {interface.instance} {_AZ[log.region]} {log.region} {log.account}"
    )
