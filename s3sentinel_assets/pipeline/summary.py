"""What a stage reports about one hour of one source."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

__all__ = ["StageSummary"]


@dataclass
class StageSummary:
    """The outcome of bringing one stage of one hour up to date.

    Attributes:
        source: the source's name.
        hour: the hour's key.
        done: parts this call finished.
        kept: parts that were finished before.
        busy: parts another worker holds; it will finish them.
        counts: totals over all finished parts of the hour, by name (records, rows, quarantined, filtered, bytes…).
        seconds: time this call worked on the hour.
        worked_seconds: time that the finished parts took, whenever that was; 0 where it is not known.
        problems: sentences a user should read; empty when all went well.
        preview: a few rows for the UI, or None.
    """

    source: str
    hour: str
    done: int = 0
    kept: int = 0
    busy: int = 0
    counts: dict[str, int | float | str] = field(default_factory=dict)
    seconds: float = 0.0
    worked_seconds: float = 0.0
    problems: list[str] = field(default_factory=list)
    preview: "pl.DataFrame | None" = None
