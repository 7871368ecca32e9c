"""What can be made to go wrong, and the counters of what happened.

Belongs here: the switches, their life (some count down) and the statistics. Does not belong here: acting them out
(``ingestion``, ``query``, ``server``).
"""

import time
from collections import Counter, deque
from typing import Any

import msgspec

__all__ = ["Faults", "RateWindow", "Reply", "Statistics", "take_reply"]


class Reply(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A canned answer for the next ``count`` requests.

    Attributes:
        status: HTTP status.
        count: how many requests get it.
        retry_after: the ``Retry-After`` header, seconds; none when None.
        stream: only requests to this stream; None: any.
        code: the error code in the body.
    """

    status: int
    count: int = 1
    retry_after: int | float | str | None = None
    stream: str | None = None
    code: str = "InjectedFault"


class Faults(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The switches. All can be changed at run time; numbers named ``…next`` count down with each request they touch.

    Attributes:
        respond: canned answers of the ingestion API, used up in order.
        respond_query: the same for the query API.
        respond_token: the same for the token endpoint.
        slow_seconds: ingestion answers this much later (after storing).
        store_then_disconnect_next: rows are stored, then the connection drops without an answer.
        disconnect_next: the connection drops before anything is stored.
        accept_then_drop_next: 204, and the rows are never stored.
        ingestion_delay_seconds: rows are visible to queries this long after they were received.
        forbid_ingestion: the principal has no Monitoring Metrics Publisher role: 403.
        forbid_query: the principal may not read the workspace: 403.
        token_lifetime_seconds: of new tokens.
        wire_limit: refuse bodies over 1,048,576 bytes on the wire.
        raw_limit: refuse bodies over 1,048,576 bytes after decompression (the documented contract). Off: up to 50 MiB
        are
            taken, and more than that is lost after the 204, as others have observed of the real service.
        requests_per_minute: per DCR; then 429 with Retry-After.
        bytes_per_minute: per DCR, uncompressed.
        rate_window_seconds: the length of "a minute".
        dcr_log_errors: whether the DCR's diagnostic setting writes ``DCRLogErrors``.
    """

    respond: list[Reply] = []
    respond_query: list[Reply] = []
    respond_token: list[Reply] = []
    slow_seconds: float = 0
    store_then_disconnect_next: int = 0
    disconnect_next: int = 0
    accept_then_drop_next: int = 0
    ingestion_delay_seconds: float = 0
    forbid_ingestion: bool = False
    forbid_query: bool = False
    token_lifetime_seconds: float = 3599
    wire_limit: bool = True
    raw_limit: bool = True
    requests_per_minute: int = 12_000
    bytes_per_minute: int = 2_000_000_000
    rate_window_seconds: float = 60
    dcr_log_errors: bool = True

    def changed(self, patch: dict[str, Any]) -> "Faults":
        """These switches with those of ``patch`` set.

        Raises:
            msgspec.ValidationError: an unknown switch or a wrong value.
        """
        return msgspec.convert({**msgspec.to_builtins(self), **patch}, Faults)

    def take(self, name: str) -> bool:
        """True if the count-down ``name`` is above zero; takes one from it."""
        left = getattr(self, name)
        if left > 0:
            setattr(self, name, left - 1)
        return left > 0


def take_reply(replies: list[Reply], stream: str | None = None) -> Reply | None:
    """The next canned answer for a request to ``stream``, used up by one; None when there is none."""
    for reply in replies:
        if reply.count > 0 and reply.stream in (None, stream):
            reply.count -= 1
            return reply
    return None


class RateWindow:
    """The requests and bytes one DCR took in the last "minute" (a sliding window)."""

    def __init__(self) -> None:
        self._taken: deque[tuple[float, int]] = deque()
        self._bytes = 0

    def admit(self, size: int, faults: Faults) -> float | None:
        """Takes a request of ``size`` bytes, or tells after how many seconds it would be taken."""
        now = time.monotonic()
        while self._taken and self._taken[0][0] <= now - faults.rate_window_seconds:
            self._bytes -= self._taken.popleft()[1]
        full = len(self._taken) >= faults.requests_per_minute or (
            # A first request is always taken: refusing it for ever would help nobody.
            self._taken and self._bytes + size > faults.bytes_per_minute
        )
        if full:
            return (self._taken[0][0] if self._taken else now) + faults.rate_window_seconds - now
        self._taken.append((now, size))
        self._bytes += size
        return None


class Statistics:
    """Counters since the start of the process."""

    def __init__(self) -> None:
        self.ingestion = Counter[int]()
        self.query = Counter[int]()
        self.token = Counter[int]()
        self.rows = Counter[str]()
        self.changes = Counter[str]()
        self.disconnected = 0
        self.wire_bytes = 0
        self.raw_bytes = 0
        self.largest_wire_bytes = 0
        self.largest_raw_bytes = 0

    def body(self, wire: int, raw: int) -> None:
        """Notes the size of one upload."""
        self.wire_bytes += wire
        self.raw_bytes += raw
        self.largest_wire_bytes = max(self.largest_wire_bytes, wire)
        self.largest_raw_bytes = max(self.largest_raw_bytes, raw)

    def snapshot(self) -> dict[str, Any]:
        """Everything as plain values: requests by status and API, rows stored by table, changes made to rows, bytes."""
        return {
            "requests": {
                api: {str(status): number for status, number in sorted(counter.items())}
                for api, counter in (("ingestion", self.ingestion), ("query", self.query), ("token", self.token))
            },
            "disconnected": self.disconnected,
            "rows": dict(self.rows),
            "changes": dict(self.changes),
            "wire_bytes": self.wire_bytes,
            "raw_bytes": self.raw_bytes,
            "largest_wire_bytes": self.largest_wire_bytes,
            "largest_raw_bytes": self.largest_raw_bytes,
        }
