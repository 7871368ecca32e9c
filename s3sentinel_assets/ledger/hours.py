"""Hours of a source: how far listing has come, and the seal that says an hour is complete as far as S3 showed it."""

import hashlib
from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from s3sentinel_assets.ledger.engine import Ledger, insert_or_ignore
from s3sentinel_assets.ledger.schema import HourState, hour, objects, source_guard

__all__ = [
    "deep_listing_due",
    "first_hour",
    "is_sealed",
    "listed_at",
    "listing_due",
    "mark_deep_listed",
    "mark_listed",
    "mark_window_listed",
    "seal",
    "sealed_hours",
]


def mark_listed(ledger: Ledger, source: str, hours: Iterable[str], at: int) -> None:
    """Notes that a listing which began at ``at`` covered these hours."""
    with ledger.write() as connection:
        for key in hours:
            connection.execute(
                insert_or_ignore(connection, hour).values(source=source, hour=key, state=HourState.OPEN.value)
            )
            connection.execute(
                sa.update(hour)
                .where(
                    hour.c.source == source,
                    hour.c.hour == key,
                    sa.or_(hour.c.listed_at.is_(None), hour.c.listed_at < at),
                )
                .values(listed_at=at)
            )


def deep_listing_due(ledger: Ledger, source: str, since: int) -> bool:
    """Whether the source's long look-back window was last listed before ``since``, or never."""
    with ledger.read() as connection:
        at = connection.execute(
            sa.select(source_guard.c.deep_listed_at).where(source_guard.c.source == source)
        ).scalar_one_or_none()
    return at is None or at < since


def listing_due(ledger: Ledger, source: str, since: int) -> bool:
    """Whether the source's ordinary look-back window was last listed before ``since``, or never."""
    with ledger.read() as connection:
        at = connection.execute(
            sa.select(source_guard.c.listed_at).where(source_guard.c.source == source)
        ).scalar_one_or_none()
    return at is None or at <= since


def mark_window_listed(ledger: Ledger, source: str, at: int) -> None:
    """Notes that the ordinary look-back window was listed, beginning at ``at``."""
    with ledger.write() as connection:
        ledger.guard(connection, source)
        connection.execute(sa.update(source_guard).where(source_guard.c.source == source).values(listed_at=at))


def mark_deep_listed(ledger: Ledger, source: str, at: int) -> None:
    """Notes that the long look-back window was listed, beginning at ``at``."""
    with ledger.write() as connection:
        ledger.guard(connection, source)
        connection.execute(sa.update(source_guard).where(source_guard.c.source == source).values(deep_listed_at=at))


def listed_at(connection: Connection, source: str, key: str) -> int | None:
    """When the newest listing that covers the hour began."""
    return connection.execute(
        sa.select(hour.c.listed_at).where(hour.c.source == source, hour.c.hour == key)
    ).scalar_one_or_none()


def is_sealed(connection: Connection, source: str, key: str) -> bool:
    """Whether the hour is sealed."""
    state = connection.execute(
        sa.select(hour.c.state).where(hour.c.source == source, hour.c.hour == key)
    ).scalar_one_or_none()
    return state == HourState.SEALED.value


def sealed_hours(connection: Connection, source: str) -> set[str]:
    """Every sealed hour of the source."""
    return set(
        connection.execute(
            sa.select(hour.c.hour).where(hour.c.source == source, hour.c.state == HourState.SEALED.value)
        ).scalars()
    )


def first_hour(connection: Connection, source: str) -> str | None:
    """The earliest hour for which the source has an object."""
    return connection.execute(sa.select(sa.func.min(objects.c.hour)).where(objects.c.source == source)).scalar_one()


def seal(ledger: Ledger, source: str, key: str) -> bool:
    """Seals the hour: records how many objects it holds and a digest over their identities.

    Returns:
        False if it was sealed before (the seal never changes).
    """
    with ledger.write() as connection:
        ledger.guard(connection, source)
        if is_sealed(connection, source, key):
            return False
        digest, count = hashlib.sha256(), 0
        for row in connection.execute(
            sa.select(objects.c.bucket, objects.c.key, objects.c.version)
            # Other tries of a refused object are rows of the same object.
            .where(objects.c.source == source, objects.c.hour == key, objects.c.version == objects.c.etag)
            .order_by(objects.c.bucket, objects.c.key, objects.c.version)
        ):
            digest.update("\0".join(row).encode() + b"\n")
            count += 1
        connection.execute(
            insert_or_ignore(connection, hour).values(source=source, hour=key, state=HourState.OPEN.value)
        )
        connection.execute(
            sa.update(hour)
            .where(hour.c.source == source, hour.c.hour == key)
            .values(
                state=HourState.SEALED.value,
                sealed_at=ledger.now(),
                sealed_objects=count,
                sealed_digest=digest.hexdigest(),
            )
        )
    return True
