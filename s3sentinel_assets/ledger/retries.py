"""Retries: rejected records taken up again, as another row of their object that reads them and no others.

Belongs here: the order in the ledger, and what a row that was made for one shall read. Does not belong here: reading
(`pipeline.record_retries`), another chance for whole objects that S3 refused (``refused``).

Nothing written before changes. A quarantine row only gets the number of the object row that takes its records up; the
new row waits for a part of the same hour like any other. Once that part is parsed, the new row accounts for the records
— as rows, filtered, or rejected again — and the old one no longer does (`quarantine.was_retried`).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from s3sentinel_assets.ledger.engine import Ledger
from s3sentinel_assets.ledger.refused import KEPT_COLUMNS, RETRY_MARK
from s3sentinel_assets.ledger.schema import ObjectState, objects, quarantine, quarantine_retry

__all__ = ["RecordRetry", "Rejected", "RetryOrder", "TakenUp", "retries_of_part", "take_up"]

_PAGE = 500


@dataclass(frozen=True)
class RetryOrder:
    """Which rejected records are to be parsed again; None: any.

    Attributes:
        source: the source's name.
        hour: of this hour.
        reason: rejected for this reason.
        key: of objects with this key.
        first_hour: of no hour before this one.
    """

    source: str
    hour: str | None = None
    reason: str | None = None
    key: str | None = None
    first_hour: str = ""

    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """Quarantine rows, joined with their objects, that the order is for."""
        wanted = {quarantine.c.hour: self.hour, quarantine.c.reason: self.reason, objects.c.key: self.key}
        return [
            quarantine.c.source == self.source,
            quarantine.c.hour >= self.first_hour,
            quarantine.c.records > 0,
            quarantine.c.retried_by.is_(None),
            objects.c.state != ObjectState.RETRIED.value,
            *(column == value for column, value in wanted.items() if value is not None),
        ]


@dataclass
class TakenUp:
    """What was taken up.

    Attributes:
        records: rejected records.
        objects: object rows whose records they are.
        hours: their hours.
        lost: records that stay, because the stage file with their positions is lost.
    """

    records: int = 0
    objects: int = 0
    hours: set[str] = field(default_factory=set[str])
    lost: int = 0


@dataclass(frozen=True)
class Rejected:
    """The rejects of one object row with one reason: which row, why, in which file, how many."""

    object_id: int
    reason: str
    uri: str
    records: int


@dataclass(frozen=True)
class RecordRetry:
    """What an object row that was made for a retry shall read.

    Attributes:
        object_id: its id.
        rejected: the records, by reason.
        counted: how many records the object had when they were rejected.
        lost_tail: whether the last of its rejects stood for everything behind it.
        format: the formats it had then; None: it was not recognised.
        copy_of: the object whose bytes it repeats: that one's records speak for these.
    """

    object_id: int
    rejected: tuple[Rejected, ...]
    counted: int
    lost_tail: bool
    format: str | None
    copy_of: int | None


def take_up(
    ledger: Ledger, order: RetryOrder, requested_by: str, *, lost: Collection[str] = (), dry_run: bool = False
) -> TakenUp:
    """Makes a row for each object whose rejected records the order is for, and notes the order.

    Records that wait for a retry already, or have been read again, are left alone: ordering twice takes up nothing.

    Args:
        ledger: the ledger.
        order: which records.
        requested_by: who says so.
        lost: stage files that cannot be read; the records in them stay.
        dry_run: change nothing.
    """
    taken, after, order_id = TakenUp(), 0, None
    page = (
        sa.select(quarantine.c.object_id)
        .distinct()
        .join(objects, objects.c.id == quarantine.c.object_id)
        .where(*order.conditions(), quarantine.c.object_id > sa.bindparam("after"))
        .order_by(quarantine.c.object_id)
        .limit(_PAGE)
    )
    while True:
        with ledger.read() as connection:
            ids = connection.execute(page, {"after": after}).scalars().all()
            if dry_run:
                _select(connection, order, ids, lost, taken)
        if not ids:
            return taken
        after = ids[-1]
        if dry_run:
            continue
        with ledger.write() as connection:
            ledger.guard(connection, order.source)
            found = _select(connection, order, ids, lost, taken)
            if found and order_id is None:
                order_id = _record_order(connection, order, requested_by, ledger.now())
            for object_id, entries in found.items():
                _make_row(connection, object_id, entries, order_id, ledger.now())
            connection.execute(
                sa.update(quarantine_retry)
                .where(quarantine_retry.c.id == order_id)
                .values(objects=taken.objects, records=taken.records)
            )


def _select(
    connection: Connection, order: RetryOrder, ids: Sequence[int], lost: Collection[str], taken: TakenUp
) -> dict[int, list[int]]:
    """Object row → quarantine rows that can be taken up, of the objects ``ids``; counts them."""
    rows = connection.execute(
        sa.select(quarantine.c.id, quarantine.c.object_id, quarantine.c.hour, quarantine.c.records, quarantine.c.uri)
        .join(objects, objects.c.id == quarantine.c.object_id)
        .where(*order.conditions(), quarantine.c.object_id.in_(ids))
        .order_by(quarantine.c.id)
    ).all()
    found: dict[int, list[int]] = {}
    for row in rows:
        if row.uri is None or row.uri in lost:
            taken.lost += row.records
            continue
        found.setdefault(row.object_id, []).append(row.id)
        taken.records += row.records
        taken.hours.add(row.hour)
    taken.objects += len(found)
    return found


def _record_order(connection: Connection, order: RetryOrder, requested_by: str, now: int) -> int:
    return connection.execute(
        sa.insert(quarantine_retry)
        .values(
            source=order.source,
            hour=order.hour,
            reason=order.reason,
            key=order.key,
            requested_by=requested_by[:255],
            requested_at=now,
            objects=0,
            records=0,
        )
        .returning(quarantine_retry.c.id)
    ).scalar_one()


def _make_row(connection: Connection, object_id: int, entries: list[int], order_id: int | None, now: int) -> None:
    """Adds the row that takes these quarantine rows of one object up."""
    row = connection.execute(sa.select(objects).where(objects.c.id == object_id)).one()
    versions = connection.execute(
        sa.select(objects.c.version).where(
            objects.c.source == row.source,
            objects.c.bucket == row.bucket,
            objects.c.key == row.key,
            objects.c.etag == row.etag,
        )
    ).scalars()
    serial = 1 + max(int(version.partition(RETRY_MARK)[2] or 0) for version in versions)
    new = connection.execute(
        sa.insert(objects)
        .values(
            {column: getattr(row, column) for column in KEPT_COLUMNS}
            | {
                "version": f"{row.version.partition(RETRY_MARK)[0]}{RETRY_MARK}{serial}",
                "discovered_at": now,
                "state": ObjectState.LISTED.value,
                "retry_of": row.retry_of or row.id,
                "retry_id": order_id,
                "copy_of": row.copy_of,
            }
        )
        .returning(objects.c.id)
    ).scalar_one()
    connection.execute(sa.update(quarantine).where(quarantine.c.id.in_(entries)).values(retried_by=new))


def retries_of_part(connection: Connection, part_id: int) -> list[RecordRetry]:
    """What the rows of a part that were made for a retry shall read, by their ids; mostly none."""
    new, old = objects, objects.alias("old")
    rows = connection.execute(
        sa.select(
            new.c.id,
            new.c.copy_of,
            quarantine.c.object_id,
            quarantine.c.reason,
            quarantine.c.uri,
            quarantine.c.records,
            old.c.state,
            old.c.format,
            sa.func.coalesce(old.c.counted, old.c.records).label("counted"),
        )
        .join(quarantine, quarantine.c.retried_by == new.c.id)
        .join(old, old.c.id == quarantine.c.object_id)
        .where(new.c.part_id == part_id, new.c.retry_of.is_not(None))
        .order_by(new.c.id, quarantine.c.id)
    ).all()
    grouped: dict[int, list[Any]] = {}
    for row in rows:
        grouped.setdefault(row.id, []).append(row)
    return [
        RecordRetry(
            object_id=object_id,
            rejected=tuple(Rejected(row.object_id, row.reason, row.uri, row.records) for row in group),
            counted=group[0].counted,
            lost_tail=group[0].state in (ObjectState.PARTLY_READ.value, ObjectState.UNREADABLE.value),
            format=group[0].format,
            copy_of=group[0].copy_of,
        )
        for object_id, group in grouped.items()
    ]
