"""Fields that a table has no column for → one JSON object a record.

Belongs here: making such an object of columns. Does not belong here: which fields these are, and members of JSON
records (``json_records``).
"""

from collections.abc import Iterable, Mapping

import polars as pl

from s3sentinel_assets.formats.frames import EXTRA

__all__ = ["json_object", "with_named_extra"]


def json_object(members: Mapping[str, str | pl.Expr]) -> pl.Expr:
    """A JSON object as text, without the members that are null; null where all are.

    Args:
        members: name → column or expression, of any type.
    """
    texts = []
    for name, value in members.items():
        column = pl.col(value) if isinstance(value, str) else value
        # One member: {"name":…} without its braces.
        encoded = pl.struct(column.alias(name)).struct.json_encode()
        texts.append(pl.when(column.is_not_null()).then(encoded.str.head(-1).str.slice(1)))
    if not texts:
        return pl.lit(None, dtype=pl.String)
    joined = pl.concat_str(*texts, separator=",", ignore_nulls=True)
    return pl.when(joined != "").then(pl.concat_str(pl.lit("{"), joined, pl.lit("}")))


def with_named_extra(frame: pl.DataFrame, names: Iterable[str]) -> pl.DataFrame:
    """Moves the columns ``names`` into ``_extra``, beside what is there."""
    moved = [name for name in names if name in frame.columns]
    if not moved:
        return frame
    filled = [name for name in moved if frame[name].null_count() < frame.height]
    made = json_object({name: name for name in filled}) if filled else pl.lit(None, dtype=pl.String)
    if EXTRA in frame.columns:
        had = pl.col(EXTRA)
        both = pl.concat_str(had.str.head(-1), pl.lit(","), made.str.slice(1))
        made = pl.when(had.is_not_null() & made.is_not_null()).then(both).otherwise(pl.coalesce(had, made))
    return frame.with_columns(made.alias(EXTRA)).drop(moved)
