"""Shapes: what the rows of a part looked like, so that an hour can be compared with the hours before it.

Belongs here: keeping shapes, reading those of an hour and of a stretch of hours, forgetting old ones. Does not belong
here: measuring frames (`pipeline.shape`), saying what is unusual (`pipeline.shape_changes`).

A shape is a by-product: no promise rests on it, so it may be forgotten. Values in it are counts and short samples.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from s3sentinel_assets.ledger.schema import shape

__all__ = ["KEPT_DAYS", "Shape", "Sighting", "newest_between", "record_shapes", "shapes_between", "shapes_of_hour"]

#: Shapes are forgotten so long after they were recorded, whatever hour they are of.
KEPT_DAYS = 60
_DAY = 86_400_000_000


@dataclass(frozen=True)
class Sighting:
    """How often something was seen, and one example.

    Attributes:
        records: rows that have it.
        sample: a value, at most 200 characters; empty where only counts are read.
        event_id: of the row that the sample is from.
    """

    records: int
    sample: str = ""
    event_id: str = ""


@dataclass(frozen=True)
class Shape:
    """What rows of one format in one table looked like.

    Attributes:
        format: the log format.
        table: the Sentinel table.
        rows: how many.
        filled: column → rows with a value in it; columns without any are left out.
        fields: unknown field → where it was seen: the keys of ``ExtraFields_CF``.
        drift: what did not fit its column (``drift:<field>``, ``bad_<column>``, ``<column>_overflow``) → the same.
        estimated: ``fields`` and ``drift`` were counted on evenly spread rows, and reckoned up.
        crowded: there were more unknown fields than are kept; the most frequent ones are.
    """

    format: str
    table: str
    rows: int
    filled: dict[str, int] = field(default_factory=dict)
    fields: dict[str, Sighting] = field(default_factory=dict)
    drift: dict[str, Sighting] = field(default_factory=dict)
    estimated: bool = False
    crowded: bool = False


def record_shapes(
    connection: Connection, *, part_id: int, source: str, hour: str, shapes: Iterable[Shape], now: int
) -> None:
    """Keeps a part's shapes in place of those it had, in the transaction that commits its stage; forgets old ones.

    Args:
        connection: of that transaction.
        part_id: the part.
        source: its source.
        hour: its hour.
        shapes: one for each format and table.
        now: the present, microseconds.
    """
    connection.execute(sa.delete(shape).where(shape.c.part_id == part_id))
    connection.execute(sa.delete(shape).where(shape.c.source == source, shape.c.recorded_at < now - KEPT_DAYS * _DAY))
    rows = [
        {
            "part_id": part_id,
            "source": source,
            "hour": hour,
            "format": entry.format,
            "table_name": entry.table,
            "rows": entry.rows,
            "filled": entry.filled,
            "fields": {name: seen.records for name, seen in entry.fields.items()},
            "drift": {name: seen.records for name, seen in entry.drift.items()},
            "samples": {
                kind: {name: [seen.sample, seen.event_id] for name, seen in sightings.items()}
                for kind, sightings in (("fields", entry.fields), ("drift", entry.drift))
            },
            "estimated": entry.estimated,
            "crowded": entry.crowded,
            "recorded_at": now,
        }
        for entry in shapes
    ]
    if rows:
        connection.execute(sa.insert(shape), rows)


def shapes_of_hour(connection: Connection, source: str, hour: str) -> list[Shape]:
    """The shapes of the hour's parts, in ledger order, with their samples."""
    rows = connection.execute(
        sa.select(shape)
        .where(shape.c.source == source, shape.c.hour == hour)
        .order_by(shape.c.part_id, shape.c.format, shape.c.table_name)
    )
    return [_shape(row, row.samples) for row in rows]


def shapes_between(connection: Connection, source: str, first: str, last: str) -> Iterator[tuple[str, Shape]]:
    """(hour, shape of one of its parts) for the hours from ``first`` to ``last``, both included, without samples."""
    columns = [column for column in shape.c if column is not shape.c.samples]
    rows = connection.execute(
        sa.select(*columns)
        .where(shape.c.source == source, shape.c.hour >= first, shape.c.hour <= last)
        .order_by(shape.c.hour, shape.c.part_id)
    )
    for row in rows:
        yield row.hour, _shape(row, {})


def newest_between(connection: Connection, source: str, first: str, last: str) -> tuple[int, int]:
    """How many shapes `shapes_between` gives, and when the newest one was recorded: equal answers, equal shapes."""
    row = connection.execute(
        sa.select(sa.func.count(), sa.func.max(shape.c.recorded_at)).where(
            shape.c.source == source, shape.c.hour >= first, shape.c.hour <= last
        )
    ).one()
    return row[0], row[1] or 0


def _shape(row: sa.Row[Any], samples: dict[str, dict[str, list[str]]]) -> Shape:
    def sightings(kind: str, counts: dict[str, int]) -> dict[str, Sighting]:
        of = samples.get(kind, {})
        return {name: Sighting(records, *of.get(name, ())) for name, records in counts.items()}

    return Shape(
        format=row.format,
        table=row.table_name,
        rows=row.rows,
        filled=row.filled,
        fields=sightings("fields", row.fields),
        drift=sightings("drift", row.drift),
        estimated=row.estimated,
        crowded=row.crowded,
    )
