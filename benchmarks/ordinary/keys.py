"""What is counted of an event: its keys, and whether it counts at all."""

from dataclasses import dataclass

from benchmarks.ordinary.event import Event
from benchmarks.ordinary.normalise import agent_family, density_step, is_outward, network, size_step

__all__ = ["FACTORS", "PARTS_OF_ACTION", "SEPARATOR", "Keys", "keys_of", "left_out"]

FACTORS = ("action", "service", "write", "network", "wide_network", "agent", "region", "error")
#: Their first times are told, but not counted once more beside the action's.
PARTS_OF_ACTION = ("service", "write")
SEPARATOR = "\x1f"
_UNKNOWN = "(unknown)"


@dataclass(slots=True)
class Keys:
    """The keys of one event; "" where it has none. ``remote`` is the address that an interface turned to."""

    principal: str
    account: str
    peer: str
    items: dict[str, str]
    failed: bool
    named: bool
    remote: str = ""


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
    items = {"action": action, "network": network(address, 3), "wide_network": network(address, 2)}
    items |= {"error": f"{service}{SEPARATOR}{error}" if error else "", "hour": event.time[11:13]}
    remote = ""
    if source == "cloudtrail":
        items["service"] = service
        items["write"] = (event.service or "") if event.read_only is False else ""
        items["agent"] = agent_family(event.agent) if event.agent else ""
        items["region"] = event.region or ""
    else:
        items["size"] = size_step(action, event.size)
        items["density"] = density_step(action, event.size, event.packets)
        remote = address if is_outward(action) else ""
    principal = f"{account}{SEPARATOR}{event.principal if named else _UNKNOWN}"
    return Keys(principal, account, event.peer or account, items, failed, named, remote)
