"""The feature matrix is what scoring sees, row by row."""

import polars as pl
import pytest

from s3sentinel_assets.ml import load_model, score, update
from s3sentinel_assets.ml.features.matrix import MATRIX_SCHEMA, feature_matrix
from s3sentinel_assets.ml.parameters import TERMS
from tests.ml.worlds import MODELS, World, call, frame, hours

HOUR, LATER = hours(0, 1)[9], hours(0, 1)[10]


@pytest.fixture(scope="module")
def model():
    return load_model(MODELS, "cloudtrail")


@pytest.fixture(scope="module")
def state(model):
    return update(None, [frame(World(8).hour(HOUR))], HOUR, format="cloudtrail", model=model)


def matrix_of(batch, state, model, counters=None):
    return feature_matrix(batch, state, counters, model.parameters, format="cloudtrail", hour=LATER)


def test_the_matrix_gives_the_raw_scores_of_scoring(model, state):
    batch = pl.concat([frame(World(4).hour(HOUR)), frame([{}])]).sample(fraction=1.0, shuffle=True, seed=1)
    matrix, counters = matrix_of(batch, state, model)
    scored = score(batch, state, None, model, hour=LATER)
    assert matrix.schema == pl.Schema(MATRIX_SCHEMA)
    assert matrix["event_id"].equals(batch["event_id"])
    assert model.detector.raw(matrix).equals(scored.scores["_raw"], check_names=False)
    nobody = matrix.filter(pl.col("principal").is_null())
    assert nobody.height == 1
    assert nobody.select(TERMS).sum_horizontal()[0] == 0.0
    # What is handed on is the same; scoring adds who was loud in the last hour.
    assert counters.frame.equals(scored.counters.frame.filter(~pl.col("table").str.starts_with("recent")))


def test_parts_of_an_hour_give_the_rows_of_the_whole(model, state):
    batch = frame(World(4).hour(HOUR)).sort("time", "event_id")
    whole, _ = matrix_of(batch, state, model)
    first, counters = matrix_of(batch.head(70), state, model)
    second, _ = matrix_of(batch.tail(-70), state, model, counters)
    assert model.detector.raw(pl.concat([first, second])).equals(model.detector.raw(whole))


def terms(state, model, *rows: dict) -> list[dict]:
    return matrix_of(frame(list(rows)), state, model)[0].to_dicts()


def test_what_a_new_action_is_a_part_of(model):
    state = None
    for hour in hours(0, 1)[5:10]:
        habit = [call(hour, minute / 4, "worker", "s3:GetObject", minute, read_only=True) for minute in range(200)]
        state = update(state, [frame(habit)], hour, format="cloudtrail", model=model)
    same, new_action, first_write, new_service = terms(
        state,
        model,
        call(LATER, 1, "worker", "s3:GetObject", 1_001, read_only=True),
        call(LATER, 2, "worker", "s3:ListBuckets", 1_002, read_only=True),
        call(LATER, 3, "worker", "s3:PutBucketPolicy", 1_003, read_only=False),
        call(LATER, 4, "worker", "iam:ListUsers", 1_004, read_only=True, error="AccessDenied"),
    )
    assert not any(same[term] for term in ("new_action", "new_service", "new_write"))
    assert new_action["new_action"] > 0
    assert (new_action["new_service"], new_action["new_write"]) == (0, 0)
    assert first_write["new_write"] > 8, "who never changed anything"
    assert first_write["new_service"] == 0
    assert new_service["new_service"] > 8
    assert new_service["new_write"] == 0
    # Three first times of an action, not five: service and write are parts of it.
    assert new_service["many_new"] == pytest.approx(new_action["many_new"] + 1.0, abs=0.9)
