"""Columns and tables by the names that Azure has for them.

Sources: "Structure of a data collection rule", "Add or delete tables and columns in Azure Monitor Logs"
(learn.microsoft.com).

Belongs here: types and names. Does not belong here: limits (``limits``), resources (``resources``).
"""

from collections.abc import Mapping

from s3sentinel_assets.tables import TableSchema

__all__ = ["Columns", "listed", "output_stream", "stream_columns", "table_columns"]

#: Columns: name → type.
Columns = Mapping[str, str]

#: Log Analytics type → what a stream declaration calls it; the others have the same name.
_STREAM_TYPES = {"bool": "boolean", "guid": "string"}
#: … and what the tables API calls it.
_TABLE_TYPES = {"bool": "boolean", "datetime": "dateTime"}


def stream_columns(schema: TableSchema) -> dict[str, str]:
    """The columns of a table's stream, sorted, with the types of stream declarations; system columns are left out."""
    return {name: _STREAM_TYPES.get(kind, kind) for name, kind in sorted(schema.writable.items())}


def table_columns(schema: TableSchema) -> dict[str, str]:
    """The columns to define: all of a custom table, our own of an Azure table; with the types of the tables API."""
    own = schema.writable if schema.name.endswith("_CL") else schema.own_columns
    return {name: _TABLE_TYPES.get(kind, kind) for name, kind in sorted(own.items())}


def output_stream(table: str) -> str:
    """How a data flow names the table."""
    return f"Custom-{table}" if table.endswith("_CL") else f"Microsoft-{table}"


def listed(columns: Columns) -> list[dict[str, str]]:
    """The columns as a stream declaration or a table lists them, sorted."""
    return [{"name": name, "type": kind} for name, kind in sorted(columns.items())]
