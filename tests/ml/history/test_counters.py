"""In-hour counters: what additions make of them, in any order, and what a limit on keys drops."""

from collections import Counter

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from s3sentinel_assets.hours import hour_start, shift_hour
from s3sentinel_assets.ml.history.counters import COUNTER_SCHEMA, RECENT, RECENT_SENSITIVE, Counters

HOUR = "2026-11-20-10:00"
#: Tables before and after `RECENT` by name.
TABLES = ("action", "principal/action", RECENT, RECENT_SENSITIVE, "zone")
KEYS = st.sampled_from(["", "a", "a\x1fb", "ab", "é", "z"])
ROWS = st.lists(st.tuples(st.sampled_from(TABLES), KEYS, st.integers(0, 50)), max_size=30)


def frame(rows) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=COUNTER_SCHEMA, orient="row")


def expected(parts) -> list[tuple[str, str, int]]:
    sums, highest = Counter(), {}
    for table, key, count in (row for part in parts for row in part):
        if table in (RECENT, RECENT_SENSITIVE):
            highest[table, key] = max(highest.get((table, key), 0), count)
        else:
            sums[table, key] += count
    return sorted((table, key, count) for (table, key), count in {**sums, **highest}.items())


@given(st.lists(ROWS, max_size=4))
def test_additions_are_sums_and_of_what_is_recent_the_highest(parts):
    counters = Counters(HOUR)
    for part in parts:
        counters = counters.plus(HOUR, frame(part))
    assert counters.frame.rows() == expected(parts)
    assert counters.frame.schema == COUNTER_SCHEMA
    assert counters.crowded_out == 0
    for table, key, count in expected(parts):
        assert counters.earlier(table, pl.Series([key, "never seen"])).to_list() == [count, 0]


@given(st.lists(ROWS, min_size=1, max_size=4), st.randoms())
def test_the_order_of_parts_and_rows_changes_nothing(parts, random):
    shuffled = [random.sample(part, len(part)) for part in random.sample(parts, len(parts))]
    first, second = Counters(HOUR), Counters(HOUR)
    for one, other in zip(parts, shuffled, strict=True):
        first, second = first.plus(HOUR, frame(one)), second.plus(HOUR, frame(other))
    assert first.frame.equals(second.frame)


def test_what_is_counted_least_goes_first_and_what_is_recent_never():
    rows = [("action", f"{number:03}", 1 + number % 3) for number in range(100)]
    recent = [(RECENT, f"a\x1fp\x1f{number}", number) for number in range(10)]
    counters = Counters(HOUR).plus(HOUR, frame([*rows, *recent]), max_keys=60)
    left = counters.frame.filter(pl.col("table") == "action")
    assert counters.frame.filter(pl.col("table") == RECENT).height == 10
    assert counters.frame.height == 57, "a little room is left"
    assert counters.crowded_out == 110 - 57
    # Of three, two and one times: all 33 of three, and of the others the first by name.
    assert left.filter(pl.col("count") == 3).height == 33
    assert left.filter(pl.col("count") == 2)["key"].to_list() == [f"{number:03}" for number in range(1, 42, 3)]
    assert left.filter(pl.col("count") == 1).is_empty()
    assert counters.frame.equals(counters.frame.sort("table", "key"))
    again = counters.plus(HOUR, frame([("action", "000", 1)]), max_keys=60)
    assert again.earlier("action", pl.Series(["000", "002"])).to_list() == [1, 3]
    assert again.crowded_out == 0


def test_a_limit_below_what_is_recent_keeps_only_that():
    rows = [(RECENT, str(number), number) for number in range(10)]
    counters = Counters(HOUR).plus(HOUR, frame([*rows, ("action", "x", 5)]), max_keys=4)
    assert counters.frame["table"].unique().to_list() == [RECENT]
    assert (counters.frame.height, counters.crowded_out) == (10, 1)


def test_what_was_loud_is_still_known_to_events_that_come_some_hours_late():
    minute = int(hour_start(HOUR).timestamp()) // 60 + 5
    counters = Counters(HOUR).plus(HOUR, frame([(RECENT, f"a\x1fp\x1f{minute}", 900), ("action", "x", 3)]))
    for later in range(1, 6):
        counters = counters.for_hour(shift_hour(HOUR, later))
        assert counters.frame["table"].to_list() == [RECENT], later
    assert counters.for_hour(shift_hour(HOUR, 7)).frame.is_empty()
