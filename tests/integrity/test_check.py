"""One digest by itself, broken in every way."""

import gzip
import hashlib
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from s3sentinel_assets.integrity import KeysUnavailableError, Reason, check_digest
from s3sentinel_assets.ledger.schema import DigestState
from tests.integrity.chains import LONG, START, chain, key_entry, keys, sign, stamp

NOW = START + timedelta(days=3)


def check(found, *entries, copied=False):
    return check_digest(found, keys(*entries), now=NOW, copied=copied)


def verdict(found, *entries, copied=False):
    checked = check(found, *entries, copied=copied)
    assert (checked.note is None) == (checked.state is DigestState.VERIFIED)
    return checked.state, checked.reason


FAILED, UNPROVED, VERIFIED = DigestState.FAILED, DigestState.UNPROVED, DigestState.VERIFIED


def rezip(made, content):
    return made.found(stored=gzip.compress(content, mtime=0))


def test_good_digests_are_verified():
    for made in chain(3).digests:
        assert verdict(made.found()) == (VERIFIED, None)


@pytest.mark.parametrize("spki", [False, True])
def test_keys_in_both_forms_verify(spki):
    assert verdict(chain(1, spki=spki).digests[0].found(), key_entry(spki=spki)) == (VERIFIED, None)


def test_the_log_files_and_the_predecessor_come_with_it():
    made = chain(2)
    checked = check(made.digests[1].found())
    assert [file.key for file in checked.files] == [log.key for log in made.digests[1].logs]
    assert checked.previous_key == made.digests[0].key
    assert (checked.start, checked.end) == (made.digests[1].start, made.digests[1].end)
    assert checked.content_sha256 == hashlib.sha256(made.digests[1].content).hexdigest()


def test_any_changed_byte_of_the_content_fails():
    made = chain(2).digests[1]
    for place in range(0, len(made.content), 97):
        content = bytearray(made.content)
        content[place] ^= 1
        assert verdict(rezip(made, bytes(content)))[0] in (FAILED, UNPROVED), place
    added = {**made.values, "logFiles": made.values["logFiles"][1:]}
    assert verdict(rezip(made, json.dumps(added).encode())) == (FAILED, Reason.BAD_SIGNATURE)


@pytest.mark.parametrize("name", ["previousDigestHashValue", "previousDigestSignature", "previousDigestS3Object"])
def test_a_changed_predecessor_fails(name):
    made = chain(2).digests[1]
    changed = {**made.values, name: "0" * 64}
    assert verdict(rezip(made, json.dumps(changed).encode())) == (FAILED, Reason.BAD_SIGNATURE)


def test_another_white_space_in_the_json_fails():
    made = chain(1).digests[0]
    assert verdict(rezip(made, made.content + b" ")) == (FAILED, Reason.BAD_SIGNATURE)


def test_compressing_the_same_content_anew_is_no_change():
    made = chain(1).digests[0]
    assert verdict(made.found(stored=gzip.compress(made.content, compresslevel=1, mtime=0))) == (VERIFIED, None)


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        (gzip.compress(b"", mtime=0), Reason.MORE_THAN_ONE_MEMBER),
        (gzip.compress(b'{"logFiles":[]}', mtime=0), Reason.MORE_THAN_ONE_MEMBER),
        (b"\0" * 512, Reason.TRAILING_BYTES),
        (b"{}", Reason.TRAILING_BYTES),
    ],
)
def test_anything_appended_to_the_object_fails(extra, reason):
    made = chain(1).digests[0]
    assert verdict(made.found(stored=made.stored + extra)) == (FAILED, reason)


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        (b"", Reason.NOT_GZIP),
        (b"{}", Reason.NOT_GZIP),
        (None, Reason.TOO_LARGE),
        (gzip.compress(b"{}", mtime=0)[:-3], Reason.CORRUPT_GZIP),
        (gzip.compress(b"no json", mtime=0), Reason.BAD_JSON),
        (gzip.compress(b"{}", mtime=0), Reason.BAD_DIGEST),
        (gzip.compress(bytes(70 << 20), mtime=0), Reason.TOO_LARGE),
    ],
)
def test_what_is_no_digest_fails_and_keeps_its_place_in_time(stored, reason):
    made = chain(1).digests[0]
    checked = check(made.found(stored=stored))
    assert (checked.state, checked.reason) == (FAILED, reason)
    assert (checked.start, checked.end) == (made.start, made.end)
    assert checked.files == ()


def test_a_signature_of_another_digest_fails():
    first, second = chain(2).digests
    assert verdict(second.found(signature=first.signature)) == (FAILED, Reason.BAD_SIGNATURE)


