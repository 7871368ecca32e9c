"""The cases in which other connectors lost events while reading, each under its own name, from bucket to workspace.

Digest files (missing, altered, signed again, rotated keys) are in ``tests/integrity``; a gigantic array, memory and
listings of hundreds of thousands of keys in ``tests/s3``, as are credentials that end in mid run.
"""

import gzip
import json
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa

from s3sentinel_assets.hours import hour_start
from s3sentinel_assets.ledger.notifications import kept_notifications
from s3sentinel_assets.ledger.objects import ObjectState
from s3sentinel_assets.ledger.schema import objects
from s3sentinel_assets.local.aws import Fault
from s3sentinel_assets.local.laptop import BUCKET
from s3sentinel_assets.pipeline import announced as announced_module
from s3sentinel_assets.pipeline import discovery, notified, parsing, proofs, work
from s3sentinel_assets.pipeline.runtime import Runtime
from tests.e2e import logs

CLOUDTRAIL, VPC = "cloudtrail", "vpc_flow"


def states(world) -> dict[str, str]:
    """Name of each object → its newest state."""
    with world.runtime.ledger.read() as connection:
        rows = connection.execute(sa.select(objects.c.name, objects.c.state).order_by(objects.c.id))
        return {row.name: row.state for row in rows}


def ids(world, table: str = "AWSCloudTrail") -> tuple[int, int]:
    """Rows and distinct events in the workspace."""
    (row,) = world.rows(f"{table} | summarize rows = count(), events = dcount(EventId_CF)")
    return row["rows"], row["events"]


# -- listing ---------------------------------------------------------------------------------------------------------


def test_two_objects_in_the_same_second(world, hours, minute):
    hour, start = hours[1], hour_start(hours[1])
    world.put(logs.key(CLOUDTRAIL, start, "b.json.gz"), logs.cloudtrail(logs.records(start, 5)), minute(hour, 5))
    world.bring_up(CLOUDTRAIL, hour)
    # The second one sorts before the first, carries the same second and is written after the first was delivered.
    world.put(logs.key(CLOUDTRAIL, start, "a.json.gz"), logs.cloudtrail(logs.records(start, 5, 5)), minute(hour, 5))
    assert list(work.touched_hours(world.runtime, CLOUDTRAIL).hours) == [hour]
    world.bring_up(CLOUDTRAIL, hour)
    assert ids(world) == (10, 10)


def test_an_object_landing_40_minutes_late_is_delivered_and_counted_in_its_sealed_hour(world, hours, minute):
    hour, start = hours[1], hour_start(hours[1])
    world.put(logs.key(CLOUDTRAIL, start, "a.json.gz"), logs.cloudtrail(logs.records(start, 5)), minute(hour, 55))
    world.bring_up(CLOUDTRAIL, hour)
    world.close_hour(CLOUDTRAIL, hour)
    world.put(logs.key(CLOUDTRAIL, start, "b.json.gz"), logs.cloudtrail(logs.records(start, 5, 5)), minute(hour, 59))
    world.bring_up(CLOUDTRAIL, hour)
    account = world.account(CLOUDTRAIL, hour)
    assert (account.sealed, account.late_objects, account.accepted, account.verdict) == (True, 1, 10, "complete")
    assert proofs.listing_report(world.runtime, CLOUDTRAIL, hour).passed


