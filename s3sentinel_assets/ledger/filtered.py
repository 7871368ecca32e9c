"""What routing rules left out of the plans: rows that go nowhere, by the rule that says so.

Belongs here: adding up what plans tell. Does not belong here: the rules (``sentinel.routing``) or the account
(``accounts``).
"""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from s3sentinel_assets.ledger.schema import Stage, part, stage

__all__ = ["Filtered", "filtered_by_rules"]


@dataclass
class Filtered:
    """What one routing rule left out. ``bytes``: uncompressed, as they would have been sent; None: not known."""

    rows: int = 0
    bytes: int | None = 0

    def add(self, rows: int, size: int | None) -> None:
        """Adds what it left out of another part."""
        self.rows += rows
        self.bytes = None if self.bytes is None or size is None else self.bytes + size


def filtered_by_rules(connection: Connection, source: str, first: str, last: str) -> dict[str, dict[str, Filtered]]:
    """What routing rules left out of the plans of the hours from ``first`` to ``last``: hour → rule → how much.

    The newest plan of each part counts. It tells in its counts ``filtered``: rule → rows, and may tell
    ``filtered_bytes``: rule → uncompressed bytes of these rows.
    """
    newest = (
        sa.select(stage.c.part_id, sa.func.max(stage.c.generation).label("generation"))
        .join(part, part.c.id == stage.c.part_id)
        .where(part.c.source == source, part.c.hour.between(first, last), stage.c.stage == Stage.PLANNED.value)
        .group_by(stage.c.part_id)
        .subquery()
    )
    plans = connection.execute(
        sa.select(part.c.hour, stage.c.counts)
        .join(stage, stage.c.part_id == part.c.id)
        .join(newest, sa.and_(newest.c.part_id == stage.c.part_id, newest.c.generation == stage.c.generation))
        .where(stage.c.stage == Stage.PLANNED.value)
    )
    found: dict[str, dict[str, Filtered]] = {}
    for hour, counts in plans:
        sizes = counts.get("filtered_bytes") or {}
        for rule, rows in (counts.get("filtered") or {}).items():
            found.setdefault(hour, {}).setdefault(rule, Filtered()).add(rows, sizes.get(rule))
    return found
