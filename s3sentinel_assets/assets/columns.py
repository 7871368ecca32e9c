"""The columns an asset's rows have, as the UI shows them: name, type, meaning.

Belongs here: which columns a stage writes. Does not belong here: the meanings (`assets.column_texts`) or the schemas
(``tables``).

Of a source that fills several tables every column is listed once, with the tables that have it; those that all tables
have come last.
"""

from collections.abc import Callable, Sequence

import dagster as dg

from s3sentinel_assets.assets.column_texts import OWN_COLUMNS, TABLE_COLUMNS
from s3sentinel_assets.tables import TableSchema, load_schema, table_names

__all__ = ["delivered_columns", "parsed_columns", "scored_columns"]

_PARSED = ("EventId_CF", "EventTime_CF", "ExtraFields_CF")
_SCORED = (
    "AnomalyScore_CF",
    "ExpectedPerDay_CF",
    "Confidence_CF",
    "Priority_CF",
    "Reasons_CF",
    "Pattern_CF",
    "Flags_CF",
)
#: So many tables are named beside a column.
_NAMED = 3


def parsed_columns(tables: Sequence[str]) -> dict[str, dg.TableSchema]:
    """Asset metadata: the tables' own columns and those that parsing adds. Empty for tables without a schema."""
    return _metadata(tables, lambda schema: [*schema.columns, *_some(schema, _PARSED)])


def scored_columns(tables: Sequence[str]) -> dict[str, dg.TableSchema]:
    """Asset metadata: what scoring adds, row by row beside the parsed rows."""
    return _metadata(tables, lambda schema: _some(schema, _SCORED))


def delivered_columns(tables: Sequence[str]) -> dict[str, dg.TableSchema]:
    """Asset metadata: every column a delivered row may have."""
    return _metadata(tables, lambda schema: [*schema.columns, *schema.own_columns])


def _some(schema: TableSchema, names: Sequence[str]) -> list[str]:
    return [name for name in names if name in schema.own_columns]


def _metadata(tables: Sequence[str], chosen: Callable[[TableSchema], list[str]]) -> dict[str, dg.TableSchema]:
    shipped = set(table_names())
    schemas = [load_schema(table) for table in tables if table in shipped]
    having: dict[str, dict[str, str]] = {}  # column → table → type
    for schema in schemas:
        for name in chosen(schema):
            having.setdefault(name, {})[schema.name] = schema.writable[name]
    if not having:
        return {}
    # With several tables what tells them apart comes first.
    names = sorted(having, key=lambda name: len(schemas) > 1 and len(having[name]) == len(schemas))
    listed = [
        dg.TableColumn(
            name,
            " or ".join(dict.fromkeys(having[name].values())),
            description=_text(name, list(having[name]), alone=len(having[name]) < len(schemas)),
        )
        for name in names
    ]
    return {"dagster/column_schema": dg.TableSchema(columns=listed)}


def _text(name: str, tables: list[str], *, alone: bool) -> str | None:
    """What a column means; ``alone``: and which tables have it, since others do not."""
    meanings = {OWN_COLUMNS.get(name) or TABLE_COLUMNS.get(table, {}).get(name) for table in tables}
    meaning = meanings.pop() if len(meanings) == 1 else None
    if not alone:
        return meaning
    named = ", ".join(tables[:_NAMED]) + (f" and {len(tables) - _NAMED} more" if len(tables) > _NAMED else "")
    return f"{named}: {meaning}" if meaning else f"Of {named}."
