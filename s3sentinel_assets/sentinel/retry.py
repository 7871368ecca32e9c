"""When to try again: back-off with full jitter, Retry-After, and one pause that all threads share.

Belongs here: durations only. Does not belong here: whether a request may be repeated at all (``client``), what other
processes must know (``traffic``).
"""

import email.utils
import random
import re
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from s3sentinel_assets.hours import utc_now

__all__ = ["RETRY_AFTER_LIMIT_SECONDS", "Pause", "backoff_delay", "parse_retry_after"]

#: A server may ask for a longer pause; asking again a little early costs one more refusal, waiting for hours costs a
#: run.
RETRY_AFTER_LIMIT_SECONDS = 300.0


def parse_retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Seconds that a Retry-After header asks for, in either of its forms; None where there is none that makes sense."""
    if not value:
        return None
    value = value.strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]*)?", value):  # decimals are not in the standard, but servers send them
        return float(value)
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or utc_now())).total_seconds())


def backoff_delay(
    failures: int,
    retry_after: float | None,
    *,
    base: float,
    limit: float,
    draw: Callable[[], float] = random.random,
) -> float:
    """Seconds to wait after the ``failures``-th failure (from 1).

    Full jitter below an exponential ceiling, so that workers that failed together do not return together. A Retry-After
    is a floor (up to `RETRY_AFTER_LIMIT_SECONDS`), the jitter comes on top.
    """
    ceiling = min(limit, base * 2 ** min(failures - 1, 30))
    floor = min(retry_after or 0.0, RETRY_AFTER_LIMIT_SECONDS)
    return floor + (min(base, ceiling) if floor else ceiling) * draw()


class Pause:
    """A pause that one thread asks for and all observe: the service throttles a rule, not a request.

    One for each data collection rule; another rule goes on.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._until = 0.0

    def extend(self, seconds: float) -> None:
        """Nobody goes on for ``seconds`` from now."""
        with self._lock:
            self._until = max(self._until, self._clock() + seconds)

    def remaining(self) -> float:
        """Seconds until the pause is over; 0 where there is none."""
        return max(0.0, self._until - self._clock())

    def wait(self, stop: threading.Event) -> None:
        """Returns when the pause is over or ``stop`` is set."""
        while (remaining := self.remaining()) > 0 and not stop.wait(remaining):
            pass
