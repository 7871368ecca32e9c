"""CloudFront's access logs: standard (text, JSON, Parquet) and real-time, into the same columns."""

import io
import json
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.formats import ParseOptions, PartParser, detect
from s3sentinel_assets.formats.cloudfront.columns import FIELDS, as_field
from s3sentinel_assets.formats.cloudfront.realtime import DOCUMENTED
from tests.formats.parsing import Parsed, an_input, check_account, parse, zipped

AGENT = "Mozilla/5.0%20(Windows%20NT%2010.0;%20Win64;%20x64)%20AppleWebKit/537.36%20(KHTML,%20like%20Gecko)"
#: One request, by the names of standard logs in their legacy order, then those of version 2.
REQUEST = {
    "date": "2026-11-23",
    "time": "21:02:31",
    "x-edge-location": "LAX1-C2",
    "sc-bytes": "392",
    "c-ip": "2001:db8::7",
    "cs-method": "GET",
    "cs(Host)": "d111111abcdef8.cloudfront.net",
    "cs-uri-stem": "/a%20b/index.html",
    "sc-status": "404",
    "cs(Referer)": "https://www.example.com/a%20b",
    "cs(User-Agent)": AGENT,
    "cs-uri-query": "q=1&r=%2F",
    "cs(Cookie)": "session=1",
    "x-edge-result-type": "Error",
    "x-edge-request-id": "SOX4xwn4XV6Q4rgb7XiVGOHms_BGlTAC4KyHmureZmBNrjGdRLiNIQ==",
    "x-host-header": "www.example.com",
    "cs-protocol": "https",
    "cs-bytes": "23",
    "time-taken": "0.251",
    "x-forwarded-for": "198.51.100.9",
    "ssl-protocol": "TLSv1.3",
    "ssl-cipher": "TLS_AES_128_GCM_SHA256",
    "x-edge-response-result-type": "Error",
    "cs-protocol-version": "HTTP/2.0",
    "fle-status": "Processed",
    "fle-encrypted-fields": "1",
    "c-port": "11040",
    "time-to-first-byte": "0.120",
    "x-edge-detailed-result-type": "ClientCommError",
    "sc-content-type": "text/html;%20charset=utf-8",
    "sc-content-len": "78",
    "sc-range-start": "0",
    "sc-range-end": "77",
    "timestamp": "1795467751",
    "DistributionId": "EMLARXS9EXAMPLE",
    "timestamp(ms)": "1795467751814",
    "origin-fbl": "0.1",
    "origin-lbl": "0.11",
    "asn": "64500",
    "c-country": "DE",
    "cache-behavior-path-pattern": "/a*",
    "distribution-tenant-id": "dt_1",
}
LEGACY = tuple(REQUEST)[:33]
KEY = "AWSLogs/111122223333/CloudFront/E2ABCDEFGHIJK1.2026-11-23-21.RT4KCN4SGK9.gz"
AT = datetime(2026, 11, 23, 21, 2, 31, tzinfo=UTC)


def text(order=LEGACY, *requests: dict[str, str], version: str = "#Version: 1.0") -> bytes:
    lines = ["\t".join(request.get(name, "-") for name in order) for request in requests or (REQUEST,)]
    return "".join(f"{line}\n" for line in (version, f"#Fields: {' '.join(order)}", *lines)).encode()


def read(content: bytes, key: str = KEY, log_format: str = "auto", **options) -> Parsed:
    parser = PartParser(log_format, ParseOptions(**options))
    parsed = Parsed(list(parser.frames([an_input(0, content, key)])), parser.reports, parser.rejects)
    check_account(parsed)
    return parsed


def test_every_field_has_a_column_of_the_table():
    assert [as_field(name) for name in REQUEST] == list(FIELDS)


@pytest.mark.parametrize("packed", [False, True])
def test_every_column_from_its_field_as_it_is_written(packed):
    content = text(tuple(REQUEST))
    row = read(zipped(content) if packed else content).rows.row(0, named=True)
    at = datetime(2026, 11, 23, 21, 2, 31, 814_000, UTC)
    assert {FIELDS[as_field(name)]: value for name, value in REQUEST.items()} == {
        column: row[column] for column in FIELDS.values()
    }
    assert (row["TimeGenerated"], row["ExtraFields_CF"], row["_flags"]) == (at, None, None)


