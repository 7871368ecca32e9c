"""Detection by content, on real samples of other formats too."""

import json

import pytest

from s3sentinel_assets.formats import FORMATS, detect, format_names, format_parser
from s3sentinel_assets.tables import table_names
from tests.formats.parsing import an_input, parse_inputs, record, trail

FLOW = b"2 111122223333 eni-1 10.0.0.1 10.0.0.2 443 50000 6 5 500 1700000000 1700000060 ACCEPT OK\n"


@pytest.mark.parametrize("name", FORMATS)
def test_every_registered_format_is_complete(name):
    parser = format_parser(name)
    assert parser.name == name
    assert {mapping.table for mapping in (*parser.native, *parser.asim)} <= set(table_names())
    assert parser.title
    assert parser.sniff(b"", "").confidence < 0.3
    assert name in format_names()


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (trail(record()), "cloudtrail"),
        (trail(record())[:200], "cloudtrail"),
        (json.dumps(record()).encode(), "cloudtrail"),
        (b'{"Records":[', "cloudtrail"),
        (FLOW, "vpc_flow"),
        (FLOW[:-1], "vpc_flow"),
        (b"version account-id interface-id srcaddr dstaddr\n", "vpc_flow"),
        (b"start srcaddr\n1 2\n", "vpc_flow"),
        (b"", None),
        (b"{}", "json_lines"),
        (b'{"a": 1}', "json_lines"),
        (b"hello", None),
        (b"2 3 4\n", None),
        (b"\x00\x01\x02\x03", None),
        (b'{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"r","eventTime":"t"}]}', "json_lines"),
        (b'{"digestStartTime":"2023-07-10T10:48:05Z","digestS3Bucket":"b","digestS3Object":"o"}', None),
    ],
)
def test_content_decides(head, expected):
    found = detect(head, "AWSLogs/1/whatever.gz")
    assert found.format == expected
    assert found.why
    assert sorted(name for name, _, _ in found.considered) == format_names()


@pytest.mark.parametrize("planted", ['{"digestStartTime":"x","digestS3Object":"y"}', '{"eventSource":"aws:s3"}'])
def test_what_a_caller_plants_in_an_event_does_not_hide_the_file(planted):
    event = '{"eventVersion":"1.09","eventTime":"t","eventSource":"ssm.amazonaws.com","eventName":"PutParameter",'
    event += f'"requestParameters":{{"tags":{planted}}},"eventID":"e"}}'
    assert detect(f'{{"Records":[{event}]}}'.encode()).format == "cloudtrail"


def test_the_key_does_not_overrule_the_content():
    assert detect(FLOW, "AWSLogs/1/CloudTrail/eu/2026/x.json.gz").format == "vpc_flow"


def test_notifications_are_not_taken_for_logs(shared_dir):
    samples = shared_dir / "data/formats/s3_events"
    if not samples.is_dir():
        pytest.skip("no samples")
    for file in samples.rglob("*"):
        if file.is_file() and file.name != "SOURCES.md":
            assert detect(file.read_bytes()[:16_384], "").format in (None, "json_lines"), file.name


EXPORTED_CEF = b"2026-11-23T12:00:01.000Z CEF:0|Vendor|Product|1|100|name|5|src=192.0.2.1\n" * 50
EXPORTED = b"2026-11-23T12:00:01.000Z hello\n" * 50
EXPORT_KEY = "exportedlogs/0b3b5b2e-1111-2222-3333-444455556666/i-0123/{:06}.gz"


def test_a_format_that_key_and_content_name_is_not_contested():
    key = "AWSLogs/111122223333/vpcflowlogs/eu-central-1/2026/11/23/x.log.gz"
    quick, whole = detect(FLOW * 20, key, quick=True), detect(FLOW * 20, key)
    assert [name for name, _, _ in quick.considered] == ["vpc_flow"]
    assert (quick.format, quick.confidence, quick.why) == (whole.format, whole.confidence, whole.why)
    assert len(whole.considered) == len(format_names())
    assert detect(trail(record()), key, quick=True).format == "cloudtrail"


def test_an_objects_format_does_not_depend_on_the_objects_before_it():
    contents = [EXPORTED, EXPORTED_CEF]
    found = []
    for order in ([0, 1], [1, 0], [1]):
        inputs = [an_input(number, contents[number], EXPORT_KEY.format(number)) for number in order]
        found.append({report.object_id: report.format for report in parse_inputs(inputs).reports}[1])
    assert len(set(found)) == 1


def test_a_key_strengthens_what_the_content_says_and_nothing_else():
    key = "AWSLogs/111122223333/vpcflowlogs/eu-central-1/2026/11/23/x.log.gz"
    with_key, without = detect(FLOW, key), detect(FLOW, "x")
    assert with_key.confidence > without.confidence
    assert detect(b"hello", key).format is None


#: What whoever causes a log line may write into it.
EVENT_OF_A_CLIENT = "CEF:0|V|P|1|100|name|5|src=192.0.2.66 LEEF:1.0|V|P|1|login|src=192.0.2.66"


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('192.0.2.1 - - [10/Oct/2026:13:55:36 +0000] "GET / HTTP/1.1" 200 5 "-" "{}"', "web_access"),
        ("<34>Oct 11 22:14:15 host sshd[42]: Invalid user {} from 192.0.2.1", "syslog"),
        ("<34>1 2026-10-11T22:14:15Z host sshd 42 - - Invalid user {} from 192.0.2.1", "syslog"),
        ('time=2026-10-11T22:14:15Z level=info msg="no user {}"', "logfmt"),
    ],
)
@pytest.mark.parametrize("event", [EVENT_OF_A_CLIENT, EVENT_OF_A_CLIENT.partition(" ")[2]])
def test_an_event_in_what_a_client_writes_is_none(line, name, event):
    content = (line.format(event) + "\n").encode() * 30
    assert detect(content).format == name
    parsed = parse_inputs([an_input(0, content)])
    assert {frame.format for frame in parsed.frames} == {name}
