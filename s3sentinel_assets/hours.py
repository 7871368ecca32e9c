"""The hour: the unit of work, written ``YYYY-MM-DD-HH:00`` in UTC (Dagster's own key for an hourly partition).

Belongs here: conversion between instants and hour keys. Keys sort by time, so the ledger stores them as text.
"""

import functools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

__all__ = ["HOUR_FORMAT", "hour_end", "hour_key", "hour_range", "hour_start", "shift_hour", "utc_now"]

HOUR_FORMAT = "%Y-%m-%d-%H:%M"


def utc_now() -> datetime:
    """The present instant, aware, in UTC."""
    return datetime.now(UTC)


def hour_key(instant: datetime) -> str:
    """The key of the hour that holds ``instant`` (must be aware)."""
    if instant.tzinfo is not UTC:
        if instant.tzinfo is None:
            raise ValueError(f"instant {instant!r} has no time zone")
        instant = instant.astimezone(UTC)
    return _key(instant.year, instant.month, instant.day, instant.hour)


@functools.lru_cache(maxsize=4_096)  # a listing asks millions of times for a few hours
def _key(year: int, month: int, day: int, hour: int) -> str:
    return datetime(year, month, day, hour, tzinfo=UTC).strftime(HOUR_FORMAT)


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
