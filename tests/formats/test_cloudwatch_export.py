"""Files of CloudWatch's export tasks: messages of one and of many lines."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.formats import PartParser, detect
from s3sentinel_assets.formats.cloudwatch.export import join_messages
from tests.formats.parsing import Parsed, an_input, check_account, parse, parse_inputs, pieces, record, zipped

KEY = "exportedlogs/0a1b2c3d-0000-1111-2222-0123456789ab/kube-apiserver-audit-1/000000.gz"
FLOW = "2 111122223333 eni-1 10.0.0.1 10.0.0.2 443 50000 6 5 500 1700000000 1700000060 ACCEPT OK"


def line(second: int, message: str) -> bytes:
    return f"2024-01-01T00:00:{second:02d}.123Z {message}\n".encode()


def parse_export(content: bytes, log_format: str = "auto", step: int = 65_536) -> Parsed:
    return parse_inputs([an_input(0, content, KEY, step)], log_format)


def test_every_column_from_its_place():
    parsed = parse_export(line(1, "hello  world "))
    row = parsed.rows.row(0, named=True)
    moment = datetime(2024, 1, 1, 0, 0, 1, 123_000, UTC)
    assert (row["TimeGenerated"], row["ExtractedTime"], row["Message"]) == (moment, moment, "hello  world ")
    assert json.loads(row["ExtraFields_CF"]) == {"logStream": "kube-apiserver-audit-1"}
    assert parsed.entities["principal"].to_list() == ["kube-apiserver-audit-1"]


@pytest.mark.parametrize("log_format", ["auto", "cloudwatch_export"])
@pytest.mark.parametrize("step", [1, 24, 25, 26, 27, 65_536])
def test_lines_without_a_time_belong_to_the_message_before(log_format, step):
    content = line(1, "Traceback:\n  File x\n2024-01-01 no time\n2024-01-01T00:00:01.1234Z nor this\n") + line(2, "")
    content += b"2024-01-01T00:00:03.123Z\n" + line(4, "windows\r\nends\r") + line(5, "last\n\n")
    parsed = parse_export(content, log_format, step)
    assert parsed.rows["Message"].to_list() == [
        "Traceback:\n  File x\n2024-01-01 no time\n2024-01-01T00:00:01.1234Z nor this\n",
        "",
        "",
        "windows\r\nends",
        "last\n\n",
    ]
    assert parsed.report.state == "read"


@pytest.mark.parametrize("log_format", ["auto", "cloudwatch_export"])
def test_what_comes_before_the_first_time_is_rejected(log_format):
    parsed = parse_export(b"  rest of a message\nand more\n" + line(1, "a"), log_format)
    assert parsed.reasons() == [(0, "not_cloudwatch_export")]
    assert parsed.rejects["offset"].to_list() == [0]
    assert parsed.rows["Message"].to_list() == ["a"]


def test_a_time_that_is_none_is_rejected():
    parsed = parse_export(line(1, "a") + b"2024-13-01T00:00:00.000Z b\n" + line(2, "c"))
    assert parsed.reasons() == [(1, "no_event_time")]


def test_messages_of_known_formats_become_rows_of_theirs():
    content = b"".join(line(n, FLOW) for n in range(3)) + line(4, json.dumps(record())) + line(5, '{"a":1}')
    parsed = parse_export(content)
    assert {frame.format: frame.rows["_ordinal"].to_list() for frame in parsed.frames} == {
        "cloudwatch_export": [4],
        "vpc_flow": [0, 1, 2],
        "cloudtrail": [3],
    }
    assert parse_export(content, "cloudwatch_export").report.format == "cloudwatch_export"


def test_the_object_that_tries_out_a_bucket_holds_no_record():
    for log_format in ("auto", "cloudwatch_export"):
        report = parse(b"Permission Check Successful", format=log_format).report
        assert (report.state, report.records) == ("read", 0)


def test_invalid_text_is_replaced_and_flagged():
    parsed = parse_export(line(1, "a").replace(b"a", b"\xff") + line(2, "b"), "cloudwatch_export")
    assert parsed.rows.select("Message", "_flags").rows() == [("\ufffd", "invalid_utf8"), ("b", None)]


def test_a_cut_file_keeps_what_was_whole():
    parsed = parse_export(zipped(b"".join(line(n, f"message {n}") for n in range(60)))[:-60])
    assert parsed.report.state == "partly_read"
    assert parsed.report.rejected == 1


def test_it_is_recognised():
    content = line(1, "hello") + line(2, "world")
    assert [detect(content, key).format for key in (KEY, "app.log")] == ["cloudwatch_export"] * 2
    assert detect(content, KEY).confidence > detect(content, "app.log").confidence
    assert detect(line(1, FLOW) * 20).format == "cloudwatch_export"
    for other in (
        b"2024-01-01T00:00:00.123456Z my-elb 10.0.0.1:1 10.0.0.2:80 0 0 0 200 200 0 0",
        b"2024-01-01T00:00:00Z x",
    ):
        assert detect(other, KEY).format != "cloudwatch_export"


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.sampled_from([line(1, "x"), b"2024-01-01T", b"\n", b" y\n"]) | st.binary(max_size=30)),
    st.integers(1, 60),
)
def test_joining_changes_line_feeds_alone_whatever_the_chunks(parts, step):
    content = b"".join(parts)
    whole, split = b"".join(join_messages([content])), b"".join(join_messages(pieces(content, step)))
    assert whole == split
    assert whole.replace(b"\x1e", b"\n") == content.replace(b"\x1e", b"\n")


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.sampled_from([line(1, FLOW), line(2, "x\ny"), b"\n", b"\r\n"]) | st.binary(max_size=40), max_size=8),
    st.integers(1, 300),
    st.booleans(),
)
def test_any_bytes_are_accounted_for(parts, step, shared):
    parser = PartParser("auto" if shared else "cloudwatch_export")
    frames = list(parser.frames([an_input(0, line(0, "begin") + b"".join(parts), KEY, step)]))
    check_account(Parsed(frames, parser.reports, parser.rejects))
