"""Duplicates: the same event in two files (two trails, two regions) is delivered once and counted as filtered.

Belongs here: telling a part's own events from those an earlier part owns, on frames and stage files. Does not belong
here: the claims' rows (``ledger.claims``).
"""

from collections.abc import Iterable

import polars as pl

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.hours import HOUR_FORMAT, hour_start
from s3sentinel_assets.ledger.claims import Claim
from s3sentinel_assets.store import Store

__all__ = ["event_hours", "first_occurrences", "owned_elsewhere"]


def event_hours(entities: pl.DataFrame) -> dict[str, int]:
    """Event hour → events, from the entity view (columns ``time``)."""
    counts = entities.group_by(_hour_of("time").alias("hour")).len().sort("hour")
    return dict(counts.with_columns(pl.col("hour").dt.to_string(HOUR_FORMAT)).iter_rows())


def first_occurrences(event_ids: pl.Series, seen: pl.Series) -> pl.Series:
    """Which rows carry an event id for the first time, neither earlier in this frame nor among ``seen``.

    Returns:
        A Boolean series, one value a row.
    """
    return event_ids.is_first_distinct() & ~event_ids.is_in(seen.implode())


def owned_elsewhere(store: Store, claims: Iterable[Claim], event_ids: pl.Series) -> tuple[pl.Series, list[str]]:
    """The ids among ``event_ids`` that the claims' owners already hold.

    One stage file is read at a time, and of it only ids and times, so memory stays at one file's ids. A stage file that
    is lost or damaged owns nothing: an event that goes out twice can be told by its id, one that stays away is lost.

    Returns:
        The distinct ids, as a String series, and the files that could not be read.
    """
    owned, unreadable = [pl.Series("event_id", [], dtype=pl.String)], list[str]()
    wanted = pl.DataFrame({"event_id": event_ids.unique()})
    for uri, hours in _by_file(claims).items():
        try:
            starts = [hour_start(hour) for hour in hours]
            theirs = (
                pl.scan_parquet(store.path(uri)).filter(_hour_of("time").is_in(starts)).select("event_id").collect()
            )
        except (OSError, UserError, pl.exceptions.PolarsError):
            unreadable.append(uri)
            continue
        owned.append(wanted.join(theirs, on="event_id", how="semi")["event_id"])
    return pl.concat(owned).unique(), unreadable


def _by_file(claims: Iterable[Claim]) -> dict[str, list[str]]:
    """Stage file → the event hours claimed in it."""
    files: dict[str, list[str]] = {}
    for claim in claims:
        files.setdefault(claim.uri, []).append(claim.event_hour)
    return files


def _hour_of(column: str) -> pl.Expr:
    return pl.col(column).dt.truncate("1h")
