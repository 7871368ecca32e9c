"""What history has not learned yet: urgent events of a principal in a part, and what became of them.

Belongs here: the rows. Does not belong here: which events are urgent and when they are learned (`pipeline.held`), what
analysts said (``verdicts``).

``held_by`` names the state that left the events out, ``learned_by`` the one that counted them after all. Both are
recorded with the state itself, so a state can be made again from the ledger.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from s3sentinel_assets.ledger.engine import storable
from s3sentinel_assets.ledger.schema import held, part

__all__ = ["HeldEvents", "NewHeld", "Outcome", "held_now", "held_of_state", "record_held", "settle_held", "split_held"]

_ACCOUNT_LENGTH = 255


class Outcome(enum.StrEnum):
    """What became of held events."""

    WAITED = "waited"  # nobody objected for so long that they were learned
    CLEARED = "cleared"  # an analyst found them benign; learned
    ATTACK = "attack"  # not learned


@dataclass(frozen=True)
class NewHeld:
    """Urgent events of one principal in one part and format, in a file that may hold those of others, too."""

    part_id: int
    format: str
    account: str | None
    principal: str | None
    events: int
    uri: str
    sha256: str


@dataclass(frozen=True)
class HeldEvents:
    """A row of the ledger.

    Attributes:
        part_hour: the hour of the part: the one that verdicts about a principal's hour mean.
        hour: the hour whose state left them out.
    """

    id: int
    source: str
    part_id: int
    part_hour: str
    format: str
    hour: str
    account: str | None
    principal: str | None
    events: int
    uri: str
    sha256: str
    held_by: int
    learned_by: int | None
    outcome: str | None


def _read(connection: Connection, *conditions: sa.ColumnElement[bool]) -> list[HeldEvents]:
    query = (
        sa.select(held, part.c.hour.label("part_hour"))
        .join(part, part.c.id == held.c.part_id)
        .where(*conditions)
        .order_by(held.c.id)
    )
    return [HeldEvents(**dict(row)) for row in connection.execute(query).mappings()]


def held_now(connection: Connection, source: str, *, attacks: bool = False) -> list[HeldEvents]:
    """What is held of the source, oldest first.

    Args:
        connection: to the ledger.
        source: the source's name.
        attacks: those that are not learned because somebody said attack, too.
    """
    open_ones = held.c.outcome.is_(None)
    wanted = sa.or_(open_ones, held.c.outcome == Outcome.ATTACK.value) if attacks else open_ones
    return _read(connection, held.c.source == source, wanted)


def held_of_state(connection: Connection, state_id: int) -> tuple[list[HeldEvents], list[HeldEvents]]:
    """What the state left out, and what it learned of what earlier ones had left out."""
    return _read(connection, held.c.held_by == state_id), _read(connection, held.c.learned_by == state_id)


def record_held(connection: Connection, source: str, hour: str, state_id: int, rows: Sequence[NewHeld]) -> None:
    """Notes what the state of ``hour`` left out, in the transaction that commits the state."""
    values: list[dict[str, Any]] = [
        {
            "source": source,
            "part_id": row.part_id,
            "format": row.format,
            "hour": hour,
            "account": (storable(row.account) or "")[:_ACCOUNT_LENGTH] or None,
            "principal": storable(row.principal),
            "events": row.events,
            "uri": row.uri,
            "sha256": row.sha256,
            "held_by": state_id,
        }
        for row in rows
    ]
    if values:
        connection.execute(sa.insert(held), values)


def settle_held(
    connection: Connection, held_ids: Sequence[int], outcome: Outcome | None, learned_by: int | None
) -> None:
    """Notes what became of held events; an outcome of None means that they are held on."""
    for held_id in held_ids:
        connection.execute(
            sa.update(held)
            .where(held.c.id == held_id, held.c.learned_by.is_(None))
            .values(outcome=outcome.value if outcome else None, learned_by=learned_by)
        )


def split_held(
    connection: Connection, row: HeldEvents, pieces: Sequence[tuple[NewHeld, Outcome | None, int | None]]
) -> None:
    """Puts several rows in the place of one, whose events have different outcomes; together they are the same events.

    Args:
        connection: to the ledger.
        row: the row so far.
        pieces: for each the events, the outcome, and the state that learned them; the first takes the row's place.
    """
    (first, outcome, learned_by), *others = pieces
    connection.execute(
        sa.update(held)
        .where(held.c.id == row.id, held.c.learned_by.is_(None))
        .values(
            events=first.events,
            uri=first.uri,
            sha256=first.sha256,
            outcome=outcome.value if outcome else None,
            learned_by=learned_by,
        )
    )
    for piece, outcome, learned_by in others:
        connection.execute(
            sa.insert(held).values(
                source=row.source,
                part_id=row.part_id,
                format=row.format,
                hour=row.hour,
                account=row.account,
                principal=row.principal,
                events=piece.events,
                uri=piece.uri,
                sha256=piece.sha256,
                held_by=row.held_by,
                learned_by=learned_by,
                outcome=outcome.value if outcome else None,
            )
        )
