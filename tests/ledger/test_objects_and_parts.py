"""Objects are recorded once, parts are assigned once, whoever tries and however often."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from s3sentinel_assets.ledger.engine import Ledger
from s3sentinel_assets.ledger.hours import first_hour, is_sealed, listed_at, mark_listed, seal, sealed_hours
from s3sentinel_assets.ledger.objects import SeenObject, objects_of_part
from s3sentinel_assets.ledger.parts import assign_parts, parts_of_hour
from s3sentinel_assets.ledger.schema import hour, objects
from s3sentinel_assets.ledger.seen import record_seen

HOUR = "2026-11-20-10:00"
START = datetime(2026, 11, 20, 10, tzinfo=UTC)


@pytest.fixture
def ledger(ledger_url: str):
    opened = Ledger(ledger_url)
    yield opened
    opened.close()


def seen(number: int, *, minute: int = 0, size: int = 100, etag: str = "e") -> SeenObject:
    return SeenObject("logs", f"k/{number:04}", etag, etag, size, START + timedelta(minutes=minute))


def test_an_object_is_recorded_once_and_a_new_version_is_a_new_object(ledger):
    first, again = (record_seen(ledger, "s", [seen(1), seen(2)]) for _ in range(2))
    assert (first.new, first.new_bytes, first.touched) == (2, 200, {HOUR})
    assert (again.new, again.new_bytes, again.touched) == (0, 0, set())
    assert record_seen(ledger, "s", [seen(1, etag="other")]).new == 1
    assert record_seen(ledger, "another source", [seen(1)]).new == 1
    assert record_seen(ledger, "s", [seen(7), seen(7)]).new == 1


def test_two_objects_of_one_second_are_both_recorded(ledger):
    assert record_seen(ledger, "s", [seen(1, minute=5), seen(2, minute=5)]).new == 2


def test_more_objects_than_one_chunk_are_all_recorded(ledger):
    assert record_seen(ledger, "s", (seen(number) for number in range(1_001))).new == 1_001
    assert record_seen(ledger, "s", (seen(number) for number in range(1_003))).new == 2


def test_parts_keep_the_limits_and_the_order_of_arrival(ledger):
    record_seen(ledger, "s", [seen(3, minute=1, size=60), seen(1, minute=2, size=60), seen(2, minute=3, size=500)])
    created = assign_parts(ledger, "s", HOUR, max_bytes=120, max_objects=10)
    with ledger.read() as connection:
        keys = [[entry.key for entry in objects_of_part(connection, part)] for part in created]
    assert keys == [["k/0003", "k/0001"], ["k/0002"]]


def test_membership_never_changes_and_new_objects_make_a_new_part(ledger):
    record_seen(ledger, "s", [seen(1)])
    first = assign_parts(ledger, "s", HOUR, max_bytes=1_000, max_objects=10)
    assert assign_parts(ledger, "s", HOUR, max_bytes=1_000, max_objects=10) == []
    record_seen(ledger, "s", [seen(0)])
    second = assign_parts(ledger, "s", HOUR, max_bytes=1_000, max_objects=10)
    with ledger.read() as connection:
        assert [entry.key for entry in objects_of_part(connection, first[0])] == ["k/0001"]
        assert [entry.key for entry in objects_of_part(connection, second[0])] == ["k/0000"]
        assert [part.id for part in parts_of_hour(connection, "s", HOUR)] == [*first, *second]


def test_workers_that_assign_at_once_put_each_object_into_one_part(ledger):
    record_seen(ledger, "s", (seen(number) for number in range(50)))
    created: list[list[int]] = []
    threads = [
        threading.Thread(target=lambda: created.append(assign_parts(ledger, "s", HOUR, max_bytes=700, max_objects=10)))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with ledger.read() as connection:
        members = [
            entry.id for part in parts_of_hour(connection, "s", HOUR) for entry in objects_of_part(connection, part.id)
        ]
    assert len(members) == len(set(members)) == 50
    assert sum(map(len, created)) == len(parts_of_hour_ids(ledger))


def parts_of_hour_ids(ledger: Ledger) -> list[int]:
    with ledger.read() as connection:
        return [part.id for part in parts_of_hour(connection, "s", HOUR)]


def test_an_object_that_turns_up_after_the_seal_is_late_and_so_is_its_part(ledger):
    record_seen(ledger, "s", [seen(1)])
    assign_parts(ledger, "s", HOUR, max_bytes=1_000, max_objects=10)
    assert seal(ledger, "s", HOUR)
    assert not seal(ledger, "s", HOUR)
    record_seen(ledger, "s", [seen(2)])
    assign_parts(ledger, "s", HOUR, max_bytes=1_000, max_objects=10)
    with ledger.read() as connection:
        assert [part.late for part in parts_of_hour(connection, "s", HOUR)] == [False, True]
        late = connection.execute(sa.select(objects.c.key).where(objects.c.late)).scalars().all()
        sealed = connection.execute(sa.select(hour.c.sealed_objects, hour.c.sealed_digest)).one()
        assert is_sealed(connection, "s", HOUR)
        assert sealed_hours(connection, "s") == {HOUR}
    assert late == ["k/0002"]
    assert sealed.sealed_objects == 1
    assert len(sealed.sealed_digest) == 64


def test_the_watermark_of_an_hour_only_moves_forward(ledger):
    mark_listed(ledger, "s", [HOUR], 200)
    mark_listed(ledger, "s", [HOUR], 100)
    with ledger.read() as connection:
        assert listed_at(connection, "s", HOUR) == 200
        assert first_hour(connection, "s") is None


def test_a_filter_takes_its_objects_and_the_others_go_on_waiting(ledger):
    record_seen(ledger, "s", [seen(1), seen(2)])
    (part,) = assign_parts(ledger, "s", HOUR, max_bytes=1_000, max_objects=10, keys=lambda key: key.endswith("2"))
    (other,) = assign_parts(ledger, "s", HOUR, max_bytes=1_000, max_objects=10)
    with ledger.read() as connection:
        assert [entry.key for entry in objects_of_part(connection, part)] == ["k/0002"]
        assert [entry.key for entry in objects_of_part(connection, other)] == ["k/0001"]
