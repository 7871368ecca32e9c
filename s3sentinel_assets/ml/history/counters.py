"""In-hour counters: what has been seen since the hour began, handed from part to part.

Belongs here: the running counts, how parts add to them and what outlives the hour, their file form. Does not belong
here: history of earlier hours (``state``).

One table is different: `RECENT` holds the highest raw score of a principal in a minute, so that the trailing hour of an
event reaches back into the hour before. It is merged by maximum and outlives the hour; all others are sums that begin
again at 0.
"""

from dataclasses import dataclass, field
from functools import cached_property

import polars as pl

from s3sentinel_assets.hours import hour_start
from s3sentinel_assets.ml.history.dimensions import SEPARATOR
from s3sentinel_assets.ml.history.snapshots import Sink, Source, read_snapshot, write_snapshot
from s3sentinel_assets.ml.history.state import find_sorted

__all__ = ["COUNTER_SCHEMA", "RECENT", "RECENT_MINUTES", "Counters", "empty_counters"]

#: Sorted by table, then key; keys as in the state.
COUNTER_SCHEMA: dict[str, pl.DataType] = {"table": pl.String(), "key": pl.String(), "count": pl.Int64()}
#: Key: account, principal, minute since 1970 UTC. Count: the highest raw score in it.
RECENT = "recent"
#: The trailing hour: the minute of the event and the 59 before it.
RECENT_MINUTES = 60
# Partitions follow arrival: an event of the hour may be this much older than the hour itself and still see its own
# trailing hour. CloudTrail delivers within 15 minutes or so.
_LATE_MINUTES = 30


@dataclass(frozen=True)
class Counters:
    """Whole counts since the hour began. Immutable: scoring returns new ones.

    Attributes:
        hour: the hour they belong to; "" for none yet.
        frame: see ``COUNTER_SCHEMA``.
    """

    hour: str = ""
    frame: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=COUNTER_SCHEMA), repr=False)

    @cached_property
    def tables(self) -> dict[str, pl.DataFrame]:
        """Table name → its rows (views)."""
        runs = (
            self.frame.with_row_index("start")
            .group_by("table", maintain_order=True)
            .agg(pl.col("start").min(), pl.len())
        )
        return {table: self.frame.slice(start, length) for table, start, length in runs.iter_rows()}

    def earlier(self, table: str, keys: pl.Series) -> pl.Series:
        """Int64 per key: how often it was seen earlier in the hour."""
        rows = self.tables.get(table)
        if rows is None:
            return pl.Series([0], dtype=pl.Int64).new_from_index(0, keys.len())
        return find_sorted(rows["key"], rows["count"], keys).fill_null(0)

    def for_hour(self, hour: str) -> "Counters":
        """These counters as the parts of ``hour`` see them: of another hour, only what is still recent is left.

        What is in the future by more than the hour itself (a wrong clock) is left out as well, so it cannot pile up.
        """
        if hour == self.hour:
            return self
        rows = self.tables.get(RECENT)
        if rows is None:
            return Counters(hour=hour)
        start = int(hour_start(hour).timestamp()) // 60
        minute = pl.col("key").str.extract(rf"{SEPARATOR}(-?\d+)$", 1).cast(pl.Int64, strict=False)
        recent = minute.is_between(start - RECENT_MINUTES - _LATE_MINUTES, start + RECENT_MINUTES, closed="left")
        return Counters(hour=hour, frame=rows.filter(recent).rechunk())

    def plus(self, hour: str, additions: pl.DataFrame) -> "Counters":
        """These counters with ``additions`` (same columns, any order) merged in, as of ``hour``."""
        merged = pl.when(pl.col("table").first() == RECENT).then(pl.col("count").max()).otherwise(pl.col("count").sum())
        frame = (
            pl.concat([self.for_hour(hour).frame, additions.select(list(COUNTER_SCHEMA))])
            .group_by("table", "key")
            .agg(merged)
            .sort("table", "key")
        )
        return Counters(hour=hour, frame=frame.rechunk())

    def to_parquet(self, path: Sink) -> None:
        """Writes the counters to a path or binary file."""
        write_snapshot(self.frame, path, "in-hour counters", {"hour": self.hour})

    @classmethod
    def from_parquet(cls, path: Source) -> "Counters":
        """Reads counters from a path, binary file or bytes.

        Raises:
            ScoringUnavailable: they are damaged or something else.
        """
        frame, values = read_snapshot(path, "in-hour counters", COUNTER_SCHEMA, ("hour",))
        return cls(hour=values["hour"], frame=frame)


def empty_counters(hour: str = "") -> Counters:
    """Counters at the start of an hour."""
    return Counters(hour=hour)
