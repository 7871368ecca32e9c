"""Escalations bring demoted events of their principal back, once, and those of nobody else."""

import json
from datetime import timedelta
from types import SimpleNamespace

import polars as pl
import pytest
import sqlalchemy as sa
from isal import igzip

from s3sentinel_assets.config import SentinelSettings, SourceSettings
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.ledger.batches import delivery_lease
from s3sentinel_assets.ledger.leases import hold_lease, take_lease
from s3sentinel_assets.ledger.parts import Part
from s3sentinel_assets.ledger.schema import BatchKind, Stage, part, promotion, stage
from s3sentinel_assets.ledger.stages import StageFile, commit_stage, latest_stage
from s3sentinel_assets.pipeline import escalation
from s3sentinel_assets.pipeline.roll_up import ENTITY_HOURS, STANDING_HOURS, RollUp
from s3sentinel_assets.sentinel.plan import plan_part
from s3sentinel_assets.sentinel.routing import Router
from s3sentinel_assets.tables.entities import ENTITY_SCHEMA
from tests.sentinel.frames import START, cloudtrail, scores_frame
from tests.sentinel.routing.guards import NoGuards
from tests.sentinel.worlds import HOUR, World

EARLIER_HOUR = "2026-11-01-12:00"
TIME = pl.Datetime("us", "UTC")
SOURCE, ACCOUNT = "cloudtrail", "111122223333"
SETTINGS = SentinelSettings(ingestion_endpoint="https://x", workspace_id="w", dcr_id="dcr-1", max_batch_bytes=20_000)
RULE = {"name": "reads", "where": "ReadOnly", "to": {"table": "AWSCloudTrail_Auxiliary_CL"}}


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    yield made
    made.ledger.close()


def runtime_of(world, demotion="on"):
    routing = {"demotion": demotion, "audit_share": 0, "rules": [RULE]}
    source = SourceSettings(name=SOURCE, bucket="bucket", prefix="x/", format="cloudtrail", routing=routing)
    config = SimpleNamespace(sentinel=SETTINGS, limits=SimpleNamespace(lease_seconds=30))
    return SimpleNamespace(
        ledger=world.ledger, store=world.store, worker="me", config=config, source=lambda _name: source
    )


def entities(rows):
    return rows.select(
        event_id="EventId_CF",
        time="EventTime_CF",
        account="RecipientAccountId",
        principal=pl.format("{}/{}", "RecipientAccountId", pl.col("UserIdentityArn").str.extract("/(.+)$")),
    ).select(
        *(
            pl.col(n).cast(k) if n in ("event_id", "time", "account", "principal") else pl.lit(None, k).alias(n)
            for n, k in ENTITY_SCHEMA.items()
        )
    )


def stored(world, kind, frame, **more):
    with world.store.create(f"{SOURCE}/{HOUR}/x", ".parquet") as writer:
        frame.write_parquet(writer.path)
    made = writer.finished
    return StageFile(kind, made.uri, made.sha256, made.size, frame.height, **more)


def commit(world, part_id, which, files):
    held = take_lease(world.ledger, f"{which}:{part_id}", "me", 60)
    with world.ledger.write() as connection:
        now = world.ledger.now()
        more = {"generation": 1, "code_version": "1", "counts": {}, "seconds": 0.0, "now": now}
        commit_stage(connection, held, part_id=part_id, which=which, files=files, **more)
        return latest_stage(connection, part_id, which)


def planned(world, runtime, seed, hour=HOUR, escalations=None, rows=None):
    """A part whose reads were demoted; gives its id and its rows."""
    part_id, rows = world.part(), cloudtrail(200, seed) if rows is None else rows
    with world.ledger.write() as connection:
        connection.execute(sa.update(part).where(part.c.id == part_id).values(hour=hour))
    files = [stored(world, "rows", rows, table="AWSCloudTrail"), stored(world, "entities", entities(rows))]
    parsed = commit(world, part_id, Stage.PARSED, files)
    files = [stored(world, "scores", scores_frame(rows.height))]
    if isinstance(escalations, StageFile):
        files.append(escalations)
    elif escalations is not None:
        files.append(stored(world, BatchKind.ENTITY_HOURS.value, escalations))
    scored = commit(world, part_id, Stage.SCORED, files)
    source = runtime.source(SOURCE)
    router = Router(source, NoGuards(), START + timedelta(hours=1))
    destination_for = source.destination_for
    world.commit(plan_part(world.store, "x", parsed, scored, destination_for, SETTINGS, router=router))
    return part_id, rows


