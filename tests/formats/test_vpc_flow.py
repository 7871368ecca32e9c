"""VPC flow logs: any order, every line accounted for, bad ones named."""

import io
import json
from datetime import UTC, datetime

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.formats import ParseOptions, PartParser
from s3sentinel_assets.formats.vpc_flow.fields import DEFAULT_ORDER, FIELDS, KIND, NUMBERS
from s3sentinel_assets.formats.vpc_flow.parser import VpcFlowParser
from s3sentinel_assets.tables import load_schema
from tests.formats.parsing import IDENTITY, Parsed, an_input, check_account, parse, zipped

HEADER = " ".join(DEFAULT_ORDER)
LINE = "2 111122223333 eni-1 10.0.0.1 198.51.100.9 50000 443 6 20 4249 1700000000 1700000060 ACCEPT OK"
NODATA = "2 111122223333 eni-1 - - - - - - - 1700000000 1700000060 - NODATA"


def text(*lines: str, end: str = "\n") -> bytes:
    return "".join(line + end for line in lines).encode()


def flows(*lines: str, **options):
    return parse(text(*lines), format="vpc_flow", **options)


def test_every_field_has_a_column_of_the_table():
    columns = load_schema("AWSVPCFlow").columns
    assert set(FIELDS.values()) | {"TimeGenerated"} == set(columns)


def test_the_default_order():
    row = flows(HEADER, LINE).rows.row(0, named=True)
    filled = {name: value for name, value in row.items() if value is not None}
    start, end = datetime.fromtimestamp(1_700_000_000, UTC), datetime.fromtimestamp(1_700_000_060, UTC)
    assert filled == {
        "TimeGenerated": start,
        "AccountId": "111122223333",
        "Action": "ACCEPT",
        "Bytes": 4249,
        "DstAddr": "198.51.100.9",
        "DstPort": 443,
        "End": end,
        "InterfaceId": "eni-1",
        "LogStatus": "OK",
        "Packets": 20,
        "Protocol": 6,
        "SrcAddr": "10.0.0.1",
        "SrcPort": 50000,
        "Start": start,
        "Version": 2,
        "EventId_CF": f"{IDENTITY}0000-0",
        "EventTime_CF": start,
        "_object": 0,
        "_ordinal": 0,
    }


def test_all_fields_in_any_order_reach_their_column():
    order = sorted(FIELDS, key=lambda name: name[::-1])
    values = {name: str(1_700_000_000 + at) if name in NUMBERS else f"v{at}" for at, name in enumerate(order)}
    parsed = flows(" ".join(order), " ".join(values[name] for name in order))
    row = parsed.rows.row(0, named=True)
    for name, column in FIELDS.items():
        if name in ("start", "end"):
            assert row[column] == datetime.fromtimestamp(int(values[name]), UTC)
        else:
            assert str(row[column]) == values[name], name
    assert row["_flags"] is None


@pytest.mark.parametrize("header", [HEADER.replace("-", "_"), HEADER.upper(), "${" + HEADER.replace(" ", "} ${") + "}"])
def test_header_spellings(header):
    assert flows(header, LINE).report.rows == 1


def test_without_header_the_default_order_counts():
    parsed = flows(LINE, NODATA)
    assert parsed.rows["Bytes"].to_list() == [4249, None]
    assert parsed.rows["LogStatus"].to_list() == ["OK", "NODATA"]
    assert parsed.rows["_ordinal"].to_list() == [0, 1]


@pytest.mark.parametrize("content", [text(HEADER), HEADER.encode(), zipped(text(HEADER)), text(HEADER, "")])
def test_a_header_alone_has_no_records(content):
    report = parse(content, format="vpc_flow").report
    assert (report.state, report.records, report.format) == ("read", 0, "vpc_flow")


@pytest.mark.parametrize(
    "content",
    [
        text(HEADER, LINE, LINE),
        text(HEADER, LINE, LINE)[:-1],
        text(HEADER, LINE, LINE, end="\r\n"),
        b"\xef\xbb\xbf" + text(HEADER, LINE, LINE),
        text("", HEADER, "", LINE, "", LINE, "", ""),
        text(HEADER, LINE, HEADER, LINE),
        text(HEADER, HEADER, LINE, LINE),
        text(LINE, HEADER, LINE),
    ],
)
@pytest.mark.parametrize("log_format", ["auto", "vpc_flow"])
def test_line_ends_blank_lines_and_repeated_headers(content, log_format):
    for step in (65_536, 3):
        parsed = parse(content, format=log_format, step=step)
        assert (parsed.report.state, parsed.report.records) == ("read", 2)
        assert parsed.rows["LogStatus"].to_list() == ["OK", "OK"]
        assert parsed.rows["Bytes"].to_list() == [4249, 4249]


