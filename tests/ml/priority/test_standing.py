"""The trailing hour: against a plain reference, part by part, across the hour's border, in any order of rows."""

import io
import random
from datetime import timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.hours import hour_start, shift_hour
from s3sentinel_assets.ml.history.counters import COUNTER_SCHEMA, Counters
from tests.ml.priority.judged import Halving, Model, judged
from tests.ml.worlds import call, hours

HOUR = hours(0, 1)[9]
#: The highest ``hours_per_day`` of the table is 60: with ``Halving`` that is 1,024 / 60 = 2 ** 4.09…
LOUD = 410


def event(serial: int, principal: str, minute: float, raw: int, hour: str = HOUR, **more) -> dict:
    return call(hour, minute, principal, "s3:ListBuckets", serial, **more) | {"raw": raw}


def reference(parts: list[list[dict]]) -> list[list[int]]:
    """What each event may know: loud events of this and earlier parts, of 60 whole minutes back and 5 ahead."""
    known: list[tuple[str, int, int]] = []
    standings = []
    for part in parts:
        for row in part:
            if row["raw"] >= LOUD and row["time"] is not None:
                known.append((row["principal"], int(row["time"].timestamp()) // 60, row["raw"]))
        found = []
        for row in part:
            best = row["raw"]
            if row["time"] is not None:
                minute = int(row["time"].timestamp()) // 60
                best = max(
                    [best, *(raw for who, at, raw in known if who == row["principal"] and -5 <= minute - at < 60)]
                )
            found.append(best)
        standings.append(found)
    return standings


ROW = st.tuples(
    st.sampled_from(["anna", "ben", "role/ci"]),
    st.one_of(st.floats(-70, 130), st.integers(-70, 130)),
    st.sampled_from([0, 100, LOUD - 1, LOUD, LOUD + 1, 700, 2_000]),
    st.booleans(),
)


@settings(max_examples=50, deadline=None)
@given(parts=st.lists(st.lists(ROW, max_size=8), min_size=1, max_size=4), seed=st.integers(0, 5))
def test_equals_the_plain_reference_part_by_part(parts, seed):
    serial = 0
    rows = []
    for part in parts:
        made = []
        for principal, minute, raw, timed in part:
            serial += 1
            made.append(event(serial, principal, minute, raw) | ({} if timed else {"time": None}))
        random.Random(seed).shuffle(made)
        rows.append(made)
    counters = Counters(HOUR)
    for part, expected in zip(rows, reference(rows), strict=True):
        _, found, counters = judged(part, HOUR, counters=counters)
        assert found["standing"].to_list() == expected


def test_five_minutes_ahead_are_known_and_no_more():
    rows = [event(1, "anna", 4.9, 0), event(2, "anna", 5, 0), event(3, "anna", 10, 900), event(4, "ben", 9, 0)]
    _, found, _ = judged(rows, HOUR)
    assert found["standing"].to_list() == [0, 900, 900, 0]


def test_the_hour_before_is_remembered_and_only_as_long_as_needed():
    before = shift_hour(HOUR, -1)
    _, _, counters = judged([event(1, "anna", 50, 900, before), event(2, "ben", 5, 900, before)], before)
    file = io.BytesIO()
    counters.to_parquet(file)
    restored = Counters.from_parquet(file.getvalue())
    rows = [event(3, "anna", 5, 0), event(4, "anna", 49.9, 0), event(5, "anna", 50, 0), event(6, "ben", 5, 0)]
    _, found, after = judged(rows, HOUR, counters=restored)
    assert found["standing"].to_list() == [900, 900, 0, 0]
    # One that arrived late reaches back from its own time.
    _, late, _ = judged([event(7, "ben", -2, 0)], HOUR, counters=after)
    assert late["standing"].to_list() == [900]
    assert after.for_hour(shift_hour(HOUR, 7)).frame.height == 0


def test_what_arrives_later_is_not_known_yet_and_then_is():
    first, second = [event(1, "anna", 10, 0)], [event(2, "anna", 8, 900), event(3, "anna", 20, 0)]
    # Even what happens in the next minutes is known only if it has arrived.
    _, found, counters = judged(first, HOUR)
    assert found["standing"].to_list() == [0]
    _, found, _ = judged(second, HOUR, counters=counters)
    assert found["standing"].to_list() == [900, 900]


def test_quiet_scores_and_nameless_callers_are_not_handed_on():
    rows = [event(1, "anna", 1, LOUD - 1), event(2, "ben", 1, LOUD), event(3, "x", 1, 2_000) | {"principal": None}]
    found, by_row, _ = judged([*rows, event(4, "x", 2, 0) | {"principal": None}], HOUR)
    assert found.recent["count"].to_list() == [LOUD]
    assert by_row["standing"].to_list() == [LOUD - 1, LOUD, 2_000, 0]
    assert (
        float(Halving().expected_hours(pl.Series([LOUD]))[0]) <= 60 < Halving().expected_hours(pl.Series([LOUD - 1]))[0]
    )


def test_people_of_the_same_name_in_two_accounts_are_two():
    other = {"account": "444455556666"}
    _, found, counters = judged([event(1, "anna", 1, 900)], HOUR)
    _, found, _ = judged([event(2, "anna", 2, 0, **other)], HOUR, counters=counters)
    assert found["standing"].to_list() == [0]


def test_a_table_without_hours_hands_nothing_on():
    found, by_row, _ = judged([event(1, "anna", 1, 900)], HOUR, model=Model(rules=Model().rules[-1:]))
    assert (found.recent.height, by_row["standing"].to_list()) == (0, [900])


def test_a_clock_far_ahead_is_forgotten_and_moves_nobody_else():
    ahead = event(1, "anna", 0, 900) | {"time": hour_start(HOUR) + timedelta(days=400)}
    _, _, counters = judged([ahead, event(2, "anna", 55, 800)], HOUR)
    after = counters.for_hour(shift_hour(HOUR, 1))
    assert after.frame["count"].to_list() == [800]


def test_recent_is_merged_by_maximum_and_everything_else_by_sum():
    rows = [(table, "k", count) for table in ("recent", "recent_sensitive", "principal/action") for count in (5, 9)]
    added = pl.DataFrame(rows, schema=COUNTER_SCHEMA, orient="row")
    counters = Counters(HOUR).plus(HOUR, added).plus(HOUR, added)
    assert dict(counters.frame.select("table", "count").iter_rows()) == {
        "recent": 9,
        "recent_sensitive": 9,
        "principal/action": 28,
    }
    assert counters.for_hour(HOUR) is counters
    assert set(counters.for_hour(shift_hour(HOUR, 1)).frame["table"]) <= {"recent", "recent_sensitive"}
