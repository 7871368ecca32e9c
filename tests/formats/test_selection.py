"""Some records of an object alone: exactly those are counted, rejected and handed out, as they would be otherwise."""

import json

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.formats import ObjectInput, PartParser
from tests.formats.parsing import IDENTITY, Parsed, pieces, record, trail, zipped

GOOD = "2 111122223333 eni-1 10.0.0.{} 10.0.0.2 443 50000 6 5 500 1700000000 1700000060 ACCEPT OK"
HEADER = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
)
FLOWS = "\n".join(
    [HEADER, *(GOOD.format(number) if number % 3 else f"bad {number}" for number in range(12)), ""]
).encode()
TRAIL = trail(*(record(number, **({} if number % 3 else {"eventTime": "never"})) for number in range(12)))
CUT = zipped(FLOWS + GOOD.format(99).encode() * 3)[:-12]
CONTENTS = {"vpc_flow": ("vpc_flow", FLOWS), "cloudtrail": ("cloudtrail", TRAIL), "cut": ("vpc_flow", CUT)}


def read(*inputs: ObjectInput, format: str = "auto") -> Parsed:  # noqa: A002
    parser = PartParser(format)
    frames = list(parser.frames(inputs))
    for report in parser.reports:
        assert report.records == report.rows + report.rejected
    return Parsed(frames, parser.reports, parser.rejects)


def an_object(number: int, data: bytes, **selection) -> ObjectInput:
    return ObjectInput(number, "k", f"{IDENTITY}{number:04x}", lambda: pieces(data), **selection)


@pytest.mark.parametrize("name", CONTENTS)
@given(only=st.frozensets(st.integers(0, 15), max_size=8), beyond=st.none() | st.integers(0, 15))
@settings(max_examples=12, deadline=None)
def test_what_is_wanted_and_nothing_else(name, only, beyond):
    def wanted(column: str) -> pl.Expr:
        return pl.col(column).is_in(only) | (pl.col(column) >= (10**9 if beyond is None else beyond))

    kind, data = CONTENTS[name]
    whole = read(an_object(0, data), format=kind)
    some = read(an_object(0, data, only=only, only_from=beyond), an_object(1, data), format=kind)
    mine, other = (some.rows.filter(pl.col("_object") == number) for number in (0, 1))
    assert mine.equals(whole.rows.filter(wanted("_ordinal")))
    assert some.rejects.filter(pl.col("object_id") == 0).equals(whole.rejects.filter(wanted("position")))
    assert some.entities["event_id"].to_list() == some.rows["EventId_CF"].to_list()
    assert other.height == whole.report.rows
    assert [report.counted for report in some.reports] == [whole.report.records] * 2
    assert some.reports[0].records == mine.height + some.reports[0].rejected
    assert whole.report.counted == whole.report.records


def test_a_tail_that_nobody_wants_leaves_the_object_in_order():
    whole = read(an_object(0, CUT))
    assert whole.report.state == "partly_read"
    some = read(an_object(0, CUT, only=frozenset({1})))
    assert (some.report.state, some.report.records, some.report.note) == ("read", 1, None)


@pytest.mark.parametrize(
    ("name", "line"), [("vpc_flow", GOOD.format(9).encode()), ("cloudtrail", json.dumps(record(9)).encode())]
)
def test_a_piece_has_the_number_of_its_record(name, line):
    parsed = read(an_object(0, line, first=9, format=name))
    assert parsed.rows["_ordinal"].to_list() == [9]
    assert (parsed.report.records, parsed.report.counted, parsed.report.format) == (1, 1, name)
    rejected = read(an_object(0, b"nothing of the kind", first=9, format="vpc_flow"))
    assert rejected.reasons() == [(9, "field_count")]


def test_the_header_that_holds_is_kept_with_a_rejected_line():
    renamed = HEADER.replace("srcaddr dstaddr", "dstaddr srcaddr")
    content = "\n".join([HEADER, "bad 1", GOOD.format(1), renamed, "bad 2", ""]).encode()
    first, second = read(an_object(0, content)).rejects["header"].to_list()
    assert first == f"{HEADER}\n".encode()
    assert second == f"{HEADER}\n{renamed}\n".encode()
    alone = read(an_object(0, second + GOOD.format(7).encode(), first=3, format="vpc_flow"))
    assert alone.rows.select("DstAddr", "_ordinal").row(0) == ("10.0.0.7", 3)
    assert read(an_object(0, TRAIL)).rejects["header"].null_count() == 4
