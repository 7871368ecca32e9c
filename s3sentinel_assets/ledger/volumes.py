"""How much the workspace has accepted: rows and bytes by source, hour, table, route and kind of batch.

Belongs here: one grouped query. Does not belong here: what it costs (`sentinel.cost`).
"""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from s3sentinel_assets.ledger.schema import BatchKind, BatchState, batch, part

__all__ = ["Volume", "accepted_volumes"]


@dataclass(frozen=True)
class Volume:
    """What was accepted of one source and hour in one table.

    Attributes:
        route: the routing rule that sent it there; None: none did.
        kind: events of the account, or what comes on top.
        rows: how many.
        raw_bytes: uncompressed bodies.
    """

    source: str
    hour: str
    table: str
    route: str | None
    kind: BatchKind
    rows: int
    raw_bytes: int


def accepted_volumes(connection: Connection, first: str, last: str, source: str | None = None) -> list[Volume]:
    """What was accepted of the hours from ``first`` to ``last``, of one source or of all."""
    keys = (part.c.source, part.c.hour, batch.c.table_name, batch.c.route, batch.c.kind)
    rows = connection.execute(
        sa.select(
            *keys,
            sa.cast(sa.func.sum(batch.c.row_end - batch.c.row_start), sa.BigInteger),
            sa.cast(sa.func.sum(batch.c.raw_bytes), sa.BigInteger),
        )
        .join(batch, batch.c.part_id == part.c.id)
        .where(
            part.c.hour.between(first, last),
            batch.c.state == BatchState.ACCEPTED.value,
            sa.true() if source is None else part.c.source == source,
        )
        .group_by(*keys)
        .order_by(*keys)
    )
    return [Volume(*row[:4], BatchKind(row[4]), row[5], row[6]) for row in rows]
