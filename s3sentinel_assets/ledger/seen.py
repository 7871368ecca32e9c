"""Recording what a listing or a notification saw, and counting hour by hour what that was.

Belongs here: new objects into the ledger, once each, in flat memory, and the tally of a listing. Does not belong here:
comparing a tally with the ledger (``comparison``), reading objects, parts.
"""

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from s3sentinel_assets.ledger.engine import Ledger, insert_or_ignore, to_micros
from s3sentinel_assets.ledger.objects import SeenObject
from s3sentinel_assets.ledger.schema import HourState, ObjectState, hour, objects

__all__ = ["KnownState", "Recorded", "Tally", "chunks_of", "identity_number", "record_seen", "states_of"]

_CHUNK = 900  # keys a query: below the parameter limit of every SQLite build
_DIGEST_BYTES = 16

FoundBy = Literal["listing", "notification"]


def identity_number(bucket: str, key: str, etag: str) -> int:
    """A number for an object version. Sums of it compare sets whatever their order, in flat memory."""
    name = f"{bucket}\0{key}\0{etag}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(name, digest_size=_DIGEST_BYTES).digest())


@dataclass(slots=True)
class Tally:
    """What was seen of one hour.

    Attributes:
        objects: object versions.
        new: of these, recorded just now.
        since: of these, recorded by others since the listing began.
        size: their stored bytes together.
        known_number: sum of `identity_number` over those that the ledger knew before the listing began.
        late_number: the same over those recorded since.
    """

    objects: int = 0
    new: int = 0
    since: int = 0
    size: int = 0
    known_number: int = 0
    late_number: int = 0

    @property
    def known(self) -> int:
        """Objects that the ledger knew before the listing began."""
        return self.objects - self.new - self.since


@dataclass
class Recorded:
    """What `record_seen` did.

    Attributes:
        new: objects that were new.
        new_bytes: their stored bytes.
        touched: the hours of new objects.
        tallies: hour → what was seen of it; an object counts for the hour that the ledger has it in.
    """

    new: int = 0
    new_bytes: int = 0
    touched: set[str] = field(default_factory=set)
    tallies: dict[str, Tally] = field(default_factory=dict)


def chunks_of(seen: Iterable[SeenObject]) -> Iterator[list[SeenObject]]:
    """The objects in pieces that one query can ask for."""
    iterator = iter(seen)
    while chunk := list(itertools.islice(iterator, _CHUNK)):
        yield chunk


_Identity = tuple[str, str, str]


def _known(connection: Connection, source: str, chunk: Sequence[SeenObject]) -> dict[_Identity, Any]:
    buckets = sorted({entry.bucket for entry in chunk})
    # The bucket too, else the index over (source, bucket, key, version) is of no use.
    rows = connection.execute(
        sa.select(
            objects.c.bucket,
            objects.c.key,
            objects.c.version,
            objects.c.id,
            objects.c.hour,
            objects.c.listed,
            objects.c.notified_at,
            objects.c.discovered_at,
        ).where(
            objects.c.source == source,
            objects.c.bucket.in_(buckets),
            objects.c.key.in_({entry.key for entry in chunk}),
        )
    )
    return {(row[0], row[1], row[2]): row for row in rows}


def record_seen(
    ledger: Ledger,
    source: str,
    seen: Iterable[SeenObject],
    *,
    found_by: FoundBy = "listing",
    began: int | None = None,
) -> Recorded:
    """Records objects that the ledger does not know yet; known ones cost a read only.

    Memory is flat: the objects are taken in chunks, each committed by itself.

    Args:
        ledger: the ledger.
        source: the source's name.
        seen: the objects.
        found_by: what showed them.
        began: when the listing began, for its tallies; by default now.
    """
    recorded, began = Recorded(), ledger.now() if began is None else began
    for chunk in chunks_of(seen):
        with ledger.read() as connection:
            known = _known(connection, source, chunk)
        fresh = [entry for entry in chunk if entry[:3] not in known]  # bucket, key, version
        if fresh or _to_mark(known, chunk, found_by):
            known, fresh = _write(ledger, source, chunk, found_by)
        new = {entry[:3] for entry in fresh}
        recorded.new += len(new)
        recorded.new_bytes += sum(entry.size for entry in fresh)
        recorded.touched |= {entry.hour_or_default for entry in fresh}
        for entry in chunk:
            row = known.get(entry[:3])
            _count(recorded.tallies, entry, row, entry[:3] in new, began)
    return recorded


