"""Reading the table schemas. Polars is loaded only by who asks for its types: the code server starts without it."""

import functools
import json
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.tables.tiers import base_of, plan_of, twin_schema

if TYPE_CHECKING:
    import polars as pl

__all__ = ["TableSchema", "load_schema", "table_names"]

_SCHEMAS = resources.files("s3sentinel_assets.tables") / "schemas"


@dataclass(frozen=True)
class TableSchema:
    """One Sentinel table.

    Attributes:
        name: table name, such as ``AWSCloudTrail``.
        plan: ``Analytics``, ``Basic`` or ``Auxiliary``.
        columns: writable columns of the table itself → Log Analytics type.
        own_columns: the columns this project adds (``…_CF``) → type.
        system_columns: columns the service fills; never sent.
    """

    name: str
    plan: str
    columns: dict[str, str]
    own_columns: dict[str, str]
    system_columns: tuple[str, ...]

    @property
    def writable(self) -> dict[str, str]:
        """Every column a row may carry, the table's own first."""
        return {**self.columns, **self.own_columns}

    def polars_schema(self) -> "dict[str, pl.DataType]":
        """Writable columns → Polars type."""
        from s3sentinel_assets.tables.types import POLARS_TYPES

        return {name: POLARS_TYPES[kind] for name, kind in self.writable.items()}


def table_names() -> list[str]:
    """The tables whose schema ships with the project."""
    return sorted(entry.name.removesuffix(".json") for entry in _SCHEMAS.iterdir() if entry.name.endswith(".json"))


@functools.cache
def load_schema(table: str) -> TableSchema:
    """The schema of ``table``, or of a shipped table's twin on a cheaper plan (``tiers``).

    Raises:
        ConfigurationError: no schema ships for it.
    """
    file = _SCHEMAS / f"{table}.json"
    plan = plan_of(table)
    base = next((name for name in base_of(table) if (_SCHEMAS / f"{name}.json").is_file()), None)
    if plan is not None and base is not None:
        return twin_schema(load_schema(base), plan)
    if not file.is_file():
        raise ConfigurationError(f"no schema for table {table!r}; known tables: {', '.join(table_names())}")
    data = json.loads(file.read_text(encoding="utf-8"))
    return TableSchema(
        name=data["table"],
        plan=data["plan"],
        columns=data["columns"],
        own_columns=data["own_columns"],
        system_columns=tuple(data["system_columns"]),
    )
