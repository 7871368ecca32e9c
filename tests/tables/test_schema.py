"""Table schemas: complete, well typed, and equal to the tables Sentinel documents."""

import json

import polars as pl
import pytest

from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.tables import load_schema, table_names
from s3sentinel_assets.tables.entities import ENTITY_SCHEMA
from s3sentinel_assets.tables.types import POLARS_TYPES


def test_both_first_tables_are_there() -> None:
    assert {"AWSCloudTrail", "AWSVPCFlow"} <= set(table_names())


@pytest.mark.parametrize("table", table_names())
def test_a_schema_is_well_formed(table: str) -> None:
    schema = load_schema(table)
    assert schema.name == table
    assert schema.plan in {"Analytics", "Basic", "Auxiliary"}
    assert set(schema.writable.values()) <= set(POLARS_TYPES)
    assert "TimeGenerated" in schema.columns
    assert schema.columns["TimeGenerated"] == "datetime"
    assert not set(schema.columns) & set(schema.own_columns)
    assert not set(schema.writable) & set(schema.system_columns)
    assert list(schema.polars_schema()) == list(schema.writable)


@pytest.mark.parametrize("table", table_names())
def test_own_columns_keep_to_the_rules_for_native_tables(table: str) -> None:
    own = load_schema(table).own_columns
    assert {"EventId_CF", "BatchId_CF", "EventTime_CF", "AnomalyScore_CF", "Priority_CF"} <= set(own)
    assert all(name.endswith("_CF") and len(name) <= 45 for name in own)
    assert len(load_schema(table).writable) <= 500


@pytest.mark.parametrize("table", table_names())
def test_columns_are_those_of_the_documented_table(table: str, shared_dir) -> None:
    file = shared_dir / "sentinel" / "tables" / f"{table}.json"
    if not file.is_file():
        pytest.skip(f"{table} is no native table")
    documented = json.loads(file.read_text(encoding="utf-8"))
    schema = load_schema(table)
    columns = {column["name"]: column["type"] for column in documented}
    system = set(schema.system_columns)
    assert schema.columns == {name: kind for name, kind in columns.items() if name not in system}


def test_an_unknown_table_names_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"no schema for table 'AWSCloudTrial'; known tables: .*AWSCloudTrail"):
        load_schema("AWSCloudTrial")


def test_the_entity_view_has_types_that_parquet_keeps(tmp_path) -> None:
    frame = pl.DataFrame(schema=ENTITY_SCHEMA)
    frame.write_parquet(tmp_path / "e.parquet")
    assert pl.read_parquet(tmp_path / "e.parquet").schema == pl.Schema(ENTITY_SCHEMA)
