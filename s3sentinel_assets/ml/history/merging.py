"""Rows put into a sorted state: looked up by binary search and inserted by number, so that nothing is sorted again.

Belongs here: places of keys, and the merge. Does not belong here: what the rows are (``update``, ``deltas``).

A state of millions of keys gets some ten thousand rows an hour. Joining and sorting texts would cost more than
all else.
"""

import polars as pl

from s3sentinel_assets.ml.history.dimensions import zeros

__all__ = ["KEY", "merged", "places"]

#: What rows are sorted by, and what tells them apart.
KEY = ("table", "key")


def places(base: pl.DataFrame, rows: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
    """Where rows are in a state, or would have to be.

    Args:
        base: sorted by `KEY`.
        rows: sorted by `KEY`.

    Returns:
        UInt32 per row: the first place in ``base`` that is not before it; Boolean: whether it is there.
    """
    runs = _runs(base)
    tables = pl.Series([table for table, _, _ in runs], dtype=pl.String)
    spans = {table: (start, length) for table, start, length in runs}
    found, known = [pl.Series(dtype=pl.UInt32)], [pl.Series(dtype=pl.Boolean)]
    for table, start, length in _runs(rows):
        keys = rows["key"].slice(start, length)
        if table not in spans:
            # Behind all tables that come before it.
            before = int(tables.search_sorted(table)) if tables.len() else 0
            place = runs[before][1] if before < len(runs) else base.height
            found.append(pl.Series([place], dtype=pl.UInt32).new_from_index(0, length))
            known.append(pl.Series([False]).new_from_index(0, length))
            continue
        first, size = spans[table]
        mine = base["key"].slice(first, size)
        place = mine.search_sorted(keys)
        found.append((place + first).cast(pl.UInt32))
        known.append((place < size) & (mine[place.clip(0, size - 1)] == keys))
    return pl.concat(found), pl.concat(known)


def merged(base: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows of both, those of ``rows`` instead of those of ``base`` with the same key.

    Args:
        base: columns of ``STATE_SCHEMA``, sorted by `KEY`.
        rows: the same.

    Returns:
        Sorted by `KEY`.
    """
    place, known = places(base, rows)
    if known.any():
        at, mine = place.filter(known), rows.filter(known)
        values = [name for name in base.columns if name not in KEY]
        base = base.with_columns(base[name].clone().scatter(at, mine[name]).alias(name) for name in values)
    if known.all():
        return base
    new, before = rows.filter(~known), place.filter(~known)
    # How many new rows come before each row of the base, by where those go.
    counts = before.to_frame("at").group_by("at").len("count")
    shift = zeros(base.height + 1).scatter(counts["at"], counts["count"].cast(pl.Int64)).cum_sum().head(base.height)
    order = zeros(base.height + new.height, pl.UInt32)
    order = order.scatter((shift + _numbers(base.height)).cast(pl.UInt32), _numbers(base.height).cast(pl.UInt32))
    targets = before.cast(pl.Int64) + _numbers(new.height)
    order = order.scatter(targets.cast(pl.UInt32), (_numbers(new.height) + base.height).cast(pl.UInt32))
    return pl.concat([base, new.select(base.columns)]).rechunk()[order]


def _runs(frame: pl.DataFrame) -> list[tuple[str, int, int]]:
    """Table, first row and number of rows of each table, in order."""
    counted = (
        frame.select("table")
        .with_row_index("start")
        .group_by("table", maintain_order=True)
        .agg(pl.col("start").min(), pl.len())
    )
    return list(counted.iter_rows())


def _numbers(count: int) -> pl.Series:
    return pl.int_range(count, dtype=pl.Int64, eager=True)
