"""What routing did to a part, or would have done: numbers that are kept with its plan.

Belongs here: counting by rule. Does not belong here: prices (``cost``), choosing (``router``).
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

__all__ = ["RouteReport"]


@dataclass
class RouteReport:
    """One rule's effect on one part.

    Attributes:
        table: where its rows go; None: nowhere.
        shadow: it was only tried.
        rows: rows it took, or would have taken.
        raw_bytes: JSON bytes of these; 0 where they were never written as JSON.
        guarded: rows it left alone because an analytics rule needs them.
        urgent: rows it left alone because of their priority.
        audited: rows it left alone because they were drawn for the audit.
        needed: analytics rule → rows of that rule which match, guarded or not: what it would lose without guards.
    """

    table: str | None
    shadow: bool = False
    rows: int = 0
    raw_bytes: int = 0
    guarded: int = 0
    urgent: int = 0
    audited: int = 0
    needed: Counter[str] = field(default_factory=Counter[str])

    def as_counts(self) -> dict[str, Any]:
        """As the plan's counts keep it."""
        return {
            "table": self.table,
            "shadow": self.shadow,
            "rows": self.rows,
            "raw_bytes": self.raw_bytes,
            "guarded": self.guarded,
            "urgent": self.urgent,
            "audited": self.audited,
            "needed": dict(sorted(self.needed.items())),
        }
