"""Integrity with the ledger: digests verified once, statuses of log files, and the account of an hour."""

import gzip
import itertools
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import dagster as dg
import pytest
import sqlalchemy as sa

from s3sentinel_assets.checks import check_integrity
from s3sentinel_assets.hours import shift_hour
from s3sentinel_assets.integrity import GapKind, Reason
from s3sentinel_assets.ledger.digests import expected_content
from s3sentinel_assets.ledger.schema import DigestState, Integrity, digest, digest_file, objects
from s3sentinel_assets.local.aws import Fault, start_aws
from s3sentinel_assets.pipeline.integrity import hour_integrity, judge_objects, verify_digests
from s3sentinel_assets.pipeline.proofs import integrity_report
from tests.integrity.chains import LONG, START, Chain, chain, key_entry
from tests.integrity.worlds import HOURS, SOURCE, World

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def aws(tmp_path_factory):
    with start_aws(tmp_path_factory.mktemp("aws")) as server:
        yield server


@pytest.fixture
def world(aws, tmp_path):
    made = World(aws, aws.client(), f"trail-{next(_numbers)}", tmp_path)
    yield made
    made.close()


def made_chain(world, hours=6, **more):
    return chain(hours, bucket=world.bucket, **more)


def digest_rows(runtime):
    with runtime.ledger.read() as connection:
        rows = connection.execute(sa.select(digest.c.key, digest.c.state, digest.c.reason).order_by(digest.c.end_at))
        return [(row.key, row.state, row.reason) for row in rows]


def verify(runtime, first=0, last=4):
    return verify_digests(runtime, SOURCE, HOURS[first], HOURS[last])


def test_a_whole_chain_proves_every_log_file(world):
    made, runtime = made_chain(world, 8), world.runtime()
    world.fill(made)
    world.read_logs(runtime)
    report = verify(runtime)
    assert report.problems == []
    assert report.digests == {DigestState.VERIFIED: 7}, "those that may list log files of the time"
    assert set(world.statuses(runtime).values()) == {"verified", None}
    assert report.judged == {Integrity.VERIFIED: 10}
    assert world.statuses(runtime)[made.digests[0].logs[0].key] == "verified"
    account = hour_integrity(runtime, SOURCE, HOURS[2])
    assert account.objects == {Integrity.VERIFIED: 2}
    assert (account.missing, account.problems, account.gap_hours, account.tampered) == (0, (), 0, False)
    assert account.digests == {DigestState.VERIFIED: 1}


def test_verified_digests_are_never_fetched_again(world):
    made, runtime = made_chain(world), world.runtime()
    world.fill(made)
    assert verify(runtime).fetched == 6
    world.aws.set_faults(Fault("access_denied", keys="*", buckets=world.bucket, operations=("get",)))
    report = verify(runtime)
    assert (report.listed, report.fetched, report.problems) == (6, 0, [])
    assert world.aws.faults()[0]["fired"] == 0


def test_a_log_file_waits_for_its_digest(world):
    made, runtime = made_chain(world, 0), world.runtime()
    first = made.add(logs=1)
    world.fill(made)
    later = made.log(made.end + timedelta(minutes=5))
    world.put_log(later, made.end + timedelta(minutes=5))
    world.read_logs(runtime)
    verify(runtime)
    assert world.statuses(runtime) == {first.logs[0].key: "verified", later.key: "pending"}
    made.add(logs=[later])
    world.fill(made)
    verify(runtime)
    assert world.statuses(runtime)[later.key] == "verified"


def test_an_altered_log_file_fails(world):
    made, runtime = made_chain(world), world.runtime()
    world.fill(made)
    victim = made.digests[1].logs[0]
    world.put_log(victim, made.digests[1].start + timedelta(minutes=7), gzip.compress(victim.content + b" "))
    world.read_logs(runtime)
    verify(runtime)
    assert world.statuses(runtime)[victim.key] == "failed"
    with runtime.ledger.read() as connection:
        note = connection.execute(sa.select(objects.c.integrity_note).where(objects.c.key == victim.key)).scalar_one()
    assert note == "its content is not what a verified digest says"


def test_an_injected_log_file_is_uncovered(world):
    made, runtime = made_chain(world), world.runtime()
    world.fill(made)
    at = made.digests[2].start + timedelta(minutes=30)
    injected = made.log(at, name="injectedEVIL0000")
    world.put_log(injected, at)
    strange = injected.key.rpartition("/")[0] + "/evil.json.gz"
    world.put(strange, injected.stored, at)
    world.read_logs(runtime)
    verify(runtime)
    assert world.statuses(runtime)[injected.key] == world.statuses(runtime)[strange] == "uncovered"
    account = hour_integrity(runtime, SOURCE, HOURS[3])
    assert account.objects[Integrity.UNCOVERED] == 2
    assert account.tampered


