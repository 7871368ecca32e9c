"""The terms of some families: what is new to a site, failures by their share, spread, names that say too much.

Belongs here: one function for each of these terms, and the counts behind them for the reasons. Does not belong here:
terms that all families have (``terms``), distinct items of the hour (``distinct``), which family keeps what
(``history.families``).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import polars as pl

from s3sentinel_assets.ml.features.distinct import Distinct, distinct_so_far
from s3sentinel_assets.ml.features.readings import Readings, Table
from s3sentinel_assets.ml.features.so_far import HourSoFar
from s3sentinel_assets.ml.features.terms import Term, unusual_size
from s3sentinel_assets.ml.history.bits import novelty_bits, positive
from s3sentinel_assets.ml.history.dimensions import SEPARATOR, Dimension, combine
from s3sentinel_assets.ml.history.family_counts import MANY_NAMES, NAMES
from s3sentinel_assets.ml.history.items import DENSITY_ALL

__all__ = ["Fact", "Found", "family_terms"]

Fact = Callable[[pl.Series], pl.Series]


@dataclass
class Found:
    """Terms, and what the reasons tell of them.

    Attributes:
        terms: by name.
        facts: column of counts → its values for the events at some places (UInt32).
    """

    terms: dict[str, Term] = field(default_factory=dict[str, Term])
    facts: dict[str, Fact] = field(default_factory=dict[str, Fact])


def family_terms(readings: Readings, so_far: HourSoFar) -> Found:
    """The terms of the family of a batch, beside those that all families have."""
    found, events = Found(), readings.events
    family = events.family
    if family.error_ratio and not events.absent("error"):
        _error_ratio(found, readings, so_far)
    if family.spread and not events.absent(family.spread):
        _fan_out(found, readings, family.spread)
    if not events.absent("density"):
        _unusual_density(found, readings)
    if not events.absent("name"):
        _unusual_name(found, readings)
        _subdomains(found, readings)
    if family.site:
        _new_to_site(found, readings)
    return found


def _per_key(table: Table, values: pl.Series) -> Fact:
    return lambda wanted: values[table.codes(wanted)]


def _per_principal(readings: Readings, values: pl.Series) -> Fact:
    return lambda wanted: values[readings.principals[wanted]]


def _error_ratio(found: Found, readings: Readings, so_far: HourSoFar) -> None:
    """More failures among the owner's events of this hour than its history lets expect.

    Chernoff's bound on the tail of a Poisson distribution; an owner without history is assumed to fail now and then.
    """
    parameters, own = readings.parameters, readings.own
    prior, weight = parameters.error_ratio_prior, parameters.error_ratio_weight
    rates = own.select((pl.col("errors") + prior * weight) / (pl.col("events") + weight))["errors"].clip(0.0, 1.0)

    def bits(errors: pl.Series, events: pl.Series, rate: pl.Series) -> pl.Series:
        count, expected = pl.col("errors").cast(pl.Float64), pl.col("events").cast(pl.Float64) * pl.col("rate")
        beyond = count * (count.clip(1.0) / expected).log(2.0) - (count - expected) / math.log(2.0)
        beyond = pl.when(count > expected).then(beyond).otherwise(0.0)
        return pl.DataFrame({"errors": errors, "events": events, "rate": rate}).select(
            positive(beyond, parameters.error_ratio_max_bits)
        )["errors"]

    # Who has no failure at all is not looked at event by event.
    failing = so_far.totals["errors"] > 0
    index = (failing[readings.principals] & readings.events.failed[readings.what.codes]).arg_true()
    if index.len():
        rate = rates[readings.principals[index]]
        found.terms["error_ratio"] = Term(index, bits(so_far.errors[index], so_far.events[index], rate))
    found.facts["error_rate"] = _per_principal(readings, rates * 100.0)


def _fan_out(found: Found, readings: Readings, item: str) -> None:
    """More different items (addresses turned to, parts of a site) this hour than in the owner's usual hour."""
    parameters, groups = readings.parameters, readings.events.home("principal", item)
    hours = parameters.burst_prior_hours
    usual = readings.own.select(
        (pl.col("log_spread") + math.log2(1 + parameters.fan_out_prior) * hours) / (pl.col("active_hours") + hours)
    )["log_spread"]
    spread = distinct_so_far(readings, groups, groups["principal"], groups[item], f"principal/{item}")
    _beyond(found, "fan_out", spread, usual + parameters.burst_margin_bits, parameters.fan_out_max_bits)
    found.facts["fan_out_usual"] = _per_principal(readings, _numbers(usual))


def _unusual_name(found: Found, readings: Readings) -> None:
    """Names that say more than the owner's usual ones. The hundredth says as much as the first: it is one of many."""
    parameters = readings.parameters
    _, (table, shares) = unusual_size(readings, "name")
    said = pl.DataFrame({"share": shares}).select(
        positive(-pl.col("share").log(2.0) - parameters.size_free_bits, parameters.size_max_bits)
    )["share"] * (table.keys.values != "").cast(pl.Float64)
    found.terms["unusual_name"] = Term(None, said[table.codes()])
    found.facts["name_share"] = _per_key(table, shares)


