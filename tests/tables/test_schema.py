"""Table schemas: complete, well typed, and equal to the tables Sentinel documents."""

import json
import re

import polars as pl
import pytest

from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.tables import load_schema, table_names
from s3sentinel_assets.tables.entities import ENTITY_SCHEMA
from s3sentinel_assets.tables.types import POLARS_TYPES

#: Names that the service keeps for itself in custom tables; compared without case, as the service does.
RESERVED = {"_resourceid", "id", "_subscriptionid", "tenantid", "type", "uniqueid", "title"}
FIRST_OWN = {"EventId_CF", "BatchId_CF", "EventTime_CF", "ExtraFields_CF", "Flags_CF", "Attempt_CF"}
SCORES = {"AnomalyScore_CF", "ExpectedPerDay_CF", "Confidence_CF", "Priority_CF", "Reasons_CF", "Pattern_CF"}
#: Tables of what this project says itself, one by one no events.
OURS = {"S3Overflow_CL", "AwsEntityHour_CL", "S3Patterns_CL"}
#: Two spellings of one column in Microsoft's own definition of the table; a workspace takes but one.
DOUBLED = {"AWSCloudFront_AccessLog_CL": {"Distributionid"}}


def test_every_family_of_tables_is_there() -> None:
    names = set(table_names())
    assert {"AWSCloudTrail", "AWSVPCFlow", "AWSWAF", "AWSGuardDuty", "Syslog", "CommonSecurityLog"} <= names
    assert {"ASimNetworkSessionLogs", "ASimWebSessionLogs", "ASimDnsActivityLogs", "ASimAuditEventLogs"} <= names
    assert {"AWSConfig_CL", "OCSF_CL", "Zeek_CL", "S3Events_CL", "AWSCloudFront_AccessLog_CL"} <= names


@pytest.mark.parametrize("table", table_names())
def test_a_schema_is_well_formed(table: str) -> None:
    schema = load_schema(table)
    assert schema.name == table
    assert schema.plan in {"Analytics", "Basic", "Auxiliary"}
    assert set(schema.writable.values()) <= set(POLARS_TYPES)
    assert next(iter(schema.columns)) == "TimeGenerated"
    assert schema.columns["TimeGenerated"] == "datetime"
    assert not set(schema.columns) & set(schema.own_columns)
    assert not set(schema.writable) & set(schema.system_columns)
    assert list(schema.polars_schema()) == list(schema.writable)


@pytest.mark.parametrize("table", table_names())
def test_names_keep_to_the_rules_of_a_workspace(table: str) -> None:
    schema = load_schema(table)
    names = list(schema.writable)
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,44}", name) for name in names)
    assert len({name.lower() for name in names}) == len(names) <= 500
    if table.endswith("_CL"):
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,62}", table)
        assert not {name.lower() for name in names} & RESERVED


def test_own_columns_are_the_same_in_every_table() -> None:
    kinds: dict[str, str] = {}
    for table in table_names():
        own = load_schema(table).own_columns
        if table not in OURS:
            assert set(own) >= FIRST_OWN | SCORES, table
        assert all(name.endswith("_CF") for name in own), table
        assert all(kinds.setdefault(name, kind) == kind for name, kind in own.items()), table


@pytest.mark.parametrize("table", table_names())
def test_columns_are_those_of_the_documented_table(table: str, shared_dir) -> None:
    file = shared_dir / "sentinel" / "tables" / f"{table}.json"
    if not file.is_file():
        pytest.skip(f"{table} is no native table")
    documented = json.loads(file.read_text(encoding="utf-8"))
    schema = load_schema(table)
    columns = {column["name"]: column["type"] for column in documented}
    left_out = set(schema.system_columns) | DOUBLED.get(table, set())
    assert schema.columns == {name: kind for name, kind in columns.items() if name not in left_out}


def test_an_unknown_table_names_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"no schema for table 'AWSCloudTrial'; known tables: .*AWSCloudTrail"):
        load_schema("AWSCloudTrial")


def test_the_entity_view_has_types_that_parquet_keeps(tmp_path) -> None:
    frame = pl.DataFrame(schema=ENTITY_SCHEMA)
    frame.write_parquet(tmp_path / "e.parquet")
    assert pl.read_parquet(tmp_path / "e.parquet").schema == pl.Schema(ENTITY_SCHEMA)


@pytest.mark.parametrize(
    ("twin", "base", "plan"),
    [("AWSVPCFlow_Auxiliary_CL", "AWSVPCFlow", "Auxiliary"), ("S3Events_Basic_CL", "S3Events_CL", "Basic")],
)
def test_a_twin_has_the_columns_of_its_table_on_a_cheaper_plan(twin: str, base: str, plan: str) -> None:
    made, behind = load_schema(twin), load_schema(base)
    assert (made.name, made.plan) == (twin, plan)
    assert made.writable == behind.writable


def test_a_table_with_columns_that_custom_tables_may_not_have_has_no_twin() -> None:
    with pytest.raises(ConfigurationError, match=r"AWSGuardDuty cannot have a cheaper twin.*Id"):
        load_schema("AWSGuardDuty_Basic_CL")
