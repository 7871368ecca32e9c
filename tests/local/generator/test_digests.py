"""Generated digests, judged by the rules that the product has for CloudTrail's own."""

import gzip
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from s3sentinel_assets.hours import hour_end, hour_start
from s3sentinel_assets.integrity import (
    CheckedDigest,
    Coverage,
    FoundDigest,
    Link,
    Reason,
    check_digest,
    digest_name,
    find_gaps,
    judge_links,
    judge_log,
    load_keys_file,
    read_content,
)
from s3sentinel_assets.ledger.engine import to_micros
from s3sentinel_assets.ledger.schema import DigestState, Integrity
from s3sentinel_assets.local.aws import start_aws
from s3sentinel_assets.local.generator import (
    DigestObject,
    Generator,
    Scenario,
    SeedObject,
    SigningKey,
    backfill_digests,
    hourly_digests,
    is_listed,
    seed,
)

BUCKET = "sample-logs"
HOURS = ["2026-11-22-22:00", "2026-11-22-23:00", "2026-11-23-00:00"]
FIRST, LAST = hour_start(HOURS[0]), hour_end(HOURS[-1])
NOW = LAST + timedelta(minutes=15)


@pytest.fixture(scope="module")
def signer() -> SigningKey:
    return SigningKey()


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return Scenario(Generator(scale=0.3), HOURS)


@pytest.fixture(scope="module")
def logs(scenario: Scenario) -> list[SeedObject]:
    return list(scenario.objects())


@pytest.fixture(scope="module")
def late(scenario: Scenario) -> list[SeedObject]:
    return list(scenario.late_objects())


@pytest.fixture(scope="module")
def digests(logs: list[SeedObject], signer: SigningKey) -> list[DigestObject]:
    return hourly_digests(logs, HOURS, BUCKET, signer)


@pytest.fixture
def find_key(signer: SigningKey, tmp_path: Path):
    return _keys_of(signer, tmp_path)


def _keys_of(signer: SigningKey, folder: Path):
    file = folder / "keys.json"
    file.write_text(signer.public_keys(LAST), encoding="utf-8")
    keys = load_keys_file(file)
    return lambda region, fingerprint, first, last: keys.get(fingerprint)


def _checked(item: DigestObject, find_key) -> CheckedDigest:
    found = FoundDigest(
        bucket=BUCKET,
        key=item.key,
        etag="",
        last_modified=item.last_modified,
        stored=item.body,
        signature=item.metadata["signature"],
        algorithm=item.metadata["signature-algorithm"],
        generated_at=item.metadata.get("backfill-generation-timestamp"),
    )
    return check_digest(found, find_key, now=NOW)


def _chains(checked: list[CheckedDigest]) -> dict[str, list[Link]]:
    chains: dict[str, list[Link]] = {}
    for number, each in enumerate(checked):
        assert each.digest is not None
        before = each.digest.previous
        link = Link(
            number,
            each.found.key,
            to_micros(each.start),
            to_micros(each.end),
            each.state,
            each.content_sha256,
            each.found.signature,
            each.previous_key,
            before.sha256 if before else None,
            before.signature if before else None,
        )
        chains.setdefault(each.chain, []).append(link)
    return chains


def _status(item: SeedObject, checked: list[CheckedDigest]) -> tuple[Integrity, Reason | None]:
    """What the digests say of a log file as it lies in the bucket."""
    content = read_content([item.body], limit=1 << 30)
    named = [(file.sha256, each.state) for each in checked for file in each.files if file.key == item.key]
    status, reason, _ = judge_log(named, content.sha256, content.problem)
    return status, reason


def test_every_digest_is_verified_and_every_chain_is_whole(digests: list[DigestObject], find_key) -> None:
    checked = [_checked(item, find_key) for item in digests]
    assert {each.state for each in checked} == {DigestState.VERIFIED}
    chains = _chains(checked)
    assert len(chains) == 6
    for links in chains.values():
        assert len(links) == len(HOURS) + 1
        assert [link.previous_key for link in links] == [None, *(link.key for link in links[:-1])]
        assert judge_links(links) == []
        assert find_gaps(links, to_micros(FIRST), to_micros(LAST)) == []
        assert Coverage(links).over(to_micros(FIRST), to_micros(LAST)) == "whole"


def test_each_log_file_is_verified_and_only_the_empty_one_is_not(
    logs: list[SeedObject], digests: list[DigestObject], find_key
) -> None:
    checked = [_checked(item, find_key) for item in digests]
    trail = [item for item in logs if item.source == "cloudtrail"]
    verdicts = {item.key: _status(item, checked) for item in trail}
    odd = [item for item in trail if verdicts[item.key] != (Integrity.VERIFIED, None)]
    assert [(item.note, verdicts[item.key]) for item in odd] == [("empty", (Integrity.FAILED, Reason.NOT_GZIP))]
    listed = [key for item in digests for key in item.files]
    assert sorted(listed) == sorted(item.key for item in trail if item.note != "empty")
    assert {"json cut in half", "not a log", "odd key", "attack"} <= {item.note for item in trail if is_listed(item)}


