"""What scoring reads of an event, as an object."""

from dataclasses import dataclass
from typing import Any

__all__ = ["Event"]


@dataclass(slots=True)
class Event:
    """One event; ``row`` is the dictionary that goes out and gets the scores."""

    row: dict[str, Any]
    event_id: str
    time: str
    account: str | None
    region: str | None
    principal: str | None
    kind: str | None
    peer: str | None
    service: str | None
    action: str | None
    address: str | None
    agent: str | None
    error: str | None
    size: int | None
    packets: int | None = None
    read_only: bool | None = None
    detail: str | None = None