@pytest.mark.parametrize("signature", ["x", "00" * 256, "0", "é"])
def test_nonsense_for_a_signature_fails(signature):
    assert verdict(chain(1).digests[0].found(signature=signature)) == (FAILED, Reason.BAD_SIGNATURE)


def test_a_truncated_signature_fails_and_upper_case_does_not():
    made = chain(1).digests[0]
    assert verdict(made.found(signature=made.signature[:-2])) == (FAILED, Reason.BAD_SIGNATURE)
    assert verdict(made.found(signature=made.signature.upper())) == (VERIFIED, None)


@pytest.mark.parametrize("signature", [None, ""])
def test_without_a_signature_nothing_is_proved(signature):
    assert verdict(chain(1).digests[0].found(signature=signature)) == (UNPROVED, Reason.NO_SIGNATURE)


def test_signing_anew_with_another_key_fails():
    made = chain(1).digests[0]
    forged = sign(made.values, made.content, "forger")
    assert verdict(made.found(signature=forged)) == (FAILED, Reason.BAD_SIGNATURE)
    assert verdict(made.found(signature=forged), key_entry(), key_entry("forger")) == (FAILED, Reason.BAD_SIGNATURE)


def test_a_key_that_cloudtrail_does_not_list_proves_nothing():
    forged = chain(1, key_name="forger").digests[0]
    assert verdict(forged.found()) == (UNPROVED, Reason.UNKNOWN_KEY)
    assert verdict(forged.found(), key_entry("forger")) == (VERIFIED, None)


def test_keys_that_are_not_to_be_had_prove_nothing_and_say_why():
    def find(*_):
        raise KeysUnavailableError("allow cloudtrail:ListPublicKeys")

    checked = check_digest(chain(1).digests[0].found(), find, now=NOW)
    assert (checked.state, checked.reason) == (UNPROVED, Reason.KEYS_UNAVAILABLE)
    assert checked.note == "allow cloudtrail:ListPublicKeys"


def test_an_unknown_algorithm_proves_nothing():
    made = chain(0).add(digestSignatureAlgorithm="SHA512withRSA")
    assert verdict(made.found()) == (UNPROVED, Reason.UNKNOWN_ALGORITHM)


def test_a_digest_at_another_key_or_in_another_bucket_fails():
    first, second = chain(2).digests
    assert verdict(first.found(key=second.key)) == (FAILED, Reason.WRONG_PLACE)
    assert verdict(first.found(bucket="other-bucket")) == (FAILED, Reason.WRONG_PLACE)
    assert "hour_from: key" in (check(first.found(bucket="other-bucket")).note or "")
    assert verdict(first.found(key="copies/" + first.key)) == (FAILED, Reason.WRONG_PLACE)


def test_swapped_digests_both_fail():
    first, second = chain(2).digests
    for one, other in ((first, second), (second, first)):
        swapped = one.found(stored=other.stored, signature=other.signature)
        assert verdict(swapped) == (FAILED, Reason.WRONG_PLACE)


def test_a_replicated_bucket_is_verified_when_the_source_says_so():
    made = chain(2)
    second = made.digests[1]
    checked = check(second.found(bucket="replica", key="copies/" + second.key), copied=True)
    assert checked.state is VERIFIED
    assert checked.previous_key == "copies/" + made.digests[0].key
    assert [(file.bucket, file.key) for file in checked.files] == [
        ("replica", "copies/" + log.key) for log in second.logs
    ]
    assert verdict(second.found(bucket="replica"), copied=True) == (VERIFIED, None)
    assert verdict(second.found(bucket="replica", key="copies" + second.key), copied=True)[0] is FAILED
    assert verdict(second.found(key=made.digests[0].key), copied=True) == (FAILED, Reason.WRONG_PLACE)


def test_a_strange_name_fails_although_the_signature_holds():
    made = chain(0).add(digestS3Object="AWSLogs/123837392027/CloudTrail-Digest/x.json.gz")
    assert verdict(made.found()) == (FAILED, Reason.STRANGE_NAME)


@pytest.mark.parametrize(
    ("begin", "end", "expected"),
    [
        (-10, 10, (VERIFIED, None)),
        (2, 10, (VERIFIED, None)),  # rotated right after the digest's end: the new key signed it
        (2 + 1 / 3600, 10, (FAILED, Reason.KEY_NOT_VALID)),
        (-10, -1, (VERIFIED, None)),
        (-10, -1 - 1 / 3600, (FAILED, Reason.KEY_NOT_VALID)),
        (48, 96, (FAILED, Reason.KEY_NOT_VALID)),
    ],
)
def test_a_key_must_have_been_valid_when_the_digest_was_signed(begin, end, expected):
    made = chain(1).digests[0]
    valid = made.end + timedelta(hours=begin), made.end + timedelta(hours=end)
    assert verdict(made.found(), key_entry(valid=valid)) == expected


