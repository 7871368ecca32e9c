"""Shapes in the ledger: kept with their part, read with and without samples, forgotten."""

import sqlalchemy as sa

from s3sentinel_assets.ledger.records import records_of_objects
from s3sentinel_assets.ledger.schema import objects, part, quarantine, shape, stage
from s3sentinel_assets.ledger.shapes import (
    KEPT_DAYS,
    Shape,
    Sighting,
    newest_between,
    record_shapes,
    shapes_between,
    shapes_of_hour,
)

HOUR, NEXT = "2026-11-20-10:00", "2026-11-20-11:00"
DAY = 86_400_000_000


def a_part(connection, hour=HOUR, source="s"):
    values = {"source": source, "hour": hour, "created_at": 0, "late": False, "objects": 1, "bytes": 1}
    return connection.execute(sa.insert(part).values(values).returning(part.c.id)).scalar_one()


def keep(ledger, shapes, *, hour=HOUR, source="s", now=100 * DAY, part_id=None):
    with ledger.write() as connection:
        part_id = part_id or a_part(connection, hour, source)
        record_shapes(connection, part_id=part_id, source=source, hour=hour, shapes=shapes, now=now)
    return part_id


def of_hour(ledger, hour=HOUR, source="s"):
    with ledger.read() as connection:
        return shapes_of_hour(connection, source, hour)


def test_a_shape_comes_back_as_it_was_and_without_samples_for_comparing(ledger):
    odd = {"a\0é": Sighting(3, '"\\ud800"\0', "e1"), "b": Sighting(1, "x" * 200, "e2")}
    first = Shape("f", "T", 9, {"x": 9}, odd, {"bad_x": Sighting(2, "y", "e3")}, estimated=True, crowded=True)
    second, other = Shape("g", "U", 1), Shape("f", "T", 5, {"x": 1})
    keep(ledger, [first, second])
    keep(ledger, [other], hour=NEXT)
    keep(ledger, [other], source="else")
    assert of_hour(ledger) == [first, second]
    with ledger.read() as connection:
        found = list(shapes_between(connection, "s", HOUR, NEXT))
        assert list(shapes_between(connection, "s", NEXT, NEXT)) == [(NEXT, other)]
        assert newest_between(connection, "s", HOUR, NEXT) == (3, 100 * DAY)
        assert newest_between(connection, "nobody", HOUR, NEXT) == (0, 0)
    assert [(hour, entry.rows) for hour, entry in found] == [(HOUR, 9), (HOUR, 1), (NEXT, 5)]
    assert found[0][1].fields == {"a\0é": Sighting(3), "b": Sighting(1)}


def test_a_part_parsed_again_replaces_its_shapes(ledger):
    number = keep(ledger, [Shape("f", "T", 9), Shape("f", "U", 1)])
    keep(ledger, [Shape("f", "T", 8)], part_id=number)
    assert of_hour(ledger) == [Shape("f", "T", 8)]
    keep(ledger, [], part_id=number)
    assert of_hour(ledger) == []


def test_old_shapes_of_the_source_are_forgotten_whatever_hour_they_are_of(ledger):
    old = Shape("f", "T", 1)
    keep(ledger, [old], hour=NEXT, now=0)
    keep(ledger, [old], hour=NEXT, source="else", now=0)
    keep(ledger, [old], hour="2020-01-01-00:00", now=KEPT_DAYS * DAY)
    assert of_hour(ledger, NEXT) == [old]
    keep(ledger, [], now=KEPT_DAYS * DAY + 1)
    assert of_hour(ledger, NEXT) == []
    assert of_hour(ledger, "2020-01-01-00:00") == of_hour(ledger, NEXT, "else") == [old]
    with ledger.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(shape)).scalar_one() == 2


def test_the_records_of_each_object_with_what_its_quarantine_entries_say(ledger):
    with ledger.write() as connection:
        part_id = a_part(connection)
        made = {"part_id": part_id, "stage": "parsed", "generation": 1, "code_version": "1", "files": [], "counts": {}}
        stage_id = connection.execute(
            sa.insert(stage).values(**made, seconds=1, committed_at=0).returning(stage.c.id)
        ).scalar_one()
        common = {"source": "s", "bucket": "b", "etag": "e", "size": 1, "last_modified": 0, "hour": HOUR}
        common |= {"discovered_at": 0, "state": "read", "version": "v"}
        numbers = {"records": 9, "rows": 5, "quarantined": 3, "filtered": 1}
        insert = sa.insert(objects).returning(objects.c.id)
        read = connection.execute(
            insert.values(**common, key="read", part_id=part_id, position=1, **numbers)
        ).scalar_one()
        new = connection.execute(insert.values(**common, key="new", part_id=part_id, position=0)).scalar_one()
        connection.execute(sa.insert(objects).values(**common, key="waits"))
        entry = {"source": "s", "hour": HOUR, "part_id": part_id, "stage_id": stage_id, "object_id": read}
        entry |= {"reason": "r", "first_position": 0, "created_at": 0}
        for records, retried_by in ((1, None), (2, new)):
            connection.execute(sa.insert(quarantine).values(**entry, records=records, retried_by=retried_by))
    with ledger.read() as connection:
        first, second = records_of_objects(connection, "s", HOUR)
    assert (first.key, first.object_id, first.part_id, first.records, first.rows) == ("new", new, part_id, None, 0)
    assert (second.key, second.records, second.rows, second.quarantined, second.filtered) == ("read", 9, 5, 3, 1)
    assert (second.rejected, second.retried) == (3, 2)
