"""Parts: bounded sets of new objects of one source and hour. Membership is assigned once and never changes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from s3sentinel_assets.ledger.engine import Ledger
from s3sentinel_assets.ledger.hours import is_sealed
from s3sentinel_assets.ledger.schema import Stage, objects, part, stage

__all__ = ["Part", "assign_parts", "never_delivered", "parts_of_hour", "unlearned_parts"]


@dataclass(frozen=True)
class Part:
    """A part as its workers need it."""

    id: int
    source: str
    hour: str
    late: bool
    objects: int
    bytes: int
    learned_by: int | None


def _part(row: sa.Row[Any]) -> Part:
    return Part(row.id, row.source, row.hour, row.late, row.objects, row.bytes, row.learned_by)


def _groups(rows: Sequence[Any], max_bytes: int, max_objects: int) -> Iterator[list[Any]]:
    """Cuts ordered objects into groups within the limits; an object over the limit is a group by itself."""
    group, size = [], 0
    for row in rows:
        if group and (size + row.size > max_bytes or len(group) >= max_objects):
            yield group
            group, size = [], 0
        group.append(row)
        size += row.size
    if group:
        yield group


def assign_parts(
    ledger: Ledger,
    source: str,
    hour: str,
    *,
    max_bytes: int,
    max_objects: int,
    keys: Callable[[str], bool] | None = None,
) -> list[int]:
    """Puts the hour's unassigned objects into new parts, in one transaction.

    Objects are taken by LastModified, then key, so that the parts' order is the order of arrival.

    Args:
        ledger: the ledger.
        source: the source's name.
        hour: the hour's key.
        max_bytes: compressed bytes a part may hold.
        max_objects: objects a part may hold.
        keys: takes only objects whose key it is true for; the others go on waiting.

    Returns:
        The ids of the new parts, in order; empty when nothing was unassigned.
    """
    waiting = (
        sa.select(objects.c.id, objects.c.size, objects.c.key)
        .where(objects.c.source == source, objects.c.hour == hour, objects.c.part_id.is_(None))
        .order_by(objects.c.last_modified, objects.c.key, objects.c.version)
    )
    with ledger.read() as connection:
        if connection.execute(waiting.limit(1)).first() is None:
            return []
    created = []
    with ledger.write() as connection:
        ledger.guard(connection, source)
        late = is_sealed(connection, source, hour)
        rows = [row for row in connection.execute(waiting).all() if keys is None or keys(row.key)]
        for group in _groups(rows, max_bytes, max_objects):
            part_id = connection.execute(
                sa.insert(part)
                .values(
                    source=source,
                    hour=hour,
                    created_at=ledger.now(),
                    late=late,
                    objects=len(group),
                    bytes=sum(row.size for row in group),
                )
                .returning(part.c.id)
            ).scalar_one()
            connection.execute(
                sa.update(objects)
                .where(objects.c.id == sa.bindparam("object_id"), objects.c.part_id.is_(None))
                .values(part_id=part_id, position=sa.bindparam("place")),
                [{"object_id": row.id, "place": place} for place, row in enumerate(group)],
            )
            created.append(part_id)
    return created


def never_delivered(part_id: sa.ColumnElement[int], start: str) -> sa.ColumnElement[bool]:
    """Whether a part was only learned from: it lies before the first hour that is delivered, and has no plan.

    What it holds does not stand for events that turn up again later.
    """
    planned = sa.exists().where(stage.c.part_id == part.c.id, stage.c.stage == Stage.PLANNED.value)
    return sa.exists().where(part.c.id == part_id, part.c.hour < start, ~planned)


def parts_of_hour(connection: Connection, source: str, hour: str) -> list[Part]:
    """The hour's parts in ledger order."""
    rows = connection.execute(sa.select(part).where(part.c.source == source, part.c.hour == hour).order_by(part.c.id))
    return [_part(row) for row in rows]


def newest_planned_parts(connection: Connection, source: str, first: str, last: str, most: int) -> list[int]:
    """Ids of planned parts of the hours from ``first`` to ``last``, the newest first."""
    planned = sa.exists().where(stage.c.part_id == part.c.id, stage.c.stage == Stage.PLANNED.value)
    query = sa.select(part.c.id).where(part.c.source == source, part.c.hour.between(first, last), planned)
    return list(connection.execute(query.order_by(part.c.hour.desc(), part.c.id.desc()).limit(most)).scalars())


def unlearned_parts(connection: Connection, source: str, hour: str) -> tuple[list[Part], int]:
    """Parts up to and including ``hour`` that no state has counted.

    Returns:
        The parsed ones in ledger order, and how many parts, or objects in no part, of ``hour`` itself are not parsed.
    """
    parsed = sa.exists().where(stage.c.part_id == part.c.id, stage.c.stage == Stage.PARSED.value)
    rows = connection.execute(
        sa.select(part)
        .where(part.c.source == source, part.c.hour <= hour, part.c.learned_by.is_(None), parsed)
        .order_by(part.c.id)
    )
    waiting = connection.execute(
        sa.select(sa.func.count()).select_from(part).where(part.c.source == source, part.c.hour == hour, ~parsed)
    ).scalar_one()
    waiting += connection.execute(
        sa.select(sa.func.count())
        .select_from(objects)
        .where(objects.c.source == source, objects.c.hour == hour, objects.c.part_id.is_(None))
    ).scalar_one()
    return [_part(row) for row in rows], waiting
