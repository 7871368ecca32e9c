"""The replay: what arrives when, which history a part sees, what is not learned."""

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from evaluation import transplants
from evaluation.background import make_world
from evaluation.chain import HELD_HOURS, Chain
from evaluation.dataset import Dataset, Window
from evaluation.rivals import folds
from evaluation.timeline import ARRIVED, FILE, Timeline, arrival_of, in_the_same_files
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.hours import hour_end, hour_start, shift_hour
from s3sentinel_assets.ml import load_model
from s3sentinel_assets.ml.evaluation.transplant import SEQUENCE_SCHEMA
from s3sentinel_assets.tables.entities import ENTITY_SCHEMA

MODELS = Path(__file__).resolve().parents[2] / "models"


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    world = make_world(5, 3, scale=0.05)
    kinds = world.principals.select("account", "principal", pl.col("kind").alias("victim"))
    own = world.frame(world.hours[30]).head(6)
    attacks = own.with_columns(
        sequence=pl.lit("one"), technique=pl.lit("t"), offset=pl.col("time") - pl.col("time").min()
    )
    attacks = attacks.select(pl.col(name).cast(kind) for name, kind in SEQUENCE_SCHEMA.items())
    return Dataset("small", tuple(world.hours), world.frame, kinds, attacks, "test")


def timeline(dataset: Dataset, added: pl.DataFrame | None = None, removed: pl.Series | None = None) -> Timeline:
    return Timeline(
        dataset.hours, dataset.background, pl.DataFrame(schema=ARRIVED) if added is None else added, removed
    )


def test_every_event_arrives_once_in_its_arrival_hour(dataset):
    first, last = dataset.hours[0], dataset.hours[11]
    seen = list(timeline(dataset).arrivals(first, last))
    for hour, frame in seen:
        assert frame["arrival"].is_between(hour_start(hour), hour_end(hour), closed="left").all()
        assert (frame["arrival"] >= frame["time"]).all()
    arrived = pl.concat([frame for _, frame in seen])
    happened = pl.concat([dataset.background(hour) for hour in dataset.hours[:12]])
    due = happened.filter(pl.col("arrival") < hour_end(last))
    assert arrived["event_id"].is_unique().all()
    assert set(arrived["event_id"]) == set(due["event_id"])
    assert due.height < happened.height


def test_a_replay_that_begins_later_sees_what_was_on_its_way(dataset):
    whole = dict(timeline(dataset).arrivals(dataset.hours[0], dataset.hours[8]))
    late = dict(timeline(dataset).arrivals(dataset.hours[6], dataset.hours[8]))
    for hour, frame in late.items():
        assert set(frame["event_id"]) == set(whole[hour]["event_id"])


def test_files_of_five_minutes_come_five_to_twenty_minutes_later(dataset):
    events = arrival_of(dataset.background(dataset.hours[40]).drop("arrival"), seed=1)
    delay = events["arrival"] - (events["time"].dt.truncate("5m") + FILE)
    assert delay.min() >= timedelta(minutes=5)
    assert delay.max() < timedelta(minutes=20)
    files = events.with_columns(file=pl.col("time").dt.truncate("5m")).group_by("account", "region", "file")
    assert files.agg(pl.col("arrival").n_unique())["arrival"].unique().to_list() == [1]


def test_what_is_put_in_comes_in_the_same_file_as_its_neighbours(dataset):
    background = dataset.background(dataset.hours[40])
    put = in_the_same_files(background.drop("arrival"), background, seed=3)
    assert put["arrival"].equals(background["arrival"])


