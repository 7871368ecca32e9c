"""Entity state: what each principal, peer group and account has done, as exact counts that fade.

Belongs here: the snapshot, its look-ups and its file form. Does not belong here: how it advances (``update``), files
that say only what changed (``deltas``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import polars as pl

from s3sentinel_assets.hours import hour_start
from s3sentinel_assets.ml.history.dimensions import SEPARATOR
from s3sentinel_assets.ml.history.fading import NEVER, remaining
from s3sentinel_assets.ml.history.snapshots import Sink, Source, read_snapshot, write_snapshot

__all__ = ["STATE_SCHEMA", "EntityState", "empty_state", "find_sorted", "hour_number"]

#: Sorted by table, then key. Keys of several pieces are joined by the unit separator. Hours count from 1970 UTC.
STATE_SCHEMA: dict[str, pl.DataType] = {
    "table": pl.String(),
    "key": pl.String(),
    "count": pl.Float64(),
    "first_hour": pl.Int32(),
    "last_hour": pl.Int32(),
}
_KIND = "entity state"
#: What files of older versions do not say.
_OLDER = {"half_life_hours": "", "drop_below": "0x0.0p+0", "crowded_out": "0"}


def hour_number(hour: str) -> int:
    """Hours since 1970 UTC of an hour key."""
    return int(hour_start(hour).timestamp()) // 3600


def find_sorted(keys: pl.Series, column: pl.Series, wanted: pl.Series) -> pl.Series:
    """For each ``wanted`` key the value of ``column`` beside it in the sorted ``keys``, null where there is none."""
    if not keys.len() or not wanted.len():
        return pl.Series([None], dtype=column.dtype).new_from_index(0, wanted.len())
    # Binary search: the cost follows the batch, not the size of the state.
    place = pl.lit(keys).search_sorted(pl.col("wanted")).clip(0, keys.len() - 1)
    index = wanted.to_frame("wanted").select(place.alias("place"))["place"]
    return column[index].zip_with(keys[index] == wanted, pl.Series([None], dtype=column.dtype))


@dataclass(frozen=True)
class EntityState:
    """One sealed snapshot. Immutable; equal events give an equal frame, bit for bit.

    Attributes:
        hour: the last hour whose events it holds.
        format: log family.
        stored: see ``STATE_SCHEMA``; each count is as of the row's ``last_hour``.
        events: how many events the last update counted.
        half_life_hours: how fast its counts fade.
        drop_below: keys of which less than this was left have been dropped.
        crowded_out: how many keys the last update dropped because there were too many.
    """

    hour: str
    format: str
    stored: pl.DataFrame = field(repr=False)
    events: int = 0
    half_life_hours: float = NEVER
    drop_below: float = 0.0
    crowded_out: int = 0

    @cached_property
    def frame(self) -> pl.DataFrame:
        """``STATE_SCHEMA``, with counts as of ``hour``."""
        count = remaining(self.stored["count"], self.stored["last_hour"], hour_number(self.hour), self.half_life_hours)
        return self.stored.with_columns(count.alias("count"))

    @property
    def keys(self) -> int:
        """Number of keys."""
        return self.stored.height

    @cached_property
    def tables(self) -> dict[str, pl.DataFrame]:
        """Table name → its rows (views, not copies)."""
        runs = (
            self.frame.with_row_index("start")
            .group_by("table", maintain_order=True)
            .agg(pl.col("start").min(), pl.len())
        )
        return {table: self.frame.slice(start, length) for table, start, length in runs.iter_rows()}

    def history(self, table: str, keys: pl.Series, *, decay: float, drop_below: float) -> pl.Series:
        """Float64 per key: its count times ``decay``, 0.0 where it is unknown or would have been dropped by now."""
        if table not in self.tables:
            return pl.Series([0.0]).new_from_index(0, keys.len())
        faded = pl.col("count").fill_null(0.0) * decay
        counts = self.lookup(table, keys, "count").to_frame("count")
        return counts.select(pl.when(faded >= drop_below).then(faded).otherwise(0.0).alias("count"))["count"]

    def lookup(self, table: str, keys: pl.Series, column: str) -> pl.Series:
        """The value of ``column`` for each key, null where the state does not know it."""
        rows = self.tables.get(table)
        if rows is None:
            return pl.Series(column, [None], dtype=STATE_SCHEMA[column]).new_from_index(0, keys.len())
        return find_sorted(rows["key"], rows[column], keys)

    def statistics(self, names: Sequence[str], principals: pl.Series, *, decay: float) -> pl.DataFrame:
        """Float64 columns ``names``, a row per principal: its own statistics (see ``update``), faded by ``decay``."""
        size = principals.len()
        keys = pl.concat([principals + SEPARATOR + name for name in names])
        values = self.lookup("principal", keys, "count").fill_null(0.0) * decay
        return pl.DataFrame({name: values.slice(place * size, size) for place, name in enumerate(names)})

    @property
    def values(self) -> dict[str, str]:
        """What its files say beside the rows; floats exactly."""
        return {
            "hour": self.hour,
            "format": self.format,
            "events": str(self.events),
            "half_life_hours": self.half_life_hours.hex(),
            "drop_below": self.drop_below.hex(),
            "crowded_out": str(self.crowded_out),
        }

    def to_parquet(self, path: Sink) -> None:
        """Writes the snapshot to a path or binary file."""
        write_snapshot(self.stored, path, _KIND, self.values)

    @classmethod
    def from_parquet(cls, path: Source) -> "EntityState":
        """Reads a snapshot from a path, binary file or bytes.

        Raises:
            ScoringUnavailable: it is damaged or something else.
        """
        stored, values = read_snapshot(path, _KIND, STATE_SCHEMA, ("hour", "format", "events"), _OLDER)
        if not values["half_life_hours"]:
            # Written before counts kept their own hour: all are as of the state's.
            values["half_life_hours"] = NEVER.hex()
            stored = stored.with_columns(last_hour=pl.lit(hour_number(values["hour"]), pl.Int32()))
        return cls.of(stored, values)

    @classmethod
    def of(cls, stored: pl.DataFrame, values: dict[str, str]) -> "EntityState":
        """The state with these rows and the `values` of its file."""
        return cls(
            hour=values["hour"],
            format=values["format"],
            stored=stored,
            events=int(values["events"]),
            half_life_hours=float.fromhex(values["half_life_hours"]),
            drop_below=float.fromhex(values["drop_below"]),
            crowded_out=int(values["crowded_out"]),
        )


def empty_state(source_format: str, hour: str) -> EntityState:
    """The state in which nobody has done anything up to and including ``hour``."""
    hour_start(hour)  # a wrong key fails here, not in the first update
    return EntityState(hour=hour, format=source_format, stored=pl.DataFrame(schema=STATE_SCHEMA))
