"""What is different about the patterns of an hour: new ones, vanished ones, and rates that broke.

Belongs here: an hour's counts and a catalogue → changes. Does not belong here: reading counts, telling people
(``pipeline``).

A change is told when it begins: a new pattern in its first hour, a vanished one in the first hour in which it is missed
since it last came, a broken rate in the hour before which it was as usual.
"""

from collections.abc import Iterable

import polars as pl

from s3sentinel_assets.ml.patterns.absence import away, expected, judged_hours, telling
from s3sentinel_assets.ml.patterns.catalogue import Catalogue, last_hours
from s3sentinel_assets.ml.patterns.counting import EVENT_IDS
from s3sentinel_assets.ml.patterns.mining import mine
from s3sentinel_assets.ml.patterns.rates import LEARNING_HOURS, block_of, breaks

__all__ = ["CHANGE_SCHEMA", "absences", "changes"]

#: One row a change, the most telling first; ``usual`` in events an hour, null for new patterns.
CHANGE_SCHEMA: dict[str, pl.DataType] = {
    "pattern": pl.String(),
    "change": pl.String(),
    "format": pl.String(),
    "table": pl.String(),
    "head": pl.String(),
    "body": pl.String(),
    "path": pl.Boolean(),
    "events": pl.Int64(),
    "usual": pl.Float64(),
    "first_time": pl.Datetime("us", "UTC"),
    "event_ids": pl.List(pl.String()),
}


def changes(
    catalogue: Catalogue,
    counts: pl.DataFrame,
    before: pl.DataFrame,
    previous: pl.DataFrame | None,
    hour: str,
    previous_hour: str,
    missing: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """The changes that an hour shows; none while the source is still being learnt.

    Args:
        catalogue: the newest one for the hour.
        counts: `COUNT_SCHEMA` of the hour, one row a pattern.
        before: the same columns for the hours since the catalogue's day, this one excluded.
        previous: the same columns for the hour before; None: it was not counted, so nothing is known of it.
        hour: the hour.
        previous_hour: the hour before.
        missing: of `absences`, up to this hour: who has been missed before is not told again.

    Returns:
        `CHANGE_SCHEMA`.
    """
    if catalogue.hours < LEARNING_HOURS:
        return pl.DataFrame(schema=CHANGE_SCHEMA)
    counts = counts.with_columns(catalogue.resolve(counts["pattern"]))
    known = catalogue.templates
    new = _new(known, counts.join(known, on="pattern", how="anti"), before)
    usually = _expected(catalogue)
    broken = _broken(usually, counts, hour)
    if missing is not None:
        noticed = missing.filter(pl.col("missed") < hour).select("pattern", change=pl.lit("vanished"))
        broken = broken.join(noticed, on=["pattern", "change"], how="anti", maintain_order="left")
    if previous is not None and broken.height:
        earlier = _broken(usually, previous.with_columns(catalogue.resolve(previous["pattern"])), previous_hour)
        broken = broken.join(
            earlier.select("pattern", "change"), on=["pattern", "change"], how="anti", maintain_order="left"
        )
    told = broken.join(
        known.select("pattern", "format", "table", "head", "body", "path"),
        on="pattern",
        how="left",
        maintain_order="left",
    ).join(
        counts.unique("pattern", keep="first", maintain_order=True).select("pattern", "first_time", "event_ids"),
        on="pattern",
        how="left",
        maintain_order="left",
    )
    rows = [new, told.select(list(CHANGE_SCHEMA))]
    return pl.concat(rows).match_to_schema(pl.Schema(CHANGE_SCHEMA))


def _new(known: pl.DataFrame, unknown: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """Unknown skeletons as templates, without those that came earlier since the catalogue was made."""
    if unknown.is_empty():
        return pl.DataFrame(schema=CHANGE_SCHEMA)
    columns = ["pattern", "format", "table", "head", "body", "mined", "path", "first_time", "events", "event_ids"]
    earlier = before.filter(~pl.col("known")).select(*columns, when=pl.lit(0))
    heads = unknown.select("format", "head").unique()
    old = known.filter("mined").select(
        *columns[:7],
        first_time=pl.lit(None, pl.Datetime("us", "UTC")),
        events=pl.lit(0, pl.Int64),
        event_ids=pl.lit([], pl.List(pl.String())),
        when=pl.lit(0),
    )
    members = pl.concat([old, earlier, unknown.select(*columns, when=pl.lit(1))]).join(
        heads, on=["format", "head"], how="semi"
    )
    members = members.sort("when", "first_time", "pattern", nulls_last=False)
    template = mine(members["format"] + "\x1f" + members["head"], members["body"], members["path"])
    return (
        members.with_columns(body=pl.when("mined").then(template).otherwise("body"))
        .group_by("format", "head", "body", maintain_order=True)
        .agg(
            pl.col("when").min(),
            pl.col("pattern", "table", "path", "first_time").first(),
            pl.col("events").sum(),
            pl.col("event_ids").explode(empty_as_null=False).head(EVENT_IDS),
        )
        .filter(pl.col("when") == 1)
        .sort("events", "pattern", descending=[True, False])
        .select(
            "pattern",
            pl.lit("new").alias("change"),
            "format",
            "table",
            "head",
            "body",
            "path",
            "events",
            pl.lit(None, pl.Float64()).alias("usual"),
            "first_time",
            "event_ids",
        )
    )


def absences(catalogue: Catalogue, seen: pl.DataFrame, hours: Iterable[str]) -> pl.DataFrame:
    """Patterns that are away: they were missed, and have not come since.

    Args:
        catalogue: the newest one.
        seen: ``pattern`` and ``hour``: what came since the catalogue's day.
        hours: the hours since that day that were counted whole.

    Returns:
        ``pattern``, ``last_hour`` (in which it last came), ``missed`` (the first hour after that in which it was
        missed).
    """
    if catalogue.hours < LEARNING_HOURS:
        return away(telling(_expected(catalogue).head(0)), catalogue.templates, pl.DataFrame())
    counted = list(hours)
    since = pl.DataFrame(
        {"hour": counted, "block": [block_of(hour) for hour in counted]}, schema={"hour": pl.String, "block": pl.Int8}
    )
    last = last_hours(catalogue, seen.select(catalogue.resolve(seen["pattern"]), "hour"))
    return away(telling(_expected(catalogue)), last, pl.concat([judged_hours(catalogue.observed), since]))


def _expected(catalogue: Catalogue) -> pl.DataFrame:
    return expected(catalogue.templates, catalogue.rates, catalogue.observed, catalogue.day)


def _broken(usually: pl.DataFrame, counts: pl.DataFrame, hour: str) -> pl.DataFrame:
    summed = counts.group_by("pattern").agg(pl.col("events").sum())
    return breaks(usually.filter(pl.col("block") == block_of(hour)), summed)