def test_legacy_logs_have_the_distribution_from_the_key():
    parsed = read(text())
    assert (parsed.report.format, parsed.report.table) == ("cloudfront", "AWSCloudFront_AccessLog_CL")
    assert parsed.rows.select("TimeGenerated", "DistributionId", "TimestampMs").row(0) == (AT, "E2ABCDEFGHIJK1", None)
    keys = {
        "logs/E2ABCDEFGHIJK1/2026/11/23/x.gz": "E2ABCDEFGHIJK1",
        "a/DistributionId=E2ABCDEFGHIJK/year=2026/x.parquet": "E2ABCDEFGHIJK",
        "EVENTS/x.gz": None,
        "x.gz": None,
    }
    assert {key: read(text(), key).rows["DistributionId"][0] for key in keys} == keys


def test_objects_of_several_distributions_keep_theirs():
    parser = PartParser("cloudfront")
    keys = ["E2ABCDEFGHIJK1.2026-11-23-21.x.gz", "E2ABCDEFGHIJK2.2026-11-23-21.x.gz"]
    frames = list(parser.frames(an_input(number, text(), key) for number, key in enumerate(keys)))
    assert [row for frame in frames for row in frame.rows["DistributionId"]] == ["E2ABCDEFGHIJK1", "E2ABCDEFGHIJK2"]


def test_entities():
    entity = read(text()).entities.row(0, named=True)
    assert {name: value for name, value in entity.items() if value is not None} == {
        "event_id": entity["event_id"],
        "time": AT,
        "account": "111122223333",
        "principal": "2001:db8::7",
        "principal_type": "address",
        "peer": "E2ABCDEFGHIJK1",
        "service": "https",
        "action": "GET/404",
        "target": "www.example.com/a%20b/index.html",
        "source_ip": "2001:db8::7",
        "user_agent": AGENT.replace("%20", " "),
        "error": "404",
        "read_only": True,
        "bytes": 392,
    }


def test_requests_as_web_sessions():
    request = {**REQUEST, "connection-id": "c-1", "cs(User-Agent)": AGENT.replace("%20", "%2520")}
    parsed = read(text((*REQUEST, "connection-id"), request), normalise="asim")
    row = {name: value for name, value in parsed.rows.row(0, named=True).items() if value is not None}
    additional = json.loads(row.pop("AdditionalFields"))
    at = datetime(2026, 11, 23, 21, 2, 31, 814_000, UTC)
    assert row == {
        "TimeGenerated": at,
        "EventTime_CF": at,
        "EventStartTime": at - timedelta(milliseconds=251),
        "EventEndTime": at,
        "EventId_CF": row["EventId_CF"],
        "EventCount": 1,
        "EventType": "HTTPsession",
        "EventResult": "Failure",
        "EventResultDetails": "404",
        "EventOriginalResultDetails": "ClientCommError",
        "EventOriginalUid": REQUEST["x-edge-request-id"],
        "EventSeverity": "Informational",
        "EventProduct": "CloudFront",
        "EventVendor": "AWS",
        "EventSchemaVersion": row["EventSchemaVersion"],
        "Dvc": "EMLARXS9EXAMPLE",
        "DvcId": "EMLARXS9EXAMPLE",
        "DvcIdType": "Other",
        "DvcOriginalAction": "Error",
        "Url": "https://www.example.com/a%20b/index.html?q=1&r=%2F",
        "UrlOriginal": "/a%20b/index.html?q=1&r=%2F",
        "HttpRequestMethod": "GET",
        "HttpVersion": "2.0",
        "HttpHost": "www.example.com",
        "HttpReferrer": "https://www.example.com/a b",
        "HttpUserAgent": AGENT.replace("%20", " "),
        "HttpRequestXff": "198.51.100.9",
        "HttpContentType": "text/html; charset=utf-8",
        "HttpResponseTime": 120,
        "SrcIpAddr": "2001:db8::7",
        "SrcPortNumber": 11040,
        "SrcGeoCountry": "DE",
        "SrcBytes": 23,
        "DstHostname": "www.example.com",
        "DstFQDN": "www.example.com",
        "DstBytes": 392,
        "NetworkApplicationProtocol": "HTTPS",
        "NetworkProtocol": "TCP",
        "NetworkDuration": 251,
        "ExtraFields_CF": '{"connection-id":"c-1"}',
        "_object": 0,
        "_ordinal": 0,
    }
    assert additional["ssl-cipher"] == "TLS_AES_128_GCM_SHA256"
    assert additional["cs-host"] == "d111111abcdef8.cloudfront.net"


