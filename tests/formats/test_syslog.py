"""Syslog of both RFCs and of the programs that write it to files."""

import json
from datetime import UTC, datetime
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.formats import detect
from s3sentinel_assets.formats.syslog.frames import cut_frames
from s3sentinel_assets.formats.syslog.parser import FACILITIES, SEVERITIES
from tests.formats.parsing import pieces
from tests.formats.texts import ARRIVED, lines, pick, read, row, rows

BSD = "<34>Jan 11 22:14:15 mymachine su[4711]: 'su root' failed for lonvick on /dev/pts/8 from 192.0.2.7"
RFC = (
    '<165>1 2026-02-11T22:14:15.003Z mymachine.example.com evntslog 8710 ID47 [exampleSDID@32473 iut="3" '
    'eventSource="App \\"x\\" [y\\] \\\\"][empty] \ufeffAn application event'
)
HEADER = ("HostName", "ProcessName", "ProcessID", "SyslogMessage")


def test_every_column_of_an_rfc_3164_line():
    made = row(BSD)
    when = datetime(2026, 1, 11, 22, 14, 15, tzinfo=UTC)
    assert made["TimeGenerated"] == made["EventTime"] == when
    assert pick(made, ("Facility", "SeverityLevel", "Computer")) == ("auth", "crit", "mymachine")
    message = "'su root' failed for lonvick on /dev/pts/8 from 192.0.2.7"
    assert pick(made, HEADER) == ("mymachine", "su", 4711, message)
    assert "HostIP" not in made
    assert "_flags" not in made
    assert "ExtraFields_CF" not in made


def test_every_column_of_an_rfc_5424_line():
    made = row(RFC)
    assert made["TimeGenerated"] == datetime(2026, 2, 11, 22, 14, 15, 3000, tzinfo=UTC)
    assert pick(made, ("Facility", "SeverityLevel")) == ("local4", "notice")
    assert pick(made, HEADER) == ("mymachine.example.com", "evntslog", 8710, "An application event")
    assert json.loads(made["ExtraFields_CF"]) == {
        "msgid": "ID47",
        "structured_data": {"exampleSDID@32473": {"iut": "3", "eventSource": 'App "x" [y] \\'}, "empty": {}},
    }


def test_nil_values_are_empty():
    made = row("<0>1 - - - - - -")
    assert pick(made, (*HEADER, "ExtraFields_CF")) == (None,) * 5
    assert pick(made, ("Facility", "SeverityLevel")) == ("kern", "emerg")
    assert made["_flags"] == "time_of_arrival"


def test_a_parameter_that_comes_twice_keeps_both_values():
    made = row('<13>1 2026-02-11T22:14:15Z h a - - [origin ip="192.0.2.1" ip="192.0.2.2"] m')
    assert json.loads(made["ExtraFields_CF"]) == {"structured_data": {"origin": {"ip": ["192.0.2.1", "192.0.2.2"]}}}


def test_names_of_facility_and_severity():
    *good, bad = rows(read(lines(*(f"<{priority}>Jan 11 22:14:15 h p: m" for priority in range(193)))))
    assert [pick(made, ("Facility", "SeverityLevel")) for made in good] == [*product(FACILITIES, SEVERITIES)]
    assert pick(bad, ("Facility", "SeverityLevel", "_flags")) == (None, None, "bad_pri=192")


def test_headers_of_many_kinds():
    kinds = [
        ("Jan 11 22:14:15 h sshd[12]: m: n", ("h", "sshd", 12, "m: n")),
        ("Jan  1 22:14:15 h CRON[1]: (root) CMD (x)", ("h", "CRON", 1, "(root) CMD (x)")),
        ("2026-01-11T22:14:15.123456+00:00 h systemd[1]: Started.", ("h", "systemd", 1, "Started.")),
        ("<13>2026-01-11T22:14:15+01:00 h prog - text", ("h", "prog", None, "- text")),
        ("<13>Jan 11 22:14:15 2001:db8::7 p: m", ("2001:db8::7", "p", None, "m")),
        ("<13>Jan 11 22:14:15 [192.0.2.1] p: m", ("192.0.2.1", "p", None, "m")),
        ("<13>Jan 11 22:14:15 haproxy[7]: no host", (None, "haproxy", 7, "no host")),
        ("Jan 11 22:14:15 kernel: [ 99.1] x: y", (None, "kernel", None, "[ 99.1] x: y")),
        ("<13> Jan 11 22:14:15 h : %ASA-3-1: denied", ("h", "%ASA-3-1", None, "denied")),
        ("<189>29: *Jan 11 2026 22:14:15 UTC: %SYS-5-X: m", (None, "%SYS-5-X", None, "m")),
        ("<13>Jan 11 22:14:15 h log_tag this is it", ("h", "log_tag", None, "this is it")),
        ('<13>Jan 11 22:14:15 h {"a":"b: c"}', ("h", None, None, '{"a":"b: c"}')),
        ("<13>Jan 11 22:14:15 h k=v p: m", ("h", None, None, "k=v p: m")),
        ("<13>Jan 11 22:14:15 h", ("h", None, None, None)),
        ("Jan 11 22:14:15 --- MARK ---", (None, None, None, "--- MARK ---")),
        ("Jan 11 22:14:15 h last message repeated 5 times", ("h", None, None, "last message repeated 5 times")),
        ("2026-01-11T22:14:15.1Z h NSX 31 SW [a@1 b=\"c\"] m", ("h", "NSX", 31, "m")),
        ("2026-01-11T22:14:15.1Z h CRON 20856 - -  (root) CMD", ("h", "CRON", 20856, "(root) CMD")),
        ("<13>1 2026-01-11T22:14:15Z h app: m of RFC 3164", ("h", "app", None, "m of RFC 3164")),
        ("<13>1 2026-01-11T22:14:15Z h app x y z [not structured", ("h", "app", None, "x y z [not structured")),
        ("54 <13>Jan 11 22:14:15 h p: one line and a length", ("h", "p", None, "one line and a length")),
    ]  # fmt: skip
    made = rows(read(lines(*(text for text, _ in kinds))))
    assert [pick(one, HEADER) for one in made] == [expected for _, expected in kinds]
    assert {one["TimeGenerated"].day for one in made} == {1, 11}
    assert not any("_flags" in one for one in made)


