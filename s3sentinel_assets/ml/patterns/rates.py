"""How often a pattern usually comes in an hour, and when that has broken.

Belongs here: the decayed statistics and the tests. Does not belong here: which events are of which pattern.

Hours are compared with hours of the same block: four hours of the day, on workdays or at weekends. A count is judged by
a negative binomial distribution with the pattern's own mean and variance (Poisson where it is not over-dispersed), made
wider by what the estimates themselves are uncertain of. The level is divided among all patterns tested in the hour
(Bonferroni), so that all of them together give less than one false alarm in `DAYS_PER_FALSE_ALARM` days.
"""

from datetime import date

import polars as pl

__all__ = [
    "BLOCKS",
    "HALF_LIFE_DAYS",
    "LEARNING_HOURS",
    "OBSERVED_SCHEMA",
    "RATE_SCHEMA",
    "advance",
    "block_of",
    "breaks",
    "pass_over",
    "usual",
]

#: Decayed sums by pattern and block: events an hour, their squares, and hours in which any came. Sorted.
RATE_SCHEMA: dict[str, pl.DataType] = {
    "pattern": pl.String(),
    "block": pl.Int8(),
    "events": pl.Float64(),
    "squares": pl.Float64(),
    "present": pl.Float64(),
}
#: Hours that were observed, by day and block: whether a pattern came in them or not. Sorted.
OBSERVED_SCHEMA: dict[str, pl.DataType] = {"day": pl.String(), "block": pl.Int8(), "hours": pl.Int64()}

BLOCKS = 12
HALF_LIFE_DAYS = 14.0
#: Before a source has been observed for so long, nothing is told of it.
LEARNING_HOURS = 72
DAYS_PER_FALSE_ALARM = 1.25
#: Effective hours of the block that a pattern must have been known for.
_KNOWN_HOURS = 10.0
_USUAL = 2.0
#: "Always came": in so many of a hundred hours of the block ...
_ALWAYS = 0.98
#: ... or in all but one; or in most of them, and in almost all hours of the blocks in which it comes regularly.
_ONCE = 1.01
_HERE, _REGULAR, _ANYWHERE = 0.1, 0.2, 0.01
_NO_HOURS = 1e-6
_TIMES, _APART = 3.0, 10.0
# Counts of machines and people drift by more than their spread says: a relative deviation of 20 % is always granted.
_DRIFT = 0.04


def block_of(hour: str) -> int:
    """The block of an hour key: 0 to 5 on workdays, 6 to 11 at weekends."""
    weekend = date.fromisoformat(hour[:10]).weekday() >= 5
    return int(hour[11:13]) // 4 + (6 if weekend else 0)


def advance(rates: pl.DataFrame, counts: pl.DataFrame, days: int) -> pl.DataFrame:
    """Rates after a day more.

    Args:
        rates: `RATE_SCHEMA`.
        counts: ``pattern``, ``block``, ``hour``, ``events`` (Int64) of the new day, one row a pattern and hour.
        days: how many days have passed since ``rates``; they fade by that.
    """
    fade = 0.5 ** (days / HALF_LIFE_DAYS)
    fresh = counts.group_by("pattern", "block").agg(
        pl.col("events").sum().alias("new_events"),
        (pl.col("events") * pl.col("events")).sum().alias("new_squares"),
        pl.len().cast(pl.Int64).alias("new_present"),
    )
    joined = rates.join(fresh, on=["pattern", "block"], how="full", coalesce=True)
    return joined.select(
        "pattern",
        "block",
        *(
            (pl.col(name).fill_null(0.0) * fade + pl.col(f"new_{name}").fill_null(0)).alias(name)
            for name in ("events", "squares", "present")
        ),
    ).sort("pattern", "block")


def usual(rates: pl.DataFrame, observed: pl.DataFrame, firsts: pl.DataFrame, day: str) -> pl.DataFrame:
    """What each pattern usually does in an hour of each block in which it ever came.

    Args:
        rates: `RATE_SCHEMA`.
        observed: `OBSERVED_SCHEMA`.
        firsts: ``pattern``, ``first_hour``: since when it is known.
        day: the day up to which the rates go, exclusive.

    Returns:
        ``pattern``, ``block``, ``mean``, ``variance`` (of the events in an hour), ``steady`` (whether an hour without
        any says something) and ``hours`` (effective number of hours behind them).
    """
    known = _known_hours(rates.join(firsts, on="pattern", how="inner"), observed, day)
    mean, absent = pl.col("events") / pl.col("hours"), pl.col("absent")
    spread = (pl.col("squares") / pl.col("hours") - mean * mean) * pl.col("hours") / (pl.col("hours") - 1).clip(1.0)
    regular = (absent <= pl.col("hours") * _REGULAR) | (absent <= _ONCE)
    return (
        known.sort("pattern", "block")
        .with_columns(absent=(pl.col("hours") - pl.col("present")).clip(0.0))
        .with_columns(
            all_absent=pl.when(regular).then(absent).sum().over("pattern"),
            all_hours=pl.when(regular).then("hours").sum().over("pattern"),
        )
        .select(
            "pattern",
            "block",
            mean.alias("mean"),
            spread.clip(0.0).alias("variance"),
            (
                (absent <= pl.col("hours") * (1.0 - _ALWAYS))
                | (
                    ((absent <= pl.col("hours") * _HERE) | (absent <= _ONCE))
                    & ((pl.col("all_absent") <= pl.col("all_hours") * _ANYWHERE) | (pl.col("all_absent") <= _ONCE))
                )
            ).alias("steady"),
            "hours",
        )
    )