def escalated(*names, at=START + timedelta(minutes=59, seconds=59), **more):
    """Roll-ups as older releases left them: they do not tell which event it was."""
    rows = [
        {"AccountId": ACCOUNT, "Principal": f"{ACCOUNT}/{name}", "LastEvent": at, "EventId_CF": name, **more}
        for name in names
    ]
    return pl.DataFrame(rows, schema_overrides=dict.fromkeys(("LastEvent", *more), TIME))


def shifted(rows, **by):
    return rows.with_columns(pl.col("TimeGenerated", "EventTime_CF") + timedelta(**by))


def named(name):
    return pl.col("UserIdentityArn").str.ends_with(f"/{name}")


def rolled_up(world, rows, urgent=(), standing=None):
    """What scoring leaves of these rows, in one file or several; those with an ``urgent`` id were high."""
    roll_up = RollUp(SimpleNamespace(store=world.store), Part(1, SOURCE, HOUR, False, 1, 1, None), standing)
    model = SimpleNamespace(
        version="m", detector=SimpleNamespace(expected_hours=lambda raw: raw.cast(pl.Float64) + 1.0)
    )
    for each in rows if isinstance(rows, list) else [rows]:
        priorities = ["high" if name in urgent else "low" for name in each["EventId_CF"]]
        technique = pl.lit(None, pl.String).alias("_technique")
        scores = scores_frame(each.height, Priority_CF=priorities).with_columns(technique, _raw=0, _sensitivity=0)
        roll_up.add([roll_up.summary(entities(each), scores, model, "AWSCloudTrail")])
    return {file.kind: file for file in roll_up.stage_files()}


def promoted(world, *part_ids):
    return [
        row["EventId_CF"]
        for part_id in part_ids
        for one in world.batches(part_id)
        if one.kind is BatchKind.PROMOTED
        for row in json.loads(igzip.decompress(world.store.read_range(one.uri, one.offset, one.length)))
    ]


def reads_of(rows, name):
    mine = (pl.col("UserIdentityArn").str.ends_with(f"/{name}")) & pl.col("ReadOnly")
    return set(rows.filter(mine)["EventId_CF"])


def test_demoted_events_of_the_principal_and_of_nobody_else_are_promoted_once(world):
    runtime = runtime_of(world)
    part_id, rows = planned(world, runtime, 7)
    made = escalation.promote_escalated(runtime, SOURCE, HOUR, escalated("u3"))
    expected = reads_of(rows, "u3")
    assert made.rows == {"AWSCloudTrail": len(expected)} and expected
    assert sorted(promoted(world, part_id)) == sorted(expected)
    assert escalation.promote_escalated(runtime, SOURCE, HOUR, escalated("u3")).batches == 0
    with world.ledger.read() as connection:
        (order,) = connection.execute(sa.select(promotion)).all()
    assert order.requested_by == "escalation" and f"{ACCOUNT}/u3" in order.condition


def test_only_the_trailing_hour_counts_which_may_reach_into_the_hour_before(world):
    runtime = runtime_of(world)
    before, earlier = planned(world, runtime, 7, hour="2026-11-01-12:00")
    part_id, rows = planned(world, runtime, 8)
    middle = START + timedelta(minutes=30)
    escalation.promote_escalated(runtime, SOURCE, HOUR, escalated("u3", at=middle))
    until = pl.col("EventTime_CF") <= middle
    assert set(promoted(world, part_id)) == reads_of(rows.filter(until), "u3")
    assert set(promoted(world, before)) == reads_of(earlier.filter(until), "u3")
    late = START + timedelta(minutes=90)
    escalation.promote_escalated(runtime, SOURCE, HOUR, escalated("u4", at=late))
    found = set(promoted(world, part_id)) - reads_of(rows, "u3")
    assert found == reads_of(rows.filter(pl.col("EventTime_CF") >= middle), "u4")


