"""Plans: every row in one place, bodies as the ledger says, the same again whenever it is made again."""

import dataclasses
import hashlib
import json
from datetime import timedelta

import polars as pl
import pytest
from isal import igzip

from s3sentinel_assets.config import Destination, SentinelSettings, SourceSettings
from s3sentinel_assets.errors import LeaseLostError, UserError
from s3sentinel_assets.ledger.batches import Batch
from s3sentinel_assets.ledger.dead_letters import dead_letters_of_hour
from s3sentinel_assets.ledger.leases import take_lease
from s3sentinel_assets.ledger.schema import Stage
from s3sentinel_assets.ledger.stages import latest_stage
from s3sentinel_assets.sentinel import plan as plan_module
from s3sentinel_assets.sentinel.bodies import load_raw, split_batch
from s3sentinel_assets.sentinel.plan import commit_plan
from s3sentinel_assets.sentinel.routing import Router
from tests.sentinel.frames import START, cloudtrail, rows_frame, scores_frame
from tests.sentinel.routing.guards import NoGuards
from tests.sentinel.worlds import HOUR


@pytest.fixture
def settings():
    return SentinelSettings(ingestion_endpoint="https://x", workspace_id="w", dcr_id="dcr-1", max_batch_bytes=10_000)


def default_stream(table):
    return Destination(table=table)


def events_of(world, planned):
    return [
        json.loads(igzip.decompress(world.store.read_range(batch.uri, batch.offset, batch.length)))
        for batch in planned.batches
    ]


def test_a_plan_holds_every_row_once_in_order(world, settings):
    frames = [cloudtrail(70, 1), cloudtrail(0, 2), cloudtrail(35, 3)]
    planned = world.draft(world.part(), settings, frames, [scores_frame(frame.height) for frame in frames])
    bodies = events_of(world, planned)
    assert [event["EventId_CF"] for body in bodies for event in body] == [
        event_id for frame in frames for event_id in frame["EventId_CF"]
    ]
    at = offset = 0
    for position, (batch, body) in enumerate(zip(planned.batches, bodies, strict=True)):
        raw = igzip.decompress(world.store.read_range(batch.uri, batch.offset, batch.length))
        assert (batch.position, batch.row_start, batch.row_end, batch.offset) == (position, at, at + len(body), offset)
        assert len(raw) == batch.raw_bytes <= settings.max_batch_bytes
        assert hashlib.sha256(raw).hexdigest() == batch.sha256
        assert {event["BatchId_CF"] for event in body} == {batch.id}
        assert (batch.dcr_id, batch.stream, batch.table_name) == ("dcr-1", "Custom-AWSCloudTrail", "AWSCloudTrail")
        at, offset = batch.row_end, offset + batch.length
    assert planned.counts["rows"] == at == 105 and planned.counts["gzip_bytes"] == offset
    assert any(batch.row_start < 70 < batch.row_end for batch in planned.batches)  # files share bodies
    assert planned.files[0].size == offset and planned.files[0].rows == len(planned.batches)


def test_a_plan_made_again_is_the_same(world, settings, monkeypatch):
    part_id = world.part()
    frames = [cloudtrail(100, 1), cloudtrail(50, 2)]
    first = world.draft(part_id, settings, frames, [scores_frame(100), scores_frame(50)])
    with world.ledger.read() as connection:
        parsed, scored = (latest_stage(connection, part_id, which) for which in (Stage.PARSED, Stage.SCORED))
    monkeypatch.setattr(plan_module, "SLICE_ROWS", 7)
    again = plan_module.plan_part(world.store, "again", parsed, scored, default_stream, settings)
    assert again.files[0].sha256 == first.files[0].sha256 and again.counts == first.counts
    assert [dataclasses.replace(batch, uri="") for batch in again.batches] == [
        dataclasses.replace(batch, uri="") for batch in first.batches
    ]
    unscored = plan_module.plan_part(world.store, "again", parsed, None, default_stream, settings)
    assert not {batch.id for batch in unscored.batches} & {batch.id for batch in first.batches}
    assert {event["Priority_CF"] for body in events_of(world, unscored) for event in body} == {"unknown"}


