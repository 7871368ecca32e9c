"""Reading a digest's content: what is understood, and that nothing else is."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3sentinel_assets.integrity import DigestError, Reason, digest_name, log_name, parse_digest, scope_of_log
from tests.integrity.chains import chain


def values(**changed):
    made = chain(2).digests[-1].values
    return {**made, **changed}


def test_a_digest_is_read_whole():
    made = chain(2)
    digest = parse_digest(made.digests[1].content)
    assert digest.key == made.digests[1].key
    assert digest.start == made.digests[0].end
    assert digest.previous is not None
    assert digest.previous.key == made.digests[0].key
    assert [(file.bucket, file.key, file.sha256) for file in digest.files] == [
        (log.bucket, log.key, log.sha256) for log in made.digests[1].logs
    ]


def test_the_first_digest_of_a_chain_has_no_predecessor():
    assert parse_digest(chain(1).digests[0].content).previous is None


def test_unknown_fields_are_no_reason_to_refuse():
    assert parse_digest(json.dumps(values(somethingNew={"a": 1})).encode()).account == "123837392027"


@pytest.mark.parametrize(
    "name",
    [
        "awsAccountId",
        "digestStartTime",
        "digestEndTime",
        "digestS3Bucket",
        "digestS3Object",
        "digestPublicKeyFingerprint",
        "digestSignatureAlgorithm",
        "previousDigestS3Bucket",
        "previousDigestS3Object",
        "previousDigestHashValue",
        "previousDigestHashAlgorithm",
        "previousDigestSignature",
        "logFiles",
    ],
)
@pytest.mark.parametrize("value", ["missing", 7, "", {}])
def test_a_missing_or_wrong_field_is_named(name, value):
    made = values(**{name: value})
    if value == "missing":
        del made[name]
    with pytest.raises(DigestError, match=name) as caught:
        parse_digest(json.dumps(made).encode())
    assert caught.value.reason is Reason.BAD_DIGEST


@pytest.mark.parametrize(
    "changed",
    [
        {"digestEndTime": "2026-11-31T00:00:00Z"},
        {"digestEndTime": "2026-11-20T00:00:00+00:00"},
        {"digestEndTime": "2026-11-20T00:00:00Z\n"},
        {"digestEndTime": "2000-01-01T00:00:00Z"},
        {"previousDigestS3Object": None},
        {"previousDigestHashValue": "ab"},
        {"logFiles": {}},
        {"logFiles": ["x"]},
        {"logFiles": [{"s3Bucket": "b", "s3Object": "k", "hashValue": "0" * 63, "hashAlgorithm": "SHA-256"}]},
    ],
)
def test_nonsense_in_a_field_is_refused(changed):
    with pytest.raises(DigestError) as caught:
        parse_digest(json.dumps(values(**changed)).encode())
    assert caught.value.reason is Reason.BAD_DIGEST


def test_equal_start_and_end_are_refused():
    made = values()
    made["digestStartTime"] = made["digestEndTime"]
    with pytest.raises(DigestError, match="not later"):
        parse_digest(json.dumps(made).encode())


def test_an_unknown_hash_is_told_from_a_wrong_one():
    with pytest.raises(DigestError) as caught:
        parse_digest(json.dumps(values(previousDigestHashAlgorithm="SHA-512")).encode())
    assert caught.value.reason is Reason.UNKNOWN_ALGORITHM


def test_a_log_file_listed_twice_counts_once_unless_the_hashes_differ():
    made = values()
    made["logFiles"].append(dict(made["logFiles"][0]))
    assert len(parse_digest(json.dumps(made).encode()).files) == 2
    made["logFiles"][-1]["hashValue"] = "0" * 64
    with pytest.raises(DigestError, match="twice with different hashes"):
        parse_digest(json.dumps(made).encode())


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"a": 1, "a": 2}', b"[" * 100_000, b'"' + b"x" * 1_000_000 + b'"'],
)
def test_what_is_no_json_object_is_refused(content):
    with pytest.raises(DigestError) as caught:
        parse_digest(content)
    assert caught.value.reason is Reason.BAD_JSON


def test_a_key_that_appears_twice_deep_inside_is_refused():
    content = json.dumps(values()).encode().replace(b'"s3Bucket":', b'"s3Bucket": "other", "s3Bucket":', 1)
    with pytest.raises(DigestError, match="twice"):
        parse_digest(content)


@given(st.binary(max_size=200) | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(json.dumps))
def test_no_content_does_anything_but_be_refused(content):
    with pytest.raises(DigestError):
        parse_digest(content.encode() if isinstance(content, str) else content)


@given(st.data())
def test_one_replaced_value_is_read_or_refused(data):
    made = values()
    name = data.draw(st.sampled_from(sorted(made)))
    made[name] = data.draw(st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.none() | st.text()))
    try:
        parse_digest(json.dumps(made).encode())
    except DigestError as error:
        assert error.detail


FOLDER = "AWSLogs/{}123837392027/CloudTrail-Digest/us-east-1/2026/11/20/"
NAME = "123837392027_CloudTrail-Digest_us-east-1_my_trail.x-1_eu-west-1_20261120T014805Z{}.json.gz"


def test_a_digest_key_tells_account_region_trail_and_time():
    name = digest_name(FOLDER.format("") + NAME.format(""))
    assert name is not None
    assert name.chain == "123837392027/us-east-1/my_trail.x-1/eu-west-1"
    assert (name.region, name.backfill, name.end.isoformat()) == ("us-east-1", False, "2026-11-20T01:48:05+00:00")


def test_backfill_digests_and_organisations_have_chains_of_their_own():
    name = digest_name(FOLDER.format("o-exampleorg1/") + NAME.format("_backfill"))
    assert name is not None
    assert name.chain == "o-exampleorg1/123837392027/us-east-1/my_trail.x-1/eu-west-1/backfill"
    assert name.scope == "o-exampleorg1/123837392027/us-east-1"


@pytest.mark.parametrize(
    "key",
    [
        "",
        "x",
        NAME.format("_other"),
        NAME.format("").replace("20261120", "20261131"),
        NAME.format("").replace("us-east-1", "evil"),
    ],
)
def test_strange_digest_names_are_told(key):
    assert digest_name(key) is None


def test_log_files_belong_to_the_account_and_region_of_their_folder():
    folder = "p/AWSLogs/o-exampleorg1/123837392027/CloudTrail/us-east-1/2026/11/20/"
    assert scope_of_log(folder + "evil.json.gz") == "o-exampleorg1/123837392027/us-east-1"
    assert scope_of_log("123837392027_CloudTrail_us-east-1_20261120T0105Z_abc.json.gz") == "123837392027/us-east-1"
    assert scope_of_log("somewhere/else.json.gz") is None
    name = log_name(folder + "123837392027_CloudTrail_us-east-1_20261120T0105Z_abc.json.gz")
    assert name is not None
    assert name.delivered_at.isoformat() == "2026-11-20T01:05:00+00:00"
