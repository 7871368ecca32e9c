"""What a network rule lets in: address ranges and ports of security groups and access lists.

Belongs here: reading the forms in which AWS writes such rules, and questions about them; how wide address ranges are.
Does not belong here: which action they are asked of (``models/sensitivity.json``).
"""

import functools
import ipaddress
import re
from collections.abc import Iterable, Iterator
from typing import Any, Literal

from s3sentinel_assets.ml.priority.documents import objects, plain

__all__ = ["breadth", "icmp_only", "open_admin_ports", "open_to_world", "private_ranges", "web_ports_only"]

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_RANGE_KEYS = {
    "cidrip", "cidripv4", "cidripv6", "cidrblock", "ipv6cidrblock", "cidr", "cidrs", "cidrlist", "cidrip6", "ipv6cidrs",
    "publicaccesscidrs",
}  # fmt: skip
_PROTOCOL_KEYS = ("ipprotocol", "aclprotocol", "protocol")
# By name, and by number as access lists have it. What they call ports are types and codes.
_ICMP = {"icmp", "icmpv6", "1", "58"}
# Public ranges that together are no more of the internet than this are somebody's, and not everybody's.
_NARROW = 2.0**-10
_PRIVATE = tuple(
    ipaddress.ip_network(each)
    for each in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
                 "fc00::/7", "fe80::/10", "::1/128")
)  # fmt: skip
_CACHED_RANGES = 4_096
_WEB_PORTS = (80, 443)
_ALL_PORTS = (0, 65_535)
# Remote administration, databases, caches, queues, container and cluster control.
_ADMIN_PORTS = (
    20, 21, 22, 23, 135, 137, 139, 389, 445, 636, 873, 1099, 1433, 1521, 2049, 2375, 2376, 2379, 3306, 3389, 4333, 5432,
    5439, 5500, 5601, 5672, 5900, 5985, 5986, 6379, 6443, 7001, 7199, 8020, 8086, 8888, 9042, 9092, 9160, 9200, 9300,
    10250, 11211, 15672, 27017, 27018, 50070,
)  # fmt: skip


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@functools.lru_cache(maxsize=_CACHED_RANGES)
def _network(text: str) -> _Network | None:
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        return None


def _ranges(permission: dict[str, Any]) -> Iterator[_Network]:
    """The address ranges of one permission, not those of permissions inside of it."""
    for key, value in permission.items():
        for inner in _listed(value):
            if isinstance(inner, dict) and not any(name in inner for name in _PROTOCOL_KEYS):
                yield from _ranges(inner)
            elif isinstance(inner, list):
                yield from (found for each in inner if isinstance(each, dict) for found in _ranges(each))
            elif isinstance(inner, str) and key in _RANGE_KEYS:
                network = _network(inner)
                if network is not None:
                    yield network


def _permissions(parameters: Any) -> Iterator[dict[str, Any]]:
    """What is let in: objects with a protocol of their own, else the whole."""
    found = False
    for each in objects(parameters, without="remove"):
        if any(key in each for key in _PROTOCOL_KEYS) and next(_ranges(each), None) is not None:
            found = True
            yield each
    if not found and isinstance(parameters, dict):
        yield parameters


def _protocol(permission: dict[str, Any]) -> str:
    return next((plain(permission[key]) for key in _PROTOCOL_KEYS if key in permission), "")


def _ports(permission: dict[str, Any]) -> tuple[int, int]:
    if _protocol(permission) in ("-1", "all"):
        return _ALL_PORTS
    inner = permission.get("portrange")
    reach: dict[str, Any] = inner if isinstance(inner, dict) else permission
    first, last = (_whole(reach.get(a, reach.get(b))) for a, b in (("fromport", "from"), ("toport", "to")))
    if first is None and last is None:
        return _ALL_PORTS
    first = last if first is None else first
    last = first if last is None else last
    return (first or 0, _ALL_PORTS[1] if last == -1 or last is None else last) if first != -1 else _ALL_PORTS


def _whole(value: Any) -> int | None:
    text = plain(value)
    return int(text) if re.fullmatch(r"-?\d{1,9}", text) else None


def _world(network: _Network) -> bool:
    # Halves and quarters of the internet are the same thing in other words.
    return network.prefixlen <= (7 if network.version == 4 else 16) and not _private(network)


def _private(network: _Network) -> bool:
    # Not `is_private`: that counts ranges for documentation as well, and means other things from version to version.
    return any(network.version == own.version and network.subnet_of(own) for own in _PRIVATE)  # type: ignore[arg-type]


def breadth(values: Iterable[str]) -> Literal["private", "narrow", "wide"]:
    """How much of the internet addresses and ranges are, all together; what is no address is wide."""
    public, share = False, 0.0
    for value in values:
        network = _network(value)
        if network is None:
            return "wide"
        if not _private(network):
            public = True
            # An organisation has a /16 of version 4, and a /32 of version 6.
            share += 2.0 ** -max(network.prefixlen - (0 if network.version == 4 else 16), 0)
    return ("narrow" if share <= _NARROW else "wide") if public else "private"


def open_to_world(parameters: Any) -> bool:
    """Any port, for (nearly) every address."""
    return any(_world(network) for each in _permissions(parameters) for network in _ranges(each))


def open_admin_ports(parameters: Any) -> bool:
    """All ports, or one of remote administration, databases or cluster control, for (nearly) every address."""
    for each in _permissions(parameters):
        if _protocol(each) not in _ICMP and any(_world(network) for network in _ranges(each)):
            first, last = _ports(each)
            if last - first >= 1_000 or any(first <= port <= last for port in _ADMIN_PORTS):
                return True
    return False


def _harmless(parameters: Any) -> tuple[bool, bool]:
    """Whether ICMP, and whether ports, are open to (nearly) every address, and nothing else to a public one."""
    icmp = ports = False
    for each in _permissions(parameters):
        ranges = list(_ranges(each))
        if all(map(_private, ranges)):
            continue
        pinged = _protocol(each) in _ICMP
        first, last = _ports(each)
        if not pinged and not (first == last and first in _WEB_PORTS):
            return False, False
        world = any(map(_world, ranges))
        icmp, ports = icmp or (pinged and world), ports or (not pinged and world)
    return icmp, ports


def web_ports_only(parameters: Any) -> bool:
    """What is open to (nearly) every address are ports 80 and 443 alone, apart from ICMP."""
    return _harmless(parameters)[1]


def icmp_only(parameters: Any) -> bool:
    """What is open to (nearly) every address is ICMP alone."""
    return _harmless(parameters) == (True, False)


def private_ranges(parameters: Any) -> bool:
    """Only private address ranges."""
    ranges = [network for each in _permissions(parameters) for network in _ranges(each)]
    return bool(ranges) and all(map(_private, ranges))