def test_a_row_that_fits_no_body_is_set_aside(world, settings):
    big = cloudtrail(30, 1).with_columns(
        UserAgent=pl.when(pl.int_range(30).is_in([0, 7, 29])).then(pl.lit("x" * 12_000)).otherwise("UserAgent")
    )
    planned = world.draft(world.part(), settings, [big])
    assert [(letter.row_start, letter.row_end) for letter in planned.dead_letters] == [(0, 1), (7, 8), (29, 30)]
    assert {letter.reason for letter in planned.dead_letters} == {"row_too_large"}
    rows = {row for batch in planned.batches for row in range(batch.row_start, batch.row_end)}
    assert rows == set(range(30)) - {0, 7, 29}
    assert planned.counts["rows"] == 27 and planned.counts["too_large"] == 3
    lines = world.store.path(planned.dead_letters[0].uri).read_text().splitlines()
    assert [json.loads(line)["EventId_CF"] for line in lines] == [big["EventId_CF"][row] for row in (0, 7, 29)]
    world.commit(planned)
    with world.ledger.read() as connection:
        assert sum(letter.rows for letter in dead_letters_of_hour(connection, "cloudtrail", HOUR)) == 3


def test_a_plan_without_rows(world, settings):
    planned = world.draft(world.part(), settings, [cloudtrail(0)])
    assert planned.files == [] and planned.batches == []
    world.commit(planned)
    only_big = rows_frame([{"EventId_CF": "e", "UserAgent": "x" * 12_000}])
    planned = world.draft(world.part(), settings, [only_big])
    assert planned.batches == [] and len(planned.dead_letters) == 1


def test_auxiliary_batches_span_at_most_thirty_minutes(world, settings):
    whole = settings.model_copy(update={"max_batch_bytes": 1_000_000})
    frame = cloudtrail(200, 5).with_columns(
        TimeGenerated=pl.when(pl.int_range(200) == 3).then(None).otherwise("TimeGenerated")
    )
    parsed = world.stage(world.part(), Stage.PARSED, [frame], "rows", "AWSCloudTrail")
    rule = {"name": "all", "table": "AWSCloudTrail", "to": {"table": "AWSCloudTrail_Auxiliary_CL"}}
    source = SourceSettings(
        name="trail",
        bucket="bucket",
        prefix="x/",
        format="cloudtrail",
        routing={"demotion": "on", "audit_share": 0, "rules": [rule]},
    )
    router = Router(source, NoGuards(), START)
    planned = plan_module.plan_part(world.store, "x", parsed, None, source.destination_for, whole, router=router)
    bodies = events_of(world, planned)
    assert sorted(event["EventId_CF"] for body in bodies for event in body) == sorted(frame["EventId_CF"])
    assert len(bodies) == 3  # no time; the first half hour; the second
    for body in bodies:
        times = [event["TimeGenerated"] for event in body if "TimeGenerated" in event]
        assert len(times) in (0, len(body))
        assert times == sorted(times)
        if times:
            assert len(times[0]) == len("2026-11-01T13:00:00.000000Z")
            first, last = (pl.Series([text]).str.to_datetime()[0] for text in (times[0], times[-1]))
            assert last - first <= timedelta(minutes=30)
    assert START


def mixed_part(world, scored_flows=False, **counts):
    """A parsed part of two tables, whose first and last file are of one, and its scores."""
    part_id = world.part()
    flow = {"TimeGenerated": START, "EventTime_CF": START, "Bytes": 5}
    flows = rows_frame([flow | {"EventId_CF": f"f{number}"} for number in range(2)], "AWSVPCFlow")
    parsed = world.stage(part_id, Stage.PARSED, [cloudtrail(3), flows, cloudtrail(4, 2)], "rows", "AWSCloudTrail")
    files = (parsed.files[0], dataclasses.replace(parsed.files[1], table="AWSVPCFlow"), parsed.files[2])
    scored = world.stage(part_id, Stage.SCORED, [scores_frame(rows) for rows in (3, 2, 4)], "scores", None)
    kept = scored.files if scored_flows else (scored.files[0], scored.files[2])
    return dataclasses.replace(parsed, files=files), dataclasses.replace(scored, files=kept, counts=counts)


def test_each_table_has_its_own_bodies_stream_and_rule(world, settings):
    parsed, scored = mixed_part(world, scored_flows=True)

    def destination_for(table):
        mine = {"AWSCloudTrail": Destination(table=table, stream="Custom-Mine", dcr_id="dcr-mine")}
        return mine.get(table, default_stream(table))

    planned = plan_module.plan_part(world.store, "x", parsed, scored, destination_for, settings)
    assert [
        (batch.table_name, batch.dcr_id, batch.stream, batch.row_start, batch.row_end) for batch in planned.batches
    ] == [
        ("AWSCloudTrail", "dcr-mine", "Custom-Mine", 0, 7),  # files of one table share bodies, wherever they stand
        ("AWSVPCFlow", "dcr-1", "Custom-AWSVPCFlow", 7, 9),
    ]
    calls, flows = events_of(world, planned)
    assert [event["EventId_CF"] for event in flows] == ["f0", "f1"]
    assert len(calls) == 7 and not {"f0", "f1"} & {event["EventId_CF"] for event in calls}


