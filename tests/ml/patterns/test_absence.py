"""Who stays away is missed until it comes again, and its silence is not learnt as what is usual."""

import random
from datetime import date, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from s3sentinel_assets.hours import hour_range, shift_hour
from s3sentinel_assets.ml.patterns import absences, changes, empty_catalogue, fit
from s3sentinel_assets.ml.patterns.absence import expected, telling
from s3sentinel_assets.ml.patterns.catalogue import last_hours
from tests.ml.patterns.days import counts_of, day_hours, next_day

START = date(2026, 11, 2)  # a Monday


def day_of(number):
    return (START + timedelta(days=number)).isoformat()


def learn(catalogue, day, events):
    """The catalogue after a day; ``events``: hour key → pattern → events."""
    frames = [counts_of(events(hour), hour) for hour in day_hours(day)]
    return fit(catalogue, pl.concat(frames), day_hours(day), next_day(day))


def after(days, events, catalogue=None, first=0):
    made = catalogue or empty_catalogue()
    for number in range(first, days):
        made = learn(made, day_of(number), events)
    return made


def steady(silent=(), names=("a", "b")):
    """Some patterns, not in the silent hours."""
    return lambda hour: {} if hour in silent else {name: 480 + 7 * int(hour[11:13]) for name in names}


def told(catalogue, hour, events=None, names=("a", "b")):
    """What an hour tells that has these events, after a day that was as usual so far."""
    frames = [counts_of(steady(names=names)(key), key) for key in day_hours(hour[:10]) if key < hour]
    now = counts_of(events or {}, hour)
    nothing = counts_of({}, hour)
    missing = absences(
        catalogue, pl.concat([now, *frames]).select("pattern", "hour"), hour_range(f"{hour[:10]}-00:00", hour)
    )
    found = changes(
        catalogue,
        now.drop("hour"),
        pl.concat([nothing, *frames]).drop("hour"),
        (frames[-1] if frames else nothing).drop("hour"),
        hour,
        shift_hour(hour, -1),
        missing,
    )
    return dict(found.select("pattern", "change").rows())


def tells(catalogue):
    return telling(expected(catalogue.templates, catalogue.rates, catalogue.observed, catalogue.day))


ALL_GONE = {"a": "vanished", "b": "vanished"}


@pytest.mark.parametrize(("history", "gap"), [(8, 1), (8, 4), (22, 4), (22, 30)])
def test_who_stops_twice_is_told_twice(history, gap):
    first = f"{day_of(history)}-09:00"
    made = after(history, steady())
    assert told(made, first) == ALL_GONE
    silent = set(hour_range(first, shift_hour(first, gap - 1)))
    made = after(history + 2, steady(silent), made, history)
    for number in range(history + 2, history + 4):  # workdays: of weekends, the short history knows but one
        for time in ("08:00", "09:00", "13:00"):
            assert told(made, f"{day_of(number)}-{time}") == ALL_GONE
        made = after(number + 1, steady(silent), made, number)


def test_who_stops_every_other_day_is_told_each_time():
    made = after(14, steady())
    for number in range(14, 21):
        hour = f"{day_of(number)}-09:00"
        if number % 2 == 0:
            assert told(made, hour) == ALL_GONE
        silent = set(hour_range(hour, shift_hour(hour, 5))) if number % 2 == 0 else ()
        made = after(number + 1, steady(silent), made, number)


def test_hours_before_a_pattern_first_came_are_not_counted_against_it():
    # It first comes in the last hour of a block.
    begin = f"{day_of(0)}-11:00"
    made = after(17, lambda hour: {"old": 300, "young": 500} if hour >= begin else {"old": 300})
    young = tells(made).filter(pl.col("pattern") == "young")
    assert 2 in young["block"]
    assert len(young) == 12


