"""Offline scoring: time order, copies, what history learns at once and what a week later."""

import random
from datetime import timedelta

import polars as pl
import pytest

from s3sentinel_assets.formats import ParsedFrame
from s3sentinel_assets.formats.part import AccountingError
from s3sentinel_assets.hours import hour_start, shift_hour
from s3sentinel_assets.ml import load_model
from s3sentinel_assets.pipeline.offline import RESULT_SCHEMA, Learning, OfflineScorer
from s3sentinel_assets.pipeline.offline_events import HourlyEvents, check_account
from tests.ml.worlds import MODELS, World, call, frame, hours


def parsed(entities, number=0, log_format="cloudtrail", table="AWSCloudTrail"):
    """A parsed frame of one object."""
    rows = pl.DataFrame({"_object": [number] * entities.height}, schema={"_object": pl.Int64})
    return ParsedFrame(log_format, table, rows, entities)


def no_patterns(each):
    nothing = pl.Series([None], dtype=pl.String).new_from_index(0, each.entities.height)
    return [nothing.alias("pattern"), nothing.alias("pattern_text")]


def hourly(folder, frames):
    folder.mkdir()
    events = HourlyEvents(folder, no_patterns)
    for each in frames:
        events.take(each)
    return events


def load(log_format):
    return load_model(MODELS, log_format) if log_format == "cloudtrail" else None


def scored(folder, frames, loader=load):
    scorer = OfflineScorer(hourly(folder, frames), loader)
    return pl.concat(scorer.results()), scorer.done


@pytest.fixture(scope="module")
def morning():
    """Some hours of events, an object an hour."""
    world = World()
    return [frame(world.hour(hour)) for hour in hours(0, 1)[6:10]]


def test_the_order_of_frames_makes_no_difference(tmp_path, morning):
    one, done = scored(tmp_path / "one", [parsed(each, number) for number, each in enumerate(morning)])
    whole = pl.concat(morning).sample(fraction=1.0, shuffle=True, seed=3)
    pieces = [parsed(whole[at : at + 97], at) for at in range(0, whole.height, 97)]
    random.Random(5).shuffle(pieces)
    two, again = scored(tmp_path / "two", pieces)
    assert one.equals(two)
    assert done == again
    assert dict(one.schema) == RESULT_SCHEMA
    assert one["time"].is_sorted()
    assert done.events == sum(each.height for each in morning) == one.height
    assert done.hours == 4


def test_copies_count_once(tmp_path, morning):
    one, _ = scored(tmp_path / "one", [parsed(each, number) for number, each in enumerate(morning)])
    two, done = scored(
        tmp_path / "two", [parsed(each, number) for number, each in enumerate([*morning, morning[0], morning[3]])]
    )
    assert two.equals(one)
    assert done.duplicates == morning[0].height + morning[3].height


def test_of_copies_that_differ_the_same_one_stays_whatever_came_first(tmp_path):
    hour = hours(0, 1)[0]
    left = frame([call(hour, 1, "a", "s3:GetObject", 1, region="eu-west-1")])
    right = frame([call(hour, 1, "a", "s3:GetObject", 1, region="us-east-1")])
    one, _ = scored(tmp_path / "one", [parsed(left, 0), parsed(right, 1)])
    two, _ = scored(tmp_path / "two", [parsed(right, 0), parsed(left, 1)])
    assert one.height == 1
    assert one.equals(two)


def test_an_object_that_turned_out_unreadable_leaves_no_events(tmp_path, morning):
    events = hourly(tmp_path / "logs", [parsed(morning[0], 0), parsed(morning[1], 1)])
    events.leave_out([1])
    scorer = OfflineScorer(events, load)
    assert pl.concat(scorer.results()).height == morning[0].height == scorer.done.events


def test_events_without_time_or_model_are_rows_without_a_score(tmp_path):
    hour = hours(0, 1)[0]
    timeless = frame([call(hour, 1, "a", "s3:GetObject", 1, time=None), call(hour, 2, "a", "s3:GetObject", 2)])
    other = frame([call(hour, 3, "a", "x", 3)])
    found, done = scored(tmp_path / "logs", [parsed(timeless), parsed(other, 1, "unheard_of", "S3Events_CL")])
    said = dict(found.select("event_id", "flags").iter_rows())
    assert said["000000000001"] == "no_time"
    assert said["000000000003"] == "unscored"
    assert found.filter(pl.col("score").is_null())["priority"].to_list() == ["unknown", "unknown"]
    assert done.unscored == {"cloudtrail": 1, "unheard_of": 1}
    assert done.hours == 1
    assert found["time"].to_list()[-1] is None  # behind all that have a time


def test_each_hour_is_scored_before_it_is_learned(tmp_path):
    first, second = hours(0, 1)[:2]
    rows = [
        call(hour, minute, "a", "s3:GetObject", serial)
        for serial, (hour, minute) in enumerate([(first, 1), (first, 30), (second, 1)])
    ]
    found, _ = scored(tmp_path / "logs", [parsed(frame(rows))])
    new, _, known = found["score"].to_list()
    assert new > known


def test_urgent_events_are_learned_a_week_later():
    model, hour = load("cloudtrail"), hours(0, 1)[0]
    usual = frame([call(hour, 1, "a", "s3:GetObject", 1)])
    odd = frame([call(hour, 2, "a", "iam:CreateUser", 2)])
    both, urgent = pl.concat([usual, odd]), pl.Series(["low", "high"])
    learning, without, at_once = (Learning(model, hour) for _ in range(3))
    learning.learn(hour, both, urgent)
    without.learn(hour, usual, pl.Series(["low"]))
    at_once.learn(hour, both, pl.Series(["low", "low"]))
    keys = learning.state.keys
    assert keys == without.state.keys < at_once.state.keys
    week = shift_hour(hour, 7 * 24)
    none = (usual.clear(), pl.Series([], dtype=pl.String))
    learning.learn(shift_hour(week, -1), *none)
    assert learning.state.keys == keys
    learning.learn(week, *none)
    assert learning.state.keys == at_once.state.keys


def test_the_account_of_records_must_add_up():
    class Report:
        records, rejected = 10, 2

    assert check_account([Report(), Report()], events=15, duplicates=1) == 4
    with pytest.raises(AccountingError, match="20 records were read, but 14 became events"):
        check_account([Report(), Report()], events=14, duplicates=1)


def test_times_that_no_clock_shows_do_not_stop_the_run(tmp_path):
    hour = hours(0, 1)[0]
    late = hour_start(hour).replace(year=9999) + timedelta(minutes=1)
    found, done = scored(tmp_path / "logs", [parsed(frame([call(hour, 1, "a", "s3:GetObject", 1, time=late)]))])
    assert found["flags"].to_list() == ["no_time"]
    assert done.events == 1
