"""Every format's mappings: complete, and into columns that exist."""

import polars as pl
import pytest

from s3sentinel_assets.formats import FORMATS, format_parser
from s3sentinel_assets.formats.asim.common import MANDATORY
from s3sentinel_assets.formats.mapping import TableMapping
from s3sentinel_assets.tables import load_schema
from s3sentinel_assets.tables.entities import ENTITY_SCHEMA

GROUPS = [(name, kind) for name in sorted(FORMATS) for kind in ("native", "asim")]
FILLED_FOR_ALL = {"TimeGenerated", "EventId_CF", "EventTime_CF", "ExtraFields_CF"}


def mappings(name: str, kind: str) -> list[TableMapping]:
    """Those that say where values come from; a format with a parser of its own may say it in code."""
    return [mapping for mapping in getattr(format_parser(name), kind) if mapping.columns]


@pytest.mark.parametrize(("name", "kind"), GROUPS)
def test_columns_exist_and_say_where_they_come_from(name, kind):
    for mapping in mappings(name, kind):
        columns = load_schema(mapping.table).columns
        assert not set(mapping.columns) - set(columns), mapping.table
        assert not set(mapping.columns) & FILLED_FOR_ALL, mapping.table
        for column, origin in (*mapping.columns.items(), *mapping.entities.items()):
            assert origin.text.strip(), f"{mapping.table}.{column}"
            assert isinstance(origin.value, pl.Expr), f"{mapping.table}.{column}"


@pytest.mark.parametrize(("name", "kind"), GROUPS)
def test_each_record_finds_a_table(name, kind):
    group = getattr(format_parser(name), kind)
    assert group or kind == "asim"
    if group:
        assert group[-1].where is None
        assert all(mapping.where is not None for mapping in group[:-1])
        tables = [mapping.table for mapping in group]
        assert kind != "asim" or all(table.startswith("ASim") for table in tables)


@pytest.mark.parametrize(("name", "kind"), GROUPS)
def test_asim_rows_have_what_asim_calls_mandatory(name, kind):
    for mapping in mappings(name, kind):
        missing = set(MANDATORY.get(mapping.table, ())) - set(mapping.columns)
        assert not missing, f"{mapping.table} lacks {sorted(missing)}"


@pytest.mark.parametrize(("name", "kind"), GROUPS)
def test_events_can_be_scored(name, kind):
    for mapping in mappings(name, kind):
        assert "principal" in mapping.entities, mapping.table
        assert not set(mapping.entities) - (set(ENTITY_SCHEMA) - {"event_id", "time"}), mapping.table
