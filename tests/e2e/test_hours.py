"""What a user relies on, hour by hour, through S3, pipeline and workspace."""

import gzip
import json
from datetime import timedelta

import pytest
import sqlalchemy as sa

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.hours import hour_start
from s3sentinel_assets.ledger.objects import ObjectState
from s3sentinel_assets.ledger.quarantine import quarantine_of_hour
from s3sentinel_assets.ledger.schema import batch, objects, stage
from s3sentinel_assets.pipeline import discovery, parsed_reports, parsing, proofs, scoring, states, work
from tests.e2e import logs

CLOUDTRAIL, VPC = "cloudtrail", "vpc_flow"


def test_an_hour_of_both_sources_arrives_whole_and_twice_changes_nothing(world, hours, minute):
    hour, start = hours[1], hour_start(hours[1])
    world.put(logs.key(CLOUDTRAIL, start, "a.json.gz"), logs.cloudtrail(logs.records(start, 300)), minute(hour, 5))
    world.put(logs.key(VPC, start, "a.log.gz"), logs.flows(start, 400), minute(hour, 5))
    for source, table, count in ((CLOUDTRAIL, "AWSCloudTrail", 300), (VPC, "AWSVPCFlow", 400)):
        world.bring_up(source, hour)
        account = world.account(source, hour)
        assert (account.verdict, account.records, account.accepted) == ("complete", count, count)
        assert proofs.prove_hour(world.runtime, source, hour).agrees
        requests = world.laptop.workspace.stats()["requests"]["ingestion"]
        world.bring_up(source, hour)
        assert world.laptop.workspace.stats()["requests"]["ingestion"] == requests
        found = world.rows(f"{table} | summarize rows = count(), events = dcount(EventId_CF)")
        assert found == [{"rows": count, "events": count}]


def test_rows_have_the_tables_types_and_event_time_is_kept_when_sentinel_rewrites_it(world, hours, minute):
    hour, start = hours[1], hour_start(hours[1])
    old = start - timedelta(days=5)
    world.put(logs.key(CLOUDTRAIL, start, "a.json.gz"), logs.cloudtrail([logs.record(old)]), minute(hour, 5))
    world.bring_up(CLOUDTRAIL, hour)
    (row,) = world.rows(
        "AWSCloudTrail | project TimeGenerated, EventTime_CF, ReadOnly, RequestParameters, EventId_CF, Priority_CF,"
        " Flags_CF"
    )
    assert row["EventTime_CF"] == old
    assert row["TimeGenerated"] > start
    assert row["ReadOnly"] is True
    assert json.loads(row["RequestParameters"]) == {"bucketName": "example", "key": "k/0"}
    assert row["EventId_CF"] == f"{logs.ACCOUNT}:{logs.record(old)['eventID']}"
    assert (row["Priority_CF"], row["Flags_CF"]) == ("unknown", "unscored")
    report = parsed_reports.event_time_report(world.runtime, CLOUDTRAIL, hour)
    assert not report.passed
    assert report.counts["too_old"] == 1


def test_a_late_object_goes_out_alone_and_nothing_sealed_changes(world, hours, minute):
    hour, start = hours[1], hour_start(hours[1])
    world.put(logs.key(CLOUDTRAIL, start, "a.json.gz"), logs.cloudtrail(logs.records(start, 50)), minute(hour, 5))
    world.bring_up(CLOUDTRAIL, hour)
    world.close_hour(CLOUDTRAIL, hour)
    before = _batches(world)
    world.put(logs.key(CLOUDTRAIL, start, "b.json.gz"), logs.cloudtrail(logs.records(start, 7, 50)), minute(hour, 59))
    assert list(work.touched_hours(world.runtime, CLOUDTRAIL).hours) == [hour]
    world.bring_up(CLOUDTRAIL, hour)
    assert {name: _batches(world)[name] for name in before} == before
    assert sum(rows for rows, _ in _batches(world).values()) == 57
    account = world.account(CLOUDTRAIL, hour)
    assert (account.verdict, account.accepted, account.sealed) == ("complete", 57, True)
    assert work.touched_hours(world.runtime, CLOUDTRAIL).hours == {}
    with world.runtime.ledger.read() as connection:
        assert connection.execute(sa.select(objects.c.late).order_by(objects.c.id)).scalars().all() == [False, True]


