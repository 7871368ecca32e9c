"""The account of one chain of digests, as ``verify-digests`` gives it.

Belongs here: the counts, and when they mean that everything is proved. Does not belong here: counting
(``digest_audit``, ``digest_silence``).
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from s3sentinel_assets.integrity import GapKind

__all__ = ["COUNTED", "ChainAudit", "Tell"]

#: Holes that count as missing hours.
COUNTED = frozenset({GapKind.MISSING, GapKind.RESTARTED, GapKind.ENDED})

Tell = Callable[[str], object]


@dataclass
class ChainAudit:
    """What was found of one chain of digests.

    Attributes:
        chain: account, region and trail.
        digests: digests of the time, by state; ``unread`` are those that S3 does not hand over.
        missing_hours: hours of the time without a digest although there should be one.
        missing_digests: predecessors that are named and not there although no hour is missing.
        logs: log files that its digests list: ``verified``, ``failed``, ``missing``, ``unproved`` (by the digest),
            ``unread`` (S3 does not hand them over).
        uncovered: log files of its account and region that no digest lists although those of their time are all there.
            Log files do not tell their trail; they are counted with the first chain of the account and region.
        unsure: the same, where a digest that could list them is missing or not proved; in an account and region that
            has no digests at all, every log file.
    """

    chain: str
    digests: Counter[str] = field(default_factory=Counter)
    missing_hours: float = 0.0
    missing_digests: int = 0
    logs: Counter[str] = field(default_factory=Counter)
    uncovered: int = 0
    unsure: int = 0

    @property
    def proved(self) -> bool:
        """Whether everything is verified and nothing is missing."""
        trouble = self.missing_hours or self.missing_digests or self.uncovered or self.unsure
        return not trouble and set(+self.digests) <= {"verified"} and set(+self.logs) <= {"verified"}

    def as_dict(self) -> dict[str, Any]:
        """Everything, for JSON; counts of nothing left out."""
        return {
            "chain": self.chain,
            "proved": self.proved,
            "digests": dict(+self.digests),
            "missing_hours": round(self.missing_hours, 3),
            "missing_digests": self.missing_digests,
            "logs": dict(+self.logs),
            "uncovered": self.uncovered,
            "unsure": self.unsure,
        }
