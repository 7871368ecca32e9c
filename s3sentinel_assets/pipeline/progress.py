"""Delivery progress: up to which hour everything of a source is in the workspace and proved, and what waits behind.

Belongs here: one answer from a few ledger queries. Does not belong here: the queries (`ledger.progress`), or when a
delay becomes a warning (``checks``).
"""

from bisect import bisect_left
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from s3sentinel_assets.hours import hour_end, hour_key, hour_start, shift_hour, utc_now
from s3sentinel_assets.ledger.engine import from_micros
from s3sentinel_assets.ledger.hours import first_hour, sealed_hours
from s3sentinel_assets.ledger.progress import (
    OpenWork,
    accepted_by_hour,
    newest_arrival,
    open_work,
    records_by_hour,
    unproved_since,
)
from s3sentinel_assets.pipeline.runtime import Runtime

__all__ = ["DeliveryProgress", "Figure", "delivery_progress", "hourly_figures"]

Figure = Literal["records", "accepted"]

_COMPARED = timedelta(days=31)
_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class DeliveryProgress:
    """How far the delivery of one source has come.

    Attributes:
        source: the source's name.
        at: when this was asked.
        through: the newest hour up to which, from the first one on, every hour is sealed, delivered and proved. Work
            on an older hour never moves it beyond a gap.
        hours_behind: from the end of that hour (or the beginning of the first one) to ``at``.
        waiting_hours: closed hours that are not done.
        waiting_objects: objects that are in no delivery plan yet, the present hour's included.
        waiting_events: parsed events without a final outcome.
        unknown_events: of these, events whose outcome the workspace has to tell.
        oldest_waiting: the first closed hour that is not done.
        waits_for: what it waits for, in words; empty when nothing waits.
        longest_wait_hours: since when the longest wait among closed hours goes on. Late objects of an old hour wait
            since they were found.
        newest_object: LastModified of the newest object; None before the first.
        late_after_hours: what the configuration calls late.
    """

    source: str
    at: datetime
    through: str | None
    hours_behind: float
    waiting_hours: int
    waiting_objects: int
    waiting_events: int
    unknown_events: int
    oldest_waiting: str | None
    waits_for: str
    longest_wait_hours: float
    newest_object: datetime | None
    late_after_hours: float

    @property
    def silent_hours(self) -> float:
        """How long ago the newest object was written; 0 before the first."""
        return _hours(self.at - self.newest_object) if self.newest_object else 0.0


def _hours(span: timedelta) -> float:
    return round(max(span / _HOUR, 0.0), 2)


def hourly_figures(runtime: Runtime, source: str, what: Figure, first: str, last: str) -> dict[str, int]:
    """The figure of each hour from ``first`` to ``last`` that has any."""
    query = records_by_hour if what == "records" else accepted_by_hour
    with runtime.ledger.read() as connection:
        return query(connection, source, first, last)


def _first_gap(keys: list[str], first: str) -> str:
    """The first hour from ``first`` on that the sorted keys lack."""
    begin = hour_start(first)
    # Where no hour is missing, the one in place i is i hours after the first; from the gap on it is later.
    held = bisect_left(range(len(keys)), True, key=lambda place: keys[place] != hour_key(begin + place * _HOUR))
    return hour_key(begin + held * _HOUR)


def _words(runtime: Runtime, hour: str, work: OpenWork | None, now: datetime, *, sealed: bool) -> str:
    """What the hour waits for."""
    if work and work.objects:
        return f"{work.objects:,} objects are listed and not delivered"
    if work and work.rows > work.unknown:
        return f"{work.rows:,} events are read and not accepted by the workspace yet"
    if work and work.unknown:
        return f"the outcome of {work.unknown:,} events is unknown; the hourly sweep asks the workspace"
    if sealed:
        return "the workspace has not shown every row it accepted; the hourly sweep asks again"
    due = hour_end(hour) + runtime.config.grace
    if now < due:
        return f"the hour can be sealed from {due:%H:%M} UTC on"
    return "the hour is over and not sealed; materialise entity_state, or turn the seal schedule on"


def delivery_progress(runtime: Runtime, source: str, now: datetime | None = None) -> DeliveryProgress:
    """How far the source's delivery has come, from the ledger alone."""
    now = now or utc_now()
    start, present = hour_key(runtime.config.start), hour_key(now)
    with runtime.ledger.read() as connection:
        arrived = first_hour(connection, source)
        first = max(arrived or present, start)
        sealed = sorted(hour for hour in sealed_hours(connection, source) if first <= hour < present)
        work = open_work(connection, source, start)
        unproved = unproved_since(connection, source, start, hour_key(now - _COMPARED))
        newest = newest_arrival(connection, source)
    closed = max(round((hour_start(present) - hour_start(first)) / _HOUR), 0)
    holding = {hour for hour in (*work, *unproved) if hour < present}
    gap = _first_gap(sealed, first)
    waits = min([gap, *holding]) if closed else present
    through = shift_hour(waits, -1) if arrived and waits > first else None
    held_back = waits if waits < present else None
    # A sealed hour waits since what is left of it was found, an unsealed one since it was over.
    begun = [hour_end(gap)] if gap < present else []
    for hour in holding:
        found = [since for since in (work[hour].since if hour in work else None, unproved.get(hour)) if since]
        begun += [max(hour_end(hour), from_micros(min(found)))] if found else []
    return DeliveryProgress(
        source=source,
        at=now,
        through=through,
        hours_behind=_hours(now - hour_start(waits)) if arrived else 0.0,
        waiting_hours=closed - len(sealed) + len(holding & set(sealed)),
        waiting_objects=sum(entry.objects for entry in work.values()),
        waiting_events=sum(entry.rows for entry in work.values()),
        unknown_events=sum(entry.unknown for entry in work.values()),
        oldest_waiting=held_back,
        waits_for=_words(runtime, held_back, work.get(held_back), now, sealed=held_back in sealed) if held_back else "",
        longest_wait_hours=_hours(now - min(begun)) if begun else 0.0,
        newest_object=from_micros(newest) if newest else None,
        late_after_hours=runtime.source(source).late_after_hours,
    )
