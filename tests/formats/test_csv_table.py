"""Separated values of any kind."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.formats import ParseOptions, PartParser, detect
from tests.formats.parsing import Parsed, an_input, check_account
from tests.formats.texts import ARRIVED, lines, pick, read, rows

WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TIME = "2026-01-02T03:04:05Z"


def fields(made) -> dict:
    return json.loads(made["Fields"])


def with_fields(content: bytes, *names: str) -> Parsed:
    parser = PartParser("csv", ParseOptions(fields=names))
    frames = list(parser.frames([an_input(0, content)]))
    parsed = Parsed(frames, parser.reports, parser.rejects)
    check_account(parsed)
    return parsed


@pytest.mark.parametrize("separator", [",", "\t", ";"])
def test_every_column(separator):
    header = ["Time", "Level", "Message", "Host", "App", "PID", "Logger", "Trace ID", "Account_ID", "Region", "User"]
    values = [TIME, "error", "m", "h1", "api", "7", "db", "t1", "011122223333", "eu-central-1", "joe"]
    parsed = read(lines(separator.join(header), separator.join(values)))
    made = rows(parsed)[0]
    assert (made["TimeGenerated"], made.get("_flags")) == (WHEN, None)
    assert pick(made, ("Format", "Level", "Message", "Host")) == ("csv", "error", "m", "h1")
    assert pick(made, ("ProcessName", "ProcessId", "Logger", "TraceId")) == ("api", "7", "db", "t1")
    assert pick(made, ("AccountId", "Region")) == ("011122223333", "eu-central-1")
    assert fields(made) == dict(zip(header, values, strict=True))
    assert made["RawData"] == separator.join(values)
    assert parsed.entities["principal"].to_list() == ["joe"]


@pytest.mark.parametrize("step", [1, 5, 65_536])
def test_quotes_and_line_feeds(step):
    content = f'time,msg,n\r\n{TIME},"a, ""b""\r\nc\n",1\r\n{TIME},"",\r\n"{TIME}","""",3\r\n'.encode()
    parsed = read(content, step=step)
    made = rows(parsed)
    assert [fields(one) for one in made] == [
        {"time": TIME, "msg": 'a, "b"\nc\n', "n": "1"},
        {"time": TIME},
        {"time": TIME, "msg": '"', "n": "3"},
    ]
    assert made[0]["RawData"] == f'{TIME},"a, ""b""\nc\n",1'
    assert parsed.report.rejected == 0


def test_bad_lines_are_rejected_with_their_bytes():
    texts = ["time,msg,n", f"{TIME},a,1", f"{TIME},short", f'{TIME},"x"y,2', f"{TIME},a,b,c", f'{TIME},5" disk,4']
    parsed = read(lines(*texts))
    assert parsed.reasons() == [(1, "field_count"), (2, "bad_quotes"), (3, "field_count")]
    assert parsed.rejects["data"].to_list() == [text.encode() for text in texts[2:5]]
    assert parsed.rejects["header"].to_list() == [b"time,msg,n\n"] * 3
    assert [fields(one)["n"] for one in rows(parsed)] == ["1", "4"]


def test_a_quote_that_nothing_closes_takes_no_other_line_with_it():
    parsed = read(lines("time,msg", f'{TIME},"open', f"{TIME},a", f'{TIME},"b"'))
    assert parsed.reasons() == [(0, "bad_quotes")]
    assert parsed.report.rows == 2


def test_the_header_may_come_again():
    parsed = read(lines("time,n", f"{TIME},1", "time,n", f"{TIME},2"))
    assert [fields(one)["n"] for one in rows(parsed)] == ["1", "2"]


def test_objects_with_other_columns_are_read_beside_each_other():
    parsed = read(lines("time,a", f"{TIME},1"), lines("b;timestamp", f"2;{TIME}"), lines("time,a", f"{TIME},3"))
    assert [list(fields(one).values()) for one in rows(parsed)] == [[TIME, "1"], ["2", TIME], [TIME, "3"]]


