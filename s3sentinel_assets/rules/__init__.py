"""Sentinel's rule files against a workspace: analytics rules and hunting queries, run unchanged through the query API.

Belongs here: reading the YAML, the moment of an evaluation, running, judging. Does not belong here: the command line
(``cli.rules``) and any workspace of its own: a real and a local one are asked alike.
"""

from s3sentinel_assets.rules.loading import Unreadable, find_rules
from s3sentinel_assets.rules.model import Rule, RuleError, parse_rule
from s3sentinel_assets.rules.moment import at_moment
from s3sentinel_assets.rules.running import Evaluation, Outcome, RuleRun, run_rule

__all__ = [
    "Evaluation",
    "Outcome",
    "Rule",
    "RuleError",
    "RuleRun",
    "Unreadable",
    "at_moment",
    "find_rules",
    "parse_rule",
    "run_rule",
]
