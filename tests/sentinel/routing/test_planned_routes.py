"""Routes in a plan: each row in one body or named as filtered, long texts whole, bodies spread over rules."""

import json
from datetime import timedelta

import polars as pl
import pytest
from isal import igzip

from s3sentinel_assets.config import SentinelSettings, SourceSettings
from s3sentinel_assets.ledger.batches import batches_of_part
from s3sentinel_assets.ledger.schema import BatchKind, Stage
from s3sentinel_assets.sentinel.plan import plan_part
from s3sentinel_assets.sentinel.routing import Router
from tests.sentinel.frames import START, cloudtrail, rows_frame, scores_frame
from tests.sentinel.routing.guards import FewGuards, NoGuards


@pytest.fixture
def settings():
    return SentinelSettings(ingestion_endpoint="https://x", workspace_id="w", dcr_id="dcr-1", max_batch_bytes=10_000)


def source(rules, demotion="on", destinations=(), **more):
    return SourceSettings(
        name="trail",
        bucket="bucket",
        prefix="x/",
        format="cloudtrail",
        destinations=destinations,
        routing={"demotion": demotion, "audit_share": 0, "rules": rules, **more},
    )


def plan(world, settings, frames, chosen, guards=None, scores=None):
    part_id = world.part()
    parsed = world.stage(part_id, Stage.PARSED, frames, "rows", "AWSCloudTrail")
    scored = None if scores is None else world.stage(part_id, Stage.SCORED, scores, "scores", None)
    router = Router(chosen, guards or NoGuards(), START + timedelta(hours=2))
    return plan_part(world.store, "x", parsed, scored, chosen.destination_for, settings, router=router)


def rows_of(world, planned):
    """(batch, row) of every row."""
    return [
        (batch, row)
        for batch in planned.batches
        for row in json.loads(igzip.decompress(world.store.read_range(batch.uri, batch.offset, batch.length)))
    ]


CHEAP = {"table": "AWSCloudTrail_Auxiliary_CL", "dcr_id": "dcr-cheap"}
RULES = [
    {"name": "noise", "where": "EventName = 'PutObject'", "drop": True},
    {"name": "reads", "where": "ReadOnly", "to": CHEAP},
]


def test_every_row_is_in_one_body_of_its_route_or_filtered(world, settings):
    frames = [cloudtrail(300, 1), cloudtrail(200, 2)]
    planned = plan(world, settings, frames, source(RULES))
    rows = pl.concat(frames)
    dropped = rows.filter(EventName="PutObject")
    reads = rows.filter((pl.col("EventName") != "PutObject") & pl.col("ReadOnly"))
    sent = rows_of(world, planned)
    assert len(sent) == len({row["EventId_CF"] for _, row in sent}) == rows.height - dropped.height
    assert not {row["EventId_CF"] for _, row in sent} & set(dropped["EventId_CF"])
    for batch, row in sent:
        cheap = row["EventId_CF"] in set(reads["EventId_CF"])
        told = (batch.table_name, batch.stream, batch.dcr_id, batch.route)
        assert told == (
            ("AWSCloudTrail_Auxiliary_CL", "Custom-AWSCloudTrail_Auxiliary_CL", "dcr-cheap", "reads")
            if cheap
            else ("AWSCloudTrail", "Custom-AWSCloudTrail", "dcr-1", None)
        )
        assert row["BatchId_CF"] == batch.id and batch.raw_bytes <= settings.max_batch_bytes
    assert len({batch.id for batch in planned.batches}) == len(planned.batches)
    counts = planned.counts
    assert counts["filtered"] == {"noise": dropped.height} and counts["rows"] == len(sent)
    assert counts["routing"]["reads"]["rows"] == reads.height
    assert counts["routing"]["reads"]["raw_bytes"] == sum(one.raw_bytes for one in planned.batches if one.route)


def test_a_plan_with_routes_made_again_is_the_same_and_stands_in_the_ledger(world, settings):
    frames = [cloudtrail(100, 1)]
    first = plan(world, settings, frames, source(RULES))
    part_id = first.part_id
    world.commit(first)
    with world.ledger.read() as connection:
        stored = batches_of_part(connection, part_id)
    assert sorted((one.id, one.route, one.kind) for one in stored) == sorted(
        (one.id, one.route, one.kind) for one in first.batches
    )
    other = plan(world, settings, frames, source([{**RULES[1], "name": "other"}]))
    assert not {one.id for one in other.batches} & {one.id for one in first.batches}


