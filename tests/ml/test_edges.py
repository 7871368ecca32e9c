"""Input that is empty, odd or hostile, and states that do not fit."""

import io
from datetime import UTC

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.ml import (
    INTERNAL_SCHEMA,
    SCORE_SCHEMA,
    Counters,
    EntityState,
    ScoringUnavailable,
    empty_counters,
    empty_state,
    load_model,
    score,
    update,
)
from s3sentinel_assets.tables.entities import ENTITY_SCHEMA
from tests.ml.worlds import MODELS, World, call, frame, hours

HOUR = hours(0, 1)[9]
BEFORE = hours(0, 1)[8]
CLOUDTRAIL = load_model(MODELS, "cloudtrail")
VPC = load_model(MODELS, "vpc_flow")


@pytest.mark.parametrize("model", [CLOUDTRAIL, VPC], ids=["cloudtrail", "vpc_flow"])
@pytest.mark.parametrize("rows", [0, 1, 7])
def test_empty_batches_and_rows_of_nulls(model, rows):
    batch = frame([{}] * rows)
    nulls = pl.DataFrame({name: [None] * rows for name in ENTITY_SCHEMA})
    for each in (batch, nulls):
        result = score(each, empty_state(model.format, BEFORE), empty_counters(), model, hour=HOUR)
        assert result.scores.schema == pl.Schema(SCORE_SCHEMA | INTERNAL_SCHEMA)
        assert result.scores.height == rows
        assert result.scores["Priority_CF"].to_list() == ["unknown"] * rows
        assert result.scores["Flags_CF"].to_list() == ["no_principal"] * rows
        assert result.counters.frame.height == 0
        state = update(None, [each], HOUR, format=model.format, model=model)
        assert (state.keys, state.events) == (0, 0)
    assert (
        update(None, [], HOUR, format=model.format, model=model).frame.schema
        == empty_state(model.format, HOUR).frame.schema
    )


def test_an_event_without_a_name_is_scored_and_flagged():
    row = call(HOUR, 1, "x", "cloudtrail:StopLogging", 1) | {"principal": None, "time": None, "source_ip": None}
    scores = score(frame([row]), empty_state("cloudtrail", BEFORE), None, CLOUDTRAIL, hour=HOUR).scores
    assert scores["Flags_CF"][0] == "cold_start,no_principal"
    assert scores["Priority_CF"][0] == "high"


def test_the_parsers_words_for_nothing_are_nothing():
    row = call(HOUR, 1, "x", "-:-", 1) | {"principal": "unknown", "account": ""}
    scores = score(frame([row]), empty_state("cloudtrail", BEFORE), None, CLOUDTRAIL, hour=HOUR).scores
    assert (scores["Priority_CF"][0], scores["Flags_CF"][0]) == ("unknown", "no_principal")


def test_without_a_fitting_state_scoring_says_so():
    batch = frame(World().hour(HOUR))
    for state in (None, empty_state("vpc_flow", BEFORE), empty_state("cloudtrail", HOUR)):
        with pytest.raises(ScoringUnavailable, match="state"):
            score(batch, state, None, CLOUDTRAIL, hour=HOUR)
    with pytest.raises(ValueError, match="earlier or same"):
        update(empty_state("cloudtrail", HOUR), [batch], HOUR, format="cloudtrail", model=CLOUDTRAIL)
    with pytest.raises(ValueError, match="vpc_flow"):
        update(empty_state("vpc_flow", BEFORE), [batch], HOUR, format="cloudtrail", model=CLOUDTRAIL)
    with pytest.raises(ValueError, match="lacks the columns action"):
        score(batch.drop("action"), empty_state("cloudtrail", BEFORE), None, CLOUDTRAIL, hour=HOUR)


