"""Events in CEF: every key in its column, escapes, headers, times."""

import json
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.formats import detect
from s3sentinel_assets.formats.security_events.common import ALIASES, KEYS
from s3sentinel_assets.tables import load_schema
from tests.formats.texts import ARRIVED, lines, pick, read, row, rows

HEAD = "CEF:0|Vendor|Product|1.2|100|Something happened|7|"
TIMED = HEAD + "rt=1767323045678 "


def test_every_column_of_the_header():
    made = row("<134>Jan 11 22:14:15 fw-1 proc[12]: " + HEAD + "src=192.0.2.1")
    names = ("DeviceVendor", "DeviceProduct", "DeviceVersion", "DeviceEventClassID", "Activity", "LogSeverity")
    assert pick(made, names) == ("Vendor", "Product", "1.2", "100", "Something happened", "7")
    assert pick(made, ("Computer", "ProcessName", "ProcessID", "DeviceFacility")) == ("fw-1", "proc", 12, "local0")
    assert made["TimeGenerated"] == datetime(2026, 1, 11, 22, 14, 15, tzinfo=UTC)
    assert made["SourceIP"] == "192.0.2.1"
    assert "_flags" not in made


def test_every_key_fills_its_column():
    kinds = load_schema("CommonSecurityLog").columns
    values = {key: "7" if kinds[column] != "string" else f"v-{key}=x y" for key, column in KEYS.items()}
    values["rt"] = "1767323045678"
    others = {"dvcpid": "4", "deviceProcessName": "p", "deviceFacility": "f", "start": "1767323040000"}
    others["end"] = "Jan 02 2026 03:04:06"
    made = row(HEAD + " ".join(f"{key}={value}" for key, value in (values | others).items()))
    for key, column in KEYS.items():
        assert str(made[column]).removesuffix(".0") == values[key], key
    assert made["TimeGenerated"] == datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
    assert made["StartTime"] == datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    assert made["EndTime"] == datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC)
    assert pick(made, ("ProcessID", "ProcessName", "DeviceFacility")) == (4, "p", "f")
    assert pick(made, [f"DeviceCustomNumber{n}" for n in (1, 2, 3)]) == (7, 7, 7)
    assert "AdditionalExtensions" not in made
    assert "_flags" not in made


def test_full_names_are_understood_too():
    assert set(ALIASES.values()) <= {*KEYS, "start", "end", "dvcpid"}
    made = row(TIMED + "sourceAddress=192.0.2.1 destinationPort=443 deviceHostName=fw message=m bytesIn=5000000000")
    names = ("SourceIP", "DestinationPort", "DeviceName", "Message", "ReceivedBytes")
    assert pick(made, names) == ("192.0.2.1", 443, "fw", "m", 5_000_000_000)


def test_unknown_keys_and_second_values_are_kept():
    made = row(TIMED + "src=192.0.2.1 foo=a b foo.bar[0]=c src=192.0.2.2 empty= odd")
    assert made["SourceIP"] == "192.0.2.1"
    assert made["AdditionalExtensions"] == "foo=a b;foo.bar[0]=c;src=192.0.2.2;empty=odd"
    assert row(TIMED.replace("rt=", "free text rt="))["AdditionalExtensions"] == "free text"


def test_escapes():
    made = row(
        r"CEF:0|A\|B|C\\D|1|x=1|N|7|rt=1767323045678 msg=a\=b\\c\nd e=f request=https://a/?b=c&d=e "
        r"filePath=C:\Users\x cs1=a\|b"
    )
    assert pick(made, ("DeviceVendor", "DeviceProduct", "DeviceEventClassID")) == ("A|B", "C\\D", "x=1")
    assert made["Message"] == "a=b\\c\nd"
    assert made["AdditionalExtensions"] == "e=f"
    assert made["RequestURL"] == "https://a/?b=c&d=e"
    assert made["FilePath"] == r"C:\Users\x"
    assert made["DeviceCustomString1"] == "a|b"


def test_numbers_that_fit_only_the_wide_column():
    made = row(TIMED + "cn1=16752893630 externalId=abc cnt=x")
    assert pick(made, ("FieldDeviceCustomNumber1", "DeviceCustomNumber1")) == (16752893630, None)
    assert pick(made, ("ExtID", "ExternalID", "EventCount")) == ("abc", None, None)
    assert made["_flags"] == "bad_EventCount=x"


