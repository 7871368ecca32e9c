"""The features of each event: bits and the counts behind them, from history and from what the hour has shown so far.

Belongs here: `compute`, one column for each term of the score, unweighted, plus the supporting counts. Does not belong
here: weights (``rarity``), words (``reasons``). Trained models read the same columns.
"""

import math
from dataclasses import dataclass

import polars as pl

from s3sentinel_assets.ml.bits import decay_factor, novelty_bits, positive, surprise_bits
from s3sentinel_assets.ml.counters import Counters
from s3sentinel_assets.ml.dimensions import SEPARATOR, Dimension, combine, running_count, running_sum, totals
from s3sentinel_assets.ml.keys import FACTORS, Events
from s3sentinel_assets.ml.model import TERMS, Parameters
from s3sentinel_assets.ml.state import EntityState, hour_number

__all__ = ["SUPPORT", "Features", "compute"]

#: The counts behind the bits. History: ``events``, ``days`` (age), ``action_count`` of the principal, ``peer_events``
#: of others in its group, ``account_events``, ``size_share`` (of flows about this big or bigger), ``usual_events`` and
#: ``usual_errors`` an hour, ``hour_count`` (at this time of day). This hour: ``events_so_far``, ``errors_so_far``,
#: ``new_so_far``, ``action_so_far`` (earlier uses). ``never``: history knows no such action of the principal.
SUPPORT = (
    "events",
    "days",
    "action_count",
    "peer_events",
    "account_events",
    "size_share",
    "usual_events",
    "usual_errors",
    "hour_count",
    "events_so_far",
    "errors_so_far",
    "new_so_far",
    "action_so_far",
    "never",
)


@dataclass(frozen=True)
class Features:
    """Features of a prepared batch, in its order.

    Attributes:
        bits: Float64 per term (``model.TERMS``), 0 where a term says nothing.
        support: the columns of `SUPPORT`.
        counters: the in-hour counters after this batch.
    """

    bits: pl.DataFrame
    support: pl.DataFrame
    counters: Counters


def compute(events: Events, state: EntityState, counters: Counters, parameters: Parameters, *, hour: str) -> Features:
    """The features of ``events``, each against history and the earlier events of the hour only.

    Args:
        events: from ``keys.prepare``.
        state: sealed before ``hour``; it fades over hours in between.
        counters: left by the previous part; those of another hour count as none.
        parameters: of the model.
        hour: the hour being scored.
    """
    reader = _Reader(events, state, counters, hour, parameters)
    principal = events["principal"]
    own = reader.own
    bits: dict[str, pl.Series] = {}
    firsts = pl.repeat(0, len(events), dtype=pl.Int64, eager=True)
    all_new = pl.repeat(0.0, principal.values.len(), dtype=pl.Float64, eager=True)
    support: dict[str, pl.Series] = {
        "events": principal.per_event(own["events"]),
        "days": principal.per_event(reader.age()),
    }

    for factor in FACTORS:
        new = own[f"new {factor}"]
        all_new = all_new + new
        if reader.absent(factor):
            continue
        keyed, past = reader.keyed(f"principal/{factor}"), reader.past(f"principal/{factor}")
        running = reader.running(f"principal/{factor}", keyed)
        never = (past == 0.0) & (keyed.values != "")
        rate = novelty_bits(new, own["trials"], parameters).gather(keyed.left)
        # The first time says it all; the second half as much, the third a third, …
        bits[f"new_{factor}"] = keyed.per_event(rate * never.cast(pl.Float64)) / (running + 1)
        firsts = firsts + (keyed.per_event(never) & (running == 0)).cast(pl.Int64)
        if factor == "action":
            support |= {
                "action_count": keyed.per_event(past),
                "action_so_far": running,
                "never": keyed.per_event(never),
            }

    so_far = reader.running_total("events", pl.repeat(1, len(events), dtype=pl.Int64, eager=True))
    errors = reader.running_total("errors", events.failed.cast(pl.Int64))
    new_so_far = reader.running_total("new", firsts)
    support |= {"events_so_far": so_far, "errors_so_far": errors, "new_so_far": new_so_far}
    bits |= _peers(reader, support)
    bits |= _account(reader, support)
    bits["rare_action"] = _rare_action(reader, support)
    bits |= _bursts(reader, support)
    bits["many_new"] = _many_new(reader, all_new, support)
    bits["unusual_hour"] = _unusual_hour(reader, support)
    bits["unusual_size"] = _unusual_size(reader, support)

    nothing = pl.repeat(0.0, len(events), dtype=pl.Float64, eager=True)
    return Features(
        bits=pl.DataFrame({term: bits.get(term, nothing) for term in TERMS}),
        support=pl.DataFrame({name: support[name] for name in SUPPORT}),
        counters=reader.counters.plus(hour, reader.handed_on()),
    )


