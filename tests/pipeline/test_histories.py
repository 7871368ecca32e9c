"""History files: one family or several in a file, the same bytes each time, and no guess about a damaged one."""

import polars as pl
import pytest

from s3sentinel_assets.config import SourceSettings
from s3sentinel_assets.ml import Counters, ScoringUnavailable, empty_state
from s3sentinel_assets.ml.history.counters import COUNTER_SCHEMA
from s3sentinel_assets.pipeline.histories import (
    joint_version,
    read_counters,
    read_states,
    scored_families,
    suffix_of,
    write_histories,
)

HOUR = "2026-11-20-13:00"
ALONE = SourceSettings(name="trail", bucket="logs", prefix="x/", format="cloudtrail")
MIXED = SourceSettings(name="mixed", bucket="logs", prefix="x/")
OTHER = SourceSettings(name="waf", bucket="logs", prefix="x/", format="waf")


def counters(count: int) -> Counters:
    return Counters(HOUR, pl.DataFrame({"table": ["t"], "key": ["k"], "count": [count]}, schema=COUNTER_SCHEMA))


def test_a_source_is_scored_by_the_models_of_its_formats() -> None:
    assert scored_families(ALONE) == ("cloudtrail",)
    assert scored_families(OTHER) == ("waf",)
    # Whatever a source may recognise has a history, in one order.
    assert set(scored_families(MIXED)) == set(MIXED.formats)
    assert scored_families(MIXED)[:2] == ("cloudtrail", "vpc_flow")


@pytest.mark.parametrize(("source", "families"), [(ALONE, ("cloudtrail",)), (MIXED, ("vpc_flow", "cloudtrail"))])
def test_what_is_written_is_read_and_written_again_it_is_the_same(tmp_path, source, families) -> None:
    first, again = (tmp_path / f"{name}{suffix_of(source)}" for name in ("first", "again"))
    write_histories(first, source, {family: counters(place) for place, family in enumerate(families)})
    found = read_counters(first, scored_families(source))
    assert {family: each.frame["count"].to_list() for family, each in found.items()} == {
        family: [place] for place, family in enumerate(families)
    }
    write_histories(again, source, found)
    assert again.read_bytes() == first.read_bytes()
    write_histories(first, source, {family: empty_state(family, HOUR) for family in families})
    assert {family: state.hour for family, state in read_states(first).items()} == dict.fromkeys(families, HOUR)


def test_a_source_that_gets_several_formats_keeps_the_state_it_had(tmp_path) -> None:
    write_histories(tmp_path / "state.parquet", ALONE, {"cloudtrail": empty_state("cloudtrail", HOUR)})
    assert set(read_states(tmp_path / "state.parquet")) == {"cloudtrail"}
    write_histories(tmp_path / "counters.parquet", ALONE, {"cloudtrail": counters(1)})
    assert read_counters(tmp_path / "counters.parquet", scored_families(MIXED)) == {}  # the file names no family


def test_a_mixed_source_that_nothing_is_known_of_yet_has_a_history_too(tmp_path) -> None:
    write_histories(tmp_path / "state.zip", MIXED, {})
    assert read_states(tmp_path / "state.zip") == {}


@pytest.mark.parametrize("damage", [b"PK\x03\x04 broken", b"something else"])
def test_a_damaged_history_is_not_taken_for_an_empty_one(tmp_path, damage) -> None:
    (tmp_path / "state.zip").write_bytes(damage)
    with pytest.raises(ScoringUnavailable):
        read_states(tmp_path / "state.zip")


def test_versions_of_several_models_fit_one_column_of_the_ledger() -> None:
    assert joint_version([]) == ""
    assert joint_version(["rarity-cloudtrail-0123456789ab"]) == "rarity-cloudtrail-0123456789ab"
    many = joint_version(f"rarity-format{number}-0123456789ab" for number in range(9))
    assert len(many) <= 64
    assert many != joint_version(f"rarity-format{number}-0123456789ab" for number in range(8))
