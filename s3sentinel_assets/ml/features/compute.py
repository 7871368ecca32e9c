"""The features of each event: bits and the counts behind them, from history and from what the hour has shown so far.

Belongs here: `compute`, which puts the terms of the score together, unweighted, plus the supporting counts. Does not
belong here: look-ups (``readings``), what terms are worth (``anomaly``), words (``reasons``).
"""

import math
from dataclasses import dataclass, field, replace

import polars as pl

from s3sentinel_assets.ml.features import terms
from s3sentinel_assets.ml.features.family_terms import Fact, family_terms
from s3sentinel_assets.ml.features.readings import Readings, Table
from s3sentinel_assets.ml.features.rule_uses import RuleUses, rule_uses
from s3sentinel_assets.ml.features.so_far import First, HourSoFar
from s3sentinel_assets.ml.features.terms import Term
from s3sentinel_assets.ml.history.bits import novelty_bits, without_own_history
from s3sentinel_assets.ml.history.counters import Counters
from s3sentinel_assets.ml.history.dimensions import zeros
from s3sentinel_assets.ml.history.keys import FACTORS, Events
from s3sentinel_assets.ml.history.state import EntityState
from s3sentinel_assets.ml.parameters import TERMS, Parameters

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


#: Parts of an action: their first times are terms of their own, but not counted once more as "first times this hour".
_PARTS_OF_ACTION = ("service", "write")


@dataclass(frozen=True)
class Features:
    """Features of a prepared batch, in its order.

    Attributes:
        terms: by name (``TERMS``); a term that says nothing about any event is not there.
        by_what: what `SUPPORT` holds of each group of ``what``.
        action_so_far: Int64 per event.
        rules: uses of sensitivity rules that history does not know.
        handed_on: what the batch adds to the in-hour counters.
    """

    terms: dict[str, Term]
    by_what: pl.DataFrame
    action_so_far: pl.Series
    rules: RuleUses
    handed_on: pl.DataFrame
    so_far: HourSoFar = field(repr=False)
    size_share: tuple[Table, pl.Series] | None = field(repr=False)
    facts: dict[str, Fact] = field(repr=False)

    def with_term(self, name: str, term: Term) -> "Features":
        """These features and a term that follows from more than history."""
        return replace(self, terms=self.terms | {name: term})

    def bits(self, wanted: pl.Series) -> pl.DataFrame:
        """Float64 per term of the ``wanted`` events (UInt32), 0 where a term says nothing."""
        nothing = zeros(wanted.len(), pl.Float64)
        return pl.DataFrame({term: self.terms[term].at(wanted) if term in self.terms else nothing for term in TERMS})

    def support(self, wanted: pl.Series) -> pl.DataFrame:
        """The columns of `SUPPORT` of the ``wanted`` events (UInt32), and the facts of their family's own terms."""
        share = zeros(wanted.len(), pl.Float64) + 1.0
        if self.size_share:
            table, shares = self.size_share
            share = shares[table.codes(wanted)]
        so_far = {
            "size_share": share,
            "events_so_far": self.so_far.events[wanted],
            "errors_so_far": self.so_far.errors[wanted],
            "new_so_far": self.so_far.new[wanted],
            "action_so_far": self.action_so_far[wanted],
        }
        so_far |= {name: fact(wanted) for name, fact in self.facts.items()}
        what = self.so_far.readings.what.codes[wanted]
        return (
            self.by_what[what]
            .hstack([series.alias(name) for name, series in so_far.items()])
            .select(*SUPPORT, *self.facts)
        )


