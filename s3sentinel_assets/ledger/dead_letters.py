"""Dead letters: rows that Sentinel refuses, kept with reason and position so that they can be sent again or by hand.

Belongs here: recording, finding and taking back. Does not belong here: what that does to a batch (``batches``).

``uri`` names a stage file: of rows that never fitted a body as NDJSON, else of the gzip bodies the batch came from.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from s3sentinel_assets.ledger.schema import dead_letter, part

__all__ = [
    "DeadLetter",
    "DeadLetters",
    "count_dead_letters",
    "dead_letters_of_hour",
    "parts_with_dead_batches",
    "record_dead_letters",
    "take_back_dead_letters",
]


@dataclass(frozen=True)
class DeadLetter:
    """Rows ``[row_start, row_end)`` of a part that cannot be delivered; ``batch_id``: None where no batch held them."""

    part_id: int
    batch_id: str | None
    row_start: int
    row_end: int
    reason: str
    detail: str | None
    uri: str | None

    @property
    def rows(self) -> int:
        """How many rows."""
        return self.row_end - self.row_start


def record_dead_letters(connection: Connection, letters: Iterable[DeadLetter], now: int) -> None:
    """Records dead letters in the transaction that settles their rows."""
    letters = list(letters)
    if not letters:
        return
    parts = sorted({letter.part_id for letter in letters})
    homes: dict[int, tuple[str, str]] = {
        row.id: (row.source, row.hour)
        for row in connection.execute(sa.select(part.c.id, part.c.source, part.c.hour).where(part.c.id.in_(parts)))
    }
    rows: list[dict[str, Any]] = [
        asdict(letter)
        | {
            "rows": letter.rows,
            "source": homes[letter.part_id][0],
            "hour": homes[letter.part_id][1],
            "created_at": now,
        }
        for letter in letters
    ]
    connection.execute(sa.insert(dead_letter), rows)


def dead_letters_of_hour(connection: Connection, source: str, hour: str) -> list[DeadLetter]:
    """The dead letters of one source and hour, in order."""
    rows = connection.execute(
        sa.select(dead_letter)
        .where(dead_letter.c.source == source, dead_letter.c.hour == hour)
        .order_by(dead_letter.c.id)
    )
    return [_letter(row) for row in rows]


def _letter(row: sa.Row[Any]) -> DeadLetter:
    return DeadLetter(row.part_id, row.batch_id, row.row_start, row.row_end, row.reason, row.detail, row.uri)


@dataclass(frozen=True)
class DeadLetters:
    """The dead letters of one source, hour and reason, counted.

    Attributes:
        letters: how many.
        rows: rows in them.
        lone_rows: of these, rows that fitted no batch and so cannot be requeued.
        detail: what the service said to one of them.
    """

    source: str
    hour: str
    reason: str
    letters: int
    rows: int
    lone_rows: int
    detail: str | None


def _wanted(source: str | None, hour: str | None, reason: str | None) -> list[sa.ColumnElement[bool]]:
    filters = ((dead_letter.c.source, source), (dead_letter.c.hour, hour), (dead_letter.c.reason, reason))
    return [column == value for column, value in filters if value is not None]


def count_dead_letters(
    connection: Connection, source: str | None = None, hour: str | None = None, reason: str | None = None
) -> list[DeadLetters]:
    """What is dead, by source, hour and reason, in that order; None: any."""
    rows, lone = dead_letter.c.rows, sa.case((dead_letter.c.batch_id.is_(None), dead_letter.c.rows), else_=0)
    keys = (dead_letter.c.source, dead_letter.c.hour, dead_letter.c.reason)
    found = connection.execute(
        sa.select(
            *keys,
            sa.func.count(),
            sa.cast(sa.func.sum(rows), sa.BigInteger),
            sa.cast(sa.func.sum(lone), sa.BigInteger),
            sa.func.max(dead_letter.c.detail),
        )
        .where(*_wanted(source, hour, reason))
        .group_by(*keys)
        .order_by(*keys)
    )
    return [DeadLetters(*row) for row in found]


def parts_with_dead_batches(
    connection: Connection, source: str, hour: str | None = None, reason: str | None = None
) -> list[int]:
    """The parts that have dead letters with a batch, which is what can be requeued."""
    return list(
        connection.execute(
            sa.select(dead_letter.c.part_id)
            .where(*_wanted(source, hour, reason), dead_letter.c.batch_id.is_not(None))
            .distinct()
            .order_by(dead_letter.c.part_id)
        ).scalars()
    )


def take_back_dead_letters(connection: Connection, part_id: int, reason: str | None = None) -> list[DeadLetter]:
    """Removes the part's dead letters that have a batch, in the transaction that reopens these batches.

    Returns:
        What was removed.
    """
    where = (*_wanted(None, None, reason), dead_letter.c.part_id == part_id, dead_letter.c.batch_id.is_not(None))
    rows = connection.execute(sa.select(dead_letter).where(*where).order_by(dead_letter.c.id)).all()
    connection.execute(sa.delete(dead_letter).where(*where))
    return [_letter(row) for row in rows]
