"""The weather: how the workspace misbehaves, by turns.

Belongs here: the kinds of weather and the order they come in. Does not belong here: acting them out (the local
workspace does).
"""

import random
from collections import Counter
from typing import Any

from chaos.world import READ_SECONDS
from s3sentinel_assets.local.workspace import LocalWorkspace

__all__ = ["KINDS", "Weather"]


def _answers(status: int, count: int, retry_after: float | None = None) -> dict[str, Any]:
    return {"respond": [{"status": status, "count": count, "retry_after": retry_after}]}


#: Name → the switches of the local workspace. Those that count down are used up by the requests that meet them.
KINDS: dict[str, dict[str, Any]] = {
    "calm": {},
    "slow answers": {"slow_seconds": 0.2},
    "stored, connection dropped": {"store_then_disconnect_next": 3},
    "connection dropped, not stored": {"disconnect_next": 3},
    "some of both": {"store_then_disconnect_next": 1, "disconnect_next": 1},
    "500": _answers(500, 2),
    "503": _answers(503, 2),
    "503 with Retry-After": _answers(503, 4, 0.05),
    "429": _answers(429, 4, 0.05),
    "stored, answer later than the time-out": {"slow_seconds": READ_SECONDS + 0.3},
    "queries refused": {"respond_query": [{"status": 500, "count": 3}]},
}

_FAIR = {
    "respond": [],
    "respond_query": [],
    "slow_seconds": 0.02,
    "store_then_disconnect_next": 0,
    "disconnect_next": 0,
}


class Weather:
    """Changes with every call of `turn`; each kind comes once before any comes again.

    Args:
        workspace: suffers it.
        draw: the order and the delays.
        longest_delay: rows show up to queries after up to so many seconds.
        kinds: names from `KINDS`; all of them by default.
        shortest_delay: at the earliest after so many.
    """

    def __init__(
        self,
        workspace: LocalWorkspace,
        draw: random.Random,
        longest_delay: float,
        kinds: tuple[str, ...] = tuple(KINDS),
        shortest_delay: float = 0,
    ) -> None:
        self._workspace, self._draw, self._kinds = workspace, draw, kinds
        self._delays = shortest_delay, longest_delay
        self._deck: list[str] = []
        self.seen = Counter[str]()

    def turn(self) -> None:
        """The next kind, with a new delay."""
        if not self._deck:
            self._deck = self._draw.sample(self._kinds, len(self._kinds))
        kind = self._deck.pop()
        self.seen[kind] += 1
        delay = round(self._draw.uniform(*self._delays), 3)
        self._workspace.set_faults(**_FAIR | KINDS[kind] | {"ingestion_delay_seconds": delay})

    def clear_up(self, delay: float) -> None:
        """Fair weather; rows show after ``delay`` seconds."""
        self._workspace.set_faults(**_FAIR | {"ingestion_delay_seconds": delay})