def test_a_host_that_is_an_address():
    assert row("<13>Jan 11 22:14:15 192.0.2.1 p: m")["HostIP"] == "192.0.2.1"
    assert row("<13>Jan 11 22:14:15 2001:db8::7 p: m")["HostIP"] == "2001:db8::7"


def test_a_word_of_severity_is_no_host():
    made = row("2026-01-11T22:14:15.1-07:00 WARNING kernel: m")
    assert pick(made, ("SeverityLevel", "HostName", "ProcessName")) == ("warning", None, "kernel")


def test_a_process_id_that_is_no_number_is_told():
    made = row("<13>1 2026-01-11T22:14:15Z h app NSX - - m")
    assert "ProcessID" not in made
    assert made["_flags"] == "bad_ProcessID=NSX"


def test_lines_of_all_kinds_may_mix():
    parsed = read(lines(BSD, RFC, "<13>no time", "Jan 11 22:14:15 h p[1]: m", BSD))
    assert [made["_ordinal"] for made in rows(parsed)] == [0, 1, 2, 3, 4]
    assert [made.get("ProcessName") for made in rows(parsed)] == ["su", "evntslog", None, "p", "su"]


def test_without_a_time_it_is_the_arrival():
    made = row("<13>app: message")
    assert made["TimeGenerated"] == ARRIVED
    assert made["_flags"] == "time_of_arrival"
    assert made["ProcessName"] == "app"
    parsed = read(lines(BSD, "<13>app: message"), arrived=None)
    assert parsed.reasons() == [(1, "no_event_time")]


def test_a_bad_time_is_told():
    made = row("<13>1 yesterday h a - - - m")
    assert made["_flags"] == "bad_time=yesterday;time_of_arrival"


def test_the_year_and_the_zone():
    assert row("<13>Dec 11 22:14:15 h p: m")["TimeGenerated"].year == 2025
    made = row("<13>Jan 11 22:14:15 h p: m", arrived=None)
    assert made["_flags"] == "year_guessed"
    assert row("<13>Jan 11 22:14:15 h p: m", zone="America/New_York")["TimeGenerated"].day == 12
    assert row(RFC, zone="America/New_York")["TimeGenerated"].hour == 22


def test_indented_lines_belong_to_the_message_above():
    text = b"Jan 11 22:14:15 h p[1]: Configuration Notice:\r\n\tASL Module\n  and more\n"
    text += b"Jan 11 22:14:16 h p[1]: next#011x\n"
    for step in (1, 7, 65_536):
        parsed = read(text, step=step)
        assert [made["SyslogMessage"] for made in rows(parsed)] == [
            "Configuration Notice:\n\tASL Module\n  and more",
            "next#011x",
        ]


def test_frames_with_their_length_in_front_are_cut_by_it():
    messages = [BSD, RFC, "<13>Jan 11 22:14:15 h p: two\nlines\n", BSD]
    data = b"".join(b"%d %s" % (len(text.encode()), text.encode()) for text in messages)
    for step in (1, 50, 65_536):
        made = rows(read(data, step=step))
        assert [one["ProcessName"] for one in made] == ["su", "evntslog", "p", "su"]
        assert made[2]["SyslogMessage"] == "two\nlines"


@pytest.mark.parametrize(
    "data", [b"5 <13>Jan 11 22:14:15 h p: wrong", b"999 <13>too long\n", b"12 no\n", b"", b"7 <13>x"]
)
def test_a_wrong_length_takes_no_bytes_away(data):
    assert b"".join(cut_frames(pieces(data, 3))) == data


@given(st.lists(st.binary(max_size=40), max_size=5), st.integers(1, 30))
@settings(max_examples=40, deadline=None)
def test_cutting_frames_keeps_every_byte_in_place(messages, step):
    data = b"".join(b"%d <13>%s" % (len(message) + 4, message) for message in messages)
    cut = b"".join(cut_frames(pieces(data, step)))
    assert len(cut) == len(data)
    assert cut.count(b"<13>") == data.count(b"<13>")


