"""The circuit breaker of one data collection rule: after several futile batches in a row, later ones are not tried.

Belongs here: when it opens, for how long, and who tries first afterwards. Does not belong here: which outcome is futile
(``sending``), the pause between the attempts of one batch (``retry``).

Closed: everybody may go. Open: nobody, for a time that doubles with every failure to close, up to a bound. Half-open,
after that time: one batch is tried, the others wait for how it ends.

It lives as long as its client, so over all parts and hours of a process. A new process starts closed.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["FUTILE_IN_A_ROW", "Admission", "Breaker"]

#: So many batches in a row with nothing accepted between them, and the fault is not theirs.
FUTILE_IN_A_ROW = 3

#: The open time grows up to so many times the first one.
_GROWTH = 8

#: While somebody else tries, ask again after so many seconds.
_ASK_AGAIN_SECONDS = 0.1


@dataclass(frozen=True)
class Admission:
    """Whether a batch may be tried.

    Attributes:
        wait: 0: it may; else seconds after which to ask again.
        probe: it is the one that tries: one attempt, then `Breaker.accepted`, `Breaker.futile` or `Breaker.undecided`.
        problem: what was wrong when the breaker opened, if the wait is because of that.
    """

    wait: float = 0.0
    probe: bool = False
    problem: str | None = None


class Breaker:
    """Counts futile batches; safe to share between threads.

    Args:
        open_seconds: how long it is open the first time.
        clock: seconds that never go back.
    """

    def __init__(self, open_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._open_seconds = open_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._futile = 0
        self._openings = 0
        self._until: float | None = None  # None: closed
        self._probing = False
        self._problem: str | None = None

    def admit(self) -> Admission:
        """Asks for one batch."""
        with self._lock:
            if self._until is None:
                return Admission()
            remaining = self._until - self._clock()
            if remaining > 0:
                return Admission(remaining, problem=self._problem)
            if self._probing:
                return Admission(_ASK_AGAIN_SECONDS)
            self._probing = True
            return Admission(probe=True)

    def accepted(self) -> None:
        """A batch was accepted: closed, and everything is forgotten."""
        with self._lock:
            self._futile = self._openings = 0
            self._until = self._problem = None
            self._probing = False

    def futile(self, problem: str, *, surely: bool = False) -> bool:
        """A batch ended without an answer that settles it.

        Args:
            problem: the sentence for the user.
            surely: it counts for all: its every attempt failed, and nothing else was accepted meanwhile.

        Returns:
            Whether nothing more should be sent now.
        """
        with self._lock:
            if self._until is not None and not self._probing:
                return True  # it was under way when the breaker opened
            self._futile += 1
            if self._futile < FUTILE_IN_A_ROW and not surely and not self._probing:
                return False
            self._problem = problem
            self._until = self._clock() + self._open_seconds * min(2**self._openings, _GROWTH)
            self._openings += 1
            self._probing = False
            return True

    def undecided(self) -> None:
        """The one that tried ended without telling anything: the next one tries."""
        with self._lock:
            self._probing = False
