"""What the ledger says became of the records of each object of an hour.

Belongs here: reading it, object by object. Does not belong here: what became of the rows in the workspace
(`ledger.accounts`), comparing it with the stage files (`pipeline.parsed_reports`).
"""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from s3sentinel_assets.ledger.schema import objects, quarantine

__all__ = ["ObjectRecords", "records_of_objects"]


@dataclass(frozen=True)
class ObjectRecords:
    """The records of one object that is in a part.

    Attributes:
        object_id: the ledger's id.
        part_id: its part.
        key: S3 key.
        records: read from it; None: it has not been settled.
        rows: of these, in the stage files.
        quarantined: of these, rejected.
        filtered: of these, left out by a named rule.
        rejected: records of its quarantine entries.
        retried: of these, taken up again by another row, whose records they are then.
    """

    object_id: int
    part_id: int
    key: str
    records: int | None
    rows: int
    quarantined: int
    filtered: int
    rejected: int
    retried: int


def records_of_objects(connection: Connection, source: str, hour: str) -> list[ObjectRecords]:
    """The hour's objects that are in a part, in the order in which they were read."""
    of_hour = (objects.c.source == source, objects.c.hour == hour, objects.c.part_id.is_not(None))
    taken_up = sa.case((quarantine.c.retried_by.is_not(None), quarantine.c.records), else_=0)
    entries = {
        row[0]: (int(row[1]), int(row[2]))
        for row in connection.execute(
            sa.select(quarantine.c.object_id, sa.func.sum(quarantine.c.records), sa.func.sum(taken_up))
            .join(objects, objects.c.id == quarantine.c.object_id)
            .where(*of_hour)
            .group_by(quarantine.c.object_id)
        )
    }
    columns = ("id", "part_id", "key", "records", "rows", "quarantined", "filtered")
    rows = connection.execute(
        sa.select(*(objects.c[name] for name in columns))
        .where(*of_hour)
        .order_by(objects.c.part_id, objects.c.position)
    )
    return [
        ObjectRecords(
            row.id,
            row.part_id,
            row.key,
            row.records,
            row.rows or 0,
            row.quarantined or 0,
            row.filtered or 0,
            *entries.get(row.id, (0, 0)),
        )
        for row in rows
    ]