def test_a_digest_lists_what_came_in_its_hour_of_its_account_and_region(
    logs: list[SeedObject], digests: list[DigestObject], find_key
) -> None:
    arrived = {item.key: item.last_modified for item in logs}
    for item in digests:
        checked = _checked(item, find_key)
        assert checked.digest is not None
        _, account, _, region, *_ = item.key.split("/")
        for key in item.files:
            assert checked.start < arrived[key] <= checked.end
            assert key.startswith(f"AWSLogs/{account}/CloudTrail/{region}/")
        assert tuple(file.key for file in checked.files) == item.files


def test_digests_come_minutes_after_their_hour_and_the_last_ones_within_a_quarter(
    digests: list[DigestObject],
) -> None:
    for item in digests:
        name = digest_name(item.key)
        assert name is not None
        assert timedelta(minutes=2) <= item.last_modified - name.end <= timedelta(minutes=8)
        assert f"/{name.end:%Y/%m/%d}/" in item.key
        assert item.last_modified.microsecond == 0
    assert LAST < max(item.last_modified for item in digests) <= NOW


def test_late_log_files_have_a_backfill_digest_of_their_own(
    late: list[SeedObject], digests: list[DigestObject], signer: SigningKey, find_key
) -> None:
    made = backfill_digests(late, HOURS, BUCKET, signer)
    checked = [_checked(item, find_key) for item in made]
    assert [each.state for each in checked] == [DigestState.VERIFIED]
    assert checked[0].name is not None
    assert checked[0].name.backfill
    assert not {item.key for item in made} & {item.key for item in digests}
    assert LAST < made[0].last_modified <= NOW
    trail = [item for item in late if item.source == "cloudtrail"]
    assert [_status(item, checked) for item in trail] == [(Integrity.VERIFIED, None)]
    assert [_status(item, [_checked(each, find_key) for each in digests]) for item in trail] == [
        (Integrity.PENDING, None)
    ]


def test_several_late_files_of_a_place_make_one_linked_backfill_chain(logs: list[SeedObject], find_key, signer) -> None:
    some = [item for item in logs if "/111122223333/CloudTrail/us-east-1/" in item.key and is_listed(item)]
    checked = [_checked(item, find_key) for item in backfill_digests(some, HOURS, BUCKET, signer)]
    assert {each.state for each in checked} == {DigestState.VERIFIED}
    ((chain, links),) = _chains(checked).items()
    assert chain.endswith("/backfill")
    assert len(links) == len(HOURS) + 1
    assert judge_links(links) == []
    assert find_gaps(links, to_micros(FIRST), to_micros(LAST), backfill=True) == []
    assert all(_status(item, checked) == (Integrity.VERIFIED, None) for item in some)


def test_what_is_changed_afterwards_is_found_out(
    logs: list[SeedObject], digests: list[DigestObject], find_key, tmp_path: Path
) -> None:
    checked = [_checked(item, find_key) for item in digests]
    log = next(item for item in logs if is_listed(item) and b"StopLogging" in gzip.decompress(item.body))
    cleaned = replace(log, body=gzip.compress(gzip.decompress(log.body).replace(b"StopLogging", b"GetTrail")))
    appended = replace(log, body=log.body + gzip.compress(b""))
    assert _status(log, checked) == (Integrity.VERIFIED, None)
    assert _status(cleaned, checked) == (Integrity.FAILED, Reason.CONTENT_CHANGED)
    assert _status(appended, checked) == (Integrity.FAILED, Reason.MORE_THAN_ONE_MEMBER)
    content = gzip.decompress(digests[1].body)
    forged = replace(digests[1], body=gzip.compress(content.replace(b'"hashValue":"', b'"hashValue": "', 1)))
    assert forged.body != digests[1].body
    assert _checked(forged, find_key).reason is Reason.BAD_SIGNATURE
    elsewhere = _keys_of(SigningKey(), tmp_path)
    assert _checked(digests[1], elsewhere).reason is Reason.UNKNOWN_KEY


def test_only_signatures_differ_from_run_to_run(logs: list[SeedObject], digests: list[DigestObject]) -> None:
    again = hourly_digests(list(Scenario(Generator(scale=0.3), HOURS).objects()), HOURS, BUCKET, SigningKey())
    assert [(item.key, item.last_modified, item.files) for item in again] == [
        (item.key, item.last_modified, item.files) for item in digests
    ]
    assert not {item.metadata["signature"] for item in again} & {item.metadata["signature"] for item in digests}
    files = [[json.loads(gzip.decompress(item.body))["logFiles"] for item in run] for run in (again, digests)]
    assert files[0] == files[1]


def test_the_local_aws_keeps_digests_and_public_keys_over_a_restart(
    digests: list[DigestObject], signer: SigningKey, tmp_path: Path
) -> None:
    with start_aws(tmp_path) as aws:
        aws.set_public_keys(signer.public_keys(LAST))
        assert seed(aws.client(), BUCKET, digests[:2]) == 2
    with start_aws(tmp_path) as aws:
        found = aws.client("cloudtrail").list_public_keys(StartTime=FIRST, EndTime=LAST)["PublicKeyList"]
        assert [entry["Fingerprint"] for entry in found] == [signer.fingerprint]
        assert found[0]["ValidityStartTime"] < datetime(2026, 11, 1, tzinfo=UTC)
        for item in digests[:2]:
            stored = aws.client().get_object(Bucket=BUCKET, Key=item.key)
            assert stored["Body"].read() == item.body
            assert stored["LastModified"] == item.last_modified
            assert dict(item.metadata).items() <= stored["Metadata"].items()
