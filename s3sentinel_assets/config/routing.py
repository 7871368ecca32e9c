"""Routing: which of a source's rows go to another table, or nowhere.

Belongs here: the rules' settings and checks that need no table. Does not belong here: reading a condition and applying
it to rows (``sentinel.routing``).
"""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from s3sentinel_assets.config.destination import Destination
from s3sentinel_assets.config.section import OnOrOff, Section

__all__ = ["Priority", "RouteRule", "Routing"]

Priority = Literal["critical", "high", "medium", "low", "unknown"]
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")


class RouteRule(Section):
    """One rule; all conditions that it names must hold. The first rule that fits a row decides."""

    name: str = Field(description="Shown in reports and kept with every batch.")
    table: str | None = Field(default=None, description="Only rows for this table.")
    priority: tuple[Priority, ...] = Field(default=(), description="Only rows of these priorities.")
    where: str | None = Field(
        default=None,
        description="Only rows for which this SQL expression over the table's columns is true, such as "
        "\"EventName LIKE 'Get%' AND ReadOnly\"; a column that the table does not have is empty.",
    )
    older_than_hours: float | None = Field(
        default=None, gt=0, description="Only rows whose TimeGenerated was longer ago when their delivery was planned."
    )
    to: Destination | None = Field(
        default=None, description="Where they go: a table with the same columns, such as AWSCloudTrail_Auxiliary_CL."
    )
    drop: bool = Field(default=False, description="They go nowhere, and are counted as filtered by this rule.")

    @field_validator("name")
    @classmethod
    def _short_name(cls, value: str) -> str:
        if not _NAME.fullmatch(value):
            raise ValueError("use a-z, 0-9, '_' and '-', a letter first, 40 characters at most")
        return value

    @model_validator(mode="after")
    def _goes_somewhere(self) -> "RouteRule":
        if (self.to is None) != self.drop:
            raise ValueError(f"rule {self.name} needs either 'to' or 'drop: true'")
        if not (self.table or self.priority or self.where or self.older_than_hours):
            raise ValueError(f"rule {self.name} has no condition: name a table, priority, where or older_than_hours")
        return self


class Routing(Section):
    """A source's rules in their order, and what keeps rows from a cheaper table all the same."""

    rules: tuple[RouteRule, ...] = ()
    demotion: Annotated[Literal["off", "shadow", "on"], OnOrOff] = Field(
        default="off",
        description="Whether rules may send rows to a cheaper plan: shadow only reports what that would save and "
        "which analytics rules would lose rows.",
    )
    audit_share: float = Field(
        default=0.01, ge=0, le=1, description="Share of rows that stay where they were, drawn by their event ids."
    )
    audit_seed: int = Field(default=0, ge=0, description="Another seed draws others.")
    guards_file: Path | None = Field(
        default=None,
        description="What `s3sentinel rules guards` wrote: rows that analytics rules need. Default: models_dir's.",
    )

    @model_validator(mode="after")
    def _names_differ(self) -> "Routing":
        names = [rule.name for rule in self.rules]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"two rules are called {twice}")
        return self
