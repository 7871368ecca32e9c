"""Patterns that stay away: since when, and which hours of their silence must not be learnt as usual.

Belongs here: what is usual and when patterns last came → who is away. Does not belong here: the tests (``rates``), what
is told (``novelty``).

Silence that was told is not the new habit: whoever stops a trail twice must be told twice. So of the hours in which a
pattern is missed, from when it last came until it comes again, only the first one counts as an hour without it.
"""

from datetime import date, timedelta

import polars as pl

from s3sentinel_assets.ml.patterns.keeping import STALE_DAYS
from s3sentinel_assets.ml.patterns.rates import LEARNING_HOURS, breaks, usual

__all__ = ["away", "expected", "judged_hours", "passed_over", "telling"]

#: Patterns that are away: when they last came, and the first hour after that in which they were missed.
_AWAY_SCHEMA: dict[str, pl.DataType] = {"pattern": pl.String(), "last_hour": pl.String(), "missed": pl.String()}


def expected(templates: pl.DataFrame, rates: pl.DataFrame, observed: pl.DataFrame, day: str) -> pl.DataFrame:
    """What `breaks` tests an hour against, for every block.

    Args:
        templates: ``pattern``, ``first_hour`` and ``most``.
        rates: see ``rates``.
        observed: see ``rates``.
        day: the day up to which they go, exclusive.
    """
    found = usual(rates, observed, templates.select("pattern", "first_hour"), day)
    return found.join(templates.select("pattern", "most"), on="pattern", how="left", maintain_order="left")


def telling(usually: pl.DataFrame) -> pl.DataFrame:
    """``pattern`` and ``block``: where an hour without the pattern cannot be chance.

    Args:
        usually: of `expected`.
    """
    none = pl.DataFrame(schema={"pattern": pl.String, "events": pl.Int64})
    blocks = usually["block"].unique().sort().to_list()
    found = [
        breaks(usually.filter(pl.col("block") == block), none)
        .filter(pl.col("change") == "vanished")
        .select("pattern", block=pl.lit(block, pl.Int8))
        for block in blocks
    ]
    return pl.concat([pl.DataFrame(schema={"pattern": pl.String, "block": pl.Int8}), *found])


def judged_hours(observed: pl.DataFrame) -> pl.DataFrame:
    """``hour`` and ``block`` of what was observed since there was enough to judge by.

    Args:
        observed: ``OBSERVED_SCHEMA``; of a block that was observed in part all four hours are taken.
    """
    days = observed.group_by("day").agg(pl.col("hours").sum()).sort("day")
    judged = days.filter(pl.col("hours").cum_sum() - pl.col("hours") >= LEARNING_HOURS).select("day")
    of_block = pl.int_ranges(pl.col("block") % 6 * 4, pl.col("block") % 6 * 4 + 4)
    return (
        observed.filter(pl.col("hours") > 0)
        .join(judged, on="day", how="semi")
        .select("day", "block", number=of_block)
        .explode("number", empty_as_null=False)
        .select(hour=pl.format("{}-{}:00", "day", pl.col("number").cast(pl.String).str.zfill(2)), block="block")
        .sort("hour")
    )


def away(where: pl.DataFrame, last: pl.DataFrame, hours: pl.DataFrame) -> pl.DataFrame:
    """Patterns that were missed since they last came.

    Args:
        where: of `telling`.
        last: ``pattern`` and ``last_hour``, one row each: when they last came.
        hours: ``hour`` and ``block`` of all hours that count, in any order.

    Returns:
        ``pattern``, ``last_hour``, ``missed``: the first hour after that in which it was missed.
    """
    if where.is_empty() or hours.is_empty():
        return pl.DataFrame(schema=_AWAY_SCHEMA)
    return (
        where.join(last.select("pattern", "last_hour"), on="pattern", how="inner")
        .sort("last_hour")
        .join_asof(
            hours.select("hour", "block", missed="hour").sort("hour"),
            left_on="last_hour",
            right_on="hour",
            by="block",
            strategy="forward",
            allow_exact_matches=False,
            check_sortedness=False,
        )
        .filter(pl.col("missed").is_not_null())
        .group_by("pattern")
        .agg(pl.col("last_hour").first(), pl.col("missed").min())
        .select(list(_AWAY_SCHEMA))
        .sort("pattern")
    )


def passed_over(
    where: pl.DataFrame, last: pl.DataFrame, counted: pl.DataFrame, hours: pl.DataFrame, earlier: pl.DataFrame
) -> pl.DataFrame:
    """Hours of a day in which patterns stayed away although that had been noticed: they are not learnt.

    A pattern that was not seen for `STALE_DAYS` while others came is out of use; from then on its absence is learnt.

    Args:
        where: of `telling`, before the day.
        last: see `away`, before the day.
        counted: ``pattern`` and ``hour``: what came on the day.
        hours: ``hour`` and ``block`` of the day's observed hours.
        earlier: the same of the hours before the day.

    Returns:
        ``pattern``, ``block``, ``over``: number of hours.
    """
    stale = pl.lit(_days_before(str(hours["hour"].min()), STALE_DAYS))
    silent = ~pl.col("hour").is_in(counted["hour"].unique().implode())
    came = (
        pl.concat([last.select("pattern", hour="last_hour"), counted.select("pattern", "hour")])
        .with_columns(came="hour")
        .sort("hour")
    )
    missed = (
        where.join(hours, on="block", how="inner")
        .join(counted, on=["pattern", "hour"], how="anti")
        .sort("hour")
        .join_asof(came, on="hour", by="pattern", strategy="backward", check_sortedness=False)
        .filter((pl.col("came") >= stale) | silent)
    )
    gone = away(where, last, earlier).select("pattern", came="last_hour", noticed=pl.lit(value=True))
    first = pl.col("hour") == pl.col("hour").min().over("pattern", "came")
    return (
        missed.join(gone, on=["pattern", "came"], how="left")
        .filter(~first | pl.col("noticed").fill_null(value=False))
        .group_by("pattern", "block")
        .agg(pl.len().cast(pl.Int64).alias("over"))
        .sort("pattern", "block")
    )


def _days_before(hour: str, days: int) -> str:
    return (date.fromisoformat(hour[:10]) - timedelta(days=days)).isoformat()
