"""Reasons in words: the terms that added most to the score, with the counts behind them.

Belongs here: which terms are named and their sentences. Does not belong here: the terms' values (``features``,
``rarity``).
"""

from collections.abc import Callable

import polars as pl

from s3sentinel_assets.ml.keys import Events
from s3sentinel_assets.ml.model import TERMS

__all__ = ["REASONS_PER_EVENT", "explain"]

REASONS_PER_EVENT = 3
_MAX_PIECE = 64
_KINDS = {
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


def explain(
    wanted: pl.Series, hundredths: pl.DataFrame, support: pl.DataFrame, events: Events, sizes: pl.Series
) -> pl.DataFrame:
    """The reasons of some events.

    Args:
        wanted: Int64, indexes of the events to explain.
        hundredths: per event and term its part of the score, in hundredths of a bit.
        support: the counts behind the terms.
        events: the prepared events, for the words.
        sizes: bytes per event.

    Returns:
        ``index`` and ``reasons``, for those events that have any.
    """
    order = pl.DataFrame({"term": hundredths.columns, "rank": [TERMS.index(term) for term in hundredths.columns]})
    top = (
        hundredths[wanted]
        .with_columns(index=wanted)
        .unpivot(index="index", variable_name="term", value_name="hundredths")
        .filter(pl.col("hundredths") > 0)
        .join(order, on="term", how="left")
        .sort("index", "hundredths", "rank", descending=[False, True, False])
        .with_columns(place=pl.int_range(pl.len()).over("index"))
        .filter(pl.col("place") < REASONS_PER_EVENT)
    )
    if not top.height:
        return pl.DataFrame(schema={"index": pl.Int64(), "reasons": pl.String()})
    sentences = [
        _context(part["index"], support, events, sizes)
        .with_columns(part["index"], part["place"], part["hundredths"])
        .select("index", "place", text=pl.format("{} ({})", _SENTENCES[term[0]](), _bits()))
        for term, part in top.partition_by("term", as_dict=True, maintain_order=True).items()
    ]
    return (
        pl.concat(sentences)
        .sort("index", "place")
        .group_by("index", maintain_order=True)
        .agg(reasons=pl.col("text").str.join("; "))
    )


def _bits() -> pl.Expr:
    """Hundredths as a number with one decimal, in integers: 1,036 → 10.4."""
    tenths = (pl.col("hundredths").cast(pl.Int64) + 5) // 10
    return pl.format("{}.{}", tenths // 10, tenths % 10)


def _context(index: pl.Series, support: pl.DataFrame, events: Events, sizes: pl.Series) -> pl.DataFrame:
    """What the sentences may mention, for the events at ``index``."""
    words = {}
    for name in ("action", "network", "wide_network", "agent", "region", "error", "hour"):
        dimension = events[name]
        values = dimension.values.gather(dimension.codes.gather(index))
        # Log content is not ours: no control characters, no essays.
        words[name] = values.str.replace_all(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ").str.slice(0, _MAX_PIECE)
    kinds = events.kind.gather(index).replace_strict(_KINDS, default="principal", return_dtype=pl.String)
    return support[index].with_columns(
        *(series.alias(name) for name, series in words.items()),
        kinds.fill_null("principal").alias("kind"),
        sizes.gather(index).alias("bytes"),
    )
