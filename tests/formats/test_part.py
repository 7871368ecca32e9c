"""The loop over objects: states, counts, frames and checksums, whatever the format."""

import hashlib

import polars as pl
import pytest

from s3sentinel_assets.containers import ReadFailure
from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.formats import ObjectInput, PartParser
from s3sentinel_assets.formats.cloudtrail.parser import CloudTrailParser
from s3sentinel_assets.formats.rejects import REJECT_DATA_BYTES, REJECT_SCHEMA
from tests.formats.parsing import an_input, parse, parse_inputs, record, trail, zipped

FLOW = b"2 111122223333 eni-1 10.0.0.1 10.0.0.2 443 50000 6 5 500 1700000000 1700000060 ACCEPT OK\n"


def failing(state, after=b"", reason="because"):
    def stream():
        if after:
            yield after
        raise ReadFailure(state, reason)

    return stream


def test_mixed_objects_are_recognised_each_and_reported_in_order():
    parsed = parse(zipped(trail(record())), FLOW, trail(record(1), record(2)))
    assert [(r.format, r.table, r.state, r.records) for r in parsed.reports] == [
        ("cloudtrail", "AWSCloudTrail", "read", 1),
        ("vpc_flow", "AWSVPCFlow", "read", 1),
        ("cloudtrail", "AWSCloudTrail", "read", 2),
    ]
    assert {frame.format: frame.rows.height for frame in parsed.frames} == {"cloudtrail": 3, "vpc_flow": 1}


def test_bytes_and_checksum_are_those_of_the_stored_object():
    data = zipped(trail(record()))
    report = parse(data).report
    assert report.sha256 == hashlib.sha256(data).hexdigest()
    assert report.raw_bytes == len(data)
    assert report.decoded_bytes == len(trail(record()))


@pytest.mark.parametrize("data", [b"", zipped(b""), b"\n \n", zipped(b"\n")])
@pytest.mark.parametrize("log_format", ["auto", "cloudtrail", "vpc_flow"])
def test_an_empty_object_is_read_and_has_no_records(data, log_format):
    report = parse(data, format=log_format).report
    assert (report.state, report.records, report.note) == ("read", 0, "empty object")


@pytest.mark.parametrize("log_format", ["auto", "cloudtrail", "vpc_flow"])
@pytest.mark.parametrize("garbage", [bytes(range(256)) * 40, b"hello world\nhow are you\n", b"<xml/>", b"PK\x03\x04"])
def test_garbage_is_one_reject_and_unreadable(garbage, log_format):
    parsed = parse(garbage, format=log_format)
    assert (parsed.report.state, parsed.report.records, parsed.report.rejected) == ("unreadable", 1, 1)
    assert parsed.report.format is None
    assert parsed.rejects["data"][0] == garbage
    assert parsed.rejects["reason"][0] == ("unknown_format" if log_format == "auto" else f"not_{log_format}")


def test_garbage_keeps_a_bounded_sample_and_the_checksum_of_all():
    garbage = b"\x01\x02" * 1_000_000
    parsed = parse(garbage)
    assert len(parsed.rejects["data"][0]) == REJECT_DATA_BYTES
    assert parsed.rejects["truncated"][0]
    assert parsed.report.sha256 == hashlib.sha256(garbage).hexdigest()
    assert parsed.report.decoded_bytes == len(garbage)


def test_a_truncated_container_before_any_record_is_unreadable():
    parsed = parse(zipped(trail(record()))[:15])
    assert (parsed.report.state, parsed.reasons()) == ("unreadable", [(0, "truncated_gzip")])


def test_a_corrupt_container_after_records_is_partly_read():
    data = bytearray(zipped(trail(record(), record(1))))
    data[-6] ^= 1
    parsed = parse(bytes(data))
    assert (parsed.report.state, parsed.report.rows) == ("partly_read", 2)
    assert parsed.reasons() == [(2, "gzip_checksum")]


def test_a_bomb_is_cut_and_said():
    parsed = parse(zipped(FLOW * 400_000), decompression_ratio=20)
    assert parsed.report.state == "partly_read"
    assert parsed.rejects["reason"].to_list() == ["decompression_bomb"]
    assert parsed.report.rows > 0