@settings(max_examples=20, deadline=None)
@given(st.permutations(list(REQUEST)), st.integers(3, 42), st.sampled_from(["\t", " "]))
def test_any_order_gives_the_rows_of_the_documented_one(order, count, separator):
    needed = ["x-edge-location", "timestamp(ms)"]
    order = [*needed, *(name for name in order if name not in needed)][:count]
    canonical = [name for name in REQUEST if name in order]
    content = text(order)
    head, _, records = content.partition(b"#Fields: " + " ".join(order).encode())
    shuffled = head + b"#Fields: " + " ".join(order).encode() + records.replace(b"\t", separator.encode())
    assert read(shuffled).rows.equals(read(text(canonical)).rows)


def json_lines(*requests: dict) -> bytes:
    return "".join(json.dumps(request) + "\n" for request in requests).encode()


def test_json_and_parquet_give_the_rows_of_text():
    other = {name: value for name, value in REQUEST.items() if name not in ("c-port", "cs(Cookie)")}
    expected = read(text(tuple(REQUEST), REQUEST, other)).rows
    assert read(json_lines(REQUEST, other)).rows.equals(expected)
    file = io.BytesIO()
    names = {name: name.replace("-", "_").replace("(", "_").replace(")", "") for name in REQUEST}
    pq.write_table(pa.table({names[name]: [REQUEST[name], other.get(name)] for name in REQUEST}), file)
    assert read(file.getvalue()).rows.equals(expected)


def test_json_values_that_are_no_text_and_lines_that_are_bad():
    odd = {**REQUEST, "sc-bytes": 392, "time-taken": 0.251, "new": {"a": [1]}, "connection-id": "c"}
    strange = {"date": "2026-11-23", "level": "INFO"}
    content = json_lines(REQUEST, odd) + b'{"date": \n' + json_lines(strange, REQUEST, {**REQUEST, "c-port": "x"})
    parsed = read(content)
    assert parsed.rows["ScBytes"].to_list() == ["392"] * 3
    assert parsed.rows["TimeTaken"].to_list() == ["0.251"] * 3
    assert parsed.rows["ExtraFields_CF"].to_list() == [None, '{"new":"{\\"a\\":[1]}","connection-id":"c"}', None]
    assert parsed.reasons() == [(2, "bad_json"), (3, "not_cloudfront"), (5, "not_cloudfront")]


def test_a_header_in_the_middle_changes_the_order():
    short = ("timestamp(ms)", "x-edge-location", "sc-bytes")
    rows = read(text() + text(short) + text(LEGACY, {**REQUEST, "sc-bytes": "7"})).rows
    assert rows["ScBytes"].to_list() == ["392", "392", "7"]
    assert rows["CIp"].to_list() == ["2001:db8::7", None, "2001:db8::7"]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda line: line.rsplit(b"\t", 1)[0], "field_count"),
        (lambda line: line.replace(b"392", b"many"), "not_cloudfront"),
        (lambda line: line.replace(b"11040", b"-\t11040"), "not_cloudfront"),
        (lambda line: line.replace(b"2026-11-23", b"2026-11-32"), "no_event_time"),
        (lambda line: b"2026-11-23 21:02:31 something else", "field_count"),
    ],
)
def test_bad_lines_are_rejected_alone(damage, reason):
    version, fields, line, _ = text().split(b"\n")
    content = b"\n".join([version, fields, line, damage(line), line, b""])
    parsed = read(content)
    assert (parsed.rows["_ordinal"].to_list(), parsed.reasons()) == ([0, 2], [(1, reason)])
    assert parsed.rejects["header"][0].endswith(fields + b"\n")


def test_a_field_more_than_the_header_says_is_kept():
    content = text()[:-1] + b"\tnew\n"
    assert read(content).rows["ExtraFields_CF"].to_list() == ['{"field_34":"new"}']


@pytest.mark.parametrize("log_format", ["auto", "cloudfront"])
def test_logs_of_rtmp_distributions_are_refused(shared_dir, log_format):
    file = shared_dir / "data/formats/cloudfront/logstash_input_s3_cloudfront.log"
    if not file.exists():
        pytest.skip("no sample")
    parsed = read(file.read_bytes(), log_format=log_format)
    assert (parsed.report.state, parsed.report.rows, parsed.report.rejected) == ("unreadable", 0, 1)
    if log_format == "cloudfront":
        assert "RTMP" in parsed.rejects["detail"][0]


def test_published_lines_without_a_header(shared_dir):
    file = shared_dir / "data/formats/cloudfront/logstash_aws_messages.jsonl"
    if not file.exists():
        pytest.skip("no sample")
    lines = [json.loads(line)["message"] for line in file.read_text().splitlines()]
    parsed = read("".join(f"{line}\n" for line in lines).encode())
    assert (parsed.report.format, parsed.report.rows, parsed.report.rejected) == ("cloudfront", 2, 0)
    assert parsed.rows["XEdgeResponseResultType"].to_list() == ["RefreshHit", "Hit"]
    assert parsed.rows["ScContentLen"].to_list() == [None, "78"]
    assert parsed.entities["user_agent"].str.contains("Windows NT").to_list() == [True, True]


