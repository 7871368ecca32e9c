"""Catalogues of patterns: one a source and day at most, each grown from the one before.

Belongs here: recording and finding them. Does not belong here: what a catalogue holds (``ml.patterns``), when one is
made (`pipeline.patterns`).
"""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from s3sentinel_assets.ledger.leases import Lease, check_lease
from s3sentinel_assets.ledger.schema import catalogue

__all__ = ["SealedCatalogue", "catalogue_by_id", "commit_catalogue", "newest_catalogue"]


@dataclass(frozen=True)
class SealedCatalogue:
    """One catalogue. ``day``: it holds what was seen before this day."""

    id: int
    source: str
    day: str
    uri: str
    sha256: str
    patterns: int
    events: int
    based_on: int | None


def _catalogue(row: sa.Row[Any] | None) -> SealedCatalogue | None:
    if row is None:
        return None
    return SealedCatalogue(row.id, row.source, row.day, row.uri, row.sha256, row.patterns, row.events, row.based_on)


def newest_catalogue(connection: Connection, source: str, up_to: str) -> SealedCatalogue | None:
    """The newest catalogue of a day ≤ ``up_to``: what events of that day are matched with."""
    return _catalogue(
        connection.execute(
            sa.select(catalogue)
            .where(catalogue.c.source == source, catalogue.c.day <= up_to)
            .order_by(catalogue.c.day.desc())
            .limit(1)
        ).first()
    )


def catalogue_by_id(connection: Connection, catalogue_id: int) -> SealedCatalogue | None:
    """The catalogue with this id."""
    return _catalogue(connection.execute(sa.select(catalogue).where(catalogue.c.id == catalogue_id)).first())


def commit_catalogue(connection: Connection, held: Lease, values: dict[str, Any]) -> int:
    """Records a catalogue, in the caller's transaction; its id.

    Raises:
        LeaseLostError: another worker took over; the transaction must not commit.
    """
    check_lease(connection, held)
    return connection.execute(sa.insert(catalogue).values(**values).returning(catalogue.c.id)).scalar_one()