def test_shadow_tells_the_bytes_that_would_have_gone_elsewhere(world, settings):
    frames = [cloudtrail(300, 1)]
    whole = settings.model_copy(update={"max_batch_bytes": 1_000_000})
    tried = plan(world, whole, frames, source(RULES[1:], "shadow"), FewGuards())
    real = plan(world, whole, frames, source(RULES[1:], "on"), FewGuards())
    assert {one.table_name for one in tried.batches} == {"AWSCloudTrail"}
    would, did = (made.counts["routing"]["reads"] for made in (tried, real))
    assert would["rows"] == did["rows"] > 0 and would["needed"] == did["needed"] != {}
    # Instants have six decimals there, and bodies have brackets.
    assert would["raw_bytes"] == pytest.approx(did["raw_bytes"], rel=0.1)


def test_drawn_rows_stay_and_say_so(world, settings):
    planned = plan(world, settings, [cloudtrail(400, 3)], source(RULES[1:], audit_share=0.3))
    drawn = [row for batch, row in rows_of(world, planned) if "audit_sample" in row.get("Flags_CF", "")]
    assert len(drawn) == planned.counts["routing"]["reads"]["audited"] > 0
    assert all(row["ReadOnly"] for row in drawn)


def test_bodies_are_spread_over_the_rules_of_a_destination(world, settings):
    destinations = [{"table": "AWSCloudTrail", "dcr_ids": ["dcr-a", "dcr-b", "dcr-c"]}]
    planned = plan(world, settings, [cloudtrail(400, 1)], source([], destinations=destinations))
    turns = [batch.dcr_id for batch in planned.batches]
    assert turns == [("dcr-a", "dcr-b", "dcr-c")[place % 3] for place in range(len(turns))] and len(turns) > 6


LONG = "ä" * 40_000 + "Ω"  # 80,002 bytes


@pytest.mark.parametrize("limit", [1_000_000, 150_000])
def test_what_is_too_long_for_a_field_goes_whole_to_the_overflow_table(world, settings, limit):
    settings = settings.model_copy(update={"max_batch_bytes": limit})
    frame = pl.concat(
        [
            cloudtrail(20, 1),
            rows_frame([{"EventId_CF": "long", "TimeGenerated": START, "RequestParameters": LONG, "UserAgent": LONG}]),
        ]
    )
    planned = plan(world, settings, [frame], source([]), scores=[scores_frame(21)])
    sent = rows_of(world, planned)
    (row,) = (row for batch, row in sent if batch.kind is BatchKind.ROWS and row["EventId_CF"] == "long")
    assert LONG.startswith(row["RequestParameters"]) and len(row["RequestParameters"].encode()) <= 65_536
    assert {"truncated:RequestParameters", "truncated:UserAgent"} <= set(row["Flags_CF"].split(";"))
    pieces = [row for batch, row in sent if batch.kind is BatchKind.OVERFLOW]
    for column in ("RequestParameters", "UserAgent"):
        mine = [one for one in pieces if one["SourceColumn"] == column]
        assert [one["Piece"] for one in mine] == list(range(1, len(mine) + 1))
        assert {(one["Pieces"], one["SourceTable"], one["SourceEventId"]) for one in mine} == {
            (len(mine), "AWSCloudTrail", "long")
        }
        assert "".join(one["Value"] for one in mine) == LONG
        assert all(len(one["Value"].encode()) <= 65_536 for one in mine)
    assert len({one["EventId_CF"] for one in pieces}) == len(pieces)
    # Pieces are no events of the account.
    assert planned.counts["rows"] == 21 and planned.counts["overflow_rows"] == len(pieces)
    assert planned.dead_letters == []


def test_the_worst_text_still_fits(world, settings):
    text = "\x01" * 70_000
    frame = rows_frame([{"EventId_CF": "e", "TimeGenerated": START, "EventName": "x", "UserAgent": text}])
    settings = settings.model_copy(update={"max_batch_bytes": 1_000_000})
    planned = plan(world, settings, [frame], source([]))
    pieces = [row["Value"] for batch, row in rows_of(world, planned) if batch.kind is BatchKind.OVERFLOW]
    assert "".join(pieces) == text and planned.dead_letters == []
    small = settings.model_copy(update={"max_batch_bytes": 10_000})
    planned = plan(world, small, [frame], source([]))
    pieces = [row["Value"] for batch, row in rows_of(world, planned) if batch.kind is BatchKind.OVERFLOW]
    assert "".join(pieces) == text
    assert [letter.reason for letter in planned.dead_letters] == ["row_too_large"]  # the row itself


def test_long_texts_may_be_left_at_the_cut(world, settings):
    frame = rows_frame([{"EventId_CF": "e", "TimeGenerated": START, "UserAgent": LONG}])
    settings = settings.model_copy(update={"max_batch_bytes": 1_000_000, "keep_long_values": False})
    planned = plan(world, settings, [frame], source([]))
    assert {batch.kind for batch in planned.batches} == {BatchKind.ROWS}
