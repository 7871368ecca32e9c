"""The timeline: when each event arrives, and which events each arrival hour brings.

Belongs here: files of five minutes per account and region, their delay, arrival hours. Does not belong here: scoring
them (``chain``), making them (``background``, ``attacks``).

Partitions follow arrival, as in the product: an event of 10:58 that arrives at 11:09 belongs to the hour 11:00.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl

from s3sentinel_assets.hours import hour_end, hour_start
from s3sentinel_assets.ml.evaluation.truth import TRUTH_SCHEMA
from s3sentinel_assets.tables.entities import ENTITY_SCHEMA

__all__ = ["ARRIVED", "FILE", "Timeline", "arrival_of", "in_the_same_files"]

#: A log file covers this much time.
FILE = timedelta(minutes=5)
#: It arrives this much after its end.
_SOONEST, _LATEST = timedelta(minutes=5), timedelta(minutes=20)
_FILE_OF = ["account", "region", "file"]
#: Columns of an arrived event.
ARRIVED: dict[str, pl.DataType] = {
    **ENTITY_SCHEMA,
    **TRUTH_SCHEMA,
    "victim": pl.String(),
    "arrival": pl.Datetime("us", "UTC"),
}


def _file() -> pl.Expr:
    return pl.col("time").dt.truncate("5m")


def arrival_of(events: pl.DataFrame, seed: int) -> pl.DataFrame:
    """The events with their ``arrival``: each file of an account and region comes 5 to 20 minutes after its end."""
    events = events.with_columns(file=_file())
    files = events.select(_FILE_OF).unique().sort(_FILE_OF)
    span = int((_LATEST - _SOONEST) / timedelta(microseconds=1))
    delays = np.random.default_rng(seed).integers(0, span, files.height)
    files = files.with_columns(delay=pl.Series(delays).cast(pl.Duration("us")))
    return (
        events.join(files, on=_FILE_OF, how="left", nulls_equal=True, maintain_order="left")
        .with_columns(arrival=pl.col("file") + FILE + _SOONEST + pl.col("delay"))
        .drop("file", "delay")
    )


def in_the_same_files(events: pl.DataFrame, background: pl.DataFrame, seed: int) -> pl.DataFrame:
    """``events`` with an ``arrival``: that of the background's file of the same account, region and time, if any."""
    files = background.group_by("account", "region", _file().alias("file")).agg(pl.col("arrival").min().alias("with"))
    return (
        arrival_of(events.drop("arrival", strict=False), seed)
        .with_columns(file=_file())
        .join(files, on=_FILE_OF, how="left", nulls_equal=True, maintain_order="left")
        .with_columns(arrival=pl.coalesce("with", "arrival"))
        .drop("file", "with")
    )


@dataclass(frozen=True)
class Timeline:
    """A background and what was put into it.

    Attributes:
        hours: hour keys, in order, without gaps.
        background: hour key → the events of that hour by their own time, with ``arrival``.
        added: events put into it, with ``arrival`` and truth columns.
        removed: event ids taken out of it.
    """

    hours: tuple[str, ...]
    background: Callable[[str], pl.DataFrame]
    added: pl.DataFrame
    removed: pl.Series | None = None

    def arrivals(self, first: str, last: str) -> Iterator[tuple[str, pl.DataFrame]]:
        """Arrival hour and what arrives in it (``ARRIVED`` columns, each event once), from ``first`` to ``last``."""
        kept = [hour for hour in self.hours if hour <= last]
        start = max(kept.index(first) - 1, 0)
        waiting = pl.DataFrame(schema=ARRIVED)
        # What the hour before left on its way arrives in the first one; what arrived earlier is not asked for.
        for hour in kept[start:]:
            waiting = pl.concat([waiting, self._events(hour)])
            due = pl.col("arrival") < hour_end(hour)
            arrived, waiting = waiting.filter(due), waiting.filter(~due)
            if hour >= first:
                if hour == first:
                    arrived = arrived.filter(pl.col("arrival") >= hour_start(hour))
                yield hour, arrived

    def _events(self, hour: str) -> pl.DataFrame:
        """The events of an hour by their own time."""
        known = self.background(hour)
        if self.removed is not None:
            known = known.filter(~pl.col("event_id").is_in(self.removed.implode()))
        truth = {name: pl.lit(None, kind) for name, kind in ARRIVED.items() if name not in known.columns}
        known = known.with_columns(**truth).with_columns(kind=pl.lit("background"))
        own = self.added.filter(pl.col("time").is_between(hour_start(hour), hour_end(hour), closed="left"))
        both = [frame.select(pl.col(name).cast(kind) for name, kind in ARRIVED.items()) for frame in (known, own)]
        # The product tells copies by the event id as well.
        return pl.concat(both).unique("event_id", keep="first", maintain_order=True)
