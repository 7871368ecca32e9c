"""In-hour counters: what has been seen since the hour began, handed from part to part.

Belongs here: the running counts, how parts add to them and what outlives the hour, their file form. Does not belong
here: history of earlier hours (``state``).

Two tables are different: `RECENT` holds the highest raw score of a principal in a minute, `RECENT_SENSITIVE` that of
its sensitive first times, so that the trailing hour of an event reaches back into the hour before. They are merged by
maximum and outlive the hour; all others are sums that begin again at 0.
"""

from dataclasses import dataclass, field
from functools import cached_property

import polars as pl

from s3sentinel_assets.hours import hour_start
from s3sentinel_assets.ml.history.dimensions import SEPARATOR
from s3sentinel_assets.ml.history.merging import KEY, merged, places
from s3sentinel_assets.ml.history.snapshots import Sink, Source, read_snapshot, write_snapshot
from s3sentinel_assets.ml.history.state import find_sorted

__all__ = ["COUNTER_SCHEMA", "RECENT", "RECENT_MINUTES", "RECENT_SENSITIVE", "Counters", "empty_counters"]

#: Sorted by table, then key; keys as in the state.
COUNTER_SCHEMA: dict[str, pl.DataType] = {"table": pl.String(), "key": pl.String(), "count": pl.Int64()}
#: Key: account, principal, minute since 1970 UTC. Count: the highest raw score in it.
RECENT, RECENT_SENSITIVE = "recent", "recent_sensitive"
_LASTING = (RECENT, RECENT_SENSITIVE)
#: The trailing hour: the minute of the event and the 59 before it.
RECENT_MINUTES = 60
# Partitions follow arrival: an event of the hour may be this much older than the hour itself and still see its own
# trailing hour. CloudTrail delivers within 15 minutes or so, after an outage within hours. Loud minutes are few.
_LATE_MINUTES = 300
#: One part in so many of the permitted keys is left free, so that not every addition has to choose.
_ROOM = 20


@dataclass(frozen=True)
class Counters:
    """Whole counts since the hour began. Immutable: scoring returns new ones.

    Attributes:
        hour: the hour they belong to; "" for none yet.
        frame: see ``COUNTER_SCHEMA``.
        crowded_out: how many keys the last addition dropped because there were too many.
    """

    hour: str = ""
    frame: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=COUNTER_SCHEMA), repr=False)
    crowded_out: int = field(default=0, compare=False)

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
        lasting = [self.tables[name] for name in _LASTING if name in self.tables]
        if not lasting:
            return Counters(hour=hour)
        rows = pl.concat(lasting)
        start = int(hour_start(hour).timestamp()) // 60
        minute = pl.col("key").str.extract(rf"{SEPARATOR}(-?\d+)$", 1).cast(pl.Int64, strict=False)
        recent = minute.is_between(start - RECENT_MINUTES - _LATE_MINUTES, start + RECENT_MINUTES, closed="left")
        return Counters(hour=hour, frame=rows.filter(recent).rechunk())

    def plus(self, hour: str, additions: pl.DataFrame, max_keys: int | None = None) -> "Counters":
        """These counters with ``additions`` (same columns, any order, keys may repeat) merged in, as of ``hour``.

        Args:
            hour: the hour of the additions.
            additions: see ``COUNTER_SCHEMA``.
            max_keys: how many keys there may be afterwards: those counted least go first, what is recent never. A key
                that went begins again at 0.
        """
        mine, rows = self.for_hour(hour).frame, _summed(additions.select(list(COUNTER_SCHEMA)))
        place, known = places(mine, rows)
        both = rows.filter(known).with_columns(mine["count"][place.filter(known)].alias("before"))
        both = both.select(
            pl.when(pl.col("table").is_in(_LASTING))
            .then(pl.max_horizontal("count", "before"))
            .otherwise(pl.sum_horizontal("count", "before"))
        )
        count = rows["count"].clone()
        frame = merged(mine, rows.with_columns(count.scatter(known.arg_true(), both.to_series()).alias("count")))
        height = frame.height
        if max_keys is not None and height > max_keys:
            frame = _most_counted(frame, max_keys - max_keys // _ROOM)
        return Counters(hour=hour, frame=frame.rechunk(), crowded_out=height - frame.height)

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


def _summed(rows: pl.DataFrame) -> pl.DataFrame:
    """A row per key, sorted."""
    count = (
        pl.when(pl.col("table").first().is_in(_LASTING)).then(pl.col("count").max()).otherwise(pl.col("count").sum())
    )
    return rows.group_by(KEY).agg(count).sort(KEY)


def _most_counted(frame: pl.DataFrame, keep: int) -> pl.DataFrame:
    """What is recent and the rows with the highest counts, in the same order; of equal ones the first by name."""
    recent = frame["table"].is_in(_LASTING)
    others = frame.filter(~recent).with_row_index("_row")
    chosen = others.sort("count", "_row", descending=[True, False]).head(max(0, keep - int(recent.sum())))["_row"]
    return pl.concat([frame.filter(recent), others.drop("_row")[chosen]]).sort(KEY)
