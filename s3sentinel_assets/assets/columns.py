"""The columns an asset's rows have, as the UI shows them: name, type, meaning.

Belongs here: which columns a stage writes. Does not belong here: the meanings (`assets.column_texts`) or the schemas
(``tables``).
"""

from collections.abc import Iterable, Mapping

import dagster as dg

from s3sentinel_assets.assets.column_texts import OWN_COLUMNS, TABLE_COLUMNS
from s3sentinel_assets.tables import load_schema, table_names

__all__ = ["delivered_columns", "parsed_columns", "scored_columns"]

_PARSED = ("EventId_CF", "EventTime_CF")
_SCORED = ("AnomalyScore_CF", "Confidence_CF", "Priority_CF", "Reasons_CF", "Flags_CF")


def _columns(table: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """The table's own columns and ours; none for a table whose schema does not ship."""
    if table not in table_names():
        return {}, {}
    schema = load_schema(table)
    return schema.columns, schema.own_columns


def _metadata(table: str, columns: Iterable[tuple[str, str]]) -> dict[str, dg.TableSchema]:
    texts = TABLE_COLUMNS.get(table, {}) | OWN_COLUMNS
    listed = [dg.TableColumn(name, kind, description=texts.get(name)) for name, kind in columns]
    return {"dagster/column_schema": dg.TableSchema(columns=listed)} if listed else {}


def _some(columns: Mapping[str, str], names: Iterable[str]) -> list[tuple[str, str]]:
    return [(name, columns[name]) for name in names if name in columns]


def parsed_columns(table: str) -> dict[str, dg.TableSchema]:
    """Asset metadata: the table's own columns and the two that parsing adds. Empty for a table without a schema."""
    columns, own = _columns(table)
    return _metadata(table, [*columns.items(), *_some(own, _PARSED)])


def scored_columns(table: str) -> dict[str, dg.TableSchema]:
    """Asset metadata: what scoring adds, row by row beside the parsed rows."""
    return _metadata(table, _some(_columns(table)[1], _SCORED))


def delivered_columns(table: str) -> dict[str, dg.TableSchema]:
    """Asset metadata: every column a delivered row may have."""
    columns, own = _columns(table)
    return _metadata(table, [*columns.items(), *own.items()])