def pass_over(
    rates: pl.DataFrame, observed: pl.DataFrame, firsts: pl.DataFrame, day: str, over: pl.DataFrame
) -> pl.DataFrame:
    """Rates as if hours in which a pattern did not come had not been observed.

    Args:
        rates: `RATE_SCHEMA`, the day before ``day`` being the last one in it.
        observed: `OBSERVED_SCHEMA`, that day too.
        firsts: see `usual`.
        day: see `usual`.
        over: ``pattern``, ``block``, ``over`` (hours of that day that do not count).
    """
    some = rates.join(over, on=["pattern", "block"], how="inner").join(firsts, on="pattern", how="inner")
    factors = _known_hours(some, observed, day).select(
        "pattern", "block", factor=pl.col("hours") / (pl.col("hours") - pl.col("over")).clip(0.5)
    )
    return rates.join(factors, on=["pattern", "block"], how="left", maintain_order="left").select(
        "pattern",
        "block",
        *(pl.col(name) * pl.col("factor").fill_null(1.0) for name in ("events", "squares", "present")),
    )


def _known_hours(rates: pl.DataFrame, observed: pl.DataFrame, day: str) -> pl.DataFrame:
    """Rates with ``hours``: how many of the block, faded, were observed since the pattern's first one."""
    until = pl.lit(date.fromisoformat(day))
    weights = (
        observed.with_columns(age=(until - pl.col("day").str.to_date()).dt.total_days() - 1)
        .select("block", "day", "hours", weight=pl.lit(0.5).pow(pl.col("age") / HALF_LIFE_DAYS))
        .sort("block", "day", descending=[False, True])
        .with_columns(until_now=(pl.col("hours") * pl.col("weight")).cum_sum().over("block"))
    )
    # Of the first day only its hours from the first one on; those of a block that is half observed are its last ones.
    end = (pl.col("block") % 6).cast(pl.Int64) * 4 + 4
    hours_left = (end - pl.col("first_hour").str.slice(11, 2).cast(pl.Int64)).clip(0, 4)
    return (
        rates.with_columns(first_day=pl.col("first_hour").str.slice(0, 10))
        .sort("first_day")
        .join_asof(
            weights.select("block", "day", "until_now").sort("day"),
            left_on="first_day",
            right_on="day",
            by="block",
            strategy="forward",
            check_sortedness=False,
        )
        .join(
            weights.select("block", "hours", "weight", first_day="day"),
            on=["block", "first_day"],
            how="left",
        )
        .with_columns(
            hours=pl.col("until_now")
            - (pl.col("hours") - hours_left).clip(0).fill_null(0) * pl.col("weight").fill_null(0.0)
        )
        .drop("first_day", "day", "until_now", "weight")
        .filter(pl.col("hours") > _NO_HOURS)
    )


def breaks(expected: pl.DataFrame, counts: pl.DataFrame) -> pl.DataFrame:
    """Patterns whose count cannot be chance any more.

    Args:
        expected: of `usual`, one block of it, with ``most``: the highest count of an hour so far.
        counts: ``pattern``, ``events`` (Int64) of the hour; a pattern that is missing has none.

    Returns:
        ``pattern``, ``change`` (``vanished`` or ``rate``), ``events``, ``usual``, ``probability``; most telling first.
    """
    from scipy.special import betainc

    tested = (
        expected.filter((pl.col("hours") >= _KNOWN_HOURS) & (pl.col("mean") >= _USUAL))
        .join(counts.select("pattern", "events"), on="pattern", how="left")
        .with_columns(pl.col("events").fill_null(0))
    )
    if tested.is_empty():
        return tested.select(
            "pattern", pl.lit("").alias("change"), "events", pl.col("mean").alias("usual"), probability=pl.col("mean")
        )
    level = 1.0 / (24.0 * DAYS_PER_FALSE_ALARM * 2.0 * tested.height)
    mean = pl.col("mean")
    wide = pl.max_horizontal("variance", mean) * (1.0 + 2.0 / pl.col("hours")) + mean * mean * (
        _DRIFT + 1.0 / pl.col("hours")
    )
    tested = tested.with_columns(size=mean * mean / (wide - mean).clip(1e-9))
    size, count = tested["size"].to_numpy(), tested["events"].to_numpy().astype(float)
    share = size / (size + tested["mean"].to_numpy())
    at_most = betainc(size, count + 1.0, share)
    at_least = betainc(count.clip(min=1.0), size, 1.0 - share)
    found = tested.with_columns(at_most=pl.Series(at_most), at_least=pl.Series(at_least))
    events = pl.col("events")
    gone = (events == 0) & pl.col("steady") & (pl.col("at_most") < level)
    fewer = (events > 0) & (events * _TIMES <= mean) & (mean - events >= _APART) & (pl.col("at_most") < level)
    more = (
        (events >= mean * _TIMES) & (events - mean >= _APART) & (events > pl.col("most")) & (pl.col("at_least") < level)
    )
    return (
        found.with_columns(
            change=pl.when(gone).then(pl.lit("vanished")).when(fewer | more).then(pl.lit("rate")),
            probability=pl.when(more).then("at_least").otherwise("at_most"),
        )
        .filter(pl.col("change").is_not_null())
        .select("pattern", "change", "events", mean.alias("usual"), "probability")
        .sort("probability", "usual", "pattern", descending=[False, True, False])
    )
