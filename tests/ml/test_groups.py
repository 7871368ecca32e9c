"""Events are handled in groups; every event must get what it would get alone."""

import random
from collections import Counter

import polars as pl
import pytest

from s3sentinel_assets.ml import empty_state, learned_columns, load_model, score, scored_columns, update
from s3sentinel_assets.ml.features.compute import SUPPORT, compute
from s3sentinel_assets.ml.history.counters import Counters
from s3sentinel_assets.ml.history.dimensions import collapse, combine, dense, encode, encode_raw
from s3sentinel_assets.ml.history.groups import Groups, group, running_count, running_sum
from s3sentinel_assets.ml.history.keys import prepare
from s3sentinel_assets.ml.parameters import TERMS
from s3sentinel_assets.tables.entities import ENTITY_SCHEMA
from tests.ml.test_behaviour import flow
from tests.ml.worlds import MODELS, World, frame, hours

HOUR, LATER = hours(0, 1)[9], hours(0, 1)[10]
ODD = [None, "", "a", "a\x1fb", "a b", "é", "x" * 300, "a", None]


def decoded(dimension) -> list:
    return dimension.values[dimension.codes].to_list()


def test_encoding_gives_back_the_values():
    assert decoded(encode_raw(pl.Series(ODD))) == ODD
    assert decoded(encode(pl.Series(ODD))) == [(text or "").replace("\x1f", " ") for text in ODD]
    for few in ([], [None, None], ["", ""]):
        column = pl.Series(few, dtype=pl.String)
        assert decoded(encode_raw(column)) == few
        assert encode(column).absent == (len(few) > 0)


def test_collapsing_merges_and_combining_pairs():
    first = encode(pl.Series(["a", "b", "c", "a"]))
    merged = collapse(first, pl.Series([{"a": "x", "b": "x", "c": "y"}[value] for value in first.values]))
    assert decoded(merged) == ["x", "x", "y", "x"]
    assert merged.size == 2
    pairs = combine(first, encode(pl.Series(["1", "", "1", "1"])))
    assert decoded(pairs) == ["a\x1f1", "", "c\x1f1", "a\x1f1"]
    assert first.values[pairs.left[pairs.codes]].to_list() == ["a", "b", "c", "a"]


@pytest.mark.parametrize("limit", [100, 1 << 40], ids=["table", "ranks"])
def test_numbers_without_gaps(limit):
    numbers = pl.Series([7, 99, 7, 0, 50], dtype=pl.UInt64)
    codes, distinct = dense(numbers, limit)
    assert distinct[codes].to_list() == numbers.to_list()
    assert sorted(set(codes)) == list(range(4))


def test_groups_tell_apart_whatever_differs():
    """Column sizes whose product fits no table, nor 32 bits."""
    rng = random.Random(1)
    rows = [[f"{name}{rng.randrange(size)}" for name, size in (("p", 3), ("q", 900), ("r", 900), ("s", 900), ("t", 2))]]
    rows += [[f"{name}{rng.randrange(900)}" for name in "pqrst"] for _ in range(3_000)]
    rows += rows[:500]
    columns = [pl.Series(list(column)) for column in zip(*rows, strict=True)]
    codes, members = group({str(i): encode(column) for i, column in enumerate(columns)})
    encoded = [encode(column) for column in columns]
    back = [encoded[i].values[members[str(i)]][codes].to_list() for i in range(5)]
    assert [list(row) for row in zip(*back, strict=True)] == rows
    assert members.height == len({tuple(row) for row in rows})
    counts = Groups(codes, members.height, {}).counts
    assert sorted(counts) == sorted(Counter(map(tuple, rows)).values())


def test_running_counts_and_sums():
    codes = pl.Series([2, 0, 2, 2, 0], dtype=pl.UInt32)
    assert running_count(codes, 5).to_list() == [0, 0, 1, 2, 1]
    assert running_sum(codes, 5, pl.Series([1, 10, 100, 0, 5])).to_list() == [1, 10, 101, 101, 15]
    assert running_sum(codes.clear(), 5, pl.Series(dtype=pl.Int64)).len() == 0


