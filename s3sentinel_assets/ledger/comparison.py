"""Listing against ledger: does the ledger hold, hour by hour, exactly what the bucket showed?

Belongs here: the comparison of a listing's tally with the ledger's rows, recorded per hour, and the difference between
what listings and what notifications found. Does not belong here: listing, verdicts in words (``checks``).

Both sides are compared by number and by a sum over identities, which needs no memory for the keys.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from s3sentinel_assets.ledger.engine import Ledger, insert_or_ignore
from s3sentinel_assets.ledger.schema import HourState, ObjectState, hour, objects
from s3sentinel_assets.ledger.seen import Tally, identity_number

__all__ = ["FoundBy", "ListingComparison", "compare_listing", "comparison_of_hour", "found_by"]

_PAGE = 5_000
_MASK = (1 << 128) - 1


@dataclass(frozen=True)
class ListingComparison:
    """The newest comparison of one hour.

    Attributes:
        at: when the listing began, microseconds; None: never compared.
        listed: object versions that the listing showed.
        held: object versions that the ledger held right after it.
        gone: of these, no longer listed: deleted or replaced since they were recorded.
        same: whether the identities agree, as far as both sides have them.
    """

    at: int | None
    listed: int
    held: int
    gone: int
    same: bool

    @property
    def missing(self) -> int:
        """Objects that were listed and that the ledger does not hold."""
        return max(self.listed - (self.held - self.gone), 0)


def _digest(number: int) -> str:
    return f"{number & _MASK:032x}"


def _held(
    connection: Connection, source: str, key: str, began: int, covers: Callable[[str], bool] | None
) -> tuple[int, int, int, int]:
    """Count and sum of the hour's identities known before ``began``, and since."""
    before = after = before_number = after_number = last = 0
    page = (
        sa.select(objects.c.id, objects.c.bucket, objects.c.key, objects.c.etag, objects.c.discovered_at)
        # Other tries of a refused object are rows of the same object.
        .where(objects.c.source == source, objects.c.hour == key, objects.c.version == objects.c.etag)
        .where(objects.c.id > sa.bindparam("last"))
        .order_by(objects.c.id)
        .limit(_PAGE)
    )
    while rows := connection.execute(page, {"last": last}).all():
        for object_id, bucket, name, etag, discovered_at in rows:
            last = object_id
            if covers is not None and not covers(name):
                continue
            number = identity_number(bucket, name, etag)
            if discovered_at < began:
                before, before_number = before + 1, before_number + number
            else:
                after, after_number = after + 1, after_number + number
    return before, before_number, after, after_number


def compare_listing(
    ledger: Ledger,
    source: str,
    tallies: dict[str, Tally],
    hours: Iterable[str],
    began: int,
    covers: Callable[[str], bool] | None = None,
) -> None:
    """Compares a whole listing with the ledger and records the outcome of each hour.

    Args:
        ledger: the ledger.
        source: the source's name.
        tallies: what the listing showed, by hour.
        hours: the hours that it covered whole.
        began: when it began, microseconds.
        covers: whether a key lies in the range that was listed; an object that came long after the date in its key
            was found by a longer listing, and this one says nothing of it. None: every key does.
    """
    for key in hours:
        tally = tallies.get(key) or Tally()
        with ledger.read() as connection:
            before, before_number, after, after_number = _held(connection, source, key, began, covers)
        gone = max(before - tally.known, 0)
        # What others recorded meanwhile need not have been listed yet.
        unseen = max(after - tally.new - tally.since, 0)
        same = (gone > 0 or _digest(before_number) == _digest(tally.known_number)) and (
            unseen > 0 or _digest(after_number) == _digest(tally.late_number)
        )
        held = before + after - unseen
        listed_digest = _digest(tally.known_number + tally.late_number)
        with ledger.write() as connection:
            connection.execute(
                insert_or_ignore(connection, hour).values(source=source, hour=key, state=HourState.OPEN.value)
            )
            connection.execute(
                sa.update(hour)
                .where(hour.c.source == source, hour.c.hour == key)
                .where(sa.or_(hour.c.compared_at.is_(None), hour.c.compared_at <= began))
                .values(
                    compared_at=began,
                    listing_objects=tally.objects,
                    listing_digest=listed_digest,
                    ledger_objects=held,
                    # With objects gone the sums cannot be equal; what is comparable was compared above.
                    ledger_digest=listed_digest if same else _digest(before_number + after_number),
                    gone_objects=gone,
                )
            )


def comparison_of_hour(connection: Connection, source: str, key: str) -> ListingComparison:
    """The newest comparison of an hour."""
    row = connection.execute(sa.select(hour).where(hour.c.source == source, hour.c.hour == key)).first()
    if row is None or row.compared_at is None:
        return ListingComparison(None, 0, 0, 0, same=False)
    return ListingComparison(
        at=row.compared_at,
        listed=row.listing_objects,
        held=row.ledger_objects,
        gone=row.gone_objects,
        same=row.listing_digest == row.ledger_digest,
    )


@dataclass(frozen=True)
class FoundBy:
    """How the objects of an hour were found.

    Attributes:
        both: by a listing and by a notification.
        listing: by listings alone: the notification did not come, or has not come yet.
        notification: by notifications alone: not listed yet, or deleted before a listing came by.
    """

    both: int
    listing: int
    notification: int


def found_by(connection: Connection, source: str, key: str) -> FoundBy:
    """How the objects of an hour were found."""
    notified = objects.c.notified_at.is_not(None)

    def count(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
        return sa.func.coalesce(sa.func.sum(sa.case((condition, 1), else_=0)), 0)

    row = connection.execute(
        sa.select(
            count(sa.and_(objects.c.listed, notified)),
            count(sa.and_(objects.c.listed, ~notified)),
            count(sa.and_(~objects.c.listed, notified)),
        ).where(
            objects.c.source == source,
            objects.c.hour == key,
            objects.c.version == objects.c.etag,
            objects.c.state != ObjectState.RETRIED.value,
        )
    ).one()
    return FoundBy(int(row[0]), int(row[1]), int(row[2]))
