"""What is counted of an event: its keys, and whether it counts at all."""

from dataclasses import dataclass

from benchmarks.ordinary.event import Event
from benchmarks.ordinary.normalise import agent_family, network, size_step

__all__ = ["FACTORS", "SEPARATOR", "Keys", "keys_of", "left_out"]

FACTORS = ("action", "network", "wide_network", "agent", "region", "error")
SEPARATOR = "\x1f"
_UNKNOWN = "(unknown)"


@dataclass(slots=True)
class Keys:
    """The keys of one event; "" where it has none."""

    principal: str
    account: str
    peer: str
    items: dict[str, str]
    failed: bool
    named: bool


def left_out(event: Event, source: str) -> str | None:
    """The flag of an event that neither counts nor scores."""
    action = event.action if event.action != "-:-" else None
    if (not event.principal or event.principal == "unknown") and not action:
        return "no_principal"
    if source == "cloudtrail":
        return None
    parts = (action or "-").lower().split("/")
    if parts[-1] in ("nodata", "skipdata", "-"):
        return "no_data"
    if "reject" in parts and {"ingress", "inbound", "in"} & set(parts):
        return "inbound_reject"
    return None


def keys_of(event: Event, source: str) -> Keys:
    """The keys of an event that counts."""
    account = event.account or _UNKNOWN
    named = bool(event.principal) and event.principal != "unknown"
    action = event.action if event.action and event.action != "-:-" else _UNKNOWN
    address, service = event.address or "", event.service or _UNKNOWN
    if source == "cloudtrail":
        failed, error = bool(event.error), event.error
    else:
        failed = "reject" in action.lower().split("/")
        error = "REJECT" if failed else None
    items = {
        "action": action,
        "network": network(address, 3),
        "wide_network": network(address, 2),
        "agent": agent_family(event.agent) if event.agent else "",
        "region": (event.region or "") if source == "cloudtrail" else "",
        "error": f"{service}{SEPARATOR}{error}" if error else "",
        "hour": event.time[11:13],
        "size": size_step(action, event.size) if source == "vpc_flow" else "",
    }
    principal = f"{account}{SEPARATOR}{event.principal if named else _UNKNOWN}"
    return Keys(principal, account, event.peer or account, items, failed, named)