def test_too_many_bytes_are_cut_and_said():
    parsed = parse(FLOW * 30_000, object_decoded_bytes=1 << 20)
    assert parsed.rejects["reason"].to_list() == ["too_many_bytes"]


@pytest.mark.parametrize("state", ["vanished", "denied", "kms_denied", "archived", "throttled", "broken", "unreadable"])
def test_an_object_that_cannot_be_read_has_no_records_and_stops_nothing(state):
    inputs = [
        an_input(0, trail(record())),
        ObjectInput(1, "gone", "0" * 16, failing(state)),
        an_input(2, trail(record(1))),
    ]
    parsed = parse_inputs(inputs)
    assert [(r.state, r.records) for r in parsed.reports] == [("read", 1), (state, 0), ("read", 1)]
    assert parsed.reports[1].note == "because"
    assert parsed.reports[1].sha256 == ""


@pytest.mark.parametrize("state", ["vanished", "unreadable"])
@pytest.mark.parametrize("content", [trail(record(), record(1)), FLOW * 2])
def test_what_came_before_an_object_vanished_counts(state, content):
    parsed = parse_inputs([ObjectInput(0, "k", "0" * 16, failing(state, content[:-30]))])
    report = parsed.reports[0]
    assert (report.state, report.rows, report.rejected, report.sha256) == ("partly_read", 1, 1, "")
    assert parsed.reasons() == [(1, state)]
    assert "because" in (report.note or "")


def test_many_small_objects_share_a_frame_and_keep_their_order():
    parsed = parse(*(trail(record(n), record(n + 500)) for n in range(200)))
    assert len(parsed.frames) == 1
    assert parsed.rows["_object"].to_list() == [n for n in range(200) for _ in range(2)]
    assert parsed.rows["_ordinal"].to_list() == [0, 1] * 200


@pytest.mark.parametrize(
    "content", [trail(*(record(n) for n in range(4_000))), FLOW * 200_000], ids=["cloudtrail", "vpc_flow"]
)
def test_a_big_object_is_cut_into_frames(content):
    parsed = parse(content, file_decoded_bytes=1 << 19)
    assert len(parsed.frames) > 1
    assert parsed.rows["_ordinal"].to_list() == list(range(parsed.report.records))


def test_frames_do_not_depend_on_how_bytes_arrive():
    contents = (trail(*(record(n) for n in range(50))), FLOW * 50)
    whole, split = parse(*contents), parse(*contents, step=13)
    for a, b in zip(whole.frames, split.frames, strict=True):
        assert a.rows.equals(b.rows)
        assert a.entities.equals(b.entities)
    assert whole.reports == split.reports


def test_one_parser_of_a_format_reads_all_its_objects(monkeypatch):
    made = []
    original = CloudTrailParser.__init__
    monkeypatch.setattr(
        CloudTrailParser, "__init__", lambda self, *given: (made.append(self), original(self, *given))[1]
    )
    assert sum(report.rows for report in parse(*[trail(record(n)) for n in range(5)]).reports) == 5
    assert len(made) == 1


def test_parsing_twice_gives_the_same():
    content = trail(record(), record(1, readOnly="maybe"), 5) + b"tail"
    assert parse(content).rows.equals(parse(content).rows)


def test_an_unknown_format_is_a_configuration_error():
    with pytest.raises(ConfigurationError, match=r"unknown format 'nonsense'.*cloudtrail"):
        PartParser("nonsense")


def test_ids_must_differ():
    with pytest.raises(ValueError, match="twice"):
        parse_inputs([an_input(3, FLOW), an_input(3, FLOW)])


def test_rejects_have_their_schema_even_when_there_are_none():
    assert dict(parse(FLOW).rejects.schema) == REJECT_SCHEMA
    assert parse(FLOW).rejects.height == 0


def test_no_objects_no_frames():
    parsed = parse_inputs([])
    assert parsed.frames == []
    assert parsed.reports == []
    assert isinstance(parsed.rejects, pl.DataFrame)
