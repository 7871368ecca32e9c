"""ASIM, Sentinel's common model of events: the columns that every event has, and those that a table cannot do without.

Source: Microsoft, "ASIM schemas" (learn.microsoft.com/azure/sentinel/normalization-about-schemas; the versions), "ASIM
common schema fields reference" (…/normalization-common-fields), and the reference of each schema
(…/normalization-schema-network, -web, -dns, -audit, -authentication, -alert, -dhcp, -file-event, -user-management).

Belongs here: what is the same for every format that fills ASIM tables. Does not belong here: any one format's mapping,
how single values are rewritten (``values``).
"""

import polars as pl

from s3sentinel_assets.formats.mapping import TIME, Origin, constant, derived
from s3sentinel_assets.tables import load_schema

__all__ = ["MANDATORY", "RESULTS", "SCHEMAS", "SEVERITIES", "asim_columns"]

#: Schema → its table and current version.
SCHEMAS: dict[str, tuple[str, str]] = {
    "AlertEvent": ("ASimAlertEventLogs", "0.1"),
    "AuditEvent": ("ASimAuditEventLogs", "0.1.2"),
    "Authentication": ("ASimAuthenticationEventLogs", "0.1.4"),
    "Dhcp": ("ASimDhcpEventLogs", "0.1.1"),
    "Dns": ("ASimDnsActivityLogs", "0.1.7"),
    "FileEvent": ("ASimFileEventLogs", "0.2.2"),
    "NetworkSession": ("ASimNetworkSessionLogs", "0.2.7"),
    "UserManagement": ("ASimUserManagementActivityLogs", "0.1.2"),
    "WebSession": ("ASimWebSessionLogs", "0.2.7"),
}
#: The only values of ``EventResult`` and ``EventSeverity``.
RESULTS = ("Success", "Partial", "Failure", "NA")
SEVERITIES = ("Informational", "Low", "Medium", "High")

_COMMON = (
    "EventCount",
    "EventStartTime",
    "EventEndTime",
    "EventType",
    "EventResult",
    "EventProduct",
    "EventVendor",
    "EventSchemaVersion",
)
#: Table → the columns that its schema calls mandatory and the table has; ``TimeGenerated``, which every row has, apart.
MANDATORY: dict[str, tuple[str, ...]] = {
    "ASimAlertEventLogs": (*_COMMON, "EventUid"),
    "ASimAuditEventLogs": (*_COMMON, "Operation", "Object"),
    "ASimAuthenticationEventLogs": _COMMON,
    "ASimDhcpEventLogs": (*_COMMON, "EventSchema", "SrcIpAddr", "SrcHostname", "SrcMacAddr"),
    "ASimDnsActivityLogs": (*_COMMON, "Dvc", "DnsQuery", "EventResultDetails"),
    "ASimFileEventLogs": (*_COMMON, "EventSchema", "ActorUsername", "TargetFilePath", "TargetFilePathType"),
    "ASimNetworkSessionLogs": (*_COMMON, "Dvc"),
    "ASimUserManagementActivityLogs": (*_COMMON, "EventSchema", "EventSeverity", "ActorUsername"),
    "ASimWebSessionLogs": (*_COMMON, "Dvc", "Url"),
}


def asim_columns(
    schema: str,
    *,
    event_type: Origin | str,
    result: Origin | str,
    product: Origin | str,
    vendor: Origin | str = "AWS",
    start: Origin | None = None,
    end: Origin | None = None,
    severity: Origin | str = "Informational",
    dvc: Origin | str | None = None,
    **more: Origin | str | None,
) -> dict[str, Origin]:
    """The columns that every event of an ASIM schema has, for the beginning of a mapping.

    Args:
        schema: one of `SCHEMAS`.
        event_type: ``EventType``, one of the schema's own values. Text means the same in every row, here and below.
        result: ``EventResult``, one of `RESULTS`, never null.
        product: ``EventProduct``.
        vendor: ``EventVendor``.
        start: ``EventStartTime``, never null; None: the event's time.
        end: ``EventEndTime``, never null; None: as ``start``.
        severity: ``EventSeverity``, one of `SEVERITIES`, never null.
        dvc: the device that reports, for ``Dvc`` where the table has it; None: the product, as the reference wants it
            for clouds.
        more: further common columns by name in snake case, such as ``original_uid`` for ``EventOriginalUid`` or
            ``result_details``; with a leading ``dvc_`` those of the device, such as ``dvc_ip_addr``; None: left out.
            Anything but a common column is for the mapping itself.

    Returns:
        Column → origin.

    Raises:
        KeyError: there is no such schema, or its table no such column.
    """
    table, version = SCHEMAS[schema]
    begins = start or derived("time of the event", pl.col(TIME))
    columns = {
        "EventCount": constant(1),
        "EventStartTime": begins,
        "EventEndTime": end or begins,
        "EventType": _origin(event_type),
        "EventResult": _origin(result),
        "EventSeverity": _origin(severity),
        "EventProduct": _origin(product),
        "EventVendor": _origin(vendor),
        "EventSchemaVersion": constant(version),
    }
    has = load_schema(table).columns
    # Only some tables store these two; elsewhere Sentinel's own functions add them when they are asked for.
    if "EventSchema" in has:
        columns["EventSchema"] = constant(schema)
    if "Dvc" in has:
        columns["Dvc"] = _origin(product if dvc is None else dvc)
    for name, value in more.items():
        if value is not None:
            columns[_column_name(name)] = _origin(value)
    if unknown := sorted(columns.keys() - has.keys()):
        raise KeyError(f"{table} has no column {', '.join(unknown)}")
    return columns


def _origin(value: Origin | str) -> Origin:
    return constant(value) if isinstance(value, str) else value


def _column_name(name: str) -> str:
    """``result_details`` → ``EventResultDetails``, ``dvc_ip_addr`` → ``DvcIpAddr``."""
    camel = "".join(part.capitalize() for part in name.split("_"))
    return camel.replace("Fqdn", "FQDN") if name.startswith("dvc_") else f"Event{camel}"
