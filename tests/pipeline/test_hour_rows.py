"""Rows about an hour: sent once, counted nowhere as events, closed again after late parts, never lost."""

import json
import sys
from datetime import timedelta
from types import ModuleType, SimpleNamespace

import polars as pl
import pytest
import sqlalchemy as sa
from isal import igzip

from s3sentinel_assets.config import SentinelSettings, SourceSettings
from s3sentinel_assets.hours import shift_hour
from s3sentinel_assets.ledger.accounts import accepted_batches, account_of_hour
from s3sentinel_assets.ledger.batches import delivery_lease
from s3sentinel_assets.ledger.hours import mark_listed, seal
from s3sentinel_assets.ledger.leases import take_lease
from s3sentinel_assets.ledger.progress import accepted_by_hour
from s3sentinel_assets.ledger.schema import BatchKind, BatchState, Stage, batch
from s3sentinel_assets.ledger.stages import StageFile, commit_stage, latest_stage
from s3sentinel_assets.ledger.volumes import accepted_volumes
from s3sentinel_assets.ml.priority.entity_hours import ENTITY_HOUR_SCHEMA, advance
from s3sentinel_assets.pipeline import hour_rows
from s3sentinel_assets.sentinel.plan import plan_part
from tests.sentinel.frames import START, cloudtrail, scores_frame
from tests.sentinel.worlds import HOUR, World

SOURCE = "cloudtrail"
SETTINGS = SentinelSettings(ingestion_endpoint="https://x", workspace_id="w", dcr_id="dcr-1", max_batch_bytes=10_000)
KIND = BatchKind.ENTITY_HOURS


def roll_up(principal, revision=1, *, final=False, events=10, **more):
    return {
        "TimeGenerated": START + timedelta(minutes=revision),
        "HourStart": START,
        "SourceName": SOURCE,
        "SourceTable": "AWSCloudTrail",
        "AccountId": "111122223333",
        "Principal": principal,
        "Revision": revision,
        "Final": final,
        "Priority": "high",
        "AnomalyScore": 14.25,
        "Events": events,
        "EventIds": json.dumps(["e1", "e2"]),
        "EventId_CF": f"{principal}-{revision}",
        **more,
    }


def frame(*rows):
    return pl.DataFrame(list(rows), schema_overrides={"Revision": pl.Int32, "Events": pl.Int32})


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    yield made
    made.ledger.close()


@pytest.fixture
def runtime(world):
    source = SourceSettings(name=SOURCE, bucket="bucket", prefix="x/", format="cloudtrail")
    config = SimpleNamespace(sentinel=SETTINGS, limits=SimpleNamespace(lease_seconds=30))
    return SimpleNamespace(
        ledger=world.ledger, store=world.store, worker="me", config=config, source=lambda _name: source
    )


@pytest.fixture
def closings(monkeypatch):
    """Closing rows are those of the roll-up, a revision on."""
    module = ModuleType("entity_hours")
    module.closing = lambda standing: standing.with_columns(
        Final=pl.lit(value=True),
        Revision=pl.col("Revision") + 1,
        EventId_CF=pl.format("{}-{}", "Principal", pl.col("Revision") + 1),
    )
    monkeypatch.setitem(sys.modules, "s3sentinel_assets.ml.priority.entity_hours", module)


def scored(world, part_id, standing=None, rolled=None, rows=20):
    """Commits a part's stages up to its scores, with these roll-ups."""
    parsed = world.stage(part_id, Stage.PARSED, [cloudtrail(rows, part_id)], "rows", "AWSCloudTrail")
    frames = {"scores": scores_frame(rows), KIND.value: rolled, "standing_hours": standing}
    files = []
    for kind, each in frames.items():
        if each is None:
            continue
        with world.store.create(f"{SOURCE}/{HOUR}/scored", ".parquet") as writer:
            each.write_parquet(writer.path)
        stored = writer.finished
        files.append(StageFile(kind, stored.uri, stored.sha256, stored.size, each.height))
    return parsed, commit(world, part_id, files)


def commit(world, part_id, files):
    held = take_lease(world.ledger, f"score:{part_id}", "me", 60)
    with world.ledger.write() as connection:
        commit_stage(
            connection,
            held,
            part_id=part_id,
            which=Stage.SCORED,
            generation=1,
            code_version="1",
            files=files,
            counts={},
            seconds=0.0,
            now=world.ledger.now(),
        )
        return latest_stage(connection, part_id, Stage.SCORED)


