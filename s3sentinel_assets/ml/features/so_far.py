"""What the hour has shown of each principal so far, this event included: events, errors and first times.

Belongs here: sums over the principal's earlier events, in this batch and (from the counters) before it. Does not belong
here: what they say (``terms``).
"""

from functools import cached_property

import polars as pl

from s3sentinel_assets.ml.features.readings import Readings, Table
from s3sentinel_assets.ml.history.dimensions import zeros

__all__ = ["First", "HourSoFar"]

#: The keys of a table that history does not know (Boolean per key), and the events (UInt32) that begin one.
First = tuple[Table, pl.Series, pl.Series]


class HourSoFar:
    """Sums over the principal's events of the hour up to each event, made when they are asked for."""

    def __init__(self, readings: Readings, failed: pl.Series, firsts: list[First]):
        what, principal = readings.what, readings.principal
        self.readings, self.failed, self._firsts = readings, failed, firsts
        per_group = pl.DataFrame(
            {"code": principal.codes, "events": what.counts, "errors": what.counts * failed.cast(pl.Int64)}
        )
        sums = per_group.group_by("code").agg(pl.all().sum())
        new = zeros(principal.size)
        for table, never, _ in firsts:
            begun = table.keys.left.filter(never & (table.earlier == 0) & (table.totals > 0))
            counted = begun.to_frame("code").group_by("code").len("new")
            new = new + zeros(principal.size).scatter(counted["code"], counted["new"].cast(pl.Int64))
        in_batch = {name: zeros(principal.size).scatter(sums["code"], sums[name]) for name in ("events", "errors")}
        in_batch["new"] = new
        self.earlier = {name: readings.hour_total(name, totals) for name, totals in in_batch.items()}
        #: Int64 per principal: with the whole batch.
        self.totals = {name: totals + self.earlier[name] for name, totals in in_batch.items()}

    @cached_property
    def events(self) -> pl.Series:
        """Int64 per event: the principal's events."""
        return self.readings.running() + self.earlier["events"][self.readings.principals]

    @cached_property
    def errors(self) -> pl.Series:
        """Int64 per event: its errors."""
        running = self.readings.running(self.failed.cast(pl.Int64)[self.readings.what.codes])
        return running + self.earlier["errors"][self.readings.principals]

    @cached_property
    def new(self) -> pl.Series:
        """Int64 per event: its first times, of any kind."""
        counted = pl.concat([index for _, _, index in self._firsts]).to_frame("at").group_by("at").len("n")
        amounts = zeros(len(self.readings.events)).scatter(counted["at"], counted["n"].cast(pl.Int64))
        return self.readings.running(amounts) + self.earlier["new"][self.readings.principals]