def test_a_backfill_digest_covers_what_was_left_out(world):
    made, runtime = made_chain(world), world.runtime()
    at = made.digests[1].start + timedelta(minutes=30)
    late = made.log(at, name="leftOUT000000000")
    world.fill(made)
    world.put_log(late, at)
    world.read_logs(runtime)
    verify(runtime)
    assert world.statuses(runtime)[late.key] == "uncovered"
    made.end = made.digests[1].start
    world.put_digest(made.add(logs=[late], backfill_at=START + timedelta(days=2)))
    assert verify(runtime).problems == []
    assert world.statuses(runtime)[late.key] == "verified"


def test_a_deleted_log_file_is_missing(world):
    made, runtime = made_chain(world), world.runtime()
    world.fill(made)
    victim = made.digests[2].logs[1]
    world.delete(victim.key)
    world.read_logs(runtime)
    verify(runtime)
    hour = next(name for name in HOURS if hour_integrity(runtime, SOURCE, name).missing)
    account = hour_integrity(runtime, SOURCE, hour)
    assert account.missing_keys == (victim.key,)
    assert account.tampered
    assert sum(hour_integrity(runtime, SOURCE, name).missing for name in HOURS) == 1
    assert f"log file {victim.key} is listed by a verified digest and missing" in account.problems


def test_a_log_file_that_was_never_looked_for_is_not_called_missing(world):
    made, runtime = made_chain(world), world.runtime()
    world.fill(made)
    verify(runtime)
    assert [hour_integrity(runtime, SOURCE, name).missing for name in HOURS] == [0] * 8


def test_what_the_source_does_not_read_is_not_called_missing(world):
    made = made_chain(world)
    prefix = "AWSLogs/{account}/CloudTrail/eu-west-1/{yyyy}/{mm}/{dd}/"
    digests = {"prefix": "AWSLogs/{account}/CloudTrail-Digest/{region}/{yyyy}/{mm}/{dd}/"}
    runtime = world.runtime(prefix=prefix, digests=digests)
    world.fill(made)
    world.read_logs(runtime)
    with runtime.ledger.write() as connection:
        connection.execute(objects.delete())
    verify(runtime)
    assert [hour_integrity(runtime, SOURCE, name).missing for name in HOURS] == [0] * 8


@pytest.mark.parametrize("lost", [(2,), (2, 3)])
def test_missing_digests_are_gaps_and_their_log_files_are_not_called_injected(world, lost):
    made, runtime = made_chain(world, 8), world.runtime()
    world.fill(made)
    for number in lost:
        world.delete(made.digests[number].key)
    world.read_logs(runtime)
    report = verify(runtime)
    ((_, gap),) = report.gaps
    assert (gap.kind, gap.hours) == (GapKind.MISSING, len(lost))
    statuses = world.statuses(runtime)
    for number in lost:
        assert {statuses[log.key] for log in made.digests[number].logs} == {"unproved"}
    assert statuses[made.digests[0].logs[0].key] == "verified"
    account = hour_integrity(runtime, SOURCE, HOURS[3])
    assert account.gap_hours > 0
    assert account.tampered


def test_a_failed_digest_leaves_its_log_files_unproved(world):
    made, runtime = made_chain(world), world.runtime()
    world.fill(made)
    world.put_digest(made.digests[2], stored=made.digests[2].stored + gzip.compress(b""))
    world.read_logs(runtime)
    report = verify(runtime)
    assert (made.digests[2].key, "failed", "more_than_one_member") in digest_rows(runtime)
    assert {world.statuses(runtime)[log.key] for log in made.digests[2].logs} == {"unproved"}
    assert any("a second gzip member was appended" in problem for problem in report.problems)
    assert hour_integrity(runtime, SOURCE, HOURS[3]).digests == {DigestState.FAILED: 1}


def test_a_digest_changed_after_it_was_verified_fails_and_its_proofs_stay(world):
    made, runtime = made_chain(world), world.runtime()
    world.fill(made)
    verify(runtime)
    world.put_digest(made.digests[1], stored=gzip.compress(made.digests[1].content.replace(b"log0", b"LOG0")))
    world.read_logs(runtime)
    report = verify(runtime)
    assert (made.digests[1].key, "failed", "bad_signature") in digest_rows(runtime)
    assert {world.statuses(runtime)[log.key] for log in made.digests[1].logs} == {"verified"}
    assert report.gaps == []


