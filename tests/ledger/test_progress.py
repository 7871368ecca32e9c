"""Progress from the ledger, on both databases: no gap is jumped, nothing waiting is overlooked."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from s3sentinel_assets.hours import hour_end, hour_key, hour_start
from s3sentinel_assets.ledger.engine import to_micros
from s3sentinel_assets.ledger.schema import batch, hour, objects, part, proof, stage
from s3sentinel_assets.pipeline.progress import delivery_progress, hourly_figures

NOW = datetime(2026, 11, 20, 10, 20, tzinfo=UTC)
SOURCE = "cloudtrail"


def key(number: int) -> str:
    return hour_key(datetime(2026, 11, 20, tzinfo=UTC) + timedelta(hours=number))


class World:
    """Hours in any condition, written straight into the ledger."""

    def __init__(self, ledger):
        self.ledger = ledger
        self.runtime = SimpleNamespace(
            ledger=ledger,
            config=SimpleNamespace(start=datetime(2026, 11, 20, tzinfo=UTC), grace=timedelta(minutes=15)),
            source=lambda name: SimpleNamespace(late_after_hours=2.0),
        )

    def add(self, table, **values):
        with self.ledger.write() as connection:
            return connection.execute(sa.insert(table).values(**values)).inserted_primary_key[0]

    def object(self, number, *, part_id=None, found=None, rows=10, source=SOURCE):
        at = to_micros(hour_start(key(number)) + timedelta(minutes=30))
        self.add(
            objects,
            source=source,
            bucket="b",
            key=f"{number}-{part_id}-{found}",
            version="1",
            etag="1",
            size=1,
            last_modified=at,
            hour=key(number),
            discovered_at=to_micros(found) if found else at,
            late=False,
            part_id=part_id,
            state="read" if part_id else "listed",
            records=rows if part_id else None,
            rows=rows if part_id else None,
        )

    def seal(self, number, source=SOURCE):
        sealed_at = to_micros(hour_end(key(number)) + timedelta(minutes=15))
        self.add(hour, source=source, hour=key(number), state="sealed", sealed_at=sealed_at)

    def part(self, number, *, made=None, state="accepted", planned=True, source=SOURCE):
        at = to_micros(made or hour_start(key(number)) + timedelta(minutes=31))
        made_part = self.add(part, source=source, hour=key(number), created_at=at, late=False, objects=1, bytes=1)
        self.object(number, part_id=made_part, found=made, source=source)
        if planned:
            planned_stage = self.add(
                stage,
                part_id=made_part,
                stage="planned",
                generation=1,
                code_version="1",
                files=[],
                counts={},
                seconds=1.0,
                committed_at=at,
            )
            self.add(
                batch,
                id=f"{source}-{made_part}",
                part_id=made_part,
                stage_id=planned_stage,
                dcr_id="d",
                stream="s",
                table_name="T",
                position=0,
                row_start=0,
                row_end=10,
                uri="u",
                offset=0,
                length=1,
                raw_bytes=1,
                sha256="x",
                state=state,
                attempt=1,
                tries=1,
                planned_at=at,
                settled_at=at if state in ("accepted", "dead") else None,
            )

    def prove(self, number, *, agrees=True, made=None, source=SOURCE):
        made = made or hour_end(key(number))
        counts = dict.fromkeys(
            ("objects", "records", "accepted", "pending", "unknown", "dead", "quarantined", "filtered"), 0
        )
        self.add(
            proof,
            source=source,
            hour=key(number),
            made_at=to_micros(made),
            sealed=True,
            found=10,
            agrees=agrees,
            verdict="complete",
            **counts,
        )

    def done(self, *numbers, source=SOURCE):
        for number in numbers:
            self.part(number, source=source)
            self.prove(number, source=source)
            self.seal(number, source=source)

    def progress(self, now=NOW):
        return delivery_progress(self.runtime, SOURCE, now)


@pytest.fixture
def world(ledger):
    return World(ledger)


def test_a_source_without_objects(world):
    seen = world.progress()
    assert (seen.through, seen.oldest_waiting, seen.waits_for, seen.newest_object) == (None, None, "", None)
    assert (seen.hours_behind, seen.waiting_hours, seen.longest_wait_hours, seen.silent_hours) == (0, 0, 0, 0)


def test_all_done_up_to_the_present_hour(world):
    world.done(*range(10))
    seen = world.progress()
    assert (seen.through, seen.oldest_waiting, seen.waiting_hours, seen.waits_for) == (key(9), None, 0, "")
    assert seen.hours_behind == 0.33
    assert (seen.longest_wait_hours, seen.silent_hours) == (0, 0.83)


def test_an_hour_without_objects_counts_once_it_is_sealed(world):
    world.done(5, 6, 8)
    world.seal(9)
    assert world.progress().through == key(6)
    world.seal(7)
    assert world.progress().through == key(9)


def test_a_gap_holds_whatever_is_done_behind_it(world):
    world.done(2, 3, 7, 8, 9)
    seen = world.progress()
    assert (seen.through, seen.oldest_waiting, seen.waiting_hours) == (key(3), key(4), 3)
    assert seen.hours_behind == seen.longest_wait_hours + 1 == 6.33
    assert "materialise entity_state" in seen.waits_for
    world.done(5)  # an old hour, brought up to date now
    seen = world.progress()
    assert (seen.through, seen.waiting_hours) == (key(3), 2)


def test_the_hour_that_has_just_closed_waits_for_its_seal(world):
    world.done(*range(9))
    world.part(9)
    world.prove(9)
    seen = world.progress(datetime(2026, 11, 20, 10, 5, tzinfo=UTC))
    assert (seen.through, seen.oldest_waiting) == (key(8), key(9))
    assert seen.waits_for == "the hour can be sealed from 10:15 UTC on"
    assert (seen.hours_behind, seen.longest_wait_hours) == (1.08, 0.08)


def test_a_late_object_reopens_its_hour_and_waits_since_it_was_found(world):
    world.done(*range(10))
    world.object(3, found=NOW - timedelta(minutes=30))
    seen = world.progress()
    assert (seen.through, seen.waiting_objects, seen.waiting_hours) == (key(2), 1, 1)
    assert seen.waits_for == "1 objects are listed and not delivered"
    assert (seen.hours_behind, seen.longest_wait_hours) == (7.33, 0.5)


@pytest.mark.parametrize(
    ("what", "events", "unknown", "words"),
    [
        ({"planned": False}, 10, 0, "1 objects are listed and not delivered"),
        ({"state": "retry"}, 10, 0, "10 events are read and not accepted by the workspace yet"),
        ({"state": "unknown"}, 10, 10, "the outcome of 10 events is unknown; the hourly sweep asks the workspace"),
        ({"state": "accepted"}, 0, 0, "the workspace has not shown every row it accepted; the hourly sweep asks again"),
    ],
)
def test_what_a_late_part_waits_for(world, what, events, unknown, words):
    world.done(*range(10))
    world.part(3, made=NOW - timedelta(hours=1), **what)
    seen = world.progress()
    assert (seen.through, seen.waits_for, seen.waiting_events, seen.unknown_events) == (key(2), words, events, unknown)
    assert seen.longest_wait_hours == 1


def test_rows_refused_for_good_do_not_hold_it_up(world):
    world.done(*range(10))
    world.part(9, state="dead")
    world.part(9, state="superseded")
    assert world.progress().through == key(9)


def test_only_the_newest_proof_counts(world):
    world.done(*range(10))
    world.prove(4, agrees=False)
    assert world.progress().through == key(3)
    world.prove(4, agrees=True)
    assert world.progress().through == key(9)


def test_work_in_the_present_hour_is_counted_and_holds_up_nothing(world):
    world.done(*range(10))
    world.object(10)
    seen = world.progress()
    assert (seen.through, seen.waiting_objects, seen.waiting_hours) == (key(9), 1, 0)


def test_another_source_does_not_matter(world):
    world.done(*range(10))
    world.object(3, source="vpc_flow")
    world.part(4, planned=False, source="vpc_flow")
    world.part(5, state="retry", source="vpc_flow")
    assert world.progress().through == key(9)
    assert world.progress().waiting_objects == world.progress().waiting_events == 0


def test_figures_for_charts(world):
    world.done(1, 2, 4)
    world.part(2, state="retry")
    world.done(2, source="vpc_flow")
    assert hourly_figures(world.runtime, SOURCE, "records", key(1), key(3)) == {key(1): 10, key(2): 20}
    assert hourly_figures(world.runtime, SOURCE, "accepted", key(2), key(9)) == {key(2): 10, key(4): 10}
