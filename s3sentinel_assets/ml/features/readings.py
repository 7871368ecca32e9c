"""State and counters as one hour sees them.

Belongs here: look-ups, once per distinct key, and counts over the order of events. Does not belong here: what they say
(``features``).
"""

from dataclasses import dataclass
from functools import cached_property

import polars as pl

from s3sentinel_assets.ml.history.bits import decay_factor
from s3sentinel_assets.ml.history.counters import Counters
from s3sentinel_assets.ml.history.dimensions import SEPARATOR, Pairs, combine, zeros
from s3sentinel_assets.ml.history.groups import Groups, running_count, running_sum
from s3sentinel_assets.ml.history.keys import FACTORS, Events
from s3sentinel_assets.ml.history.state import EntityState, hour_number
from s3sentinel_assets.ml.parameters import Parameters

__all__ = ["STATISTICS", "Readings", "Table"]

#: What a state keeps of each principal.
STATISTICS = (
    "events",
    "trials",
    "surprise",
    "active_hours",
    "log_events",
    "log_errors",
    "errors",
    "log_spread",
    *(f"new {factor}" for factor in FACTORS),
)


@dataclass(frozen=True)
class Table:
    """The keys of one table in a batch, such as principal and action for ``principal/action``.

    Attributes:
        groups: the groups that agree in owner and item.
        keys: their keys; a row is a group.
        past: Float64 per key: its faded count.
        earlier: Int64 per key: how often it was seen earlier in the hour.
        totals: Int64 per key: its events in the batch.
    """

    groups: Groups
    keys: Pairs
    past: pl.Series
    earlier: pl.Series
    totals: pl.Series

    def never(self) -> pl.Series:
        """Boolean per key: history knows no such key."""
        return (self.past == 0.0) & (self.keys.values != "")

    def codes(self, index: pl.Series | None = None) -> pl.Series:
        """The key of the events at ``index``, by default of all."""
        return self.keys.codes[self.groups.codes if index is None else self.groups.codes[index]]

    def so_far(self) -> pl.Series:
        """Int64 per event: how often the hour saw its key before."""
        codes = self.codes()
        return running_count(codes, self.keys.size) + self.earlier[codes]

    def uses(self, chosen: pl.Series) -> tuple[pl.Series, pl.Series, pl.Series]:
        """The events of the ``chosen`` keys (Boolean per key).

        Returns:
            Their places (UInt32, ascending), their keys, and how often the hour saw the key before each (Int64).
        """
        if not chosen.any():
            nothing = zeros(0, pl.UInt32)
            return nothing, nothing, zeros(0)
        index = chosen[self.keys.codes][self.groups.codes].arg_true()
        codes = self.codes(index)
        return index, codes, running_count(codes, self.keys.size) + self.earlier[codes]


class Readings:
    """History and the hour so far, for the keys of one batch.

    Attributes:
        own: what history says of each principal: a row is a principal.
    """

    def __init__(self, events: Events, state: EntityState, counters: Counters, hour: str, parameters: Parameters):
        self.events, self.state, self.parameters, self.hour = events, state, parameters, hour
        self.what = events.groups["what"]
        self.principal = self.what["principal"]
        self.counters = counters.for_hour(hour)
        self.decay = decay_factor(hour_number(hour) - 1 - hour_number(state.hour), parameters)
        names = self.principal.values
        first = state.lookup("principal", names + SEPARATOR + "events", "first_hour").cast(pl.Int64)
        self.own = state.statistics(STATISTICS, names, decay=self.decay).with_columns(
            # Days since the principal was first seen; 0 for a new one.
            days=(hour_number(hour) - pl.lit(first)).fill_null(0).cast(pl.Float64) / 24.0
        )
        self._tables: dict[str, Table] = {}
        self._handed_on: list[tuple[str, pl.Series, pl.Series]] = []

    def table(self, name: str, *, counted: bool = True) -> Table:
        """The keys of a table in this batch; their use is handed on to the counters if they are ``counted``."""
        if name not in self._tables:
            owner, item = name.split("/")
            groups = self.events.home(owner, item)
            keys = combine(groups[owner], groups[item])
            earlier = self.counters.earlier(name, keys.values) if counted else zeros(keys.size)
            self._tables[name] = Table(groups, keys, self.history(name, keys.values), earlier, groups.totals(keys))
            if counted:
                self._handed_on.append((name, keys.values, self._tables[name].totals))
        return self._tables[name]

    def history(self, table: str, keys: pl.Series) -> pl.Series:
        """Faded count of any keys."""
        return self.state.history(table, keys, decay=self.decay, drop_below=self.parameters.drop_below)

    def hand_on(self, table: str, keys: pl.Series, counts: pl.Series) -> None:
        """Adds to what the next part of the hour has to know."""
        self._handed_on.append((table, keys, counts))

    def hour_total(self, name: str, totals: pl.Series) -> pl.Series:
        """Int64 per principal: what the hour counted of it before; ``totals`` of this batch are handed on."""
        keys = self.principal.values + SEPARATOR + name
        self._handed_on.append(("principal", keys, totals))
        return self.counters.earlier("principal", keys)

    @cached_property
    def principals(self) -> pl.Series:
        """UInt32 per event: its principal."""
        return self.principal.codes[self.what.codes]

    def running(self, amounts: pl.Series | None = None) -> pl.Series:
        """Int64 per event: the sum of ``amounts`` (by default ones) over this and the principal's earlier events."""
        if amounts is None:
            return running_count(self.principals, self.principal.size) + 1
        return running_sum(self.principals, self.principal.size, amounts)

    def handed_on(self) -> pl.DataFrame:
        """What the batch adds to the counters: columns of ``COUNTER_SCHEMA``."""
        frames = [pl.DataFrame({"key": keys, "count": counts}) for _, keys, counts in self._handed_on]
        names = [pl.Series("table", [table]).new_from_index(0, keys.len()) for table, keys, _ in self._handed_on]
        return pl.concat(frames).hstack([pl.concat(names)]).filter((pl.col("key") != "") & (pl.col("count") > 0))
