"""How the entity state advances: last hour's counts fade, this hour's are added.

Belongs here: the pure function `update`. Does not belong here: choosing the batches of an hour (the pipeline does) or
reading the state for scores (``features``).

All sums over events are sums of integers (a count is kept in units of 1/65,536 while it is added up), so the order of
batches, rows and threads cannot change a bit of the result.
"""

from collections.abc import Iterable
from typing import Protocol

import polars as pl

from s3sentinel_assets.ml.history.bits import decay_factor, surprise_bits, without_own_history
from s3sentinel_assets.ml.history.dimensions import SEPARATOR, without_separator, zeros
from s3sentinel_assets.ml.history.fading import remaining
from s3sentinel_assets.ml.history.families import FACTORS, Family, family_of
from s3sentinel_assets.ml.history.family_counts import (
    NAMES,
    count_more,
    domain_habits,
    owner_habits,
    site_counts,
    with_density_total,
    within_hourly_bounds,
    within_owner_bounds,
)
from s3sentinel_assets.ml.history.keys import Events, prepare
from s3sentinel_assets.ml.history.merging import KEY, merged, places
from s3sentinel_assets.ml.history.state import STATE_SCHEMA, EntityState, empty_state, hour_number
from s3sentinel_assets.ml.parameters import Parameters

__all__ = ["SHARED_TABLES", "Learner", "update"]

#: Tables whose owner is not the principal: a count is the sum of what each principal contributes, capped for each.
SHARED_TABLES = ("peer/action", "global/action", "account/wide_network", "account/agent")
#: Calls that fit a sensitivity rule, by principal and rule.
_RULE = "rule"
_OWN = (*FACTORS, "hour", "size", "density", "name", _RULE)
_UNITS = 1 << 16
_BIT_UNITS = 1 << 7
# Taken to nine tenths of the limit, so that it is not reached anew every hour.
_ROOM = 10


class Learner(Protocol):
    """What learning needs of a scoring model."""

    @property
    def format(self) -> str:
        """Log family."""
        ...

    @property
    def parameters(self) -> Parameters:
        """Half-life, cap and thresholds."""
        ...

    def rule_items(self, events: Events, detail: pl.Series) -> pl.Series | None:
        """String per event: the sensitivity rule that it fits, or null; None where there are no rules.

        Args:
            events: from ``keys.prepare``.
            detail: String, beside them: request parameters as JSON text, or null.
        """
        ...