def test_a_long_multipart_upload_turns_up_in_the_hour_it_began_as_an_added_part(world, hours, minute):
    """LastModified of a multipart object is the instant its upload began, and a replica keeps its source's."""
    hour, start = hours[1], hour_start(hours[1])
    world.put(logs.key(CLOUDTRAIL, start, "a.json.gz"), logs.cloudtrail(logs.records(start, 5)), minute(hour, 5))
    world.bring_up(CLOUDTRAIL, hour)
    world.close_hour(CLOUDTRAIL, hour)
    body = gzip.compress(json.dumps({"Records": logs.records(start, 3, 100)}).encode(), mtime=0)
    place = {"Bucket": BUCKET, "Key": logs.key(CLOUDTRAIL, start, "slow.json.gz")}
    upload = world.s3.create_multipart_upload(**place, Metadata={"local-last-modified": minute(hour, 40).isoformat()})
    part = world.s3.upload_part(**place, UploadId=upload["UploadId"], PartNumber=1, Body=body)
    world.s3.complete_multipart_upload(
        **place, UploadId=upload["UploadId"], MultipartUpload={"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]}
    )
    assert list(work.touched_hours(world.runtime, CLOUDTRAIL).hours) == [hour]
    world.bring_up(CLOUDTRAIL, hour)
    account = world.account(CLOUDTRAIL, hour)
    assert (account.sealed, account.late_objects, account.accepted, account.verdict) == (True, 1, 8, "complete")
    assert ids(world) == (8, 8)


def test_any_key_is_read_whatever_characters_it_has(world, hours, minute):
    hour, start = hours[1], hour_start(hours[1])
    for number, name in enumerate(["a+b%3D c.json.gz", "é ü 日本.json.gz", "a&b=c;d'e\"f<g>.json.gz"]):
        body = logs.cloudtrail(logs.records(start, 4, number * 10))
        world.put(logs.key(CLOUDTRAIL, start, name), body, minute(hour, 5))
    world.bring_up(CLOUDTRAIL, hour)
    assert ids(world) == (12, 12)


def test_listing_equals_ledger_and_says_what_is_gone(world, hours, minute):
    hour, start = hours[1], hour_start(hours[1])
    for name in ("a.json.gz", "b.json.gz"):
        body = logs.cloudtrail(logs.records(start, 2, ord(name[0])))
        world.put(logs.key(CLOUDTRAIL, start, name), body, minute(hour, 5))
    world.bring_up(CLOUDTRAIL, hour)
    report = proofs.listing_report(world.runtime, CLOUDTRAIL, hour)
    assert (report.passed, report.counts["listed"], report.counts["in_ledger"]) == (True, 2, 2)
    world.s3.delete_object(Bucket=BUCKET, Key=logs.key(CLOUDTRAIL, start, "a.json.gz"))
    work.reconcile(world.runtime, CLOUDTRAIL)
    report = proofs.listing_report(world.runtime, CLOUDTRAIL, hour)
    assert (report.passed, report.counts["listed"], report.counts["gone_from_bucket"]) == (True, 1, 1)


# -- notifications ---------------------------------------------------------------------------------------------------


@dataclass
class Queue:
    """A queue, and a runtime whose sources are woken by it."""

    world: Any
    sqs: Any
    url: str
    runtime: Runtime

    def send(self, body: object) -> None:
        self.sqs.send_message(QueueUrl=self.url, MessageBody=body if isinstance(body, str) else json.dumps(body))

    def drain(self) -> notified.Drained:
        return notified.drain_queue(self.runtime, self.url)

    def waiting(self) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)

    def kept(self) -> list[tuple[str, str]]:
        with self.runtime.ledger.read() as connection:
            return [(entry["reason"], entry["body"]) for entry in kept_notifications(connection)]


@pytest.fixture
def queue(world):
    sqs = world.laptop.aws.client("sqs")
    url = sqs.create_queue(QueueName="logs")["QueueUrl"]
    config = world.runtime.config
    sources = {name: source.model_copy(update={"queue_url": url}) for name, source in config.sources.items()}
    runtime = Runtime(config.model_copy(update={"sources": sources}))
    world.runtime = runtime
    yield Queue(world, sqs, url, runtime)
    runtime.close()


def created(key: str, bucket: str = BUCKET, **changes) -> dict:
    """A record of an S3 event."""
    from urllib.parse import quote_plus

    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "us-east-1",
        "eventTime": "2026-11-28T10:00:00.000Z",
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": bucket}, "object": {"key": quote_plus(key, safe="/"), "size": 1, "eTag": "x"}},
        **changes,
    }


def sns(message: object) -> dict:
    return {"Type": "Notification", "MessageId": "1", "TopicArn": "arn:aws:sns:x:1:t", "Message": json.dumps(message)}


def event_bridge(key: str) -> dict:
    detail = {"version": "0", "bucket": {"name": BUCKET}, "object": {"key": key, "size": 1, "etag": "x"}}
    return {"version": "0", "id": "1", "detail-type": "Object Created", "source": "aws.s3", "detail": detail}


def cloudtrail_sns(key: str) -> dict:
    return sns({"s3Bucket": BUCKET, "s3ObjectKey": [key]})


