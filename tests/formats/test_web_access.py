r"""Access logs of web servers: common, combined, virtual hosts, forwarded addresses, escapes, zones."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.formats import detect
from tests.formats.access_lines import ALB, S3, WEB, entity, filled, line, parsed, text
from tests.formats.parsing import parse

AGENT = "Mozilla/4.08 [en] (Win98; I ;Nav)"


def test_every_column_is_filled_from_its_field():
    when = datetime(2026, 10, 10, 20, 55, 36, tzinfo=UTC)
    assert filled(line(WEB, ident="id1")) == {
        "EventCount": 1,
        "EventStartTime": when,
        "EventEndTime": when,
        "EventType": "WebServerSession",
        "EventResult": "Success",
        "EventResultDetails": "200",
        "EventSeverity": "Informational",
        "EventProduct": "Web server",
        "EventVendor": "Common Log Format",
        "EventSchemaVersion": "0.2.7",
        "Dvc": "Web server",
        "SrcIpAddr": "192.0.2.8",
        "SrcUsername": "frank",
        "SrcUsernameType": "Simple",
        "DstBytes": 2326,
        "NetworkBytes": 2326,
        "NetworkProtocol": "TCP",
        "NetworkProtocolVersion": "IPv4",
        "HttpRequestMethod": "GET",
        "HttpVersion": "1.0",
        "HttpReferrer": "http://www.example.com/start.html",
        "HttpUserAgent": AGENT,
        "Url": "/a/b.gif?c=d",
        "UrlOriginal": "/a/b.gif?c=d",
        "AdditionalFields": '{"ident":"id1"}',
    }


def test_entities():
    assert entity(line(WEB)) == {
        "principal": "frank",
        "principal_type": "user",
        "service": "http",
        "action": "GET/200",
        "target": "/a/b.gif",
        "source_ip": "192.0.2.8",
        "user_agent": AGENT,
        "read_only": True,
        "bytes": 2326,
    }
    nobody = entity(line(WEB, user="-", status="404"))
    assert (nobody["principal"], nobody["principal_type"], nobody["error"]) == ("192.0.2.8", "address", "404")


def test_common_and_combined_lines_may_be_mixed():
    lines = [line(WEB), line(WEB, upto=7), line(WEB, upto=7, bytes="-"), line(WEB, referer="-", agent="-")] * 10
    found = parsed(*lines)
    assert (found.report.rows, found.report.rejected) == (40, 0)
    assert found.rows["HttpUserAgent"].to_list() == [AGENT, None, None, None] * 10
    assert found.rows["DstBytes"].to_list() == [2326, 2326, None, 2326] * 10


@pytest.mark.parametrize(
    ("begin", "columns"),
    [
        ("www.example.com:443 ", ("www.example.com:443", "https://www.example.com:443/a/b.gif?c=d", "HTTPS")),
        ("www.example.com ", ("www.example.com", "http://www.example.com/a/b.gif?c=d", "HTTP")),
        ("", ("Web server", "/a/b.gif?c=d", None)),
    ],
)
@pytest.mark.parametrize("copies", [1, 20])
def test_virtual_hosts(begin, columns, copies):
    found = parsed(*[begin + line(WEB)] * copies)
    assert found.rows.select("Dvc", "Url", "NetworkApplicationProtocol").rows() == [columns] * copies
    assert found.rows["SrcIpAddr"].to_list() == ["192.0.2.8"] * copies


def test_lines_with_and_without_a_virtual_host_keep_their_order():
    found = parsed(*[line(WEB), "www.example.com:80 " + line(WEB, user="bob")] * 20)
    assert found.rows["SrcUsername"].to_list() == ["frank", "bob"] * 20
    assert found.rows["_ordinal"].to_list() == list(range(40))


@pytest.mark.parametrize(
    ("host", "address", "name"),
    [("2001:db8::1", "2001:db8::1", None), ("::1", "::1", None), ("client.example.com", None, "client.example.com")],
)
def test_clients(host, address, name):
    row = filled(line(WEB, host=host))
    assert (row.get("SrcIpAddr"), row.get("SrcHostname")) == (address, name)
    assert entity(line(WEB, host=host, user="-"))["principal"] == host


@pytest.mark.parametrize(
    ("behind", "listed", "extra"),
    [
        ('"-"', None, None),
        ('"203.0.113.9"', "203.0.113.9", None),
        ('"203.0.113.9, 10.0.0.1"', "203.0.113.9, 10.0.0.1", None),
        ('"2001:db8::5"', "2001:db8::5", None),
        ('"2.75"', None, {"field_10": "2.75"}),
        ("462 0.050 [up-9000] []", None, {"field_10": "462", "field_11": "0.050", "field_12": "[up-9000]"}),
    ],
)
def test_what_stands_behind_the_user_agent(behind, listed, extra):
    row = filled(f"{line(WEB)} {behind}")
    assert row.get("HttpRequestXff") == listed
    kept = json.loads(row["ExtraFields_CF"]) if "ExtraFields_CF" in row else None
    assert kept == extra or (extra is not None and kept == extra | {"field_13": "[]"})
    with_host = filled(f"h.example.com:80 {line(WEB)} {behind}")
    moved = None if extra is None else {f"field_{int(name[6:]) + 1}": value for name, value in extra.items()}
    found = json.loads(with_host["ExtraFields_CF"]) if "ExtraFields_CF" in with_host else None
    assert found == moved or (moved is not None and found == moved | {"field_14": "[]"})


@pytest.mark.parametrize(
    ("request_line", "method", "url"),
    [
        (r"GET /a\"b HTTP/1.1", "GET", r"/a\"b"),
        (r"\x16\x03\x01\x02", None, r"\x16\x03\x01\x02"),
        (r"]&\xDF\xBDV\xE7\xBB<\x10;\xA2b}", None, r"]&\xDF\xBDV\xE7\xBB<\x10;\xA2b}"),
        ("-", None, "-"),
        ("", None, "-"),
    ],
)
@pytest.mark.parametrize("copies", [1, 20])
def test_requests_and_escapes_stay_as_they_are(request_line, method, url, copies):
    found = parsed(*[line(WEB), line(WEB, request=f'"{request_line}"')] * copies)
    assert found.report.rejected == 0
    assert found.rows["HttpRequestMethod"].to_list() == ["GET", method] * copies
    assert found.rows["Url"].to_list() == ["/a/b.gif?c=d", url] * copies
    assert found.rows["HttpUserAgent"].to_list() == [AGENT] * 2 * copies
    assert found.rows["_flags"].null_count() == 2 * copies


def test_quotes_that_were_not_escaped():
    template = '<script>alert("text")</script>'
    row = filled(line(WEB, request=f'"GET /a?b={template} HTTP/1.0"'))
    assert (row["Url"], row["_flags"], row["HttpUserAgent"]) == (f"/a?b={template}", "odd_quotes", AGENT)
    row = filled(line(WEB, upto=7, request='"GET /" 1 HTTP/1.0"'))
    assert (row["Url"], row["DstBytes"]) == ('/" 1', 2326)
    row = filled(line(WEB)[:-1])
    assert (row["HttpUserAgent"], row["_flags"]) == (AGENT, "odd_quotes")


def test_user_names_with_blanks():
    found = parsed(*[line(WEB), line(WEB, user="john q public")] * 10)
    assert found.rows["SrcUsername"].to_list() == ["frank", "john q public"] * 10


@pytest.mark.parametrize(
    ("time", "minutes"),
    [
        ("[10/Oct/2026:00:30:00 +0000]", 30),
        ("[10/Oct/2026:00:30:00 +0545]", 18 * 60 + 45),
        ("[10/Oct/2026:00:30:00 -0100]", 90),
        ("[2026-10-10T00:30:00Z]", 30),
        ("[2026-10-10T00:30:00-01:00]", 90),
    ],
)
@pytest.mark.parametrize("begin", ["", "h.example.com:80 "])
def test_zones(time, minutes, begin):
    found = parsed(*[begin + line(WEB, time=time), line(WEB, time="[10/Oct/2026:00:00:00 +0000]")] * 8)
    assert found.report.rejected == 0
    assert [when.hour * 60 + when.minute for when in found.rows["TimeGenerated"]] == [minutes, 0] * 8


@pytest.mark.parametrize(
    "other",
    [
        line(WEB, time="[yesterday noon]"),
        line(WEB, time="[31/Feb/2026:00:00:00 +0000]"),
        line(WEB, status="20"),
        line(WEB, upto=5),
        line(WEB).replace("[", "", 1),
        line(S3),
        line(ALB),
        "[01/Mar/2021:12:00:19 +0000] [ab:alert] [pid 4803:tid 3814] [client 192.0.2.1:24259] no",
    ],
)
def test_other_lines_are_rejected_alone(other):
    found = parsed(line(WEB), other, line(WEB), format="web_access")
    assert found.rows["_ordinal"].to_list() == [0, 2]
    assert [position for position, _ in found.reasons()] == [1]


@settings(max_examples=25, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 400), st.integers(1, 500))
def test_any_bytes_are_accounted_for(junk, at, step):
    content = bytearray(text(line(WEB), line(WEB, upto=7), "h.example.com:80 " + line(WEB)))
    content[at : at + len(junk) // 2] = junk
    parse(bytes(content), format="web_access", step=step)


SAMPLES = [
    ("lnav_logfile_access_log.0", 3, 0),
    ("lnav_logfile_access_log.1", 1, 0),
    ("lnav_logfile_bad_access_log.0", 2, 1),
    ("lnav_logfile_regexp_access_log.0", 2, 0),
    ("lnav_logfile_shop_access_log.0", 1000, 0),
    ("plaso_apache_access.log", 15, 0),
]


@pytest.mark.parametrize(("name", "rows", "rejected"), SAMPLES)
def test_published_files(shared_dir, name, rows, rejected):
    file = shared_dir / "data/formats/apache_nginx" / name
    if not file.exists():
        pytest.skip("no samples")
    found = parse(file.read_bytes())
    assert (found.report.format, found.report.rows, found.report.rejected) == ("web_access", rows, rejected)


def test_published_lines(shared_dir):
    folder = shared_dir / "data/formats/apache_nginx"
    if not folder.is_dir():
        pytest.skip("no samples")
    checked = 0
    for file in sorted(folder.glob("vrl_parse_*_log.jsonl")):
        for case in map(json.loads, file.read_text().splitlines()):
            expected, given = case.get("expected"), case.get("input", "")
            if case["result"] != "ok" or "_rust" in expected or "severity" in expected or " [" not in given:
                continue
            if given.startswith("["):
                continue
            row = filled(given, format="web_access")
            assert row["EventStartTime"] == datetime.fromisoformat(expected["timestamp"])
            fields = {
                "SrcIpAddr": ("host", "client", "remote_addr"),
                "SrcUsername": ("user", "remote_user"),
                "HttpRequestMethod": ("method",),
                "Url": ("path",),
                "DstBytes": ("size", "body_bytes_size"),
                "HttpReferrer": ("referrer", "referer", "http_referer"),
                "HttpRequestXff": ("http_x_forwarded_for",),
            }
            for column, names in fields.items():
                wanted = [expected[name] for name in names if expected.get(name) not in (None, "-", "")]
                assert not wanted or row[column] == wanted[0], (case["id"], column)
            checked += 1
    assert checked >= 15


@pytest.mark.parametrize("name", ["logstash_httpd_messages.jsonl"])
def test_published_messages(shared_dir, name):
    file = shared_dir / "data/formats/apache_nginx" / name
    if not file.exists():
        pytest.skip("no samples")
    cases = [json.loads(each) for each in file.read_text().splitlines()]
    lines = [case["message"] for case in cases if case["pattern"] == "HTTPD_COMBINEDLOG"]
    assert {detect(each.encode()).format for each in lines} == {"web_access"}
    assert parsed(*lines).rows["EventResultDetails"].to_list() == ["200", "400", None]


def test_a_list_of_clients_in_front():
    row = filled('192.0.2.8, 10.0.0.7 - - [10/Oct/2026:13:55:36 -0700] "GET / HTTP/1.1" 200 5 "-" "x"\n')
    assert (row["SrcIpAddr"], row["HttpRequestXff"]) == ("192.0.2.8", "192.0.2.8, 10.0.0.7")
    assert "HttpHost" not in row


def test_a_virtual_host_and_a_name_with_blanks_are_not_guessed():
    assert parse(
        text(line(WEB)) + b'a.example 192.0.2.8 - b c [10/Oct/2026:13:55:36 -0700] "GET / HTTP/1.1" 200 5\n'
    ).reasons()


def test_quotes_of_a_client_that_pair_up_are_told():
    quoted = '192.0.2.8 - - [10/Oct/2026:13:55:36 -0700] "GET /a" 500 9 "x HTTP/1.1" 200 5 "-" "y"\n'
    assert parse((quoted * 20).encode()).rows["_flags"].to_list() == ["odd_quotes"] * 20