_STATISTICS = (
    "events",
    "trials",
    "surprise",
    "active_hours",
    "log_events",
    "log_errors",
    *(f"new {factor}" for factor in FACTORS),
)


class _Reader:
    """State and counters as one hour sees them. Look-ups happen once per distinct key, then spread over the events."""

    def __init__(self, events: Events, state: EntityState, counters: Counters, hour: str, parameters: Parameters):
        self.events, self.state, self.parameters, self.hour = events, state, parameters, hour
        self.counters = counters if counters.hour == hour else Counters(hour)
        self.decay = decay_factor(hour_number(hour) - 1 - hour_number(state.hour), parameters)
        self.own = state.statistics(_STATISTICS, events["principal"].values, decay=self.decay)
        self._keyed: dict[str, Dimension] = {}
        self._past: dict[str, pl.Series] = {}
        self._handed_on: list[tuple[str, pl.Series, pl.Series]] = []

    def absent(self, item: str) -> bool:
        """No event of the batch has such an item."""
        values = self.events[item].values
        return values.len() == 1 and values[0] == ""

    def keyed(self, table: str) -> Dimension:
        """The table's keys in this batch, such as principal and action for ``principal/action``."""
        owner, _, item = table.partition("/")
        if table not in self._keyed:
            self._keyed[table] = combine(self.events[owner], self.events[item])
        return self._keyed[table]

    def past(self, table: str) -> pl.Series:
        """Faded count of each of the table's keys in this batch; of a table without items, of each owner."""
        if table not in self._past:
            plain = self.events.dimensions.get(table.removeprefix("global/"))
            self._past[table] = self.history(table, (plain or self.keyed(table)).values)
        return self._past[table]

    def history(self, table: str, keys: pl.Series) -> pl.Series:
        """Faded count of any keys."""
        return self.state.history(table, keys, decay=self.decay, drop_below=self.parameters.drop_below)

    def age(self) -> pl.Series:
        """Days since each distinct principal was first seen; 0 for a new one."""
        first = self.state.lookup("principal", self.events["principal"].values + SEPARATOR + "events", "first_hour")
        return (hour_number(self.hour) - first.cast(pl.Int64)).fill_null(0).cast(pl.Float64) / 24.0

    def running(self, table: str, keyed: Dimension) -> pl.Series:
        """Int64 per event: earlier events of the hour with the same key."""
        self._handed_on.append((table, keyed.values, totals(keyed)))
        return running_count(keyed) + keyed.per_event(self.counters.earlier(table, keyed.values))

    def running_total(self, name: str, amounts: pl.Series) -> pl.Series:
        """Int64 per event: the hour's sum of ``amounts`` over this and the principal's earlier events."""
        principal = self.events["principal"]
        keys = principal.values + SEPARATOR + name
        running, whole = running_sum(principal, amounts)
        self._handed_on.append(("principal", keys, whole))
        return running + principal.per_event(self.counters.earlier("principal", keys))

    def handed_on(self) -> pl.DataFrame:
        """What the batch adds to the counters: table, key, count."""
        frames = [pl.DataFrame({"key": keys, "count": counts}) for _, keys, counts in self._handed_on]
        names = [pl.Series("table", [table]).new_from_index(0, keys.len()) for table, keys, _ in self._handed_on]
        added = pl.concat(frames).with_columns(pl.concat(names).alias("table"))
        return added.filter((pl.col("key") != "") & (pl.col("count") > 0))


def _peers(reader: _Reader, support: dict[str, pl.Series]) -> dict[str, pl.Series]:
    """Nobody else in the peer group ever does this: the more the others do, the more that says."""
    peer, keyed = reader.events["peer"], reader.keyed("peer/action")
    others = peer.per_event(reader.past("peer")) - support["events"]
    support["peer_events"] = others.clip(0.0)
    said = positive((support["peer_events"] + 1.0).log(2.0), reader.parameters.peers_max_bits)
    never = (reader.past("peer/action") == 0.0).cast(pl.Float64)
    return {"peers_never": said * keyed.per_event(never) / (reader.running("peer/action", keyed) + 1)}


def _account(reader: _Reader, support: dict[str, pl.Series]) -> dict[str, pl.Series]:
    """A network or client that nobody in the account has used before."""
    account, parameters = reader.events["account"], reader.parameters
    support["account_events"] = account.per_event(reader.past("account"))
    bits = {}
    for factor, term in (("wide_network", "account_new_network"), ("agent", "account_new_agent")):
        if reader.absent(factor):
            continue
        keyed = reader.keyed(f"account/{factor}")
        never = (reader.past(f"account/{factor}") == 0.0) & (keyed.values != "")
        never = never & (reader.past("account").gather(keyed.left) >= parameters.warm_events)
        running = reader.running(f"account/{factor}", keyed)
        bits[term] = keyed.per_event(never.cast(pl.Float64)) * parameters.account_new_bits / (running + 1)
    return bits


