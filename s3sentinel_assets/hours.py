"""The hour: the unit of work, written ``YYYY-MM-DD-HH:00`` in UTC (Dagster's own key for an hourly partition).

Belongs here: conversion between instants and hour keys. Keys sort by time, so the ledger stores them as text.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

__all__ = ["HOUR_FORMAT", "hour_end", "hour_key", "hour_range", "hour_start", "shift_hour", "utc_now"]

HOUR_FORMAT = "%Y-%m-%d-%H:%M"


def utc_now() -> datetime:
    """The present instant, aware, in UTC."""
    return datetime.now(UTC)


def hour_key(instant: datetime) -> str:
    """The key of the hour that holds ``instant`` (must be aware)."""
    if instant.tzinfo is None:
        raise ValueError(f"instant {instant!r} has no time zone")
    return instant.astimezone(UTC).replace(minute=0, second=0, microsecond=0).strftime(HOUR_FORMAT)


def hour_start(key: str) -> datetime:
    """The first instant of the hour ``key``.

    Raises:
        ValueError: the key is not a full hour written as ``YYYY-MM-DD-HH:00``.
    """
    start = datetime.strptime(key, HOUR_FORMAT).replace(tzinfo=UTC)
    if hour_key(start) != key:  # another spelling would sort wrongly and never match
        raise ValueError(f"hour {key!r} is not written as YYYY-MM-DD-HH:00")
    return start


def hour_end(key: str) -> datetime:
    """The first instant after the hour ``key``."""
    return hour_start(key) + timedelta(hours=1)


def shift_hour(key: str, hours: int) -> str:
    """The key ``hours`` later (negative: earlier)."""
    return hour_key(hour_start(key) + timedelta(hours=hours))


def hour_range(first: str, last: str) -> Iterator[str]:
    """Every hour key from ``first`` to ``last``, both included."""
    key = first
    while key <= last:
        yield key
        key = shift_hour(key, 1)