def plan(world, runtime, part_id, **made):
    parsed, result = scored(world, part_id, **made)
    destination_for = runtime.source(SOURCE).destination_for
    planned = plan_part(world.store, f"{SOURCE}/{HOUR}/planned", parsed, result, destination_for, SETTINGS)
    world.commit(planned)
    return planned


def rows_of(world, batches, kind=KIND):
    return [
        row
        for one in batches
        if one.kind is kind
        for row in json.loads(igzip.decompress(world.store.read_range(one.uri, one.offset, one.length)))
    ]


def accept(world, part_id):
    with world.ledger.write() as connection:
        connection.execute(
            sa.update(batch)
            .where(batch.c.part_id == part_id)
            .values(state=BatchState.ACCEPTED.value, sent_at=1, settled_at=1)
        )


def test_a_parts_roll_ups_go_to_their_own_table_and_are_no_events(world, runtime):
    part_id = world.part()
    rolled = frame(roll_up("alice"), roll_up("bob", Reasons='"quoted"'))
    planned = plan(world, runtime, part_id, rolled=rolled)
    extra = [one for one in planned.batches if one.kind is KIND]
    assert {(one.table_name, one.stream, one.dcr_id, one.route) for one in extra} == {
        ("AwsEntityHour_CL", "Custom-AwsEntityHour_CL", "dcr-1", None)
    }
    alice, bob = rows_of(world, planned.batches)
    assert (alice["Principal"], alice["EventIds"], alice["Final"]) == ("alice", ["e1", "e2"], False)
    assert alice["HourStart"] == "2026-11-01T13:00:00Z" and alice["BatchId_CF"] == extra[0].id
    assert bob["Reasons"] == '"quoted"' and "Priority_CF" not in bob
    assert (planned.counts["rows"], planned.counts["entity_hour_rows"]) == (20, 2)
    accept(world, part_id)
    with world.ledger.read() as connection:
        account = account_of_hour(connection, SOURCE, HOUR)
        proved = accepted_batches(connection, SOURCE, HOUR)
        assert accepted_by_hour(connection, SOURCE, HOUR, HOUR) == {HOUR: 20}
        volumes = {one.kind: (one.table, one.rows) for one in accepted_volumes(connection, HOUR, HOUR)}
    assert (account.accepted, account.other_open, account.other_dead) == (20, 0, 0)
    assert set(proved) == {"AWSCloudTrail"}
    assert volumes[KIND] == ("AwsEntityHour_CL", 2) and volumes[BatchKind.ROWS][1] == 20


def test_a_plan_made_again_has_the_same_bodies(world, runtime):
    part_id = world.part()
    parsed, result = scored(world, part_id, rolled=frame(roll_up("alice")))
    one, other = (
        plan_part(world.store, "x", parsed, result, runtime.source(SOURCE).destination_for, SETTINGS) for _ in range(2)
    )
    assert [made.id for made in one.batches] == [made.id for made in other.batches]
    assert [made.sha256 for made in one.batches] == [made.sha256 for made in other.batches]


def test_a_row_that_fits_no_body_still_says_of_whom_and_how_urgent(world, runtime):
    long = json.dumps(["x" * 20_000])
    rolled = frame(
        roll_up("alice", EventIds=long), roll_up("eve" + "\x01" * 20_000, Reasons="ä" * 20_000, EventId_CF="eve-1")
    )
    planned = plan(world, runtime, world.part(), rolled=rolled)
    alice, eve = rows_of(world, planned.batches)
    assert "EventIds" not in alice and (alice["Principal"], alice["Priority"]) == ("alice", "high")
    assert eve["Principal"].startswith("eve") and eve["EventId_CF"] == "eve-1"
    assert planned.dead_letters == []


def test_rows_are_planned_once_and_only_new_ones_the_next_time(world, runtime):
    first, last = world.part(), world.part()
    plan(world, runtime, first), plan(world, runtime, last)
    accept(world, first), accept(world, last)
    two = frame(roll_up("alice"), roll_up("bob"), roll_up("bob"))
    assert hour_rows.plan_hour_rows(runtime, SOURCE, HOUR, KIND, two) == 2
    assert hour_rows.plan_hour_rows(runtime, SOURCE, HOUR, KIND, two) == 0
    more = pl.concat([two, frame(roll_up("carol"))])
    assert hour_rows.plan_hour_rows(runtime, SOURCE, HOUR, KIND, more) == 1
    made = [one for one in world.batches(last) if one.kind is KIND]
    assert sorted(row["Principal"] for row in rows_of(world, made)) == ["alice", "bob", "carol"]
    # The ordinary delivery takes them up although all else of the part is settled.
    assert {one.state for one in made} == {BatchState.PLANNED}
    assert not [one for one in world.batches(first) if one.kind is KIND]


