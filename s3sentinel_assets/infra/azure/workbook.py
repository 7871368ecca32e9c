"""The workbook: from principals to their hours to the events of an hour.

Sources: template reference of ``Microsoft.Insights/workbooks``, "Azure Workbooks: parameters, grids, interactive
workbooks" (learn.microsoft.com), schema ``Notebook/1.0``.

Belongs here: the workbook's steps and how a chosen row leads on. Does not belong here: its queries (``sentinel.kql``).

A chosen row is handed on by its id, never by a name: others choose names, and a quotation mark in one would end the
text that a query has it in.
"""

import json
from collections.abc import Sequence
from typing import Any

from s3sentinel_assets.infra.azure.expressions import Call, Expression, Id, Resource
from s3sentinel_assets.infra.azure.rules import Plan
from s3sentinel_assets.sentinel.kql import events_query, query_text

__all__ = ["workbook_content", "workbook_resource"]

_TYPE = "Microsoft.Insights/workbooks"
_VERSION = "2023-06-01"
_TITLE = "s3sentinel: principals"
_LOG_ANALYTICS = "microsoft.operationalinsights/workspaces"
_LOGS = {"queryType": 0, "resourceType": _LOG_ANALYTICS}
#: Spans to choose from, in milliseconds: four hours, a day, three days, a week, a month.
_SPANS = (14_400_000, 86_400_000, 259_200_000, 604_800_000, 2_592_000_000)
_DAY = 86_400_000
_COLOURS = {"critical": "redBright", "high": "orange", "medium": "yellow"}
_TIME_RANGE = "TimeRange"


def workbook_content(tables: Sequence[str]) -> dict[str, Any]:
    """The workbook as its JSON has it.

    Args:
        tables: where events may be, on the Analytics plan; at least one.
    """
    return {
        "version": "Notebook/1.0",
        "items": [
            _text(
                f"## {_TITLE}\nChoose a principal, then one of its hours, to see the events that made it unusual. "
                "Priorities are those of the newest roll-up."
            ),
            _parameters(),
            _query("principals", "Principals", query_text("workbook_principals"), "PrincipalRow"),
            _query("hours", "Hours of the principal", query_text("workbook_hours"), "HourRow", shown_by="PrincipalRow"),
            _query("events", "Events of the hour", events_query(tables), shown_by="HourRow"),
        ],
        "$schema": "https://github.com/Microsoft/Application-Insights-Workbooks/blob/master/schema/workbook.json",
    }


def workbook_resource(plan: Plan, workspace: Resource, location: Expression, condition: Expression) -> Resource:
    """The workbook of a workspace.

    Args:
        plan: its tables on the Analytics plan that carry priorities are looked into.
        workspace: whose it is.
        location: where it is stored.
        condition: deployed only if true.
    """
    tables = [
        schema.name for schema in plan.tables if schema.plan == "Analytics" and "Priority_CF" in schema.own_columns
    ]
    content = json.dumps(workbook_content(tables), ensure_ascii=False, sort_keys=True)
    return Resource(
        "workbook",
        _TYPE,
        _VERSION,
        Call("guid", (Id(workspace), "s3sentinel", "principals")),
        {
            "kind": "shared",
            "location": location,
            "properties": {
                "category": "sentinel",
                "displayName": _TITLE,
                "serializedData": content,
                "sourceId": Id(workspace),
                "version": "Notebook/1.0",
            },
        },
        condition=condition,
    )


def _text(markdown: str) -> dict[str, Any]:
    return {"type": 1, "content": {"json": markdown}, "name": "text"}


def _parameters() -> dict[str, Any]:
    span = {
        "id": "0b9a2f0e-6f4b-4a44-9a0c-5f1e6f1c1a01",
        "version": "KqlParameterItem/1.0",
        "name": _TIME_RANGE,
        "label": "Time",
        "type": 4,
        "isRequired": True,
        "typeSettings": {"selectableValues": [{"durationMs": each} for each in _SPANS], "allowCustom": True},
        "value": {"durationMs": _DAY},
    }
    content = {"version": "KqlParameterItem/1.0", "parameters": [span], "style": "pills", **_LOGS}
    return {"type": 9, "content": content, "name": "parameters"}


def _query(name: str, title: str, query: str, chosen: str | None = None, shown_by: str | None = None) -> dict[str, Any]:
    """A grid; the ``Row`` of a chosen line becomes the parameter ``chosen``."""
    content: dict[str, Any] = {
        "version": "KqlItem/1.0",
        "query": query,
        "size": 0,
        "title": title,
        "timeContextFromParameter": _TIME_RANGE,
        "showExportToExcel": True,
        "visualization": "table",
        "gridSettings": {"formatters": _formatters(chosen), "filter": True},
        **_LOGS,
    }
    if chosen is not None:
        content |= {"exportFieldName": "Row", "exportParameterName": chosen, "exportDefaultValue": "none"}
    item: dict[str, Any] = {"type": 3, "content": content, "name": name}
    if shown_by is not None:
        item["conditionalVisibility"] = {"parameterName": shown_by, "comparison": "isNotEqualTo", "value": "none"}
    return item


def _formatters(chosen: str | None) -> list[dict[str, Any]]:
    """Colours for priorities, and the row's id out of sight."""
    icons: list[dict[str, str | None]] = [
        {"operator": "==", "thresholdValue": value, "representation": colour, "text": "{0}{1}"}
        for value, colour in _COLOURS.items()
    ]
    icons.append({"operator": "Default", "thresholdValue": None, "representation": "blue", "text": "{0}{1}"})
    made: list[dict[str, Any]] = [
        {
            "columnMatch": "Priority",
            "formatter": 18,
            "formatOptions": {"thresholdsOptions": "colors", "thresholdsGrid": icons},
        }
    ]
    if chosen is not None:
        made.append({"columnMatch": "Row", "formatter": 5})
    return made
