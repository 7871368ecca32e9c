"""The shape of rows, and what counts as a change of it."""

import json
from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.hours import hour_key, hour_start, shift_hour
from s3sentinel_assets.ledger.shapes import Shape, Sighting
from s3sentinel_assets.pipeline.shape import FIELDS_KEPT, LOOKED_AT, SAMPLE_CHARACTERS, merged, shape_of
from s3sentinel_assets.pipeline.shape_changes import (
    What,
    changes,
    history_of,
    history_window,
    null_rate_changes,
)

HOUR = "2026-11-20-13:00"


def rows(extra=None, flags=None, **columns):
    """A frame of rows, ids e0, e1, …"""
    height = len(extra or flags or next(iter(columns.values())))
    return pl.DataFrame(
        {
            **columns,
            "EventId_CF": [f"e{number}" for number in range(height)],
            "ExtraFields_CF": pl.Series(extra or [None] * height, dtype=pl.String),
            "_flags": pl.Series(flags or [None] * height, dtype=pl.String),
        }
    )


def test_a_log_that_makes_its_own_event_ids_cannot_fill_the_ledger_with_them():
    frame = rows(extra=['{"a":1}'], flags=["bad_x=y"]).with_columns(pl.lit("i" * 100_000).alias("EventId_CF"))
    shape = shape_of("f", "T", frame)
    assert max(len(seen.event_id) for seen in (*shape.fields.values(), *shape.drift.values())) <= SAMPLE_CHARACTERS


def test_fields_too_deep_to_be_decoded_are_told_and_stop_nothing():
    deep = f'{{"a":{"[" * 5_000}{"]" * 5_000}}}'
    shape = shape_of("f", "T", rows(extra=['{"b":1}', deep]))
    assert list(shape.fields) == ["b"]
    assert {name: seen.records for name, seen in shape.drift.items()} == {"bad_ExtraFields_CF": 1}


def test_columns_are_counted_and_those_that_are_null_everywhere_left_out():
    shape = shape_of("f", "T", rows(a=[1, None, 3], b=[None] * 3, c=["", "x", "y"]))
    assert (shape.format, shape.table, shape.rows) == ("f", "T", 3)
    assert shape.filled == {"a": 2, "c": 3, "EventId_CF": 3}
    assert (shape.fields, shape.drift, shape.estimated, shape.crowded) == ({}, {}, False, False)


def test_unknown_fields_with_how_often_a_sample_and_its_event():
    extra = [None, '{"new":{"deep":1},"é":"x"}', '{"new":"' + "y" * 300 + '"}', "{}"]
    shape = shape_of("f", "T", rows(extra))
    assert shape.fields == {"new": Sighting(2, '{"deep":1}', "e1"), "é": Sighting(1, '"x"', "e1")}
    long = shape_of("f", "T", rows(extra[2:]))
    assert len(long.fields["new"].sample) == SAMPLE_CHARACTERS
    assert shape.filled["ExtraFields_CF"] == 3


def test_what_is_no_json_object_is_told_and_stops_nothing():
    shape = shape_of("f", "T", rows(["[1]", '{"a":1}', "nonsense", None]))
    assert shape.fields == {"a": Sighting(1, "1", "e1")}
    assert shape.drift == {"bad_ExtraFields_CF": Sighting(2, "[1]", "e0")}


def test_misfits_are_read_from_the_flags_and_other_flags_are_not_misfits():
    flags = [
        None,
        "invalid_utf8;drift:requestParameters",
        "packets_overflow=4294967296;bad_SrcPort=a;b",
        "bad_SrcPort=x\ny",
        "drift:a.b=1",
    ]
    assert shape_of("f", "T", rows(flags=flags)).drift == {
        "drift:requestParameters": Sighting(1, "", "e1"),
        "packets_overflow": Sighting(1, "4294967296", "e2"),
        "bad_SrcPort": Sighting(2, "a", "e2"),
        "drift:a.b": Sighting(1, "1", "e4"),
    }


