"""Promoting an hour: demoted rows of its parts go to their own table, too.

Belongs here: which parts, under which lease. Does not belong here: choosing rows (``sentinel.promotion``), sending them
(``delivery``: the caller runs it).
"""

from collections.abc import Collection
from dataclasses import dataclass, field

from s3sentinel_assets.ledger.batches import Batch, delivery_lease
from s3sentinel_assets.ledger.leases import Lease, hold_lease
from s3sentinel_assets.ledger.parts import Part, parts_of_hour
from s3sentinel_assets.ledger.promotions import demoted_batches, promoted_batches, record_promotion
from s3sentinel_assets.pipeline.runtime import Runtime

__all__ = ["Promoted", "promote_hour"]


@dataclass
class Promoted:
    """What was promoted of one hour.

    Attributes:
        rows: table → rows.
        batches: made for them.
        demoted: rows that rules sent to a cheaper table, promoted or not.
        busy_parts: parts another worker is sending; nothing of theirs was promoted.
    """

    rows: dict[str, int] = field(default_factory=dict[str, int])
    batches: int = 0
    demoted: int = 0
    busy_parts: int = 0


def promote_hour(
    runtime: Runtime,
    source: str,
    hour: str,
    *,
    where: str | None = None,
    rule: str | None = None,
    requested_by: str,
    dry_run: bool = False,
    event_ids: Collection[str] | None = None,
    told: str | None = None,
) -> Promoted:
    """Plans demoted rows of an hour for their own tables; `delivery.deliver_hour` sends them.

    Args:
        runtime: connections.
        source: the source's name.
        hour: the hour.
        where: which rows, an SQL expression over the table's columns; None: all.
        rule: only rows that this routing rule demoted.
        requested_by: who says so.
        dry_run: only count.
        event_ids: of these, only rows with one of these ids; None: all.
        told: what the ledger keeps as the condition; None: ``where``.

    Raises:
        UserError: a stage file is missing or damaged, or ``where`` is no condition.
    """
    made = Promoted()
    with runtime.ledger.read() as connection:
        parts = parts_of_hour(connection, source, hour)
    for part in parts:
        seconds = runtime.config.limits.lease_seconds
        with hold_lease(runtime.ledger, delivery_lease(part.id), runtime.worker, seconds) as held:
            if held is None:
                made.busy_parts += 1
                continue
            _promote_part(runtime, part, held, _Order(where, rule, requested_by, dry_run, event_ids, told), made)
    return made


@dataclass(frozen=True)
class _Order:
    """What `promote_hour` was asked."""

    where: str | None
    rule: str | None
    requested_by: str
    dry_run: bool
    event_ids: Collection[str] | None
    told: str | None


def _promote_part(runtime: Runtime, part: Part, held: Lease, order: _Order, made: Promoted) -> None:
    from s3sentinel_assets.sentinel.promotion import make_promoted, rows_to_promote

    with runtime.ledger.read() as connection:
        demoted = demoted_batches(connection, part.id, order.rule)
        before = promoted_batches(connection, part.id)
    made.demoted += sum(batch.rows for batch in demoted)
    for home, batches in _by_home(runtime, part.source, demoted).items():
        destination = runtime.source(part.source).destination_for(home)
        mine = [batch for batch in before if batch.table_name == home]
        tails = rows_to_promote(runtime.store, batches, mine, order.where, order.event_ids)
        if not tails:
            continue
        made.rows[home] = made.rows.get(home, 0) + len(tails)
        if order.dry_run:
            continue
        planned = make_promoted(runtime.store, batches, tails, destination, runtime.config.sentinel)
        made.batches += len(planned)
        with runtime.ledger.write() as connection:
            record_promotion(
                connection,
                held,
                part.id,
                batches[0].stage_id,
                planned,
                condition=order.told or order.where,
                requested_by=order.requested_by,
                now=runtime.ledger.now(),
            )


def _by_home(runtime: Runtime, source: str, batches: list[Batch]) -> dict[str, list[Batch]]:
    """Twins' batches by the table that they are twins of; rows in other tables have nowhere better to go."""
    from s3sentinel_assets.tables.tiers import base_of

    own = runtime.source(source).tables
    found: dict[str, list[Batch]] = {}
    for batch in batches:
        home = next((name for name in base_of(batch.table_name) if name in own), None)
        if home is not None:
            found.setdefault(home, []).append(batch)
    return found
