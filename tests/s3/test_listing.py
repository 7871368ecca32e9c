"""Listing against a real boto3 client and a local S3."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.local.aws import Fault, LocalAws
from s3sentinel_assets.s3.key_grammar import KeyFilter
from s3sentinel_assets.s3.listing import (
    DIGESTS,
    FOLDER_MARKERS,
    OTHER_FOLDERS,
    OTHER_KEYS,
    TEST_FILES,
    ListedObject,
    left_out,
    list_objects,
)
from s3sentinel_assets.s3.session import s3_client

HOUR = datetime(2026, 11, 3, 0, tzinfo=UTC)
PREFIX = "AWSLogs/{account}/CloudTrail/{region}/{yyyy}/{mm}/{dd}/"
FOLDER = "AWSLogs/111122223333/CloudTrail/us-east-1"


def listed(bucket, prefix=PREFIX, look_back=timedelta(hours=24), skipped=None, **access) -> list[ListedObject]:
    return list(
        list_objects(
            bucket.client,
            bucket.source(prefix),
            bucket.access.model_copy(update=access),
            first=HOUR,
            last=HOUR + timedelta(hours=1),
            look_back=look_back,
            skipped=skipped,
        )
    )


def test_fields_of_an_object(bucket) -> None:
    etag = bucket.put(f"{FOLDER}/2026/11/03/a.json.gz", b"four", last_modified="2026-11-03T00:05:06Z")
    (found,) = listed(bucket)
    assert found == ListedObject(
        bucket.name,
        f"{FOLDER}/2026/11/03/a.json.gz",
        etag,
        4,
        datetime(2026, 11, 3, 0, 5, 6, tzinfo=UTC),
        "STANDARD",
    )
    assert found.last_modified.tzinfo is UTC
    assert '"' not in etag


def test_dates_from_look_back_to_the_end_of_the_hour(bucket) -> None:
    for day in ("01", "02", "03", "04"):
        bucket.put(f"{FOLDER}/2026/11/{day}/f.json.gz")
    assert [entry.key.split("/")[6] for entry in listed(bucket)] == ["02", "03"]
    assert [entry.key.split("/")[6] for entry in listed(bucket, look_back=timedelta(hours=25))] == ["01", "02", "03"]


def test_what_is_left_out_is_counted(bucket) -> None:
    bucket.put("logs/", b"")
    bucket.put("logs/CloudTrail-Digest/eu-west-1/d.json.gz")
    bucket.put("logs/deep/", b"")
    bucket.put("logs/not-empty/", b"bytes")
    bucket.put("logs/empty.gz", b"")
    bucket.put("logs/deep_$folder$", b"")
    bucket.put("logs/AWSLogs/111122223333/ELBAccessLogTestFile", b"Enable AccessLog for ELB: x")
    bucket.put("logs/AWSLogs/111122223333/Config/ConfigWritabilityCheckFile", b"")
    skipped: dict[str, int] = {}
    assert [entry.key for entry in listed(bucket, "logs/", skipped=skipped)] == ["logs/empty.gz", "logs/not-empty/"]
    assert skipped == {DIGESTS: 1, FOLDER_MARKERS: 3, TEST_FILES: 2}


_LOG = "111122223333_CloudTrail_us-east-1_20261103T0000Z_x.json.gz"
_DIGEST = "111122223333_CloudTrail-Digest_us-east-1_trail_us-east-1_20261103T000000Z.json.gz"


@pytest.mark.parametrize(
    ("key", "size", "name"),
    [
        (f"AWSLogs/111122223333/CloudTrail-Digest/us-east-1/2026/11/03/{_DIGEST}", 9, DIGESTS),
        ("CloudTrail-Digest/us-east-1/any", 9, DIGESTS),
        (f"moved/{_DIGEST}", 9, DIGESTS),
        ("a/CloudTrail-Digest/", 0, DIGESTS),
        (f"AWSLogs/111122223333/CloudTrail-Insight/us-east-1/2026/11/03/{_LOG}", 9, None),
        (f"AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/03/{_LOG}", 9, None),
        (f"My-CloudTrail-Digest-Folder/{_LOG}", 9, None),
        (f"a_CloudTrail-Digest_b/{_LOG}", 9, None),
        ("CloudTrail-Digest", 9, None),
        ("a/", 0, FOLDER_MARKERS),
        ("a_$folder$", 0, FOLDER_MARKERS),
        ("a/", 1, None),
        ("a/", None, None),
        ("a", 0, None),
        ("", 0, None),
        ("ELBAccessLogTestFile", 9, TEST_FILES),
        ("a/ELBConnectionLogTestFile", None, TEST_FILES),
        ("a/MyELBAccessLogTestFile", 9, None),
        ("ELBAccessLogTestFile/f", 9, None),
    ],
)
def test_what_is_never_a_log_is_told_by_its_path(key, size, name) -> None:
    assert left_out(key, size) == name


def test_folders_that_do_not_match_are_counted(bucket) -> None:
    bucket.put("AWSLogs/o-abc123def4/111122223333/CloudTrail/us-east-1/2026/11/03/f")
    skipped: dict[str, int] = {}
    assert listed(bucket, skipped=skipped) == []
    assert skipped == {OTHER_FOLDERS: 1}


def test_days_of_one_region_are_one_range_for_a_real_client_too(bucket) -> None:
    for day in ("01", "02", "03", "04"):
        bucket.put(f"{FOLDER}/2026/11/{day}/é+%2F f")
    bucket.put(f"{FOLDER}/2026/11/02extra/f")
    asked, skipped = [], dict[str, int]()
    bucket.client.meta.events.register(
        "before-parameter-build.s3.ListObjectsV2", lambda params, **_: asked.append(params), unique_id="spy"
    )
    try:
        found = listed(bucket, look_back=timedelta(hours=24), skipped=skipped)
    finally:
        bucket.client.meta.events.unregister("before-parameter-build.s3.ListObjectsV2", unique_id="spy")
    assert [entry.key for entry in found] == [f"{FOLDER}/2026/11/{day}/é+%2F f" for day in ("02", "03")]
    assert skipped == {OTHER_KEYS: 1}
    assert [request.get("StartAfter") for request in asked] == [None, None, f"{FOLDER}/2026/11/02.~"]


def test_several_workers_find_the_same_with_a_real_client(bucket) -> None:
    for account in range(6):
        for region in ("us-east-1", "eu-west-1"):
            bucket.put(f"AWSLogs/{account:012d}/CloudTrail/{region}/2026/11/03/f")
    options = {"first": HOUR, "last": HOUR, "look_back": timedelta(hours=24)}
    alone = list(list_objects(bucket.client, bucket.source(PREFIX), bucket.access, **options))
    together = list(list_objects(bucket.client, bucket.source(PREFIX), bucket.access, **options, workers=8))
    assert sorted(together) == sorted(alone)
    assert len(alone) == 12


def test_config_writes_days_without_zeros_and_folders_of_any_name(bucket) -> None:
    keys = [f"AWSLogs/111122223333/Config/us-east-1/2026/{day}/ConfigHistory/f" for day in ("11/2", "11/3", "11/30")]
    for key in keys:
        bucket.put(key)
    found = listed(bucket, "AWSLogs/{account}/Config/{region}/{yyyy}/{m}/{d}/{folder}/", look_back=timedelta(days=1))
    assert [entry.key for entry in found] == keys[:2]


def test_an_account_is_narrowed_to_with_a_real_client(bucket) -> None:
    for account in ("111122223333", "444455556666"):
        bucket.put(f"AWSLogs/{account}/CloudTrail/us-east-1/2026/11/03/f")
    only = KeyFilter(account="444455556666")
    options = {"first": HOUR, "last": HOUR, "look_back": timedelta(0), "only": only}
    (found,) = list_objects(bucket.client, bucket.source(PREFIX), bucket.access, **options)
    assert "/444455556666/" in found.key


KEYS = [
    "p/key with spaces.gz",
    "p/a+b%3D c/é.gz",
    "p/tab\t.gz",
    "p/%2F percent %zz.gz",
    "p/日本語 ‮ \U0001f600.gz",
    "p/quotes\"'<&>.gz",
    "p//double/slash.gz",
    "p/../dots/./x.gz",
    "p/?question#hash;semi=&amp.gz",
]


def test_any_key_survives(bucket) -> None:
    for key in KEYS:
        bucket.put(key)
    assert sorted(entry.key for entry in listed(bucket, "p/")) == sorted(KEYS)


def test_control_characters_survive_because_the_answer_is_url_encoded(bucket) -> None:
    """The local S3 cannot store such keys; the answer is the one that S3 gives."""
    from botocore.awsrequest import AWSResponse

    body = b"""<?xml version="1.0" encoding="UTF-8"?>
    <ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><EncodingType>url</EncodingType>
    <IsTruncated>false</IsTruncated><KeyCount>1</KeyCount><Contents><Key>p/new%0Aline%01+plus%2B%25.gz</Key>
    <LastModified>2026-11-03T00:00:00.000Z</LastModified><ETag>&quot;e&quot;</ETag><Size>1</Size></Contents>
    </ListBucketResult>"""
    urls = []

    class Raw:
        def stream(self):
            yield body

    def answer(request, **_):
        urls.append(request.url)
        return AWSResponse(request.url, 200, {"content-type": "application/xml"}, Raw())

    bucket.client.meta.events.register("before-send.s3.ListObjectsV2", answer, unique_id="canned")
    try:
        (entry,) = listed(bucket, "p/")
    finally:
        bucket.client.meta.events.unregister("before-send.s3.ListObjectsV2", unique_id="canned")
    assert entry.key == "p/new\nline\x01 plus+%.gz"
    assert "encoding-type=url" in urls[0]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.text(
        st.characters(exclude_categories=("Cs", "Cc"), include_characters="\t +%&=?#/"), min_size=1, max_size=40
    )
)
def test_random_keys_survive(bucket, name: str) -> None:
    bucket.put(f"h/{name}end")
    assert f"h/{name}end" in {entry.key for entry in listed(bucket, "h/")}


def test_more_than_one_page(bucket) -> None:
    for number in range(7):
        bucket.put(f"pages/{number}")

    class SmallPages:
        """The same client with three keys a page."""

        def get_paginator(self, name):
            paginator = bucket.client.get_paginator(name)
            whole = paginator.paginate
            paginator.paginate = lambda **arguments: whole(**arguments, PaginationConfig={"PageSize": 3})
            return paginator

    found = list_objects(
        SmallPages(), bucket.source("pages/"), bucket.access, first=HOUR, last=HOUR, look_back=timedelta(0)
    )
    assert [entry.key for entry in found] == [f"pages/{number}" for number in range(7)]


def test_memory_is_flat_however_many_keys(bucket) -> None:
    import tracemalloc

    stamp = datetime(2026, 11, 3, tzinfo=UTC)

    class Endless:
        def get_paginator(self, _name):
            return self

        def paginate(self, **_arguments):
            for page in range(50):
                yield {
                    "Contents": [
                        {"Key": f"k/{page}/{n}", "ETag": '"e"', "Size": 1, "LastModified": stamp} for n in range(1000)
                    ]
                }

    tracemalloc.start()
    try:
        entries = list_objects(
            Endless(), bucket.source("k/"), bucket.access, first=HOUR, last=HOUR, look_back=timedelta(0)
        )
        assert sum(1 for _ in entries) == 50_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20


def test_owner_and_payer_go_with_every_request(bucket) -> None:
    asked = []
    bucket.put(f"{FOLDER}/2026/11/03/f")
    bucket.client.meta.events.register(
        "before-parameter-build.s3.ListObjectsV2", lambda params, **_: asked.append(params), unique_id="spy"
    )
    try:
        listed(bucket, expected_bucket_owner="123456789012", requester_pays=True)
    finally:
        bucket.client.meta.events.unregister("before-parameter-build.s3.ListObjectsV2", unique_id="spy")
    assert [request["Prefix"] for request in asked] == ["AWSLogs/", f"{FOLDER[:32]}", f"{FOLDER}/2026/11/0"]
    assert {request["ExpectedBucketOwner"] for request in asked} == {"123456789012"}
    assert {request["RequestPayer"] for request in asked} == {"requester"}


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("access_denied", "allow s3:ListBucket on it"),
        ("no_such_bucket", "does not exist at http://127.0.0.1"),
        ("slow_down", "throttles requests"),
    ],
)
def test_refusals_are_sentences(bucket, local_aws: LocalAws, kind, words) -> None:
    local_aws.set_faults(Fault(kind, operations=("list",)))
    client = s3_client(bucket.access.model_copy(update={"max_attempts": 1}))
    with pytest.raises(UserError, match=words) as caught:
        list(list_objects(client, bucket.source("x/"), bucket.access, first=HOUR, last=HOUR, look_back=timedelta(0)))
    assert bucket.name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_bucket(bucket) -> None:
    source = bucket.source("x/").model_copy(update={"bucket": "no-such-bucket-here"})
    with pytest.raises(UserError, match="bucket no-such-bucket-here does not exist"):
        list(list_objects(bucket.client, source, bucket.access, first=HOUR, last=HOUR, look_back=timedelta(0)))


def test_a_refusal_in_the_middle_is_raised_not_taken_for_the_end(bucket, local_aws: LocalAws) -> None:
    other = FOLDER.replace("us-east-1", "us-east-2")
    bucket.put(f"{FOLDER}/2026/11/02/f")
    bucket.put(f"{other}/2026/11/03/f")
    local_aws.set_faults(Fault("access_denied", keys=f"{other}/*", operations=("list",)))
    entries = list_objects(
        bucket.client,
        bucket.source(PREFIX),
        bucket.access,
        first=HOUR,
        last=HOUR,
        look_back=timedelta(hours=24),
    )
    assert next(entries).key.endswith("/02/f")
    with pytest.raises(UserError, match="denied"):
        next(entries)
