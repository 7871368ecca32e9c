"""CloudWatch Logs by subscription: every way it comes in, and messages that are records of other formats."""

import base64
import gzip
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.formats import PartParser, detect
from tests.formats.parsing import Parsed, an_input, check_account, parse, parse_inputs, record, zipped

MOMENT = 1_700_000_000_123
FLOW = "2 111122223333 eni-1 10.0.0.1 10.0.0.2 443 50000 6 5 500 1700000000 1700000060 ACCEPT OK"


def event(number: int, message: Any, **changes: Any) -> dict[str, Any]:
    return {"id": f"3700{number}", "timestamp": MOMENT + number, "message": message} | changes


def subscription(*events: Any, group: str = "/app", **changes: Any) -> bytes:
    made = {
        "messageType": "DATA_MESSAGE",
        "owner": "111122223333",
        "logGroup": group,
        "logStream": "stream-1",
        "subscriptionFilters": ["to-s3"],
        "logEvents": list(events),
    }
    return json.dumps(made | changes, separators=(",", ":")).encode()


def packed(data: bytes) -> bytes:
    return json.dumps({"awslogs": {"data": base64.b64encode(gzip.compress(data, mtime=0)).decode()}}).encode()


def rows(parsed: Parsed) -> dict[str, list[int]]:
    """Format → ordinals of its rows."""
    return {frame.format: frame.rows["_ordinal"].to_list() for frame in parsed.frames}


CONTROL = subscription(event(0, "CWL CONTROL MESSAGE: checking health"), messageType="CONTROL_MESSAGE")


def test_every_column_from_its_field():
    content = subscription(event(1, "hello\n", extractedFields={"@aws.region": "eu-central-1"}), policyLevel="ACCOUNT")
    parsed = parse(content)
    row = parsed.rows.row(0, named=True)
    moment = datetime.fromtimestamp((MOMENT + 1) / 1000, UTC)
    assert (row["TimeGenerated"], row["ExtractedTime"], row["Message"]) == (moment, moment, "hello\n")
    assert json.loads(row["ExtraFields_CF"]) == {
        "owner": "111122223333",
        "logGroup": "/app",
        "logStream": "stream-1",
        "subscriptionFilters": ["to-s3"],
        "policyLevel": "ACCOUNT",
        "id": "37001",
        "extractedFields": {"@aws.region": "eu-central-1"},
    }
    entity = parsed.entities.row(0, named=True)
    known = {"account": "111122223333", "region": "eu-central-1", "principal": "/app", "target": "stream-1"}
    assert known.items() <= entity.items()


@pytest.mark.parametrize(
    "content",
    [
        subscription(event(0, "a"), event(1, "b")) + subscription(event(2, "c")),
        subscription(event(0, "a"), event(1, "b")) + b"\n" + subscription(event(2, "c")) + b"\n",
        CONTROL + subscription(event(0, "a"), event(1, "b")) + CONTROL + subscription(event(2, "c")),
        b"[" + subscription(event(0, "a"), event(1, "b")) + b"," + subscription(event(2, "c")) + b"]",
        packed(subscription(event(0, "a"), event(1, "b"))) + packed(CONTROL) + packed(subscription(event(2, "c"))),
        zipped(zipped(subscription(event(0, "a"), event(1, "b"))) + zipped(subscription(event(2, "c")))),
    ],
    ids=["firehose", "lines", "control", "array", "packed", "gzip"],
)
@pytest.mark.parametrize("log_format", ["auto", "cloudwatch_logs"])
def test_every_log_event_is_a_record_whatever_it_comes_in(content, log_format):
    parsed = parse(content, format=log_format)
    assert parsed.rows.select("_ordinal", "Message").rows() == [(0, "a"), (1, "b"), (2, "c")]
    assert (parsed.report.format, parsed.report.state) == ("cloudwatch_logs", "read")