def test_a_header_in_the_middle_changes_the_order_for_that_object_only():
    short = "start bytes srcaddr"
    mixed = text(HEADER, LINE, short, "1700000000 7 10.9.9.9")
    parsed = parse(mixed, text(LINE), zipped(text(short, "1700000001 8 -")), format="vpc_flow")
    assert parsed.rows["Bytes"].to_list() == [4249, 7, 4249, 8]
    assert parsed.rows["SrcAddr"].to_list() == ["10.0.0.1", "10.9.9.9", "10.0.0.1", None]


def test_a_header_in_the_middle_holds_for_later_blocks(monkeypatch):
    original = VpcFlowParser.__init__
    monkeypatch.setattr(VpcFlowParser, "__init__", lambda self, *given: original(self, *given, block=300))
    lines = [HEADER, *[LINE] * 20, "start bytes srcaddr", *["1700000000 7 10.9.9.9"] * 40]
    parsed = parse(text(*lines), text(LINE), format="vpc_flow", step=70)
    assert parsed.rows["Bytes"].to_list() == [4249] * 20 + [7] * 40 + [4249]


def test_a_number_of_more_than_64_bits_is_told():
    parsed = parse(text(HEADER, LINE, LINE.replace("4249", "9" * 30), LINE), format="vpc_flow")
    assert parsed.rows["Bytes"].to_list() == [4249, None, 4249]
    assert parsed.rows["_flags"].to_list() == [None, f"bytes_overflow={'9' * 30}", None]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("2 too few", "field_count"),
        (LINE + " more", "field_count"),
        (LINE.replace(" 443 ", "  443 "), "field_count"),
        (LINE + " ", "field_count"),
        (LINE.replace("443", "https"), "bad_number"),
        (LINE.replace("4249", "4249.5"), "bad_number"),
        (LINE.replace("1700000000", "soon"), "bad_number"),
        (LINE.replace("1700000000", "-").replace("1700000060", "-"), "no_event_time"),
        (LINE.replace("1700000000", "-5").replace("1700000060", "-"), "no_event_time"),
        (LINE.replace("1700000000", "9" * 15).replace("1700000060", "9" * 15), "no_event_time"),
        (LINE.replace("1700000000", "7258118400").replace("1700000060", "7258118400"), "no_event_time"),
        (LINE.replace("1700000000", "-62135596800").replace("1700000060", "-"), "no_event_time"),
        ("\x00\x01\x02", "field_count"),
    ],
)
def test_a_bad_line_is_quarantined_alone(line, reason):
    content = text(HEADER, LINE, line, NODATA)
    parsed = parse(content, format="vpc_flow")
    assert parsed.rows["_ordinal"].to_list() == [0, 2]
    assert parsed.reasons() == [(1, reason)]
    assert parsed.report.state == "read"
    assert parsed.rejects["data"][0] == line.encode()
    assert content[parsed.rejects["offset"][0] :].startswith(line.encode())


def test_a_time_that_cannot_be_is_named():
    late = LINE.replace("1700000000", "-62135596800").replace("1700000060", "-")
    assert flows(HEADER, late).rejects["detail"].to_list() == [
        "start -62135596800 and end -: no second from 1970 to 2199"
    ]
    bare = flows("interface-id srcaddr", "eni-1 10.0.0.1").rejects
    assert bare["detail"].to_list() == ["the fields hold neither start nor end"]


