"""The columns of a scored batch: reasons that add up, numbers that say what they are."""

import re

import polars as pl
import pytest

from s3sentinel_assets.hours import shift_hour
from s3sentinel_assets.ml import INTERNAL_SCHEMA, SCORE_SCHEMA, load_model, score, update
from s3sentinel_assets.ml.anomaly.detector import plain_rarity
from s3sentinel_assets.ml.scoring.model import load_weights
from tests.ml.worlds import MODELS, World, frame, hours

NOON = shift_hour(hours(4, 1)[0], 10)
ATTACK = {"source_ip": "203.0.113.9", "user_agent": "aws-cli/2.9 Python/3.11 Linux/6 kali"}


@pytest.fixture(scope="module")
def model():
    return load_model(MODELS, "cloudtrail")


@pytest.fixture(scope="module")
def noon(model):
    """State of four days, and a noon with an attack in it."""
    world, state = World(), None
    for hour in hours(0, 4):
        if int(hour[11:13]) in (8, 9, 10, 11):
            state = update(state, [frame(world.hour(hour))], hour, format="cloudtrail", model=model)
    rows = [
        world.call(NOON, 5 + i, "user0", f"iam:{name}", **ATTACK)
        for i, name in enumerate(("ListUsers", "CreateUser", "AttachUserPolicy"))
    ]
    rows.append(world.call(NOON, 20, "user0", world.habits["user0"][0], source_ip="198.51.100.3"))
    return state, pl.concat([frame(rows), frame(world.hour(NOON))])


def test_printed_parts_are_the_largest_of_the_very_score(model, noon):
    state, batch = noon
    scores = score(batch, state, None, model, hour=NOON).scores
    assert scores.schema == pl.Schema(SCORE_SCHEMA | INTERNAL_SCHEMA)
    explained = scores.filter(pl.col("Reasons_CF").is_not_null())
    assert explained.height >= 3
    for row in explained.iter_rows(named=True):
        parts = [float(part) for part in re.findall(r"\((\d+\.\d)\)(?:; |$)", row["Reasons_CF"])]
        assert len(parts) == row["Reasons_CF"].count("; ") + 1
        assert parts == sorted(parts, reverse=True)
        # Each part is rounded to a tenth; with three or fewer terms nothing else is in the sum.
        assert sum(parts) <= row["_raw"] / 100 + 0.15
        if len(parts) < 3:
            assert sum(parts) == pytest.approx(row["_raw"] / 100, abs=0.15)
    assert (
        scores.filter(pl.col("Priority_CF") == "low")["Reasons_CF"].null_count()
        == (scores["Priority_CF"] == "low").sum()
    )


def test_the_expected_number_is_told_where_somebody_will_look(model, noon):
    state, batch = noon
    scores = score(batch, state, None, model, hour=NOON).scores
    urgent = pl.col("Priority_CF").is_in(["critical", "high", "medium"])
    assert scores.filter(~urgent)["ExpectedPerDay_CF"].null_count() == scores.filter(~urgent).height
    told = scores.filter(urgent)
    assert told["ExpectedPerDay_CF"].null_count() == 0
    for row in told.iter_rows(named=True):
        assert row["ExpectedPerDay_CF"] == float(f"{row['ExpectedPerDay_CF']:.3g}")
        expected = model.detector.events_per_day * 2.0 ** -row["AnomalyScore_CF"]
        assert row["ExpectedPerDay_CF"] == pytest.approx(expected, rel=0.02)


def test_a_rule_of_thumb_ranks_but_is_not_quoted(model, noon):
    state, batch = noon
    plain = model.with_detector(plain_rarity(load_weights(MODELS, "cloudtrail")[1], "cloudtrail"))
    assert plain.version != model.version
    scores = score(batch, state, None, plain, hour=NOON).scores
    assert scores["ExpectedPerDay_CF"].null_count() == scores.height
    assert scores["AnomalyScore_CF"].arg_max() in (0, 1, 2)


def test_what_the_principal_did_before_stands_beside_each_event(model, noon):
    state, batch = noon
    scores = score(batch, state, None, model, hour=NOON).scores
    routine = scores.row(3, named=True)
    assert routine["_standing"] == scores.head(3)["_raw"].max()
    assert routine["_raw"] < routine["_standing"]
    assert scores["_sensitivity"][2] >= 2
    assert scores["_rule"][2] is not None
    # The next hour still knows it.
    result = score(batch.head(3), state, None, model, hour=NOON)
    later = shift_hour(NOON, 1)
    call = batch[3].with_columns(pl.col("time") + pl.duration(minutes=41), event_id=pl.lit("later"))
    after = score(call, state, result.counters, model, hour=later).scores
    assert after["_standing"][0] == scores.head(3)["_raw"].max()
