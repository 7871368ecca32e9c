"""Requeueing: dead batches get another chance, once whatever refused them was mended.

Belongs here: going over the parts, each under its lease. Does not belong here: sending (the next run of the hour does
that) or the change itself (``ledger.batches``).
"""

from dataclasses import dataclass

from s3sentinel_assets.errors import LeaseLostError
from s3sentinel_assets.ledger.batches import delivery_lease, requeue_dead_batches
from s3sentinel_assets.ledger.dead_letters import count_dead_letters, parts_with_dead_batches
from s3sentinel_assets.ledger.engine import Ledger
from s3sentinel_assets.ledger.leases import hold_lease, worker_name

__all__ = ["Requeued", "requeue_dead"]


@dataclass(frozen=True)
class Requeued:
    """What was requeued.

    Attributes:
        batches: now open again.
        rows: rows in them.
        busy_parts: parts another worker is sending; theirs stay dead.
        lone_rows: rows that fitted no batch; they stay dead and lie as NDJSON in the stage file of their dead letter.
        hours: to run again.
    """

    batches: int
    rows: int
    busy_parts: int
    lone_rows: int
    hours: list[str]


def requeue_dead(
    ledger: Ledger, source: str, hour: str | None = None, reason: str | None = None, *, lease_seconds: float = 120
) -> Requeued:
    """Makes dead batches of a source open again and takes their dead letters back, a transaction a part.

    Args:
        ledger: knows both.
        source: whose.
        hour: of this hour only; None: all.
        reason: only dead letters with this reason, such as ``refused``; None: all.
        lease_seconds: life of the parts' leases between renewals.
    """
    with ledger.read() as connection:
        dead = count_dead_letters(connection, source, hour, reason)
        part_ids = parts_with_dead_batches(connection, source, hour, reason)
    batches = rows = busy = 0
    owner = worker_name()
    for part_id in part_ids:
        with hold_lease(ledger, delivery_lease(part_id), owner, lease_seconds) as held:
            if held is None:
                busy += 1
                continue
            try:
                with ledger.write() as connection:
                    some = requeue_dead_batches(connection, held, part_id, reason=reason, now=ledger.now())
            except LeaseLostError:
                busy += 1
                continue
        batches, rows = batches + some[0], rows + some[1]
    hours = sorted({entry.hour for entry in dead if entry.rows > entry.lone_rows})
    return Requeued(batches, rows, busy, sum(entry.lone_rows for entry in dead), hours)
