"""Quarantine: what could not be parsed, kept with reason and position.

One row here stands for all rejects of one object with one reason; the stage file it names holds each of them. Belongs
here: recording rows and asking for them. Does not belong here: taking the records up again (``retries``).
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from s3sentinel_assets.ledger.engine import storable
from s3sentinel_assets.ledger.schema import ObjectState, objects, quarantine

__all__ = [
    "QuarantineEntry",
    "QuarantinedRecords",
    "open_quarantine",
    "quarantine_of_hour",
    "record_quarantine",
    "retried_records",
    "was_retried",
]

#: States of a row that took records up again, once it is known what became of them.
_SETTLED = (ObjectState.READ, ObjectState.PARTLY_READ, ObjectState.UNREADABLE, ObjectState.COPY)


@dataclass(frozen=True)
class QuarantineEntry:
    """Rejects of one object with one reason; ``records`` is 0 where the object itself could not be had."""

    source: str
    hour: str
    part_id: int
    object_id: int
    reason: str
    records: int
    first_position: int
    detail: str | None
    sample: str | None
    uri: str | None


@dataclass(frozen=True)
class QuarantinedRecords:
    """What is in quarantine of one object for one reason.

    Attributes:
        id: the ledger's number of the entry.
        source: the source's name.
        hour: the hour's key.
        object_id: the ledger's id of the object row that was read.
        bucket: its bucket.
        key: its key.
        reason: slug.
        records: how many; 0: the object itself could not be had.
        first_position: number of the first of them in the object.
        detail: a sentence about the first of them.
        uri: the stage file that holds each of them; None where there are none.
        created_at: when they were rejected, microseconds.
        waits: whether they were taken up again and wait for the next run of their hour.
    """

    id: int
    source: str
    hour: str
    object_id: int
    bucket: str
    key: str
    reason: str
    records: int
    first_position: int
    detail: str | None
    uri: str | None
    created_at: int
    waits: bool


def record_quarantine(connection: Connection, stage_id: int, entries: Iterable[QuarantineEntry], now: int) -> None:
    """Records entries in the transaction that commits their stage."""
    rows: list[dict[str, Any]] = [
        asdict(entry)
        | {"detail": storable(entry.detail), "sample": storable(entry.sample), "stage_id": stage_id, "created_at": now}
        for entry in entries
    ]
    if rows:
        connection.execute(sa.insert(quarantine), rows)


def was_retried() -> sa.ColumnElement[bool]:
    """Whether the records of a quarantine row were read again: what became of them stands with the row that did it."""
    again = objects.alias("again")
    settled = again.c.state.in_([state.value for state in _SETTLED])
    return sa.exists().where(again.c.id == quarantine.c.retried_by, settled).correlate(quarantine)


def _open() -> list[sa.ColumnElement[bool]]:
    # Of an object that was refused and is asked for again, its later try speaks.
    return [objects.c.state != ObjectState.RETRIED.value, ~was_retried()]


def open_quarantine(
    connection: Connection,
    source: str | None = None,
    hour: str | None = None,
    reason: str | None = None,
    key: str | None = None,
) -> list[QuarantinedRecords]:
    """What is in quarantine now, by source, hour and object; None: any of them."""
    wanted = {quarantine.c.source: source, quarantine.c.hour: hour, quarantine.c.reason: reason, objects.c.key: key}
    rows = connection.execute(
        sa.select(
            quarantine.c.id,
            quarantine.c.source,
            quarantine.c.hour,
            quarantine.c.object_id,
            objects.c.bucket,
            objects.c.key,
            quarantine.c.reason,
            quarantine.c.records,
            quarantine.c.first_position,
            quarantine.c.detail,
            quarantine.c.uri,
            quarantine.c.created_at,
            quarantine.c.retried_by.is_not(None).label("waits"),
        )
        .join(objects, objects.c.id == quarantine.c.object_id)
        .where(*_open(), *(column == value for column, value in wanted.items() if value is not None))
        .order_by(quarantine.c.source, quarantine.c.hour, objects.c.key, quarantine.c.id)
    )
    return [QuarantinedRecords(*row[:-1], waits=bool(row[-1])) for row in rows]


def quarantine_of_hour(connection: Connection, source: str, hour: str) -> list[tuple[str, str, int, str | None]]:
    """(object key, reason, records, detail) of what is in quarantine of the hour, in order."""
    rows = connection.execute(
        sa.select(objects.c.key, quarantine.c.reason, quarantine.c.records, quarantine.c.detail)
        .join(objects, objects.c.id == quarantine.c.object_id)
        .where(quarantine.c.source == source, quarantine.c.hour == hour, *_open())
        .order_by(quarantine.c.id)
    )
    return [(row.key, row.reason, row.records, row.detail) for row in rows]


def retried_records(connection: Connection, source: str, first: str, last: str) -> dict[str, int]:
    """Hour → records that were rejected and have been read again since, from ``first`` to ``last``.

    They count twice in a sum over objects: with the object that rejected them, and with the row that took them up.
    """
    rows = connection.execute(
        sa.select(quarantine.c.hour, sa.cast(sa.func.sum(quarantine.c.records), sa.BigInteger))
        .where(
            quarantine.c.source == source,
            quarantine.c.hour.between(first, last),
            quarantine.c.retried_by.is_not(None),
            was_retried(),
        )
        .group_by(quarantine.c.hour)
    )
    return {row[0]: row[1] for row in rows}
