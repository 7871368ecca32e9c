"""Quarantine: what could not be parsed, kept with reason and position.

One row here stands for all rejects of one object with one reason; the stage file it names holds each of them.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from s3sentinel_assets.ledger.schema import ObjectState, objects, quarantine

__all__ = ["QuarantineEntry", "quarantine_of_hour", "record_quarantine"]


@dataclass(frozen=True)
class QuarantineEntry:
    """Rejects of one object with one reason; ``records`` is 0 where the object itself could not be had."""

    source: str
    hour: str
    part_id: int
    object_id: int
    reason: str
    records: int
    first_position: int
    detail: str | None
    sample: str | None
    uri: str | None


def record_quarantine(connection: Connection, stage_id: int, entries: Iterable[QuarantineEntry], now: int) -> None:
    """Records entries in the transaction that commits their stage."""
    rows: list[dict[str, Any]] = [asdict(entry) | {"stage_id": stage_id, "created_at": now} for entry in entries]
    if rows:
        connection.execute(sa.insert(quarantine), rows)


def quarantine_of_hour(connection: Connection, source: str, hour: str) -> list[tuple[str, str, int, str | None]]:
    """(object key, reason, records, detail) of the hour's quarantine, in order."""
    rows = connection.execute(
        sa.select(objects.c.key, quarantine.c.reason, quarantine.c.records, quarantine.c.detail)
        .join(objects, objects.c.id == quarantine.c.object_id)
        .where(
            quarantine.c.source == source,
            quarantine.c.hour == hour,
            objects.c.state != ObjectState.RETRIED.value,  # its later try speaks for it
        )
        .order_by(quarantine.c.id)
    )
    return [(row.key, row.reason, row.records, row.detail) for row in rows]
