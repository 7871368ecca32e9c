"""What an analyst finds in Sentinel: an analytics rule, hunting queries and a workbook, each from the shipped KQL.

Sources: template references of ``Microsoft.SecurityInsights/alertRules``, ``workspaces/savedSearches`` and
``Microsoft.Insights/workbooks``; "Customize alert details", "Map data fields to entities", "Surface custom event
details", "Scheduled analytics rules" (learn.microsoft.com).

Belongs here: rule and hunting queries as resources. Does not belong here: the queries' text (``sentinel.kql``), the
workbook's content (``workbook``), limits (``limits``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from s3sentinel_assets.config import ENTITY_HOURS_TABLE, PATTERNS_TABLE
from s3sentinel_assets.infra.azure.expressions import Call, Expression, Id, Not, Parameter, Resource, symbol_of
from s3sentinel_assets.infra.azure.limits import check_alert_rule
from s3sentinel_assets.infra.azure.rules import Plan
from s3sentinel_assets.infra.azure.workbook import workbook_resource
from s3sentinel_assets.sentinel.kql import query_text

__all__ = ["analyst_resources"]

_RULE_TYPE = "Microsoft.SecurityInsights/alertRules"
_RULE_VERSION = "2024-09-01"
_SEARCH_TYPE = "Microsoft.OperationalInsights/workspaces/savedSearches"
_SEARCH_VERSION = "2020-08-01"

#: As often as the query's own ``ago`` looks back.
_FREQUENCY = "PT5M"
# Longer than any hour is late as a rule, and as far back as the query's own ``LastEvent``. 2 days and more are refused
# where a rule runs more often than hourly.
_PERIOD = "PT47H"
#: Tactics and techniques that the rules of sensitivity know; a row's own techniques stand in the alert itself.
_TACTICS = (
    "InitialAccess",
    "Persistence",
    "PrivilegeEscalation",
    "DefenseEvasion",
    "CredentialAccess",
    "Discovery",
    "Exfiltration",
    "Impact",
)
_TECHNIQUES = ("T1078", "T1098", "T1136", "T1484", "T1562", "T1555", "T1580", "T1537", "T1485")
#: What stands in an alert → column and its share: the most bytes of ``["value"]``, which is how an alert keeps it. The
#: query cuts what is longer.
_DETAILS = {
    "EventIds": ("NamedEvents", 445),
    "Principal": ("NamedPrincipal", 400),
    "Account": ("NamedAccount", 80),
    "Hour": ("Hour", 20),
    "Source": ("SourceName", 44),
    "Row": ("EventId_CF", 36),
    "Priority": ("Priority", 12),
    "Before": ("PreviousPriority", 12),
    "Score": ("AnomalyScore", 28),
    "ExpectedPerDay": ("ExpectedHoursPerDay", 28),
    "Confidence": ("Confidence", 28),
    "Events": ("Events", 15),
    "Techniques": ("NamedTechniques", 150),
    "Reasons": ("NamedReasons", 270),
    "Actions": ("NamedActions", 250),
}
#: Kind of entity → its identifiers and their columns; three each at most.
_ENTITIES = {
    "Account": {"FullName": "Principal", "CloudAppAccountId": "AccountId"},
    "IP": {"Address": "SourceIp"},
    "CloudApplication": {"Name": "Application", "InstanceName": "AccountId"},
}


@dataclass(frozen=True)
class _Hunt:
    """A hunting query: its file, its name, what it is for, and the table without which it would be refused."""

    file: str
    name: str
    description: str
    table: str
    tactics: Sequence[str]
    techniques: Sequence[str]


_HUNTS = (
    _Hunt(
        "hunt_top_anomalies",
        "s3sentinel: Top anomalies of the last day",
        "Principals whose hours of the last day are the least expected, the most urgent first, with reasons and event "
        "ids.",
        ENTITY_HOURS_TABLE,
        _TACTICS,
        _TECHNIQUES,
    ),
    _Hunt(
        "hunt_new_patterns",
        "s3sentinel: New patterns",
        "Kinds of events that a source had not shown before, of the last day, with a template and examples.",
        PATTERNS_TABLE,
        ("DefenseEvasion", "Discovery"),
        ("T1562", "T1580"),
    ),
)


def analyst_resources(
    plan: Plan,
    workspace: Resource,
    tables: Mapping[str, Resource],
    location: Expression,
    wanted: Parameter,
    functions: Sequence[Resource],
) -> list[Resource]:
    """Rule, hunting queries and workbook.

    Args:
        plan: its tables are what the workbook looks into.
        workspace: which Sentinel watches over.
        tables: resources of the tables, which must be there before.
        location: of the workbook.
        wanted: the parameter that leaves them all out where it is empty.
        functions: saved functions, which the queries name.

    Raises:
        ConfigurationError: Sentinel would refuse the rule.
    """
    condition = Not(Call("empty", (wanted,)))
    last = functions[-1:]
    made = [_rule(workspace, tables, condition)]
    for hunt in _HUNTS:
        # One saved search after the other: Azure refuses changes of them that meet each other (409).
        made.append(_hunt(hunt, workspace, tables, condition, last))
        last = made[-1:]
    return [*made, workbook_resource(plan, workspace, location, condition)]


def _rule(workspace: Resource, tables: Mapping[str, Resource], condition: Expression) -> Resource:
    query = query_text("rule_entity_hour")
    check_alert_rule(query, _DETAILS, _ENTITIES)
    properties: dict[str, Any] = {
        "displayName": "s3sentinel: unusual hour of a principal",
        "description": "A principal's hour in the AWS logs has become high or critical. The alert names the events, "
        "their reasons, and how many such hours a day are expected. Further hours of the same principal join its "
        "incident.",
        "enabled": True,
        "query": query,
        "queryFrequency": _FREQUENCY,
        "queryPeriod": _PERIOD,
        "severity": "Medium",
        "suppressionDuration": "PT5H",
        "suppressionEnabled": False,
        "tactics": list(_TACTICS),
        "techniques": list(_TECHNIQUES),
        "triggerOperator": "GreaterThan",
        "triggerThreshold": 0,
        "eventGroupingSettings": {"aggregationKind": "AlertPerResult"},
        "alertDetailsOverride": {
            "alertDisplayNameFormat": "Unusual hour of {{Principal}}: {{Priority}}",
            "alertDescriptionFormat": "{{Reasons}}",
            "alertSeverityColumnName": "AlertSeverity",
            "alertDynamicProperties": [{"alertProperty": "Techniques", "value": "TechniqueIds"}],
        },
        "customDetails": {name: column for name, (column, _) in _DETAILS.items()},
        "entityMappings": [
            {
                "entityType": kind,
                "fieldMappings": [{"identifier": name, "columnName": column} for name, column in fields.items()],
            }
            for kind, fields in _ENTITIES.items()
        ],
        "incidentConfiguration": {
            "createIncident": True,
            "groupingConfiguration": {
                "enabled": True,
                "reopenClosedIncident": False,
                "lookbackDuration": "PT24H",
                "matchingMethod": "Selected",
                "groupByEntities": ["Account"],
                "groupByAlertDetails": [],
                "groupByCustomDetails": [],
            },
        },
    }
    return Resource(
        "analytics_rule",
        _RULE_TYPE,
        _RULE_VERSION,
        Call("guid", (Id(workspace), "s3sentinel", "entity-hour")),
        {"kind": "Scheduled", "properties": properties},
        scope=workspace,
        condition=condition,
        after=_present(tables, ENTITY_HOURS_TABLE),
        remark="Microsoft Sentinel must be on for the workspace; else leave analystContent empty.",
    )


def _hunt(
    hunt: _Hunt,
    workspace: Resource,
    tables: Mapping[str, Resource],
    condition: Expression,
    before: Sequence[Resource],
) -> Resource:
    tags = {
        "description": hunt.description,
        "tactics": ",".join(hunt.tactics),
        "techniques": ",".join(hunt.techniques),
    }
    return Resource(
        symbol_of(hunt.file),
        _SEARCH_TYPE,
        _SEARCH_VERSION,
        f"s3sentinel_{hunt.file}",
        {
            "properties": {
                "category": "Hunting Queries",
                "displayName": hunt.name,
                "etag": "*",  # without it a second deployment is refused (409)
                "query": query_text(hunt.file),
                "tags": [{"name": name, "value": value} for name, value in tags.items()],
                "version": 2,
            }
        },
        parent=workspace,
        condition=condition,
        after=(*_present(tables, hunt.table), *before),
        waived={"etag": "BCP037"},
    )


def _present(tables: Mapping[str, Resource], name: str) -> tuple[Resource, ...]:
    return (tables[name],) if name in tables else ()
