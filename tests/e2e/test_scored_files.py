"""What scoring leaves beside the scores: patterns of every format, and what the hour's principals come to."""

import json
import shutil
from datetime import timedelta

import polars as pl
import pytest
import sqlalchemy as sa

from s3sentinel_assets.hours import hour_start
from s3sentinel_assets.ledger.schema import batch, stage
from s3sentinel_assets.pipeline import discovery, parsing, scoring
from tests.conftest import REPOSITORY
from tests.e2e import logs
from tests.e2e.test_mixed_source import FOLDERS, put_each, stages_of

TRAIL = "cloudtrail"


@pytest.fixture
def world(make_world, tmp_path):
    """What a principal does for the first time is high."""
    folder = tmp_path / "models"
    shutil.copytree(REPOSITORY / "models", folder)
    table = json.loads((folder / "priority.json").read_text())
    table["tables"]["cloudtrail"] = [{"priority": "high", "first_seen": True}, {"priority": "low"}]
    (folder / "priority.json").write_text(json.dumps(table))
    return make_world(models_dir=str(folder))


def put(world, hour: str, number: int, entries: list[dict]) -> None:
    start = hour_start(hour)
    key = logs.key(TRAIL, start, f"{hour[11:13]}-{number}.json.gz")
    world.put(key, logs.cloudtrail(entries), start + timedelta(minutes=10 + number))
    discovery.discover(world.runtime, TRAIL, [hour])
    parsing.parse_hour(world.runtime, TRAIL, hour)
    scoring.score_hour(world.runtime, TRAIL, hour)


def files(result: dict, kind: str) -> list[dict]:
    return [file for file in result["files"] if file["kind"] == kind]


def read(world, file: dict) -> pl.DataFrame:
    return pl.read_parquet(world.runtime.store.checked_path(file["uri"], file["sha256"]))


def test_principals_are_summed_up_from_part_to_part_and_a_replay_is_the_same(world, hours):
    first, second = hours[:2]
    put(world, first, 0, logs.records(hour_start(first), 30))
    world.close_hour(TRAIL, first)
    start = hour_start(second)
    put(world, second, 0, logs.records(start, 20, 100))  # nothing new: nobody has risen
    put(world, second, 1, [logs.record(start, 500, eventName="StopLogging")])
    put(world, second, 2, [logs.record(start, 501, eventName="DeleteTrail")])  # as high as before
    results = stages_of(world, second, "scored")
    standing = [read(world, files(result, "standing_hours")[0]) for result in results]
    assert [int(frame["events"].sum()) for frame in standing] == [20, 21, 22]
    made = [[read(world, file) for file in files(result, "entity_hours")] for result in results]
    assert [len(frames) for frames in made] == [0, 1, 0]
    assert made[1][0].height == 1
    world.bring_up(TRAIL, second)
    (row,) = world.rows("AwsEntityHour_CL | project Principal, Final")
    assert "alice" in row["Principal"]
    with world.runtime.ledger.write() as connection:  # forget the results, not the pins
        connection.execute(sa.delete(batch))
        connection.execute(sa.delete(stage).where(stage.c.stage != "parsed"))
    scoring.score_hour(world.runtime, TRAIL, first)
    scoring.score_hour(world.runtime, TRAIL, second)
    again = stages_of(world, second, "scored")
    assert [[file["sha256"] for file in result["files"]] for result in again] == [
        [file["sha256"] for file in result["files"]] for result in results
    ]


def test_events_of_a_new_hour_begin_anew(world, hours):
    for number, hour in enumerate(hours[:3]):
        put(world, hour, 0, logs.records(hour_start(hour), 10, 100 * number))
        world.close_hour(TRAIL, hour)
    last = stages_of(world, hours[2], "scored")[0]
    assert read(world, files(last, "standing_hours")[0])["events"].sum() == 10


def test_every_format_has_patterns_and_scores(make_world, hours, minute):
    world = make_world(sources={"mixed": FOLDERS})
    for hour in hours[:2]:
        put_each(world, hour, minute)
        world.bring_up("mixed", hour)
        world.close_hour("mixed", hour)
        account = world.account("mixed", hour)
        assert (account.verdict, account.accepted) == ("complete", 120)
    (result,) = stages_of(world, hours[1], "scored")
    assert files(result, "patterns")
    scores = {file["format"]: read(world, file) for file in files(result, "scores")}
    assert set(scores) == {"cloudtrail", "vpc_flow", "alb"}
    assert (result["counts"]["scored"], result["counts"]["unscored"]) == (120, 0)
    for frame in scores.values():
        assert not frame["Flags_CF"].fill_null("").str.contains("unscored").any()
        assert "unknown" not in frame["Priority_CF"]
    assert any(frame["Pattern_CF"].null_count() < frame.height for frame in scores.values())


def test_an_hour_with_too_much_to_count_says_so_and_is_scored_all_the_same(make_world, hours):
    world = make_world(limits={"hour_keys": 1_000})
    first, second = hours[:2]
    put(world, first, 0, logs.records(hour_start(first), 30))
    world.close_hour(TRAIL, first)
    start = hour_start(second)
    many = [
        logs.record(start, number, eventName=f"Describe{'abcdefghij'[number % 10]}{number}") for number in range(900)
    ]
    put(world, second, 0, many)
    (part,) = stages_of(world, second, "scored")
    (counters,) = files(part, "counters")
    assert read(world, counters).height <= 1_000
    again = scoring.score_hour(world.runtime, TRAIL, second)
    assert again.counts["scored"] == 900
    (problem,) = again.problems
    assert "more than limits.hour_keys different things to count" in problem
    assert f"{again.counts['counter_keys_dropped']:,} counted least were dropped" in problem
