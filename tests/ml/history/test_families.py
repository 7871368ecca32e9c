"""Every format has a family and a model, and any rows of it are scored."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.formats.registry import FORMATS as KNOWN
from s3sentinel_assets.ml import empty_state, learned_columns, load_model, score, update
from s3sentinel_assets.ml.history.families import FAMILIES, FORMATS, family_of
from s3sentinel_assets.ml.history.keys import prepare
from s3sentinel_assets.tables.entities import ENTITY_SCHEMA
from tests.ml.history.made_logs import HOURS, ONE_OF_EACH
from tests.ml.test_edges import ROW
from tests.ml.worlds import MODELS, frame, hours

EVERY = hours(0, 3)


def test_every_format_of_the_registry_has_a_family():
    assert sorted(FORMATS) == sorted(KNOWN)
    assert {family_of(name).name for name in FORMATS} == set(FAMILIES)
    for family in FAMILIES.values():
        assert family.columns <= set(ENTITY_SCHEMA)
        assert {"peer", "action", "service"} <= set(family.what)
    with pytest.raises(ConfigurationError, match="nonesuch"):
        learned_columns("nonesuch")


@pytest.mark.parametrize("log_format", sorted(FORMATS))
def test_every_format_has_a_model_and_names_it_in_the_version(log_format):
    model = load_model(MODELS, log_format)
    assert model.version.split("-")[1] == log_format
    assert model.terms
    highest = [rule.priority for rule in model.rules if rule.vendor_severity is None]
    assert log_format == "cloudtrail" or not {"critical", "high"} & set(highest), "no labels, nothing above medium"


@settings(max_examples=20, deadline=None)
@given(rows=st.lists(ROW, max_size=10), log_format=st.sampled_from([name for name in FORMATS if name != "cloudtrail"]))
def test_any_rows_of_any_format_get_a_row_of_scores(rows, log_format):
    model, batch = load_model(MODELS, log_format), frame(rows)
    state = update(None, [batch], EVERY[8], format=log_format, model=model)
    result = score(batch, state, None, model, hour=EVERY[9])
    assert result.scores.height == len(rows)
    assert result.scores["AnomalyScore_CF"].is_between(0, 500).all()
    assert result.scores["Priority_CF"].is_in(["critical", "high", "medium", "low", "unknown"]).all()
    assert state.frame["count"].is_finite().all()
    if batch["event_id"].n_unique() == batch.height:
        backwards = score(batch.reverse(), state, None, model, hour=EVERY[9])
        assert backwards.scores.reverse().equals(result.scores)


@pytest.mark.parametrize("log_format", ["web_access", "route53_resolver", "nlb", "securityhub"])
def test_columns_of_nulls_are_nobody(log_format):
    model = load_model(MODELS, log_format)
    nulls = pl.DataFrame({name: [None] * 3 for name in ENTITY_SCHEMA})
    result = score(nulls, empty_state(log_format, EVERY[8]), None, model, hour=EVERY[9])
    assert result.scores["Priority_CF"].to_list() == ["unknown"] * 3
    assert update(None, [nulls], EVERY[9], format=log_format, model=model).keys == 0


@pytest.mark.parametrize("log_format", ONE_OF_EACH)
def test_the_columns_that_history_asks_for_are_all_it_needs(log_format):
    batch = frame(HOURS[log_format](EVERY[9]))
    columns = learned_columns(log_format)
    assert prepare(batch.select(columns), log_format, ordered=False).family is family_of(log_format)
    model = load_model(MODELS, log_format)
    lean = update(None, [batch.select(columns)], EVERY[9], format=log_format, model=model)
    assert lean.stored.equals(update(None, [batch], EVERY[9], format=log_format, model=model).stored)
