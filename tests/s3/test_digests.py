"""Finding, listing and fetching digests and log files for verification."""

from datetime import UTC, datetime

import pytest

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.local.aws import Fault
from s3sentinel_assets.s3.digests import (
    STORED_LIMIT,
    ListedFile,
    ObjectGoneError,
    digest_template,
    fetch_digest,
    known_regions,
    list_files,
    log_template,
    month_template,
    open_log,
    scope_prefixes,
)

DAY = datetime(2024, 11, 20, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        (
            "AWSLogs/{account}/CloudTrail/{region}/{yyyy}/{mm}/{dd}/",
            "AWSLogs/{account}/CloudTrail-Digest/{region}/{yyyy}/{mm}/{dd}/",
        ),
        (
            "a/b/AWSLogs/{organization}/{account}/CloudTrail/eu-west-1/{yyyy}/{mm}/{dd}/{account}_CloudTrail_",
            "a/b/AWSLogs/{organization}/{account}/CloudTrail-Digest/eu-west-1/{yyyy}/{mm}/{dd}/",
        ),
        ("AWSLogs/111122223333/CloudTrail/", "AWSLogs/111122223333/CloudTrail-Digest/{region}/{yyyy}/{mm}/{dd}/"),
        ("AWSLogs/{account}/CloudTrail", "AWSLogs/{account}/CloudTrail-Digest/{region}/{yyyy}/{mm}/{dd}/"),
        ("AWSLogs/{account}/CloudTrail/us-east-1/", "AWSLogs/{account}/CloudTrail-Digest/us-east-1/{yyyy}/{mm}/{dd}/"),
        ("AWSLogs/{account}/", "AWSLogs/{account}/CloudTrail-Digest/{region}/{yyyy}/{mm}/{dd}/"),
        (
            "CloudTrail/AWSLogs/{account}/CloudTrail/{region}/{yyyy}/{mm}/{dd}/",
            "CloudTrail/AWSLogs/{account}/CloudTrail-Digest/{region}/{yyyy}/{mm}/{dd}/",
        ),
        (
            "AWSLogs/111122223333/CloudTrail/eu-west-1/{yyyy}/{mm}/{dd}/CloudTrail/",
            "AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/{yyyy}/{mm}/{dd}/",
        ),
        ("CloudTrail/org/CloudTrail/", "CloudTrail/org/CloudTrail-Digest/{region}/{yyyy}/{mm}/{dd}/"),
        ("logs/", None),
        ("AWSLogs/", None),
        ("", None),
    ],
)
def test_the_place_of_digests_follows_from_the_place_of_logs(bucket, prefix, expected):
    source = bucket.source(prefix)
    assert digest_template(source) == expected
    assert log_template(source) == (expected and expected.replace("CloudTrail-Digest", "CloudTrail"))


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("a/{account}/{region}/{yyyy}/{mm}/{dd}/", "a/{account}/{region}/{yyyy}/{mm}/"),
        ("a/{yyyy}/{m}/{d}/x", "a/{yyyy}/{m}/"),
        ("a/{yyyy}-{mm}-{dd}", "a/{yyyy}-{mm}-{dd}"),
        ("digests/{yyyy}/", "digests/{yyyy}/"),
    ],
)
def test_a_month_is_one_prefix_where_the_template_allows(template, expected):
    assert month_template(template) == expected


def test_accounts_and_regions_of_a_bucket_are_templates_for_their_days(bucket):
    for folder in ("111122223333/CloudTrail/us-east-1", "444455556666/CloudTrail/eu-west-1", "x/CloudTrail/us-east-1"):
        bucket.put(f"{{p}}/AWSLogs/{folder}/2020/01/01/log")
    template = "{{p}}/AWSLogs/{account}/CloudTrail/{region}/{yyyy}/{mm}/{dd}/"
    assert list(scope_prefixes(bucket.client, bucket.name, template, bucket.access, DAY)) == [
        "{{p}}/AWSLogs/111122223333/CloudTrail/us-east-1/{yyyy}/{mm}/{dd}/",
        "{{p}}/AWSLogs/444455556666/CloudTrail/eu-west-1/{yyyy}/{mm}/{dd}/",
    ]


def test_regions_of_every_partition_are_known_and_invented_ones_are_not():
    assert {"us-east-1", "eu-central-1", "us-gov-west-1", "cn-north-1"} <= known_regions()
    assert "zz-evil-1" not in known_regions()


def test_the_place_of_digests_may_be_configured(bucket):
    source = bucket.source("logs/").model_copy(update={"digests": None})
    given = source.model_validate({**source.model_dump(), "digests": {"prefix": "digests/{yyyy}/"}})
    assert digest_template(given) == "digests/{yyyy}/"


def test_only_the_days_asked_for_are_listed(bucket):
    for day in ("19", "20", "21"):
        bucket.put(f"p/2024/11/{day}/digest.json.gz", b"x")
    bucket.put("p/2024/11/20/", b"")
    found = list_files(bucket.client, bucket.name, "p/{yyyy}/{mm}/{dd}/", bucket.access, first=DAY, last=DAY)
    assert [entry.key for entry in found] == ["p/2024/11/20/digest.json.gz"]


def listed(bucket, key, etag, size=1):
    return ListedFile(bucket.name, key, etag, size, DAY)


def test_a_digest_comes_with_its_metadata(bucket):
    bucket.client.put_object(Bucket=bucket.name, Key="d", Body=b"body", Metadata={"Signature": "ab", "x": "1"})
    (entry,) = list_files(bucket.client, bucket.name, "d", bucket.access, first=DAY, last=DAY)
    fetched = fetch_digest(bucket.client, entry, bucket.access)
    assert (fetched.stored, fetched.metadata["signature"]) == (b"body", "ab")


def test_a_digest_that_is_gone_or_was_replaced_is_told_from_trouble(bucket, local_aws):
    etag = bucket.put("d", b"one")
    with pytest.raises(ObjectGoneError):
        fetch_digest(bucket.client, listed(bucket, "none", etag), bucket.access)
    with pytest.raises(ObjectGoneError):
        fetch_digest(bucket.client, listed(bucket, "d", "0" * 32), bucket.access)
    local_aws.set_faults(Fault("access_denied", keys="d"))
    with pytest.raises(UserError, match=rf"s3://{bucket.name}/d cannot be read.*s3:GetObject"):
        fetch_digest(bucket.client, listed(bucket, "d", etag), bucket.access)


def test_an_object_too_large_for_a_digest_is_not_fetched(bucket):
    assert fetch_digest(bucket.client, listed(bucket, "none", "0" * 32, STORED_LIMIT + 1), bucket.access).stored is None


def test_a_log_file_streams_and_its_absence_is_told(bucket, local_aws):
    body = bytes(3 << 20)
    bucket.put("log", body)
    chunks = list(open_log(bucket.client, bucket.name, "log", bucket.access))
    assert b"".join(chunks) == body
    assert len(chunks) > 1
    with pytest.raises(ObjectGoneError):
        list(open_log(bucket.client, bucket.name, "none", bucket.access))
    local_aws.set_faults(Fault("broken_body", keys="log", after_bytes=1_000_000))
    with pytest.raises(UserError, match=r"s3://.*/log cannot be read"):
        list(open_log(bucket.client, bucket.name, "log", bucket.access))
