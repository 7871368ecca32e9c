"""Reasons in words: the terms that added most to the score, with the counts behind them.

Belongs here: which terms are named and their sentences. Does not belong here: the terms' values (``features``,
``anomaly``).
"""

import functools
from collections.abc import Callable, Mapping

import polars as pl

from s3sentinel_assets.ml.history.dimensions import dense, zeros
from s3sentinel_assets.ml.history.keys import Events
from s3sentinel_assets.ml.parameters import TERMS

__all__ = ["KINDS", "REASONS_PER_EVENT", "Part", "explain"]

#: What a term adds to scores: the events it says something about (UInt32, ascending; None: all), and Int64 hundredths
#: of a bit beside them.
Part = tuple[pl.Series | None, pl.Series]

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
    "address": "address",
    "client": "address",
    "instance": "instance",
    "host": "host",
    "user": "user",
    "database_user": "user",
}
#: What is counted by the spread of an owner.
_SPREADS = {"remote": "remote addresses", "template": "paths"}


def _number(name: str) -> pl.Expr:
    return pl.col(name).round(0).cast(pl.Int64).cast(pl.String)


def _small(name: str) -> pl.Expr:
    return pl.col(name).round(1).cast(pl.String)


def _new(piece: str, text: str) -> pl.Expr:
    return pl.format("{} " + text + " this {} in {} events", pl.col(piece), pl.col("kind"), _number("events"))


def _percent(name: str) -> pl.Expr:
    return (pl.col(name) * 100).round(2).cast(pl.String)


def _new_to_site(kind: str, piece: str) -> pl.Expr:
    return pl.format(kind + " {} never seen on {} in {} events", pl.col(piece), pl.col("site"), _number("site_events"))


# Each sentence, without its bits. A function, because building an expression is only needed for the terms that occur.
_SENTENCES: dict[str, Callable[[], pl.Expr]] = {
    "new_action": lambda: _new("action", "never done by"),
    "new_service": lambda: pl.format("service {}", _new("service", "never used by")),
    "new_write": lambda: pl.format("{}", _new("write", "never changed by")),
    "new_network": lambda: _new("network", "never used by"),
    "new_wide_network": lambda: _new("wide_network", "never used by"),
    "new_agent": lambda: pl.format("client {}", _new("agent", "never used by")),
    "new_region": lambda: pl.format("region {}", _new("region", "never used by")),
    "new_domain": lambda: pl.format("domain {}", _new("domain", "never asked for by")),
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
    "site_new_path": lambda: _new_to_site("path", "path"),
    "site_new_client": lambda: _new_to_site("network", "client"),
    "site_new_agent": lambda: _new_to_site("client", "agent"),
    "site_new_domain": lambda: _new_to_site("domain", "domain"),
    "rare_method": lambda: pl.format(
        "{} rare on {}: {} of {} events",
        pl.col("method"),
        pl.col("site"),
        _number("method_count"),
        _number("site_events"),
    ),
    "unusual_density": lambda: pl.format(
        "{} bytes in {} packets: only {} % of its flows come near",
        pl.col("bytes"),
        pl.col("packets"),
        _percent("density_share"),
    ),
    "unusual_name": lambda: pl.format(
        "name below {} says more than all but {} % of its queries do", pl.col("domain"), _percent("name_share")
    ),
    "unusual_size": lambda: pl.format(
        "{} bytes: only {} % of its flows come near",
        pl.col("bytes"),
        _percent("size_share"),
    ),
    "burst": lambda: pl.format("{} events this hour, usually {}", _number("events_so_far"), _small("usual_events")),
    "error_burst": lambda: pl.format(
        "{} errors this hour, usually {}", _number("errors_so_far"), _small("usual_errors")
    ),
    "error_ratio": lambda: pl.format(
        "{} of {} events failed this hour, usually {} %",
        _number("errors_so_far"),
        _number("events_so_far"),
        _small("error_rate"),
    ),
    "fan_out": lambda: pl.format(
        "{} different {} this hour, usually {}", _number("fan_out_count"), pl.col("spread"), _small("fan_out_usual")
    ),
    "subdomains": lambda: pl.format(
        "{} different names below {} this hour, usually {}",
        _number("subdomains_count"),
        pl.col("domain"),
        _small("subdomains_usual"),
    ),
    "many_new": lambda: pl.format("{} first times this hour", _number("new_so_far")),
    "unusual_hour": lambda: pl.format(
        "active at {}h UTC: {} of {} events", pl.col("hour"), _number("hour_count"), _number("events")
    ),
    "sensitive": lambda: pl.format(
        "{} is sensitive, and never done in this way by this {} in {} events",
        pl.col("action"),
        pl.col("kind"),
        _number("events"),
    ),
}