@pytest.mark.parametrize(
    ("header", "values"),
    [
        ("date,time,n", "2026-01-02,03:04:05,1"),
        ("Date;Time;n", "2026/01/02;03:04:05;1"),
        ("Event Time (UTC),n", "2026-01-02 03:04:05,1"),
        ("n,TIMESTAMP", "1,1767323045"),
        ("n,Start Time,time", f"1,{TIME},soon"),
    ],
)
def test_columns_that_hold_the_time(header, values):
    made = rows(read(lines(header, values), format="csv"))[0]
    if "(UTC)" in header:
        assert made["_flags"] == "time_of_arrival"  # a name that is not known
    else:
        assert (made["TimeGenerated"], made.get("_flags")) == (WHEN, None)


def test_without_a_usable_time_it_is_the_arrival():
    content = lines("time,a,b", "soon,1,2", ",1,2", f"{TIME},1,2")
    made = rows(read(content, format="csv"))
    assert [one["TimeGenerated"] for one in made] == [ARRIVED, ARRIVED, WHEN]
    assert [one.get("_flags") for one in made] == ["bad_time=soon;time_of_arrival", "time_of_arrival", None]
    assert read(content, format="csv", arrived=None).reasons() == [(0, "no_event_time"), (1, "no_event_time")]


def test_settings_name_the_fields_of_files_without_a_header():
    parsed = with_fields(lines(f"1,{TIME},x", f"2,{TIME},y"), "n", "time", "what")
    assert [fields(one) for one in rows(parsed)] == [
        {"n": "1", "time": TIME, "what": "x"},
        {"n": "2", "time": TIME, "what": "y"},
    ]
    assert with_fields(lines("n;time", f"2;{TIME}"), "n", "time").report.records == 1
    without = read(lines(f"1,{TIME},x", f"2,{TIME},y"), format="csv")
    assert without.reasons() == [(0, "no_header"), (1, "no_header")]


def test_bytes_that_are_no_utf8_are_told():
    made = rows(read(b"time,msg\n" + TIME.encode() + b",\xff\n"))[0]
    assert (fields(made)["msg"], made["_flags"]) == ("\ufffd", "invalid_utf8")


@pytest.mark.parametrize(
    "text",
    [
        "Hello, world\nGoodbye, moon\nMore, words\n",
        "Time, like an arrow\nflies, away\n",
        "Dear all, please note\nthe following, and this\n",
        "one line, with a comma",
        "a,b\n",
        "2026-01-02 03:04:05,123 INFO x\n2026-01-02 03:04:06,123 INFO y\n",
        "<a>,<b>\n1,2\n",
        '{"a":1,"b":2}\n{"a":1,"b":2}\n',
        "level=info,msg=x\nlevel=info,msg=y\n",
        "a,a\n1,2\n",
        ",,,\n,,,\n",
    ],
)
def test_other_text_is_not_taken(text):
    assert detect(text.encode()).format != "csv"


def test_a_table_without_a_time_is_recognised_by_its_numbers():
    assert detect(b"name,bytes\nx,1\ny,2\n").format == "csv"
    assert detect(b"name,colour,kind\nx,red,a\ny,blue,b\nz,red,c\n").format == "csv"
    assert read(b"time,level,host\n").report.records == 0


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=10),
            st.sampled_from([b",", b'"', b'""', b"\n", b"\r\n", b"time,a\n", TIME.encode(), b";", b"\t", b"\x1e"]),
        ),
        max_size=25,
    ),
    st.sampled_from([1, 3, 65_536]),
)
def test_any_bytes_are_accounted_for(parts, step):
    read(b"time,a\n" + TIME.encode() + b",1\n" + b"".join(parts), format="csv", step=step)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.text(alphabet='a,;"\n \té', max_size=6), min_size=2, max_size=2), min_size=1, max_size=8))
def test_what_was_written_is_read(table):
    def quoted(text: str) -> str:
        return '"' + text.replace('"', '""') + '"'

    content = "time,x,y\n" + "".join(f"{TIME},{quoted(x)},{quoted(y)}\n" for x, y in table)
    made = [fields(one) for one in rows(read(content.encode(), format="csv", step=9))]
    assert [[one.get("x", ""), one.get("y", "")] for one in made] == table