def test_an_object_of_control_messages_alone_holds_no_record():
    report = parse(CONTROL * 2).report
    assert (report.state, report.records, report.format) == ("read", 0, "cloudwatch_logs")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("!!", "bad_base64"),
        (base64.b64encode(b"plain text").decode(), "corrupt_gzip"),
        (base64.b64encode(gzip.compress(CONTROL, mtime=0)[:-12]).decode(), "truncated_gzip"),
        (base64.b64encode(gzip.compress(b'{"a":1}', mtime=0)).decode(), "not_cloudwatch_logs"),
        (base64.b64encode(gzip.compress(b"rubbish", mtime=0)).decode(), "not_cloudwatch_logs"),
    ],
)
def test_a_packed_record_that_cannot_be_unpacked_is_one_reject(data, reason):
    bad = json.dumps({"awslogs": {"data": data}}).encode()
    parsed = parse(subscription(event(0, "a")) + bad + subscription(event(1, "b")))
    assert parsed.reasons() == [(1, reason)]
    assert parsed.rejects["data"][0] == bad
    assert parsed.rows["Message"].to_list() == ["a", "b"]


def test_a_packed_bomb_is_rejected(monkeypatch):
    monkeypatch.setattr("s3sentinel_assets.formats.cloudwatch.envelopes.UNPACKED_BYTES", 1 << 16)
    parsed = parse(packed(subscription(event(0, "a" * (1 << 17)))) + packed(subscription(event(1, "b"))))
    assert parsed.reasons() == [(0, "too_many_bytes")]
    assert parsed.rows["Message"].to_list() == ["b"]


def test_messages_of_known_formats_become_rows_of_theirs():
    trail = [event(n, json.dumps(record(n))) for n in range(3)]
    content = (
        subscription(*(event(n, FLOW) for n in range(3)), group="flows")
        + subscription(*trail[:2], event(9, json.dumps({"other": 1})), group="trail")
        + subscription(event(0, "START"), event(1, '{"level":"info"}'), group="app")
        + subscription(trail[2], event(8, FLOW + "\n"), group="trail")
    )
    assert rows(parse(content)) == {"cloudwatch_logs": [5, 6, 7], "vpc_flow": [0, 1, 2, 9], "cloudtrail": [3, 4, 8]}
    assert rows(parse(content, format="cloudwatch_logs")) == {"cloudwatch_logs": list(range(10))}


def test_a_message_without_a_time_of_its_own_stays_a_log_event():
    messages = [json.dumps(record(0)), json.dumps(record(1, eventTime="never")), json.dumps(record(2, eventTime=...))]
    query = {"query_timestamp": "never", "query_name": "a.", "query_type": "A", "query_class": "IN", "rcode": "NOERROR"}
    flows = [FLOW, FLOW.replace("1700000000 1700000060", "- -")]
    for group in (messages, [json.dumps(query)], flows):
        parsed = parse(subscription(*(event(n, message) for n, message in enumerate(group))))
        assert parsed.rejects.is_empty()
        assert parsed.report.records == len(group)
        kept = next(frame for frame in parsed.frames if frame.format == "cloudwatch_logs")
        assert group[-1] in kept.rows["Message"].to_list()


def test_rows_that_another_format_took_are_in_the_order_of_the_records():
    content = b"".join(subscription(event(n, FLOW), group=f"flows-{n % 2}") for n in range(6))
    inputs = [an_input(number, content) for number in (7, 3)]
    parsed = parse_inputs(inputs)
    assert [frame.format for frame in parsed.frames] == ["vpc_flow"]
    places = [(number, ordinal) for number in (7, 3) for ordinal in range(6)]
    assert parsed.frames[0].rows.select("_object", "_ordinal").rows() == places


def test_a_document_of_another_kind_is_offered_and_else_rejected():
    first, last = (subscription(event(n, "a"), event(n, "b")) for n in (0, 1))
    parsed = parse(CONTROL * 3 + first + json.dumps(record()).encode() + b'{"x":1}' + last)
    assert rows(parsed) == {"cloudwatch_logs": [0, 1, 4, 5], "cloudtrail": [2]}
    assert parsed.reasons() == [(3, "not_cloudwatch_logs")]