def test_a_digest_that_was_there_and_is_gone_is_told(world):
    made, runtime = made_chain(world), world.runtime()
    world.fill(made)
    verify(runtime)
    world.delete(made.digests[3].key)
    report = verify(runtime)
    assert report.gone == 1
    assert report.gaps == []
    assert f"digest s3://{world.bucket}/{made.digests[3].key} was there and is gone" in report.problems[0]


def test_denied_keys_leave_digests_unproved_with_advice_until_they_come(world):
    made, runtime = made_chain(world), world.runtime()
    world.fill(made)
    world.read_logs(runtime)
    world.aws.set_faults(Fault("access_denied", operations=("keys",)))
    report = verify(runtime)
    assert report.digests == {DigestState.UNPROVED: 6}
    assert any("cloudtrail:ListPublicKeys" in problem for problem in report.problems)
    assert world.aws.faults()[0]["fired"] == 1, "asked once for all digests of a region"
    assert set(world.statuses(runtime).values()) == {"unproved", None}
    assert verify(runtime).fetched == 0, "nothing is fetched again while the keys are refused"
    world.aws.set_faults()
    world.keys(key_entry())
    report = verify(runtime)
    assert (report.fetched, report.digests) == (6, {DigestState.VERIFIED: 6})
    assert set(world.statuses(runtime).values()) == {"verified", None}


def test_keys_may_come_from_a_file(world):
    made = made_chain(world)
    world.keys()
    runtime = world.runtime(digests=world.keys_file(key_entry()))
    world.fill(made)
    assert verify(runtime).digests == {DigestState.VERIFIED: 6}


def test_rotated_keys_are_found_on_every_page(world):
    made, runtime = made_chain(world, 3), world.runtime()
    made.key_name = "second"
    made.add()
    made.add()
    turn = made.digests[2].end + timedelta(minutes=1)
    others = [key_entry(name) for name in ("third", "fourth", "fifth")]
    world.keys(*others, key_entry(valid=(LONG[0], turn)), key_entry("second", valid=(turn, LONG[1])))
    world.fill(made)
    assert verify(runtime).digests == {DigestState.VERIFIED: 5}


def test_an_unknown_key_is_unproved_until_a_successor_convicts_it(world):
    made, runtime = made_chain(world, 3), world.runtime()
    forger = made_chain(world, 1)
    forger.key_name = "forger"
    forged = forger.add(logs=0)
    world.put_digest(made.digests[0])
    world.put_digest(forged)
    verify(runtime)
    assert digest_rows(runtime)[1][1:] == ("unproved", "unknown_key")
    world.put_digest(made.digests[2])
    verify(runtime)
    assert digest_rows(runtime)[1][1:] == ("failed", "content_changed")


def test_a_lost_signature_is_made_up_for_by_the_successor(world):
    made, runtime = made_chain(world, 3), world.runtime()
    for each in made.digests[:2]:
        world.put(each.key, each.stored, each.end)
    world.put_digest(made.digests[2])
    assert verify(runtime).digests == {DigestState.VERIFIED: 3}
    assert {row[2] for row in digest_rows(runtime)} == {None, Reason.VOUCHED_FOR.value}


def test_digests_of_several_accounts_regions_and_organisations_do_not_mix(world):
    template = "AWSLogs/{organization}/{account}/CloudTrail/{region}/{yyyy}/{mm}/{dd}/"
    runtime = world.runtime(prefix=template)
    chains = [
        made_chain(world, 6, organization="o-exampleorg1", account=account, region=region)
        for account in ("111122223333", "444455556666")
        for region in ("us-east-1", "eu-central-1")
    ]
    for each in chains:
        world.fill(each)
    world.delete(chains[1].digests[1].key)
    world.read_logs(runtime)
    report = verify(runtime)
    assert [name for name, _ in report.gaps] == ["o-exampleorg1/111122223333/eu-central-1/management_events/us-east-1"]
    statuses = world.statuses(runtime)
    for each in chains:
        wanted = {"verified"} if each is not chains[1] else {"unproved"}
        assert {statuses[log.key] for log in each.digests[1].logs} == wanted


