"""CloudTrail's digests, from the bucket to ``IntegrityStatus_CF`` of each delivered row."""

import gzip
import json
from datetime import timedelta

import pytest

from s3sentinel_assets.hours import hour_start
from s3sentinel_assets.local.laptop import BUCKET
from s3sentinel_assets.pipeline import digest_keys, proofs
from s3sentinel_assets.pipeline.digest_sweep import sweep_digests
from tests.e2e import logs
from tests.integrity.chains import Chain, key_entry, printed

SOURCE = "cloudtrail"


@pytest.fixture
def trail(world, hours):
    """A chain whose first digest begins with the second hour; CloudTrail's public key is known."""
    digest_keys.forget_keys()
    valid = (hour_start(hours[0]) - timedelta(days=9), hour_start(hours[0]) + timedelta(days=9))
    world.laptop.aws.set_public_keys(printed(key_entry(valid=valid)))
    yield Chain(bucket=BUCKET, account=logs.ACCOUNT, end=hour_start(hours[1]))
    digest_keys.forget_keys()


def log(trail, at, first: int, count: int = 4):
    content = json.dumps({"Records": logs.records(at, count, first)}).encode()
    return trail.log(at, content, f"file{first:012}")


def put_digest(world, made) -> None:
    at = (made.end + timedelta(minutes=8)).isoformat()
    metadata = {"local-last-modified": at, **made.metadata}
    world.s3.put_object(Bucket=BUCKET, Key=made.key, Body=made.stored, Metadata=metadata)


def statuses(world) -> dict[str | None, int]:
    rows = world.rows("AWSCloudTrail | summarize events = count() by status = IntegrityStatus_CF")
    return {row["status"] or None: row["events"] for row in rows}


def test_rows_say_what_the_digests_said_when_they_were_sent(world, trail, hours, minute):
    hour = hours[1]
    good, appended, changed = (log(trail, minute(hour, 5 + number), number * 100) for number in range(3))
    made = trail.add([good, appended, changed])
    for _ in range(3):
        trail.add(0)
    for digest in trail.digests:
        put_digest(world, digest)
    injected = log(trail, minute(hour, 30), 900)
    # Many readers take the first member for the whole file, so an appended one would go unseen.
    extra = gzip.compress(json.dumps({"Records": logs.records(minute(hour, 9), 1, 700)}).encode())
    bodies = {
        good.key: good.stored,
        appended.key: appended.stored + extra,
        changed.key: gzip.compress(changed.content.replace(b"alice", b"mallo")),
        injected.key: injected.stored,
    }
    for key, body in bodies.items():
        world.put(key, body, minute(hour, 10))
    world.bring_up(SOURCE, hour)
    assert made.logs
    found = statuses(world)
    assert found["verified"] == 4
    assert found["failed"] == 4 + 1 + 4
    assert found["pending"] == 4  # the one that no digest lists: only the sweep can say that none ever will
    report = proofs.integrity_report(world.runtime, SOURCE, hour)
    assert not report.passed
    assert (report.counts["verified"], report.counts["failed"]) == (1, 2)


TAMPERED = {
    "three members": lambda stored, extra: stored + extra + extra,
    "a member's signature": lambda stored, extra: stored + extra[:2],
    "an unfinished member": lambda stored, extra: stored + extra[:20],
    "a zero": lambda stored, extra: stored + b"\0",
    "an empty member": lambda stored, extra: stored + gzip.compress(b""),
    "without its checksum": lambda stored, extra: stored[:-8],
    "gzip in gzip": lambda stored, extra: gzip.compress(stored),
    "gzip in gzip and more": lambda stored, extra: gzip.compress(stored) + extra[:2],
    "unpacked": lambda stored, extra: gzip.decompress(stored),
}


