"""Cheaper twins of tables: the same columns on the Basic or Auxiliary plan, for rows that routing sends there.

Source: "Select a table plan based on data usage in a Log Analytics workspace" (learn.microsoft.com): the plan belongs
to the table, and Microsoft's own AWS tables are on the Analytics plan, so a cheaper tier is a custom table beside them.

Belongs here: names and schemas of twins. Does not belong here: which rows go there (``sentinel.routing``).
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from s3sentinel_assets.errors import ConfigurationError

if TYPE_CHECKING:
    from s3sentinel_assets.tables.schema import TableSchema

__all__ = ["CHEAP_PLANS", "base_of", "plan_of", "twin_name", "twin_schema"]

#: Plans below Analytics, the cheapest last.
CHEAP_PLANS = ("Basic", "Auxiliary")

#: What no custom table may call a column ("Logs Ingestion API overview", column names).
_RESERVED = frozenset(("_resourceid", "id", "_subscriptionid", "tenantid", "type", "uniqueid", "title"))


def twin_name(base: str, plan: str) -> str:
    """The name of ``base``'s twin: ``AWSVPCFlow`` on Auxiliary is ``AWSVPCFlow_Auxiliary_CL``."""
    return f"{base.removesuffix('_CL')}_{plan}_CL"


def plan_of(table: str) -> str | None:
    """The plan that a twin's name tells; None: it is no twin's name."""
    return next((plan for plan in CHEAP_PLANS if table.endswith(f"_{plan}_CL")), None)


def base_of(table: str) -> list[str]:
    """The names that the table behind a twin's name may have."""
    plan = plan_of(table)
    if plan is None:
        return []
    bare = table.removesuffix(f"_{plan}_CL")
    return [bare, f"{bare}_CL"]


def twin_schema(base: "TableSchema", plan: str) -> "TableSchema":
    """The twin's schema.

    Raises:
        ConfigurationError: the table has a column that no custom table may have.
    """
    reserved = [name for name in base.columns if name.casefold() in _RESERVED]
    if reserved:
        raise ConfigurationError(
            f"table {base.name} cannot have a cheaper twin: a custom table may not have a column {reserved[0]}"
        )
    return replace(base, name=twin_name(base.name, plan), plan=plan)
