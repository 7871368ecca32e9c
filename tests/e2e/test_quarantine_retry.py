"""Rejected records get another try: they arrive once, what was delivered stays, and the hour's account holds."""

import gzip
import json
import re

import pytest
import sqlalchemy as sa
import yaml
from typer.testing import CliRunner

from s3sentinel_assets.cli.quarantine import app
from s3sentinel_assets.hours import hour_start
from s3sentinel_assets.ledger.quarantine import quarantine_of_hour
from s3sentinel_assets.ledger.schema import batch, objects, quarantine_retry
from s3sentinel_assets.local.laptop import BUCKET
from s3sentinel_assets.pipeline import proofs, record_retries
from s3sentinel_assets.pipeline.runtime import Runtime
from tests.e2e import logs

VPC = "vpc_flow"
#: The order that whoever made the flow log chose; its files do not state it.
FIELDS = ["interface-id", "srcaddr", "dstaddr", "srcport", "dstport", "protocol", "start", "end", "action"]
NAME = "111122223333_vpcflowlogs_us-east-1_fl-0a1b2c3d_20261120T1005Z_{}.log.gz"


def chosen(start: int, first: int, count: int) -> list[str]:
    """Lines in the chosen order; the source port tells them apart."""
    return [
        f"eni-0a1b2c3d 10.0.0.1 203.0.113.9 {first + number} 443 6 {start + number} {start + number + 60} ACCEPT"
        for number in range(count)
    ]


def default(start: int, first: int, count: int) -> list[str]:
    """Lines in AWS's default order."""
    return [
        f"2 {logs.ACCOUNT} eni-0a1b2c3d 10.0.0.1 203.0.113.9 {first + number} 443 6 10 640 {start} {start + 60} "
        "ACCEPT OK"
        for number in range(count)
    ]


def packed(lines: list[str]) -> bytes:
    return gzip.compress("\n".join([*lines, ""]).encode(), mtime=0)


def reconfigured(world, **source) -> Runtime:
    """The runtime after the source's settings were changed."""
    file = world.laptop.config_file
    values = yaml.safe_load(file.read_text())
    values["sources"][VPC] = {key: value for key, value in values["sources"][VPC].items() if key != "fields"} | source
    file.write_text(yaml.safe_dump(values))
    world.runtime.close()
    world.runtime = Runtime(world.laptop.config())
    return world.runtime