def test_entities():
    entity = read(lines(BSD)).entities.row(0, named=True)
    assert entity["principal"] == "mymachine"
    assert entity["service"] == "su"
    assert entity["action"] == "su/crit"
    assert entity["source_ip"] == "192.0.2.7"
    assert entity["error"] == "crit"


def test_other_text_is_no_syslog():
    others = (
        "2016-10-06T00:17:09.669794202Z stdout P log content 1",
        "2022-06-02T11:58:12.193Z info vpxd[45715] [Originator@6876 sub=vpxLro] -- BEGIN",
        "2015-04-24T21:08:10.313913+00:00 err rbd  [22968]lotuscreds:ERROR:Could not",
        "2012-07-02 10:22:40,672:DEBUG:foo bar baz",
        "Mon Jun  6 18:43:28 2016 [pid 2] CONNECT: Client",
        "not much of a syslog message",
    )
    assert "syslog" not in [detect(lines(text)).format for text in others]
    parsed = read(lines(*[BSD] * 6, *others), format="syslog")
    assert parsed.reasons() == [(number, "not_syslog") for number in range(6, 12)]


def test_events_that_travel_in_syslog_are_read_as_what_they_are():
    event = "<134>Jan 11 22:14:15 fw CEF:0|V|P|1|2|Name|5|src=192.0.2.1 msg=hello"
    parsed = read(lines(BSD, BSD, event, RFC))
    assert [(frame.table, frame.rows.height) for frame in parsed.frames] == [("Syslog", 3), ("CommonSecurityLog", 1)]
    # Where nothing but syslog is wanted they stay syslog.
    assert read(lines(BSD, event), format="syslog").report.rows == 2


@given(st.lists(st.binary(max_size=60) | st.sampled_from([BSD.encode(), RFC.encode(), b"\ttext", b"<13>"]), max_size=8))
@settings(max_examples=12, deadline=None)
def test_any_bytes_are_accounted_for(texts):
    read(b"\n".join([BSD.encode(), *texts]), format="syslog")


def test_published_samples(shared_dir):
    folder = shared_dir / "data/formats/syslog"
    for name, skipped in (("sc4s_syslog_rfc3164", 27), ("sc4s_syslog_rfc5424", 0)):
        records = [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]
        texts = [record["raw"] for record in records if "\n" not in record["raw"]]
        parsed = read(lines(*texts), format="syslog")
        # The others have neither priority nor date: they are no syslog.
        assert parsed.report.rejected == sum(not text.startswith("<") for text in texts) <= skipped
        hosts = [made.get("HostName") for made in rows(parsed) if made.get("_flags") is None]
        assert sum(host == "host-abc01" for host in hosts) > len(hosts) * 0.8


def test_published_samples_with_their_expected_fields(shared_dir):
    file = shared_dir / "data/formats/syslog/vrl_parse_syslog.jsonl"
    records = [record for record in map(json.loads, file.read_text().splitlines()) if "input" in record]
    records = [record for record in records if record["result"] == "ok" and "_rust" not in record["expected"]]
    assert len(records) == 7
    names = ("Facility", "SeverityLevel", "HostName", "ProcessName", "ProcessID", "SyslogMessage")
    keys = ("facility", "severity", "hostname", "appname", "procid", "message")
    for record, made in zip(records, rows(read(lines(*(record["input"] for record in records)))), strict=True):
        expected = record["expected"]
        assert pick(made, names) == pick(expected, keys)
        assert made["TimeGenerated"].strftime("%Y-%m-%dT%H:%M:%SZ") == expected["timestamp"]
        extra = json.loads(made["ExtraFields_CF"])
        assert extra.get("msgid") == expected.get("msgid")
        assert extra["structured_data"] == {key: value for key, value in expected.items() if isinstance(value, dict)}


def test_published_files(shared_dir):
    expected = {
        "plaso/syslog": (16, 1),
        "plaso/syslog_chromeos": (8, 0),
        "plaso/syslog_rsyslog": (5, 0),
        "plaso/syslog_rsyslog_traditional": (8, 1),
        "plaso/syslog_rsyslog_SyslogProtocol23Format": (9, 1),
        "plaso/syslog_ssh.log": (9, 0),
        "plaso/syslog_osx": (2, 0),
        "lnav/logfile_syslog.3": (7, 0),
        "lnav/logfile_haproxy.0": (17, 0),
    }
    parsed = read(*((shared_dir / "data/formats/syslog" / name).read_bytes() for name in expected))
    assert {report.format for report in parsed.reports} == {"syslog"}
    assert [(report.rows, report.rejected) for report in parsed.reports] == list(expected.values())
    # A time to the millisecond and any text is how CloudWatch exports look too, so this one must be told.
    file = shared_dir / "data/formats/syslog/lnav/logfile_with_zones.0"
    assert read(file.read_bytes(), format="syslog").report.rows == 3