def test_a_cloudtrail_file_must_be_one_gzip_member_and_nothing_else(world, trail, hours, minute):
    """A flow log of three members is read whole; the same on CloudTrail fails, though every event is delivered."""
    hour = hours[1]
    extra = gzip.compress(json.dumps({"Records": logs.records(minute(hour, 9), 1, 7_000)}).encode())
    good = log(trail, minute(hour, 5), 9_000)
    listed = {name: log(trail, minute(hour, 6), number * 100) for number, name in enumerate(TAMPERED)}
    world.put(good.key, good.stored, minute(hour, 6))
    for name, entry in listed.items():
        world.put(entry.key, TAMPERED[name](entry.stored, extra), minute(hour, 7))
    trail.add([good, *listed.values()])
    put_digest(world, trail.digests[0])
    world.bring_up(SOURCE, hour)
    report = proofs.integrity_report(world.runtime, SOURCE, hour)
    assert (report.passed, report.counts["verified"], report.counts["failed"]) == (False, 1, len(TAMPERED))
    found = statuses(world)
    assert set(found) == {"verified", "failed"}
    assert found["failed"] >= 4 * len(TAMPERED)


def test_what_was_pending_is_judged_by_the_sweep_and_the_check_changes(world, trail, hours, minute):
    hour = hours[1]
    early, late = log(trail, minute(hour, 5), 0), log(trail, minute(hour, 40), 100)
    for entry in (early, late):
        world.put(entry.key, entry.stored, minute(hour, 41))
    trail.add(0)
    put_digest(world, trail.digests[0])
    world.bring_up(SOURCE, hour)
    assert statuses(world) == {"pending": 8}
    trail.add([early, late])
    put_digest(world, trail.digests[1])
    judged, problems = sweep_digests(world.runtime, SOURCE)
    assert all("no digests from" in problem for problem in problems)  # the newest hours have none yet
    assert hour in judged
    report = proofs.integrity_report(world.runtime, SOURCE, hour)
    assert report.counts["verified"] == 2
    assert statuses(world) == {"pending": 8}  # delivered rows never change


def test_an_injected_file_is_uncovered_once_the_digests_of_its_time_are_all_there(world, trail, hours, minute):
    hour = hours[1]
    injected = log(trail, minute(hour, 20), 0)
    world.put(injected.key, injected.stored, minute(hour, 21))
    for _ in range(4):
        trail.add(0)
    for digest in trail.digests:
        put_digest(world, digest)
    world.bring_up(SOURCE, hour)
    sweep_digests(world.runtime, SOURCE)
    report = proofs.integrity_report(world.runtime, SOURCE, hour)
    assert report.counts["uncovered"] == 1
    assert any("were added" in problem for problem in report.problems)


def test_a_deleted_log_file_is_missing(world, trail, hours, minute):
    hour = hours[1]
    there, deleted = log(trail, minute(hour, 5), 0), log(trail, minute(hour, 15), 100)
    world.put(there.key, there.stored, minute(hour, 6))
    trail.add([there, deleted])
    put_digest(world, trail.digests[0])
    world.bring_up(SOURCE, hour)
    report = proofs.integrity_report(world.runtime, SOURCE, hour)
    assert (report.counts["verified"], report.counts["missing"]) == (1, 1)
    assert any(deleted.key in problem for problem in report.problems)


def test_a_digest_under_the_log_prefix_gives_no_rows(world, trail, hours, minute):
    hour = hours[1]
    made = trail.add(2)
    world.put(logs.key(SOURCE, hour_start(hour), "stray.json.gz"), made.stored, minute(hour, 6))
    world.bring_up(SOURCE, hour)
    account = world.account(SOURCE, hour)
    assert (account.accepted, account.quarantined, account.balanced) == (0, 1, True)


def test_a_source_without_digests_has_no_status_and_no_bytes_for_it(world, hours, minute):
    hour, start = hours[1], hour_start(hours[1])
    world.put(logs.key(SOURCE, start, "a.json.gz"), logs.cloudtrail(logs.records(start, 4)), minute(hour, 5))
    world.bring_up(SOURCE, hour)
    assert statuses(world) == {None: 4}
    report = proofs.integrity_report(world.runtime, SOURCE, hour)
    assert report.passed
