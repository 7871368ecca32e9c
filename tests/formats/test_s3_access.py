"""S3 server access logs: all generations of fields, quotes that clients sent, sizes, requesters."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.formats import detect
from tests.formats.access_lines import S3, WEB, entity, filled, line, parsed, text
from tests.formats.parsing import parse

AGENT = "curl/7.15.1"


def test_every_column_is_filled_from_its_field():
    found = parsed(line(S3))
    assert found.report.table == "AWSS3ServerAccess"
    assert found.rows["TimeGenerated"].to_list() == [datetime(2026, 2, 6, 0, 0, 38, tzinfo=UTC)]
    assert filled(line(S3)) == {
        "BucketOwner": S3["bucket_owner"],
        "Bucket": "my-bucket",
        "RemoteIp": "192.0.2.3",
        "Requester": "arn:aws:sts::123456789012:assumed-role/app/i-0123456789abcdef0",
        "RequestId": "3E57427F3EXAMPLE",
        "Operation": "REST.GET.OBJECT",
        "Key": "a%2520b/c.txt",
        "RequestUri": "GET /a%20b/c.txt HTTP/1.1",
        "HttpStatus": 200,
        "BytesSent": 113,
        "ObjectSize": 2662992,
        "TotalTime": 70,
        "TurnAroundTime": "10",
        "Referer": "http://www.example.com/webservices",
        "UserAgent": AGENT,
        "VersionId": "3HL4kqtJvjVBH40Nrjfkd",
        "HostId": S3["host_id"],
        "SignatureVersion": "SigV4",
        "CipherSuite": "ECDHE-RSA-AES128-GCM-SHA256",
        "AuthenticationType": "AuthHeader",
        "HostHeader": "my-bucket.s3.us-west-1.amazonaws.com",
        "TLSVersion": "TLSv1.2",
        "AccessPointARN": "arn:aws:s3:us-west-1:123456789012:accesspoint/ap",
        "ACLRequired": "Yes",
        "ExtraFields_CF": '{"source_region":"us-east-1"}',
    }


def test_asim():
    row = filled(line(S3, http_status="403", error_code="AccessDenied"), asim=True)
    assert json.loads(row.pop("AdditionalFields"))["acl_required"] == "Yes"
    expected = {
        "EventType": "ApiRequest",
        "EventResult": "Failure",
        "EventResultDetails": "403",
        "EventOriginalResultDetails": "AccessDenied",
        "EventOriginalType": "REST.GET.OBJECT",
        "EventOriginalUid": "3E57427F3EXAMPLE",
        "Dvc": "my-bucket",
        "SrcIpAddr": "192.0.2.3",
        "SrcUserId": "arn:aws:sts::123456789012:assumed-role/app/i-0123456789abcdef0",
        "SrcUserIdType": "AWSId",
        "SrcUsername": "app",
        "DstBytes": 113,
        "FileName": "a%2520b/c.txt",
        "FileSize": 2662992,
        "NetworkDuration": 70,
        "HttpResponseTime": 10,
        "HttpReferrer": "http://www.example.com/webservices",
        "HttpRequestMethod": "GET",
        "Url": "https://my-bucket.s3.us-west-1.amazonaws.com/a%20b/c.txt",
    }
    assert {name: row[name] for name in expected} == expected
    none = filled(line(S3, request_uri="-", operation="S3.EXPIRE.OBJECT"), asim=True)
    assert none["Url"] == "s3://my-bucket/a%2520b/c.txt"


def test_entities():
    assert entity(line(S3)) == {
        "account": "123456789012",
        "region": "us-west-1",
        "principal": "123456789012/app",
        "principal_type": "AssumedRole",
        "peer": "123456789012/AssumedRole/app",
        "service": "s3",
        "action": "s3:REST.GET.OBJECT",
        "target": "my-bucket/a%2520b/c.txt",
        "source_ip": "192.0.2.3",
        "user_agent": AGENT,
        "read_only": True,
        "bytes": 113,
    }


@pytest.mark.parametrize(
    ("requester", "principal", "kind"),
    [
        ("arn:aws:iam::123456789012:user/path/alice", "123456789012/alice", "IAMUser"),
        ("arn:aws:iam::123456789012:root", "123456789012/root", "Root"),
        ("arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_A_1/bob", "123456789012/AWSReservedSSO_A_1/bob", None),
        ("arn:aws:sts::123456789012:assumed-role/r/bob@example.com", "123456789012/r/bob@example.com", "AssumedRole"),
        ("arn:aws:sts::123456789012:federated-user/carol", "123456789012/carol", "FederatedUser"),
        ("79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be", None, "AWSAccount"),
        ("AmazonS3", "AmazonS3", "AWSService"),
        ("-", "192.0.2.3", "Anonymous"),
    ],
)
def test_requesters(requester, principal, kind):
    found = entity(line(S3, requester=requester))
    assert (found["principal"], found["principal_type"]) == (principal or requester, kind or "AssumedRole")


@pytest.mark.parametrize(
    ("changes", "error", "reads"),
    [
        ({"http_status": "404", "error_code": "NoSuchKey"}, "NoSuchKey", True),
        ({"http_status": "500"}, "500", True),
        ({"operation": "REST.PUT.OBJECT"}, None, False),
        ({"operation": "REST.COPY.OBJECT_GET"}, None, True),
        ({"operation": "BATCH.DELETE.OBJECT"}, None, False),
    ],
)
def test_errors_and_reads(changes, error, reads):
    found = entity(line(S3, **changes))
    assert (found.get("error"), found["read_only"]) == (error, reads)


@pytest.mark.parametrize("fields", [18, 24, 25, 26, 27])
@pytest.mark.parametrize("version", ["-", "v1"])
@pytest.mark.parametrize("copies", [1, 20])
def test_every_generation_of_fields(fields, version, copies):
    whole = line(S3, version_id=version)
    found = parsed(*[line(S3, version_id=version, upto=fields)] * copies)
    assert found.report.rejected == 0
    row = {name: value for name, value in found.rows.row(copies - 1, named=True).items() if value is not None}
    later = {"_ordinal", "EventId_CF"}
    assert {k: v for k, v in row.items() if k not in later}.items() <= parsed(whole).rows.row(0, named=True).items()
    assert found.rows["UserAgent"].to_list() == [AGENT] * copies


def test_a_line_with_17_fields_is_too_short():
    for copies in (1, 20):
        found = parsed(*[line(S3)] * copies, line(S3, upto=17), format="s3_access")
        assert found.reasons() == [(copies, "field_count")]


def test_unknown_fields_are_kept_by_the_number_that_people_give_them():
    assert json.loads(filled(line(S3) + " x")["ExtraFields_CF"]) == {"source_region": "us-east-1", "field_28": "x"}


def test_sizes_beyond_32_bits_are_null_and_told():
    row = filled(line(S3, bytes_sent="2147483648", object_size="5497558138880"))
    assert row["_flags"] == "BytesSent_overflow=2147483648;ObjectSize_overflow=5497558138880"
    assert not {"BytesSent", "ObjectSize"} & row.keys()
    assert entity(line(S3, bytes_sent="2147483648"))["bytes"] == 2147483648


def test_lines_without_a_request_among_others():
    expired = line(
        S3, request_uri='"-"', http_status="-", referer='"-"', user_agent='"-"', operation="S3.EXPIRE.OBJECT"
    )
    bare = line(S3, request_uri="-", http_status="-", referer="-", user_agent="-", remote_ip="-", requester="AmazonS3")
    found = parsed(*[line(S3), expired, bare] * 10)
    assert (found.report.rows, found.report.rejected) == (30, 0)
    assert found.rows["_flags"].null_count() == 30
    assert found.rows["RequestUri"].null_count() == 20


ODD = ['a "b" c', 'a" b', 'a "b', '"', '""', 'a" "b', ' " x " ', "a\\", r"a\"b", 'é " ü', 'a" 200 - 1 2 3 4 "b']


@pytest.mark.parametrize("sent", ODD)
@pytest.mark.parametrize("copies", [1, 20])
@pytest.mark.parametrize("fields", [18, 27])
def test_quotes_in_a_user_agent(sent, copies, fields):
    lines = [line(S3, upto=fields), line(S3, user_agent=f'"{sent}"', upto=fields)]
    found = parsed(*lines * copies)
    assert found.report.rejected == 0
    assert found.rows["UserAgent"].to_list() == [AGENT, sent] * copies
    assert set(found.rows["VersionId"]) == {"3HL4kqtJvjVBH40Nrjfkd"}
    told = None if sent == "a\\" else "odd_quotes"
    assert found.rows["_flags"].to_list() == [None, told] * copies


@pytest.mark.parametrize("sent", ['"', 'a"b', 'a" b', '"a"'])
def test_quotes_in_a_request_or_a_referer(sent):
    request = filled(line(S3, request_uri=f'"GET /{sent} HTTP/1.1"'))
    assert (request["RequestUri"], request["HttpStatus"]) == (f"GET /{sent} HTTP/1.1", 200)
    referer = filled(line(S3, referer=f'"http://h/{sent}"'))
    assert (referer["Referer"], referer["UserAgent"]) == (f"http://h/{sent}", AGENT)


def test_a_bare_referer_before_odd_quotes():
    row = filled(line(S3, referer="-", user_agent='"a "b" c"'))
    assert (row.get("Referer"), row["UserAgent"]) == (None, 'a "b" c')


def test_zones_are_reckoned_with():
    found = parsed(line(S3, time="[06/Feb/2026:00:00:38 +0100]"), line(S3, time="[06/Feb/2026:00:00:38 -0330]"))
    assert [time.hour * 60 + time.minute for time in found.rows["TimeGenerated"]] == [23 * 60, 3 * 60 + 30]


@pytest.mark.parametrize("time", ["[31/Feb/2026:00:00:38 +0000]", "[06/Feb/1926:00:00:38 +0000]", "[x y]"])
def test_a_line_without_time_is_rejected_alone(time):
    found = parsed(line(S3), line(S3, time=time), line(S3), format="s3_access")
    assert found.reasons() == [(1, "no_event_time")]


def test_a_web_servers_line_is_none():
    found = parsed(line(S3), line(WEB), format="s3_access")
    assert [position for position, _ in found.reasons()] == [1]
    assert detect(text(line(WEB))).format == "web_access"


@settings(max_examples=25, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 800), st.integers(1, 900))
def test_any_bytes_are_accounted_for(junk, at, step):
    content = bytearray(text(line(S3), line(S3, upto=18), line(S3)))
    content[at : at + len(junk) // 2] = junk
    parse(bytes(content), format="s3_access", step=step)


def test_published_lines(shared_dir):
    folder = shared_dir / "data/formats/s3_access"
    if not folder.is_dir():
        pytest.skip("no samples")
    content = (folder / "otel_valid_s3_access_log.log").read_bytes()
    assert detect(content).format == "s3_access"
    cases = [json.loads(each) for each in (folder / "logstash_aws_messages.jsonl").read_text().splitlines()]
    lines = [case["message"] for case in cases if case["pattern"] == "S3_ACCESS_LOG"]
    assert {detect(each.encode()).format for each in lines} == {"s3_access"}
    found = parsed(*lines)
    assert found.rows["Key"].to_list() == [None, "foo/bar.html", None]
    assert found.rows["ErrorCode"].to_list() == [None, None, "NoSuchBucketPolicy"]
    assert parse(content).rows["ACLRequired"].to_list() == ["Yes"]
