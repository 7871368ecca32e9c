"""How far a source has come: figures by hour for charts, and what keeps each hour from being done.

Belongs here: a few grouped queries over many hours at once. Does not belong here: the full account of one hour
(``accounts``) or what to make of the answers (`pipeline.progress`).
"""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from s3sentinel_assets.ledger.quarantine import retried_records
from s3sentinel_assets.ledger.schema import (
    BatchKind,
    BatchState,
    ObjectState,
    Stage,
    batch,
    objects,
    part,
    proof,
    stage,
)

__all__ = ["OpenWork", "accepted_by_hour", "newest_arrival", "open_work", "records_by_hour", "unproved_since"]

_UNSETTLED = (BatchState.PLANNED, BatchState.SENDING, BatchState.RETRY, BatchState.UNKNOWN)


@dataclass
class OpenWork:
    """What is left to do for one hour.

    Attributes:
        objects: objects that are in no delivery plan yet.
        rows: parsed rows that have no final outcome yet.
        unknown: of these, rows whose outcome the workspace has to tell.
        since: when the oldest of it was found.
    """

    objects: int = 0
    rows: int = 0
    unknown: int = 0
    since: int | None = None

    def add(self, objects: int, rows: int, unknown: int, since: int | None) -> None:
        """Adds what another query found for the hour."""
        self.objects += objects
        self.rows += rows
        self.unknown += unknown
        self.since = min((at for at in (self.since, since) if at is not None), default=None)


def _sum(column: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    return sa.cast(sa.func.coalesce(sa.func.sum(column), 0), sa.BigInteger)


def records_by_hour(connection: Connection, source: str, first: str, last: str) -> dict[str, int]:
    """Records read so far of each hour from ``first`` to ``last`` that has objects."""
    rows = connection.execute(
        sa.select(objects.c.hour, _sum(objects.c.records))
        .where(
            objects.c.source == source,
            objects.c.hour.between(first, last),
            objects.c.state != ObjectState.RETRIED.value,
        )
        .group_by(objects.c.hour)
    )
    retried = retried_records(connection, source, first, last)
    return {row[0]: row[1] - retried.get(row[0], 0) for row in rows}


def accepted_by_hour(connection: Connection, source: str, first: str, last: str) -> dict[str, int]:
    """Rows the workspace has accepted of each hour from ``first`` to ``last`` that has any."""
    rows = connection.execute(
        sa.select(part.c.hour, _sum(batch.c.row_end - batch.c.row_start))
        .join(batch, batch.c.part_id == part.c.id)
        .where(
            part.c.source == source,
            part.c.hour.between(first, last),
            batch.c.state == BatchState.ACCEPTED.value,
            batch.c.kind == BatchKind.ROWS.value,
        )
        .group_by(part.c.hour)
    )
    return {row[0]: row[1] for row in rows}


def newest_arrival(connection: Connection, source: str) -> int | None:
    """LastModified of the source's newest object."""
    newest_hour = sa.select(sa.func.max(objects.c.hour)).where(objects.c.source == source).scalar_subquery()
    return connection.execute(
        sa.select(sa.func.max(objects.c.last_modified)).where(objects.c.source == source, objects.c.hour == newest_hour)
    ).scalar_one()


def open_work(connection: Connection, source: str, first: str) -> dict[str, OpenWork]:
    """Hours from ``first`` on in which something is not delivered yet."""
    nothing = sa.literal(0)
    unassigned = (
        sa.select(objects.c.hour, sa.func.count(), nothing, nothing, sa.func.min(objects.c.discovered_at))
        .where(objects.c.part_id.is_(None), objects.c.source == source, objects.c.hour >= first)
        .group_by(objects.c.hour)
    )
    planned = sa.exists().where(stage.c.part_id == part.c.id, stage.c.stage == Stage.PLANNED.value)
    unplanned = (
        sa.select(
            part.c.hour, sa.func.count(objects.c.id), _sum(objects.c.rows), nothing, sa.func.min(part.c.created_at)
        )
        .join(objects, objects.c.part_id == part.c.id)
        .where(part.c.source == source, part.c.hour >= first, ~planned)
        .group_by(part.c.hour)
    )
    rows = batch.c.row_end - batch.c.row_start
    unknown = sa.case((batch.c.state.in_((BatchState.UNKNOWN.value, BatchState.SENDING.value)), rows), else_=0)
    unsettled = (
        sa.select(part.c.hour, nothing, _sum(rows), _sum(unknown), sa.func.min(part.c.created_at))
        .join(batch, batch.c.part_id == part.c.id)
        .where(batch.c.state.in_([state.value for state in _UNSETTLED]), part.c.source == source, part.c.hour >= first)
        .group_by(part.c.hour)
    )
    work: dict[str, OpenWork] = {}
    for query in (unassigned, unplanned, unsettled):
        for hour, *found in connection.execute(query):
            work.setdefault(hour, OpenWork()).add(*found)
    return work


def unproved_since(connection: Connection, source: str, first: str, settled_from: str) -> dict[str, int]:
    """Hours with parts for which the workspace has not shown yet what it accepted → since when that is so.

    Args:
        connection: to the ledger.
        source: the source's name.
        first: hours before this one do not count.
        settled_from: from this hour on, a proof made before a batch was settled counts as none. Whatever settles
            a batch proves its hour anew, so for old hours the costly comparison is left out.
    """
    newest = (
        sa.select(proof.c.hour, sa.func.max(proof.c.id).label("id"))
        .where(proof.c.source == source, proof.c.hour >= first)
        .group_by(proof.c.hour)
        .subquery()
    )
    settled = (
        sa.select(part.c.hour, sa.func.max(batch.c.settled_at).label("at"))
        .join(batch, batch.c.part_id == part.c.id)
        .where(part.c.source == source, part.c.hour >= max(first, settled_from))
        .group_by(part.c.hour)
        .subquery()
    )
    hours = (
        sa.select(part.c.hour, sa.func.max(part.c.created_at).label("made"))
        .where(part.c.source == source, part.c.hour >= first)
        .group_by(part.c.hour)
        .subquery()
    )
    found = connection.execute(
        sa.select(hours.c.hour, sa.func.coalesce(settled.c.at, hours.c.made))
        .outerjoin(newest, newest.c.hour == hours.c.hour)
        .outerjoin(proof, proof.c.id == newest.c.id)
        .outerjoin(settled, settled.c.hour == hours.c.hour)
        .where(sa.or_(proof.c.id.is_(None), proof.c.agrees.is_not(True), proof.c.made_at < settled.c.at))
    )
    return {row[0]: row[1] for row in found}