def _rare_action(reader: _Reader, support: dict[str, pl.Series]) -> pl.Series:
    """Surprise of the action beyond the principal's usual surprise: who always does rare things is normal."""
    events, parameters = reader.events, reader.parameters
    bits = surprise_bits(
        own=support["action_count"] + support["action_so_far"],
        own_total=support["events"] + (support["events_so_far"] - 1),
        peer=reader.keyed("peer/action").per_event(reader.past("peer/action")),
        peer_total=events["peer"].per_event(reader.past("peer")),
        everyone=events["action"].per_event(reader.past("global/action")),
        everyone_total=reader.history("global", pl.Series(["all"]))[0],
        parameters=parameters,
    )
    weight = parameters.usual_surprise_weight
    usual = (reader.own["surprise"] + parameters.usual_surprise_bits * weight) / (reader.own["trials"] + weight)
    return positive(bits - events["principal"].per_event(usual), parameters.rare_max_bits)


def _bursts(reader: _Reader, support: dict[str, pl.Series]) -> dict[str, pl.Series]:
    """Events and errors of this hour so far, beyond a margin above the principal's usual (geometric mean) hour."""
    parameters, principal = reader.parameters, reader.events["principal"]
    prior, hours = parameters.burst_prior_hours, reader.own["active_hours"]
    bits = {}
    for term, name, expected, so_far in (
        ("burst", "events", parameters.burst_prior_events, support["events_so_far"]),
        ("error_burst", "errors", parameters.burst_prior_errors, support["errors_so_far"]),
    ):
        usual = (reader.own[f"log_{name}"] + math.log2(1 + expected) * prior) / (hours + prior)
        support[f"usual_{name}"] = principal.per_event(pl.select(pl.lit(2.0).pow(usual))["literal"] - 1.0)
        excess = (so_far + 1).cast(pl.Float64).log(2.0) - principal.per_event(usual) - parameters.burst_margin_bits
        bits[term] = positive(excess, parameters.burst_max_bits)
    # A success in the middle of an error burst is not itself part of it.
    bits["error_burst"] = bits["error_burst"] * reader.events.failed.cast(pl.Float64)
    return bits


def _many_new(reader: _Reader, new: pl.Series, support: dict[str, pl.Series]) -> pl.Series:
    """More first times in this hour than the principal's own rate of novelty would bring."""
    parameters, principal = reader.parameters, reader.events["principal"]
    rate = (new + parameters.novelty_prior) / (reader.own["trials"] + 2 * parameters.novelty_prior)
    expected = support["events_so_far"] * principal.per_event(rate)
    excess = (support["new_so_far"] + 1.0).log(2.0) - (expected + 1.0).log(2.0)
    return positive(excess, parameters.many_new_max_bits)


def _unusual_hour(reader: _Reader, support: dict[str, pl.Series]) -> pl.Series:
    """Surprise of the time of day (UTC) against a day without habits."""
    prior, keyed, past = reader.parameters.hour_prior, reader.keyed("principal/hour"), reader.past("principal/hour")
    support["hour_count"] = keyed.per_event(past)
    share = (past + prior / 24.0) / (reader.own["events"].gather(keyed.left) + prior)
    known = (keyed.values != "").cast(pl.Float64)
    return keyed.per_event(positive(-(share * 24.0).log(2.0), 24.0) * known)


def _unusual_size(reader: _Reader, support: dict[str, pl.Series]) -> pl.Series:
    """How few of the interface's flows in this direction came near this size."""
    parameters, events = reader.parameters, reader.events
    nothing = pl.repeat(0.0, len(events), dtype=pl.Float64, eager=True)
    support["size_share"] = nothing + 1.0
    if reader.absent("size"):
        return nothing
    keyed = reader.keyed("principal/size")
    owner, label = events["principal"].values.gather(keyed.left), events["size"].values.gather(keyed.right)
    direction, step = label.str.head(-2), label.str.tail(2).cast(pl.Int64, strict=False).fill_null(0)
    # One step down: a flow a little above a step's edge must not look bigger than all before it.
    near = direction + (step - 1).clip(0).cast(pl.String).str.zfill(2)
    flows = reader.history("principal/size", owner + SEPARATOR + (direction + "00"))
    share = (reader.history("principal/size", owner + SEPARATOR + near) + 0.5) / (flows + 1.0)
    support["size_share"] = keyed.per_event(share)
    said = positive(-share.log(2.0) - parameters.size_free_bits, parameters.size_max_bits)
    said = said * (label != "").cast(pl.Float64)
    return keyed.per_event(said) / (reader.running("principal/size", keyed) + 1)
