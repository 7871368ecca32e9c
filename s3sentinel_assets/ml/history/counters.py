"""In-hour counters: what has been seen since the hour began, handed from part to part.

Belongs here: the running counts and their file form. Does not belong here: history of earlier hours (``state``).
"""

from dataclasses import dataclass, field
from functools import cached_property

import polars as pl

from s3sentinel_assets.ml.history.snapshots import Sink, Source, read_snapshot, write_snapshot
from s3sentinel_assets.ml.history.state import find_sorted

__all__ = ["COUNTER_SCHEMA", "Counters", "empty_counters"]

#: Sorted by table, then key; keys as in the state.
COUNTER_SCHEMA: dict[str, pl.DataType] = {"table": pl.String(), "key": pl.String(), "count": pl.Int64()}


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

    def plus(self, hour: str, additions: pl.DataFrame) -> "Counters":
        """These counters with ``additions`` (same columns, any order) added, as of ``hour``."""
        frame = (
            pl.concat([self.frame, additions.select(list(COUNTER_SCHEMA))])
            .group_by("table", "key")
            .agg(pl.col("count").sum())
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
