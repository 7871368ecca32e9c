"""Routing: which rows of a part go to another table than their own, or nowhere, and what that saves.

Belongs here: reading the rules' conditions (``conditions``), choosing for every row (``router``), what is told of it
(``report``). Does not belong here: the rules as settings (``config.routing``), the rows that analytics rules need
(``guards``), packing (``plan``).
"""

from s3sentinel_assets.sentinel.routing.conditions import check_routing
from s3sentinel_assets.sentinel.routing.report import RouteReport
from s3sentinel_assets.sentinel.routing.router import AUDIT_FLAG, Choice, Router, Target

__all__ = ["AUDIT_FLAG", "Choice", "RouteReport", "Router", "Target", "check_routing"]