def cli(world, *arguments: str) -> str:
    done = CliRunner().invoke(app, [*arguments, "--config", str(world.laptop.config_file)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def ports(world) -> list[int]:
    found = world.rows("AWSVPCFlow | project SrcPort, EventId_CF")
    assert len({row["EventId_CF"] for row in found}) == len(found)
    return sorted(row["SrcPort"] for row in found)


def batches(world) -> dict[str, tuple]:
    with world.runtime.ledger.read() as connection:
        return {row.id: tuple(row) for row in connection.execute(sa.select(batch))}


def figures(world, hour: str) -> tuple:
    account = world.account(VPC, hour)
    assert account.balanced
    return account.objects, account.records, account.accepted, account.quarantined, account.filtered, account.verdict


@pytest.fixture
def put(world, minute):
    """Puts objects with known names into the bucket."""

    def put(hour: str, minutes: int, name: str, body: bytes, region: str = "us-east-1") -> str:
        key = logs.key(VPC, hour_start(hour), name, region)
        world.put(key, body, minute(hour, minutes))
        return key

    return put


def test_records_in_an_order_that_nobody_had_stated_arrive_once_it_is_stated(world, hours, put, monkeypatch):
    hour, other = hours[1], hours[2]
    start = int(hour_start(hour).timestamp())
    mixed = [*default(start, 1, 4), *chosen(start, 101, 3), "neither one nor the other", *default(start, 5, 1)]
    put(hour, 1, NAME.format("0a1b2c3d"), packed(mixed))
    put(hour, 2, NAME.format("0a1b2c3d"), packed(mixed), "eu-west-1")  # a copy of all that
    gone = put(other, 3, "gone.log.gz", packed([*default(start, 11, 2), *chosen(start, 111, 2)]))
    put(other, 4, "stays.log.gz", packed(chosen(start, 121, 1)) + packed(default(start, 13, 1)))
    world.bring_up(VPC, hour)
    world.bring_up(VPC, other)
    world.close_hour(VPC, hour)
    assert figures(world, hour) == (2, 18, 5, 8, 5, "complete with exceptions")
    assert figures(world, other) == (2, 6, 3, 3, 0, "complete with exceptions")
    before = batches(world)
    with world.runtime.ledger.read() as connection:
        rows_before = {row.id: tuple(row) for row in connection.execute(sa.select(objects))}

    reconfigured(world, fields=FIELDS)
    world.s3.delete_object(Bucket=BUCKET, Key=gone)
    shown = [json.loads(line) for line in cli(world, "list", "--json").splitlines()]
    assert sum(entry["records"] for entry in shown) == 11
    assert "would be parsed again" in cli(world, "retry", "--source", VPC, "--dry-run")
    said = cli(world, "retry", "--source", VPC)
    assert "11 rejected records of 4 objects in 2 hours will be parsed again" in said
    assert f"backfill --source {VPC} --from {hour} --to {other}" in said
    said = cli(world, "retry", "--source", VPC)
    assert "no rejected records to take up" in said
    assert "11 records were taken up before" in said
    assert figures(world, hour)[:5] == (2, 18, 5, 8, 5)  # nothing is lost sight of meanwhile

    world.bring_up(VPC, hour)
    with monkeypatch.context() as patched:
        # As if the parser cut objects otherwise now: numbers mean other records, so only kept bytes can be read.
        patched.setattr(record_retries, "_shifted", lambda *_: True)
        world.bring_up(VPC, other)
    assert ports(world) == [1, 2, 3, 4, 5, 11, 12, 13, 101, 102, 103, 111, 112, 121]
    # One line stays; of the copy all records are those of the first.
    assert figures(world, hour) == (2, 18, 8, 1, 9, "complete with exceptions")
    assert figures(world, other) == (2, 6, 6, 0, 0, "complete")
    assert all(proofs.prove_hour(world.runtime, VPC, each).agrees for each in (hour, other))
    after = batches(world)
    assert {name: after[name] for name in before} == before
    with world.runtime.ledger.read() as connection:
        rows_after = {row.id: tuple(row) for row in connection.execute(sa.select(objects))}
        left = quarantine_of_hour(connection, VPC, hour)
        (order,) = connection.execute(sa.select(quarantine_retry)).all()
    assert {number: rows_after[number] for number in rows_before} == rows_before
    assert [(reason, records) for _, reason, records, _ in left] == [("field_count", 1)]
    assert (order.objects, order.records, bool(order.requested_by)) == (4, 11, True)

    requests = world.laptop.workspace.stats()["requests"]["ingestion"]
    assert "1 rejected records of 1 objects" in cli(world, "retry", "--source", VPC, "--hour", hour)
    assert "no rejected records" in cli(world, "retry", "--source", VPC, "--hour", other)
    world.bring_up(VPC, hour)
    assert figures(world, hour) == (2, 18, 8, 1, 9, "complete with exceptions")
    assert world.laptop.workspace.stats()["requests"]["ingestion"] == requests
    (record,) = [json.loads(line) for line in cli(world, "show", "--json").splitlines()]
    assert (record["text"], record["position"]) == ("neither one nor the other", 7)
    event = world.rows("AWSVPCFlow | where SrcPort == 103 | project EventId_CF")[0]["EventId_CF"]
    assert re.fullmatch(r"[0-9a-f]{20}.6", event)  # the object's identity and the number of the record in it


def test_an_object_of_another_format_is_read_whole_once_the_format_is_corrected(world, hours, put):
    hour, start = hours[1], hour_start(hours[1])
    put(hour, 1, "a.log.gz", logs.flows(start, 3))
    put(hour, 2, "b.json.gz", logs.cloudtrail(logs.records(start, 5)))
    cut = gzip.compress("\n".join([logs.VPC_HEADER, *default(int(start.timestamp()), 1, 50), ""]).encode(), mtime=0)
    put(hour, 3, "cut.log.gz", cut[:-40])
    world.bring_up(VPC, hour)
    records = world.account(VPC, hour).records
    assert world.account(VPC, hour).quarantined == 2
    reconfigured(world, format="auto")
    cli(world, "retry", "--source", VPC, "--reason", "not_vpc_flow")
    world.bring_up(VPC, hour)
    assert world.rows("AWSCloudTrail | summarize rows = count(), events = dcount(EventId_CF)") == [
        {"rows": 5, "events": 5}
    ]
    account = world.account(VPC, hour)
    assert (account.balanced, account.records, account.quarantined) == (True, records + 4, 1)
    # What is cut stays cut: the same record, in quarantine, once.
    rows = account.accepted
    cli(world, "retry", "--source", VPC)
    world.bring_up(VPC, hour)
    account = world.account(VPC, hour)
    assert (account.balanced, account.records, account.quarantined, account.accepted) == (True, records + 4, 1, rows)
