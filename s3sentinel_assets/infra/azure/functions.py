"""The shipped KQL functions as saved searches of the workspace.

Source: template reference of ``workspaces/savedSearches`` (learn.microsoft.com).

Belongs here: the saved searches. Does not belong here: the functions' text (``sentinel.kql``).
"""

from collections.abc import Mapping

from s3sentinel_assets.infra.azure.expressions import Resource, symbol_of
from s3sentinel_assets.infra.azure.rules import Plan
from s3sentinel_assets.sentinel.kql import function_tables, saved_functions

__all__ = ["function_resources"]

_KIND = "Microsoft.OperationalInsights/workspaces/savedSearches"
_SEARCH_VERSION = "2020-08-01"


def function_resources(plan: Plan, workspace: Resource, tables: Mapping[str, Resource]) -> list[Resource]:
    """The functions of tables that the plan has, and those of no table.

    One waits for the other: Azure refuses changes of saved searches that meet each other (409).

    Args:
        plan: what is needed. Tables on cheaper plans cannot be queried by functions.
        workspace: where they are saved.
        tables: resources of the tables, which must be there before.
    """
    full = {schema.name for schema in plan.tables if schema.plan == "Analytics"}
    of_table = function_tables()
    made: list[Resource] = []
    for name, query in sorted(saved_functions().items()):
        if of_table[name] not in full:
            continue
        table = tables.get(of_table[name])
        made.append(
            Resource(
                f"function_{symbol_of(name)}",
                _KIND,
                _SEARCH_VERSION,
                name,
                {
                    "properties": {
                        "category": "s3sentinel",
                        "displayName": name,
                        "etag": "*",  # without it a second deployment is refused (409)
                        "functionAlias": name,
                        "query": query,
                        "version": 2,
                    }
                },
                parent=workspace,
                after=tuple(each for each in (table, made[-1] if made else None) if each is not None),
                waived={"etag": "BCP037"},
            )
        )
    return made