def flows() -> pl.DataFrame:
    rng = random.Random(3)
    rows = []
    for serial in range(1_500):
        way, verdict = rng.choice(["ingress", "egress", "internal"]), rng.choice(["ACCEPT"] * 6 + ["REJECT"])
        rows.append(
            flow(
                HOUR,
                rng.randrange(60),
                serial,
                principal=f"eni-{rng.randrange(6)}",
                action=f"tcp/{rng.choice([22, 443, 5432])}/{way}/{verdict}",
                target=rng.choice([f"192.0.{rng.randrange(9)}.7", f"2001:db8:{rng.randrange(4)}::1", None]),
                bytes=rng.choice([None, 0, 40, 4 ** rng.randrange(1, 20)]),
            )
        )
    return frame(rows)


def batch_of(log_format: str) -> pl.DataFrame:
    return flows() if log_format == "vpc_flow" else frame(World(4).hour(HOUR))


@pytest.mark.parametrize("log_format", ["cloudtrail", "vpc_flow"])
def test_the_named_columns_are_enough(log_format):
    model, batch = load_model(MODELS, log_format), batch_of(log_format)
    state = update(None, [batch.select(learned_columns(log_format))], HOUR, format=log_format, model=model)
    assert state.frame.equals(update(None, [batch], HOUR, format=log_format, model=model).frame)
    few, whole = (
        score(each, state, None, model, hour=LATER) for each in (batch.select(scored_columns(log_format)), batch)
    )
    assert few.scores.equals(whole.scores)
    assert few.counters.frame.equals(whole.counters.frame)
    assert set(learned_columns(log_format)) < set(scored_columns(log_format)) < set(ENTITY_SCHEMA)


@pytest.mark.parametrize("log_format", ["cloudtrail", "vpc_flow"])
def test_one_batch_scores_like_its_events_one_by_one(log_format):
    """What is worked out for groups and spread must be what each event gets alone, from the counters before it."""
    model = load_model(MODELS, log_format)
    batch = batch_of(log_format).sort("time", "event_id").head(60)
    state = empty_state(log_format, HOUR)
    if log_format == "cloudtrail":
        state = update(None, [frame(World(8).hour(HOUR))], HOUR, format=log_format, model=model)
    whole = score(batch, state, None, model, hour=LATER)
    counters, alone = None, []
    for row in range(batch.height):
        result = score(batch[row], state, counters, model, hour=LATER)
        counters = result.counters
        alone.append(result.scores)
    one_by_one = pl.concat(alone)
    # The trailing hour knows what its part shows of the same minute; alone, an event knows the earlier ones only.
    assert (one_by_one["_standing"] <= whole.scores["_standing"]).all()
    known_alone = pl.all().exclude("_standing", "Priority_CF", "ExpectedPerDay_CF", "Reasons_CF")
    assert one_by_one.select(known_alone).equals(whole.scores.select(known_alone))
    assert counters is not None
    assert counters.frame.equals(whole.counters.frame)


def test_features_add_up_to_the_scores():
    model, batch = load_model(MODELS, "vpc_flow"), flows()
    state = update(None, [batch.head(60)], HOUR, format="vpc_flow", model=model)
    events = prepare(batch, "vpc_flow")
    features = compute(events, state, Counters(LATER), model.parameters, hour=LATER)
    everything = pl.int_range(len(events), dtype=pl.UInt32, eager=True)
    bits, support = features.bits(everything), features.support(everything)
    assert (bits.columns, support.columns) == (list(TERMS), [*SUPPORT, *features.facts])
    raw = score(batch, state, None, model, hour=LATER).scores["_raw"][events.rows]
    assert raw.equals(model.detector.raw(bits), check_names=False)
    assert sum(total > 0 for total in bits.sum().row(0)) >= 6
    some = pl.Series([3, 500, 900], dtype=pl.UInt32)
    assert features.bits(some).equals(bits[some])
    assert features.support(some).equals(support[some])
    last = support.select("events_so_far", "errors_so_far").max().row(0)
    failed = events.failed[events.groups["what"].codes]
    who = events.groups["what"]["principal"].codes[events.groups["what"].codes]
    busiest = (
        pl.DataFrame({"who": who, "failed": failed.cast(pl.Int64)}).group_by("who").agg(pl.len(), pl.sum("failed"))
    )
    assert last == busiest.select("len", "failed").max().row(0)
