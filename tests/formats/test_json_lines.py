"""JSON of any kind."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.formats import detect
from tests.formats.parsing import parse
from tests.formats.texts import ARRIVED, lines, pick, read, row, rows

WHEN = datetime(2026, 1, 2, 3, 4, 5, 250000, tzinfo=UTC)
RECORD = {
    "time": "2026-01-02T03:04:05.25Z", "level": "error", "msg": 'two "words"\n', "hostname": "h1", "app": "api",
    "pid": 7, "logger": "db", "trace_id": "t1", "accountId": "111122223333", "region": "eu-central-1", "user": "joe",
    "client_ip": "192.0.2.7", "operation": "read", "other": {"a": [1, None, "x"]},
}  # fmt: skip


def one(**fields):
    return row(json.dumps(fields))


def test_every_column():
    text = json.dumps(RECORD)
    made = row(text)
    assert made["TimeGenerated"] == WHEN
    assert pick(made, ("Format", "Level", "Message", "Host")) == ("json_lines", "error", 'two "words"\n', "h1")
    assert pick(made, ("ProcessName", "ProcessId", "Logger", "TraceId")) == ("api", "7", "db", "t1")
    assert pick(made, ("AccountId", "Region")) == ("111122223333", "eu-central-1")
    assert (made["RawData"], json.loads(made["Fields"])) == (text, RECORD)
    assert "_flags" not in made
    entity = read(lines(text)).entities.row(0, named=True)
    assert pick(entity, ("principal", "service", "action", "error")) == ("joe", "api", "read", "error")
    assert pick(entity, ("account", "region", "source_ip")) == ("111122223333", "eu-central-1", "192.0.2.7")


SECOND = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
EPOCH = int(SECOND.timestamp())


@pytest.mark.parametrize(
    ("name", "value", "when"),
    [
        ("timestamp", "2026-01-02T05:04:05.25+02:00", WHEN),
        ("@timestamp", "2026-01-02 03:04:05,250", WHEN),
        ("datetime", "20260102T030405Z", SECOND),
        ("date", "2026/01/02 03:04:05", SECOND),
        ("eventTime", "02/Jan/2026:05:04:05 +0200", SECOND),
        ("event_time", "Fri, 02 Jan 2026 03:04:05 GMT", SECOND),
        ("created_at", "Fri Jan 2 03:04:05 UTC 2026", SECOND),
        ("ts", EPOCH, SECOND),
        ("ts", EPOCH + 0.25, WHEN),
        ("ts", f"{EPOCH}.250", WHEN),
        ("startTime", EPOCH * 1_000 + 250, WHEN),
        ("Timestamp", (EPOCH * 1_000 + 250) * 1_000, WHEN),
        ("timeUnixNano", str((EPOCH * 1_000 + 250) * 1_000_000), WHEN),
        ("__REALTIME_TIMESTAMP", str((EPOCH * 1_000 + 250) * 1_000), WHEN),
        ("instant", {"epochSecond": EPOCH, "nanoOfSecond": 250_000_000}, WHEN),
        ("created_at", {"$date": "2026-01-02T03:04:05.250Z"}, WHEN),
    ],
)
def test_times(name, value, when):
    made = one(**{name: value})
    assert (made["TimeGenerated"], made.get("_flags")) == (when, None)


def test_a_number_with_an_exponent_is_a_time():
    made = row('{"ts": 1.76732304525e+09}')
    assert (made["TimeGenerated"], made.get("_flags")) == (WHEN, None)


def test_the_first_usable_time_counts():
    made = one(time="soon", timestamp="2026-01-02T03:04:05.25Z", ts=1)
    assert (made["TimeGenerated"], made.get("_flags")) == (WHEN, None)


@pytest.mark.parametrize("value", ["03/04/2026 10:00", "soon", 5, "", None, "2500-01-01T00:00:00Z", [1], {"a": 1}])
def test_without_a_usable_time_it_is_the_arrival(value):
    made = one(time=value, a=1)
    assert made["TimeGenerated"] == ARRIVED
    assert made["_flags"].endswith("time_of_arrival")
    assert made["_flags"].startswith("bad_time=") == (value not in ("", None))


def test_without_an_arrival_either_it_is_rejected():
    parsed = read(lines('{"time":"soon"}', '{"time":"2026-01-02T03:04:05Z"}', '{"a":1}'), arrived=None)
    assert parsed.reasons() == [(0, "no_event_time"), (2, "no_event_time")]
    assert "bad_time=soon" in parsed.rejects["detail"][0]


def test_each_object_has_its_own_arrival():
    parsed = read(lines('{"a":1}'), lines('{"b":1}'))
    assert parsed.rows["TimeGenerated"].to_list() == [ARRIVED, ARRIVED]


def test_a_time_without_a_zone_is_in_the_zone_of_the_settings():
    made = row('{"time":"2026-10-25T02:30:00"}', zone="Europe/Berlin")
    assert (made["TimeGenerated"].hour, made["_flags"]) == (0, "time_ambiguous")


@pytest.mark.parametrize(
    ("fields", "column", "expected"),
    [
        ({"level": 30}, "Level", "30"),
        ({"severity": "WARN", "level": ""}, "Level", "WARN"),
        ({"log": {"level": "info", "logger": "x"}}, "Level", "info"),
        ({"log": {"level": "info", "logger": "x"}}, "Logger", "x"),
        ({"log": "out\n", "stream": "stdout"}, "Message", "out\n"),
        ({"host": {"name": "h", "os": {}}}, "Host", "h"),
        ({"process": {"pid": 4, "name": "p"}}, "ProcessId", "4"),
        ({"process": {"pid": 4, "name": "p"}}, "ProcessName", "p"),
        ({"event": {"kind": "x"}, "message": None}, "Message", None),
        ({"event": "login"}, "Message", "login"),
        ({"MESSAGE": "m \u00e9 \\ \ud83d\ude00"}, "Message", "m \u00e9 \\ \U0001f600"),
    ],
)
def test_names_that_others_use(fields, column, expected):
    assert one(ts=EPOCH, **fields).get(column) == expected


def test_the_forms_that_json_comes_in():
    records = [{"ts": EPOCH + number, "n": number, "t": "}{ \n]["} for number in range(3)]
    texts = [json.dumps(record) for record in records]
    pretty = [json.dumps(record, indent=2) for record in records]
    forms = ["\n".join(texts), "".join(texts), "\n".join(pretty), "\r\n\r\n".join(texts), json.dumps(records)]
    forms += ["\ufeff" + "\n".join(texts), json.dumps({"Records": records})]
    for form in forms:
        made = read(form.encode(), step=7).rows
        assert [json.loads(text)["n"] for text in made["Fields"]] == [0, 1, 2], form
        assert made["TimeGenerated"].dt.epoch("s").to_list() == [EPOCH, EPOCH + 1, EPOCH + 2]


def test_records_beside_something_else_stay_with_it():
    made = one(ts=EPOCH, Records=[{"a": 1}])
    assert json.loads(made["Fields"])["Records"] == [{"a": 1}]


def test_values_that_are_no_objects_are_rejected():
    parsed = read(b'[{"ts":1767323045},1,"x",null,[2]]')
    assert parsed.reasons() == [(number, "not_an_object") for number in (1, 2, 3, 4)]
    assert parsed.report.rows == 1


def test_damage_is_told_and_does_not_spread():
    first = b'{"ts":1767323045,"a":NaN,"b":"\\ud800"}'
    content = first + b'\n{"ts":1767323046,"z":"\xff"}\n{"ts":1767323047,"c":\n{"ts":1767323048}\n'
    parsed = read(content)
    made = rows(parsed)
    assert made[0]["_flags"] == "lone_surrogate;not_finite=NaN"
    assert json.loads(made[0]["Fields"]) == {"ts": 1767323045, "a": None, "b": "\ufffd"}
    assert made[0]["RawData"] == first.decode()
    assert made[1]["_flags"] == "invalid_utf8"
    assert parsed.reasons() == [(2, "bad_json")]
    assert len(made) == 3


def test_names_that_come_late_are_read_as_well():
    content = lines(*(json.dumps({"ts": EPOCH + number, "pad": "x" * 100}) for number in range(300)))
    content += lines(json.dumps({"time": "2026-01-02T03:04:05.25Z", "level": "info"}))
    last = rows(read(content))[-1]
    assert (last["TimeGenerated"], last["Level"], last.get("_flags")) == (WHEN, "info", None)


@pytest.mark.parametrize("text", ["[Mon Jan 02 2026] error", "{not json}", "[", "{", "[1,2]", "<a/>", "x{}", "[a]: {}"])
def test_what_only_begins_like_json_is_not_taken(text):
    assert detect(text.encode()).format != "json_lines"


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=30),
            st.sampled_from(
                [b"{", b"}", b"[", b'{"time":', b'"2026-01-02T03:04:05Z"', b"\n", b',"level":"\xe9"', b"1"]
            ),
        ),
        max_size=12,
    )
)
def test_any_bytes_are_accounted_for(parts):
    read(b'{"time":"2026-01-02T03:04:05Z"}\n' + b"".join(parts), format="json_lines")


def test_published_samples(shared_dir):
    samples = shared_dir / "data/formats/json_lines"
    if not samples.is_dir():
        pytest.skip("no samples")
    files = sorted(samples.glob("lnav_*"))
    assert files
    for file in files:
        parsed = read(file.read_bytes(), arrived=None)
        assert (parsed.report.format, parsed.report.rows > 0) == ("json_lines", True), file.name
        damaged = "invalid" in file.name or "mixed" in file.name
        assert (parsed.report.rejected > 0) == damaged, file.name
        assert parsed.rows["_flags"].null_count() == parsed.rows.height
    journal = rows(read((samples / "lnav_logfile_journald.json").read_bytes()))[0]
    assert pick(journal, ("Host", "Level", "ProcessName", "ProcessId")) == ("imx6ul-medusa", "1", "python", "184")
    assert journal["TimeGenerated"] == datetime(2018, 8, 21, 14, 4, 21, 221373, tzinfo=UTC)
    elastic = rows(read((samples / "lnav_logfile_ecs_log.json").read_bytes()))[0]
    assert pick(elastic, ("Level", "Logger", "ProcessName")) == ("debug", "app", "MainProcess")


def test_lost_quotes_and_missing_times_cost_their_own_lines_alone():
    """Many of them: what is looked at again for each would take minutes."""
    good, lost = b'{"time":"2026-01-02T03:04:05Z","a":"b"}\n', b'{"time":"2026-01-02T03:04:05Z","a":"b\\"}\n'
    parsed = parse((lost + good[:-1] + b" x\n" + b'{"a":"b"}\n' + good) * 700)
    assert (parsed.report.rows, parsed.report.rejected) == (1_400, 2_100)
    assert sorted(parsed.rejects["reason"].value_counts().rows()) == [("bad_json", 1_400), ("no_event_time", 700)]