def test_the_last_second_is_a_time():
    rows = flows(HEADER, LINE.replace("1700000000", "7258118399").replace("1700000060", "7258118400")).rows
    assert rows["TimeGenerated"][0] == datetime(2199, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert rows["_flags"].to_list() == ["end_overflow=7258118400"]


def test_many_bad_lines_each_keep_their_place():
    lines = [LINE if n % 3 else f"bad {n}" for n in range(3_000)]
    parsed = flows(HEADER, *lines)
    assert parsed.rejects["position"].to_list() == list(range(0, 3_000, 3))
    assert parsed.rejects["data"].to_list() == [f"bad {n}".encode() for n in range(0, 3_000, 3)]
    assert parsed.rows["_ordinal"].to_list() == [n for n in range(3_000) if n % 3]


def test_invalid_utf8_is_replaced_and_flagged():
    content = text(HEADER, LINE, LINE.replace("ACCEPT", "QQ")).replace(b"QQ", b"A\xff")
    rows = parse(content, format="vpc_flow").rows
    assert rows["Action"].to_list() == ["ACCEPT", "A\ufffd"]
    assert rows["_flags"].to_list() == [None, "invalid_utf8"]


def test_numbers_too_big_for_their_column_are_flagged_not_lost():
    big = LINE.replace(" 20 4249 ", f" {2**32} {2**40} ")
    late = LINE.replace("1700000060", str(10**12))
    rows = flows(HEADER, LINE, big, late).rows
    assert rows["Packets"].to_list() == [20, None, 20]
    assert rows["Bytes"].to_list() == [4249, 2**40, 4249]
    assert rows["End"].is_null().to_list() == [False, False, True]
    assert rows["_flags"].to_list() == [None, f"Packets_overflow={2**32}", f"end_overflow={10**12}"]


def test_the_end_stands_in_for_a_missing_start():
    rows = flows(HEADER, LINE.replace("1700000000", "-")).rows
    assert rows["Start"][0] is None
    assert rows["TimeGenerated"][0] == datetime.fromtimestamp(1_700_000_060, UTC)
    assert flows("srcaddr dstaddr end", "10.0.0.1 10.0.0.2 5").rows["TimeGenerated"][0].timestamp() == 5


def test_an_order_without_any_time_sends_every_line_to_quarantine():
    parsed = flows("instance-id interface-id srcaddr", "i-1 eni-1 10.0.0.1", "srcaddr - -")
    assert parsed.report.rows == 0
    assert set(parsed.rejects["reason"]) == {"no_event_time"}


def test_fields_without_a_column_are_kept_aside():
    order = HEADER + " reject-reason Brand_New_Field start"
    rows = flows(order, LINE + ' BPA x"y 9', LINE + " - - -", LINE + " - z -").rows
    kept = [None if text is None else json.loads(text) for text in rows["ExtraFields_CF"]]
    assert kept == [
        {"reject-reason": "BPA", "brand-new-field": 'x"y', "start#16": "9"},
        None,
        {"brand-new-field": "z"},
    ]
    assert rows["Start"].to_list() == [datetime.fromtimestamp(1_700_000_000, UTC)] * 3
    assert flows(order, LINE + ' BPA x"y 9', "bad").rows["ExtraFields_CF"][0] == rows["ExtraFields_CF"][0]


def configured(content: bytes, fields: str, **options):
    parser = PartParser("vpc_flow", ParseOptions(fields=tuple(fields.split()), **options))
    frames = list(parser.frames([an_input(0, content)]))
    parsed = Parsed(frames, parser.reports, parser.rejects)
    check_account(parsed)
    return parsed


def test_settings_state_the_order_of_files_without_a_header():
    bare = text("1700000000 1700000060 10.0.0.1 7", "1700000000 - 10.0.0.2 -")
    assert configured(bare, "start end srcaddr bytes").rows["SrcAddr"].to_list() == ["10.0.0.1", "10.0.0.2"]
    assert configured(bare, "${start} ${end} ${srcaddr} ${bytes}").rows["Bytes"].to_list() == [7, None]
    assert configured(text(HEADER, LINE), "start end srcaddr bytes").rows["Bytes"].to_list() == [4249]
    assert configured(text(LINE), "date time cs-method").rows["Bytes"].to_list() == [4249]


def test_flows_as_network_sessions():
    order = HEADER + " tcp-flags flow-direction vpc-id type reject-reason"
    content = text(
        order,
        LINE + " 18 egress vpc-1 IPv4 -",
        LINE.replace("ACCEPT", "REJECT") + " 2 - - - BPA",
        NODATA + " - - - - -",
    )
    parsed = configured(content, "", normalise="asim")
    assert parsed.report.table == "ASimNetworkSessionLogs"
    accepted, rejected, nothing = parsed.rows.rows(named=True)
    assert {name: value for name, value in accepted.items() if value is not None} == {
        "TimeGenerated": datetime.fromtimestamp(1_700_000_000, UTC),
        "EventTime_CF": datetime.fromtimestamp(1_700_000_000, UTC),
        "EventId_CF": f"{IDENTITY}0000-0",
        "EventCount": 1,
        "EventStartTime": datetime.fromtimestamp(1_700_000_000, UTC),
        "EventEndTime": datetime.fromtimestamp(1_700_000_060, UTC),
        "EventType": "Flow",
        "EventResult": "Success",
        "EventSeverity": "Informational",
        "EventProduct": "VPC",
        "EventProductVersion": "2",
        "EventVendor": "AWS",
        "EventSchemaVersion": accepted["EventSchemaVersion"],
        "EventOriginalSubType": "OK",
        "Dvc": "eni-1",
        "DvcInterface": "eni-1",
        "DvcAction": "Allow",
        "DvcOriginalAction": "ACCEPT",
        "DvcSubscriptionId": "111122223333",
        "SrcIpAddr": "10.0.0.1",
        "SrcPortNumber": 50000,
        "DstIpAddr": "198.51.100.9",
        "DstPortNumber": 443,
        "NetworkProtocol": "TCP",
        "NetworkProtocolVersion": "IPv4",
        "NetworkDirection": "Outbound",
        "NetworkDuration": 60_000,
        "NetworkBytes": 4249,
        "NetworkPackets": 20,
        "SrcBytes": 4249,
        "SrcPackets": 20,
        **{f"TcpFlags{flag}": flag in ("Syn", "Ack") for flag in ("Ack", "Fin", "Psh", "Rst", "Syn", "Urg")},
        "AdditionalFields": '{"log-status":"OK","vpc-id":"vpc-1","type":"IPv4"}',
        "_object": 0,
        "_ordinal": 0,
    }
    assert (rejected["EventResult"], rejected["DvcAction"], rejected["EventSeverity"]) == ("Failure", "Deny", "Low")
    assert rejected["NetworkDirection"] == "Outbound"
    assert rejected["ExtraFields_CF"] == '{"reject-reason":"BPA"}'
    assert (nothing["EventResult"], nothing["DvcAction"], nothing["NetworkDirection"]) == ("NA", None, "NA")
    assert nothing["EventOriginalSubType"] == "NODATA"
    assert parsed.entities.equals(configured(content, "").entities)


def test_no_columns_are_confused_between_objects_of_different_orders():
    a = text("start srcaddr bytes", "1700000000 10.0.0.1 1")
    b = text("bytes dstaddr start vpc-id", "2 10.0.0.2 1700000001 vpc-1")
    parsed = parse(*[a, b] * 20)
    assert parsed.rows["Bytes"].to_list() == [1, 2] * 20
    assert parsed.rows["VpcId"].to_list() == [None, "vpc-1"] * 20
    assert len(parsed.frames) == 1


def test_lines_of_several_orders_stay_in_order_when_some_are_bad_and_blocks_are_small(monkeypatch):
    a = text("start srcaddr bytes", "1700000000 10.0.0.1 1", "1700000000 10.0.0.1 2")
    b = text("bytes dstaddr start vpc-id", "3 10.0.0.2 1700000001 vpc-1", "bad", "5 10.0.0.2 1700000001 vpc-1")
    c = text("start srcaddr bytes", "1700000000 10.0.0.1 6", "bytes start", "7 1700000000", "8 1700000000")
    whole = parse(*[a, b, c, a] * 15, format="vpc_flow")
    assert whole.rows["Bytes"].to_list() == [1, 2, 3, 5, 6, 7, 8, 1, 2] * 15
    original = VpcFlowParser.__init__
    monkeypatch.setattr(VpcFlowParser, "__init__", lambda self, *given: original(self, *given, block=200))
    small = parse(*[a, b, c, a] * 15, format="vpc_flow", step=33)
    assert small.rows.equals(whole.rows)
    assert small.entities.equals(whole.entities)
    assert small.rejects.equals(whole.rejects)


def test_bad_lines_of_a_long_object_are_found_where_they_are():
    lines = [LINE.replace("4249", str(n)) for n in range(4_000)]
    lines[17] = lines[3_003] = "bad"
    content = text(HEADER, *lines)
    parsed = parse(content, format="vpc_flow", step=10_000)
    assert parsed.report.rows == 3_998
    assert parsed.reasons() == [(17, "field_count"), (3_003, "field_count")]
    for offset in parsed.rejects["offset"]:
        assert content[offset:].startswith(b"bad\n")
    assert parsed.rows["Bytes"].to_list() == [n for n in range(4_000) if n not in (17, 3_003)]


@pytest.mark.parametrize("cut", range(1, len(LINE), 7))
def test_a_line_that_gzip_cut_is_never_taken_for_whole(cut):
    stored = zipped(text(HEADER, LINE, LINE)[: -len(LINE) - 1 + cut])[:-8]
    parsed = parse(stored, format="vpc_flow")
    assert (parsed.report.rows, parsed.report.state) == (1, "partly_read")
    assert parsed.reasons() == [(1, "truncated_gzip")]
    assert parsed.rejects["data"][0] == LINE[:cut].encode()


def test_a_cut_between_lines_still_counts_the_lost_tail():
    parsed = parse(zipped(text(HEADER, LINE, LINE))[:-8])
    assert (parsed.report.rows, parsed.reasons()) == (2, [(2, "truncated_gzip")])


def test_a_line_that_never_ends_is_rejected_in_bounded_pieces(monkeypatch):
    original = VpcFlowParser.__init__
    monkeypatch.setattr(VpcFlowParser, "__init__", lambda self, *given: original(self, *given, block=1 << 16))
    parsed = parse(text(HEADER, LINE) + b"x" * 300_000, format="vpc_flow")
    assert parsed.report.rows == 1
    assert parsed.reasons() == [(1, "line_too_long")]


@pytest.mark.parametrize(
    "line", ["version resource-type account-id tgw-id srcaddr dstaddr", "date time x-edge-location", "srcaddr", ""]
)
def test_other_headers_are_not_flow_logs(line):
    assert KIND.read_header(line.encode()) is None


def test_transit_gateway_logs_are_not_taken(shared_dir):
    file = shared_dir / "data/formats/tgw_flow/otel_valid_tgw_flow_log.log"
    if not file.exists():
        pytest.skip("no sample")
    assert parse(file.read_bytes()).report.format != "vpc_flow"


@pytest.mark.parametrize(
    ("changes", "action", "target"),
    [
        ({}, "tcp/443/egress/ACCEPT", "198.51.100.9"),
        ({"10.0.0.1": "203.0.113.5", "198.51.100.9": "10.1.1.1"}, "tcp/443/ingress/ACCEPT", "203.0.113.5"),
        ({"198.51.100.9": "172.20.0.1"}, "tcp/443/internal/ACCEPT", "172.20.0.1"),
        ({"10.0.0.1": "8.8.8.8"}, "tcp/443/-/ACCEPT", "198.51.100.9"),
        ({"10.0.0.1": "fd00::1", "198.51.100.9": "2001:db8::1"}, "tcp/443/egress/ACCEPT", "2001:db8::1"),
        ({" 443 6 ": " 40000 17 "}, "udp/ephemeral/egress/ACCEPT", "198.51.100.9"),
        ({" 443 6 ": " 5432 6 "}, "tcp/5432/egress/ACCEPT", "198.51.100.9"),
        ({" 443 6 ": " 12345 99 "}, "99/user/egress/ACCEPT", "198.51.100.9"),
        ({"ACCEPT": "REJECT"}, "tcp/443/egress/REJECT", "198.51.100.9"),
    ],
)
def test_entities(changes, action, target):
    line = LINE
    for old, new in changes.items():
        line = line.replace(old, new)
    entity = flows(line).entities.row(0, named=True)
    assert (entity["action"], entity["target"], entity["principal"]) == (action, target, "eni-1")
    assert (entity["principal_type"], entity["peer"], entity["account"]) == ("eni", "111122223333", "111122223333")
    assert (entity["bytes"], entity["packets"]) == (4249, 20)


def test_numbers_that_no_name_list_holds_stand_for_themselves():
    odd = [" 443 6 ", " 70000 300 ", " -7 -1 ", " - - ", " 1023 255 ", " 1024 4 ", " 32767 6 ", " 32768 6 "]
    parsed = flows(*(LINE.replace(" 443 6 ", numbers).replace(" 50000 ", " 80000 ") for numbers in odd))
    assert [action.rsplit("/", 2)[0] for action in parsed.entities["action"]] == [
        "tcp/443", "300/ephemeral", "-1/-7", "-/ephemeral", "255/1023", "ipip/user", "tcp/user", "tcp/ephemeral",
    ]  # fmt: skip


def test_a_line_without_account_has_no_peer_whatever_its_neighbours_have():
    order = "start account-id subnet-id srcaddr"
    alone = flows(order, "1700000000 - - 10.0.0.1")
    among = flows(order, "1700000000 - - 10.0.0.1", "1700000000 1 subnet-1 10.0.0.1", "1700000000 - subnet-1 10.0.0.1")
    assert alone.entities["peer"].to_list() == [None]
    assert among.entities["peer"].to_list() == [None, "1/subnet-1", "subnet-1"]


def test_entities_of_a_line_without_data():
    entity = flows(NODATA).entities.row(0, named=True)
    assert entity["action"] == "-/-/-/NODATA"


def test_the_logs_own_direction_and_subnet_win():
    parsed = flows(
        "start srcaddr dstaddr flow-direction subnet-id account-id interface-id vpc-id",
        "1700000000 10.0.0.1 198.51.100.9 ingress subnet-1 1 eni-1 vpc-1",
    )
    entity = parsed.entities.row(0, named=True)
    assert (entity["target"], entity["peer"]) == ("10.0.0.1", "1/subnet-1")


words = st.text("abcdefghij0123456789.:/-", min_size=1, max_size=12)
numbers = st.integers(0, 2**31 - 1)
seconds = st.integers(0, 4_000_000_000)


@st.composite
def files(draw):
    order = draw(st.permutations(sorted(FIELDS)))[: draw(st.integers(3, 30))]
    order = [name for name in order if name != "start"] + ["start"]
    order.insert(0, order.pop(draw(st.integers(0, len(order) - 1))))
    if sum(name in FIELDS for name in order) < 2:
        order = ["srcaddr", "start"]
    lines = draw(
        st.lists(
            st.tuples(
                *(
                    seconds
                    if n == "start"
                    else st.none() | (seconds if n == "end" else numbers if n in NUMBERS else words)
                    for n in order
                )
            ),
            min_size=1,
            max_size=8,
        )
    )
    return order, lines


@settings(max_examples=40, deadline=None)
@given(files(), st.integers(1, 400), st.booleans())
def test_what_goes_in_comes_out(file, step, packed):
    order, lines = file
    content = text(" ".join(order), *(" ".join("-" if v is None else str(v) for v in line) for line in lines))
    parsed = parse(zipped(content) if packed else content, format="vpc_flow", step=step)
    assert parsed.report.rows == len(lines)
    for at, name in enumerate(order):
        expected = [None if line[at] == "-" else line[at] for line in lines]
        found = parsed.rows[FIELDS[name]].to_list()
        if name in ("start", "end"):
            found = [None if time is None else int(time.timestamp()) for time in found]
        assert found == expected, name


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_damage_is_accounted_for(data):
    content = bytearray(text(HEADER, *[LINE, NODATA] * 3))
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(len(HEADER) + 1, len(content) - 1))
        content[at] = data.draw(st.sampled_from(b' \n\r\t-"#x\x00\xff9'))
    parse(bytes(content), format="vpc_flow", step=data.draw(st.integers(1, 300)))  # the account is checked inside


