"""Dead letters: rows that Sentinel refuses for good, kept with reason and position so that they can be sent by hand.

``uri`` names a stage file: of rows that never fitted a body as NDJSON, else of the gzip bodies the batch came from.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from s3sentinel_assets.ledger.schema import dead_letter, part

__all__ = ["DeadLetter", "dead_letters_of_hour", "record_dead_letters"]


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
    return [
        DeadLetter(row.part_id, row.batch_id, row.row_start, row.row_end, row.reason, row.detail, row.uri)
        for row in rows
    ]
