"""Fields that a format reads and its table has no column for → ``_extra``.

Belongs here: adding such columns to the JSON object in ``_extra``. Does not belong here: fields that the format does
not name at all: those are there already (``decoding``).
"""

from collections.abc import Collection, Sequence

import msgspec
import polars as pl

from s3sentinel_assets.formats.frames import EXTRA

__all__ = ["joined_objects", "with_unplaced"]


def with_unplaced(frame: pl.DataFrame, names: Sequence[str], json_texts: Collection[str]) -> pl.DataFrame:
    """Adds the columns ``names`` to the object in ``_extra``, where they are not null.

    Args:
        frame: raw columns; those named stay.
        names: columns, in the order of the members.
        json_texts: those of them that hold JSON texts.
    """
    filled = [name for name in names if frame[name].null_count() < frame.height]
    if not filled:
        return frame
    # Mostly few rows have any.
    concerned = frame.select(pl.any_horizontal(pl.col(filled).is_not_null())).to_series().arg_true()
    members: list[pl.Expr] = []
    for name in filled:
        if name in json_texts:
            members.append(pl.concat_str(pl.lit(msgspec.json.encode(name).decode() + ":"), name))
        else:
            encoded = pl.struct(name).struct.json_encode()
            members.append(pl.when(pl.col(name).is_not_null()).then(_without_braces(encoded)))
    joined = pl.concat_str(*members, _without_braces(pl.col(EXTRA)), separator=",", ignore_nulls=True)
    rows = frame.select(pl.col(*filled, EXTRA).gather(concerned))
    made = rows.select(pl.concat_str(pl.lit("{"), joined, pl.lit("}")))
    return frame.with_columns(frame[EXTRA].scatter(concerned, made.to_series()))


def joined_objects(first: pl.Series, second: pl.Series) -> pl.Series:
    """Row by row one JSON object's text with the members of both; null where both are null."""
    both = pl.concat_str(*map(_without_braces, (pl.col("first"), pl.col("second"))), separator=",", ignore_nulls=True)
    whole = pl.when(both != "").then(pl.concat_str(pl.lit("{"), both, pl.lit("}"))).alias(first.name)
    return pl.DataFrame([first.alias("first"), second.alias("second")]).select(whole).to_series()


def _without_braces(text: pl.Expr) -> pl.Expr:
    return text.str.strip_prefix("{").str.strip_suffix("}")
