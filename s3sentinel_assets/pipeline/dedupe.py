"""Duplicates: the same event in two files (two trails, two regions) is delivered once and counted as filtered.

Belongs here: telling a part's own events from those an earlier part owns, on frames and stage files. Does not belong
here: the claims' rows (``ledger.claims``).
"""

from collections.abc import Iterable

import polars as pl

from s3sentinel_assets.hours import HOUR_FORMAT, hour_end, hour_start
from s3sentinel_assets.ledger.claims import Claim
from s3sentinel_assets.store import Store

__all__ = ["event_hours", "first_occurrences", "owned_elsewhere"]


def event_hours(entities: pl.DataFrame) -> dict[str, int]:
    """Event hour → events, from the entity view (columns ``time``)."""
    counts = (
        entities.select(pl.col("time").dt.truncate("1h").dt.to_string(HOUR_FORMAT).alias("hour"))
        .group_by("hour")
        .len()
        .sort("hour")
    )
    return dict(counts.iter_rows())


def first_occurrences(event_ids: pl.Series, seen: pl.Series) -> pl.Series:
    """Which rows carry an event id for the first time, neither earlier in this frame nor among ``seen``.

    Returns:
        A Boolean series, one value a row.
    """
    return event_ids.is_first_distinct() & ~event_ids.is_in(seen.implode())


def owned_elsewhere(store: Store, claims: Iterable[Claim], event_ids: pl.Series) -> pl.Series:
    """The ids among ``event_ids`` that the claims' owners already hold.

    One stage file is read at a time, and of it only ids and times, so memory stays at one file's ids.

    Returns:
        The distinct ids, as a String series.
    """
    owned = [pl.Series("event_id", [], dtype=pl.String)]
    wanted = pl.DataFrame({"event_id": event_ids.unique()})
    for claim in claims:
        first, end = hour_start(claim.event_hour), hour_end(claim.event_hour)
        theirs = (
            pl.scan_parquet(store.path(claim.uri))
            .filter(pl.col("time") >= first, pl.col("time") < end)
            .select("event_id")
            .collect()
        )
        owned.append(wanted.join(theirs, on="event_id", how="semi")["event_id"])
    return pl.concat(owned).unique()
