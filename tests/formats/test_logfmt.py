"""Lines of key=value pairs."""

import json
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.formats import detect
from tests.formats.texts import ARRIVED, lines, pick, read, row, rows

LINE = 'time="2026-01-02T03:04:05.25Z" level=warning msg="two \\"words\\"" host=h1 app=api pid=7 logger=db trace_id=t1 '
LINE += "account_id=111122223333 region=eu-central-1 user=joe path=/a?b=c flag"


def test_every_column():
    made = row(LINE)
    assert made["TimeGenerated"] == datetime(2026, 1, 2, 3, 4, 5, 250000, tzinfo=UTC)
    assert pick(made, ("Format", "Level", "Message", "Host")) == ("logfmt", "warning", 'two "words"', "h1")
    assert pick(made, ("ProcessName", "ProcessId", "Logger", "TraceId")) == ("api", "7", "db", "t1")
    assert pick(made, ("AccountId", "Region")) == ("111122223333", "eu-central-1")
    assert json.loads(made["Fields"]) == {"user": "joe", "path": "/a?b=c", "flag": True}
    assert made["RawData"] == LINE
    assert "_flags" not in made
    entity = read(lines(LINE)).entities.row(0, named=True)
    assert pick(entity, ("principal", "service", "action", "error")) == ("joe", "api", "api/warning", None)


def test_other_names_of_the_same_keys():
    made = rows(
        read(lines("ts=1767323045 lvl=error message=m a=b", "level=info severity=high msg=x msg=y t=1767323045"))
    )
    assert pick(made[0], ("Level", "Message", "Fields")) == ("error", "m", '{"a":"b"}')
    assert json.loads(made[1]["Fields"]) == {"severity": "high", "msg": "y"}
    assert pick(made[1], ("Level", "Message")) == ("info", "x")


def test_a_key_that_comes_twice_becomes_a_list():
    made = row("time=1767323045 a=1 b=2 a=3")
    assert json.loads(made["Fields"]) == {"a": ["1", "3"], "b": "2"}


def test_without_a_time_it_is_the_arrival():
    made = row("a=1 b=2 c=3")
    assert (made["TimeGenerated"], made["_flags"]) == (ARRIVED, "time_of_arrival")
    assert row("time=noon b=2 c=3")["_flags"] == "bad_time=noon;time_of_arrival"


def test_other_lines_are_refused():
    texts = ["a=1", "foo bar a=1 b=2", "a b c=1 d=2", 'a=1 b="open', '{"a": 1}', "x, a=1 b=2", "a=1 b c d"]
    parsed = read(lines(*[LINE] * 13, *texts), format="logfmt")
    assert parsed.reasons() == [(13 + number, "not_logfmt") for number in range(len(texts))]


def test_detection_is_never_sure():
    assert detect(lines(LINE)).format == "logfmt"
    assert 0.3 < detect(lines(LINE)).confidence < 0.6
    for text in ("hello", "a=1", "x, a=1 b=2 c=3"):
        assert detect(lines(text)).format is None, text


@given(
    st.lists(st.binary(max_size=60) | st.builds(lambda text: LINE.encode() + text, st.binary(max_size=60)), max_size=8)
)
@settings(max_examples=12, deadline=None)
def test_any_bytes_are_accounted_for(texts):
    read(b"\n".join([LINE.encode(), *texts]), format="logfmt")


def test_published_samples(shared_dir):
    file = shared_dir / "data/formats/syslog/lnav/logfile_logfmt.0"
    parsed = read(file.read_bytes())
    assert (parsed.report.format, parsed.report.rows, parsed.report.rejected) == ("logfmt", 5, 0)
    assert {made["Level"] for made in rows(parsed)} == {"error", "warning", "info"}