def test_documented_lines(shared_dir):
    file = shared_dir / "data/formats/vpc_flow/vrl_parse_aws_vpc_flow_log.jsonl"
    if not file.exists():
        pytest.skip("no sample")
    checked = 0
    for case in map(json.loads, file.read_text().splitlines()):
        if "input" not in case or case["result"] != "ok" or not isinstance(case.get("expected"), dict):
            continue
        order = (case.get("args") or {}).get("format") or " ".join(DEFAULT_ORDER)
        if "start" not in order:
            continue
        parsed = flows(order.replace("_", "-"), case["input"])
        row = parsed.rows.row(0, named=True)
        for name, value in case["expected"].items():
            found = row[FIELDS[name.replace("_", "-")]]
            assert (int(found.timestamp()) if isinstance(found, datetime) else found) in (value, str(value)), name
        checked += 1
    assert checked >= 2


def test_the_slow_way_gives_what_the_fast_way_gives():
    lines = [LINE, NODATA, LINE.replace("443", "-")] * 50
    fast = flows(HEADER, *lines).rows
    slow = flows(HEADER, *lines, "bad").rows
    assert fast.equals(slow)
    assert fast.schema == slow.schema
    assert isinstance(fast, pl.DataFrame)


PARQUET_TYPES = {
    **dict.fromkeys(("version", "srcport", "dstport", "protocol", "tcp-flags"), pa.int32()),
    **dict.fromkeys(("packets", "bytes", "start", "end"), pa.int64()),
}


