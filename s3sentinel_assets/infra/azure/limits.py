"""Limits of Azure Monitor and of templates, and the checks that what is written keeps them.

Sources, all on learn.microsoft.com: "Azure Monitor service limits" (data collection rules, workspaces), "Add or delete
tables and columns in Azure Monitor Logs" (names of columns), "Logs Ingestion API in Azure Monitor" (names), template
reference of ``workspaces/tables`` (names of tables), "Best practices for ARM templates" (template limits), "Service
limits for Microsoft Sentinel" (analytics rules), "Surface custom event details in alerts" (their size).

Belongs here: numbers, reserved names, checks. Does not belong here: limits of a request (``sentinel.packing``).
"""

import re
from collections.abc import Iterable, Mapping

from s3sentinel_assets.errors import ConfigurationError

__all__ = [
    "COLUMNS_PER_TABLE",
    "COLUMN_NAME_LENGTH",
    "CUSTOM_TABLES_PER_WORKSPACE",
    "FLOWS_PER_RULE",
    "RESERVED_COLUMNS",
    "RULE_NAME_LENGTH",
    "STREAMS_PER_RULE",
    "STREAM_PREFIX",
    "TEMPLATE_BYTES",
    "TEMPLATE_OUTPUTS",
    "TEMPLATE_RESOURCES",
    "TRANSFORM_LENGTH",
    "check_alert_rule",
    "check_columns",
    "check_rule_name",
    "check_stream",
    "check_table_name",
    "check_template",
    "check_transform",
]

FLOWS_PER_RULE = 10
STREAMS_PER_RULE = 10
TRANSFORM_LENGTH = 15_360
COLUMNS_PER_TABLE = 500
CUSTOM_TABLES_PER_WORKSPACE = 500
COLUMN_NAME_LENGTH = 45
RULE_NAME_LENGTH = 64
STREAM_PREFIX = "Custom-"

TEMPLATE_BYTES = 4 << 20
TEMPLATE_RESOURCES = 800
TEMPLATE_OUTPUTS = 64

ALERT_QUERY_LENGTH = 10_000
ALERT_DETAILS = 20
ALERT_DETAIL_LENGTH = 20
#: "2 KB" of all custom details of an alert; what is beyond is dropped. The smaller of the two that it may mean.
ALERT_DETAILS_BYTES = 2_000
ALERT_ENTITIES = 10
ALERT_IDENTIFIERS = 3

#: What no custom column may be called, in small letters.
RESERVED_COLUMNS = frozenset(
    {
        *("billedsize", "id", "invalidtimegenerated", "isbillable", "tenantid", "title", "type", "uniqueid"),
        *("_itemid", "_resourcegroup", "_resourceid", "_subscriptionid", "_timereceived"),
    }
)

_COLUMN = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_RULE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_TABLE = re.compile(r"[A-Za-z0-9_-]{4,63}")


def check_columns(table: str, own: Iterable[str], every: Iterable[str]) -> None:
    """Checks a table's columns.

    Args:
        table: for the message.
        own: names that we choose: all of a custom table, the ``_CF`` ones of an Azure table.
        every: all that a row may carry.

    Raises:
        ConfigurationError: the service would refuse them.
    """
    names = list(every)
    if len(names) > COLUMNS_PER_TABLE:
        raise ConfigurationError(
            f"table {table} would have {len(names)} columns; a table takes {COLUMNS_PER_TABLE} at most"
        )
    for name in own:
        if not (_COLUMN.fullmatch(name) and 2 <= len(name) <= COLUMN_NAME_LENGTH):
            raise ConfigurationError(
                f"table {table}: no column can be called {name!r}; a name has 2 to {COLUMN_NAME_LENGTH} letters, "
                "digits and '_', a letter first"
            )
        if name.casefold() in RESERVED_COLUMNS:
            raise ConfigurationError(f"table {table}: {name} is the name of a system column; call the column otherwise")
    folded = [name.casefold() for name in names]
    if twice := next((name for name in names if folded.count(name.casefold()) > 1), None):
        raise ConfigurationError(f"table {table}: the column {twice} is there twice (capitals do not count)")


