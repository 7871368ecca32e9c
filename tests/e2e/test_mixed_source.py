"""One source, several formats: each object's rows go to its own table, scored where there is a model for them."""

import gzip
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from s3sentinel_assets.formats import format_parser
from s3sentinel_assets.hours import hour_start
from s3sentinel_assets.ledger.schema import batch, part, score_pin, stage
from s3sentinel_assets.pipeline import parsed_reports, proofs, scoring
from s3sentinel_assets.pipeline.histories import read_counters, read_states
from tests.e2e import logs
from tests.formats.access_lines import ALB, NLB, line, text

FOLDERS = {
    "bucket": "s3sentinel-logs",
    "prefix": "AWSLogs/{account}/{folder}/{region}/{yyyy}/{mm}/{dd}/",
    "format": "auto",
}
TABLES = {"cloudtrail": "AWSCloudTrail", "vpc_flow": "AWSVPCFlow", "alb": "AWSALBAccessLogs"}


def requests(hour: datetime, count: int) -> bytes:
    """A load balancer's access log."""
    lines = [
        f"https {hour + timedelta(seconds=number):%Y-%m-%dT%H:%M:%S}.186641Z app/front/50dc6c495c0c9188 "
        f"198.51.100.7:{30_000 + number} 10.0.1.5:8080 0.000 0.012 0.000 200 200 {number + 300} 4096 "
        f'"GET https://shop.example.com:443/item/{number} HTTP/1.1" "curl/8.5.0" TLS_AES_128_GCM_SHA256 TLSv1.3 '
        f"arn:aws:elasticloadbalancing:us-east-1:{logs.ACCOUNT}:targetgroup/front/943f017f100becff "
        f'"Root=1-65f2c1a4-{number:024x}" "shop.example.com" "session-reused" 0 '
        f'{hour + timedelta(seconds=number):%Y-%m-%dT%H:%M:%S}.100000Z "forward" "-" "-" "10.0.1.5:8080" "200" "-" "-"'
        for number in range(count)
    ]
    return gzip.compress("\n".join([*lines, ""]).encode(), mtime=0)


def put_each(world, hour: str, minute, count: int = 20) -> None:
    """An object of each format: ``count`` calls, twice as many flows, three times as many requests."""
    start = hour_start(hour)
    bodies = {
        "CloudTrail": logs.cloudtrail(logs.records(start, count)),
        "vpcflowlogs": logs.flows(start, count * 2),
        "elasticloadbalancing": requests(start, count * 3),
    }
    for place, (folder, body) in enumerate(bodies.items()):
        key = f"AWSLogs/{logs.ACCOUNT}/{folder}/us-east-1/{start:%Y/%m/%d}/{place}.log.gz"
        world.put(key, body, minute(hour, place))


def stages_of(world, hour: str, which: str) -> list[dict]:
    with world.runtime.ledger.read() as connection:
        rows = connection.execute(
            sa.select(stage)
            .join(part, part.c.id == stage.c.part_id)
            .where(part.c.hour == hour, stage.c.stage == which)
            .order_by(stage.c.part_id)
        )
        return [dict(row._mapping) for row in rows]


def total(results: list[dict], name: str) -> int:
    return sum(result["counts"].get(name, 0) for result in results)


def test_each_format_goes_to_its_own_table_and_is_scored_if_it_has_a_model(make_world, hours, minute):
    world = make_world(sources={"mixed": FOLDERS})
    for hour in hours[:2]:
        put_each(world, hour, minute)
        world.bring_up("mixed", hour)
        account = world.account("mixed", hour)
        assert (account.verdict, account.records, account.accepted) == ("complete", 120, 120)
        assert proofs.prove_hour(world.runtime, "mixed", hour).agrees
        for report in (parsed_reports.schema_report, parsed_reports.event_time_report, proofs.listing_report):
            assert report(world.runtime, "mixed", hour).passed
        world.close_hour("mixed", hour)
    for count, table in zip((20, 40, 60), TABLES.values(), strict=True):
        found = world.rows(f"{table} | summarize rows = count(), events = dcount(EventId_CF)")
        assert found == [{"rows": 2 * count, "events": 2 * count}]
    first, second = (stages_of(world, hour, "scored") for hour in hours[:2])
    assert (total(first, "scored"), total(first, "unscored")) == (0, 120)  # no history yet
    assert (total(second, "scored"), total(second, "unscored")) == (120, 0)
    for table in TABLES.values():
        later = world.rows(
            f"{table} | where EventTime_CF >= datetime({hour_start(hours[1]).isoformat()})"
            " | summarize rows = count() by unscored = Flags_CF has 'unscored'"
        )
        assert [row["unscored"] for row in later] == [False]
    summary = scoring.score_hour(world.runtime, "mixed", hours[1])
    assert summary.problems == []
    assert summary.preview is not None
    with world.runtime.ledger.read() as connection:
        batches = connection.execute(sa.select(batch.c.table_name, batch.c.stream).distinct()).all()
    assert {tuple(row) for row in batches} == {(table, f"Custom-{table}") for table in TABLES.values()}