def _subdomains(found: Found, readings: Readings) -> None:
    """More different names below one domain this hour than owners usually ask for: data may travel in them."""
    parameters, groups = readings.parameters, readings.events.home("principal", "domain")
    pairs = combine(groups["principal"], groups["domain"])
    spread = distinct_so_far(readings, groups, pairs, groups["fqdn"], f"principal/{NAMES}")
    account = readings.principal.values.str.splitn(SEPARATOR, 2).struct.field("field_0")[pairs.left]
    key = account + SEPARATOR + groups["domain"].values[pairs.right] + SEPARATOR
    hours, logs = (readings.history("domain", key + name) for name in ("hours", "log_names"))
    prior = parameters.burst_prior_hours
    usual = (logs + math.log2(1 + MANY_NAMES) * prior) / (hours + prior)
    _beyond(found, "subdomains", spread, usual, parameters.subdomains_max_bits)
    found.facts["subdomains_usual"] = lambda wanted: _numbers(usual)[pairs.codes[groups.codes[wanted]]]


def _beyond(found: Found, term: str, spread: Distinct, free: pl.Series, most: float) -> None:
    """A term for each first of the hour that is one too many: log2 of their number, less ``free`` bits of the owner."""
    frame = pl.DataFrame({"count": spread.counts, "free": free[spread.owners]})
    said = frame.select(positive((pl.col("count") + 1).cast(pl.Float64).log(2.0) - pl.col("free"), most))["count"]
    found.terms[term] = Term(spread.index, said)
    found.facts[f"{term}_count"] = Term(spread.index, spread.counts.cast(pl.Float64)).at


def _numbers(logs: pl.Series) -> pl.Series:
    """log2 of 1 + a number → the number."""
    return logs.to_frame("log").select(pl.lit(2.0).pow(pl.col("log")) - 1.0).to_series()


def _unusual_density(found: Found, readings: Readings) -> None:
    """How few of the interface's flows in this direction had about as many bytes per packet, one step up or down."""
    parameters, table = readings.parameters, readings.table("principal/density")
    groups = table.groups
    labels = pl.DataFrame(
        {"owner": groups["principal"].values[table.keys.left], "label": groups["density"].values[table.keys.right]}
    ).with_columns(
        front=pl.concat_str("owner", pl.lit(SEPARATOR), pl.col("label").str.head(-2)),
        step=pl.col("label").str.tail(2).cast(pl.Int64, strict=False).fill_null(0),
    )

    def past(step: pl.Expr) -> pl.Series:
        keys = labels.select(key=pl.concat_str("front", step))["key"]
        return readings.history("principal/density", keys)

    # One step below 00 is no key, and counts nothing.
    near = [past((pl.col("step") + by).cast(pl.String).str.zfill(2)) for by in (-1, 0, 1)]
    frame = pl.DataFrame({"near": near[0] + near[1] + near[2], "all": past(pl.lit(DENSITY_ALL))})
    shares = frame.select((pl.col("near") + 0.5) / (pl.col("all") + 1.0))["near"]
    said = frame.select(
        positive(-pl.lit(shares).log(2.0) - parameters.size_free_bits, parameters.size_max_bits).alias("near")
    )["near"] * (table.keys.values != "").cast(pl.Float64)
    index, codes, running = table.uses(said > 0.0)
    found.terms["unusual_density"] = Term(index, said[codes] / (running + 1))
    found.facts["density_share"] = _per_key(table, shares)


def _new_to_site(found: Found, readings: Readings) -> None:
    """What nobody has ever brought to a site: against the site's own rate of such news; a rare method by its share."""
    parameters, family = readings.parameters, readings.events.family
    for factor in family.site_factors:
        if readings.events.absent(factor):
            continue
        table = readings.table(f"site/{factor}")
        sites = table.groups["site"]
        own = _sites(readings, sites, factor)
        warm = own["events"] >= parameters.warm_events
        if factor == "method":
            totals = own["events"][table.keys.left]
            share = (table.past + 0.5) / (totals + 1.0)
            bits = pl.DataFrame({"share": share}).select(
                positive(-pl.col("share").log(2.0) - parameters.method_free_bits, parameters.novelty_max_bits)
            )["share"]
            chosen, term = (bits > 0.0) & warm[table.keys.left] & (table.keys.values != ""), "rare_method"
            found.facts["method_count"] = _per_key(table, table.past)
        else:
            new = own.select(novelty_bits(pl.col("new"), pl.col("trials"), parameters))["new"]
            bits = new[table.keys.left]
            chosen, term = table.never() & warm[table.keys.left], f"site_new_{factor}"
        index, codes, running = table.uses(chosen)
        found.terms[term] = Term(index, bits[codes] / (running + 1))
        found.facts["site_events"] = _at_site(table.groups.codes, sites, own["events"])


def _at_site(codes: pl.Series, sites: Dimension, values: pl.Series) -> Fact:
    return lambda wanted: values[sites.codes[codes[wanted]]]


def _sites(readings: Readings, sites: Dimension, factor: str) -> pl.DataFrame:
    """``events``, ``trials`` and ``new`` (of a factor) of each site."""
    names = {"events": "events", "trials": "trials", "new": f"new {factor}"}
    key = sites.values + SEPARATOR
    return pl.DataFrame({column: readings.history("site", key + name) for column, name in names.items()})
