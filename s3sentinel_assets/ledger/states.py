"""Sealed entity states, and the pins that record what a part's scoring read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from s3sentinel_assets.ledger.leases import Lease, check_lease
from s3sentinel_assets.ledger.schema import part, score_pin, state

__all__ = [
    "ScorePin",
    "SealedState",
    "change_pinned_model",
    "commit_state",
    "newest_state",
    "pin_of",
    "record_pin",
    "state_by_id",
]


@dataclass(frozen=True)
class SealedState:
    """One sealed snapshot of entity history."""

    id: int
    source: str
    hour: str
    uri: str
    sha256: str
    keys: int
    events: int
    parts: int
    gap_hours: int
    based_on: int | None


@dataclass(frozen=True)
class ScorePin:
    """What a part's scoring reads: a state, the in-hour counters an earlier part left, a model version."""

    state_id: int | None
    counters_uri: str | None
    counters_part_id: int | None
    model_version: str


def _state(row: sa.Row[Any] | None) -> SealedState | None:
    if row is None:
        return None
    return SealedState(
        row.id, row.source, row.hour, row.uri, row.sha256, row.keys, row.events, row.parts, row.gap_hours, row.based_on
    )


def newest_state(connection: Connection, source: str, up_to: str) -> SealedState | None:
    """The newest sealed state of an hour ≤ ``up_to``."""
    return _state(
        connection.execute(
            sa.select(state)
            .where(state.c.source == source, state.c.hour <= up_to)
            .order_by(state.c.hour.desc(), state.c.generation.desc())
            .limit(1)
        ).first()
    )


def state_by_id(connection: Connection, state_id: int) -> SealedState | None:
    """The state with this id."""
    return _state(connection.execute(sa.select(state).where(state.c.id == state_id)).first())


def commit_state(
    connection: Connection,
    held: Lease,
    *,
    values: dict[str, Any],
    part_ids: Sequence[int],
) -> int:
    """Records a sealed state and marks the parts it learned from, in the caller's guarded transaction.

    Raises:
        LeaseLostError: another worker took over; the transaction must not commit.
    """
    check_lease(connection, held)
    state_id = connection.execute(sa.insert(state).values(**values).returning(state.c.id)).scalar_one()
    if part_ids:
        connection.execute(
            sa.update(part)
            .where(part.c.id == sa.bindparam("learned_part"), part.c.learned_by.is_(None))
            .values(learned_by=state_id),
            [{"learned_part": part_id} for part_id in part_ids],
        )
    return state_id


def pin_of(connection: Connection, part_id: int, generation: int) -> ScorePin | None:
    """The recorded pin, if scoring of this generation has begun."""
    row = connection.execute(
        sa.select(score_pin).where(score_pin.c.part_id == part_id, score_pin.c.generation == generation)
    ).first()
    return None if row is None else ScorePin(row.state_id, row.counters_uri, row.counters_part_id, row.model_version)


def record_pin(connection: Connection, held: Lease, part_id: int, generation: int, pin: ScorePin, now: int) -> None:
    """Records what scoring will read, before it reads it."""
    check_lease(connection, held)
    connection.execute(
        sa.insert(score_pin).values(
            part_id=part_id,
            generation=generation,
            state_id=pin.state_id,
            counters_uri=pin.counters_uri,
            counters_part_id=pin.counters_part_id,
            model_version=pin.model_version,
            pinned_at=now,
        )
    )


def change_pinned_model(connection: Connection, held: Lease, part_id: int, generation: int, model_version: str) -> None:
    """Notes that a part nobody has scored yet will be scored by another model than was pinned."""
    check_lease(connection, held)
    connection.execute(
        sa.update(score_pin)
        .where(score_pin.c.part_id == part_id, score_pin.c.generation == generation)
        .values(model_version=model_version)
    )
