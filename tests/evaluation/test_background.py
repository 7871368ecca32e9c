"""The generated background: it repeats, it looks like CloudTrail, and it is not easy."""

import json
import subprocess
import sys
from datetime import timedelta

import polars as pl
import pytest

from evaluation.background import WORLD_SCHEMA, make_world
from s3sentinel_assets.hours import hour_end, hour_start
from s3sentinel_assets.tables.entities import ENTITY_SCHEMA


def fresh(seed: int, days: int, scale: float):
    """A world that was not made before."""
    make_world.cache_clear()
    return make_world(seed, days, scale=scale)


@pytest.fixture(scope="module")
def world():
    return make_world(3, 4, scale=0.15)


@pytest.fixture(scope="module")
def events(world) -> pl.DataFrame:
    frames = [frame.with_columns(hour=pl.lit(hour)) for hour, frame in world.frames()]
    kinds = world.principals.select("principal", "account", pl.col("kind").alias("who"))
    return pl.concat(frames).join(kinds, on=["principal", "account"], how="left", maintain_order="left")


def test_the_same_seed_gives_the_same_events_in_whatever_order_hours_are_asked_for(world):
    hours = ["2026-05-29-09:00", "2026-06-01-14:00", "2026-05-31-03:00"]
    expected = {hour: world.frame(hour) for hour in hours}
    again = fresh(3, 4, 0.15)
    for hour in reversed(hours):
        assert again.frame(hour).equals(expected[hour])
        assert again.frame(hour).equals(expected[hour])
    assert again.principals.equals(world.principals)
    other = fresh(4, 4, 0.15).frame(hours[0])
    assert not set(other["event_id"]) & set(expected[hours[0]]["event_id"])


@pytest.mark.slow
def test_another_number_of_threads_gives_the_same_events_and_nothing_is_known_of_what_scores_them():
    program = (
        "import hashlib, sys\n"
        "from evaluation.background import make_world\n"
        "frame = make_world(3, 1, scale=0.1).frame('2026-05-29-15:00')\n"
        "print(hashlib.sha256(frame.write_ndjson().encode()).hexdigest(), *sys.modules)\n"
    )
    seen = set()
    for threads in ("1", "3"):
        made = subprocess.run(
            [sys.executable, "-c", program],
            env={"POLARS_MAX_THREADS": threads, "PATH": "/usr/bin:/bin", "PYTHONHASHSEED": threads},
            capture_output=True,
            text=True,
            check=True,
        )
        digest, *modules = made.stdout.split()
        seen.add(digest)
        assert not [name for name in modules if name.startswith("s3sentinel_assets.ml")]
    assert len(seen) == 1


def test_frames_have_the_columns_of_the_entity_view_and_times_within_their_hour(world, events):
    assert list(WORLD_SCHEMA)[: len(ENTITY_SCHEMA)] == list(ENTITY_SCHEMA)
    for hour in world.hours[::7]:
        frame = world.frame(hour)
        assert dict(frame.schema) == WORLD_SCHEMA
        assert frame["time"].is_sorted()
        assert frame["time"].min() >= hour_start(hour)
        assert frame["time"].max() < hour_end(hour)
    assert events["event_id"].is_unique().all()
    assert (
        events["event_id"].str.contains(r"^\d{12}:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$").all()
    )
    needed = ["account", "region", "principal", "peer", "service", "action", "source_ip", "user_agent", "read_only"]
    assert events.select(needed).null_count().row(0) == (0,) * len(needed)
    assert (events["action"] == events["service"] + ":" + events["action"].str.split(":").list.get(1)).all()


def test_events_arrive_in_five_minute_files_up_to_twenty_minutes_late(events):
    late = events.with_columns(late=pl.col("arrival") - pl.col("time"), file=pl.col("time").dt.truncate("5m"))
    assert timedelta(0) < late["late"].min()
    assert late["late"].max() <= timedelta(minutes=20)
    assert late.group_by("account", "region", "file").agg(pl.col("arrival").n_unique())["arrival"].max() == 1
    # Files overtake each other: what arrives later is not always what happened later.
    assert not late.sort("arrival")["time"].is_sorted()


def test_everybody_is_in_the_table_of_principals_and_only_while_there(world, events):
    assert events["who"].null_count() == 0
    assert world.principals.select(pl.struct("principal", "account").is_unique().all()).item()
    assert len(world.accounts) == 6
    there = events.join(
        world.principals.select("principal", "account", "since", "until"), on=["principal", "account"], how="left"
    )
    assert (there["hour"] >= there["since"]).all()
    assert (there["hour"] < there["until"]).drop_nulls().all()


def test_names_are_spelled_as_the_log_parser_spells_them(world):
    people = world.principals.filter(pl.col("principal").str.contains("AWSReservedSSO_"))
    assert people.height >= 8
    # The session stays in the principal, for it is the person; the peer is the role without its suffix.
    assert people["principal"].str.contains(r"^\d{12}/AWSReservedSSO_\w+_[0-9a-f]{16}/[\w.]+@example\.com$").all()
    assert people["peer"].str.contains(r"^\d{12}/AssumedRole/AWSReservedSSO_[A-Za-z]+$").all()
    machines = world.principals.filter(kind="workload")
    assert not machines["principal"].str.contains("/i-0").any()
    assert "delivery.logs.amazonaws.com" in world.principals["principal"].to_list()


def test_parameters_are_there_for_changes_only_and_nothing_is_given_to_strangers(world, events):
    changing = events.filter(pl.col("detail").is_not_null())
    assert changing["read_only"].any() is False
    management = events.filter(~pl.col("read_only"), pl.col("service").is_in(["iam", "ec2", "kms", "cloudtrail"]))
    assert management["detail"].null_count() < management.height / 20
    for text in changing["detail"].unique().to_list():
        assert isinstance(json.loads(text), dict)
    numbers = changing["detail"].str.extract_all(r"arn:aws:iam::(\d{12})").explode().drop_nulls().str.slice(-12)
    assert set(numbers) <= set(world.accounts)
    opened = changing.filter(action="ec2:AuthorizeSecurityGroupIngress")
    wide = opened.filter(pl.col("detail").str.contains("0.0.0.0/0", literal=True))
    assert wide["detail"].str.contains(r'"fromPort":(?:80|443),').all()


def test_an_hour_that_is_not_there_and_a_world_without_days_are_refused(world):
    with pytest.raises(ValueError, match=r"2027-01-01-00:00 is not in the world"):
        world.frame("2027-01-01-00:00")
    with pytest.raises(ValueError, match="0 days"):
        make_world(1, 0)
