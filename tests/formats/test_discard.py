"""Objects refused half-way: nothing of them counts, and their neighbours lose nothing."""

import polars as pl
import pytest

from s3sentinel_assets.containers import ReadFailure, ReadFailureState
from s3sentinel_assets.formats import ObjectInput, PartParser
from s3sentinel_assets.formats.cloudtrail.parser import CloudTrailParser
from s3sentinel_assets.formats.vpc_flow.parser import VpcFlowParser
from tests.formats.parsing import IDENTITY, Parsed, an_input, check_account, pieces, record, trail, zipped

FLOW = "2 111122223333 eni-{n} 10.0.0.1 10.0.0.2 443 50000 6 5 500 1700000000 1700000060 ACCEPT OK"
BIG = {
    "cloudtrail": trail(*(record(n) for n in range(3_000)), record(3_000, eventTime=None)),
    "vpc_flow": "\n".join(["bad", *(FLOW.format(n=n) for n in range(20_000)), ""]).encode(),
}
SMALL = {"cloudtrail": trail(record(1), record(2)), "vpc_flow": (FLOW.format(n=1) + "\n").encode() * 2}


@pytest.fixture(autouse=True)
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Formats hold little at once, so that objects of these sizes are large to them."""
    monkeypatch.setattr(CloudTrailParser.__init__, "__kwdefaults__", {"window": 1 << 18})
    monkeypatch.setattr(VpcFlowParser.__init__, "__kwdefaults__", {"block": 1 << 18})


def broken(number: int, data: bytes, step: int = 65_536, state: ReadFailureState = "broken") -> ObjectInput:
    """All of ``data``, then a refusal."""

    def stream():
        yield from pieces(data, step)
        raise ReadFailure(state, "it breaks off")

    return ObjectInput(number, f"object-{number}", f"{IDENTITY}{number:04x}", stream)


def used(parser: PartParser, inputs: list[ObjectInput]) -> Parsed:
    """What a caller may use: frames without the rows of discarded objects."""
    frames = list(parser.frames(inputs))
    for frame in frames:
        kept = ~frame.rows["_object"].is_in(list(parser.discarded))
        frame.rows, frame.entities = frame.rows.filter(kept), frame.entities.filter(kept)
    parsed = Parsed([frame for frame in frames if frame.rows.height], parser.reports, parser.rejects)
    check_account(parsed)
    return parsed


@pytest.mark.parametrize("log_format", BIG)
@pytest.mark.parametrize("frame_bytes", [1 << 19, 128 << 20], ids=["rows handed out", "nothing handed out"])
@pytest.mark.parametrize("part", [1, 0.97, 0.5])
@pytest.mark.parametrize("pack", [bytes, zipped], ids=["plain", "gzip"])
def test_nothing_of_a_refused_object_counts_and_its_neighbours_stay(log_format, frame_bytes, part, pack):
    stored = pack(BIG[log_format])
    before, after = an_input(0, SMALL[log_format]), an_input(2, SMALL[log_format])
    parser = PartParser("auto", file_decoded_bytes=frame_bytes)
    parsed = used(parser, [before, broken(1, stored[: int(len(stored) * part)]), after])
    assert parser.discarded == ({1} if frame_bytes < 1 << 20 else set())
    report = parsed.reports[1]
    assert (report.state, report.format, report.table, report.note) == ("broken", None, None, "it breaks off")
    assert (report.records, report.rows, report.rejected, report.decoded_bytes, report.sha256) == (0, 0, 0, 0, "")
    assert parsed.rejects.is_empty()
    alone = PartParser("auto")
    expected = pl.concat([frame.rows for frame in alone.frames([before, after])])
    assert parsed.rows.equals(expected)
    assert [parser.reports[0], parser.reports[2]] == alone.reports


@pytest.mark.parametrize("log_format", BIG)
def test_rows_not_handed_out_yet_never_are(log_format):
    parser = PartParser("auto", file_decoded_bytes=64 << 20)
    frames = list(parser.frames([broken(0, BIG[log_format]), an_input(1, SMALL[log_format])]))
    assert parser.discarded == set()
    assert {number for frame in frames for number in frame.rows["_object"]} == {1}


@pytest.mark.parametrize("head", [b"", b"hello world\n", b"\n", trail(record())[:40], b"x" * 100_000])
@pytest.mark.parametrize("log_format", ["auto", "cloudtrail", "vpc_flow"])
def test_what_could_not_be_recognised_before_a_refusal_is_refused_not_unreadable(head, log_format):
    parser = PartParser(log_format)
    parsed = used(parser, [broken(0, head)])
    assert (parsed.report.state, parsed.report.records, parsed.report.note) == ("broken", 0, "it breaks off")
    assert parser.discarded == set()
    assert parsed.rejects.is_empty()


def test_damage_found_behind_a_bad_container_is_a_refusal():
    """A digest that differs explains the damage: the object itself may be well."""
    stored = bytearray(zipped(BIG["cloudtrail"]))
    stored[len(stored) // 2] ^= 0xFF
    parser = PartParser("auto")
    parsed = used(parser, [broken(0, bytes(stored), step=4_096)])
    assert (parsed.report.state, parsed.report.records) == ("broken", 0)
    assert parsed.rejects.is_empty()


def test_one_part_may_discard_several():
    parser = PartParser("auto", file_decoded_bytes=1 << 18)
    inputs = [broken(n, BIG["cloudtrail"]) for n in range(3)] + [an_input(3, BIG["cloudtrail"])]
    parsed = used(parser, inputs)
    assert parser.discarded == {0, 1, 2}
    assert (parsed.reports[3].rows, parsed.reports[3].rejected) == (3_000, 1)


@pytest.mark.parametrize("state", ["denied", "kms_denied", "archived", "throttled", "broken"])
@pytest.mark.parametrize("data", [b"", BIG["cloudtrail"]], ids=["at once", "half-way"])
def test_a_refused_object_says_which_refusal_it_was(state, data):
    parsed = used(PartParser("auto"), [broken(0, data, state=state), an_input(1, SMALL["cloudtrail"])])
    assert [(report.state, report.records) for report in parsed.reports] == [(state, 0), ("read", 2)]