def test_a_replicated_bucket_is_verified_when_hours_come_from_keys(world):
    made = chain(6, bucket="the-original-bucket")
    runtime = world.runtime(hour_from="key", key_time=r"_(?P<yyyy>\d{4})(?P<mm>\d\d)(?P<dd>\d\d)T(?P<hh>\d\d)")
    for each in made.digests:
        world.put(each.key, each.stored, START + timedelta(days=5), **each.metadata)
        for log in each.logs:
            world.put(log.key, log.stored, each.start + timedelta(minutes=6))
    world.read_logs(runtime)
    report = verify(runtime)
    assert report.digests == {DigestState.VERIFIED: 6}
    assert set(world.statuses(runtime).values()) == {"verified", None}
    strict = world.runtime()
    with strict.ledger.write() as connection:
        connection.execute(digest_file.delete())
        connection.execute(digest.delete())
    assert verify(strict).digests == {DigestState.FAILED: 6}


def test_log_files_read_before_they_were_hashed_are_unproved(world):
    made, runtime = made_chain(world), world.runtime()
    world.fill(made)
    world.read_logs(runtime, hashed=False)
    verify(runtime)
    assert set(world.statuses(runtime).values()) == {"unproved", None}


def test_final_statuses_are_not_touched_again(world):
    made, runtime = made_chain(world), world.runtime()
    world.fill(made)
    world.read_logs(runtime)
    key = made.digests[1].logs[0].key
    with runtime.ledger.write() as connection:
        connection.execute(
            objects.update().where(objects.c.key == key).values(integrity="failed", integrity_note="two members")
        )
    verify(runtime)
    assert world.statuses(runtime)[key] == "failed"
    assert judge_objects(runtime, SOURCE, HOURS[0], HOURS[4]) == {}, "a second look changes nothing"


def test_trouble_with_s3_is_told_and_raises_nothing(world):
    made, runtime = made_chain(world), world.runtime()
    world.fill(made)
    world.aws.set_faults(Fault("access_denied", buckets=world.bucket, operations=("list",)))
    (problem,) = verify(runtime).problems
    assert "s3:ListBucket" in problem
    world.aws.set_faults(Fault("access_denied", buckets=world.bucket, keys=made.digests[1].key))
    report = verify(runtime)
    assert report.fetched == 5
    assert any(made.digests[1].key in problem and "cannot be read" in problem for problem in report.problems)
    world.aws.set_faults()
    assert verify(runtime).fetched == 1


def test_the_place_of_the_digests_must_be_known(world):
    (problem,) = verify(world.runtime(prefix="logs/")).problems
    assert "set digests.prefix" in problem


@pytest.mark.parametrize("changed", [{"digests": {"verify": "off"}}, {"format": "vpc_flow"}])
def test_sources_without_digests_are_not_looked_at(world, changed):
    made, runtime = made_chain(world), world.runtime(**changed)
    world.fill(made)
    world.read_logs(runtime)
    report = verify(runtime)
    assert (report.asked, report.listed) == (False, 0)
    assert judge_objects(runtime, SOURCE, HOURS[0], HOURS[4]) == {}
    assert not hour_integrity(runtime, SOURCE, HOURS[0]).asked


def test_what_a_commit_needs_is_one_query(world):
    made, runtime = made_chain(world), world.runtime()
    world.fill(made)
    verify(runtime)
    keys = [log.key for log in made.logs] + ["unknown"]
    with runtime.ledger.read() as connection:
        expected = expected_content(connection, SOURCE, world.bucket, keys)
    assert expected == {log.key: [(log.sha256, DigestState.VERIFIED)] for log in made.logs}


# What somebody who may write to the bucket puts there


def forge_log(world, made, number=2):
    """A log file that no trail wrote, in the time of one of the chain's digests."""
    at = made.digests[number].start + timedelta(minutes=30)
    forged = made.log(at, name="injectedEVIL0000")
    world.put_log(forged, at)
    return forged


def unsigned(world, made, forged, number=2, **settings):
    """A digest without a signature that lists a log file."""
    other = Chain(bucket=world.bucket, **{"trail": "invented", "end": made.digests[number].start, **settings})
    return other.add(logs=[forged])


SHIELDS = {
    "invented trail": lambda world, made, forged: unsigned(world, made, forged),
    "same trail": lambda world, made, forged: unsigned(
        world, made, forged, trail="management_events", end=made.digests[2].start + timedelta(minutes=9)
    ),
    "far away": lambda world, made, forged: unsigned(world, made, forged, end=START - timedelta(hours=30)),
    "backfill": lambda world, made, forged: Chain(bucket=world.bucket, end=made.digests[2].start).add(
        logs=[forged], backfill_at=made.digests[5].end
    ),
}


