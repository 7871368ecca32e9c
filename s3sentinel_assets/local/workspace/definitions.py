"""Which tables and streams the local workspace has, and the types of their columns.

Belongs here: the shipped tables, tables added by a test, the service's own (``DCRLogErrors``, incidents, alerts). Does
not belong here: how values become those types (``rows``) and where they lie (``storage``).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

from s3sentinel_assets.config import Config
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.tables import TableSchema, load_schema, table_names
from s3sentinel_assets.tables.types import POLARS_TYPES

__all__ = ["DCR_LOG_ERRORS", "DUCKDB_TYPES", "Catalogue", "read_tables", "routed_tables", "write_tables"]

#: Log Analytics type → DuckDB type. Instants are UTC without a zone, which is how KQL sees them.
DUCKDB_TYPES = {
    "string": "VARCHAR",
    "guid": "VARCHAR",
    "dynamic": "JSON",
    "bool": "BOOLEAN",
    "int": "INTEGER",
    "long": "BIGINT",
    "real": "DOUBLE",
    "datetime": "TIMESTAMP",
}
SYSTEM_COLUMNS = ("TenantId", "Type", "SourceSystem", "_BilledSize", "_IsBillable")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

#: Where the service reports what went wrong after it had answered 204.
DCR_LOG_ERRORS = TableSchema(
    name="DCRLogErrors",
    plan="Analytics",
    columns={
        "TimeGenerated": "datetime",
        "ClientRequestId": "string",
        "CorrelationId": "string",
        "InputStreamId": "string",
        "Message": "string",
        "OperationName": "string",
        "_ResourceId": "string",
    },
    own_columns={},
    system_columns=SYSTEM_COLUMNS,
)


#: Sentinel's own: an incident's row is written anew at each change, an alert's custom details are JSON text.
SECURITY_INCIDENT = TableSchema(
    name="SecurityIncident",
    plan="Analytics",
    columns={
        "TimeGenerated": "datetime",
        "IncidentName": "string",
        "Title": "string",
        "Description": "string",
        "Severity": "string",
        "Status": "string",
        "Classification": "string",
        "ClassificationComment": "string",
        "ClassificationReason": "string",
        "Owner": "dynamic",
        "ProviderName": "string",
        "ProviderIncidentId": "string",
        "FirstActivityTime": "datetime",
        "LastActivityTime": "datetime",
        "FirstModifiedTime": "datetime",
        "LastModifiedTime": "datetime",
        "CreatedTime": "datetime",
        "ClosedTime": "datetime",
        "IncidentNumber": "int",
        "RelatedAnalyticRuleIds": "dynamic",
        "AlertIds": "dynamic",
        "Labels": "dynamic",
        "IncidentUrl": "string",
        "AdditionalData": "dynamic",
        "ModifiedBy": "string",
    },
    own_columns={},
    system_columns=SYSTEM_COLUMNS,
)
SECURITY_ALERT = TableSchema(
    name="SecurityAlert",
    plan="Analytics",
    columns={
        "TimeGenerated": "datetime",
        "DisplayName": "string",
        "AlertName": "string",
        "AlertSeverity": "string",
        "Description": "string",
        "ProviderName": "string",
        "VendorName": "string",
        "SystemAlertId": "string",
        "AlertType": "string",
        "Status": "string",
        "Entities": "string",
        "ExtendedProperties": "string",
        "Tactics": "string",
        "Techniques": "string",
        "StartTime": "datetime",
        "EndTime": "datetime",
    },
    own_columns={},
    system_columns=SYSTEM_COLUMNS,
)


@dataclass(frozen=True)
class Catalogue:
    """The tables and the streams that lead to them.

    Attributes:
        tables: table name → schema, the service's own included.
        streams: stream name → table name.
    """

    tables: Mapping[str, TableSchema]
    streams: Mapping[str, str]

    @classmethod
    def build(cls, extra: Iterable[TableSchema | str] = (), streams: Mapping[str, str] | None = None) -> "Catalogue":
        """The shipped tables and ``extra`` ones, each with its stream ``Custom-<table>``, plus further ``streams``.

        Args:
            extra: schemas, or names of tables with a schema, such as ``AWSVPCFlow_Auxiliary_CL``: a shipped table's
                twin on a cheaper plan.
            streams: further streams → table.

        Raises:
            UserError: a name or a type is not one the service knows, or two columns differ only in case.
        """
        added = [load_schema(table) if isinstance(table, str) else table for table in extra]
        tables = {name: load_schema(name) for name in table_names()} | {table.name: table for table in added}
        for table in tables.values():
            _check(table)
        routes = {f"Custom-{name}": name for name in tables} | dict(streams or {})
        missing = sorted(set(routes.values()) - set(tables))
        if missing:
            raise UserError(f"stream leads to a table that does not exist: {', '.join(missing)}; define the table too")
        own = (DCR_LOG_ERRORS, SECURITY_INCIDENT, SECURITY_ALERT)
        return cls({table.name: table for table in own} | tables, routes)

    def query_schema(self) -> dict[str, list[str]]:
        """Table → every column a query sees."""
        return {name: [*table.writable, *SYSTEM_COLUMNS] for name, table in self.tables.items()}


def _check(table: TableSchema) -> None:
    columns = [*table.writable, *SYSTEM_COLUMNS]
    for name in (table.name, *columns):
        if not NAME.fullmatch(name):
            raise UserError(f"table {table.name!r}: {name!r} is not a valid name; use letters, digits and '_'")
    folded = {name.casefold() for name in columns}
    if len(folded) < len(columns):
        raise UserError(
            f"table {table.name!r}: two columns have the same name (upper and lower case count as the same)"
        )
    unknown = sorted(set(table.writable.values()) - set(POLARS_TYPES))
    if unknown:
        raise UserError(f"table {table.name!r}: unknown column type {unknown[0]!r}; known: {', '.join(POLARS_TYPES)}")
    if table.columns.get("TimeGenerated") != "datetime":
        raise UserError(f"table {table.name!r}: every table needs a column TimeGenerated of type datetime")


def routed_tables(config: Config) -> tuple[list[TableSchema], dict[str, str]]:
    """The tables beside the shipped ones that the routing rules of a configuration send rows to, and their streams.

    Raises:
        ConfigurationError: a rule names a table that has no schema.
    """
    targets = [rule.to for source in config.sources.values() for rule in source.routing.rules if rule.to is not None]
    shipped = set(table_names())
    tables = {target.table: load_schema(target.table) for target in targets if target.table not in shipped}
    return list(tables.values()), {target.stream_name: target.table for target in targets}


class _Saved(msgspec.Struct):
    tables: list[TableSchema]
    streams: dict[str, str]


def write_tables(file: Path, extra: Iterable[TableSchema], streams: Mapping[str, str]) -> None:
    """Keeps the added tables and streams beside the data, for a restart and for reading without a server."""
    file.write_bytes(msgspec.json.encode({"tables": [asdict(table) for table in extra], "streams": dict(streams)}))


def read_tables(file: Path) -> Catalogue:
    """The catalogue of a data directory: the shipped tables and those that were added to it.

    Raises:
        UserError: the file is damaged.
    """
    if not file.exists():
        return Catalogue.build()
    try:
        saved = msgspec.json.decode(file.read_bytes(), type=_Saved)
    except (OSError, msgspec.DecodeError) as error:
        raise UserError(f"{file}: is not a list of tables ({error}); delete the file") from None
    return Catalogue.build(saved.tables, saved.streams)