def compute(
    events: Events,
    state: EntityState,
    counters: Counters,
    parameters: Parameters,
    *,
    hour: str,
    items: pl.Series | None = None,
) -> Features:
    """The features of ``events``, each against history and the earlier events of the hour only.

    Args:
        events: from ``keys.prepare``.
        state: sealed before ``hour``; it fades over hours in between.
        counters: left by the previous part; those of another hour count as none.
        parameters: of the model.
        hour: the hour being scored.
        items: the sensitivity rules that events fit (``priority.rule_items``), if there are any.
    """
    readings = Readings(events, state, counters, hour, parameters)
    own = _principals(readings)
    found: dict[str, Term] = {}
    firsts: list[First] = []
    for factor in FACTORS:
        if events.absent(factor):
            continue
        table = readings.table(f"principal/{factor}")
        never = table.never()
        index, codes, running = table.uses(never)
        # The first time says it all; the second half as much, the third a third, …
        found[f"new_{factor}"] = Term(index, own[f"bits {factor}"][table.keys.left[codes]] / (running + 1))
        if factor not in _PARTS_OF_ACTION:
            firsts.append((table, never, index.filter(running == 0)))
    so_far = HourSoFar(readings, events.failed, firsts)
    by_what = _by_what(readings, own)
    action_so_far = readings.table("principal/action").so_far()
    found["rare_action"] = terms.rare_action(readings, by_what, so_far.events, action_so_far)
    found["peers_never"] = terms.peers_never(readings, by_what)
    found |= terms.new_to_account(readings)
    found |= terms.bursts(readings, own, so_far)
    found["many_new"] = terms.many_new(readings, own, so_far)
    found["unusual_hour"] = terms.unusual_hour(readings)
    size_share = None
    if not events.absent("size"):
        found["unusual_size"], size_share = terms.unusual_size(readings)
    more = family_terms(readings, so_far)
    rules = rule_uses(readings, items)
    found |= more.terms
    return Features(
        terms=found,
        by_what=by_what,
        action_so_far=action_so_far,
        rules=rules,
        handed_on=readings.handed_on(),
        so_far=so_far,
        size_share=size_share,
        facts=more.facts,
    )


def _principals(readings: Readings) -> pl.DataFrame:
    """What follows from history for each principal: a row is a principal."""
    parameters = readings.parameters
    trials, weight, hours = pl.col("trials"), parameters.usual_surprise_weight, parameters.burst_prior_hours
    new = pl.lit(0.0)
    for factor in FACTORS:
        if factor not in _PARTS_OF_ACTION:
            new = new + pl.col(f"new {factor}")
    expected = {"events": parameters.burst_prior_events, "errors": parameters.burst_prior_errors}
    return readings.own.with_columns(
        *(novelty_bits(pl.col(f"new {factor}"), trials, parameters).alias(f"bits {factor}") for factor in FACTORS),
        # A geometric mean.
        *(
            ((pl.col(f"log_{name}") + math.log2(1 + prior) * hours) / (pl.col("active_hours") + hours)).alias(
                f"usual {name}"
            )
            for name, prior in expected.items()
        ),
        surprise=(pl.col("surprise") + parameters.usual_surprise_bits * weight) / (trials + weight),
        new_rate=(new + parameters.novelty_prior) / (trials + 2 * parameters.novelty_prior),
    )


def _by_what(readings: Readings, own: pl.DataFrame) -> pl.DataFrame:
    """The static columns of `SUPPORT` and what the terms need beside them: a row is a group of ``what``."""
    what, parameters = readings.what, readings.parameters
    actions, peers = readings.table("principal/action"), readings.table("peer/action")
    hours = readings.table("principal/hour", counted=False)
    peer, account = what["peer"], what["account"]
    columns = {
        "action_count": actions.past[actions.keys.codes],
        "never": actions.never()[actions.keys.codes],
        "peer_action": peers.past[peers.keys.codes],
        "peer_total": readings.history("peer", peer.values)[peer.codes],
        "everyone": readings.history("global/action", what["action"].values)[what["action"].codes],
        "account_events": readings.history("account", account.values)[account.codes],
        "hour_count": hours.past[hours.keys.codes],
    }
    frame = pl.DataFrame(columns).hstack(own[readings.principal.codes])
    everyone_total = readings.history("global", pl.Series(["all"]))[0]
    return frame.with_columns(
        peer_events=(pl.col("peer_total") - pl.col("events")).clip(0.0),
        usual_events=pl.lit(2.0).pow(pl.col("usual events")) - 1.0,
        usual_errors=pl.lit(2.0).pow(pl.col("usual errors")) - 1.0,
        assumed=without_own_history(
            peer=pl.col("peer_action"),
            peer_total=pl.col("peer_total"),
            everyone=pl.col("everyone"),
            everyone_total=everyone_total,
            parameters=parameters,
        ),
    )
