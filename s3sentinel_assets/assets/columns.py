"""The columns an asset's rows have, as the UI shows them: name, type, meaning.

Belongs here: which columns a stage writes. Does not belong here: the meanings (`assets.column_texts`) or the schemas
(``tables``; its JSON files are read here as they are, because the package loads Polars and the code server starts
without it).
"""

import json
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Any

import dagster as dg

from s3sentinel_assets.assets.column_texts import OWN_COLUMNS, TABLE_COLUMNS

__all__ = ["delivered_columns", "parsed_columns", "scored_columns"]

_SCHEMAS = resources.files("s3sentinel_assets") / "tables" / "schemas"
_PARSED = ("EventId_CF", "EventTime_CF")
_SCORED = ("AnomalyScore_CF", "Confidence_CF", "Priority_CF", "Reasons_CF", "Flags_CF")


def _schema(table: str) -> dict[str, Any]:
    file = _SCHEMAS / f"{table}.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {"columns": {}, "own_columns": {}}


def _metadata(table: str, columns: Iterable[tuple[str, str]]) -> dict[str, dg.TableSchema]:
    texts = TABLE_COLUMNS.get(table, {}) | OWN_COLUMNS
    listed = [dg.TableColumn(name, kind, description=texts.get(name)) for name, kind in columns]
    return {"dagster/column_schema": dg.TableSchema(columns=listed)} if listed else {}


def _own(schema: Mapping[str, Any], names: Iterable[str]) -> list[tuple[str, str]]:
    return [(name, schema["own_columns"][name]) for name in names if name in schema["own_columns"]]


def parsed_columns(table: str) -> dict[str, dg.TableSchema]:
    """Asset metadata: the table's own columns and the two that parsing adds. Empty for a table without a schema."""
    schema = _schema(table)
    return _metadata(table, [*schema["columns"].items(), *_own(schema, _PARSED)])


def scored_columns(table: str) -> dict[str, dg.TableSchema]:
    """Asset metadata: what scoring adds, row by row beside the parsed rows."""
    return _metadata(table, _own(_schema(table), _SCORED))


def delivered_columns(table: str) -> dict[str, dg.TableSchema]:
    """Asset metadata: every column a delivered row may have."""
    schema = _schema(table)
    return _metadata(table, [*schema["columns"].items(), *schema["own_columns"].items()])