def _to_mark(known: dict[_Identity, Any], chunk: Sequence[SeenObject], found_by: FoundBy) -> list[int]:
    """The objects of a chunk that are known from the other side only."""
    rows = [row for entry in chunk if (row := known.get(entry[:3])) is not None]
    if found_by == "listing":
        return [row.id for row in rows if not row.listed]
    return [row.id for row in rows if row.notified_at is None]


def _write(
    ledger: Ledger, source: str, chunk: Sequence[SeenObject], found_by: FoundBy
) -> tuple[dict[_Identity, Any], list[SeenObject]]:
    """Records what is new of a chunk; returns what was known and what was new."""
    with ledger.write() as connection:
        # The guard orders this against the seal, so that `late` is true exactly for what came after it.
        ledger.guard(connection, source)
        known = _known(connection, source, chunk)
        unique = {entry[:3]: entry for entry in chunk}
        fresh = [entry for identity, entry in unique.items() if identity not in known]
        now = ledger.now()
        if marked := _to_mark(known, chunk, found_by):
            values = {"listed": True} if found_by == "listing" else {"notified_at": now}
            connection.execute(sa.update(objects).where(objects.c.id.in_(marked)).values(values))
        if fresh:
            hours = {entry.hour_or_default for entry in fresh}
            sealed = set(
                connection.execute(
                    sa.select(hour.c.hour).where(
                        hour.c.source == source, hour.c.hour.in_(hours), hour.c.state == HourState.SEALED.value
                    )
                ).scalars()
            )
            connection.execute(
                insert_or_ignore(connection, objects), [_row(source, entry, sealed, now, found_by) for entry in fresh]
            )
    return known, fresh


def _row(source: str, seen: SeenObject, sealed: set[str], now: int, found_by: FoundBy) -> dict[str, Any]:
    key = seen.hour_or_default
    return {
        "source": source,
        "bucket": seen.bucket,
        "key": seen.key,
        "name": seen.key.rpartition("/")[2][:1_024],
        "version": seen.version,
        "version_id": seen.version_id,
        "etag": seen.etag,
        "size": seen.size,
        "storage_class": seen.storage_class,
        "last_modified": to_micros(seen.last_modified),
        "hour": key,
        "discovered_at": now,
        "late": key in sealed,
        "listed": found_by == "listing",
        "notified_at": now if found_by == "notification" else None,
        "state": ObjectState.LISTED.value,
    }


def _count(tallies: dict[str, Tally], entry: SeenObject, row: sa.Row[Any] | None, new: bool, began: int) -> None:
    # A copy in place changes LastModified and often keeps the ETag: it stays in the hour where it was first seen.
    key = row.hour if row is not None else entry.hour_or_default
    tally = tallies.get(key)
    if tally is None:
        tally = tallies[key] = Tally()
    tally.objects += 1
    tally.size += entry.size
    number = identity_number(entry.bucket, entry.key, entry.etag)
    if row is None or new:
        tally.new += 1
        tally.late_number += number
    elif row.discovered_at >= began:
        tally.since += 1
        tally.late_number += number
    else:
        tally.known_number += number


@dataclass(frozen=True)
class KnownState:
    """What the ledger knows of an object. ``waits``: it, or another try of it, is still to be read."""

    hour: str
    state: ObjectState
    waits: bool


def states_of(connection: Connection, source: str, seen: Sequence[SeenObject]) -> dict[_Identity, KnownState]:
    """The newest state of each object that the ledger knows, all its tries taken together."""
    wanted = {(entry.bucket, entry.key): entry.version for entry in seen}
    rows = connection.execute(
        sa.select(objects.c.bucket, objects.c.key, objects.c.etag, objects.c.hour, objects.c.state)
        .where(
            objects.c.source == source,
            objects.c.bucket.in_({bucket for bucket, _ in wanted}),
            objects.c.key.in_({key for _, key in wanted}),
            objects.c.state != ObjectState.RETRIED.value,
        )
        .order_by(objects.c.id)
    )
    states: dict[_Identity, KnownState] = {}
    for bucket, key, etag, hour_key, state in rows:
        states[(bucket, key, etag)] = KnownState(hour_key, ObjectState(state), state == ObjectState.LISTED.value)
    return states