@pytest.mark.parametrize(
    "head", [text(), text()[:200], text()[:13], text(LEGACY[5:]), json_lines(REQUEST), text(version="")]
)
def test_detection(head):
    assert detect(head).format == "cloudfront"


# Real-time logs

REAL = {as_field(name): value for name, value in REQUEST.items()} | {
    "timestamp": "1795467751.814",
    "s-ip": "192.0.2.1",
    "c-ip-version": "IPv6",
    "cs-headers": "Host:x%0AAccept:*%2F*",
    "cs-header-names": "Host%0AAccept",
    "cs-headers-count": "2",
    "cs-accept": "*/*",
    "primary-distribution-id": "EMLARXS9EXAMPLE",
    "cmcd-session-id": "s-1",
}


def realtime(order=DOCUMENTED[-1], **changes: str) -> bytes:
    request = REAL | {name.replace("_", "-"): value for name, value in changes.items()}
    return ("\t".join(request.get(name, "-") for name in order) + "\n").encode()


@pytest.mark.parametrize("order", DOCUMENTED, ids=len)
def test_documented_orders_are_told_by_the_number_of_fields(order):
    parsed = read(realtime(order) + realtime(order), "Firehose/x.gz")
    assert (parsed.report.format, parsed.report.rows) == ("cloudfront_realtime", 2)
    row = parsed.rows.row(0, named=True)
    at = datetime(2026, 11, 23, 21, 2, 31, 814_000, UTC)
    assert (row["TimeGenerated"], row["Timestamp"], row["CPort"]) == (at, "1795467751.814", "11040")
    assert row["DistributionId"] == ("EMLARXS9EXAMPLE" if "primary-distribution-id" in order else None)
    for name in set(order) & set(FIELDS):
        assert row[FIELDS[name]] == REAL[name], name
    extra = json.loads(row["ExtraFields_CF"])
    assert extra == {n: v for n, v in REAL.items() if n in order and n not in (*FIELDS, "primary-distribution-id")}


def test_the_order_of_the_settings_counts():
    order = ("timestamp", "c-ip", "sc-status", "cs-user-agent", "cs-accept")
    lines = realtime(order) + realtime(order, sc_status="200")
    parsed = read(lines + realtime(order[:4]) + realtime(DOCUMENTED[0]), log_format="cloudfront_realtime", fields=order)
    assert parsed.rows["ScStatus"].to_list() == ["404", "200"]
    assert parsed.rows["ExtraFields_CF"].to_list() == ['{"cs-accept":"*/*"}'] * 2
    assert parsed.reasons() == [(2, "field_count"), (3, "field_count")]
    unknown = read(lines, log_format="cloudfront_realtime")
    assert unknown.reasons() == [(0, "field_count"), (1, "field_count")]
    assert "settings must name them" in unknown.rejects["detail"][0]


def test_real_time_logs_as_web_sessions():
    row = read(realtime(), normalise="asim").rows.row(0, named=True)
    assert (row["DstIpAddr"], row["NetworkProtocolVersion"]) == ("192.0.2.1", "IPv6")
    assert row["Url"] == "https://www.example.com/a%20b/index.html?q=1&r=%2F"
    extra = json.loads(row["ExtraFields_CF"])
    assert set(extra) == {"cs-headers", "cs-header-names", "cs-headers-count", "cs-accept", "cmcd-session-id"}


@pytest.mark.parametrize(
    "changes", [{"timestamp": "soon"}, {"c_ip": "some host"}, {"asn": "AS64500"}, {"c_port": "https"}]
)
def test_real_time_lines_that_do_not_fit_are_rejected(changes):
    parsed = read(realtime() + realtime(**changes) + realtime())
    assert parsed.reasons() == [(1, "not_cloudfront_realtime")]


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_damage_is_accounted_for(data):
    kind = data.draw(st.sampled_from(["cloudfront", "cloudfront_realtime"]))
    content = bytearray(text() + json_lines(REQUEST) + text() if kind == "cloudfront" else realtime() * 3)
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(30, len(content) - 1))] = data.draw(st.sampled_from(b' \n\r\t-"{#x\x00\xff9'))
    parse(bytes(content), format=kind, step=data.draw(st.integers(1, 300)))  # the account is checked inside
