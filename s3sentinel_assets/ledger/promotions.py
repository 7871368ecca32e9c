"""Promotions: orders to send demoted rows to their own table as well.

Belongs here: which batches of a part were demoted or promoted, recording an order. Does not belong here: choosing rows
and making bodies (``sentinel.promotion``).
"""

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from s3sentinel_assets.ledger.batches import Batch, PlannedBatch, batches_of_part, insert_batches
from s3sentinel_assets.ledger.leases import Lease, check_lease
from s3sentinel_assets.ledger.schema import BatchKind, BatchState, promotion

__all__ = ["demoted_batches", "promoted_batches", "record_promotion"]


def demoted_batches(connection: Connection, part_id: int, rule: str | None = None) -> list[Batch]:
    """Batches of rows that a routing rule sent elsewhere; not those that others took the place of.

    Args:
        connection: to the ledger.
        part_id: the part.
        rule: of this rule only; None: of all.
    """
    return [
        one
        for one in batches_of_part(connection, part_id)
        if one.kind is BatchKind.ROWS
        and one.route is not None
        and (rule is None or one.route == rule)
        and one.state is not BatchState.SUPERSEDED
    ]


def promoted_batches(connection: Connection, part_id: int) -> list[Batch]:
    """Batches of rows that were promoted before, whatever has become of them."""
    return [
        one
        for one in batches_of_part(connection, part_id)
        if one.kind is BatchKind.PROMOTED and one.state is not BatchState.SUPERSEDED
    ]


def record_promotion(
    connection: Connection,
    held: Lease,
    part_id: int,
    stage_id: int,
    batches: Iterable[PlannedBatch],
    *,
    condition: str | None,
    requested_by: str,
    now: int,
) -> None:
    """Records an order and its batches, in the caller's transaction; their bodies must already be in the store.

    Raises:
        LeaseLostError: another worker took over the part; the transaction must not commit.
    """
    check_lease(connection, held)
    batches = list(batches)
    connection.execute(
        sa.insert(promotion).values(
            part_id=part_id,
            stage_id=stage_id,
            condition=condition,
            requested_by=requested_by[:255],
            requested_at=now,
            rows=sum(one.rows for one in batches),
        )
    )
    insert_batches(connection, batches, stage_id, now)