def test_damaged_snapshots_are_named():
    file = io.BytesIO()
    empty_state("cloudtrail", HOUR).to_parquet(file)
    whole = file.getvalue()
    plain = io.BytesIO()
    pl.DataFrame({"a": [1]}).write_parquet(plain)
    for bad in (b"", b"PAR1", whole[:-9], whole[: len(whole) // 2], plain.getvalue()):
        with pytest.raises(ScoringUnavailable, match="snapshot"):
            EntityState.from_parquet(bad)
    with pytest.raises(ScoringUnavailable, match="not in-hour counters"):
        Counters.from_parquet(whole)
    counters = io.BytesIO()
    empty_counters(HOUR).to_parquet(counters)
    counters.seek(0)
    assert Counters.from_parquet(counters).hour == HOUR
    with pytest.raises(FileNotFoundError):
        EntityState.from_parquet("/nowhere/state.parquet")


def test_a_gap_decays_the_same_in_one_step_or_by_scoring():
    state = update(None, [frame(World().hour(HOUR))], HOUR, format="cloudtrail", model=CLOUDTRAIL)
    half = int(CLOUDTRAIL.parameters.half_life_hours)
    later = hours(half // 24, 1)[9]
    faded = update(state, [], later, format="cloudtrail", model=CLOUDTRAIL)
    assert faded.frame["count"].to_list() == [count / 2 for count in state.frame["count"]]
    assert (faded.hour, faded.events) == (later, 0)
    assert faded.frame["last_hour"].equals(state.frame["last_hour"])


def test_names_cannot_pose_as_other_keys():
    """A separator inside a name must not move the border between principal and action."""
    one = call(HOUR, 1, "a/b\x1fiam:CreateUser", "s3:Get", 1)
    two = call(HOUR, 2, "a/b", "iam:CreateUser\x1fs3:Get", 2)
    state = update(None, [frame([one, two])], HOUR, format="cloudtrail", model=CLOUDTRAIL)
    assert state.frame.filter(pl.col("table") == "principal/action").height == 2
    third = call(HOUR, 3, "a/b", "iam:CreateUser", 3)
    next_hour = hours(0, 1)[10]
    scored = score(frame([third]), state, None, CLOUDTRAIL, hour=next_hour).scores
    assert scored["Priority_CF"][0] == "medium"


def test_reasons_hold_no_control_characters_and_stay_short():
    row = call(HOUR, 1, "x", "iam:CreateUser", 1) | {
        "user_agent": "evil\r\n\u2028" + "é" * 5_000,
        "source_ip": "x" * 9_000,
        "region": "\x00\x1b[31m",
        "error": None,
    }
    scores = score(frame([row]), empty_state("cloudtrail", BEFORE), None, CLOUDTRAIL, hour=HOUR).scores
    assert scores["Priority_CF"][0] == "high"
    assert len(scores["Reasons_CF"][0]) < 600
    assert scores["Reasons_CF"][0].isprintable()


TEXT = st.one_of(
    st.none(),
    st.text(max_size=12),
    st.sampled_from(["iam:CreateUser", "1.2.3.4", "::1", "2001:db8::1", "tcp/22/ingress/REJECT"]),
)
ROW = st.fixed_dictionaries(
    {
        name: {
            pl.String(): TEXT,
            pl.Int64(): st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
            pl.Boolean(): st.one_of(st.none(), st.booleans()),
        }.get(
            kind,
            st.one_of(st.none(), st.datetimes(timezones=st.just(UTC))),
        )
        for name, kind in ENTITY_SCHEMA.items()
    }
)


@settings(max_examples=25, deadline=None)
@given(rows=st.lists(ROW, max_size=12), model=st.sampled_from([CLOUDTRAIL, VPC]))
def test_any_rows_get_a_row_of_scores(rows, model):
    batch = frame(rows)
    state = update(None, [batch], BEFORE, format=model.format, model=model)
    result = score(batch, state, None, model, hour=HOUR)
    assert result.scores.height == len(rows)
    assert result.scores["AnomalyScore_CF"].is_between(0, 500).all()
    assert result.scores["Confidence_CF"].is_between(0, 1).all()
    assert result.scores["Priority_CF"].is_in(["critical", "high", "medium", "low", "unknown"]).all()
    assert state.frame["count"].is_finite().all()
    backwards = score(batch.reverse(), state, None, model, hour=HOUR)
    if batch["event_id"].n_unique() == batch.height:
        assert backwards.scores.reverse().equals(result.scores)