@pytest.mark.parametrize("name", SHIELDS)
def test_a_digest_without_signature_does_not_shield_an_injected_log_file(world, name):
    made, runtime = made_chain(world, 8), world.runtime()
    world.fill(made)
    forged = forge_log(world, made)
    shield = SHIELDS[name](world, made, forged)
    world.put(shield.key, shield.stored, shield.end)
    world.read_logs(runtime)
    verify_digests(runtime, SOURCE, shift_hour(HOURS[0], -31), HOURS[4])
    with runtime.ledger.read() as connection:
        listed = expected_content(connection, SOURCE, world.bucket, [forged.key])
    assert listed == {forged.key: [(forged.sha256, DigestState.UNPROVED)]}
    statuses = world.statuses(runtime)
    assert statuses.pop(forged.key) == "uncovered"
    assert set(statuses.values()) <= {"verified", None}
    evaluation = evaluate(runtime, HOURS[3])
    assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "no log file validation" in (evaluation.description or "")


def test_junk_under_the_name_of_an_invented_trail_does_not_shield_an_injected_log_file(world):
    made, runtime = made_chain(world, 8), world.runtime()
    world.fill(made)
    forged = forge_log(world, made)
    junk = unsigned(world, made, forged)
    world.put(junk.key, b"junk", junk.end)
    world.read_logs(runtime)
    verify(runtime)
    assert world.statuses(runtime)[forged.key] == "uncovered"


def test_log_files_that_stay_unproved_are_a_problem_once_digests_are_due(world):
    made, runtime = made_chain(world), world.runtime()
    for each in made.digests:
        for log in each.logs:
            world.put_log(log, each.start + timedelta(minutes=6))
        world.put(each.key, each.stored, each.end)
    world.read_logs(runtime)
    verify(runtime)
    assert set(world.statuses(runtime).values()) == {"unproved", None}, "there is no verified chain to contradict them"
    report = integrity_report(runtime, SOURCE, HOURS[2])
    assert (report.passed, report.counts["tampered"]) == (False, 0)
    assert any("log files are not proved" in problem for problem in report.problems)
    assert evaluate(runtime, HOURS[2]).severity is dg.AssetCheckSeverity.WARN


def test_keys_that_are_denied_for_a_while_alarm_nobody(world):
    made, runtime = made_chain(world, 4), world.runtime()
    world.fill(made)
    verify(runtime, 0, 1)
    made.key_name = "second"
    for _ in range(8):
        made.add(logs=2)
    world.fill(made)
    world.read_logs(runtime)
    world.keys(key_entry(), key_entry("second"))
    world.aws.set_faults(Fault("access_denied", operations=("keys",)))
    verify(runtime, 0, 7)
    found = {status for key, status in world.statuses(runtime).items() if status}
    assert found == {"verified", "unproved"}
    assert not any(hour_integrity(runtime, SOURCE, name).tampered for name in HOURS)
    world.aws.set_faults()
    world.keys(key_entry(), key_entry("second"))
    verify(runtime, 0, 7)
    assert set(world.statuses(runtime).values()) <= {"verified", None}


def evaluate(runtime, hour):
    """The check of an hour as Dagster is told it."""
    stages = SimpleNamespace(integrity_report=lambda source, name: integrity_report(runtime, source, name))
    return check_integrity(cast(Any, stages), SOURCE, hour)


def long_world(world, runtime, deleted):
    made = made_chain(world, 20)
    world.fill(made)
    for number in deleted:
        world.delete(made.digests[number].key)
    world.read_logs(runtime)
    verify_digests(runtime, SOURCE, HOURS[0], shift_hour(HOURS[0], 19))
    return made


@pytest.mark.parametrize("offset", [4, 5, 10, 15])
def test_every_hour_of_a_long_deletion_is_red(world, offset):
    runtime = world.runtime()
    long_world(world, runtime, range(4, 16))
    evaluation = evaluate(runtime, shift_hour(HOURS[0], offset))
    assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "the digests from" in (evaluation.description or "")
    account = hour_integrity(runtime, SOURCE, shift_hour(HOURS[0], offset))
    assert (account.digests_missing, account.tampered) == (1, True)
    for before in (0, 1, 2, 3):
        assert not hour_integrity(runtime, SOURCE, HOURS[before]).tampered