def check_table_name(table: str) -> None:
    """Checks a table's name.

    Raises:
        ConfigurationError: no table can be called so.
    """
    if not _TABLE.fullmatch(table):
        raise ConfigurationError(f"no table can be called {table!r}; a name has 4 to 63 letters, digits, '_' and '-'")


def check_stream(stream: str) -> None:
    """Checks a stream's name.

    Raises:
        ConfigurationError: no stream of a request can be called so.
    """
    if not stream.startswith(STREAM_PREFIX) or len(stream) == len(STREAM_PREFIX):
        raise ConfigurationError(
            f"the stream {stream} cannot be declared in a data collection rule; its name must begin with "
            f"{STREAM_PREFIX}, such as {STREAM_PREFIX}AWSCloudTrail"
        )


def check_rule_name(name: str) -> None:
    """Checks the name of a data collection rule.

    Raises:
        ConfigurationError: no rule can be called so.
    """
    if not (_RULE.fullmatch(name) and 3 <= len(name) <= RULE_NAME_LENGTH):
        raise ConfigurationError(
            f"sentinel.azure.dcr_name: a data collection rule cannot be called {name!r}; use 3 to "
            f"{RULE_NAME_LENGTH} letters, digits, '-', '_' and '.', with the number behind it"
        )


def check_transform(stream: str, transform: str) -> None:
    """Checks the length of a transformation.

    Raises:
        ConfigurationError: it is too long.
    """
    if len(transform) > TRANSFORM_LENGTH:
        raise ConfigurationError(
            f"the transformation of stream {stream} has {len(transform):,} characters; a data collection rule takes "
            f"{TRANSFORM_LENGTH:,} at most"
        )


def check_alert_rule(
    query: str, details: Mapping[str, tuple[str, int]], entities: Mapping[str, Mapping[str, str]]
) -> None:
    """Checks a scheduled analytics rule.

    Args:
        query: its KQL.
        details: name of a custom detail → column, and the most bytes of ``["value"]`` that it comes to.
        entities: kind of entity → its identifiers and their columns.

    Raises:
        ConfigurationError: Sentinel would refuse it.
    """
    longest = max((len(name) for name in details), default=0)
    most = max((len(fields) for fields in entities.values()), default=0)
    # {"name":["value"],…}
    size = 1 + sum(len(name) + 4 + share for name, (_, share) in details.items())
    for found, limit, what in (
        (len(query), ALERT_QUERY_LENGTH, "characters of query"),
        (len(details), ALERT_DETAILS, "custom details"),
        (longest, ALERT_DETAIL_LENGTH, "letters in the name of a custom detail"),
        (size, ALERT_DETAILS_BYTES, "bytes of custom details"),
        (len(entities), ALERT_ENTITIES, "entities"),
        (most, ALERT_IDENTIFIERS, "identifiers of an entity"),
    ):
        if found > limit:
            raise ConfigurationError(f"the analytics rule would have {found:,} {what}, and Sentinel takes {limit:,}")
    if odd := next((name for name in details if not name.isalnum()), None):
        raise ConfigurationError(f"no custom detail of an analytics rule can be called {odd!r}; use letters and digits")


def check_template(size: int, resources: int, outputs: int) -> None:
    """Checks a template as a whole.

    Args:
        size: bytes of its JSON.
        resources: how many.
        outputs: how many.

    Raises:
        ConfigurationError: Azure Resource Manager would refuse it.
    """
    for found, limit, what in (
        (size, TEMPLATE_BYTES, "bytes"),
        (resources, TEMPLATE_RESOURCES, "resources"),
        (outputs, TEMPLATE_OUTPUTS, "outputs"),
    ):
        if found > limit:
            raise ConfigurationError(
                f"the template would have {found:,} {what}, and Azure takes {limit:,}; give a smaller --spread, or "
                "fewer tables by naming each source's format"
            )
