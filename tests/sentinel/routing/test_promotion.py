"""Promotion: demoted rows once more, to the letter, and never twice."""

import json
from datetime import timedelta

import polars as pl
import pytest
from isal import igzip

from s3sentinel_assets.config import Destination, SentinelSettings, SourceSettings
from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.ledger.batches import delivery_lease
from s3sentinel_assets.ledger.leases import take_lease, worker_name
from s3sentinel_assets.ledger.promotions import demoted_batches, promoted_batches, record_promotion
from s3sentinel_assets.ledger.schema import BatchKind, Stage
from s3sentinel_assets.sentinel.plan import plan_part
from s3sentinel_assets.sentinel.promotion import make_promoted, rows_to_promote
from s3sentinel_assets.sentinel.routing import Router
from tests.sentinel.frames import START, cloudtrail
from tests.sentinel.routing.guards import NoGuards

HOME = Destination(table="AWSCloudTrail", dcr_ids=("dcr-1", "dcr-2"))
SETTINGS = SentinelSettings(ingestion_endpoint="https://x", workspace_id="w", dcr_id="dcr-1", max_batch_bytes=20_000)
RULE = {"name": "reads", "where": "ReadOnly", "to": {"table": "AWSCloudTrail_Auxiliary_CL"}}


@pytest.fixture
def demoted_part(world):
    """A part whose reads were planned for the Auxiliary table; gives its id and the rows."""
    part_id, rows = world.part(), cloudtrail(200, 7)
    source = SourceSettings(
        name="trail",
        bucket="bucket",
        prefix="x/",
        format="cloudtrail",
        routing={"demotion": "on", "audit_share": 0, "rules": [RULE]},
    )
    parsed = world.stage(part_id, Stage.PARSED, [rows], "rows", "AWSCloudTrail")
    router = Router(source, NoGuards(), START + timedelta(hours=1))
    world.commit(plan_part(world.store, "x", parsed, None, source.destination_for, SETTINGS, router=router))
    return part_id, rows.filter("ReadOnly")


def promote(world, part_id, where=None, *, record=True):
    with world.ledger.read() as connection:
        demoted, before = demoted_batches(connection, part_id), promoted_batches(connection, part_id)
    tails = rows_to_promote(world.store, demoted, before, where)
    made = make_promoted(world.store, demoted, tails, HOME, SETTINGS)
    if made and record:
        held = take_lease(world.ledger, delivery_lease(part_id), worker_name(), 0.001)
        with world.ledger.write() as connection:
            record_promotion(
                connection,
                held,
                part_id,
                demoted[0].stage_id,
                made,
                condition=where,
                requested_by="somebody",
                now=world.ledger.now(),
            )
    return made


def rows_of(world, batches):
    return [
        (batch, row)
        for batch in batches
        for row in json.loads(igzip.decompress(world.store.read_range(batch.uri, batch.offset, batch.length)))
    ]


def test_all_rows_come_again_to_the_letter(world, demoted_part):
    part_id, reads = demoted_part
    made = promote(world, part_id)
    with world.ledger.read() as connection:
        sent = {row["EventId_CF"]: row for _, row in rows_of(world, demoted_batches(connection, part_id))}
    again = rows_of(world, made)
    assert {row["EventId_CF"] for _, row in again} == set(reads["EventId_CF"]) and len(again) == reads.height
    for batch, row in again:
        assert {**row, "BatchId_CF": ""} == {**sent[row["EventId_CF"]], "BatchId_CF": ""}
        assert row["BatchId_CF"] == batch.id and batch.raw_bytes <= SETTINGS.max_batch_bytes
        assert (batch.table_name, batch.stream, batch.kind) == (
            "AWSCloudTrail",
            "Custom-AWSCloudTrail",
            BatchKind.PROMOTED,
        )
    assert {batch.dcr_id for batch in made} == {"dcr-1", "dcr-2"}


def test_what_was_promoted_is_left_out_of_later_orders(world, demoted_part):
    part_id, reads = demoted_part
    some = promote(world, part_id, "EventName = 'GetObject' AND TimeGenerated < '2026-11-01T13:40:00'::timestamp")
    chosen = reads.filter(
        (pl.col("EventName") == "GetObject") & (pl.col("TimeGenerated") < START + timedelta(minutes=40))
    )
    assert {row["EventId_CF"] for _, row in rows_of(world, some)} == set(chosen["EventId_CF"]) and some
    rest = promote(world, part_id)
    assert {row["EventId_CF"] for _, row in rows_of(world, rest)} == set(reads["EventId_CF"]) - set(
        chosen["EventId_CF"]
    )
    assert promote(world, part_id) == []


def test_an_order_that_was_not_recorded_is_made_again_alike(world, demoted_part):
    part_id, _ = demoted_part
    first, second = (promote(world, part_id, record=False) for _ in range(2))
    assert [batch.id for batch in first] == [batch.id for batch in second] and first


@pytest.mark.parametrize("where", ["EventName LIKE", "Missing = 1", "count(*)", "EventName"])
def test_a_condition_that_cannot_be_applied_is_one_sentence(world, demoted_part, where):
    with pytest.raises(ConfigurationError, match="--where"):
        promote(world, demoted_part[0], where)