def update(
    state: EntityState | None,
    batches: Iterable[pl.DataFrame],
    hour: str,
    *,
    format: str,  # noqa: A002 - the word the whole project uses
    model: Learner,
    max_keys: int | None = None,
) -> EntityState:
    """The state after ``hour``.

    Args:
        state: the newest earlier state; hours without one between it and ``hour`` fade its counts all the same.
        batches: every entity-view frame to learn in this hour, in any order; duplicates are removed beforehand.
        hour: the hour that is sealed.
        format: log family of the batches.
        model: half-life, cap, thresholds and sensitivity rules.
        max_keys: how many keys the state may have; the faintest go first. None: any number.

    Raises:
        ValueError: ``state`` is of another format or not earlier than ``hour``.
    """
    previous = state if state is not None else empty_state(format, "1970-01-01-00:00")
    if previous.format != format or model.format != format:
        raise ValueError(f"state of {previous.format!r} and model of {model.format!r} cannot learn {format!r} events")
    if previous.hour >= hour:
        raise ValueError(f"the state of {previous.hour} cannot learn the earlier or same hour {hour}")
    parameters = model.parameters
    family = family_of(format)
    counts = _merge([_count(batch, format, model) for batch in batches])
    events = int(counts["action"]["count"].sum()) if counts else 0
    number, stored = hour_number(hour), _as_stored(previous, parameters)
    if events:
        gap = number - hour_number(previous.hour)
        added = _contributions(counts, previous, decay_factor(gap - 1, parameters), parameters, family)
        stored = _added(stored, added, number, parameters)
    left = remaining(stored["count"], stored["last_hour"], number, parameters.half_life_hours)
    alive = left >= parameters.drop_below
    stored, left = stored.filter(alive), left.filter(alive)
    if family.bounded and number // 24 != hour_number(previous.hour) // 24:
        kept = within_owner_bounds(stored, left, family)
        stored, left = stored.filter(kept), left.filter(kept)
    height = stored.height
    if max_keys is not None and height > max_keys:
        stored = _clearest(stored, left, max_keys - max_keys // _ROOM).sort(KEY)
    return EntityState(
        hour=hour,
        format=format,
        stored=stored.rechunk(),
        events=events,
        half_life_hours=parameters.half_life_hours,
        drop_below=parameters.drop_below,
        crowded_out=height - stored.height,
    )


def _as_stored(previous: EntityState, parameters: Parameters) -> pl.DataFrame:
    """The rows of the state. With another half-life from now on, all are as of its hour: the past faded as it did."""
    if previous.half_life_hours == parameters.half_life_hours:
        return previous.stored
    return previous.frame.with_columns(last_hour=pl.lit(hour_number(previous.hour), pl.Int32()))


def _added(stored: pl.DataFrame, added: pl.DataFrame, number: int, parameters: Parameters) -> pl.DataFrame:
    """The rows with an hour's counts added; those that the hour does not touch stay as they are, bit for bit."""
    added = added.sort(KEY)
    place, known = places(stored, added)
    before = stored[place.filter(known)]
    left = remaining(before["count"], before["last_hour"], number, parameters.half_life_hours)
    at, hour = known.arg_true(), pl.Series([number], dtype=pl.Int32).new_from_index(0, added.height)
    touched = pl.DataFrame(
        {
            "table": added["table"],
            "key": added["key"],
            # a + b = b + a: this float sum of two has no order.
            "count": added["count"] + zeros(added.height, pl.Float64).scatter(at, left),
            "first_hour": hour.clone().scatter(at, before["first_hour"]),
            "last_hour": hour,
        },
        schema=STATE_SCHEMA,
    )
    return merged(stored, touched)


def _clearest(stored: pl.DataFrame, left: pl.Series, keep: int) -> pl.DataFrame:
    """The rows of which most is left; of equal ones those touched last, then by name."""
    ranked = stored.with_columns(left.alias("_left"))
    order = ["_left", "last_hour", *KEY]
    return ranked.sort(order, descending=[True, True, False, False]).head(keep).drop("_left")


def _count(batch: pl.DataFrame, log_format: str, model: Learner) -> dict[str, pl.DataFrame]:
    """Whole counts of one batch: ``action`` by principal, peer and action, the others by principal and item."""
    events = prepare(batch, log_format, ordered=False)
    counted = _count_rules(events, batch, model)
    for factor in (name for name in _OWN if name != _RULE):
        names = ("principal", "peer", "action") if factor == "action" else ("principal", factor)
        if events.absent(factor):
            continue
        groups = events.home(*names)
        sums = pl.DataFrame({name: groups[name].codes for name in names} | {"count": groups.counts})
        sums = sums.group_by(names).agg(pl.col("count").sum())
        text = {name: groups[name].values[sums[name]] for name in names}
        frame = pl.DataFrame(text | {"count": sums["count"]})
        counted[factor] = frame.filter(pl.col(names[-1]) != "").rename({names[-1]: "item"})
    return counted | count_more(events)


def _count_rules(events: Events, batch: pl.DataFrame, model: Learner) -> dict[str, pl.DataFrame]:
    """Calls that fit a sensitivity rule, by principal and rule."""
    if "detail" not in events.family.more:
        return {}
    items = model.rule_items(events, batch["detail"].cast(pl.String)[events.rows])
    if items is None or items.null_count() == items.len():
        return {}
    index = items.is_not_null().arg_true()
    what = events.groups["what"]
    principal = what["principal"]
    named = pl.DataFrame(
        {"principal": principal.values[principal.codes[what.codes[index]]], "item": without_separator(items[index])}
    )
    return {_RULE: named.group_by("principal", "item").agg(pl.len().cast(pl.Int64).alias("count"))}


def _merge(counted: list[dict[str, pl.DataFrame]]) -> dict[str, pl.DataFrame]:
    """Adds up the batches."""
    merged = {}
    for factor in dict.fromkeys(name for counts in counted for name in counts):
        frames = [counts[factor] for counts in counted if factor in counts]
        if frames:
            keys = [name for name in frames[0].columns if name != "count"]
            merged[factor] = pl.concat(frames).group_by(keys).agg(pl.col("count").sum())
    return merged


def _contributions(
    counts: dict[str, pl.DataFrame], previous: EntityState, decay: float, parameters: Parameters, family: Family
) -> pl.DataFrame:
    """table, key, count: what this hour adds."""
    totals = counts["action"].group_by("principal").agg(pl.col("count").sum().alias("total"))
    cap = parameters.hourly_cap
    # One principal adds at most about ``cap`` to all its keys, but one seen key at least 1: rare stays known.
    units = (
        pl.when(pl.col("total") <= cap)
        .then(pl.col("count") * _UNITS)
        .otherwise(
            pl.max_horizontal(pl.lit(_UNITS, dtype=pl.Int64), pl.col("count") * (cap * _UNITS) // pl.col("total"))
        )
    )
    capped = {
        factor: frame.join(totals, on="principal", how="left").with_columns(units=units)
        for factor, frame in within_hourly_bounds(counts, family).items()
        if factor != NAMES
    }
    principal, account = pl.col("principal"), pl.col("principal").str.split(SEPARATOR).list.first()
    actions = capped["action"]
    tables = [
        _summed(actions, "peer/action", pl.concat_str("peer", "item", separator=SEPARATOR)),
        _summed(actions, "global/action", pl.col("item")),
        _summed(actions, "peer", pl.col("peer")),
        _summed(actions, "account", account),
        _summed(actions, "global", pl.lit("all")),
    ]
    for factor in (name for name in _OWN if name in capped):
        frame = capped[factor]
        if factor in ("size", "name"):
            frame = _at_least(frame)
        if factor == "density":
            frame = with_density_total(frame)
        tables.append(_summed(frame, f"principal/{factor}", pl.concat_str(principal, "item", separator=SEPARATOR)))
        if factor in family.account_factors:
            tables.append(_summed(frame, f"account/{factor}", pl.concat_str(account, "item", separator=SEPARATOR)))
    own = {table["table"][0]: table for table in tables if table.height}
    statistics = [_statistics(capped, own, previous, decay, parameters, family)]
    if family.site:
        statistics += site_counts(capped, previous, decay, parameters, family)
    if NAMES in counts:
        statistics.append(domain_habits(counts[NAMES]))
    return pl.concat([*tables, *statistics]).select("table", "key", count=pl.col("units") / _UNITS)


def _summed(frame: pl.DataFrame, table: str, key: pl.Expr) -> pl.DataFrame:
    grouped = frame.group_by(key.alias("key")).agg(pl.col("units").sum())
    return grouped.select(pl.lit(table).alias("table"), "key", "units")


def _at_least(sizes: pl.DataFrame) -> pl.DataFrame:
    """Each size step counts for all smaller ones too: the state then answers "how many were at least this big"."""
    step = pl.col("item").str.tail(2).cast(pl.Int64)
    return (
        sizes.with_columns(step=pl.int_ranges(0, step + 1))
        .explode("step")
        .with_columns(item=pl.concat_str(pl.col("item").str.head(-2), pl.col("step").cast(pl.String).str.zfill(2)))
    )


def _statistics(
    capped: dict[str, pl.DataFrame],
    own: dict[str, pl.DataFrame],
    previous: EntityState,
    decay: float,
    parameters: Parameters,
    family: Family,
) -> pl.DataFrame:
    """The table ``principal``: statistics of each principal, keyed by its name and the statistic's.

    ``events`` and ``active_hours``; ``log_events`` and ``log_errors`` (log2 of 1 + the hour's number, so that usual
    means a geometric mean, which one burst cannot move far). Once a principal is warm also ``trials`` (events since
    then), ``surprise`` (their bits, summed) and ``new <factor>`` (first times): a newcomer's first times say nothing.
    """
    actions = capped["action"]
    errors = pl.DataFrame(schema={"principal": pl.String(), "errors": pl.Int64()})
    if "error" in capped:
        errors = capped["error"].group_by("principal").agg(pl.col("count").sum().alias("errors"))
    by_principal = (
        actions.group_by("principal")
        .agg(pl.col("units").sum().alias("events"), pl.col("total").first())
        .join(errors, on="principal", how="left")
        .sort("principal")
    )
    history = previous.statistics(["events"], by_principal["principal"], decay=decay)["events"]
    warm = by_principal.filter(history >= parameters.warm_events).select("principal", trials="events")
    log = lambda name: ((pl.col(name).fill_null(0) + 1).cast(pl.Float64).log(2.0) * _UNITS).round().cast(pl.Int64)  # noqa: E731
    statistics = [
        by_principal.select("principal", "events", active_hours=pl.lit(_UNITS, dtype=pl.Int64)),
        by_principal.select("principal", log_events=log("total"), log_errors=log("errors")),
        warm,
        _surprise(actions.join(warm, on="principal", how="semi"), previous, decay, parameters),
        *owner_habits(capped, by_principal["principal"], family),
    ]
    for factor in FACTORS:
        table = own.get(f"principal/{factor}")
        if table is not None:
            unseen = table.filter(
                previous.history(f"principal/{factor}", table["key"], decay=decay, drop_below=parameters.drop_below)
                == 0.0
            )
            # A principal's name is an account and a name: the first two of the key's pieces.
            owner = pl.col("key").str.splitn(SEPARATOR, 3)
            owner = pl.concat_str(owner.struct.field("field_0"), owner.struct.field("field_1"), separator=SEPARATOR)
            new = unseen.select(principal=owner).group_by("principal").agg(pl.len().cast(pl.Int64) * _UNITS)
            statistics.append(new.rename({"len": f"new {factor}"}).join(warm, on="principal", how="semi"))
    rows = [frame.unpivot(index="principal", variable_name="name", value_name="units") for frame in statistics]
    return pl.concat(rows).select(
        table=pl.lit("principal"), key=pl.concat_str("principal", "name", separator=SEPARATOR), units="units"
    )


def _surprise(actions: pl.DataFrame, previous: EntityState, decay: float, parameters: Parameters) -> pl.DataFrame:
    """principal, surprise: the bits of its actions of this hour against the state before it, summed."""
    own_keys = actions.select(pl.concat_str("principal", "item", separator=SEPARATOR))["principal"]
    peer_keys = actions.select(pl.concat_str("peer", "item", separator=SEPARATOR))["peer"]

    def past(table: str, keys: pl.Series) -> pl.Series:
        return previous.history(table, keys, decay=decay, drop_below=parameters.drop_below)

    frame = pl.DataFrame(
        {
            "own": past("principal/action", own_keys),
            "own_total": previous.statistics(["events"], actions["principal"], decay=decay)["events"],
            "peer": past("peer/action", peer_keys),
            "peer_total": past("peer", actions["peer"]),
            "everyone": past("global/action", actions["item"]),
        }
    )
    assumed = without_own_history(
        peer=pl.col("peer"),
        peer_total=pl.col("peer_total"),
        everyone=pl.col("everyone"),
        everyone_total=past("global", pl.Series(["all"]))[0],
        parameters=parameters,
    )
    bits = frame.select(surprise_bits(pl.col("own"), pl.col("own_total"), assumed, parameters))["own"]
    whole = (bits * _BIT_UNITS).round().cast(pl.Int64)
    return (
        actions.with_columns(surprise=whole * pl.col("units"))
        .group_by("principal")
        .agg(pl.col("surprise").sum() // _BIT_UNITS)
    )
