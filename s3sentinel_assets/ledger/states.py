"""Sealed entity states, and the pins that record what a part's scoring read.

A state is whole, or says what changed since a whole one (``whole_id``). A state whose file housekeeping has given up
has no ``uri`` any more; its row stays.
"""

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
    "forget_states",
    "learned_hours",
    "newest_state",
    "parts_learned_by",
    "pin_of",
    "record_pin",
    "replace_state_file",
    "state_by_id",
    "states_of",
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
    whole_id: int | None
    code_version: str
    sealed_at: int


@dataclass(frozen=True)
class ScorePin:
    """What a part's scoring reads: a state, counters an earlier part left, a catalogue of texts, a model version."""

    state_id: int | None
    counters_uri: str | None
    counters_part_id: int | None
    model_version: str
    catalogue_id: int | None = None


def _state(row: sa.Row[Any] | None) -> SealedState | None:
    if row is None:
        return None
    return SealedState(
        id=row.id,
        source=row.source,
        hour=row.hour,
        uri=row.uri,
        sha256=row.sha256,
        keys=row.keys,
        events=row.events,
        parts=row.parts,
        gap_hours=row.gap_hours,
        based_on=row.based_on,
        whole_id=row.whole_id,
        code_version=row.code_version,
        sealed_at=row.sealed_at,
    )


def newest_state(connection: Connection, source: str, up_to: str) -> SealedState | None:
    """The newest sealed state of an hour ≤ ``up_to`` whose file is still kept."""
    return _state(
        connection.execute(
            sa.select(state)
            .where(state.c.source == source, state.c.hour <= up_to, state.c.uri != "")
            .order_by(state.c.hour.desc(), state.c.generation.desc())
            .limit(1)
        ).first()
    )


def state_by_id(connection: Connection, state_id: int) -> SealedState | None:
    """The state with this id."""
    return _state(connection.execute(sa.select(state).where(state.c.id == state_id)).first())


def states_of(connection: Connection, source: str) -> list[SealedState]:
    """The states of the source whose files are still kept, oldest first."""
    rows = connection.execute(
        sa.select(state).where(state.c.source == source, state.c.uri != "").order_by(state.c.hour, state.c.generation)
    )
    return [found for row in rows if (found := _state(row)) is not None]


def learned_hours(connection: Connection, source: str) -> set[str]:
    """The hours of the source that have a state, whether its file is kept or not."""
    return set(connection.execute(sa.select(state.c.hour).where(state.c.source == source)).scalars())


def parts_learned_by(connection: Connection, state_id: int) -> list[int]:
    """The ids of the parts whose events the state counted, in ledger order."""
    return list(
        connection.execute(sa.select(part.c.id).where(part.c.learned_by == state_id).order_by(part.c.id)).scalars()
    )


def forget_states(connection: Connection, state_ids: Sequence[int]) -> None:
    """Notes that the files of these states are given up; the store's sweep then deletes them."""
    for state_id in state_ids:
        connection.execute(sa.update(state).where(state.c.id == state_id).values(uri=""))


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


def replace_state_file(connection: Connection, held: Lease, state_id: int, uri: str, sha256: str) -> None:
    """Names another file for a state: a whole one with the same content.

    Raises:
        LeaseLostError: another worker took over; the transaction must not commit.
    """
    check_lease(connection, held)
    connection.execute(sa.update(state).where(state.c.id == state_id).values(uri=uri, sha256=sha256, whole_id=None))


def pin_of(connection: Connection, part_id: int, generation: int) -> ScorePin | None:
    """The recorded pin, if scoring of this generation has begun."""
    row = connection.execute(
        sa.select(score_pin).where(score_pin.c.part_id == part_id, score_pin.c.generation == generation)
    ).first()
    if row is None:
        return None
    return ScorePin(row.state_id, row.counters_uri, row.counters_part_id, row.model_version, row.catalogue_id)


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
            catalogue_id=pin.catalogue_id,
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
