"""Sentinel table schemas: what columns a table has and what type each wants.

Belongs here: the schemas as data (``schemas/*.json``) and their Polars types (``types``). Does
not belong here: how a log format maps to columns (``formats``) or how rows are sent (``sentinel``).
"""

from s3sentinel_assets.tables.schema import TableSchema, load_schema, table_names

__all__ = ["TableSchema", "load_schema", "table_names"]
