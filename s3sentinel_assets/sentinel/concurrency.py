"""How many uploads to one data collection rule run at once: more while they succeed, half as many when they do not.

Belongs here: the limit and the slots it hands out. Does not belong here: rates (``ledger.rates``), what an answer means
(``client``).

Additive increase, multiplicative decrease, as congestion control does it: a full round of successes adds one, a round
in which something was throttled or timed out halves. All requests that were under way together are one round, so a
burst of refusals halves once and does not go down to one at a stroke.
"""

import threading
from dataclasses import dataclass

__all__ = ["AdaptiveLimit", "Slot", "Slots"]

#: A thread looks at its run's stop event at least so often, in seconds; a slot that comes free wakes it at once.
_LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Slot:
    """The right to one upload; it knows the round it began in."""

    round: int


class AdaptiveLimit:
    """The limit by itself: no clock, no lock, no waiting.

    Args:
        most: never more than so many at once; it begins there.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = float(most)
        self._round = 0
        self._taken = 0

    @property
    def limit(self) -> int:
        """How many may run at once now, from 1 to ``most``."""
        return int(self._limit)

    @property
    def taken(self) -> int:
        """How many run."""
        return self._taken

    def take(self) -> Slot | None:
        """A slot, or None if all are taken."""
        if self._taken >= self.limit:
            return None
        self._taken += 1
        return Slot(self._round)

    def give_back(self, slot: Slot, succeeded: bool | None) -> None:
        """Ends an upload.

        Args:
            slot: from `take`.
            succeeded: True: taken by the service; False: throttled, timed out or lost; None: says nothing about load.
        """
        self._taken -= 1
        if succeeded:
            self._limit = min(self._most, self._limit + 1 / self.limit)
        elif succeeded is False and slot.round == self._round:
            self._limit = max(1.0, self._limit / 2)
            self._round += 1


class Slots:
    """An `AdaptiveLimit` that threads wait at."""

    def __init__(self, most: int) -> None:
        self._limit = AdaptiveLimit(most)
        self._changed = threading.Condition()

    @property
    def limit(self) -> int:
        """How many may run at once now."""
        with self._changed:
            return self._limit.limit

    def take(self, stop: threading.Event) -> Slot | None:
        """A slot as soon as one is free; None once ``stop`` is set."""
        with self._changed:
            while not stop.is_set():
                slot = self._limit.take()
                if slot is not None:
                    return slot
                self._changed.wait(_LOOK_SECONDS)
        return None

    def give_back(self, slot: Slot, succeeded: bool | None) -> None:
        """Ends an upload; see `AdaptiveLimit.give_back`."""
        with self._changed:
            self._limit.give_back(slot, succeeded)
            self._changed.notify_all()
