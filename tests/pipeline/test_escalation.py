"""Escalations bring demoted events of their principal back, once, and those of nobody else."""

import json
from datetime import timedelta
from types import SimpleNamespace

import polars as pl
import pytest
import sqlalchemy as sa
from isal import igzip

from s3sentinel_assets.config import SentinelSettings, SourceSettings
from s3sentinel_assets.ledger.leases import take_lease
from s3sentinel_assets.ledger.schema import BatchKind, Stage, part, promotion
from s3sentinel_assets.ledger.stages import StageFile, commit_stage, latest_stage
from s3sentinel_assets.pipeline import escalation
from s3sentinel_assets.sentinel.plan import plan_part
from s3sentinel_assets.sentinel.routing import Router
from s3sentinel_assets.tables.entities import ENTITY_SCHEMA
from tests.sentinel.frames import START, cloudtrail, scores_frame
from tests.sentinel.routing.guards import NoGuards
from tests.sentinel.worlds import HOUR, World

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


def planned(world, runtime, seed, hour=HOUR, escalations=None):
    """A part whose reads were demoted; gives its id and its rows."""
    part_id, rows = world.part(), cloudtrail(200, seed)
    with world.ledger.write() as connection:
        connection.execute(sa.update(part).where(part.c.id == part_id).values(hour=hour))
    files = [stored(world, "rows", rows, table="AWSCloudTrail"), stored(world, "entities", entities(rows))]
    parsed = commit(world, part_id, Stage.PARSED, files)
    files = [stored(world, "scores", scores_frame(rows.height))]
    if escalations is not None:
        files.append(stored(world, BatchKind.ENTITY_HOURS.value, escalations))
    scored = commit(world, part_id, Stage.SCORED, files)
    source = runtime.source(SOURCE)
    router = Router(source, NoGuards(), START + timedelta(hours=1))
    destination_for = source.destination_for
    world.commit(plan_part(world.store, "x", parsed, scored, destination_for, SETTINGS, router=router))
    return part_id, rows


def escalated(*names, at=START + timedelta(minutes=59, seconds=59)):
    rows = [
        {"AccountId": ACCOUNT, "Principal": f"{ACCOUNT}/{name}", "LastEvent": at, "EventId_CF": name} for name in names
    ]
    return pl.DataFrame(rows, schema_overrides={"LastEvent": pl.Datetime("us", "UTC")})


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


def test_a_principal_nobody_has_heard_of_brings_nothing(world):
    runtime = runtime_of(world)
    planned(world, runtime, 7)
    assert escalation.promote_escalated(runtime, SOURCE, HOUR, escalated("nobody")).batches == 0
