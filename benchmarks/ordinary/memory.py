"""What the model has learnt, as dictionaries, and learning one more hour."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable

from benchmarks.ordinary.keys import FACTORS, SEPARATOR, Keys
from s3sentinel_assets.hours import hour_start
from s3sentinel_assets.ml.features.readings import STATISTICS
from s3sentinel_assets.ml.history.families import family_of
from s3sentinel_assets.ml.parameters import Parameters

__all__ = ["Memory", "surprise"]

_UNITS = 1 << 16
_BIT_UNITS = 1 << 7
_HOURLY_ITEMS = family_of("vpc_flow").hourly_items or 0


def _number(hour: str) -> int:
    return int(hour_start(hour).timestamp()) // 3_600


class _Left(dict[int, float]):
    """Age in hours → what is left of a count."""

    def __init__(self, half_life_hours: float) -> None:
        super().__init__()
        self.half_life_hours = half_life_hours

    def __missing__(self, age: int) -> float:
        left = self[age] = 2.0 ** (-age / self.half_life_hours)
        return left


class Memory:
    """Counts by table and key, each as of the hour that touched it last; looked up from the hour ``at``."""

    def __init__(
        self,
        source: str,
        tables: dict[str, dict[str, tuple[float, int, int]]],
        at: str,
        parameters: Parameters,
    ) -> None:
        self.source, self.tables, self.parameters = source, tables, parameters
        self.at = _number(at)
        # What is known is from before the hour began.
        self._known, self._left = self.at - 1, _Left(parameters.half_life_hours)
        self._statistics_of: dict[str, dict[str, float]] = {}

    def past(self, table: str, key: str) -> float:
        """The faded count; 0 where it is unknown or forgotten."""
        entry = self.tables.get(table, {}).get(key)
        faded = entry[0] * self._left[self._known - entry[2]] if entry else 0.0
        return faded if faded >= self.parameters.drop_below else 0.0

    def statistics(self, principal: str) -> dict[str, float]:
        """The statistics of a principal, faded, and ``days`` since it was first seen; looked up once each."""
        if principal not in self._statistics_of:
            table, values = self.tables.get("principal", {}), {}
            for name in STATISTICS:
                entry = table.get(f"{principal}{SEPARATOR}{name}")
                values[name] = entry[0] * self._left[self._known - entry[2]] if entry else 0.0
            first = table.get(f"{principal}{SEPARATOR}events")
            values["days"] = (self.at - first[1]) / 24.0 if first else 0.0
            self._statistics_of[principal] = values
        return self._statistics_of[principal]

    def after(self, events: Iterable[Keys]) -> dict[str, dict[str, tuple[float, int, int]]]:
        """The tables once the hour's events are learnt."""
        added = self._contributions(events)
        at, left, least = self.at, self._left, self.parameters.drop_below
        tables: dict[str, dict[str, tuple[float, int, int]]] = defaultdict(dict)
        for table, entries in self.tables.items():
            tables[table] = {key: entry for key, entry in entries.items() if entry[0] * left[at - entry[2]] >= least}
        for table, entries in added.items():
            known, after = self.tables.get(table, {}), tables[table]
            for key, units in entries.items():
                count, first, last = known.get(key, (0.0, at, at))
                if (total := count * left[at - last] + units / _UNITS) >= least:
                    after[key] = (total, first, at)
        return tables

    def _contributions(self, events: Iterable[Keys]) -> dict[str, Counter[str]]:
        counts: Counter[tuple[str, str, str, str]] = Counter()
        totals: Counter[str] = Counter()
        errors: Counter[str] = Counter()
        remotes: defaultdict[str, set[str]] = defaultdict(set)
        for keys in events:
            totals[keys.principal] += 1
            for factor, item in keys.items.items():
                if item:
                    counts[keys.principal, keys.peer if factor == "action" else "", factor, item] += 1
            errors[keys.principal] += keys.items["error"] != ""
            if keys.remote:
                remotes[keys.principal].add(keys.remote)
        if self.source == "vpc_flow":
            counts = _most_frequent(counts)
        added: dict[str, Counter[str]] = defaultdict(Counter)
        surprises: Counter[str] = Counter()
        warm = {name for name in totals if self.statistics(name)["events"] >= self.parameters.warm_events}
        for (principal, peer, factor, item), count in counts.items():
            units = self._units(count, totals[principal])
            self._count(added, principal, peer, factor, item, units)
            if factor == "action" and principal in warm:
                surprises[principal] += round(self._surprise(principal, peer, item) * _BIT_UNITS) * units
        self._add_statistics(added, totals, errors, warm, surprises)
        if self.source == "vpc_flow":
            self._add_habits(added, totals, counts, remotes)
        return added

    def _units(self, count: int, total: int) -> int:
        cap = self.parameters.hourly_cap
        return count * _UNITS if total <= cap else max(_UNITS, count * (cap * _UNITS) // total)

    def _count(
        self, added: dict[str, Counter[str]], principal: str, peer: str, factor: str, item: str, units: int
    ) -> None:
        account = principal.partition(SEPARATOR)[0]
        if factor == "action":
            added["peer/action"][f"{peer}{SEPARATOR}{item}"] += units
            added["global/action"][item] += units
            added["peer"][peer] += units
            added["account"][account] += units
            added["global"]["all"] += units
        elif factor in ("wide_network", "agent"):
            added[f"account/{factor}"][f"{account}{SEPARATOR}{item}"] += units
        if factor == "size":
            for step in range(int(item[-2:]) + 1):
                added["principal/size"][f"{principal}{SEPARATOR}{item[:-2]}{step:02d}"] += units
        else:
            added[f"principal/{factor}"][f"{principal}{SEPARATOR}{item}"] += units
        if factor == "density":
            added["principal/density"][f"{principal}{SEPARATOR}{item[:-2]}**"] += units

    def _add_statistics(
        self,
        added: dict[str, Counter[str]],
        totals: Counter[str],
        errors: Counter[str],
        warm: set[str],
        surprises: Counter[str],
    ) -> None:
        own = added["principal"]
        events: Counter[str] = Counter()
        for key, units in added["principal/action"].items():
            events[SEPARATOR.join(key.split(SEPARATOR, 2)[:2])] += units
        for principal, total in totals.items():
            values = {"events": events[principal], "active_hours": _UNITS}
            values["log_events"] = round(math.log2(total + 1) * _UNITS)
            values["log_errors"] = round(math.log2(errors[principal] + 1) * _UNITS)
            if principal in warm:
                values |= {"trials": events[principal], "surprise": surprises[principal] // _BIT_UNITS}
            for name, units in values.items():
                own[f"{principal}{SEPARATOR}{name}"] += units
        for factor in FACTORS:
            for key in added[f"principal/{factor}"]:
                principal = SEPARATOR.join(key.split(SEPARATOR, 2)[:2])
                if principal in warm and not self.past(f"principal/{factor}", key):
                    own[f"{principal}{SEPARATOR}new {factor}"] += _UNITS

    def _add_habits(
        self,
        added: dict[str, Counter[str]],
        totals: Counter[str],
        counts: Counter[tuple[str, str, str, str]],
        remotes: dict[str, set[str]],
    ) -> None:
        """How many addresses an interface turns to, and how much of what it does is rejected."""
        own = added["principal"]
        for (principal, _, factor, _), count in counts.items():
            if factor == "error":
                own[f"{principal}{SEPARATOR}errors"] += self._units(count, totals[principal])
        if remotes:
            for principal in totals:
                spread = len(remotes.get(principal, ()))
                own[f"{principal}{SEPARATOR}log_spread"] += round(math.log2(spread + 1) * _UNITS)

    def _surprise(self, principal: str, peer: str, action: str) -> float:
        return surprise(
            self.parameters,
            own=self.past("principal/action", f"{principal}{SEPARATOR}{action}"),
            own_total=self.statistics(principal)["events"],
            peer=self.past("peer/action", f"{peer}{SEPARATOR}{action}"),
            peer_total=self.past("peer", peer),
            everyone=self.past("global/action", action),
            everyone_total=self.past("global", "all"),
        )


def _most_frequent(counts: Counter[tuple[str, str, str, str]]) -> Counter[tuple[str, str, str, str]]:
    """Of each interface and factor the most frequent items of the hour."""
    by_owner: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for (principal, _, factor, item), count in counts.items():
        by_owner[principal, factor][item] += count
    kept = {
        owner: {item for _, item in sorted((-count, item) for item, count in items.items())[:_HOURLY_ITEMS]}
        for owner, items in by_owner.items()
        if len(items) > _HOURLY_ITEMS
    }
    return Counter(
        {key: count for key, count in counts.items() if (key[0], key[2]) not in kept or key[3] in kept[key[0], key[2]]}
    )


def surprise(
    parameters: Parameters,
    *,
    own: float,
    own_total: float,
    peer: float,
    peer_total: float,
    everyone: float,
    everyone_total: float,
) -> float:
    """Bits of an action, backing off from the principal to its peers to everybody."""
    base = 2.0**-parameters.base_bits
    general = (everyone + parameters.backoff_global * base) / (everyone_total + parameters.backoff_global)
    group = (peer + general * parameters.backoff_global) / (peer_total + parameters.backoff_global)
    share = (own + group * parameters.backoff_peer) / (own_total + parameters.backoff_peer)
    return -math.log2(share)
