"""Running rules: when they are evaluated, over what span, and what came of it.

Belongs here: the moments, and telling "needs a table that is not there" from "does not work". Does not belong here: how
a workspace is reached: whoever calls hands over a function that asks it.
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.rules.model import Rule
from s3sentinel_assets.rules.moment import at_moment

__all__ = ["Ask", "Evaluation", "Outcome", "RuleRun", "moments", "run_rule"]

Row = Mapping[str, Any]
#: Asks a workspace: query and span of TimeGenerated → rows. Raises `UserError` with the reason.
Ask = Callable[[str, tuple[datetime, datetime]], Sequence[Row]]

#: What a hunting query sees where no range is given: the most that an analytics rule may look back.
HUNTING_PERIOD = timedelta(days=14)
_HUNTING_START = timedelta(days=1)
#: More evaluations than this would take hours and mostly repeat themselves.
MOST_EVALUATIONS = 2_000

_NEEDS = (
    (re.compile(r"Failed to resolve table or column expression named '([^']+)'"), "needs table {}"),
    (re.compile(r"Unknown function: '([^']+)'"), "needs function {}"),
    (re.compile(r"externaldata needs '([^']+)', [^;]*; put it at (\S+)"), "needs external data {}: put it at {}"),
)


class Outcome(StrEnum):
    """What became of a rule."""

    RAN = "ran"
    SKIPPED = "not run"
    FAILED = "failed"


@dataclass(frozen=True)
class Evaluation:
    """One evaluation.

    Attributes:
        moment: what ``now()`` was.
        start: from where on TimeGenerated counted; to ``moment``.
        rows: how many rows came back.
        fires: whether that makes an alert.
        first: the first rows.
    """

    moment: datetime
    start: datetime
    rows: int
    fires: bool
    first: tuple[Row, ...] = ()


@dataclass
class RuleRun:
    """A rule and what came of it.

    Attributes:
        rule: the rule.
        outcome: see `Outcome`.
        reason: why it did not run.
        evaluations: oldest first.
        seconds: how long it took.
    """

    rule: Rule
    outcome: Outcome = Outcome.RAN
    reason: str = ""
    evaluations: list[Evaluation] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def rows(self) -> int:
        """Rows of all evaluations."""
        return sum(evaluation.rows for evaluation in self.evaluations)

    @property
    def fired(self) -> list[Evaluation]:
        """The evaluations that make an alert."""
        return [evaluation for evaluation in self.evaluations if evaluation.fires]


def moments(rule: Rule, start: datetime | None, end: datetime, *, every: bool) -> list[tuple[datetime, datetime]]:
    """When ``rule`` is evaluated and from where on it may look, oldest first.

    Args:
        rule: the rule.
        start: beginning of the range; None: the rule's own period before ``end``.
        end: the last evaluation.
        every: evaluate at every step of the rule's frequency, each time over its own period, as Sentinel would have.
            A hunting query has no frequency and is evaluated once.

    Raises:
        UserError: that would be too many.
    """
    period = rule.period or HUNTING_PERIOD
    if not every or rule.frequency is None:
        return [(end, start or end - period)]
    first = start or end - period
    count = max(1, -(-(end - first) // rule.frequency))
    if count > MOST_EVALUATIONS:
        raise UserError(
            f"{count:,} evaluations at its frequency of {rule.frequency} are more than {MOST_EVALUATIONS:,}; "
            "choose a shorter range"
        )
    steps = [end - rule.frequency * back for back in range(count - 1, -1, -1)]
    return [(moment, moment - period) for moment in steps]


def run_rule(
    rule: Rule, ask: Ask, start: datetime | None, end: datetime, *, every: bool = False, keep: int = 0
) -> RuleRun:
    """Evaluates ``rule``; whatever keeps it from running is in the result, not raised.

    Args:
        rule: the rule.
        ask: asks the workspace.
        start: see `moments`.
        end: see `moments`.
        every: see `moments`.
        keep: how many of the first rows to keep for each evaluation.
    """
    run = RuleRun(rule)
    began = time.monotonic()
    try:
        for moment, since in moments(rule, start, end, every=every):
            named = start or moment - _HUNTING_START
            # Over a range at once: what came in during its last run would be nothing of a range that is over.
            whole = start is not None and not every
            rows = ask(at_moment(rule.query, moment, named, arrived=whole), (since, moment))
            run.evaluations.append(Evaluation(moment, since, len(rows), rule.fires(len(rows)), tuple(rows[:keep])))
    except UserError as error:
        run.outcome, run.reason = _judge(" ".join(str(error).split()))
    run.seconds = time.monotonic() - began
    return run


def _judge(text: str) -> tuple[Outcome, str]:
    for pattern, words in _NEEDS:
        if found := pattern.search(text):
            return Outcome.SKIPPED, words.format(*found.groups())
    return Outcome.FAILED, text.removeprefix("the workspace refuses the query: ")
