"""Addresses, agents and flow sizes in their coarser form, one value at a time."""

import functools
import re
from bisect import bisect_right

__all__ = ["agent_family", "density_step", "is_outward", "network", "plain_action", "size_step"]

_IPV4 = re.compile(r"^(?:::ffff:)?(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.\d{1,3}$")
_IPV6 = re.compile(r"^[0-9a-f:]*:[0-9a-f:.]*$")
_SYSTEM = re.compile(r"\b(kali|parrot|pentoo|windows|macos|mac os|darwin|android|iphone|ipad|linux)")
_SAME_SYSTEM = {"mac os": "macos", "darwin": "macos", "ipad": "iphone"}
_DIRECTION = re.compile(r"(?:^|/)(ingress|egress|internal|inbound|outbound|in|out)(?:/|$)")
_INWARD = re.compile(r"/(?:ingress|inbound|in)/")
_STEPS = [1 << (2 * exponent) for exponent in range(1, 24)]


@functools.lru_cache(maxsize=100_000)
def network(address: str, pieces: int) -> str:
    """``pieces`` 3: /24 or /48; 2: /16 or /32. Names of AWS services stay as they are."""
    value = address.strip().lower()
    if match := _IPV4.match(value):
        parts = [(part.lstrip("0") or "0") for part in match.groups()[:pieces]]
        return ".".join(parts + ["0"] * (4 - pieces)) + f"/{pieces * 8}"
    if _IPV6.match(value):
        head = [*value.split("::")[0].split(":"), "", ""][:pieces]
        return ":".join((part.lstrip("0") or "0") for part in head) + f"::/{pieces * 16}"
    return value[:96]


@functools.lru_cache(maxsize=100_000)
def agent_family(agent: str) -> str:
    """Product, major version and operating system of a user agent."""
    value = agent.lower().strip("[] \t")[:1_024]
    if not value:
        return ""
    if re.search(r"\.amazonaws\.com$|^aws internal", value):
        return re.match(r"aws internal|\S+", value)[0][:96]  # pyright: ignore[reportOptionalSubscript]
    found = _SYSTEM.search(value)
    system = _SAME_SYSTEM.get(found[1], found[1]) if found else ""
    if "kali" in value:
        system = "kali"
    return f"{_family(value)} {system}".rstrip()[:96]


def _family(value: str) -> str:
    if "terraform" in value:
        return "terraform"
    if value.startswith("mozilla/"):
        return _browser(value)
    product = re.match(r"[^\s/;,(]+", value)
    named = re.sub(r"\d{3,}|[0-9a-f]{8,}", "#", product[0]) if product else ""
    major = re.match(r"[^\s/;,(]+/v?(\d+)", value)
    return f"{named}/{major[1]}" if major else named


def _browser(value: str) -> str:
    if re.search(r"edga?/", value):
        return "edge"
    if "firefox/" in value:
        return "firefox"
    if re.search(r"chrome/|crios/", value):
        return "chrome"
    return "safari" if "safari/" in value else "browser"


@functools.lru_cache(maxsize=100_000)
def plain_action(action: str) -> str:
    """The action without its API date."""
    return re.sub(r"\d{4}(?:\d{4}|_\d\d_\d\d)(v\d+)?$", "", action)


def size_step(action: str, size: int | None) -> str:
    """Direction and size class of a flow; "" without a size."""
    if not size or size < 0:
        return ""
    return f"{_direction(action)} {bisect_right(_STEPS, size):02d}"


def density_step(action: str, size: int | None, packets: int | None) -> str:
    """Direction and class of the bytes per packet of a flow; "" without them."""
    each = size // packets if size and packets and size > 0 and packets > 0 else 0
    return f"{_direction(action)} {min(each.bit_length() - 1, 15):02d}" if each else ""


@functools.lru_cache(maxsize=100_000)
def _direction(action: str) -> str:
    found = _DIRECTION.search(action.lower())
    return found[1] if found else "any"


@functools.lru_cache(maxsize=100_000)
def is_outward(action: str) -> bool:
    """Whether a flow is not one that came in."""
    return not _INWARD.search(action.lower())
