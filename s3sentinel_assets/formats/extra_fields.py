"""Fields that a table has no column for → one JSON object a record.

Belongs here: making such an object of columns. Does not belong here: which fields these are, and members of JSON
records (``json_logs.records``).
"""

from collections.abc import Iterable, Mapping

import polars as pl

from s3sentinel_assets.formats.frames import EXTRA

__all__ = ["json_object", "with_named_extra"]


#: A member without a value, behind another one. Outside of texts a comma and a quote begin a name.
_NULL_MEMBER = r',"(?:[^"\\]|\\.)*":null'


def json_object(members: Mapping[str, str | pl.Expr]) -> pl.Expr:
    """A JSON object as text, without the members that are null; null where all are.

    Args:
        members: name → column or expression, of any type.
    """
    if not members:
        return pl.lit(None, dtype=pl.String)
    columns = [(pl.col(value) if isinstance(value, str) else value).alias(name) for name, value in members.items()]
    return pl.struct(columns).map_batches(_encoded, return_dtype=pl.String(), is_elementwise=True)


def _encoded(structs: pl.Series) -> pl.Series:
    """Structs as JSON without null members. Most members are null throughout or not at all; that is told first."""
    frame = structs.struct.unnest()
    filled = [column for column in frame if column.null_count() < frame.height]
    if not filled:
        return pl.Series(structs.name, [None], dtype=pl.String).new_from_index(0, structs.len())
    part = frame.select(column.name for column in filled)
    if not any(column.null_count() for column in filled):
        return part.select(pl.struct(pl.all()).struct.json_encode().alias(structs.name)).to_series()
    if any(column.dtype.is_nested() for column in filled):
        return part.select(_member_by_member(part.columns).alias(structs.name)).to_series()
    # A member that is never null goes first, so that every other one has a comma before it.
    first = "_" * (1 + max(map(len, part.columns)))
    bare = f'{{"{first}":0'
    text = pl.struct(pl.lit(0).alias(first), pl.all()).struct.json_encode().str.replace_all(_NULL_MEMBER, "")
    rest = pl.concat_str(pl.lit("{"), text.str.slice(len(bare) + 1))
    return part.select(pl.when(text != f"{bare}}}").then(rest).alias(structs.name)).to_series()


def _member_by_member(names: Iterable[str]) -> pl.Expr:
    """The same the slow way, for values that have members of their own: null ones among these stay."""
    texts = [
        # One member: {"name":…} without its braces.
        pl.when(pl.col(name).is_not_null()).then(pl.struct(name).struct.json_encode().str.head(-1).str.slice(1))
        for name in names
    ]
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
