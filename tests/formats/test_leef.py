"""Events in LEEF 1.0 and 2.0."""

import json
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.formats import detect
from tests.formats.texts import ARRIVED, lines, pick, read, row, rows

ONE = "LEEF:1.0|Vendor|Product|1.2|login|devTime=1767323045678\t"


def test_every_column():
    attributes = {
        "cat": "auth", "proto": "tcp", "sev": "5", "src": "192.0.2.1", "dst": "192.0.2.2", "srcPort": "81",
        "dstPort": "21", "srcPostNAT": "192.0.2.3", "dstPostNAT": "192.0.2.4", "srcPostNATPort": "82",
        "dstPostNATPort": "22", "srcMAC": "00:00:5e:00:53:01", "dstMAC": "00:00:5e:00:53:02", "srcBytes": "10",
        "dstBytes": "5000000000", "usrName": "joe", "accountName": "root", "role": "admin", "domain": "corp",
        "url": "https://a/?b=c", "policy": "allow all", "x": "y=z",
    }  # fmt: skip
    made = row(
        "<134>Jan 11 22:14:15 fw app[3]: " + ONE + "\t".join(f"{key}={value}" for key, value in attributes.items())
    )
    assert made["TimeGenerated"] == datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
    names = ("DeviceVendor", "DeviceProduct", "DeviceVersion", "DeviceEventClassID", "Activity", "LogSeverity")
    assert pick(made, names) == ("Vendor", "Product", "1.2", "login", "login", "5")
    names = ("DeviceEventCategory", "Protocol", "SourceIP", "DestinationIP", "SourcePort", "DestinationPort")
    assert pick(made, names) == ("auth", "tcp", "192.0.2.1", "192.0.2.2", 81, 21)
    names = (
        "SourceTranslatedAddress",
        "DestinationTranslatedAddress",
        "SourceTranslatedPort",
        "DestinationTranslatedPort",
    )
    assert pick(made, names) == ("192.0.2.3", "192.0.2.4", 82, 22)
    names = ("SourceMACAddress", "DestinationMACAddress", "SentBytes", "ReceivedBytes", "SourceUserName")
    assert pick(made, names) == ("00:00:5e:00:53:01", "00:00:5e:00:53:02", 10, 5_000_000_000, "joe")
    names = ("DestinationUserName", "SourceUserPrivileges", "SourceNTDomain", "RequestURL", "ReceiptTime")
    assert pick(made, names) == ("root", "admin", "corp", "https://a/?b=c", "1767323045678")
    assert made["AdditionalExtensions"] == "policy=allow all;x=y=z"
    assert pick(made, ("Computer", "ProcessName", "ProcessID", "DeviceFacility")) == ("fw", "app", 3, "local0")
    assert "_flags" not in made


def test_the_delimiter_of_version_two():
    ends = [
        "^|a=1^b=2",
        "0x5E|a=1^b=2",
        "x5e|a=1^b=2",
        "|a=1\tb=2",
        "a=1\tb=2",
        "0x09|a=1\tb=2",
        ";|a=1;b=2",
        "x7C|a=1|b=2",
    ]
    made = rows(read(lines(*(f"LEEF:2.0|V|P|1|E|{end}" for end in ends))))
    assert [one["AdditionalExtensions"] for one in made] == ["a=1;b=2"] * len(ends)
    # Half a surrogate pair is no character.
    [made_so] = rows(read(lines("LEEF:2.0|V|P|1|E|xD800|a=1\tb=2")))
    assert made_so["AdditionalExtensions"] == "a=1;b=2"
    # In version 1.0 it is a tab, whatever stands there.
    assert row("LEEF:1.0|V|P|1|E|^|a=1^b=2")["AdditionalExtensions"] == "^|a=1^b=2"


def test_pieces_without_a_key_and_second_values_are_kept():
    made = row(ONE + "src=192.0.2.1\tsrc=192.0.2.2\todd\tempty=")
    assert made["SourceIP"] == "192.0.2.1"
    assert made["AdditionalExtensions"] == "src=192.0.2.2;odd"


def test_times_and_their_formats():
    texts = {
        "devTime=14/02/2026 01:02:03 PM\tdevTimeFormat=dd/MM/yyyy hh:mm:ss a": "2026-02-14T13:02:03",
        "devTime=2026.02.14 at 13:02:03 +0100\tdevTimeFormat=yyyy.MM.dd 'at' HH:mm:ss Z": "2026-02-14T12:02:03",
        "devTime=Feb 14 2026 13:02:03.250\tdevTimeFormat=MMM dd yyyy HH:mm:ss.SSS": "2026-02-14T13:02:03.250000",
        "devTime=1767323045678\tdevTimeFormat=": "2026-01-02T03:04:05.678000",
        "devTime=Feb 14 13:02:03\tdevTimeFormat=MMM dd HH:mm:ss": "2026-02-14T13:02:03",
    }
    made = rows(read(lines(*(f"LEEF:1.0|V|P|1|E|{text}" for text in texts))))
    assert [one["TimeGenerated"].replace(tzinfo=None).isoformat() for one in made] == list(texts.values())
    assert not any("_flags" in one for one in made)
    made = row("<134>Jan 11 22:14:15 fw LEEF:1.0|V|P|1|E|devTime=noon\tdevTimeFormat=QQ")
    assert (made["TimeGenerated"].day, made["_flags"]) == (11, "bad_time=noon")
    assert row("LEEF:1.0|V|P|1|E|a=b")["TimeGenerated"] == ARRIVED


def test_incomplete_headers_are_refused():
    texts = [ONE, ONE, ONE, "LEEF:1.0|V|P|1", "LEEF:1.0|V|P|1|E", "text", "CEF:0|V|P|1|2|N|5|"]
    assert [position for position, _ in read(lines(*texts), format="leef").reasons()] == [3, 4, 5, 6]


def test_content_decides():
    assert detect(lines(ONE)).format == "leef"
    assert detect(json.dumps({"message": ONE}).encode() + b"\n").format != "leef"


@given(
    st.lists(st.binary(max_size=60) | st.builds(lambda text: ONE.encode() + text, st.binary(max_size=60)), max_size=8)
)
@settings(max_examples=12, deadline=None)
def test_any_bytes_are_accounted_for(texts):
    read(b"\n".join([ONE.encode(), *texts]), format="leef")


def test_published_samples(shared_dir):
    file = shared_dir / "data/formats/leef/sc4s_leef.jsonl"
    parsed = read(lines(*(json.loads(line)["raw"] for line in file.read_text().splitlines())))
    assert (parsed.report.format, parsed.report.rows, parsed.report.rejected) == ("leef", 8, 0)
    for made in rows(parsed):
        assert pick(made, ("DestinationIP", "SourcePort", "SourceUserName")) == ("172.50.123.1", 81, "joe.black")
