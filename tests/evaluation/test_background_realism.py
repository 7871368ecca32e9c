"""Two whole weeks of the generated background: of the size of an ordinary company, and as hard as one."""

import polars as pl
import pytest

from evaluation.background import make_world

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def fortnight() -> pl.DataFrame:
    """A whole world: two weeks, first-seen flags beside the events."""
    world = make_world(2)
    kept = [
        "time",
        "account",
        "principal",
        "action",
        "source_ip",
        "user_agent",
        "error",
        "read_only",
        "habit",
        "region",
    ]
    kinds = world.principals.select("principal", "account", pl.col("kind").alias("who"))
    every = pl.concat([frame.select(kept) for _, frame in world.frames()])
    return every.join(kinds, on=["principal", "account"], how="left", maintain_order="left").with_columns(
        new=pl.struct("account", "principal", "action").is_first_distinct(),
        day=(pl.col("time") - pl.col("time").min()).dt.total_days(),
    )


def test_a_world_has_the_size_of_an_ordinary_company(fortnight):
    weekdays = fortnight.filter(pl.col("time").dt.weekday() <= 5)
    daily = fortnight.height / 14
    assert 68_000 < daily < 85_000
    people = fortnight.filter(pl.col("who").is_in(["human", "admin"]))
    assert 70 <= people.select(pl.struct("account", "principal").n_unique()).item() <= 80
    # People work on weekdays, machines always.
    share = people.filter(pl.col("time").dt.weekday() <= 5).height / people.height
    assert share > 0.9
    assert weekdays.filter(who="workload").height / fortnight.filter(who="workload").height < 0.8
    denied = fortnight.filter(principal="delivery.logs.amazonaws.com")["error"].is_not_null().mean()
    assert 0.93 < denied < 0.97
    scanner = fortnight.filter(pl.col("principal").str.contains("posture-scanner"))
    assert scanner["action"].n_unique() >= 800
    assert scanner["read_only"].all()


def test_a_world_is_not_easy(fortnight):
    tags = set(fortnight["habit"].drop_nulls())
    assert {"joiner", "travel", "admin", "sdk_upgrade", "scanner", "nightly", "noise", "deploy", "vendor"} <= tags
    assert {"burst", "retry", "incident", "drill", "new_region", "new_device", "exploration", "new_action"} <= tags
    # In the test days, too, harmless people and build jobs do what they never did before, by the hundred a day.
    late = fortnight.filter(pl.col("day") >= 10)
    first = late.filter("new").height / late.height
    assert 0.003 < first < 0.02
    by = dict(late.filter("new").group_by("who").agg(pl.len() / 4).iter_rows())
    assert by["human"] > 100
    assert by["admin"] > 20
    assert by["ci"] > 15
    # Administrators change things that guard the accounts, some for the first time.
    admins = late.filter(who="admin", read_only=False)
    assert admins.filter("new").height > 20
    # New joiners, networks and clients turn up in the test days.
    before = fortnight.filter(pl.col("day") < 10)
    for column in ("source_ip", "user_agent"):
        known = before.select("account", "principal", column).unique()
        fresh = late.join(known, on=["account", "principal", column], how="anti")
        assert fresh.filter(pl.col("who").is_in(["human", "admin"])).height > 100


def test_a_fleet_changes_its_client_within_the_hour(fortnight):
    upgraded = fortnight.filter(habit="sdk_upgrade")
    assert upgraded["principal"].n_unique() >= 4
    for (principal, account), during in upgraded.partition_by("principal", "account", as_dict=True).items():
        own = fortnight.filter(principal=principal, account=account)
        client = set(during["user_agent"])
        assert len(client) == 1
        since = during["time"].min().replace(minute=0, second=0)
        assert not client & set(own.filter(pl.col("time") < since)["user_agent"])
        assert set(own.filter(pl.col("time") >= since)["user_agent"]) == client