def _batches(world) -> dict[str, tuple[int, int]]:
    with world.runtime.ledger.read() as connection:
        rows = connection.execute(sa.select(batch.c.id, batch.c.row_end - batch.c.row_start, batch.c.settled_at))
        return {row[0]: (row[1], row[2]) for row in rows}


def test_the_same_events_in_two_regional_files_and_two_hours_go_out_once(world, hours, minute):
    hour, start = hours[1], hour_start(hours[1])
    same = logs.records(start, 20)
    world.put(logs.key(CLOUDTRAIL, start, "a.json.gz"), logs.cloudtrail(same), minute(hour, 5))
    world.put(logs.key(CLOUDTRAIL, start, "b.json.gz", "eu-west-1"), logs.cloudtrail(same[:15]), minute(hour, 6))
    world.bring_up(CLOUDTRAIL, hour)
    world.put(logs.key(CLOUDTRAIL, start, "c.json.gz", "us-west-2"), logs.cloudtrail(same[:5]), minute(hours[2], 6))
    world.bring_up(CLOUDTRAIL, hours[2])
    first, second = world.account(CLOUDTRAIL, hour), world.account(CLOUDTRAIL, hours[2])
    assert (first.records, first.filtered, first.accepted, first.verdict) == (35, 15, 20, "complete")
    assert (second.records, second.filtered, second.accepted, second.verdict) == (5, 5, 0, "complete")
    assert world.rows("AWSCloudTrail | count") == [{"Count": 20}]


