"""The ordinary way's scores next to the product's, on two hours in which there is something to find."""

from collections import Counter as Tally
from collections import defaultdict
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from benchmarks.history import as_dictionaries
from benchmarks.ordinary.event import Event
from benchmarks.ordinary.keys import keys_of, left_out
from benchmarks.ordinary.memory import Memory
from benchmarks.ordinary.scoring import score_events
from evaluation.attacks import own_stories
from evaluation.background import make_world
from evaluation.fit_flows import flow_hours
from s3sentinel_assets.hours import hour_range, hour_start, shift_hour
from s3sentinel_assets.local.generator import Generator, attack_story
from s3sentinel_assets.ml import load_model, score, update
from s3sentinel_assets.ml.history.counters import Counters
from s3sentinel_assets.tables.entities import ENTITY_SCHEMA

MODELS = Path(__file__).resolve().parent.parent.parent / "models"
COLUMNS = ("Priority_CF", "Reasons_CF", "Flags_CF", "Confidence_CF")
#: How far a last digit may be rounded the other way; three digits are told of a rate, however small.
NUMBERS = {"AnomalyScore_CF": {"abs": 0.011}, "ExpectedPerDay_CF": {"rel": 0.011}}


def events_of(batch: pl.DataFrame, source: str) -> list[Event]:
    """The entity view, event by event, as the ordinary way's readers would give it."""
    return [
        Event(
            row={},
            event_id=row["event_id"],
            time=f"{row['time']:%Y-%m-%dT%H:%M:%SZ}",
            account=row["account"],
            region=row["region"],
            principal=row["principal"],
            kind=row["principal_type"],
            peer=row["peer"],
            service=row["service"],
            action=row["action"],
            address=row["target"] if source == "vpc_flow" else row["source_ip"],
            agent=row["user_agent"],
            error=row["error"],
            size=row["bytes"],
            packets=row["packets"],
            read_only=row["read_only"],
            detail=row["detail"],
        )
        for row in batch.iter_rows(named=True)
    ]


def both_ways(source, state, hours):
    """Product's and ordinary scores of some hours that follow one another, by event id."""
    model, counters, found = load_model(MODELS, source), Counters(), []
    for hour, batch in hours:
        known = as_dictionaries(state, counters, hour)
        memory = Memory(source, known["tables"], hour, model.parameters)
        result = score(batch, state, counters, model, hour=hour)
        counters = result.counters
        mine = dict(zip(batch["event_id"], result.scores.iter_rows(named=True), strict=True))
        events = sorted(events_of(batch, source), key=lambda event: (event.time, event.event_id))
        counted = [(event, keys_of(event, source)) for event in events if not left_out(event, source)]
        lately = [defaultdict(dict, known[name]) for name in ("recent", "recent_sensitive")]
        found += [(mine[event.event_id], theirs) for event, _, theirs in score_events(counted, model, memory, *lately)]
        state = update(state, [batch], hour, format=source, model=model)
    return found


def hold_against(found):
    differing = [
        (name, mine[name], theirs.get(name))
        for mine, theirs in found
        for name in COLUMNS
        if mine[name] != theirs.get(name)
    ]
    assert not differing, differing[:5]
    for name, tolerance in NUMBERS.items():
        mine, theirs = [each[name] for each, _ in found], [each.get(name) for _, each in found]
        assert [value is None for value in mine] == [value is None for value in theirs]
        told = [value or 0.0 for value in theirs]
        assert [value or 0.0 for value in mine] == pytest.approx(told, **tolerance)


def story_events(hour: str, known: pl.DataFrame) -> pl.DataFrame:
    """Our attack stories in the name of people whom history knows."""
    people = known.filter(pl.col("principal_type").is_in(["AssumedRole", "IAMUser"])).unique(
        ["account", "principal"], maintain_order=True
    )
    frames = []
    for number, story in enumerate(own_stories()):
        who = people[number % people.height].select("account", "principal", "principal_type", "peer")
        times = pl.lit(hour_start(hour) + timedelta(minutes=2)) + pl.col("offset").clip(
            upper_bound=timedelta(minutes=50)
        )
        frames.append(
            story.events.with_columns(
                *(pl.lit(who[name][0]).alias(name) for name in who.columns),
                time=times.dt.truncate("1s"),
                event_id=pl.format("story-{}-{}", pl.lit(number), pl.int_range(pl.len())),
            ).select(pl.col(name).cast(kind) for name, kind in ENTITY_SCHEMA.items())
        )
    return pl.concat(frames)


@pytest.mark.slow
def test_calls_have_the_same_scores_priorities_and_reasons():
    world, source = make_world(41, 5, scale=0.2), "cloudtrail"
    model, state = load_model(MODELS, source), None
    *before, first, second = world.hours[: 24 * 4 + 14]
    for hour in before:
        state = update(state, [world.frame(hour)], hour, format=source, model=model)
    hours = []
    for hour in (first, second):
        batch = world.frame(hour).select(list(ENTITY_SCHEMA)).with_columns(pl.col("time").dt.truncate("1s"))
        hours.append((hour, pl.concat([batch, story_events(hour, batch)])))
    found = both_ways(source, state, hours)
    hold_against(found)
    priorities = Tally(mine["Priority_CF"] for mine, _ in found)
    assert min(priorities[name] for name in ("critical", "high", "medium", "low")) >= 10
    assert sum(mine["Reasons_CF"] is not None for mine, _ in found) > 50
    assert {mine["_sensitivity"] for mine, _ in found} == {0, 1, 2, 3}


def test_flows_have_the_same_scores_priorities_and_reasons():
    source, start = "vpc_flow", "2026-06-01-00:00"
    model, state, generator = load_model(MODELS, source), None, Generator(43, 0.3)
    last = shift_hour(start, 24 * 4)
    objects = ((hour, list(generator.objects(source, hour))) for hour in hour_range(start, last))
    *before, first, second = flow_hours(
        (hour, [*items, *(attack_story(generator, hour) if hour == last else ())]) for hour, items in objects
    )
    for hour, batch in before:
        state = update(state, [batch], hour, format=source, model=model)
    found = both_ways(source, state, [first, second])
    hold_against(found)
    priorities = Tally(mine["Priority_CF"] for mine, _ in found)
    assert priorities["medium"] >= 10
    said = " ".join(mine["Reasons_CF"] or "" for mine, _ in found)
    for words in ("bytes: only", "events failed this hour", "first times this hour", "never done by this interface"):
        assert words in said
