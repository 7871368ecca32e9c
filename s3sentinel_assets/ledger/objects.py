"""Objects: recording what a listing saw, and what became of each object once it was read."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from s3sentinel_assets.hours import hour_key
from s3sentinel_assets.ledger.engine import Ledger, from_micros, insert_or_ignore, to_micros
from s3sentinel_assets.ledger.schema import HourState, ObjectState, hour, objects

__all__ = [
    "LedgerObject",
    "ObjectOutcome",
    "SeenObject",
    "objects_of_part",
    "record_seen",
    "requeue_denied",
    "settle_object",
]

_CHUNK = 400  # keys a query: below the parameter limit of every SQLite build
_RETRY_MARK = "~"
_MAX_REQUEUES = 12
_FIRST_REQUEUE_SECONDS = 60


@dataclass(frozen=True)
class SeenObject:
    """An object version as a listing or a notification reports it. ``version`` is the version id, else the ETag."""

    bucket: str
    key: str
    version: str
    etag: str
    size: int
    last_modified: datetime


@dataclass(frozen=True)
class LedgerObject:
    """An object version the ledger knows, as far as reading it needs."""

    id: int
    bucket: str
    key: str
    version: str
    etag: str
    size: int
    last_modified: datetime
    state: ObjectState


@dataclass(frozen=True)
class ObjectOutcome:
    """What reading an object gave. ``records`` = rows + quarantined + filtered."""

    object_id: int
    state: ObjectState
    format: str | None
    records: int
    rows: int
    quarantined: int
    filtered: int
    decoded_bytes: int
    sha256: str | None
    note: str | None


def _chunks(seen: Iterable[SeenObject]) -> Iterator[list[SeenObject]]:
    iterator = iter(seen)
    while chunk := list(itertools.islice(iterator, _CHUNK)):
        yield chunk


def _unknown(connection: Connection, source: str, chunk: Sequence[SeenObject]) -> list[SeenObject]:
    known = set(
        connection.execute(
            sa.select(objects.c.bucket, objects.c.key, objects.c.version).where(
                objects.c.source == source, objects.c.key.in_({seen.key for seen in chunk})
            )
        )
    )
    return [seen for seen in chunk if (seen.bucket, seen.key, seen.version) not in known]


def record_seen(ledger: Ledger, source: str, seen: Iterable[SeenObject]) -> tuple[int, set[str]]:
    """Records objects that the ledger does not know yet; known ones cost a read only.

    Memory is flat: the listing is taken in chunks, each committed by itself.

    Returns:
        How many were new, and the hours they belong to.
    """
    new, touched = 0, set[str]()
    for chunk in _chunks(seen):
        with ledger.read() as connection:
            unknown = _unknown(connection, source, chunk)
        if not unknown:
            continue
        with ledger.write() as connection:
            # The guard orders this against the seal, so that `late` is true exactly for what came after it.
            ledger.guard(connection, source)
            unknown = _unknown(connection, source, unknown)
            hours = {hour_key(entry.last_modified) for entry in unknown}
            sealed = set(
                connection.execute(
                    sa.select(hour.c.hour).where(
                        hour.c.source == source, hour.c.hour.in_(hours), hour.c.state == HourState.SEALED.value
                    )
                ).scalars()
            )
            if unknown:
                connection.execute(
                    insert_or_ignore(connection, objects),
                    [_row(source, entry, sealed, ledger.now()) for entry in unknown],
                )
        new += len(unknown)
        touched |= hours
    return new, touched


def _row(source: str, seen: SeenObject, sealed: set[str], now: int) -> dict[str, Any]:
    key = hour_key(seen.last_modified)
    return {
        "source": source,
        "bucket": seen.bucket,
        "key": seen.key,
        "version": seen.version,
        "etag": seen.etag,
        "size": seen.size,
        "last_modified": to_micros(seen.last_modified),
        "hour": key,
        "discovered_at": now,
        "late": key in sealed,
        "state": ObjectState.LISTED.value,
    }


def objects_of_part(connection: Connection, part_id: int) -> list[LedgerObject]:
    """The part's objects in their recorded order."""
    rows = connection.execute(sa.select(objects).where(objects.c.part_id == part_id).order_by(objects.c.position))
    return [
        LedgerObject(
            id=row.id,
            bucket=row.bucket,
            key=row.key,
            version=row.version,
            etag=row.etag,
            size=row.size,
            last_modified=from_micros(row.last_modified),
            state=ObjectState(row.state),
        )
        for row in rows
    ]


def settle_object(connection: Connection, outcome: ObjectOutcome) -> None:
    """Writes what reading an object gave, in the transaction that commits its part."""
    connection.execute(
        sa.update(objects)
        .where(objects.c.id == outcome.object_id)
        .values(
            state=outcome.state.value,
            format=outcome.format,
            records=outcome.records,
            rows=outcome.rows,
            quarantined=outcome.quarantined,
            filtered=outcome.filtered,
            decoded_bytes=outcome.decoded_bytes,
            sha256=outcome.sha256,
            note=outcome.note,
        )
    )


def requeue_denied(ledger: Ledger, source: str, first_hour: str) -> int:
    """Gives refused objects from ``first_hour`` on another chance, as new rows for a new part.

    A part's membership never changes, so the refused row stays, marked ``retried``. Tries are spaced (a minute,
    doubling) and end after twelve; the refusal then stays until the object changes.

    Returns:
        How many objects were queued again.
    """
    now, queued = ledger.now(), 0
    denied = sa.select(objects).where(
        objects.c.source == source, objects.c.hour >= first_hour, objects.c.state == ObjectState.DENIED.value
    )
    with ledger.read() as connection:
        if connection.execute(denied.limit(1)).first() is None:
            return 0
    with ledger.write() as connection:
        ledger.guard(connection, source)
        rows = connection.execute(denied).all()
        for row in rows:
            version, _, count = row.version.partition(_RETRY_MARK)
            tries = int(count or 0) + 1
            wait = _FIRST_REQUEUE_SECONDS * 2 ** (tries - 1) * 1_000_000
            if tries > _MAX_REQUEUES or now - row.discovered_at < wait:
                continue
            connection.execute(sa.update(objects).where(objects.c.id == row.id).values(state=ObjectState.RETRIED.value))
            values = {column: getattr(row, column) for column in ("source", "bucket", "key", "etag", "size", "hour")}
            connection.execute(
                sa.insert(objects).values(
                    **values,
                    version=f"{version}{_RETRY_MARK}{tries}",
                    last_modified=row.last_modified,
                    late=row.late,
                    discovered_at=now,
                    state=ObjectState.LISTED.value,
                )
            )
            queued += 1
    return queued
