"""New, vanished and broken rates are told when they begin, and chance is not told."""

import random
from datetime import date, timedelta

import polars as pl
import pytest

from s3sentinel_assets.hours import shift_hour
from s3sentinel_assets.ml.patterns import CHANGE_SCHEMA, changes, empty_catalogue, fit
from tests.ml.patterns.days import counts_of, day_hours, drawn, learnt, syslog

DAYS = [(date(2026, 11, 2) + timedelta(days=number)).isoformat() for number in range(14)]
MONDAY = "2026-11-16"
HOUR = f"{MONDAY}-10:00"
RATES = {"steady": 40.0, "busy": 400.0, "rare": 0.3, "small": 3.0}
NOTHING = counts_of({}, HOUR).drop("hour")


@pytest.fixture(scope="module")
def catalogue():
    return learnt(RATES, DAYS)


def told(catalogue, events, previous=None, before=NOTHING, hour=HOUR, known=True):
    now = counts_of(events, hour, known=known).drop("hour")
    last = shift_hour(hour, -1)
    earlier = counts_of(previous if previous is not None else {"steady": 40, "busy": 400, "small": 3}, last).drop(
        "hour"
    )
    found = changes(catalogue, now, before, earlier, hour, last)
    assert found.schema == pl.Schema(CHANGE_SCHEMA)
    return dict(found.select("pattern", "change").rows())


def test_an_ordinary_hour_tells_nothing(catalogue):
    assert told(catalogue, {"steady": 47, "busy": 371, "small": 1}) == {}
    assert told(catalogue, {"steady": 31, "busy": 455, "small": 7, "rare": 2}) == {}


def test_what_always_came_and_is_missing_has_vanished(catalogue):
    assert told(catalogue, {"busy": 400, "small": 3}) == {"steady": "vanished"}


def test_it_is_told_in_the_first_hour_only(catalogue):
    assert told(catalogue, {"busy": 400}, previous={"busy": 410}) == {}


def test_a_silent_source_is_told(catalogue):
    found = told(catalogue, {})
    assert found == {"busy": "vanished", "steady": "vanished"}


def test_what_seldom_comes_cannot_vanish(catalogue):
    assert "rare" not in told(catalogue, {"steady": 40, "busy": 400})


def test_a_burst_and_a_drop_break_the_rate(catalogue):
    assert told(catalogue, {"steady": 400, "busy": 40, "small": 3}) == {"steady": "rate", "busy": "rate"}


def test_a_new_pattern_is_told_once(catalogue):
    events = {"steady": 40, "busy": 400, "stranger": 1}
    assert told(catalogue, events) == {"stranger": "new"}
    seen = counts_of({"stranger": 2}, f"{MONDAY}-08:00", known=False).drop("hour")
    assert told(catalogue, events, before=seen) == {}


def test_a_source_that_is_being_learnt_tells_nothing():
    young = learnt(RATES, DAYS[:2])
    assert told(young, {"stranger": 5}, hour=f"{DAYS[2]}-10:00") == {}


def test_a_new_text_with_a_value_in_it_is_no_new_pattern():
    lines = [f"Failed password for {user} from 10.0.0.1 port 1 ssh2" for user in ("root", "anna", "bert", "cleo")]
    made = empty_catalogue()
    for number, day in enumerate(DAYS[:4]):
        counts = pl.concat([syslog(lines, hour, made) for hour in day_hours(day)])
        made = fit(made, counts, day_hours(day), DAYS[number + 1])
    hour = f"{DAYS[4]}-03:00"
    texts = [lines[0].replace("root", "zoe"), *(f"Accepted password for {user} from 10.0.0.9" for user in "pqrs")]
    found = changes(made, syslog(texts, hour, made).drop("hour"), NOTHING, None, hour, shift_hour(hour, -1))
    assert found.select("body", "change", "events").rows() == [("Accepted password for <*> from <ip>", "new", 4)]
    assert found["event_ids"][0].len() == 3


@pytest.mark.parametrize(("spread", "history"), [(0.0, 14), (0.3, 14), (0.0, 3), (0.3, 4)])
def test_chance_gives_less_than_one_false_alarm_a_day(spread, history):
    rates = {f"p{number:03d}": 0.2 * 1.12**number for number in range(80)}  # 0.2 to 1,500 an hour
    made = learnt(rates, DAYS if history == len(DAYS) else DAYS[7 : 7 + history], seed=4, spread=spread)
    rng, alarms, days = random.Random(9), 0, 4
    for hour in [f"{MONDAY[:8]}{16 + day}-{number:02d}:00" for day in range(days) for number in range(24)]:
        now = counts_of(drawn(rng, rates, spread), hour).drop("hour")
        alarms += changes(made, now, NOTHING, None, hour, shift_hour(hour, -1)).height
    assert alarms <= days
