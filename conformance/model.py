"""The words of conformance: a case, what is expected of it, and how it came out.

Belongs here: plain data. Does not belong here: reading samples (``folders``), parsing (``run``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

__all__ = ["Case", "Expected", "Outcome", "ParseSettings"]


@dataclass(frozen=True)
class Expected:
    """One field that the publisher of a sample expects.

    Attributes:
        field: the publisher's name for it.
        column: ours: ``Column`` of the row, ``Column.key.key`` inside a dynamic column, or ``entity.column``.
        value: as the publisher has it; None: there must be none.
        row: which row of the case.
        normalise: of which tables: native ones, or ASIM.
    """

    field: str
    column: str
    value: Any
    row: int = 0
    normalise: Literal["native", "asim"] = "native"


@dataclass(frozen=True)
class ParseSettings:
    """What a user would have configured to read the case, and when its object came to the bucket."""

    fields: tuple[str, ...] = ()
    time_zone: str = "UTC"
    arrived: datetime = datetime(2026, 11, 23, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Case:
    """One published sample.

    Attributes:
        id: file and place in it.
        format: the format it must be recognised as; with ``several`` one of those it must be split into.
        content: the bytes of an object.
        records: how many records it holds; None: one or more.
        expected: its fields.
        valid: False for what the publisher himself calls broken: then it is right to quarantine it.
        detected: False where one line alone cannot tell its format: then the format is given.
        key: the object's key.
        several: further formats that the content mixes.
        settings: what a user would configure.
        formats: None, or formats that are as good as ``format`` for this case.
    """

    id: str
    format: str
    content: bytes
    records: int | None = None
    expected: tuple[Expected, ...] = ()
    valid: bool = True
    detected: bool = True
    key: str = "object"
    several: tuple[str, ...] = ()
    settings: ParseSettings = ParseSettings()


@dataclass
class Outcome:
    """How a case came out.

    Attributes:
        case: the case.
        parsed: whether it was recognised and every record became a row; of an invalid case: whether none did.
        rows: rows.
        quarantined: records in quarantine.
        right: expected fields that are right.
        problems: what is wrong, a sentence each.
    """

    case: Case
    parsed: bool = False
    rows: int = 0
    quarantined: int = 0
    right: int = 0
    problems: list[str] = field(default_factory=list[str])

    @property
    def fields(self) -> int:
        """Expected fields."""
        return len(self.case.expected)

    def as_object(self) -> Mapping[str, Any]:
        """For ``--json``."""
        return {
            "id": self.case.id,
            "format": self.case.format,
            "parsed": self.parsed,
            "rows": self.rows,
            "quarantined": self.quarantined,
            "fields": self.fields,
            "fields_right": self.right,
            "problems": self.problems,
        }