@pytest.mark.parametrize("files", [1, 2])
def test_the_hour_before_the_urgent_event_is_promoted_though_its_part_held_a_whole_hour(world, files):
    runtime = runtime_of(world)
    earlier, rows = shifted(cloudtrail(200, 7), hours=-1), cloudtrail(200, 8).sort("EventTime_CF")
    mine = rows.filter(named("u3"))
    urgent = mine["EventTime_CF"][0]
    assert mine["EventTime_CF"][-1] - urgent > timedelta(minutes=30)
    # Files are in no order of time: the first one may hold another urgent event, which is later.
    pieces = (
        [rows]
        if files == 1
        else [rows.filter(pl.col("EventTime_CF") > urgent), rows.filter(pl.col("EventTime_CF") <= urgent)]
    )
    made = rolled_up(world, pieces, urgent=[mine["EventId_CF"][0], mine["EventId_CF"][-1]])
    before, _ = planned(world, runtime, 7, hour=EARLIER_HOUR, rows=earlier)
    part_id, _ = planned(world, runtime, 8, escalations=made[ENTITY_HOURS], rows=rows)
    escalation.promote_planned(runtime, SOURCE, HOUR)
    hour_before = earlier.filter(pl.col("EventTime_CF") >= urgent - timedelta(minutes=60))
    assert reads_of(hour_before, "u3")
    assert set(promoted(world, before)) == reads_of(hour_before, "u3")
    assert set(promoted(world, part_id)) == reads_of(rows, "u3")


def test_an_urgent_event_of_a_late_file_is_counted_back_from(world):
    runtime = runtime_of(world)
    earlier, rows = shifted(cloudtrail(200, 7), hours=-1), cloudtrail(200, 8).sort("EventTime_CF")
    urgent = rows.filter(named("u3")).head(1)
    others = rows.join(urgent, on="EventId_CF", how="anti")
    standing = rolled_up(world, others)[STANDING_HOURS]
    before, _ = planned(world, runtime, 7, hour=EARLIER_HOUR, rows=earlier)
    part_id, _ = planned(world, runtime, 8, rows=others)
    assert escalation.promote_planned(runtime, SOURCE, HOUR).batches == 0
    made = rolled_up(world, urgent, urgent=urgent["EventId_CF"].to_list(), standing=standing)
    planned(world, runtime, 9, escalations=made[ENTITY_HOURS], rows=urgent)
    escalation.promote_planned(runtime, SOURCE, HOUR)
    since = urgent["EventTime_CF"][0] - timedelta(minutes=60)
    assert set(promoted(world, before)) == reads_of(earlier.filter(pl.col("EventTime_CF") >= since), "u3")
    assert set(promoted(world, part_id)) == reads_of(others, "u3")


def test_events_after_the_urgent_one_are_promoted_however_much_later_the_last_was(world):
    runtime = runtime_of(world)
    part_id, rows = planned(world, runtime, 7)
    rolled = escalated("u3", at=START + timedelta(minutes=110), _EscalatedAt=START + timedelta(minutes=5))
    escalation.promote_escalated(runtime, SOURCE, HOUR, rolled)
    assert set(promoted(world, part_id)) == reads_of(rows, "u3")


def test_a_late_file_reaches_back_further_than_the_hour_before(world):
    runtime = runtime_of(world)
    rows = shifted(cloudtrail(200, 7), hours=-2)
    before, _ = planned(world, runtime, 7, hour="2026-11-01-11:00", rows=rows)
    urgent = START - timedelta(minutes=50)
    escalation.promote_escalated(runtime, SOURCE, HOUR, escalated("u3", _EscalatedAt=urgent))
    near = rows.filter(pl.col("EventTime_CF") >= urgent - timedelta(minutes=60))
    assert set(promoted(world, before)) == reads_of(near, "u3") != set()


def test_files_of_older_releases_are_read_beside_newer_ones(world):
    runtime = runtime_of(world)
    first, rows = planned(world, runtime, 7, escalations=escalated("u3"))
    planned(world, runtime, 8, escalations=escalated("u4", _EscalatedAt=START))
    escalation.promote_planned(runtime, SOURCE, HOUR)
    assert set(promoted(world, first)) == reads_of(rows, "u3") | reads_of(rows, "u4")