def test_high_events_are_learned_a_week_later_and_others_at_once(dataset):
    model = load_model(MODELS, "cloudtrail")
    hour = dataset.hours[12]
    arrived = next(iter(timeline(dataset).arrivals(hour, hour)))[1]
    urgent = pl.Series(["high"] + ["low"] * (arrived.height - 1))
    chain = Chain.beginning(model, shift_hour(hour, -1)).learn(hour, arrived, urgent)
    assert chain.state.events == arrived.height - 1
    due = shift_hour(hour, HELD_HOURS)
    assert {key: frame.height for key, frame in chain.held.items()} == {due: 1}
    nothing = arrived.clear()
    assert chain.learn(shift_hour(due, -1), nothing, None).state.events == 0
    released = chain.learn(due, nothing, None)
    assert released.state.events == 1
    assert not released.held


def test_parts_are_scored_as_the_product_scores_them(dataset):
    model = load_model(MODELS, "cloudtrail")
    hours = dataset.hours[30:34]
    chain = Chain.beginning(model, shift_hour(hours[0], -1))
    for hour, arrived in timeline(dataset).arrivals(hours[0], hours[-2]):
        chain = chain.learn(hour, arrived, None)
    last = next(iter(timeline(dataset).arrivals(hours[-1], hours[-1])))[1].sort("arrival")
    for begin in range(0, last.height, 100):
        part, before = last.slice(begin, 100), chain
        chain, scored = before.score(part, hours[-1], check=True)
        assert scored.height == part.height
    wrong = scored.with_columns(raw=pl.col("raw") + 1)
    with pytest.raises(RuntimeError, match="scored otherwise"):
        before._check(part.select(list(ENTITY_SCHEMA)), hours[-1], wrong, chain.counters)


def test_a_placebo_is_cut_out_and_put_back_in_the_same_names(dataset):
    hours = list(dataset.hours[24:72])
    removed, put = transplants.placebo(dataset, transplants.people(dataset), hours, 1, 20)
    background = pl.concat([dataset.background(hour) for hour in hours])
    cut = background.filter(pl.col("event_id").is_in(removed.implode()))
    assert put.height == cut.height == removed.len()
    assert not set(put["event_id"]) & set(background["event_id"])
    who = ["account", "principal", "action"]
    assert put.select(who).sort(who).equals(cut.select(who).sort(who))
    # Each on its own day.
    days = [frame["time"].dt.date().value_counts().sort("time") for frame in (put, cut)]
    assert days[0].equals(days[1])
    left = pl.concat([frame for _, frame in timeline(dataset, put, removed).arrivals(hours[0], hours[-1])])
    assert not set(left["event_id"]) & set(removed)


def test_a_drip_is_the_incidents_own_events_beforehand(dataset):
    training, test = list(dataset.hours[:48]), list(dataset.hours[48:])
    added = transplants.incidents(dataset, transplants.people(dataset), test, 1, 3)
    drip = transplants.drip(added, training, dataset, 1)
    assert drip["time"].max() < hour_start(test[0]) <= added["time"].min()
    who = ["incident", "principal", "source_ip", "user_agent"]
    assert set(drip.select(who).unique().rows()) <= set(added.select(who).unique().rows())
    counts = drip.group_by("incident").len()["len"]
    assert counts.min() >= 5
    assert drip["event_id"].is_unique().all()


def test_folds_share_neither_techniques_nor_services():
    attacks = pl.DataFrame(
        {"technique": list("aabbccdd"), "service": ["iam", "iam", "iam", "s3", "s3", "s3", "ec2", "ec2"]}
    )
    found = folds(attacks, 3)
    assert sorted(technique for fold in found for technique in fold) == list("abcd")
    assert frozenset("ab") in found


def test_the_last_days_are_the_test_and_short_backgrounds_are_refused():
    hours = [shift_hour("2026-06-01-00:00", number) for number in range(14 * 24)]
    history, training, test = Window().split(hours)
    assert [len(part) // 24 for part in (history, training, test)] == [3, 7, 4]
    assert history + training + test == hours
    short = Window().split(hours[:100])
    assert sum(map(len, short)) == 100
    assert all(short)
    with pytest.raises(UserError, match="needs 72"):
        Window().split(hours[:71])