def parquet(order: list[str], lines: list[tuple], *, separator: str = "_", **options) -> bytes:
    """Flows as AWS writes them in Parquet: underscores in names, whole numbers as such."""
    columns = {
        name.replace("-", separator): pa.array(values, PARQUET_TYPES.get(name, pa.string()))
        for name, values in zip(order, zip(*lines, strict=True), strict=True)
    }
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file, **options)
    return file.getvalue()


def default_lines(count: int) -> list[tuple]:
    made = []
    for n in range(count):
        nothing = n % 7 == 3
        middle = (
            (None,) * 7 if nothing else (f"10.0.0.{n % 250}", "198.51.100.9", 50_000 + n % 1_000, 443, 6, n, 10**11)
        )
        tail = (1_700_000_000 + n, 1_700_000_060 + n, None if nothing else "ACCEPT", "NODATA" if nothing else "OK")
        made.append((2, "111122223333", "eni-1", *middle, *tail))
    return made


def as_text_lines(lines: list[tuple]) -> list[str]:
    return [" ".join("-" if value is None else str(value) for value in line) for line in lines]


@pytest.mark.parametrize("log_format", ["auto", "vpc_flow"])
@pytest.mark.parametrize("separator", ["_", "-"])
def test_flows_in_parquet_become_the_rows_of_the_same_flows_in_text(log_format, separator):
    lines = default_lines(3_000)
    content = text(HEADER, *as_text_lines(lines))
    stored = parquet(list(DEFAULT_ORDER), lines, separator=separator, compression="gzip", row_group_size=800)
    in_text, in_parquet = parse(content, format=log_format), parse(stored, format=log_format)
    assert in_parquet.report.format == "vpc_flow"
    assert (in_parquet.report.records, in_parquet.report.rejected) == (3_000, 0)
    assert in_parquet.rows.equals(in_text.rows)
    assert in_parquet.entities.equals(in_text.entities)


