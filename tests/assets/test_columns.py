"""The columns that the UI shows: all of them, each with a type and a meaning."""

import pytest

from s3sentinel_assets.assets.columns import delivered_columns, parsed_columns, scored_columns
from s3sentinel_assets.tables import load_schema

TABLES = ["AWSCloudTrail", "AWSVPCFlow"]


def columns(metadata):
    return {column.name: column for column in metadata["dagster/column_schema"].columns}


@pytest.mark.parametrize("table", TABLES)
def test_every_column_of_a_delivered_row_is_there_with_type_and_meaning(table):
    shown = columns(delivered_columns([table]))
    assert {name: column.type for name, column in shown.items()} == load_schema(table).writable
    assert [name for name, column in shown.items() if not column.description] == []


@pytest.mark.parametrize("table", TABLES)
def test_each_step_shows_what_it_adds(table):
    schema = load_schema(table)
    assert list(columns(parsed_columns([table]))) == [*schema.columns, "EventId_CF", "EventTime_CF", "ExtraFields_CF"]
    stamped = {"BatchId_CF", "Attempt_CF", "IntegrityStatus_CF"} & set(schema.writable)  # by delivery itself
    assert {*columns(parsed_columns([table])), *columns(scored_columns([table])), *stamped} == set(schema.writable)


def test_a_table_without_a_schema_has_no_columns_to_show():
    assert parsed_columns(["Mine_CL"]) == scored_columns(["Mine_CL"]) == delivered_columns(["Mine_CL"]) == {}


def test_columns_of_several_tables_stand_once_and_name_their_tables():
    shown = columns(delivered_columns(TABLES))
    assert set(shown) == {*load_schema("AWSCloudTrail").writable, *load_schema("AWSVPCFlow").writable}
    assert (
        shown["SrcAddr"].description
        == f"AWSVPCFlow: {columns(delivered_columns(['AWSVPCFlow']))['SrcAddr'].description}"
    )
    assert shown["EventId_CF"].description == columns(delivered_columns(["AWSVPCFlow"]))["EventId_CF"].description
    assert list(shown).index("SrcAddr") < list(shown).index("EventId_CF")