def test_a_silence_that_is_told_leaves_what_is_usual_as_it_is():
    made, hour = after(14, steady()), f"{day_of(14)}-08:00"
    usually = expected(made.templates, made.rates, made.observed, made.day)
    later = after(16, steady(set(hour_range(shift_hour(hour, -4), f"{day_of(15)}-23:00"))), made, 14)
    again = expected(later.templates, later.rates, later.observed, later.day)
    # In the block in which it began one hour counts as an hour without any; in the others nothing has changed.
    assert_frame_equal(
        usually.filter(pl.col("block") != 1).select("pattern", "block", "mean"),
        again.filter(pl.col("block") != 1).select("pattern", "block", "mean"),
    )
    block = again.filter(pl.col("block") == 1, pl.col("pattern") == "a")
    absent = block["hours"].item() * (1 - block["mean"].item() / usually.filter(block=1, pattern="a")["mean"].item())
    assert 0.8 < absent < 1.2


def test_a_silent_source_is_missed_as_long_as_it_is_silent():
    silent = set(hour_range(f"{day_of(14)}-10:00", f"{day_of(50)}-23:00"))
    made = after(50, steady(silent))
    nothing = pl.DataFrame(schema={"pattern": pl.String, "hour": pl.String})
    found = absences(made, nothing, [f"{day_of(50)}-00:00"])
    assert found.rows() == [(name, f"{day_of(14)}-09:00", f"{day_of(14)}-10:00") for name in "ab"]
    assert len(tells(made)) == 24


def test_a_kind_that_others_outlive_is_out_of_use_after_a_month():
    end = f"{day_of(10)}-09:00"

    def events(hour):
        return {"a": 500, "b": 400} if hour <= end else {"a": 500}

    made = after(10 + 29, events)
    nothing = pl.DataFrame(schema={"pattern": pl.String, "hour": pl.String})
    assert absences(made, nothing, [])["pattern"].to_list() == ["b"]
    made = after(10 + 40, events, made, 10 + 29)
    assert absences(made, nothing, []).is_empty()


def test_a_kind_that_comes_back_is_not_away():
    made = after(14, steady())
    hours = list(hour_range(f"{day_of(14)}-00:00", f"{day_of(14)}-12:00"))
    seen = pl.DataFrame({"pattern": ["a", "a", "b"], "hour": [hours[3], hours[12], hours[3]]})
    found = absences(made, seen, hours)
    assert found.rows() == [("b", hours[3], hours[4])]
    # An hour that was not counted whole says nothing.
    assert absences(made, seen, [*hours[:4], hours[9]]).rows() == [("b", hours[3], hours[9])]


@pytest.mark.parametrize(("share", "most"), [(0.9, 0.05), (0.95, 0.3)])
def test_what_is_often_absent_is_seldom_missed(share, most):
    """Share of absent hours that would be told, of 20 patterns that are absent at random."""
    names, rng, made = [f"p{number}" for number in range(20)], random.Random(3), empty_catalogue()
    absent = missed = 0
    for number in range(24):
        day = day_of(number)
        came = {hour: {name: 200 for name in names if rng.random() < share} for hour in day_hours(day)}
        if number >= 14:
            where = set(tells(made).rows())
            for hour, some in came.items():
                block = int(hour[11:13]) // 4 + (6 if date.fromisoformat(day).weekday() >= 5 else 0)
                absent += len(names) - len(some)
                missed += sum((name, block) in where for name in names if name not in some)
        made = learn(made, day, came.__getitem__)
    assert absent > 200
    assert missed <= absent * most


def test_days_learnt_at_once_are_as_if_learnt_one_by_one():
    hours = [hour for number in range(14, 18) for hour in day_hours(day_of(number))]
    silent = set(hours[30:50])
    events = steady(silent)
    made = after(14, steady())
    one_by_one = after(18, events, made, 14)
    counts = pl.concat([counts_of(events(hour), hour) for hour in hours])
    at_once = fit(made, counts.sample(fraction=1, shuffle=True, seed=5), hours, day_of(18))
    for name in ("templates", "rates", "observed"):
        assert_frame_equal(getattr(one_by_one, name), getattr(at_once, name), check_exact=True)
    assert set(last_hours(at_once, counts.select("pattern", "hour"))["last_hour"]) == {hours[-1]}
