"""What changing calls were given: request parameters as CloudTrail writes them, from the shapes of botocore's models.

Belongs here: ordinary values for every parameter. Does not belong here: policies, trust, network rules and sharing
(``policies``), which call is made on what (``events``).
"""

import functools
import json
from typing import Any

from botocore.loaders import Loader

from evaluation.background.draws import rng_for
from evaluation.background.estate import Estate
from evaluation.background.policies import CAREFUL, WORDS, Case, resource_policy, sign_in

__all__ = ["Requests"]

_POLICIES = ("PolicyDocument", "policyDocument", "Policy", "policy", "PolicyText", "policyText", "resourcePolicy")
_DEEPEST = 3


@functools.cache
def _model(service: str) -> dict[str, Any]:
    return Loader().load_service_model(service, "service-2")


def _lower(name: str) -> str:
    """CloudTrail writes parameters with a small first letter."""
    return name[:1].lower() + name[1:] if name[:2].upper() != name[:2] or len(name) < 3 else name


class Requests:
    """Request parameters of changing calls; equal arguments give equal texts."""

    def __init__(self, estate: Estate) -> None:
        self._estate = estate
        self._known: dict[tuple[int, int, int], str | None] = {}

    def text(self, code: int, account: int, variant: int, name: str) -> str | None:
        """The parameters of a call as JSON; None where it has none.

        Args:
            code: the call.
            account: place of the account.
            variant: which of several resources it is about.
            name: what that resource is called.
        """
        key = (code, account, variant)
        if key not in self._known:
            call = self._estate.vocabulary.names[code]
            rng = rng_for(self._estate.seed, "request", call, account, variant)
            made = self._make(call, code, Case(rng, self._estate.accounts, account, name))
            self._known[key] = json.dumps(made, separators=(",", ":")) if made else None
        return self._known[key]

    def _make(self, call: str, code: int, case: Case) -> dict[str, Any]:
        if call.startswith("signin:"):
            return sign_in(case)
        if call in CAREFUL:
            return CAREFUL[call](case)
        service, operation = self._estate.vocabulary.operations[code]
        if not service:
            return {}
        model = _model(service)
        shape = model["operations"][operation].get("input", {}).get("shape")
        return _structure(model["shapes"], shape, case, 0) if shape else {}


def _structure(shapes: dict[str, Any], shape: str, case: Case, depth: int) -> dict[str, Any]:
    """What is required of a structure, and up to two members more."""
    members, required = shapes[shape].get("members", {}), shapes[shape].get("required", [])
    # A dry run would fail with an error of its own.
    free = [member for member in members if member not in required and member != "DryRun"]
    wanted = int(case.rng.integers(0, 3 - min(depth, 2)))
    extra = [free[at] for at in sorted(case.rng.permutation(len(free))[:wanted].tolist())]
    made = {}
    for member in [*required, *extra]:
        value = _value(shapes, members[member]["shape"], member, case, depth)
        if value is not None and value != {}:
            made[_lower(member)] = value
    return made


def _value(shapes: dict[str, Any], shape: str, member: str, case: Case, depth: int) -> Any:
    """A value of a shape; None where it is too deep or would be bytes."""
    kind, rng = shapes[shape]["type"], case.rng
    if kind in ("structure", "list") and depth >= _DEEPEST:
        return None
    if kind == "structure":
        return _structure(shapes, shape, case, depth + 1)
    if kind == "list":
        value = _value(shapes, shapes[shape]["member"]["shape"], member.rstrip("s"), case, depth + 1)
        return [value] if value not in (None, {}) else []
    if kind in ("integer", "long"):
        return int(max(1, shapes[shape].get("min", 1))) + int(rng.integers(0, 60))
    simple: dict[str, Any] = {
        "map": {"team": str(rng.choice(WORDS))},
        "boolean": bool(rng.random() < 0.5),
        "float": 1.0,
        "double": 1.0,
        "timestamp": "Jun 1, 2026, 12:00:00 AM",
        "blob": None,
    }
    return simple[kind] if kind in simple else _string(shapes[shape], member, case)


def _string(shape: dict[str, Any], member: str, case: Case) -> str:
    """A text that suits the member's name."""
    rng, lower = case.rng, member.lower()
    if "enum" in shape:
        return str(rng.choice(shape["enum"][:6]))
    if member in _POLICIES:
        return json.dumps(resource_policy(case), separators=(",", ":"))
    if "token" in lower:
        return f"{int(rng.integers(1 << 62)):016x}"
    if lower.endswith("arn"):
        role = f"arn:aws:iam::{case.number}:role/{case.last}"
        return role if "role" in lower else f"arn:aws:ec2:us-east-1:{case.number}:resource/{case.last}"
    if "cidr" in lower:
        return f"10.{int(rng.integers(0, 64))}.{int(rng.integers(0, 255))}.0/24"
    if lower == "accountid" or lower.endswith("owner"):
        return case.number
    if lower.endswith("id") or "identifier" in lower or "name" in lower or lower == "bucket":
        return case.last
    return str(rng.choice(WORDS))