def test_of_very_many_rows_evenly_spread_ones_are_looked_at_and_counts_reckoned_up():
    height = 3 * LOOKED_AT
    shape = shape_of("f", "T", rows(['{"a":1}', '{"a":1,"b":2}'] * (height // 2), ["bad_x=1"] * height))
    assert shape.estimated
    assert shape.fields["a"].records == shape.drift["bad_x"].records == height
    assert shape.fields["b"].records == pytest.approx(height / 2, rel=0.01)


def test_names_that_are_values_are_bounded():
    extra = [json.dumps({f"id-{number}": 1, "often": 2, "x" * 300 + str(number): 3}) for number in range(300)]
    shape = shape_of("f", "T", rows(extra))
    assert shape.crowded
    assert len(shape.fields) == FIELDS_KEPT
    assert shape.fields["often"].records == 300
    assert max(map(len, shape.fields)) == SAMPLE_CHARACTERS


@given(
    st.lists(st.none() | st.text(max_size=20) | st.dictionaries(st.text(), st.integers()).map(json.dumps), min_size=1)
)
@settings(max_examples=30, deadline=None)
def test_no_text_of_unknown_fields_or_flags_breaks_it(texts):
    texts = [text and text.encode("utf-8", "replace").decode() for text in texts]
    shape = shape_of("f", "T", rows(texts, texts))
    assert shape.rows == len(texts)


def test_shapes_of_frames_add_up_by_format_and_table():
    one = Shape("f", "T", 10, {"a": 10, "b": 1}, {"x": Sighting(2, "s", "e1")}, {"bad_a": Sighting(1)})
    two = Shape("f", "T", 5, {"a": 3, "c": 1}, {"x": Sighting(1, "t", "e2"), "y": Sighting(1)}, estimated=True)
    other, nothing = Shape("f", "U", 1), Shape("g", "T", 0)
    whole = Shape(
        "f",
        "T",
        15,
        {"a": 13, "b": 1, "c": 1},
        {"x": Sighting(3, "s", "e1"), "y": Sighting(1)},
        {"bad_a": Sighting(1)},
        estimated=True,
    )
    assert merged([one, other, nothing, two]) == [whole, other]


def past(days=2, rows_=100, **more):
    """Some days of hours before the day of `HOUR`, all alike; ``filled`` may be a function of the hour's number."""
    filled = more.pop("filled", {"a": rows_})
    first, last = history_window(HOUR)
    hours = [shift_hour(last, -back) for back in range(24 * days)]
    assert all(hour >= first for hour in hours)
    return history_of(
        (hour, Shape("f", "T", rows_, filled(number) if callable(filled) else filled, **more))
        for number, hour in enumerate(hours)
    )


def test_the_history_of_an_hour_ends_where_its_day_begins():
    assert history_window(HOUR) == ("2026-11-06-00:00", "2026-11-19-23:00")
    assert history_window("2026-11-20-00:00") == history_window("2026-11-20-23:00")
    assert history_window(hour_key(datetime(2026, 3, 1, tzinfo=UTC)))[1] == "2026-02-28-23:00"
    assert hour_start(history_window(HOUR)[0]).hour == 0


def test_without_history_nothing_is_new():
    now = [Shape("f", "T", 100, {"a": 1}, {"x": Sighting(5)}, {"bad_a": Sighting(1)})]
    assert changes(now, {}) == null_rate_changes(now, {}) == []


def test_a_field_is_new_until_its_day_is_over():
    now = [Shape("f", "T", 100, {"a": 100}, {"x": Sighting(5, "1", "e1"), "old": Sighting(9)}, estimated=True)]
    (found,) = changes(now, past(fields={"old": Sighting(1)}))
    assert (found.what, found.name, found.records, found.sample, found.event_id) == (What.FIELD, "x", 5, "1", "e1")
    assert (found.hours, found.estimated) == (48, True)
    assert changes(now, past(fields={"old": Sighting(1), "x": Sighting(1)})) == []


def test_a_misfit_is_new_on_its_own_account():
    now = [Shape("f", "T", 100, {"a": 100}, drift={"bad_a": Sighting(2, "x", "e1")})]
    assert [(found.what, found.name) for found in changes(now, past())] == [(What.DRIFT, "bad_a")]
    assert changes(now, past(drift={"bad_a": Sighting(1)})) == []


def test_a_new_format_or_table_is_one_change():
    now = [Shape("g", "T", 7, {"a": 7}, {"x": Sighting(5)}), Shape("f", "U", 8, {"a": 8}), Shape("f", "T", 9, {"a": 9})]
    found = [(change.what, change.format, change.table, change.records) for change in changes(now, past())]
    assert found == [(What.KIND, "g", "T", 7), (What.KIND, "f", "U", 8)]


def test_a_crowd_of_names_is_told_once_and_no_name_of_it():
    crowd = {f"id{number}": Sighting(1) for number in range(FIELDS_KEPT)}
    now = [Shape("f", "T", 500, {"a": 500}, crowd, crowded=True)]
    assert [found.what for found in changes(now, past())] == [What.CROWDED]
    assert changes(now, past(fields=crowd, crowded=True)) == []
    assert changes([Shape("f", "T", 9, {"a": 9}, {"new": Sighting(1)})], past(crowded=True)) == []


@pytest.mark.parametrize(
    ("history", "shape", "gone"),
    [
        (past(filled={"a": 100, "b": 99}), Shape("f", "T", 20, {"a": 20}), ["b"]),
        (past(filled={"a": 100, "b": 98}), Shape("f", "T", 20, {"a": 20}), []),  # was empty now and then
        (past(filled={"a": 100, "b": 100}), Shape("f", "T", 19, {"a": 19}), []),  # too few rows to tell
        (past(filled={"a": 100, "b": 100}), Shape("f", "T", 20, {"a": 20, "b": 1}), []),
        (past(rows_=20, filled={"a": 20, "b": 20}), Shape("f", "T", 20, {"a": 20}), []),  # 960 rows
    ],
)
def test_a_column_that_was_always_filled_and_is_empty_has_vanished(history, shape, gone):
    assert [(found.what, found.name) for found in changes([shape], history)] == [(What.VANISHED, name) for name in gone]


@pytest.mark.parametrize(
    ("filled", "now", "told"),
    [
        (lambda n: 60 + n % 5, 30, True),  # null in 38 % of the rows, is in 70 %
        (lambda n: 60 + n % 5, 95, True),  # and the other way
        (lambda n: 60 + n % 5, 53, False),  # 9 points
        (lambda n: 20 + 60 * (n % 2), 10, False),  # rates that jump about by themselves
        (lambda n: 90 if n % 24 < 16 else 20, 20, False),  # every night
        (lambda n: 90 if n % 24 < 16 else 20, 1, True),  # not even at night
        (lambda _: 100, 85, True),  # no deviation at all: the error of a rate in 100 rows is what counts
    ],
)
def test_null_rates_beyond_chance_and_habit(filled, now, told):
    history = past(filled=lambda number: {"a": filled(number)})
    found = null_rate_changes([Shape("f", "T", 100, {"a": now})], history)
    assert [(change.what, change.name) for change in found] == [(What.NULL_RATE, "a")] * told
    if told:
        assert found[0].now == pytest.approx(1 - now / 100)
        assert (found[0].records, found[0].hours) == (100, 48)


def test_a_rate_in_few_rows_needs_more_to_be_told():
    history = past(filled=lambda _: {"a": 60})
    assert null_rate_changes([Shape("f", "T", 20, {"a": 6})], history) == []
    assert len(null_rate_changes([Shape("f", "T", 200, {"a": 60})], history)) == 1
    assert null_rate_changes([Shape("f", "T", 19, {"a": 0})], history) == []


def test_too_little_history_tells_nothing_and_a_vanished_column_is_left_to_the_other_check():
    now = [Shape("f", "T", 100, {"a": 100})]
    assert null_rate_changes(now, past(filled={"a": 100, "b": 100})) == []
    assert [found.name for found in null_rate_changes(now, past(filled={"a": 100, "b": 80}))] == ["b"]
    assert null_rate_changes(now, past(days=1, rows_=19, filled={"b": 15})) == []
    assert null_rate_changes(now, past(days=1, rows_=40, filled={"b": 32})) == []  # 960 rows


def test_history_is_put_together_hour_by_hour():
    history = history_of([("h1", Shape("f", "T", 1)), ("h1", Shape("f", "T", 2)), ("h2", Shape("f", "T", 4))])
    assert {hour: shape.rows for hour, shape in history["f", "T"].items()} == {"h1": 3, "h2": 4}