def test_text_and_parquet_objects_of_one_part_do_not_disturb_each_other():
    lines = default_lines(5)
    short = parquet(["start", "srcaddr", "bytes"], [(1_700_000_000, "10.9.9.9", 7)])
    parsed = parse(text(*as_text_lines(lines)), short, parquet(list(DEFAULT_ORDER), lines), text(LINE))
    assert [report.rows for report in parsed.reports] == [5, 1, 5, 1]
    assert parsed.rows["SrcAddr"].to_list()[5] == "10.9.9.9"
    five = [10**11, 10**11, 10**11, None, 10**11]
    assert parsed.rows["Bytes"].to_list() == [*five, 7, *five, 4249]


def test_parquet_columns_without_a_place_are_kept_aside():
    file = io.BytesIO()
    columns = {
        "start": [1_700_000_000, 1_700_000_001],
        "srcaddr": ["10.0.0.1", ""],
        "account_id": ["1", "2"],
        "Partition Date": ["2026-11-23", "2026-11-23"],
        "tags": [["a", "b"], None],
    }
    pq.write_table(pa.table(columns), file)
    parsed = parse(file.getvalue())
    assert parsed.rows["SrcAddr"].to_list() == ["10.0.0.1", None]
    assert parsed.rows["AccountId"].to_list() == ["1", "2"]
    assert parsed.rows["ExtraFields_CF"].to_list() == [
        '{"Partition Date":"2026-11-23","tags":["a","b"]}',
        '{"Partition Date":"2026-11-23"}',
    ]