def explain(wanted: pl.Series, parts: Mapping[str, Part], context: pl.DataFrame, events: Events) -> pl.DataFrame:
    """The reasons of some events.

    Args:
        wanted: UInt32, the events to explain, in ascending order.
        parts: of each term its part of the score.
        context: the counts behind the terms, ``principal_type``, ``bytes`` and ``packets``, of each of them.
        events: the prepared events, for the words.

    Returns:
        ``index`` and ``reasons``, for those events that have any.
    """
    top = _largest(wanted, parts, len(events))
    if not top.height:
        return pl.DataFrame(schema={"index": pl.UInt32(), "reasons": pl.String()})
    top = top.with_columns(_bits(top["hundredths"]))
    words = _Words(wanted, context, events)
    by_rank = top.partition_by("rank", as_dict=True, maintain_order=True)
    texts = [
        words.of(sentence := _SENTENCES[TERMS[rank]](), part["at"])
        .with_columns(part["bits"])
        .select(text=pl.format("{} ({})", sentence, pl.col("bits")))["text"]
        for (rank,), part in by_rank.items()
    ]
    # Each place of each event takes its text from where it lies: cheaper than sorting texts.
    said = pl.concat(texts).rechunk()
    places = pl.concat([part.select("at", "place") for part in by_rank.values()]).rechunk()
    told = top["at"].unique().sort()
    at = told.search_sorted(places["at"])
    columns = []
    for place in range(REASONS_PER_EVENT):
        mine = (places["place"] == place).arg_true()
        row = pl.Series([None], dtype=pl.UInt32).new_from_index(0, told.len()).scatter(at[mine], mine)
        columns.append(said[row].alias(str(place)))
    joined = pl.DataFrame(columns).select(reasons=pl.concat_str(pl.all(), separator="; ", ignore_nulls=True))
    return pl.DataFrame({"index": wanted[told], "reasons": joined["reasons"]})


def _largest(wanted: pl.Series, parts: Mapping[str, Part], size: int) -> pl.DataFrame:
    """At (place in ``wanted``), hundredths, rank (place in `TERMS`) and place (0 is first) of its largest parts."""
    asked = pl.int_range(1, wanted.len() + 1, dtype=pl.UInt32, eager=True)
    places = zeros(size, pl.UInt32).scatter(wanted, asked)
    found = []
    for term in sorted(parts, key=TERMS.index):
        index, hundredths = parts[term]
        at = asked if index is None else places[index]
        mine = hundredths[wanted] if index is None else hundredths
        rank = pl.lit(TERMS.index(term), pl.UInt8()).alias("rank")
        part = pl.DataFrame({"at": at, "hundredths": mine}).filter((pl.col("at") > 0) & (pl.col("hundredths") > 0))
        found.append(part.with_columns(pl.col("at") - 1, rank))
    every = pl.concat(found)
    # By event, then the largest first, as one number. Terms come in their order: of equal parts the earlier is first.
    most = pl.lit(every["hundredths"].max(), pl.Int64)
    number = pl.col("at").cast(pl.Int64) * (most + 1) + (most - pl.col("hundredths"))
    order = every.select(number.alias("number")).select(pl.arg_sort_by("number", maintain_order=True))
    ordered = every.rechunk()[order["number"]]
    run = ordered["at"].rle_id()
    starts = run.ne_missing(run.shift(1)).arg_true()
    return (
        ordered.with_row_index("row")
        .select("at", "hundredths", "rank", place=pl.col("row").cast(pl.Int64) - pl.lit(starts[run]).cast(pl.Int64))
        .filter(pl.col("place") < REASONS_PER_EVENT)
    )


def _bits(hundredths: pl.Series) -> pl.Series:
    """Hundredths as numbers with one decimal, in integers: 1,036 → 10.4."""
    tenths = (hundredths + 5) // 10
    distinct = tenths.unique().sort()
    return pl.Series("bits", [f"{each // 10}.{each % 10}" for each in distinct])[distinct.search_sorted(tenths)]


class _Words:
    """What the sentences may mention of the events to explain, made when the first sentence asks for it."""

    def __init__(self, wanted: pl.Series, context: pl.DataFrame, events: Events) -> None:
        self._wanted, self._context, self._events = wanted, context, events

    def of(self, sentence: pl.Expr, at: pl.Series) -> pl.DataFrame:
        """The columns that a sentence needs, for the events at these places."""
        return pl.DataFrame([self._column(name, at).alias(name) for name in dict.fromkeys(sentence.meta.root_names())])

    def _column(self, name: str, at: pl.Series) -> pl.Series:
        if name in self._context.columns:
            return self._context[name][at]
        if name == "kind":
            return self._kind[at]
        if name == "spread":
            what = _SPREADS.get(self._events.family.spread, "things")
            return pl.Series([what]).new_from_index(0, at.len())
        return self._word(name, at)

    @functools.cached_property
    def _kind(self) -> pl.Series:
        kind = pl.col("principal_type").replace_strict(KINDS, default="principal", return_dtype=pl.String)
        return self._context.select(kind=kind.fill_null("principal"))["kind"]

    def _word(self, name: str, at: pl.Series) -> pl.Series:
        groups = self._events.home(name)
        dimension = groups[name]
        # Every distinct value is cleaned once, and none that is not said.
        places, distinct = dense(dimension.codes[groups.codes[self._wanted[at]]], dimension.size)
        values = dimension.values[distinct]
        # Log content is not ours: no control characters, no essays.
        clean = values.str.replace_all(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ").str.slice(0, _MAX_PIECE)
        return clean[places]