def test_drift_is_flagged_and_nothing_is_lost():
    content = subscription(
        event(0, {"not": "text"}),
        event(1, "no time", timestamp=None),
        event(2, "new", ingestionTime=5),
        5,
        event(4, "text as time", timestamp=str(MOMENT)),
        owner=111122223333,
    )
    parsed = parse(content)
    assert parsed.reasons() == [(1, "no_event_time"), (3, "not_an_object")]
    assert parsed.rows["Message"].to_list() == ['{"not":"text"}', "new", "text as time"]
    assert parsed.rows["_flags"].to_list()[0] == "drift:message"
    assert json.loads(parsed.rows["ExtraFields_CF"][1]).items() >= {"ingestionTime": 5, "owner": 111122223333}.items()


def test_a_stray_record_of_one_log_event_is_taken_in():
    lines = [json.dumps(record()).encode(), subscription(event(1, "a")), subscription(event(2, "b"), event(3, "c"))]
    parsed = parse(b"\n".join(lines))
    assert rows(parsed) == {"cloudtrail": [0], "cloudwatch_logs": [1]}
    assert [position for position, _ in parsed.reasons()] == [2]


def test_a_cut_object_keeps_what_was_whole():
    parsed = parse(subscription(event(0, "a")) + subscription(event(1, "b"))[:-20])
    assert (parsed.report.state, parsed.reasons()) == ("partly_read", [(1, "truncated_json")])
    assert parsed.rows["Message"].to_list() == ["a"]


def test_how_bytes_arrive_makes_no_difference():
    content = b"".join(subscription(event(n, FLOW), event(n, "x"), group=f"{n}") for n in range(5))
    whole, split = parse(content), parse(content, step=11)
    assert [frame.rows.equals(other.rows) for frame, other in zip(whole.frames, split.frames, strict=True)] == [
        True
    ] * 2


@pytest.mark.parametrize(
    "content", [subscription(event(0, "a")), CONTROL, packed(CONTROL), subscription(event(0, FLOW))]
)
def test_it_is_recognised(content):
    for head in (content, content[: len(content) - 10]):
        found = detect(head)
        assert found.format == "cloudwatch_logs"
        assert [name for name, confidence, _ in found.considered if confidence >= 0.6] == ["cloudwatch_logs"]


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [subscription(event(0, FLOW), event(1, "x")), CONTROL, packed(CONTROL), b'{"logEvents":[', b"\n"]
        )
        | st.binary(max_size=40),
        max_size=6,
    ),
    st.integers(1, 300),
    st.booleans(),
)
def test_any_bytes_are_accounted_for(parts, step, shared):
    parser = PartParser("auto" if shared else "cloudwatch_logs")
    frames = list(parser.frames([an_input(0, CONTROL + b"".join(parts), step=step)]))
    check_account(Parsed(frames, parser.reports, parser.rejects))


def test_published_samples(shared_dir):
    folder = shared_dir / "data/formats/cloudwatch_logs"
    if not folder.is_dir():
        pytest.skip("no samples")
    read = 0
    for file in sorted(folder.rglob("*.json")):
        content = file.read_bytes()
        if b'"logEvents"' not in content and b'"awslogs": {\n    "data"' not in content:
            continue
        parsed = parse(content)
        assert (parsed.report.state, parsed.report.rejected) == ("read", 0), file.name
        if b'"logEvents"' in content:
            assert parsed.report.rows == len(json.loads(content)["logEvents"]), file.name
        read += 1
    assert read > 8
    for line in (folder / "vrl_parse_aws_cloudwatch_log_subscription_message.jsonl").read_text().splitlines():
        case = json.loads(line)
        if case.get("result") != "ok" or "log_events" not in (case.get("expected") or ()) or "input" not in case:
            continue
        parsed = parse(case["input"].encode(), format="cloudwatch_logs")
        assert parsed.rows["Message"].to_list() == [each["message"] for each in case["expected"]["log_events"]]