def test_a_mixed_part_scored_again_is_the_same_and_counters_of_each_format_go_on(make_world, hours, minute):
    world = make_world(sources={"mixed": FOLDERS}, limits={"part_objects": 1})
    first, second = hours[:2]
    for hour in (first, second):
        put_each(world, hour, minute)
        world.bring_up("mixed", hour)
        world.close_hour("mixed", hour)
    with world.runtime.ledger.read() as connection:
        uri = connection.execute(sa.text("SELECT uri FROM state ORDER BY id LIMIT 1")).scalar_one()
    states = read_states(world.runtime.store.path(uri))
    assert {family: state.events for family, state in states.items()} == {"cloudtrail": 20, "vpc_flow": 40, "alb": 60}
    # Another object of calls: what the part of calls left is carried through the parts of the other formats.
    start = hour_start(second)
    world.put(
        logs.key("cloudtrail", start, "late.log.gz"), logs.cloudtrail(logs.records(start, 5, 50)), minute(second, 9)
    )
    world.bring_up("mixed", second)
    with world.runtime.ledger.read() as connection:
        pinned = connection.execute(sa.select(score_pin.c.counters_uri).order_by(score_pin.c.part_id.desc())).scalar()
    assert set(read_counters(world.runtime.store.path(pinned), [*TABLES])) == set(TABLES)
    before = stages_of(world, second, "scored")
    with world.runtime.ledger.write() as connection:  # forget the results, not the pins
        again = [result["id"] for result in before]
        connection.execute(sa.delete(stage).where(stage.c.id.in_(again)))
    scoring.score_hour(world.runtime, "mixed", second)
    after = stages_of(world, second, "scored")
    assert [[file["sha256"] for file in result["files"]] for result in after] == [
        [file["sha256"] for file in result["files"]] for result in before
    ]


def test_an_object_of_two_sources_goes_to_a_table_once(make_world, hours, minute):
    asim = FOLDERS | {"normalise": "asim"}
    world = make_world(sources={"mixed": FOLDERS, "normalised": asim})
    put_each(world, hours[0], minute)
    for source in ("vpc_flow", "mixed", "vpc_flow"):
        world.bring_up(source, hours[0])
    account = world.account("mixed", hours[0])
    assert (account.records, account.filtered, account.accepted) == (120, 40, 80)  # the flows went out already
    assert world.rows("AWSVPCFlow | count") == [{"Count": 40}]
    # Where the tables differ, both get it.
    if format_parser("vpc_flow").asim:
        world.bring_up("normalised", hours[0])
        assert world.rows("ASimNetworkSessionLogs | count") == [{"Count": 40}]


def test_lines_of_several_formats_in_one_object_go_to_their_tables_once(make_world, hours, minute):
    world = make_world(sources={"mixed": FOLDERS, "balancers": FOLDERS | {"format": "alb"}})
    start = hour_start(hours[0])
    lines = [line for pair in zip([line(ALB)] * 3, [line(NLB)] * 3, strict=True) for line in pair]
    key = f"AWSLogs/{logs.ACCOUNT}/elasticloadbalancing/us-east-1/{start:%Y/%m/%d}/0.log.gz"
    world.put(key, gzip.compress(text(*lines), mtime=0), minute(hours[0], 0))
    for source in ("mixed", "balancers"):
        world.bring_up(source, hours[0])
        assert parsed_reports.records_report(world.runtime, source, hours[0]).passed
    account = world.account("mixed", hours[0])
    assert (account.verdict, account.records, account.accepted) == ("complete", 6, 6)
    assert world.rows("AWSALBAccessLogs | count") == [{"Count": 3}]
    assert world.rows("AWSNLBAccessLogs | count") == [{"Count": 3}]
    account = world.account("balancers", hours[0])  # the same bytes again
    assert (account.records, account.filtered, account.accepted) == (6, 3, 0)


def test_a_mixed_source_may_be_normalised(make_world, hours, minute):
    tables = {name: {mapping.table for mapping in format_parser(name).asim} for name in TABLES}
    normalised = [name for name in TABLES if tables[name]]
    if not normalised:
        pytest.skip("none of these formats has a mapping to ASIM")
    world = make_world(sources={"mixed": FOLDERS | {"normalise": "asim"}})
    put_each(world, hours[0], minute)
    world.bring_up("mixed", hours[0])
    account = world.account("mixed", hours[0])
    assert (account.verdict, account.accepted) == ("complete", 120)
    assert parsed_reports.schema_report(world.runtime, "mixed", hours[0]).passed
    counts = {"cloudtrail": 20, "vpc_flow": 40, "alb": 60}
    held = [world.rows(f"{table} | count")[0]["Count"] for table in set().union(*tables.values())]
    assert sum(held) == sum(counts[name] for name in normalised)
    for name, table in TABLES.items():
        assert world.rows(f"{table} | count") == [{"Count": 0 if name in normalised else counts[name]}]