def test_times_that_another_tool_made_timestamps_are_seconds_again():
    file = io.BytesIO()
    at = pa.array([1_700_000_000_000, None], pa.timestamp("ms"))
    pq.write_table(pa.table({"start": at, "end": pa.array([1_700_000_060] * 2), "srcaddr": ["10.0.0.1"] * 2}), file)
    parsed = parse(file.getvalue())
    assert [None if time is None else time.timestamp() for time in parsed.rows["Start"]] == [1_700_000_000, None]
    assert parsed.rows["TimeGenerated"].to_list()[1].timestamp() == 1_700_000_060


def json_lines(*records: object, end: str = "\n") -> bytes:
    return "".join((record if isinstance(record, str) else json.dumps(record)) + end for record in records).encode()


FLOW = {"version": 2, "srcaddr": "10.0.0.1", "bytes": 4249, "start": 1_700_000_000, "log-status": "OK"}


def test_bad_json_lines_are_rejected_by_themselves_and_in_their_place():
    bad = [
        "not json",
        '{"srcaddr": "10.0.0.1"',
        "[1, 2]",
        {"some": "other", "record": 1},
        {**FLOW, "bytes": [1]},
    ]
    good = [FLOW] * 40
    for place, line in enumerate(bad):
        good[10 + 5 * place] = line
    parsed = parse(json_lines(*good))
    assert parsed.report.format == "vpc_flow"
    assert (parsed.report.rows, parsed.report.rejected) == (35, 5)
    assert [position for position, _ in parsed.reasons()] == [10, 15, 20, 25, 30]
    assert parsed.rejects["data"][0] == b"not json"
    reasons = ["field_count", "bad_json", "field_count", "not_vpc_flow", "bad_number"]
    assert [reason for _, reason in parsed.reasons()] == reasons


def test_json_lines_whose_fields_change_keep_each_value_in_its_column():
    other = {"start": 1_700_000_001, "dstaddr": "10.0.0.2", "log_status": "SKIPDATA", "bytes": None}
    whole = json_lines(*[FLOW, other, FLOW] * 50)
    parsed = parse(whole, format="vpc_flow", step=100)
    assert parsed.rows["Bytes"].to_list() == [4249, None, 4249] * 50
    assert parsed.rows["DstAddr"].to_list() == [None, "10.0.0.2", None] * 50