def test_files_that_scoring_left_out_go_out_unscored_beside_scored_ones(world, settings):
    parsed, scored = mixed_part(world, unscored=2)
    planned = plan_module.plan_part(world.store, "x", parsed, scored, default_stream, settings)
    calls, flows = events_of(world, planned)
    assert {event["Priority_CF"] for event in flows} == {"unknown"}
    assert all("unscored" in event["Flags_CF"].split(";") for event in flows)
    assert all("AnomalyScore_CF" in event for event in calls)
    assert not any("unscored" in event.get("Flags_CF", "") for event in calls)


def test_scores_that_are_lost_are_not_taken_for_left_out(world, settings):
    parsed, scored = mixed_part(world)
    with pytest.raises(ValueError, match=r"2 rows of part \d+ have no scores, scoring left out 0: stage file"):
        plan_module.plan_part(world.store, "x", parsed, scored, default_stream, settings)


def test_rows_and_scores_that_do_not_belong_together_are_refused(world, settings):
    with pytest.raises(ValueError, match="has 5 rows and 4 scores"):
        world.draft(world.part(), settings, [cloudtrail(5)], [scores_frame(4)])
    with pytest.raises(ValueError, match="has no scores"):
        world.draft(world.part(), settings, [cloudtrail(5), cloudtrail(5)], [scores_frame(5)])
    assert not list(world.store.root.rglob("*.bodies"))


def test_a_missing_stage_file_is_named(world, settings):
    part_id = world.part()
    parsed = world.stage(part_id, Stage.PARSED, [cloudtrail(5)], "rows", "AWSCloudTrail")
    world.store.path(parsed.files[0].uri).unlink()
    with pytest.raises(UserError, match=r"\.parquet is missing"):
        plan_module.plan_part(world.store, "x", parsed, None, default_stream, settings)


def test_a_plan_is_committed_whole_or_not_at_all(world, settings):
    planned = world.draft(world.part(), settings, [cloudtrail(20)])
    lost = take_lease(world.ledger, "plan:x", "a", 0)
    take_lease(world.ledger, "plan:x", "b", 60)
    with pytest.raises(LeaseLostError), world.ledger.write() as connection:
        commit_plan(connection, lost, planned, generation=1, seconds=0.0, now=1)
    assert world.batches(planned.part_id) == []


def test_a_split_is_the_same_whenever_it_is_made(world, settings):
    planned = world.draft(world.part(), settings, [cloudtrail(20)])
    world.commit(planned)
    batch = world.batches(planned.part_id)[0]
    first, again = split_batch(world.store, batch), split_batch(world.store, batch)
    assert [dataclasses.replace(child, uri="") for child in first] == [
        dataclasses.replace(child, uri="") for child in again
    ]
    assert first[0].row_start == batch.row_start and first[1].row_end == batch.row_end
    assert first[0].row_end == first[1].row_start
    events = []
    for child in first:
        fields = {name: getattr(batch, name) for name in Batch.__dataclass_fields__}
        body = json.loads(load_raw(world.store, Batch(**fields | dataclasses.asdict(child))))
        assert {event.pop("BatchId_CF") for event in body} == {child.id}
        events += body
    whole = json.loads(load_raw(world.store, batch))
    assert events == [{k: v for k, v in event.items() if k != "BatchId_CF"} for event in whole]


@pytest.mark.parametrize("damaged", ["rows", "scores"])
def test_a_flipped_bit_is_not_planned_as_truth(world, settings, damaged):
    part_id, frame = world.part(), cloudtrail(30, 1)
    world.draft(part_id, settings, [frame], [scores_frame(30)])
    with world.ledger.read() as connection:
        parsed, scored = (latest_stage(connection, part_id, which) for which in (Stage.PARSED, Stage.SCORED))
    [file] = parsed.files_of("rows") if damaged == "rows" else scored.files_of("scores")
    path = world.store.path(file.uri)
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)
    before = set(world.store.root.rglob("*.bodies*"))
    with pytest.raises(UserError, match=rf"{path.name} is damaged: .*restore it from a backup"):
        plan_module.plan_part(world.store, "x", parsed, scored, default_stream, settings)
    assert set(world.store.root.rglob("*.bodies*")) == before  # nothing half-written stays
