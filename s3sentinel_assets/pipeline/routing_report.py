"""What routing did, and in shadow mode would have done, over a span of hours.

Belongs here: adding up what the plans of parts hold. Does not belong here: choosing (``sentinel.routing``), prices
(``sentinel.cost``), how it is printed (``cli``).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from s3sentinel_assets.ledger.parts import parts_of_hour
from s3sentinel_assets.ledger.schema import Stage
from s3sentinel_assets.ledger.stages import latest_stages
from s3sentinel_assets.pipeline.runtime import Runtime

__all__ = ["RuleEffect", "add_up", "routing_effects"]


@dataclass
class RuleEffect:
    """One rule's effect on one source; see `sentinel.routing.RouteReport` for the numbers."""

    source: str
    rule: str
    table: str | None
    shadow: bool
    parts: int = 0
    rows: int = 0
    raw_bytes: int = 0
    guarded: int = 0
    urgent: int = 0
    audited: int = 0
    needed: dict[str, int] = field(default_factory=dict[str, int])

    def add(self, counts: dict[str, Any]) -> None:
        """Adds what a plan's counts say of the rule."""
        self.parts += 1
        for name in ("rows", "raw_bytes", "guarded", "urgent", "audited"):
            setattr(self, name, getattr(self, name) + counts.get(name, 0))
        for name, rows in counts.get("needed", {}).items():
            self.needed[name] = self.needed.get(name, 0) + rows


def add_up(source: str, plans: Iterable[dict[str, Any]]) -> list[RuleEffect]:
    """The effects of all rules in the counts of plans, those in force and those that were only tried apart."""
    found: dict[tuple[str, str | None, bool], RuleEffect] = {}
    for counts in plans:
        for rule, told in counts.get("routing", {}).items():
            key = (rule, told["table"], told["shadow"])
            if key not in found:
                found[key] = RuleEffect(source, *key)
            found[key].add(told)
    return list(found.values())


def routing_effects(runtime: Runtime, source: str, hours: Iterable[str]) -> list[RuleEffect]:
    """The effects of a source's rules in these hours, from the ledger alone."""
    plans: list[dict[str, Any]] = []
    with runtime.ledger.read() as connection:
        for hour in hours:
            ids = [part.id for part in parts_of_hour(connection, source, hour)]
            plans += [plan.counts for plan in latest_stages(connection, ids, Stage.PLANNED).values()]
    return add_up(source, plans)