def test_bad_objects_are_quarantined_and_their_neighbours_go_on(world, hours, minute):
    hour, start = hours[1], hour_start(hours[1])
    good = logs.cloudtrail(logs.records(start, 30))
    whole = json.dumps({"Records": logs.records(start, 30, 100)}).encode()
    bodies = {
        "good.json.gz": good,
        "truncated.json.gz": logs.cloudtrail(logs.records(start, 200, 200))[:-900],
        "half.json.gz": gzip.compress(whole[: len(whole) // 2]),
        "garbage.json.gz": b"\x1f\x8b\x08\x00 this is not gzip",
        "empty.json.gz": b"",
        "with space+plus%25 é.json.gz": logs.cloudtrail(logs.records(start, 3, 900)),
    }
    for number, (name, body) in enumerate(bodies.items()):
        world.put(logs.key(CLOUDTRAIL, start, name), body, minute(hour, number))
    world.bring_up(CLOUDTRAIL, hour)
    account = world.account(CLOUDTRAIL, hour)
    assert account.verdict == "complete with exceptions"
    assert account.balanced
    assert account.quarantined == 3
    assert account.accepted == account.rows >= 33
    assert proofs.prove_hour(world.runtime, CLOUDTRAIL, hour).agrees
    with world.runtime.ledger.read() as connection:
        reasons = {
            key.rsplit("/", 1)[1]: reason for key, reason, _, _ in quarantine_of_hour(connection, CLOUDTRAIL, hour)
        }
        state = dict(connection.execute(sa.select(objects.c.key, objects.c.state)).all())
    assert set(reasons) == {"truncated.json.gz", "half.json.gz", "garbage.json.gz"}
    assert state[logs.key(CLOUDTRAIL, start, "empty.json.gz")] == ObjectState.READ
    assert state[logs.key(CLOUDTRAIL, start, "half.json.gz")] == ObjectState.PARTLY_READ


def test_a_flow_line_with_too_few_fields_costs_only_itself(world, hours, minute):
    hour, start = hours[1], hour_start(hours[1])
    text = gzip.decompress(logs.flows(start, 10)).decode() + "2 short line\n" + "2 \xff bytes\n"
    world.put(logs.key(VPC, start, "a.log.gz"), gzip.compress(text.encode("latin-1")), minute(hour, 5))
    world.bring_up(VPC, hour)
    account = world.account(VPC, hour)
    assert (account.records, account.quarantined, account.accepted) == (12, 2, 10)


def test_an_object_that_may_not_be_read_is_named_and_read_once_it_may(world, hours, minute):
    from s3sentinel_assets.local.aws.faults import Fault

    hour, start = hours[1], hour_start(hours[1])
    world.put(logs.key(CLOUDTRAIL, start, "open.json.gz"), logs.cloudtrail(logs.records(start, 5)), minute(hour, 5))
    world.put(logs.key(CLOUDTRAIL, start, "shut.json.gz"), logs.cloudtrail(logs.records(start, 5, 5)), minute(hour, 6))
    world.laptop.aws.set_faults(Fault("access_denied", keys="*shut*"))
    world.bring_up(CLOUDTRAIL, hour)
    account = world.account(CLOUDTRAIL, hour)
    assert (account.accepted, account.refused_objects, account.verdict) == (5, 1, "complete with exceptions")
    world.laptop.aws.set_faults()
    with world.runtime.ledger.write() as connection:  # the first minute is over
        connection.execute(sa.update(objects).where(objects.c.ask_at.is_not(None)).values(ask_at=0))
    world.bring_up(CLOUDTRAIL, hour)
    account = world.account(CLOUDTRAIL, hour)
    assert (account.accepted, account.refused_objects, account.verdict) == (10, 0, "complete")
    assert parsing.parse_hour(world.runtime, CLOUDTRAIL, hour).problems == []


def test_what_cannot_be_reached_gives_one_sentence(world, hours):
    config = world.runtime.config
    from s3sentinel_assets.pipeline.runtime import Runtime

    nowhere = config.model_copy(update={"aws": config.aws.model_copy(update={"endpoint_url": "http://127.0.0.1:9"})})
    with pytest.raises(UserError, match=r"127\.0\.0\.1:9"):
        discovery.discover(Runtime(nowhere), CLOUDTRAIL, [hours[1]])
    missing = config.sources[CLOUDTRAIL].model_copy(update={"bucket": "no-such-bucket"})
    with pytest.raises(UserError, match="no-such-bucket"):
        changed = config.model_copy(update={"sources": {CLOUDTRAIL: missing}})
        discovery.discover(Runtime(changed), CLOUDTRAIL, [hours[1]])


def test_scores_are_bit_identical_when_replayed_and_unscored_without_history(world, hours, minute):
    start = hour_start(hours[0])
    for place, hour in enumerate(hours[:3]):
        begin = hour_start(hour)
        body = logs.cloudtrail(logs.records(begin, 60, place * 1_000))
        world.put(logs.key(CLOUDTRAIL, start, f"{place}.json.gz"), body, minute(hour, 5))
        world.bring_up(CLOUDTRAIL, hour)
        world.close_hour(CLOUDTRAIL, hour)
    first = _scored(world, hours[0])
    assert (first["counts"]["scored"], first["counts"]["unscored"]) == (0, 60)
    third = _scored(world, hours[2])
    assert third["counts"]["scored"] == 60
    assert third["counts"]["state_hour"] == hours[1]
    with world.runtime.ledger.write() as connection:  # forget the result, not the pin
        connection.execute(sa.delete(batch).where(batch.c.part_id == third["part_id"]))
        connection.execute(sa.delete(stage).where(stage.c.part_id == third["part_id"], stage.c.stage != "parsed"))
    scoring.score_hour(world.runtime, CLOUDTRAIL, hours[2])
    again = _scored(world, hours[2])
    assert [file["sha256"] for file in again["files"]] == [file["sha256"] for file in third["files"]]


def _scored(world, hour: str) -> dict:
    from s3sentinel_assets.ledger.schema import part

    with world.runtime.ledger.read() as connection:
        row = connection.execute(
            sa.select(stage)
            .join(part, part.c.id == stage.c.part_id)
            .where(part.c.hour == hour, stage.c.stage == "scored")
        ).one()
        return dict(row._mapping)


def test_a_gap_in_the_states_is_recorded_and_late_events_enter_the_next_state(world, hours, minute):
    start = hour_start(hours[0])
    for place, hour in ((0, hours[0]), (3, hours[3])):
        body = logs.cloudtrail(logs.records(hour_start(hour), 10, place * 100))
        world.put(logs.key(CLOUDTRAIL, start, f"{place}.json.gz"), body, minute(hour, 5))
        world.bring_up(CLOUDTRAIL, hour)
        world.close_hour(CLOUDTRAIL, hour)
    world.put(
        logs.key(CLOUDTRAIL, start, "late.json.gz"), logs.cloudtrail(logs.records(start, 4, 900)), minute(hours[1], 9)
    )
    world.bring_up(CLOUDTRAIL, hours[1])
    world.close_hour(CLOUDTRAIL, hours[1])
    summary = states.advance_state(world.runtime, CLOUDTRAIL, hours[3])
    assert summary.counts["gap_hours"] == 2
    assert summary.counts["events"] == 10
    world.close_hour(CLOUDTRAIL, hours[4])
    assert states.advance_state(world.runtime, CLOUDTRAIL, hours[4]).counts["events"] == 4


def test_a_part_whose_bytes_exceed_a_file_is_cut_into_row_aligned_files(make_world, hours, minute):
    world = make_world(limits={"file_decoded_bytes": 1 << 16})
    hour, start = hours[1], hour_start(hours[1])
    for number in range(6):
        body = logs.cloudtrail(logs.records(start, 100, number * 100))
        world.put(logs.key(CLOUDTRAIL, start, f"{number}.json.gz"), body, minute(hour, number))
    world.bring_up(CLOUDTRAIL, hour)
    report = parsed_reports.schema_report(world.runtime, CLOUDTRAIL, hour)
    assert report.passed
    assert report.counts["files"] > 3
    assert proofs.prove_hour(world.runtime, CLOUDTRAIL, hour).found == 600


def test_parsing_twice_at_once_does_each_part_once(make_world, hours, minute):
    import threading

    world = make_world(limits={"part_objects": 1})
    hour, start = hours[1], hour_start(hours[1])
    for number in range(6):
        body = logs.cloudtrail(logs.records(start, 20, number * 10))  # half of each object repeats its neighbour
        world.put(logs.key(CLOUDTRAIL, start, f"{number}.json.gz"), body, minute(hour, number))
    discovery.discover(world.runtime, CLOUDTRAIL, [hour])
    threads = [threading.Thread(target=parsing.parse_hour, args=(world.runtime, CLOUDTRAIL, hour)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    world.bring_up(CLOUDTRAIL, hour)
    account = world.account(CLOUDTRAIL, hour)
    assert (account.records, account.filtered, account.accepted) == (120, 50, 70)
    assert proofs.prove_hour(world.runtime, CLOUDTRAIL, hour).agrees


def test_a_source_whose_format_is_found_by_content_is_scored_like_the_format_of_its_table(make_world, hours, minute):
    settings = {"bucket": "s3sentinel-logs", "prefix": "AWSLogs/{account}/CloudTrail/{region}/{yyyy}/{mm}/{dd}/"}
    native = settings | {"format": "auto", "destination": {"table": "AWSCloudTrail"}}
    world = make_world(sources={"native": native})
    for place, hour in enumerate(hours[:2]):
        start = hour_start(hour)
        body = logs.cloudtrail(logs.records(start, 30, place * 100))
        world.put(logs.key(CLOUDTRAIL, start, f"{place}.json.gz"), body, minute(hour, 5))
        world.bring_up("native", hour)
        world.close_hour("native", hour)
    assert world.account("native", hours[1]).accepted == 30
    assert _scored(world, hours[1])["counts"]["scored"] == 30


def test_a_sealed_hour_without_a_state_is_asked_for_again(world, hours, minute):
    hour, start = hours[4], hour_start(hours[4])
    world.put(logs.key(CLOUDTRAIL, start, "a.json.gz"), logs.cloudtrail(logs.records(start, 5)), minute(hour, 5))
    world.bring_up(CLOUDTRAIL, hour)
    assert hour in states.hours_to_seal(world.runtime, CLOUDTRAIL)
    states.seal_hour(world.runtime, CLOUDTRAIL, hour)
    assert hour in states.hours_to_seal(world.runtime, CLOUDTRAIL)
    states.advance_state(world.runtime, CLOUDTRAIL, hour)
    assert hour not in states.hours_to_seal(world.runtime, CLOUDTRAIL)


def test_the_sweep_of_the_store_takes_orphans_and_nothing_that_is_named(world, hours, minute):
    import os

    from s3sentinel_assets.pipeline.housekeeping import sweep_store

    hour, start = hours[1], hour_start(hours[1])
    same = logs.records(start, 10)
    for number, body in enumerate((logs.cloudtrail(same), logs.cloudtrail(same[5:]))):
        world.put(logs.key(CLOUDTRAIL, start, f"{number}.json.gz"), body, minute(hour, number))
        world.bring_up(CLOUDTRAIL, hour)  # the second part is rewritten without what the first one owns
    world.close_hour(CLOUDTRAIL, hour)
    for path in world.runtime.store.root.rglob("*.*"):
        os.utime(path, (0, 0))
    assert len(sweep_store(world.runtime)) == 2
    assert sweep_store(world.runtime) == []
    assert parsed_reports.schema_report(world.runtime, CLOUDTRAIL, hour).passed
    assert states.advance_state(world.runtime, CLOUDTRAIL, hour).kept == 1


def test_the_same_events_in_two_sources_of_one_table_go_out_once(make_world, hours, minute):
    trail = {"bucket": "s3sentinel-logs", "format": "cloudtrail"}
    sources = {
        "account_trail": trail | {"prefix": "AWSLogs/{account}/CloudTrail/{region}/{yyyy}/{mm}/{dd}/"},
        "other_trail": trail | {"prefix": "other/AWSLogs/{account}/CloudTrail/{region}/{yyyy}/{mm}/{dd}/"},
    }
    world = make_world(sources=sources)
    hour, start = hours[1], hour_start(hours[1])
    body = logs.cloudtrail(logs.records(start, 20))
    world.put(logs.key(CLOUDTRAIL, start, "a.json.gz"), body, minute(hour, 5))
    world.put("other/" + logs.key(CLOUDTRAIL, start, "a.json.gz"), body, minute(hour, 5))
    for source in sources:
        world.bring_up(source, hour)
    assert world.account("account_trail", hour).accepted == 20
    assert (world.account("other_trail", hour).accepted, world.account("other_trail", hour).filtered) == (0, 20)
    assert world.rows("AWSCloudTrail | count") == [{"Count": 20}]


def test_events_from_impossible_years_do_not_stop_later_parts(world, hours, minute):
    hour, start = hours[1], hour_start(hours[1])
    odd = [
        logs.record(start, number, eventTime=f"{year}-01-01T00:00:00Z") for number, year in enumerate(("0001", "9999"))
    ]
    for number in range(2):
        body = logs.cloudtrail([*odd, *logs.records(start, 5, 10 * number + 10)])
        world.put(logs.key(CLOUDTRAIL, start, f"{number}.json.gz"), body, minute(hour, number))
        world.bring_up(CLOUDTRAIL, hour)
    account = world.account(CLOUDTRAIL, hour)
    assert account.balanced
    assert account.accepted >= 10
    assert account.records == 14


def test_a_refused_object_is_asked_for_by_the_sensor_once_its_time_has_come(world, hours, minute):
    from s3sentinel_assets.local.aws.faults import Fault

    hour, start = hours[1], hour_start(hours[1])
    world.put(logs.key(CLOUDTRAIL, start, "shut.json.gz"), logs.cloudtrail(logs.records(start, 5)), minute(hour, 6))
    world.laptop.aws.set_faults(Fault("kms_denied", keys="*shut*"))
    world.bring_up(CLOUDTRAIL, hour)
    world.close_hour(CLOUDTRAIL, hour)
    world.laptop.aws.set_faults()
    assert work.touched_hours(world.runtime, CLOUDTRAIL).hours == {}
    with world.runtime.ledger.write() as connection:  # the first minute is over
        connection.execute(sa.update(objects).where(objects.c.ask_at.is_not(None)).values(ask_at=0))
    assert list(work.touched_hours(world.runtime, CLOUDTRAIL).hours) == [hour]
    world.bring_up(CLOUDTRAIL, hour)
    assert world.account(CLOUDTRAIL, hour).verdict == "complete"


def test_a_damaged_stage_file_is_not_delivered_as_truth(world, hours, minute):
    hour, start = hours[1], hour_start(hours[1])
    world.put(logs.key(CLOUDTRAIL, start, "a.json.gz"), logs.cloudtrail(logs.records(start, 50)), minute(hour, 5))
    discovery.discover(world.runtime, CLOUDTRAIL, [hour])
    parsing.parse_hour(world.runtime, CLOUDTRAIL, hour)
    for path in world.runtime.store.root.rglob("*.parquet"):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(bytes(data))
    with pytest.raises(UserError, match="damaged"):
        world.bring_up(CLOUDTRAIL, hour)
    assert world.rows("AWSCloudTrail | count") == [{"Count": 0}]


def test_hours_are_to_be_proved_until_the_workspace_agrees_batch_by_batch(world, hours, minute):
    hour, start = hours[1], hour_start(hours[1])
    world.put(logs.key(CLOUDTRAIL, start, "a.json.gz"), logs.cloudtrail(logs.records(start, 50)), minute(hour, 5))
    assert proofs.hours_to_prove(world.runtime, CLOUDTRAIL) == []
    summary = discovery.discover(world.runtime, CLOUDTRAIL, [hour])[hour]
    assert str(summary.counts["watermark"]).endswith("UTC")
    world.laptop.workspace.set_faults(accept_then_drop_next=1)
    world.bring_up(CLOUDTRAIL, hour)
    assert proofs.hours_to_prove(world.runtime, CLOUDTRAIL) == [hour]
    assert not proofs.prove_hour(world.runtime, CLOUDTRAIL, hour).agrees
    assert proofs.hours_to_prove(world.runtime, CLOUDTRAIL) == [hour]


def test_a_proof_goes_stale_when_the_hour_is_sealed(world, hours, minute):
    hour, start = hours[1], hour_start(hours[1])
    world.put(logs.key(CLOUDTRAIL, start, "a.json.gz"), logs.cloudtrail(logs.records(start, 5)), minute(hour, 5))
    world.bring_up(CLOUDTRAIL, hour)
    assert proofs.prove_hour(world.runtime, CLOUDTRAIL, hour).agrees
    assert proofs.hours_to_prove(world.runtime, CLOUDTRAIL) == []
    world.close_hour(CLOUDTRAIL, hour)
    assert proofs.hours_to_prove(world.runtime, CLOUDTRAIL) == [hour]


def test_parts_that_fail_each_for_a_reason_of_its_own_do_not_keep_the_next_waiting(
    make_world, hours, minute, monkeypatch
):
    world = make_world(limits={"part_objects": 1})
    hour, start = hours[1], hour_start(hours[1])
    for number in range(5):
        body = logs.cloudtrail(logs.records(start, 4, number * 10))
        world.put(logs.key(CLOUDTRAIL, start, f"{number}.json.gz"), body, minute(hour, number))
    discovery.discover(world.runtime, CLOUDTRAIL, [hour])
    really = parsing._parse_part

    def broken(runtime, part, held):
        if part.id <= 4:
            raise ValueError(f"part {part.id} is odd")
        return really(runtime, part, held)

    monkeypatch.setattr(parsing, "_parse_part", broken)
    with pytest.raises(ExceptionGroup, match="4 parts"):
        parsing.parse_hour(world.runtime, CLOUDTRAIL, hour)
    assert world.account(CLOUDTRAIL, hour).records == 4


def test_a_cause_common_to_all_parts_ends_the_round(make_world, hours, minute, monkeypatch):
    world = make_world(limits={"part_objects": 1})
    hour, start = hours[1], hour_start(hours[1])
    for number in range(6):
        body = logs.cloudtrail(logs.records(start, 4, number * 10))
        world.put(logs.key(CLOUDTRAIL, start, f"{number}.json.gz"), body, minute(hour, number))
    discovery.discover(world.runtime, CLOUDTRAIL, [hour])
    tried = []

    def away(_runtime, part, _held):
        tried.append(part.id)
        raise UserError("bucket logs cannot be reached")

    monkeypatch.setattr(parsing, "_parse_part", away)
    with pytest.raises(UserError, match="cannot be reached"):
        parsing.parse_hour(world.runtime, CLOUDTRAIL, hour)
    assert len(tried) == 3


def test_counters_chain_on_over_a_part_that_went_out_unscored(make_world, hours, minute, monkeypatch):
    from s3sentinel_assets.ledger.schema import score_pin

    world = make_world(limits={"part_objects": 1})
    first, second = hours[0], hours[1]
    world.put(
        logs.key(CLOUDTRAIL, hour_start(first), "x.json.gz"),
        logs.cloudtrail(logs.records(hour_start(first), 9)),
        minute(first, 1),
    )
    world.bring_up(CLOUDTRAIL, first)
    world.close_hour(CLOUDTRAIL, first)
    really = scoring._run_model

    def fails(*arguments):
        raise ValueError("a model that fails")

    for number, model in enumerate((really, fails, really)):
        monkeypatch.setattr(scoring, "_run_model", model)
        body = logs.cloudtrail(logs.records(hour_start(second), 5, 100 * number))
        world.put(logs.key(CLOUDTRAIL, hour_start(second), f"{number}.json.gz"), body, minute(second, number))
        world.bring_up(CLOUDTRAIL, second)
    with world.runtime.ledger.read() as connection:
        pins = connection.execute(
            sa.select(score_pin.c.part_id, score_pin.c.counters_part_id).order_by("part_id")
        ).all()
    assert [pin.counters_part_id for pin in pins[1:]] == [None, pins[1].part_id, pins[1].part_id]
    assert world.account(CLOUDTRAIL, second).accepted == 15
