"""Reasons in words: the terms that added most to the score, with the counts behind them.

Belongs here: which terms are named and their sentences. Does not belong here: the terms' values (``features``,
``anomaly``).
"""

from collections.abc import Callable

import polars as pl

from s3sentinel_assets.ml.history.keys import Events
from s3sentinel_assets.ml.parameters import TERMS

__all__ = ["KINDS", "REASONS_PER_EVENT", "explain"]

REASONS_PER_EVENT = 3
_MAX_PIECE = 64
#: Principal type → what the reasons call it.
KINDS = {
    "IAMUser": "user",
    "AssumedRole": "role",
    "Role": "role",
    "FederatedUser": "user",
    "IdentityCenterUser": "user",
    "SAMLUser": "user",
    "WebIdentityUser": "user",
    "Root": "root user",
    "AWSService": "service",
    "AWSAccount": "account",
    "eni": "interface",
}


def _number(name: str) -> pl.Expr:
    return pl.col(name).round(0).cast(pl.Int64).cast(pl.String)


def _small(name: str) -> pl.Expr:
    return pl.col(name).round(1).cast(pl.String)


def _new(piece: str, text: str) -> pl.Expr:
    return pl.format("{} " + text + " this {} in {} events", pl.col(piece), pl.col("kind"), _number("events"))


# Each sentence, without its bits. A function, because building an expression is only needed for the terms that occur.
_SENTENCES: dict[str, Callable[[], pl.Expr]] = {
    "new_action": lambda: _new("action", "never done by"),
    "new_service": lambda: pl.format("service {}", _new("service", "never used by")),
    "new_write": lambda: pl.format("{}", _new("write", "never changed by")),
    "new_network": lambda: _new("network", "never used by"),
    "new_wide_network": lambda: _new("wide_network", "never used by"),
    "new_agent": lambda: pl.format("client {}", _new("agent", "never used by")),
    "new_region": lambda: pl.format("region {}", _new("region", "never used by")),
    "new_error": lambda: pl.format("error {}", _new("error", "never met by")),
    "peers_never": lambda: pl.format(
        "{} never done in {} events of its peers", pl.col("action"), _number("peer_events")
    ),
    "account_new_network": lambda: pl.format(
        "{} new to the whole account ({} events)", pl.col("wide_network"), _number("account_events")
    ),
    "account_new_agent": lambda: pl.format(
        "client {} new to the whole account ({} events)", pl.col("agent"), _number("account_events")
    ),
    "rare_action": lambda: pl.format(
        "{} rare for this {}: {} of {} events",
        pl.col("action"),
        pl.col("kind"),
        _number("action_count"),
        _number("events"),
    ),
    "unusual_size": lambda: pl.format(
        "{} bytes: only {} % of its flows come near",
        pl.col("bytes"),
        (pl.col("size_share") * 100).round(2).cast(pl.String),
    ),
    "burst": lambda: pl.format("{} events this hour, usually {}", _number("events_so_far"), _small("usual_events")),
    "error_burst": lambda: pl.format(
        "{} errors this hour, usually {}", _number("errors_so_far"), _small("usual_errors")
    ),
    "many_new": lambda: pl.format("{} first times this hour", _number("new_so_far")),
    "unusual_hour": lambda: pl.format(
        "active at {}h UTC: {} of {} events", pl.col("hour"), _number("hour_count"), _number("events")
    ),
}


def explain(wanted: pl.Series, hundredths: pl.DataFrame, context: pl.DataFrame, events: Events) -> pl.DataFrame:
    """The reasons of some events.

    Args:
        wanted: UInt32, the events to explain, in ascending order.
        hundredths: of each of them and for each term its part of the score, in hundredths of a bit.
        context: the counts behind the terms, ``principal_type`` and ``bytes``, of each of them.
        events: the prepared events, for the words.

    Returns:
        ``index`` and ``reasons``, for those events that have any.
    """
    order = pl.DataFrame({"term": hundredths.columns, "rank": [TERMS.index(term) for term in hundredths.columns]})
    top = (
        hundredths.with_row_index("at")
        .unpivot(index="at", variable_name="term", value_name="hundredths")
        .filter(pl.col("hundredths") > 0)
        .join(order, on="term", how="left")
        .sort("at", "hundredths", "rank", descending=[False, True, False])
        .with_columns(place=pl.int_range(pl.len()).over("at"))
        .filter(pl.col("place") < REASONS_PER_EVENT)
    )
    if not top.height:
        return pl.DataFrame(schema={"index": pl.UInt32(), "reasons": pl.String()})
    sentences = [
        _context(wanted[part["at"]], context[part["at"]], events)
        .with_columns(part["at"], part["place"], part["hundredths"])
        .select("at", "place", text=pl.format("{} ({})", _SENTENCES[term[0]](), _bits()))
        for term, part in top.partition_by("term", as_dict=True, maintain_order=True).items()
    ]
    joined = (
        pl.concat(sentences)
        .sort("at", "place")
        .group_by("at", maintain_order=True)
        .agg(reasons=pl.col("text").str.join("; "))
    )
    return joined.select(wanted[joined["at"]].alias("index"), "reasons")


def _bits() -> pl.Expr:
    """Hundredths as a number with one decimal, in integers: 1,036 → 10.4."""
    tenths = (pl.col("hundredths").cast(pl.Int64) + 5) // 10
    return pl.format("{}.{}", tenths // 10, tenths % 10)


def _context(index: pl.Series, context: pl.DataFrame, events: Events) -> pl.DataFrame:
    """What the sentences may mention, for the events at ``index``."""
    words = {}
    for name in ("action", "service", "write", "network", "wide_network", "agent", "region", "error", "hour"):
        if events.absent(name):
            continue
        groups = events.home(name)
        values = groups[name].values[groups[name].codes[groups.codes[index]]]
        # Log content is not ours: no control characters, no essays.
        words[name] = values.str.replace_all(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ").str.slice(0, _MAX_PIECE)
    kind = pl.col("principal_type").replace_strict(KINDS, default="principal", return_dtype=pl.String)
    return context.with_columns(
        *(series.alias(name) for name, series in words.items()), kind=kind.fill_null("principal")
    )