def test_the_time_is_the_receipt_then_the_header_then_the_end():
    stamp = "<134>Jan 11 22:14:15 fw "
    texts = [stamp + TIMED, stamp + HEAD + "end=1767323045678", HEAD + "start=1767323040000 end=1767323045678", HEAD]
    texts.append(stamp + HEAD + "rt=never start=soon")
    made = rows(read(lines(*texts)))
    assert [one["TimeGenerated"].day for one in made] == [2, 11, 2, ARRIVED.day, 11]
    assert [one.get("_flags") for one in made] == [
        None,
        None,
        None,
        "time_of_arrival",
        "bad_time=never;bad_StartTime=soon",
    ]
    assert read(lines(TIMED, HEAD), arrived=None).reasons() == [(1, "no_event_time")]


def test_what_may_stand_in_front():
    fronts = {
        "": None,
        "<134> ": None,
        "Jan 11 22:14:15 fw: ": "fw",
        "<134>1 2026-01-11T22:14:15Z fw app - - - ": "fw",
        "<134>1 2026-01-11T22:14:15Z fw ": "fw",
        '<134>1 2026-01-11T22:14:15Z fw app - - [a@1 b="c"] ': "fw",
    }
    made = rows(read(lines(*(front + HEAD + "src=192.0.2.1" for front in fronts))))
    assert [one.get("Computer") for one in made] == list(fronts.values())


def test_incomplete_headers_are_refused():
    texts = [
        TIMED,
        "CEF:0|V|P|1|2|N|",
        "CEF:0|V|P|1|2|N|5",
        "CEF:0|V|P",
        "CEF:x|V|P|1|2|N|5|",
        "text",
        f'{{"a":"{HEAD}"}}',
    ]
    assert [position for position, _ in read(lines(*texts), format="cef").reasons()] == [1, 3, 4, 5, 6]


def test_entities():
    text = TIMED + "suser=joe src=192.0.2.1 dst=192.0.2.2 act=Block outcome=Failure in=5 out=7"
    entity = read(lines(text)).entities.row(0, named=True)
    names = ("principal", "principal_type", "service", "action", "target", "source_ip", "error", "bytes")
    expected = ("joe", "user", "Vendor/Product", "100/Block", "192.0.2.2", "192.0.2.1", "Failure", 12)
    assert pick(entity, names) == expected


def test_content_decides():
    assert detect(lines(HEAD)).format == "cef"
    assert detect(("<134>Jan 11 22:14:15 fw " + HEAD).encode()).format == "cef"
    assert detect(json.dumps({"message": HEAD}).encode() + b"\n").format != "cef"


@given(
    st.lists(st.binary(max_size=60) | st.builds(lambda text: TIMED.encode() + text, st.binary(max_size=60)), max_size=8)
)
@settings(max_examples=12, deadline=None)
def test_any_bytes_are_accounted_for(texts):
    read(b"\n".join([TIMED.encode(), *texts]), format="cef")


def test_published_samples_with_their_expected_fields(shared_dir):
    file = shared_dir / "data/formats/cef/vrl_parse_cef.jsonl"
    records = [record for record in map(json.loads, file.read_text().splitlines()) if "input" in record]
    records = [record for record in records if record["result"] == "ok" and "translate" not in record["id"]]
    assert len(records) == 5
    names = {"deviceVendor": "DeviceVendor", "deviceProduct": "DeviceProduct", "deviceVersion": "DeviceVersion"}
    names |= {"deviceEventClassId": "DeviceEventClassID", "name": "Activity", "severity": "LogSeverity", **KEYS}
    for record, made in zip(records, rows(read(lines(*(one["input"] for one in records)))), strict=True):
        extensions = f";{made.get('AdditionalExtensions', '')};"
        for key, value in record["expected"].items():
            if key in names:
                assert str(made.get(names[key], "")) == value
            elif key != "cefVersion":
                assert f";{key}={value};" in extensions


def test_published_samples(shared_dir):
    file = shared_dir / "data/formats/cef/sc4s_cef.jsonl"
    texts = [json.loads(line)["raw"] for line in file.read_text().splitlines()]
    parsed = read(lines(*texts))
    assert (parsed.report.format, parsed.report.rows, parsed.report.rejected) == ("cef", 25, 0)
    # All of them state a time, in the syslog header if not in the event.
    assert not any("time_of_arrival" in made.get("_flags", "") for made in rows(parsed))


def test_a_bar_in_the_header_is_told():
    made = row("CEF:0|V|P|1|2|a|b|5|rt=1767323045678 src=192.0.2.1")
    assert "odd_bars" in made["_flags"]
    assert "_flags" not in row("CEF:0|V|P|1|2|a|5|rt=1767323045678 x=a|b msg=c|d")