def test_json_lines_in_blocks_are_those_in_one(monkeypatch):
    whole = json_lines(*[{**FLOW, "bytes": n, **({"vpc_id": "vpc-1"} if n % 40 > 30 else {})} for n in range(300)])
    once = parse(whole, format="vpc_flow")
    original = VpcFlowParser.__init__
    monkeypatch.setattr(VpcFlowParser, "__init__", lambda self, *given: original(self, *given, block=700))
    small = parse(whole, format="vpc_flow", step=97)
    assert once.rows["Bytes"].to_list() == list(range(300))
    assert small.rows.equals(once.rows)


@pytest.mark.parametrize(
    "content", [json_lines(FLOW, FLOW)[:-1], b"\xef\xbb\xbf" + json_lines(FLOW, "", FLOW, end="\r\n")]
)
def test_json_lines_may_lack_the_last_line_end_and_have_others(content):
    assert parse(content).rows["Bytes"].to_list() == [4249, 4249]


@pytest.mark.parametrize("cut", [1, 20, 50, 70])
def test_a_json_line_that_gzip_cut_is_never_taken_for_whole(cut):
    line = json_lines(FLOW)
    parsed = parse(zipped(line + line + line[:cut])[:-8])
    assert (parsed.report.rows, parsed.report.state) == (2, "partly_read")
    assert parsed.reasons() == [(2, "truncated_gzip")]


@pytest.mark.parametrize(
    "content",
    [
        json_lines({"a": 1, "b": 2}),
        json_lines({"version": 2, "tgw_id": "tgw-1", "srcaddr": "1", "start": 1}),
        b"{" * 5_000,
    ],
)
def test_other_json_is_not_taken(content):
    assert VpcFlowParser.sniff(content, "").confidence == 0


@settings(max_examples=30, deadline=None)
@given(files(), st.integers(1, 3_000))
def test_what_goes_into_parquet_comes_out_as_from_text(file, step):
    order, lines = file
    as_text = parse(text(" ".join(order), *as_text_lines(lines)), format="vpc_flow")
    as_parquet = parse(parquet(order, lines), format="vpc_flow", step=step)
    assert as_parquet.rows.equals(as_text.rows)
    assert as_parquet.entities.equals(as_text.entities)


def test_a_json_line_that_never_ends_is_rejected_in_bounded_pieces(monkeypatch):
    original = VpcFlowParser.__init__
    monkeypatch.setattr(VpcFlowParser, "__init__", lambda self, *given: original(self, *given, block=1 << 16))
    parsed = parse(json_lines(FLOW, FLOW) + b'{"x": "' + b"x" * 300_000, format="vpc_flow")
    assert parsed.report.rows == 2
    assert 1 <= parsed.report.rejected <= 6
    assert max(map(len, parsed.rejects["data"])) < 1 << 17


@pytest.mark.parametrize(
    ("late", "column", "value"),
    [
        ({**FLOW, "vpc_id": "vpc-1"}, "VpcId", "vpc-1"),
        ({"version": 2, "srcaddr": "x", "start": 1, "log-status": "x:null", "vpc_id": "v"}, "VpcId", "v"),
        ({**FLOW, "bytes": "7"}, "Bytes", 7),
        ({**FLOW, "srcaddr": None}, "SrcAddr", None),
        ({**FLOW, "bytes": 2**40}, "Bytes", 2**40),
    ],
)  # fmt: skip
def test_a_field_or_type_that_comes_late_is_not_lost(late, column, value):
    parsed = parse(json_lines(*[FLOW] * 500, late, *[FLOW] * 10).replace(b'": ', b'":'))
    assert (parsed.report.rows, parsed.report.rejected) == (511, 0)
    assert parsed.rows[column][500] == value


@pytest.mark.parametrize("bad", [[], ["bad"]])
def test_values_that_no_text_line_can_hold(bad):
    odd = {**FLOW, "vpc-id": "two words", "comment": "a b", "nested": {"a": ["b c"]}}
    rows = parse(json_lines(odd, FLOW, *bad)).rows
    assert rows["VpcId"].to_list() == ["two words", None]
    assert rows["ExtraFields_CF"].to_list()[1] is None
    kept = json.loads(rows["ExtraFields_CF"][0])
    assert kept["comment"] == "a b"
    assert kept["nested"] == {"a": ["b c"]}
