"""Patterns of the rows of a file: an id for each row, and what there is of each pattern.

Belongs here: rows, entity view and catalogue → ids and counts. Does not belong here: files (``pipeline``).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from s3sentinel_assets.ml.patterns.catalogue import COUNT_SCHEMA, Catalogue
from s3sentinel_assets.ml.patterns.matching import match
from s3sentinel_assets.ml.patterns.recipes import recipe_of
from s3sentinel_assets.ml.patterns.skeletons import skeletons

__all__ = ["COUNTED_NEW", "EVENT_IDS", "PartPatterns", "add_up", "count_patterns"]

#: Ids of events kept of each pattern.
EVENT_IDS = 3
#: Unknown patterns of a part that are kept, the most frequent ones.
COUNTED_NEW = 5_000


@dataclass(frozen=True)
class PartPatterns:
    """What the rows of a file are.

    Attributes:
        ids: String, shape (rows,), the patterns; None where rows of this format carry none.
        counts: `COUNT_SCHEMA`.
    """

    ids: pl.Series | None
    counts: pl.DataFrame


def count_patterns(
    rows: pl.DataFrame, entities: pl.DataFrame, log_format: str, table: str, catalogue: Catalogue | None
) -> PartPatterns:
    """The patterns of rows of one format in one table.

    Args:
        rows: the columns that `needed_columns` names.
        entities: row-aligned: those it names, and ``event_id`` and ``time``.
        log_format: the rows' format.
        table: their table.
        catalogue: the newest one for their hour.
    """
    recipe = recipe_of(log_format, table)
    found = skeletons(rows, entities, log_format, table)
    matched = match(found.distinct, log_format, catalogue)
    # Several skeletons are of one template.
    each = matched.unique("pattern", keep="first", maintain_order=True)
    places = matched.select("pattern").join(
        each.select("pattern", place=pl.int_range(pl.len(), dtype=pl.UInt32)),
        on="pattern",
        how="left",
        maintain_order="left",
    )["place"]
    codes = places.gather(found.codes)
    summed = _per_code(codes, entities)
    counts = summed.select(
        pl.lit(log_format).alias("format"),
        pl.lit(table).alias("table"),
        *(each[name].gather(summed["code"]) for name in ("pattern", "known", "head", "body")),
        pl.lit(recipe.mined).alias("mined"),
        pl.lit(bool(recipe.path)).alias("path"),
        "events",
        "first_time",
        "event_ids",
    )
    ids = each["pattern"].gather(codes).rename("Pattern_CF") if recipe.delivered else None
    return PartPatterns(ids, counts.match_to_schema(pl.Schema(COUNT_SCHEMA)))


def _per_code(codes: pl.Series, entities: pl.DataFrame) -> pl.DataFrame:
    """``code``, ``events``, ``first_time`` and ``event_ids``: the first ones by time, then id."""
    frame = pl.DataFrame([codes.alias("code"), entities["time"], entities["event_id"]])
    return (
        frame.group_by("code")
        .agg(
            pl.len().cast(pl.Int64).alias("events"),
            pl.col("time").min().alias("first_time"),
            pl.col("event_id").bottom_k_by(["time", "event_id"], EVENT_IDS).alias("event_ids"),
        )
        .sort("code")
    )


def add_up(
    frames: Iterable[pl.DataFrame], keep_new: int | None = None, catalogue: Catalogue | None = None
) -> tuple[pl.DataFrame, int]:
    """Counts of several files as one frame, a row for each pattern; and how many events it leaves out.

    Args:
        frames: `COUNT_SCHEMA`, in any order.
        keep_new: of unknown patterns only so many are kept, the most frequent ones.
        catalogue: what it knows is not unknown, whatever the catalogue knew that a file was counted with.
    """
    together = pl.concat([pl.DataFrame(schema=COUNT_SCHEMA), *frames]).sort("first_time", "pattern", "body")
    summed = (
        together.group_by("format", "pattern", maintain_order=True)
        .agg(
            pl.col("table", "head", "body", "mined", "path", "first_time").first(),
            pl.col("known").any(),
            pl.col("events").sum(),
            # Each list begins with the file's first ones, so the first of all are among them.
            pl.col("event_ids").explode(empty_as_null=False).head(EVENT_IDS),
        )
        .select(list(COUNT_SCHEMA))
        .sort("format", "pattern")
    )
    new = ~summed["known"] if catalogue is None else ~(summed["known"] | catalogue.knows(summed["pattern"]))
    if keep_new is None or new.sum() <= keep_new:
        return summed, 0
    order = summed.filter(new).sort("events", "pattern", descending=[True, False])
    dropped = order.slice(keep_new)
    return summed.join(dropped.select("format", "pattern"), on=["format", "pattern"], how="anti"), int(
        dropped["events"].sum()
    )