def test_rows_of_a_parts_own_plan_are_known(world, runtime):
    plan(world, runtime, world.part(), rolled=frame(roll_up("alice")))
    plan(world, runtime, world.part())
    assert hour_rows.plan_hour_rows(runtime, SOURCE, HOUR, KIND, frame(roll_up("alice"), roll_up("bob"))) == 1


def test_nothing_is_planned_while_another_worker_holds_the_part_or_none_has_a_plan(world, runtime):
    rows = frame(roll_up("alice"))
    assert hour_rows.plan_hour_rows(runtime, SOURCE, HOUR, KIND, rows) == 0
    part_id = world.part()
    plan(world, runtime, part_id)
    assert take_lease(world.ledger, delivery_lease(part_id), "another", 60)
    assert hour_rows.plan_hour_rows(runtime, SOURCE, HOUR, KIND, rows) == 0
    with world.ledger.write() as connection:
        connection.execute(sa.text("UPDATE lease SET expires_at = 0"))
    assert hour_rows.plan_hour_rows(runtime, SOURCE, HOUR, KIND, rows) == 1


def test_patterns_have_a_table_and_ids_of_their_own(world, runtime):
    part_id = world.part()
    plan(world, runtime, part_id)
    rows = pl.DataFrame({"TimeGenerated": [START], "Pattern": ["p"], "Change": ["new"], "EventId_CF": ["alice-1"]})
    assert hour_rows.plan_hour_rows(runtime, SOURCE, HOUR, KIND, frame(roll_up("alice"))) == 1
    assert hour_rows.plan_hour_rows(runtime, SOURCE, HOUR, BatchKind.PATTERNS, rows) == 1
    tables = {one.kind: one.table_name for one in world.batches(part_id)}
    assert tables[BatchKind.PATTERNS] == "S3Patterns_CL"


def changes(*ids):
    return pl.DataFrame(
        [{"TimeGenerated": START, "Pattern": "p", "Change": "vanished", "EventId_CF": one} for one in ids]
    )


def told(world, part_id):
    return [row["EventId_CF"] for row in rows_of(world, world.batches(part_id), BatchKind.PATTERNS)]


def test_what_a_silent_hour_has_to_tell_goes_with_the_part_before_it_once(world, runtime):
    before, kind = world.part(), BatchKind.PATTERNS
    plan(world, runtime, before)
    silent = shift_hour(HOUR, 2)
    assert hour_rows.plan_hour_rows(runtime, SOURCE, silent, kind, changes("one")) == 1
    # A late object gives the hour between a part: what is planned is known all the same.
    between = world.part(shift_hour(HOUR, 1))
    plan(world, runtime, between)
    assert hour_rows.plan_hour_rows(runtime, SOURCE, silent, kind, changes("one", "two")) == 1
    assert (told(world, before), told(world, between)) == (["one"], ["two"])
    # The newest part is somebody else's: the one before it will do.
    assert take_lease(world.ledger, delivery_lease(between), "another", 60)
    assert hour_rows.plan_hour_rows(runtime, SOURCE, silent, kind, changes("three")) == 1
    assert sorted(told(world, before)) == ["one", "three"]
    # Nothing carries what is told after three days of silence, nor rows of principals of an hour that had none.
    assert hour_rows.plan_hour_rows(runtime, SOURCE, shift_hour(HOUR, 80), kind, changes("four")) == 0
    assert hour_rows.plan_hour_rows(runtime, SOURCE, silent, KIND, frame(roll_up("alice"))) == 0


def test_an_unknown_column_is_refused(world, runtime):
    plan(world, runtime, world.part())
    with pytest.raises(ValueError, match="no column Principle"):
        hour_rows.plan_hour_rows(runtime, SOURCE, HOUR, KIND, frame(roll_up("alice", Principle="x")))