def test_unsigned_digests_in_the_place_of_deleted_ones_leave_every_hour_red(world):
    runtime = world.runtime()
    made = made_chain(world, 20)
    world.fill(made)
    for each in made.digests[4:16]:
        world.put(
            each.key, gzip.compress(each.content.replace(b"2024-11-20T00:00:00Z", b"2024-11-20T00:00:01Z")), each.end
        )
    verify_digests(runtime, SOURCE, HOURS[0], shift_hour(HOURS[0], 19))
    for offset in range(5, 16):
        name = shift_hour(HOURS[0], offset)
        assert hour_integrity(runtime, SOURCE, name).tampered, name


def test_a_chain_that_ended_is_a_warning_and_no_more_and_later_hours_do_not_hear_of_it(world):
    runtime = world.runtime()
    long_world(world, runtime, range(8, 20))
    edge = evaluate(runtime, shift_hour(HOURS[0], 8))
    assert (edge.passed, edge.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert hour_integrity(runtime, SOURCE, shift_hour(HOURS[0], 15)).problems == ()
    later = made_chain(world, 1, end=START + timedelta(hours=30))
    world.fill(later)
    verify_digests(runtime, SOURCE, shift_hour(HOURS[0], 29), shift_hour(HOURS[0], 32))
    pause = evaluate(runtime, shift_hour(HOURS[0], 15))
    assert (pause.passed, pause.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "logging or validation was switched off" in (pause.description or "")


def test_log_files_of_a_long_deletion_are_unproved_and_not_called_injected(world):
    runtime = world.runtime()
    made = long_world(world, runtime, range(2, 14))
    statuses = world.statuses(runtime)
    assert {statuses[log.key] for each in made.digests[3:7] for log in each.logs} == {"unproved"}


def test_digests_read_through_an_access_point_name_the_bucket_behind_it(aws, tmp_path):
    number = next(_numbers)
    world = World(aws, aws.client(), f"trail-{number}-s3alias", tmp_path)
    try:
        made, runtime = chain(6, bucket=f"real-{number}"), world.runtime()
        world.fill(made)
        forged = forge_log(world, made)
        world.delete(made.digests[3].logs[0].key)
        world.read_logs(runtime)
        assert verify(runtime).digests == {DigestState.VERIFIED: 6}
        statuses = world.statuses(runtime)
        assert statuses.pop(forged.key) == "uncovered"
        assert set(statuses.values()) == {"verified", None}
        missing = [hour_integrity(runtime, SOURCE, name).missing_keys for name in HOURS]
        assert sum(missing, ()) == (made.digests[3].logs[0].key,)
        # The bucket behind is remembered: digests of another one prove nothing here, and the advice fits.
        other = chain(7, bucket="another-bucket").digests[6]
        world.put_digest(other)
        report = verify_digests(runtime, SOURCE, HOURS[4], HOURS[6])
        assert (other.key, "failed", "wrong_place") in digest_rows(runtime)
        assert any(f"of the bucket real-{number}" in problem for problem in report.problems)
        assert not any("hour_from" in problem for problem in report.problems)
    finally:
        world.close()


@pytest.mark.parametrize(
    "prefix",
    [
        "{folder}/{account}/CloudTrail/{region}/{yyyy}/{mm}/{dd}/",
        "AWSLogs/{account}/CloudTrail/{region}/{yyyy}/{m}/{d}/",
    ],
)
def test_any_field_may_stand_in_the_prefix_of_a_source_with_digests(world, prefix):
    made = made_chain(world)
    digests = {"prefix": "AWSLogs/{account}/CloudTrail-Digest/{region}/{yyyy}/{mm}/{dd}/"}
    runtime = world.runtime(prefix=prefix, digests=digests)
    world.fill(made)
    victim = made.digests[2].logs[1]
    world.delete(victim.key)
    world.read_logs(runtime)
    verify(runtime)
    assert sum(hour_integrity(runtime, SOURCE, name).missing for name in HOURS) == 1


def test_the_keys_of_an_invented_region_are_not_asked_for(world):
    runtime = world.runtime()
    for number in range(3):
        world.fill(made_chain(world, 1, region=f"zz-evil-{number}"))
    world.aws.set_faults(Fault("access_denied", operations=("keys",)))
    report = verify(runtime)
    assert world.aws.faults()[0]["fired"] == 0
    assert report.digests == {DigestState.UNPROVED: 3}
    assert any("no region zz-evil-1" in problem and "public_keys_file" in problem for problem in report.problems)
