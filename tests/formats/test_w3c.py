"""W3C extended logs: fields as the file says, IIS and others, every line accounted for."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.formats import ParseOptions, PartParser, detect
from tests.formats.parsing import Parsed, an_input, check_account, parse, zipped

REQUEST = {
    "date": "2026-11-23",
    "time": "21:02:31",
    "s-sitename": "W3SVC1",
    "s-computername": "WEB01",
    "s-ip": "10.0.0.5",
    "cs-method": "POST",
    "cs-uri-stem": "/owa/auth.owa",
    "cs-uri-query": "a=1&b=%20",
    "s-port": "443",
    "cs-username": "CORP\\alice",
    "c-ip": "198.51.100.7",
    "cs-version": "HTTP/1.1",
    "cs(User-Agent)": "Mozilla/5.0+(Windows+NT+10.0;+Win64;+x64)",
    "cs(Cookie)": 'session="{A-B}"',
    "cs(Referer)": "https://mail.example.com/owa/",
    "cs-host": "mail.example.com:443",
    "sc-status": "401",
    "sc-substatus": "1",
    "sc-win32-status": "2148074254",
    "sc-bytes": "1405",
    "cs-bytes": "242",
    "time-taken": "283",
}
AT = datetime(2026, 11, 23, 21, 2, 31, tzinfo=UTC)
IIS = "#Software: Microsoft Internet Information Services 10.0\n#Version: 1.0\n#Date: 2026-11-23 21:02:31\n"


def text(order=tuple(REQUEST), *requests: dict[str, str], head: str = IIS, separator: str = " ") -> bytes:
    lines = [separator.join(request.get(name, "-") for name in order) for request in requests or (REQUEST,)]
    return "".join([head, f"#Fields: {' '.join(order)}\n", *(f"{line}\n" for line in lines)]).encode()


def read(content: bytes, log_format: str = "auto", **options) -> Parsed:
    parser = PartParser(log_format, ParseOptions(**options))
    parsed = Parsed(list(parser.frames([an_input(0, content)])), parser.reports, parser.rejects)
    check_account(parsed)
    return parsed


@pytest.mark.parametrize("separator", [" ", "\t"])
def test_every_column_from_its_field(separator):
    parsed = read(text(separator=separator))
    row = {name: value for name, value in parsed.rows.row(0, named=True).items() if value is not None}
    assert json.loads(row.pop("AdditionalFields")) == {
        name.replace("(C", "-c").rstrip(")"): REQUEST[name]
        for name in ("s-sitename", "sc-substatus", "sc-win32-status", "cs(Cookie)")
    }
    assert row == {
        "TimeGenerated": AT,
        "EventTime_CF": AT,
        "EventStartTime": AT,
        "EventEndTime": AT,
        "EventId_CF": row["EventId_CF"],
        "EventCount": 1,
        "EventType": "WebServerSession",
        "EventResult": "Failure",
        "EventResultDetails": "401",
        "EventOriginalResultDetails": "401.1",
        "EventSeverity": "Informational",
        "EventProduct": "IIS",
        "EventProductVersion": "10.0",
        "EventVendor": "Microsoft",
        "EventSchemaVersion": row["EventSchemaVersion"],
        "Dvc": "WEB01",
        "DvcIpAddr": "10.0.0.5",
        "DvcHostname": "WEB01",
        "Url": "https://mail.example.com:443/owa/auth.owa?a=1&b=%20",
        "UrlOriginal": "/owa/auth.owa?a=1&b=%20",
        "HttpRequestMethod": "POST",
        "HttpVersion": "1.1",
        "HttpHost": "mail.example.com:443",
        "HttpReferrer": "https://mail.example.com/owa/",
        "HttpUserAgent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64)",
        "SrcIpAddr": "198.51.100.7",
        "SrcUsername": "CORP\\alice",
        "SrcUsernameType": "Windows",
        "SrcBytes": 242,
        "DstIpAddr": "10.0.0.5",
        "DstPortNumber": 443,
        "DstHostname": "mail.example.com",
        "DstBytes": 1405,
        "NetworkDuration": 283,
        "_object": 0,
        "_ordinal": 0,
    }


def test_entities():
    other = {**REQUEST, "cs-username": "-", "sc-status": "200", "cs-method": "GET", "cs-host": "-"}
    parsed = read(zipped(text(tuple(REQUEST), REQUEST, other)))
    told = parsed.entities.select(
        "principal", "principal_type", "peer", "action", "target", "error", "read_only", "bytes"
    )
    assert told.rows() == [
        ("CORP\\alice", "user", "W3SVC1", "POST/401", "mail.example.com:443/owa/auth.owa", "401", False, 1405),
        ("198.51.100.7", "address", "W3SVC1", "GET/200", "WEB01/owa/auth.owa", None, True, 1405),
    ]


@settings(max_examples=30, deadline=None)
@given(st.permutations(list(REQUEST)), st.integers(4, 22), st.sampled_from([" ", "\t", "   "]), st.booleans())
def test_any_order_gives_the_rows_of_the_canonical_one(order, count, separator, bad):
    needed = ["time", "sc-status", "date", "cs-method"]
    order = [*needed, *(name for name in order if name not in needed)][:count]
    canonical = [name for name in REQUEST if name in order]
    shuffled = text(order, separator=separator) + (b"bad\n" if bad else b"")
    assert read(shuffled).rows.equals(read(text(canonical)).rows)


def test_headers_in_the_middle_change_order_and_software():
    short = ("cs-method", "sc-status", "date", "time", "new-field")
    content = text() + text(short, {**REQUEST, "new-field": "x"}, head="#Software: Proxy 2.1\n") + text()
    rows = read(content).rows
    assert rows["EventProduct"].to_list() == ["IIS", "Proxy", "IIS"]
    assert rows["EventProductVersion"].to_list() == ["10.0", "2.1", "10.0"]
    assert rows["SrcIpAddr"].to_list() == ["198.51.100.7", None, "198.51.100.7"]
    assert rows["ExtraFields_CF"].to_list() == [None, '{"new-field":"x"}', None]


def test_many_lines_between_headers():
    requests = [{**REQUEST, "sc-bytes": str(n)} for n in range(50)]
    content = text(tuple(REQUEST), *requests) + text(tuple(REQUEST), *requests)
    assert parse(content, step=4_000).rows["DstBytes"].to_list() == [*range(50)] * 2


def test_a_time_alone_is_on_the_day_of_the_directive_or_the_next():
    order = ("time", "c-ip", "cs-method", "cs-uri-stem", "sc-status")
    times = ["22:10:00", "23:59:59", "00:00:01", "22:09:58"]
    requests = [{**REQUEST, "time": time} for time in times]
    content = text(order, *requests, head="#Date: 2026-11-30 22:10:00\n") + text(
        order, requests[0], head="#Date: 2026-12-24\n"
    )
    found = [time.replace(tzinfo=None).isoformat() for time in read(content).rows["TimeGenerated"]]
    days = ["2026-11-30", "2026-11-30", "2026-12-01", "2026-11-30", "2026-12-24"]
    assert found == [f"{day}T{time}" for day, time in zip(days, [*times, times[0]], strict=True)]
    undated = read(text(order, head="#Version: 1.0\n"))
    assert undated.reasons() == [(0, "no_event_time")]


def test_local_times_are_in_the_zone_of_the_settings():
    order = ("date-local", "time-local", "cs-method", "sc-status", "TimeTakenMS")
    request = {**REQUEST, "date-local": "2026-11-23", "time-local": "21:02:31.250", "TimeTakenMS": "15"}
    content = text(order, request)
    half = timedelta(milliseconds=250)
    assert read(content).rows["TimeGenerated"].to_list() == [AT + half]
    rows = read(content, time_zone="America/New_York").rows
    assert rows["TimeGenerated"].to_list() == [AT + half + timedelta(hours=5)]
    assert rows["NetworkDuration"].to_list() == [15]


def test_a_local_time_that_comes_twice_is_told():
    content = b"#Fields: date-local time-local c-ip cs-method cs-uri sc-status\n"
    content += b"2026-10-25 02:30:00 192.0.2.1 GET /a 200\n2026-10-25 04:30:00 192.0.2.1 GET /a 200\n"
    assert read(content, time_zone="Europe/Berlin").rows["_flags"].to_list() == ["time_ambiguous", None]


def test_two_blanks_are_no_field_without_a_value():
    content = text() + b"2026-11-23 21:02:31  " + text().splitlines()[-1].split(b" ", 3)[3] + b"\n"
    assert read(content).reasons() == [(1, "field_count")]


def test_values_in_quotes():
    order = ("date", "time", "cs-method", "cs(User-Agent)", "cs(Referer)", "sc-status", "time-taken")
    quoted = {**REQUEST, "cs(User-Agent)": '"A ""b"" c+d"', "cs(Referer)": '""', "time-taken": "1.5"}
    plain = {**quoted, "cs(User-Agent)": '"A b"', "cs-method": '"GET"'}
    rows = read(text(order, quoted, plain, head="#Software: Cache/2.0\n")).rows
    assert rows["HttpUserAgent"].to_list() == ['A "b" c+d', "A b"]
    assert rows["HttpRequestMethod"].to_list() == ["POST", "GET"]
    assert rows["HttpReferrer"].null_count() == 2
    assert rows["NetworkDuration"].null_count() == 2
    assert json.loads(rows["AdditionalFields"][0]) == {"time-taken": "1.5"}
    assert rows["EventVendor"].to_list() == ["Cache/2.0"] * 2


def test_settings_name_the_fields_of_files_without_a_header():
    order = ("date", "time", "cs-method", "cs-uri-stem", "sc-status")
    bare = text(order, head="").split(b"\n", 1)[1]
    assert read(bare, "w3c", fields=order).rows["Url"].to_list() == ["/owa/auth.owa"]
    assert read(bare, "w3c").reasons() == [(0, "no_header")]
    assert read(text(), "w3c", fields=order).rows["SrcIpAddr"].to_list() == ["198.51.100.7"]


@pytest.mark.parametrize(
    ("changes", "tail", "reason"),
    [
        ({}, b" more", "field_count"),
        ({"cs(Referer)": "two words"}, b"", "field_count"),
        ({"cs-uri-query": "a b", "cs-host": "\b"}, b"", "field_count"),
        ({"sc-status": "OK"}, b"", "not_w3c"),
        ({"date": "2026-11-31"}, b"", "no_event_time"),
    ],
)
def test_bad_lines_are_rejected_alone(changes, tail, reason):
    good = text()
    bad = text(tuple(REQUEST), REQUEST | changes).split(b"\n")[-2] + tail
    parsed = read(good + bad + b"\n" + good.split(b"\n")[-2])
    assert (parsed.rows["_ordinal"].to_list(), parsed.reasons()) == ([0, 2], [(1, reason)])
    assert b"#Fields: date" in parsed.rejects["header"][0]


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (text(), "w3c"),
        (text()[:100], "w3c"),
        (text(head=""), "w3c"),
        (b"#Version: 1.0\n#Fields: date time x-edge-location c-ip x-event sc-status cs-uri-stem\n", None),
        (b"#Software: Microsoft Exchange Server\n#Fields: date-time,client-ip,cs-method\n", None),
        (b"#Fields: date time action protocol src-ip dst-ip\n2026-11-23 21:02:31 DROP TCP 10.0.0.1 10.0.0.2\n", None),
        (b"#separator \\x09\n#fields\tts\tuid\n", None),
        (b"2026-11-23 21:02:31 ERROR something\n", None),
    ],
)
def test_detection(head, expected):
    found = detect(head).format
    assert found == expected if expected else found != "w3c"


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_damage_is_accounted_for(data):
    content = bytearray(text() + text(tuple(REQUEST), *[REQUEST] * 3, separator="\t") + text(("time", "sc-status")))
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.sampled_from(b' \n\r\t-"#x\x00\xff9'))
    parse(bytes(content), format="w3c", step=data.draw(st.integers(1, 300)))  # the account is checked inside


SAMPLES = {
    "iis10.log": (1, 0),
    "iis10_cookies.log": (3, 0),
    "iis10_edge_cases.log": (15, 0),
    "iis6.log": (12, 0),
    "iis7_owa.log": (3, 0),
    "iis7_sqli.log": (2, 0),
    "iis_without_date.log": (11, 0),
    "lnav_logfile_w3c.0": (1, 0),
    "lnav_logfile_w3c.1": (1, 0),
    "lnav_logfile_w3c.2": (14, 0),
    "lnav_logfile_w3c.3": (3, 0),
    "lnav_logfile_w3c.4": (2, 0),
    "lnav_logfile_w3c.5": (0, 1),  # its header names 6 of 17 fields
    "lnav_logfile_w3c.6": (1, 0),
    "lnav_logfile_w3c_big.0": (210, 0),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_published_samples(shared_dir, name):
    file = shared_dir / "data/formats/iis_w3c" / name
    if not file.exists():
        pytest.skip("no sample")
    parsed = parse(file.read_bytes())
    assert (parsed.report.format, parsed.report.rows, parsed.report.rejected) == ("w3c", *SAMPLES[name])


def test_published_values(shared_dir):
    folder = shared_dir / "data/formats/iis_w3c"
    if not folder.is_dir():
        pytest.skip("no samples")
    first = parse((folder / "lnav_logfile_w3c.1").read_bytes()).rows.row(0, named=True)
    assert (first["SrcHostname"], first["DstBytes"], first["HttpUserAgent"]) == (
        "client_joaz7", 350, "Mozilla/4.5 [en] (WinNT; I)",
    )  # fmt: skip
    third = parse((folder / "lnav_logfile_w3c.3").read_bytes()).rows
    assert json.loads(third["AdditionalFields"][2])["sc-substatus"] == ' "garbage" w/ spaces '
    edge = parse((folder / "iis10_edge_cases.log").read_bytes()).rows
    assert edge["SrcUsername"][0] == "random\\ranuser1"