def test_an_hour_is_closed_once_and_again_after_a_late_part(world, runtime, closings):
    first = world.part()
    plan(world, runtime, first, rolled=frame(roll_up("alice")), standing=frame(roll_up("alice"), roll_up("bob")))
    assert hour_rows.close_hour(runtime, SOURCE, HOUR) == 2
    assert hour_rows.close_hour(runtime, SOURCE, HOUR) == 0
    # A late part: more events of alice, nothing of bob, and a new one.
    late = world.part()
    standing = frame(roll_up("alice", events=25), roll_up("bob"), roll_up("carol"))
    plan(world, runtime, late, standing=standing)
    assert hour_rows.close_hour(runtime, SOURCE, HOUR) == 2
    assert hour_rows.close_hour(runtime, SOURCE, HOUR) == 0
    rows = rows_of(world, [*world.batches(first), *world.batches(late)])
    told = [(row["Principal"], row["Revision"], row["Final"], row["Events"]) for row in rows]
    assert sorted(told) == [
        ("alice", 1, False, 10),
        ("alice", 2, True, 10),
        ("alice", 3, True, 25),
        ("bob", 2, True, 10),
        ("carol", 2, True, 10),
    ]
    assert len({row["EventId_CF"] for row in rows}) == len(rows)


def test_the_sweep_closes_what_a_seal_could_not(world, runtime, closings):
    part_id = world.part()
    parsed, result = scored(world, part_id, standing=frame(roll_up("alice")))
    mark_listed(world.ledger, SOURCE, [HOUR], world.ledger.now())
    assert hour_rows.close_hours(runtime, SOURCE) == []  # still open
    assert seal(world.ledger, SOURCE, HOUR)
    assert hour_rows.close_hours(runtime, SOURCE) == []  # no plan carries it
    destination_for = runtime.source(SOURCE).destination_for
    world.commit(plan_part(world.store, "x", parsed, result, destination_for, SETTINGS))
    assert hour_rows.close_hours(runtime, SOURCE) == [HOUR]
    assert hour_rows.close_hours(runtime, SOURCE) == []


def test_an_hour_without_roll_ups_closes_without_rows(world, runtime, closings):
    plan(world, runtime, world.part())
    assert hour_rows.close_hour(runtime, SOURCE, HOUR) == 0


def known(events, rank, minute, **more):
    """What one part says of alice, as scoring sums it up."""
    values = {
        "source": SOURCE,
        "source_table": "AWSCloudTrail",
        "hour": START,
        "account": "111122223333",
        "principal": "alice",
        "escalations": 0,
        "rank": rank,
        "sent_rank": 0,
        "events": events,
        "high_events": 1,
        "raw": 1_400,
        "score": 14.0,
        "last_event": START + timedelta(minutes=minute),
        "event_ids": [{"value": f"e{minute}", "weight": minute}],
        **more,
    }
    return pl.DataFrame([values], schema=ENTITY_HOUR_SCHEMA)


def test_real_roll_ups_rise_close_and_rise_again_after_a_late_part(world, runtime):
    first, late = world.part(), world.part()
    standing, risen = advance(None, known(10, 1, 5))
    plan(world, runtime, first, rolled=risen, standing=standing)
    assert hour_rows.close_hour(runtime, SOURCE, HOUR) == 1
    standing, risen = advance(standing, known(3, 3, 50))
    plan(world, runtime, late, rolled=risen, standing=standing)
    assert hour_rows.close_hour(runtime, SOURCE, HOUR) == 1
    # More of the same raises nothing, and is told all the same.
    again = world.part()
    standing, risen = advance(standing, known(7, 1, 55))
    assert risen.height == 0
    plan(world, runtime, again, rolled=risen, standing=standing)
    assert hour_rows.close_hour(runtime, SOURCE, HOUR) == 1
    assert hour_rows.close_hour(runtime, SOURCE, HOUR) == 0
    rows = rows_of(world, [one for part_id in (first, late, again) for one in world.batches(part_id)])
    told = [(row["Priority"], row["Events"], row["Final"]) for row in sorted(rows, key=lambda row: row["Revision"])]
    assert told == [
        ("medium", 10, False),
        ("medium", 10, True),
        ("critical", 13, False),
        ("critical", 13, True),
        ("critical", 20, True),
    ]
    assert len({row["EventId_CF"] for row in rows}) == len({row["Revision"] for row in rows}) == 5