@pytest.mark.parametrize(
    "shape",
    [
        lambda key: {"Records": [created(key)]},
        lambda key: sns({"Records": [created(key)]}),
        event_bridge,
        lambda key: sns(event_bridge(key)),
        cloudtrail_sns,
    ],
    ids=["s3", "sns", "eventbridge", "eventbridge by sns", "cloudtrail's own sns"],
)
def test_every_shape_of_notification_wakes_the_hour(queue, world, hours, minute, shape):
    hour, start = hours[1], hour_start(hours[1])
    key = logs.key(CLOUDTRAIL, start, "a+b%3D c é.json.gz")
    world.put(key, logs.cloudtrail(logs.records(start, 4)), minute(hour, 5))
    queue.send(shape(key))
    drained = queue.drain()
    assert (drained.messages, drained.deleted, drained.new, drained.kept) == (1, 1, 1, {})
    assert list(work.pending_work(queue.runtime, CLOUDTRAIL)) == [hour]
    world.bring_up(CLOUDTRAIL, hour)
    assert ids(world) == (4, 4)
    report = proofs.listing_report(queue.runtime, CLOUDTRAIL, hour)
    assert (report.counts["by_both"], report.counts["by_listing_alone"]) == (1, 0)


def test_a_test_event_is_deleted_and_an_unknown_shape_is_kept(queue):
    queue.send({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": BUCKET})
    queue.send({"what": "is this?"})
    queue.send("no JSON at all")
    drained = queue.drain()
    assert (drained.messages, drained.deleted, queue.waiting()) == (3, 3, 0)
    assert sum(drained.ignored.values()) == 1
    assert sorted(body for _, body in queue.kept()) == ["no JSON at all", '{"what": "is this?"}']


def test_one_bad_record_among_good_ones(queue, world, hours, minute):
    hour, start = hours[1], hour_start(hours[1])
    keys = [logs.key(CLOUDTRAIL, start, f"{name}.json.gz") for name in "ab"]
    for number, key in enumerate(keys):
        world.put(key, logs.cloudtrail(logs.records(start, 3, number * 10)), minute(hour, 5))
    bad = created(keys[0])
    del bad["s3"]["object"]["key"]
    queue.send({"Records": [created(keys[0]), bad, created(keys[1])]})
    assert queue.drain().new == 2
    (kept,) = queue.kept()
    assert json.loads(kept[1])["eventName"] == "ObjectCreated:Put"
    assert queue.waiting() == 0


def test_messages_are_deleted_only_once_their_objects_are_in_the_ledger(queue, world, hours, minute, monkeypatch):
    hour, start = hours[1], hour_start(hours[1])
    key = logs.key(CLOUDTRAIL, start, "a.json.gz")
    world.put(key, logs.cloudtrail(logs.records(start, 4)), minute(hour, 5))
    queue.send({"Records": [created(key)]})

    def crash(*_arguments, **_options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(announced_module, "record_seen", crash)
        with pytest.raises(KeyboardInterrupt):
            queue.drain()
    assert queue.waiting() == 1
    receipt = None
    for message in queue.sqs.receive_message(QueueUrl=queue.url).get("Messages", ()):
        receipt = message["ReceiptHandle"]
    assert receipt is None  # held by the look that died, until its time is over


def test_a_message_that_comes_again_changes_nothing(queue, world, hours, minute):
    hour, start = hours[1], hour_start(hours[1])
    key = logs.key(CLOUDTRAIL, start, "a.json.gz")
    world.put(key, logs.cloudtrail(logs.records(start, 4)), minute(hour, 5))
    for _ in range(2):
        queue.send({"Records": [created(key), created(key)]})
    assert queue.drain().new == 1
    world.bring_up(CLOUDTRAIL, hour)
    queue.send({"Records": [created(key)]})
    assert queue.drain().new == 0
    assert work.pending_work(queue.runtime, CLOUDTRAIL) == {}
    assert ids(world) == (4, 4)


def test_what_no_notification_announced_the_listing_finds_and_the_difference_is_shown(queue, world, hours, minute):
    hour, start = hours[1], hour_start(hours[1])
    told, untold = (logs.key(CLOUDTRAIL, start, f"{name}.json.gz") for name in ("told", "untold"))
    for number, key in enumerate((told, untold)):
        world.put(key, logs.cloudtrail(logs.records(start, 3, number * 10)), minute(hour, 5))
    queue.send({"Records": [created(told)]})
    queue.drain()
    work.reconcile(queue.runtime, CLOUDTRAIL)
    counts = proofs.listing_report(queue.runtime, CLOUDTRAIL, hour).counts
    assert (counts["by_both"], counts["by_listing_alone"], counts["by_notification_alone"]) == (1, 1, 0)


def test_foreign_buckets_foreign_prefixes_and_digests_in_notifications(queue, world, hours, minute):
    start = hour_start(hours[1])
    digest = logs.key(CLOUDTRAIL, start, "d.json.gz").replace("/CloudTrail/", "/CloudTrail-Digest/")
    elsewhere = created("AWSLogs/1/x", bucket="somebody-elses")
    queue.send({"Records": [created("other/prefix/x.gz"), created(digest), elsewhere]})
    drained = queue.drain()
    assert (drained.objects, drained.deleted) == (0, 1)
    assert sum(drained.ignored.values()) == 2
    assert drained.kept == {"foreign_bucket": 1}


def test_a_source_in_trouble_keeps_no_other_source_of_its_queue_waiting(queue, world, hours, minute):
    hour, start = hours[1], hour_start(hours[1])
    config = queue.runtime.config
    denied = config.sources[VPC].model_copy(update={"bucket": "no-such-bucket"})
    queue.runtime = Runtime(config.model_copy(update={"sources": config.sources | {VPC: denied}}))
    key = logs.key(CLOUDTRAIL, start, "a.json.gz")
    world.put(key, logs.cloudtrail(logs.records(start, 4)), minute(hour, 5))
    queue.send({"Records": [created(logs.key(VPC, start, "b.log.gz"), bucket="no-such-bucket")]})
    queue.send({"Records": [created(key)]})
    drained = queue.drain()
    assert (drained.messages, drained.deleted, drained.new, queue.waiting()) == (2, 1, 1, 1)
    assert "no-such-bucket" in drained.failures[VPC]
    look = work.touched_hours(queue.runtime, CLOUDTRAIL)
    assert list(look.hours) == [hour]
    queue.runtime.close()


def test_every_announced_version_is_in_the_account_whatever_became_of_it(queue, world, hours, minute):
    """Two versions under one key are both read; one that is gone for good ends as vanished, not silently."""
    hour, start = hours[1], hour_start(hours[1])
    world.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    key = logs.key(CLOUDTRAIL, start, "a.json.gz")
    told = []
    for number in range(2):
        world.put(key, logs.cloudtrail(logs.records(start, 4, number * 10)), minute(hour, 5))
        head = world.s3.head_object(Bucket=BUCKET, Key=key)
        announced = created(key, eventTime=minute(hour, 5).isoformat())
        announced["s3"]["object"] |= {"versionId": head["VersionId"], "eTag": head["ETag"].strip('"'), "size": 9}
        told.append(announced)
    gone = created(logs.key(CLOUDTRAIL, start, "gone.json.gz"), eventTime=minute(hour, 6).isoformat())
    queue.send({"Records": [*told, gone]})
    assert queue.drain().new == 3
    world.bring_up(CLOUDTRAIL, hour)
    assert ids(world) == (8, 8)
    account = world.account(CLOUDTRAIL, hour)
    assert (account.objects, account.refused_objects) == (3, 1)
    assert states(world)["gone.json.gz"] == ObjectState.VANISHED


def test_an_announcement_without_etag_of_an_object_that_is_gone_is_counted_and_logged(queue, hours, caplog):
    key = logs.key(CLOUDTRAIL, hour_start(hours[1]), "gone.json.gz")
    queue.send(cloudtrail_sns(key))
    drained = queue.drain()
    assert (drained.ignored, drained.kept, drained.deleted) == ({announced_module.GONE: 1}, {}, 1)
    assert key in caplog.text


def test_a_key_that_s3_cannot_answer_for_now_comes_again(queue, world, hours, minute):
    hour, start = hours[1], hour_start(hours[1])
    key = logs.key(CLOUDTRAIL, start, "a.json.gz")
    world.put(key, logs.cloudtrail(logs.records(start, 4)), minute(hour, 5))
    world.laptop.aws.set_faults(Fault("internal_error", operations=("head",)))
    queue.send({"Records": [created(key)]})
    drained = queue.drain()
    assert (drained.deleted, drained.kept, queue.waiting()) == (0, {}, 1)
    world.laptop.aws.set_faults()


def test_a_restored_object_is_read_at_once(queue, world, hours, minute):
    hour, start = hours[1], hour_start(hours[1])
    key = logs.key(CLOUDTRAIL, start, "cold.json.gz")
    world.put(key, logs.cloudtrail(logs.records(start, 4)), minute(hour, 5))
    world.laptop.aws.set_faults(Fault("archived", keys="*cold*"))
    world.bring_up(CLOUDTRAIL, hour)
    assert states(world) == {"cold.json.gz": ObjectState.ARCHIVED}
    world.laptop.aws.set_faults()
    assert work.pending_work(queue.runtime, CLOUDTRAIL) == {}
    queue.send({"Records": [created(key, eventName="ObjectRestore:Completed")]})
    assert queue.drain().restored == 1
    assert list(work.pending_work(queue.runtime, CLOUDTRAIL)) == [hour]
    world.bring_up(CLOUDTRAIL, hour)
    assert world.account(CLOUDTRAIL, hour).verdict == "complete"


# -- reading ---------------------------------------------------------------------------------------------------------


REFUSALS = {
    "no_such_key": ObjectState.VANISHED,
    "access_denied": ObjectState.DENIED,
    "kms_denied": ObjectState.KMS_DENIED,
    "archived": ObjectState.ARCHIVED,
    "slow_down": ObjectState.THROTTLED,
    "internal_error": ObjectState.BROKEN,
}


def test_each_refusal_has_its_own_state_and_advice_and_costs_no_neighbour(make_world, hours, minute):
    world = make_world(aws={"max_attempts": 2, "backoff_seconds": 0})
    hour, start = hours[1], hour_start(hours[1])
    for number, name in enumerate(["open", *REFUSALS]):
        body = logs.cloudtrail(logs.records(start, 5, number * 10))
        world.put(logs.key(CLOUDTRAIL, start, f"{name}.json.gz"), body, minute(hour, 5))
    world.laptop.aws.set_faults(*(Fault(fault, keys=f"*{fault}.json.gz") for fault in REFUSALS))
    world.bring_up(CLOUDTRAIL, hour)
    account = world.account(CLOUDTRAIL, hour)
    assert (account.accepted, account.refused_objects, account.verdict) == (5, 6, "complete with exceptions")
    found = states(world)
    assert {name: found[f"{name}.json.gz"] for name in REFUSALS} == REFUSALS
    problems = parsing.parse_hour(world.runtime, CLOUDTRAIL, hour).problems
    assert all(any(f"{name}.json.gz" in problem for problem in problems) for name in REFUSALS)
    world.laptop.aws.set_faults()
    discovery.discover(world.runtime, CLOUDTRAIL, [hour], ask_again=True)
    world.bring_up(CLOUDTRAIL, hour)
    account = world.account(CLOUDTRAIL, hour)
    assert (account.accepted, account.refused_objects) == (30, 1)
    assert states(world)["no_such_key.json.gz"] == ObjectState.VANISHED
    assert ids(world) == (30, 30)


def test_a_wrong_bucket_owner_stops_with_the_sentence(world, hours):
    from s3sentinel_assets.errors import UserError

    config = world.runtime.config
    access = config.aws.model_copy(update={"expected_bucket_owner": "999999999999"})
    with pytest.raises(UserError, match=r"999999999999 \(aws.expected_bucket_owner\)"):
        discovery.discover(Runtime(config.model_copy(update={"aws": access})), CLOUDTRAIL, [hours[1]])


# -- containers ------------------------------------------------------------------------------------------------------


def test_a_log_that_is_gzip_and_a_gz_that_is_plain(world, hours, minute):
    hour, start = hours[1], hour_start(hours[1])
    plain = gzip.decompress(logs.flows(start, 7, 100))
    world.put(logs.key(VPC, start, "packed.log"), logs.flows(start, 5), minute(hour, 5))
    world.put(logs.key(VPC, start, "plain.log.gz"), plain, minute(hour, 6))
    world.bring_up(VPC, hour)
    assert world.account(VPC, hour).accepted == 12


def test_a_flow_log_of_three_gzip_members_is_read_whole(world, hours, minute):
    hour, start = hours[1], hour_start(hours[1])
    body = b"".join(
        gzip.compress(line + b"\n", mtime=0) for line in gzip.decompress(logs.flows(start, 9)).strip().split(b"\n")
    )
    world.put(logs.key(VPC, start, "members.log.gz"), body, minute(hour, 5))
    world.bring_up(VPC, hour)
    assert world.account(VPC, hour).accepted == 9


def _container(kind: str, data: bytes) -> bytes:
    import bz2
    import io
    import lzma
    import zipfile

    import lz4.frame
    import pyarrow as pa
    from backports import zstd

    if kind == "zip":
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("log.json", data)
        return target.getvalue()
    if kind == "snappy hadoop":
        block = pa.compress(data, codec="snappy", asbytes=True)
        return len(data).to_bytes(4, "big") + len(block).to_bytes(4, "big") + block
    if kind == "gzip in gzip":
        return gzip.compress(gzip.compress(data))
    return {"zstd": zstd.compress, "bzip2": bz2.compress, "xz": lzma.compress, "lz4": lz4.frame.compress}[kind](data)


def test_every_container_is_read_whatever_the_name_says(world, hours, minute):
    hour, start = hours[1], hour_start(hours[1])
    kinds = ["zstd", "bzip2", "xz", "lz4", "zip", "snappy hadoop", "gzip in gzip"]
    for number, kind in enumerate(kinds):
        data = json.dumps({"Records": logs.records(start, 6, number * 10)}).encode()
        world.put(logs.key(CLOUDTRAIL, start, f"{number}.json.gz"), _container(kind, data), minute(hour, 5))
    world.bring_up(CLOUDTRAIL, hour)
    count = 6 * len(kinds)
    assert (world.account(CLOUDTRAIL, hour).verdict, ids(world)) == ("complete", (count, count))


def test_flow_logs_in_parquet_give_the_same_rows_as_text(world, hours, minute):
    import io

    import polars as pl

    hour, start = hours[1], hour_start(hours[1])
    header, *lines = gzip.decompress(logs.flows(start, 20)).decode().strip().split("\n")
    names = [name.replace("-", "_") for name in header.split()]
    frame = pl.DataFrame([line.split() for line in lines], schema=names, orient="row")
    whole = ("version", "srcport", "dstport", "protocol", "packets", "bytes", "start", "end")
    target = io.BytesIO()
    frame.with_columns(pl.col(whole).cast(pl.Int64)).write_parquet(target)
    world.put(logs.key(VPC, start, "a.log.parquet"), target.getvalue(), minute(hour, 5))
    world.bring_up(VPC, hour)
    world.put(logs.key(VPC, hour_start(hours[2]), "a.log.gz"), logs.flows(start, 20), minute(hours[2], 5))
    world.bring_up(VPC, hours[2])
    columns = "SrcAddr, DstAddr, SrcPort, DstPort, Protocol, Packets, Bytes, Start, End, Action, LogStatus, AccountId"
    found = world.rows(f"AWSVPCFlow | project {columns} | sort by SrcPort asc")
    assert len(found) == 40
    assert found[::2] == found[1::2]


def test_a_bomb_stops_at_the_limit_and_the_hour_closes_with_exceptions(make_world, hours, minute):
    world = make_world(limits={"decompression_ratio": 100})
    hour, start = hours[1], hour_start(hours[1])
    world.put(logs.key(CLOUDTRAIL, start, "bomb.json.gz"), gzip.compress(b" " * (64 << 20)), minute(hour, 5))
    world.put(logs.key(CLOUDTRAIL, start, "good.json.gz"), logs.cloudtrail(logs.records(start, 5)), minute(hour, 6))
    world.bring_up(CLOUDTRAIL, hour)
    account = world.account(CLOUDTRAIL, hour)
    assert (account.accepted, account.quarantined, account.verdict) == (5, 1, "complete with exceptions")
    (problem,) = parsing.parse_hour(world.runtime, CLOUDTRAIL, hour).problems
    assert "decompression_bomb" in problem


def test_zero_byte_truncated_and_corrupt_objects_end_and_are_not_asked_for_again(world, hours, minute):
    hour, start = hours[1], hour_start(hours[1])
    good = logs.cloudtrail(logs.records(start, 50))
    damaged = bytearray(good)
    damaged[len(good) // 2] ^= 0xFF
    for name, body in {"zero": b"", "cut": good[:-20], "corrupt": bytes(damaged)}.items():
        world.put(logs.key(CLOUDTRAIL, start, f"{name}.json.gz"), body, minute(hour, 5))
    world.bring_up(CLOUDTRAIL, hour)
    account = world.account(CLOUDTRAIL, hour)
    assert account.balanced
    assert account.verdict == "complete with exceptions"
    assert account.quarantined >= 2
    assert work.touched_hours(world.runtime, CLOUDTRAIL).hours == {}


# -- nothing twice ---------------------------------------------------------------------------------------------------


def _names(world, hour: str, minute) -> tuple[str, bytes]:
    name = "111122223333_vpcflowlogs_us-east-1_fl-0423f9d865f3db23b_20261123T0920Z_9325aa8e.log.gz"
    return logs.key(VPC, hour_start(hour), name), logs.flows(hour_start(hour), 12)


def test_copying_an_object_in_place_does_not_double_its_events(world, hours, minute):
    """As a change of storage class or encryption does; a multipart copy has another ETag for the same bytes."""
    hour = hours[1]
    key, body = _names(world, hour, minute)
    world.put(key, body, minute(hour, 5))
    world.bring_up(VPC, hour)
    place = {"Bucket": BUCKET, "Key": key}
    upload = world.s3.create_multipart_upload(
        **place, Metadata={"local-last-modified": minute(hours[2], 9).isoformat()}
    )
    part = world.s3.upload_part_copy(
        **place, UploadId=upload["UploadId"], PartNumber=1, CopySource={"Bucket": BUCKET, "Key": key}
    )
    parts = [{"ETag": part["CopyPartResult"]["ETag"], "PartNumber": 1}]
    world.s3.complete_multipart_upload(**place, UploadId=upload["UploadId"], MultipartUpload={"Parts": parts})
    world.bring_up(VPC, hours[2])
    account = world.account(VPC, hours[2])
    assert (account.objects, account.records, account.filtered, account.verdict) == (1, 12, 12, "complete")
    assert ids(world, "AWSVPCFlow") == (12, 12)


def test_re_tiering_an_object_does_not_double_its_events(world, hours, minute):
    hour = hours[1]
    key, body = _names(world, hour, minute)
    world.put(key, body, minute(hour, 5))
    world.bring_up(VPC, hour)
    world.s3.copy_object(
        Bucket=BUCKET,
        Key=key,
        CopySource={"Bucket": BUCKET, "Key": key},
        StorageClass="STANDARD_IA",
        MetadataDirective="REPLACE",
        Metadata={"local-last-modified": minute(hours[2], 9).isoformat()},
    )
    world.bring_up(VPC, hours[2])
    assert world.account(VPC, hours[2]).objects == 0
    assert ids(world, "AWSVPCFlow") == (12, 12)
    assert proofs.listing_report(world.runtime, VPC, hour).passed


def test_a_copy_under_another_prefix_and_two_copies_in_one_part_do_not_double_events(make_world, hours, minute):
    flow = {"bucket": BUCKET, "format": "vpc_flow", "prefix": "{folder}/AWSLogs/"}
    world = make_world(sources={"flows": flow})
    hour = hours[1]
    key, body = _names(world, hour, minute)
    for folder in ("one", "two"):
        world.put(f"{folder}/{key}", body, minute(hour, 5))
    world.bring_up("flows", hour)
    world.put(f"three/{key}", body, minute(hours[2], 5))
    world.bring_up("flows", hours[2])
    first, second = world.account("flows", hour), world.account("flows", hours[2])
    assert (first.records, first.filtered, first.accepted) == (24, 12, 12)
    assert (second.records, second.filtered, second.accepted) == (12, 12, 0)
    assert ids(world, "AWSVPCFlow") == (12, 12)


def test_two_plain_logs_with_the_same_bytes_are_two_logs(make_world, hours, minute):
    world = make_world(sources={"flows": {"bucket": BUCKET, "format": "vpc_flow", "prefix": "{folder}/"}})
    hour = hours[1]
    for folder in ("host-1", "host-2"):
        world.put(f"{folder}/flows.log", logs.flows(hour_start(hour), 6), minute(hour, 5))
    world.bring_up("flows", hour)
    assert world.account("flows", hour).accepted == 12


def test_the_same_event_from_two_trails_goes_out_once(world, hours, minute):
    hour, start = hours[1], hour_start(hours[1])
    same = logs.records(start, 10)
    world.put(logs.key(CLOUDTRAIL, start, "trail-1.json.gz"), logs.cloudtrail(same), minute(hour, 5))
    world.put(logs.key(CLOUDTRAIL, start, "trail-2.json.gz"), logs.cloudtrail(same[::-1]), minute(hour, 6))
    world.bring_up(CLOUDTRAIL, hour)
    account = world.account(CLOUDTRAIL, hour)
    assert (account.records, account.filtered, account.accepted) == (20, 10, 10)


# -- hours and replay ------------------------------------------------------------------------------------------------


def test_a_replicated_bucket_goes_by_the_time_in_the_key(make_world, hours, minute):
    prefix = "AWSLogs/{account}/CloudTrail/{region}/{yyyy}/{mm}/{dd}/"
    source = {"bucket": BUCKET, "format": "cloudtrail", "prefix": prefix, "hour_from": "key"}
    world = make_world(sources={CLOUDTRAIL: source})
    hour, start = hours[1], hour_start(hours[1])
    name = f"{logs.ACCOUNT}_CloudTrail_us-east-1_{start:%Y%m%dT%H%M}Z_2wZzx8OUg2hsjQBq.json.gz"
    world.put(logs.key(CLOUDTRAIL, start, name), logs.cloudtrail(logs.records(start, 6)), minute(hours[4], 5))
    world.bring_up(CLOUDTRAIL, hour)
    assert world.account(CLOUDTRAIL, hour).accepted == 6
    world.bring_up(CLOUDTRAIL, hours[4])
    assert world.account(CLOUDTRAIL, hours[4]).objects == 0


def test_a_key_whose_time_is_still_to_come_goes_by_its_arrival(make_world, hours, minute):
    source = {"bucket": BUCKET, "format": "vpc_flow", "prefix": "copied/", "hour_from": "key"}
    world = make_world(sources={"flows": source})
    hour = hours[1]
    world.put("copied/2099/12/31/23/a.log", logs.flows(hour_start(hour), 5), minute(hour, 5))
    world.bring_up("flows", hour)
    assert world.account("flows", hour).accepted == 5


def test_what_was_cut_off_by_a_limit_is_read_further_under_a_higher_one(make_world, hours, minute):
    hour = hours[1]
    key, _ = _names(None, hour, minute)
    world = make_world(limits={"object_decoded_bytes": 1 << 20})
    body = logs.flows(hour_start(hour), 20_000)
    world.put(key, body, minute(hour, 5))
    world.bring_up(VPC, hour)
    before = world.account(VPC, hour)
    assert before.verdict == "complete with exceptions"
    limits = world.runtime.config.limits.model_copy(update={"object_decoded_bytes": 8 << 30})
    world.runtime = Runtime(world.runtime.config.model_copy(update={"limits": limits}))
    place = {"Bucket": BUCKET, "Key": key}
    upload = world.s3.create_multipart_upload(
        **place, Metadata={"local-last-modified": minute(hours[2], 9).isoformat()}
    )
    part = world.s3.upload_part(**place, UploadId=upload["UploadId"], PartNumber=1, Body=body)
    parts = [{"ETag": part["ETag"], "PartNumber": 1}]
    world.s3.complete_multipart_upload(**place, UploadId=upload["UploadId"], MultipartUpload={"Parts": parts})
    world.bring_up(VPC, hours[2])
    assert world.account(VPC, hours[2]).accepted == 20_000
    world.runtime.close()


def test_an_account_region_or_prefix_alone_can_be_brought_up_to_date(world, hours, minute):
    from s3sentinel_assets.s3.key_grammar import KeyFilter

    hour, start = hours[1], hour_start(hours[1])
    for number, region in enumerate(("us-east-1", "eu-west-1")):
        body = logs.cloudtrail(logs.records(start, 5, number * 10))
        world.put(logs.key(CLOUDTRAIL, start, "a.json.gz", region), body, minute(hour, 5))
    discovery.discover(world.runtime, CLOUDTRAIL, [hour], KeyFilter(region="eu-west-1"))
    parsing.parse_hour(world.runtime, CLOUDTRAIL, hour)
    account = world.account(CLOUDTRAIL, hour)
    assert (account.objects, account.records) == (1, 5)
    assert not proofs.listing_report(world.runtime, CLOUDTRAIL, hour).passed  # no whole listing yet
    world.bring_up(CLOUDTRAIL, hour)
    assert world.account(CLOUDTRAIL, hour).accepted == 10
    assert proofs.listing_report(world.runtime, CLOUDTRAIL, hour).passed


def test_a_dry_run_says_what_would_be_read_and_records_nothing(world, hours, minute):
    from s3sentinel_assets.pipeline.dry_run import would_read

    hour, start = hours[1], hour_start(hours[1])
    body = logs.cloudtrail(logs.records(start, 5))
    world.put(logs.key(CLOUDTRAIL, start, "a.json.gz"), body, minute(hour, 5))
    found = would_read(world.runtime, CLOUDTRAIL, hours[0], hours[3])
    (preview,) = found.hours
    assert (preview.hour, preview.objects, preview.unread, preview.size) == (hour, 1, 1, len(body))
    with world.runtime.ledger.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(objects)).scalar_one() == 0
    world.bring_up(CLOUDTRAIL, hour)
    (preview,) = would_read(world.runtime, CLOUDTRAIL, hours[0], hours[3]).hours
    assert (preview.objects, preview.unread) == (1, 0)
