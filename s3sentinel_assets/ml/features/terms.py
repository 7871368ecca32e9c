"""The terms of the score: bits where a term says something.

Belongs here: one function for each term that is more than "never seen before". Does not belong here: look-ups
(``readings``), what follows from history alone (``compute``), what a term is worth (``anomaly``).
"""

from dataclasses import dataclass

import polars as pl

from s3sentinel_assets.ml.features.readings import Readings, Table
from s3sentinel_assets.ml.features.so_far import HourSoFar
from s3sentinel_assets.ml.history.bits import positive, surprise_bits
from s3sentinel_assets.ml.history.dimensions import SEPARATOR, zeros
from s3sentinel_assets.ml.history.state import find_sorted
from s3sentinel_assets.ml.parameters import Parameters

__all__ = [
    "Term",
    "bursts",
    "many_new",
    "new_to_account",
    "peers_never",
    "rare_action",
    "unusual_hour",
    "unusual_size",
]


@dataclass(frozen=True)
class Term:
    """The bits of one term, where it says something.

    Attributes:
        index: UInt32, ascending: the events; None for all.
        bits: Float64 beside it.
    """

    index: pl.Series | None
    bits: pl.Series

    def at(self, wanted: pl.Series) -> pl.Series:
        """The bits of the ``wanted`` events."""
        if self.index is None:
            return self.bits[wanted]
        return find_sorted(self.index, self.bits, wanted).fill_null(0.0)


def rare_action(readings: Readings, by_what: pl.DataFrame, events_so_far: pl.Series, action_so_far: pl.Series) -> Term:
    """Surprise of the action beyond the principal's usual surprise: who always does rare things is normal."""
    past = by_what.select("action_count", "events", "assumed", "surprise")[readings.what.codes]
    bits = surprise_bits(
        pl.col("action_count") + pl.lit(action_so_far),
        pl.col("events") + (pl.lit(events_so_far) - 1),
        pl.col("assumed"),
        readings.parameters,
    )
    bits = positive(bits - pl.col("surprise"), readings.parameters.rare_max_bits)
    return Term(None, past.select(bits)["action_count"])


def peers_never(readings: Readings, by_what: pl.DataFrame) -> Term:
    """Nobody else in the peer group ever does this: the more the others do, the more that says."""
    table = readings.table("peer/action")
    index, _, running = table.uses(table.past == 0.0)
    said = by_what.select(positive((pl.col("peer_events") + 1.0).log(2.0), readings.parameters.peers_max_bits))
    return Term(index, said["peer_events"][readings.what.codes[index]] / (running + 1))


def new_to_account(readings: Readings) -> dict[str, Term]:
    """A network or client that nobody in the account has used before."""
    account, parameters = readings.what["account"], readings.parameters
    warm = readings.history("account", account.values) >= parameters.warm_events
    terms = {}
    for factor, term in (("wide_network", "account_new_network"), ("agent", "account_new_agent")):
        if readings.events.absent(factor):
            continue
        table = readings.table(f"account/{factor}")
        index, _, running = table.uses(table.never() & warm[table.keys.left])
        terms[term] = Term(index, parameters.account_new_bits / (running + 1))
    return terms


def bursts(readings: Readings, own: pl.DataFrame, so_far: HourSoFar) -> dict[str, Term]:
    """Events and errors of this hour so far, beyond a margin above the principal's usual (geometric mean) hour."""
    terms = {}
    for term, name in (("burst", "events"), ("error_burst", "errors")):
        usual = own[f"usual {name}"]
        # Who stays below even with the whole batch is not looked at event by event.
        loud = _excess(so_far.totals[name], usual, readings.parameters) > 0.0
        if not loud.any():
            continue
        chosen = loud[readings.principals]
        if name == "errors":
            # A success in the middle of an error burst is not itself part of it.
            chosen = chosen & readings.events.failed[readings.what.codes]
        index = chosen.arg_true()
        count = so_far.events if name == "events" else so_far.errors
        terms[term] = Term(index, _excess(count[index], usual[readings.principals[index]], readings.parameters))
    return terms


def _excess(count: pl.Series, usual: pl.Series, parameters: Parameters) -> pl.Series:
    bits = (pl.col("count") + 1).cast(pl.Float64).log(2.0) - pl.col("usual") - parameters.burst_margin_bits
    frame = pl.DataFrame({"count": count, "usual": usual})
    return frame.select(positive(bits, parameters.burst_max_bits))["count"]


def many_new(readings: Readings, own: pl.DataFrame, so_far: HourSoFar) -> Term:
    """More first times in this hour than the principal's own rate of novelty would bring."""
    index = (so_far.totals["new"] > 0)[readings.principals].arg_true()
    frame = pl.DataFrame(
        {
            "new": so_far.new[index] if index.len() else zeros(0),
            "events": so_far.events[index],
            "rate": own["new_rate"][readings.principals[index]],
        }
    )
    excess = (pl.col("new") + 1.0).log(2.0) - (pl.col("events") * pl.col("rate") + 1.0).log(2.0)
    return Term(index, frame.select(positive(excess, readings.parameters.many_new_max_bits))["new"])


def unusual_hour(readings: Readings) -> Term:
    """Surprise of the time of day (UTC) against a day without habits."""
    prior, table = readings.parameters.hour_prior, readings.table("principal/hour", counted=False)
    share = (pl.col("past") + prior / 24.0) / (pl.col("events") + prior)
    bits = pl.DataFrame({"past": table.past, "events": readings.own["events"][table.keys.left]}).select(
        positive(-(share * 24.0).log(2.0), 24.0)
    )["past"]
    bits = bits * (table.keys.values != "").cast(pl.Float64)
    return Term(None, bits[table.codes()])


def unusual_size(readings: Readings, item: str = "size") -> tuple[Term, tuple[Table, pl.Series]]:
    """How few of the interface's flows in this direction came near this size; the term, and that share per key.

    With ``name`` for an item, the same of how much the names of an owner's queries say.
    """
    parameters, table = readings.parameters, readings.table(f"principal/{item}")
    groups = table.groups
    frame = pl.DataFrame(
        {
            "owner": groups["principal"].values[table.keys.left],
            "label": groups[item].values[table.keys.right],
        }
    ).select(
        # One step down: a flow a little above a step's edge must not look bigger than all before it.
        near=pl.concat_str(
            "owner",
            pl.lit(SEPARATOR),
            pl.col("label").str.head(-2),
            (pl.col("label").str.tail(2).cast(pl.Int64, strict=False).fill_null(0) - 1)
            .clip(0)
            .cast(pl.String)
            .str.zfill(2),
        ),
        all=pl.concat_str("owner", pl.lit(SEPARATOR), pl.col("label").str.head(-2), pl.lit("00")),
    )
    shares = pl.DataFrame({name: readings.history(f"principal/{item}", frame[name]) for name in frame.columns}).select(
        share=(pl.col("near") + 0.5) / (pl.col("all") + 1.0)
    )["share"]
    said = pl.DataFrame({"share": shares, "known": table.keys.values != ""}).select(
        positive(-pl.col("share").log(2.0) - parameters.size_free_bits, parameters.size_max_bits)
        * pl.col("known").cast(pl.Float64)
    )["share"]
    index, codes, running = table.uses(said > 0.0)
    return Term(index, said[codes] / (running + 1)), (table, shares)
