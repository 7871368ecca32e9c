"""Packing: every row once, in order, exact sizes, stable ids."""

import itertools
import json
import re

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.sentinel import packing
from s3sentinel_assets.sentinel.packing import Packer

MINUTE = 60_000_000


def tails(values: list[str]) -> pl.Series:
    return pl.Series("tail", [f',"EventId_CF":{json.dumps(value)}' for value in values], dtype=pl.String)


def pack(values: list[str], limit: int, slices: list[int], times: list[int] | None = None, start: int = 0):
    packer = Packer(limit, start, None if times is None else packing.AUXILIARY_SPAN_MICROS)
    cuts, at = [], 0
    for size in [*slices, len(values)]:
        piece = values[at : at + size]
        cuts += packer.add(tails(piece), None if times is None else pl.Series(times[at : at + size], dtype=pl.Int64))
        at += len(piece)
    cuts += packer.finish()
    assert packer.next_row == start + len(values)
    return cuts


rows = st.lists(st.text(max_size=40), max_size=60)
sizes = st.lists(st.integers(0, 12), max_size=8)


@settings(max_examples=200, deadline=None)
@given(values=rows, limit=st.integers(60, 600), slices=sizes, start=st.integers(0, 5))
def test_every_row_once_in_order_and_no_body_over_the_limit(values, limit, slices, start):
    cuts = pack(values, limit, slices, start=start)
    seen = []
    at = start
    for cut in cuts:
        assert cut.start == at
        at = cut.end
        raw = packing.body(cut.tails, "0123456789ABCd")
        events = json.loads(raw)
        assert len(events) == cut.end - cut.start
        assert {event["BatchId_CF"] for event in events} == {"0123456789ABCd"}
        again = packing.body(cut.tails, "0123456789ABCd", 2)
        assert len(again) == packing.body_size(int(cut.tails.str.len_bytes().sum()), len(events))
        assert len(again) - len(raw) == packing.ATTEMPT_BYTES * len(events)
        if cut.too_large:
            assert len(events) == 1 and len(again) > limit
        else:
            assert len(again) <= limit
        seen += [event["EventId_CF"] for event in events]
    assert seen == values
    assert at == start + len(values)


@settings(max_examples=100, deadline=None)
@given(values=rows, limit=st.integers(60, 400), slices=sizes)
def test_bodies_are_full_and_do_not_depend_on_the_slices(values, limit, slices):
    cuts = pack(values, limit, slices)
    assert [(c.start, c.end, c.too_large) for c in cuts] == [
        (c.start, c.end, c.too_large) for c in pack(values, limit, [])
    ]
    for cut, following in itertools.pairwise(cuts):
        if not cut.too_large and not following.too_large:
            both = pl.concat([cut.tails, following.tails.head(1)])
            assert packing.body_size(int(both.str.len_bytes().sum()), len(both)) > limit


@settings(max_examples=100, deadline=None)
@given(
    times=st.lists(st.integers(0, 200).map(lambda minutes: minutes * MINUTE), min_size=1, max_size=60).map(sorted),
    slices=sizes,
)
def test_an_auxiliary_body_spans_at_most_thirty_minutes(times, slices):
    values = [str(index) for index in range(len(times))]
    cuts = pack(values, 700, slices, times)
    assert [row for cut in cuts for row in range(cut.start, cut.end)] == list(range(len(times)))
    for cut, following in zip(cuts, [*cuts[1:], None], strict=True):
        assert times[cut.end - 1] - times[cut.start] <= 30 * MINUTE
        if following is not None:
            longer = pl.concat([cut.tails, following.tails.head(1)])
            size = packing.body_size(int(longer.str.len_bytes().sum()), len(longer))
            assert size > 700 or times[following.start] - times[cut.start] > 30 * MINUTE


def test_a_packer_with_a_span_wants_times():
    with pytest.raises(ValueError, match="time of every row"):
        list(Packer(1000, 0, 1).add(tails(["a"])))


@given(values=st.lists(st.text(max_size=30), min_size=1, max_size=20), attempt=st.integers(2, 9))
def test_a_body_can_be_taken_apart_and_stamped_again(values, attempt):
    old, new = "0" * 14, "f" * 14
    raw = packing.body(tails([*values, f'{{"BatchId_CF":"{old}"', f',{{"BatchId_CF":"{old}"']), old)
    assert packing.join_tails(packing.tails_of(raw, old), old) == raw
    again = json.loads(packing.restamp(raw, old, new, attempt))
    assert [{k: v for k, v in e.items() if k not in ("BatchId_CF", "Attempt_CF")} for e in again] == [
        {k: v for k, v in e.items() if k != "BatchId_CF"} for e in json.loads(raw)
    ]
    assert {(e["BatchId_CF"], e["Attempt_CF"]) for e in again} == {(new, attempt)}
    with pytest.raises(ValueError, match=new):
        packing.tails_of(raw, new)


@given(sizes_=st.lists(st.integers(1, 50), min_size=2, max_size=20))
def test_halving_leaves_rows_on_both_sides(sizes_):
    middle = packing.halve([b"x" * size for size in sizes_])
    assert 1 <= middle < len(sizes_)
    assert max(sum(sizes_[:middle]), sum(sizes_[middle:])) <= sum(sizes_) / 2 + max(sizes_)


def test_batch_ids_are_stable_and_distinct():
    assert packing.make_batch_id(1, "3.1/unscored", 0, 10, "1") == "5mcBdqvMOxnfLR"
    ids = {packing.make_batch_id(part, start, end) for part in range(5) for start in range(5) for end in range(5)}
    assert len(ids) == 125
    # Letters and digits alone need no care in KQL, SQL, file names or logs.
    assert all(re.fullmatch("[0-9A-Za-z]{14}", batch_id) for batch_id in ids)
    assert packing.BATCH_ID_LENGTH == 14 and 62**14 > 2**83
    assert packing.make_batch_id(1, 23) != packing.make_batch_id(12, 3)
