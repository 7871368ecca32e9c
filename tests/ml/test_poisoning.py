"""Nobody teaches the history quickly: a flood counts as one capped hour, a slow drip stays what it is."""

import polars as pl

from s3sentinel_assets.ml import load_model, update
from tests.ml.worlds import MODELS, World, call, frame, hours

MODEL = load_model(MODELS, "cloudtrail")
CAP = MODEL.parameters.hourly_cap
ATTACK = "iam:AttachRolePolicy"


def count_of(state, table: str, text: str) -> float:
    rows = state.frame.filter((pl.col("table") == table) & pl.col("key").str.contains(text, literal=True))
    return rows["count"].sum()


def test_a_flood_of_one_principal_counts_as_one_capped_hour():
    hour = hours(0, 1)[9]
    world = World(2)
    background = world.hour(hour)
    flood = [call(hour, i % 60, "mallory", ATTACK, 10_000_000 + i) for i in range(40 * CAP)]
    state = update(None, [frame([*background, *flood])], hour, format="cloudtrail", model=MODEL)
    for table in ("principal/action", "peer/action", "global/action"):
        assert count_of(state, table, ATTACK) <= CAP
    quiet = update(None, [frame(background)], hour, format="cloudtrail", model=MODEL)
    # The habits of the others are worth what they were.
    others = quiet.frame.filter(pl.col("table") == "principal/action").join(state.frame, on=["table", "key"])
    assert (others["count"] == others["count_right"]).all()


def test_a_slow_drip_weighs_what_it_is_however_long_it_lasts():
    """One call an hour for three days: the principal's own count grows to that, no other principal's does."""
    state, world = None, World(6)
    for number, hour in enumerate(hours(0, 3)):
        rows = [*world.hour(hour), call(hour, 30, "mallory", ATTACK, 20_000_000 + number)]
        state = update(state, [frame(rows)], hour, format="cloudtrail", model=MODEL)
    assert count_of(state, "principal/action", ATTACK) <= 72
    total = count_of(state, "global", "all")
    assert count_of(state, "global/action", ATTACK) / total < 0.02
    assert count_of(state, "principal/action", f"worker\x1f{ATTACK}") == 0
