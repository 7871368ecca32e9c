"""Claims: which part owns the events of one event hour, so that an event delivered to S3 twice goes out once.

They count per table, not per source: two trails that are two sources may hold the same events.

The event ids themselves stay in the owner's stage file; a claim names file and hour. Claims are made in the transaction
that commits the parse, so the first committer owns an event for good.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from s3sentinel_assets.ledger.parts import never_delivered
from s3sentinel_assets.ledger.schema import claim

__all__ = ["Claim", "claims_of_others", "record_claims"]

#: Databases take so many values at once. The times in a log may be anything, and so its hours very many.
_HOURS_PER_QUERY = 1_000


@dataclass(frozen=True)
class Claim:
    """The events of ``event_hour`` in the stage file ``uri`` belong to the part."""

    id: int
    event_hour: str
    part_id: int
    uri: str


def claims_of_others(
    connection: Connection,
    table: str,
    event_hours: Collection[str],
    part_id: int,
    after: int = 0,
    start: str = "",
) -> list[Claim]:
    """Claims of other parts on these event hours of a table, oldest first.

    Args:
        connection: to the ledger.
        table: the table.
        event_hours: the hours.
        part_id: whose claims do not count.
        after: only claims with an id above this one.
        start: the first hour that is delivered: what was only learned from before it claims nothing.
    """
    wanted, found = sorted(event_hours), list[Claim]()
    for at in range(0, len(wanted), _HOURS_PER_QUERY):
        rows = connection.execute(
            sa.select(claim.c.id, claim.c.event_hour, claim.c.part_id, claim.c.uri).where(
                claim.c.table_name == table,
                claim.c.event_hour.in_(wanted[at : at + _HOURS_PER_QUERY]),
                claim.c.part_id != part_id,
                claim.c.id > after,
                ~never_delivered(claim.c.part_id, start),
            )
        )
        found += [Claim(*row) for row in rows]
    return sorted(found, key=lambda each: each.id)


def record_claims(connection: Connection, part_id: int, events: Mapping[tuple[str, str, str], int]) -> None:
    """Replaces the part's claims by ``{(table, event hour, uri): events}``. The caller holds the tables' guards."""
    connection.execute(sa.delete(claim).where(claim.c.part_id == part_id))
    if events:
        connection.execute(
            sa.insert(claim),
            [
                {"table_name": table, "event_hour": event_hour, "part_id": part_id, "uri": uri, "events": count}
                for (table, event_hour, uri), count in sorted(events.items())
            ],
        )