@pytest.mark.parametrize("demotion", ["off", "shadow"])
def test_nothing_happens_where_rules_do_not_demote(world, demotion):
    runtime = runtime_of(world, demotion)
    planned(world, runtime, 7, escalations=escalated("u3"))
    assert escalation.promote_escalated(runtime, SOURCE, HOUR, escalated("u3")).batches == 0
    assert escalation.promote_planned(runtime, SOURCE, HOUR).batches == 0


def test_the_sweep_finds_escalations_in_the_stage_files(world):
    runtime = runtime_of(world)
    part_id, rows = planned(world, runtime, 7, escalations=escalated("u5"))
    assert escalation.promote_hours(runtime, SOURCE) == [HOUR]
    assert set(promoted(world, part_id)) == reads_of(rows, "u5")
    assert escalation.promote_hours(runtime, SOURCE) == []


def planned_ago(world, **ago):
    """Makes the plans there are so much older."""
    by = int(timedelta(**ago).total_seconds() * 1e6)
    with world.ledger.write() as connection:
        connection.execute(sa.update(stage).values(committed_at=stage.c.committed_at - by))


def test_the_sweep_makes_up_for_what_was_left_undone_for_days_and_for_no_more_than_that(world):
    runtime = runtime_of(world)
    old, _ = planned(world, runtime, 6, hour="2026-10-28-13:00", escalations=escalated("u5"))
    planned_ago(world, days=3)
    part_id, rows = planned(world, runtime, 7, escalations=escalated("u5"))
    planned_ago(world, hours=7)
    assert escalation.promote_hours(runtime, SOURCE) == [HOUR]
    assert sorted(promoted(world, part_id)) == sorted(reads_of(rows, "u5"))
    assert escalation.promote_hours(runtime, SOURCE) == []
    assert sorted(promoted(world, part_id)) == sorted(reads_of(rows, "u5"))
    assert promoted(world, old) == []


def test_the_sweep_looks_again_only_where_there_are_new_plans(world, monkeypatch):
    runtime = runtime_of(world)
    looked = []
    promote = escalation.promote_planned
    monkeypatch.setattr(escalation, "promote_planned", lambda *args: (looked.append(args[-1]), promote(*args))[-1])
    planned(world, runtime, 7, escalations=escalated("u5"))
    assert escalation.promote_hours(runtime, SOURCE) == [HOUR]
    assert escalation.promote_hours(runtime, SOURCE) == []
    assert looked == [HOUR]
    # A late part of the hour before: what it demoted may be of a principal that became urgent.
    before, rows = planned(world, runtime, 8, hour=EARLIER_HOUR)
    assert escalation.promote_hours(runtime, SOURCE) == [HOUR]
    assert set(promoted(world, before)) == reads_of(rows, "u5")
    assert looked == [HOUR, EARLIER_HOUR, HOUR]


def test_the_sweep_comes_back_for_a_part_that_another_worker_held(world):
    runtime = runtime_of(world)
    part_id, rows = planned(world, runtime, 7, escalations=escalated("u5"))
    with hold_lease(world.ledger, delivery_lease(part_id), "another", 30) as held:
        assert held is not None
        assert escalation.promote_hours(runtime, SOURCE) == []
    assert escalation.promote_hours(runtime, SOURCE) == [HOUR]
    assert set(promoted(world, part_id)) == reads_of(rows, "u5")


def test_the_sweep_comes_back_after_trouble(world, monkeypatch):
    runtime = runtime_of(world)
    part_id, rows = planned(world, runtime, 7, escalations=escalated("u5"))

    def refused(*_args):
        raise UserError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(escalation, "promote_planned", refused)
        with pytest.raises(UserError, match="the disk is full"):
            escalation.promote_hours(runtime, SOURCE)
    assert escalation.promote_hours(runtime, SOURCE) == [HOUR]
    assert set(promoted(world, part_id)) == reads_of(rows, "u5")


def test_a_principal_nobody_has_heard_of_brings_nothing(world):
    runtime = runtime_of(world)
    planned(world, runtime, 7)
    assert escalation.promote_escalated(runtime, SOURCE, HOUR, escalated("nobody")).batches == 0
