"""How long logs were really watched: what "a day" means where a span has nights without events, and outages.

Belongs here: the rule, on hour keys alone. Does not belong here: reading events (``training_data``), rates (``ml``).
"""

from collections.abc import Iterable
from datetime import datetime
from itertools import pairwise

from s3sentinel_assets.hours import hour_start

__all__ = ["LONGEST_QUIET_HOURS", "observed_hours"]

#: A night or a day without events is an account at rest; longer, and more likely no log came.
LONGEST_QUIET_HOURS = 24


def observed_hours(hours: Iterable[str], first: str, last: str) -> int:
    """How many hours of a span were observed, judging by the hours that had events.

    From the first event to the last, without stretches of more than `LONGEST_QUIET_HOURS` that had none. Quiet hours at
    either end of the span count where the account is as quiet in between, so that a span which begins at night is no
    shorter than one which begins in the morning; a single event tells of its own hour only.

    Args:
        hours: keys of the hours that had events, in any order.
        first: first hour of the span.
        last: last hour of the span, included.

    Returns:
        At least as many as there were hours with events, at most the hours of the span; 0 without events.
    """
    busy = sorted({hour_start(hour) for hour in hours})
    if not busy:
        return 0
    between = [_apart(left, right) - 1 for left, right in pairwise(busy)]
    quiet = [gap for gap in between if gap <= LONGEST_QUIET_HOURS]
    ends = (_apart(hour_start(first), busy[0]), _apart(busy[-1], hour_start(last)))
    return len(busy) + sum(quiet) + sum(end for end in ends if end <= max(quiet, default=0))


def _apart(left: datetime, right: datetime) -> int:
    return int((right - left).total_seconds()) // 3600