def test_a_backfill_digest_is_signed_days_later_with_the_key_of_then():
    made = chain(3)
    later = made.digests[0].end + timedelta(days=2)
    late = made.add(backfill_at=later)
    newer = key_entry(valid=(later - timedelta(minutes=30), LONG[1]))
    older = key_entry(valid=(LONG[0], later - timedelta(hours=2)))
    assert verdict(late.found(), newer) == (VERIFIED, None)
    assert verdict(late.found(), older) == (FAILED, Reason.KEY_NOT_VALID)
    assert verdict(late.found(generated_at=None), newer) == (VERIFIED, None)
    assert verdict(late.found(generated_at="never"), newer) == (VERIFIED, None)
    assert verdict(late.found(generated_at="1999-01-01T00:00:00Z"), newer) == (VERIFIED, None)


def test_a_forger_does_not_choose_the_hour_that_a_failed_digest_counts_for():
    made = chain(1).digests[0]
    changed = {**made.values, "digestStartTime": "2020-01-01T00:00:00Z", "digestEndTime": "2020-01-01T01:00:00Z"}
    checked = check(rezip(made, json.dumps(changed).encode()))
    assert (checked.state, checked.end) == (FAILED, made.end)
    unsigned = check(made.found(stored=gzip.compress(json.dumps(changed).encode(), mtime=0), signature=None))
    assert (unsigned.state, unsigned.end) == (UNPROVED, made.end)


def test_organisation_trails_are_verified_under_their_folder():
    made = chain(2, organization="o-exampleorg1").digests[1]
    checked = check(made.found())
    assert checked.state is VERIFIED
    assert checked.chain.startswith("o-exampleorg1/123837392027/us-east-1/")


def test_the_shared_chain_is_verified_and_every_change_is_seen(shared_dir):
    folder = shared_dir / "data/formats/cloudtrail_digest/generated_chain"
    if not folder.is_dir():
        pytest.skip("no chain among the shared data")
    index = json.loads((folder / "index.json").read_text())
    known = keys(index["public_key"])
    files = 0
    for entry in index["digests"]:
        stored = (folder / "example-cloudtrail-bucket" / entry["key"]).read_bytes()
        found = (
            chain(1)
            .digests[0]
            .found(
                bucket="example-cloudtrail-bucket",
                key=entry["key"],
                stored=stored,
                signature=entry["x_amz_meta_signature"],
            )
        )
        checked = check_digest(found, known, now=NOW)
        assert checked.state is VERIFIED, checked.note
        for file in checked.files:
            content = gzip.decompress((folder / file.bucket / file.key).read_bytes())
            assert hashlib.sha256(content).hexdigest() == file.sha256
            files += 1
    assert files == sum(entry["log_files"] for entry in index["digests"]) > 0


@pytest.mark.parametrize(
    ("start", "end"),
    [("0001-01-01T00:00:00Z", None), (None, "9999-12-31T23:59:59Z"), ("1999-01-01T00:00:00Z", "1999-01-01T01:00:00Z")],
)
def test_a_digest_of_an_impossible_time_fails_and_nobody_is_asked_for_its_key(start, end):
    made = chain(1).digests[0]
    changed = {"digestStartTime": start or made.values["digestStartTime"], "digestEndTime": end or stamp(made.end)}
    other = chain(0).add(**changed, digestS3Object=made.key)
    found = replace(made.found(), stored=other.stored, signature=other.signature)

    def nobody(*_):
        raise AssertionError("asked")

    checked = check_digest(found, nobody, now=NOW)
    assert (checked.state, checked.reason) == (DigestState.FAILED, Reason.BAD_DIGEST)


def test_behind_an_access_point_the_digest_names_another_bucket_but_always_the_same():
    made = chain(2, bucket="the-real-bucket").digests[1]
    found = made.found(bucket="an-alias-s3alias")

    def judged(**options):
        return check_digest(found, keys(), now=NOW, **options)

    assert judged().reason is Reason.WRONG_PLACE
    checked = judged(access_point=True)
    assert checked.state is DigestState.VERIFIED
    assert {file.bucket for file in checked.files} == {"an-alias-s3alias"}
    assert checked.previous_key == chain(2).digests[0].key
    assert judged(access_point=True, real_bucket="the-real-bucket").state is DigestState.VERIFIED
    other = judged(access_point=True, real_bucket="another-bucket")
    assert (other.state, other.reason) == (DigestState.FAILED, Reason.WRONG_PLACE)
    assert "another-bucket" in (other.note or "")
    assert "hour_from" not in (other.note or "")
