"""Which ``TimeGenerated`` the rows of batches can have in the workspace: the time range of a query that is billed.

Belongs here: from what is known of a part's rows and of when they were sent to the narrowest range that surely holds
them. Does not belong here: asking (``query``).

A query of a table on a cheaper plan is billed for everything that the table took in during its time range, however few
rows it gives ("Query data in Basic and Auxiliary tables", learn.microsoft.com). The range goes by ``TimeGenerated``,
which is the event's time, unless that is more than 2 days before or 1 day after receipt: then the service puts the time
of receipt there ("Log data ingestion time", the same site). So a range around the sending alone would miss every event
that was older when it was sent, and a batch would seem absent.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from s3sentinel_assets.config import ENTITY_HOURS_TABLE, PATTERNS_TABLE
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.ledger.stages import StageFile, StageResult
from s3sentinel_assets.store import Store
from s3sentinel_assets.tables.tiers import base_of

__all__ = ["Range", "merged", "time_range"]

#: Beginning and end, aware; the end is outside.
Range = tuple[datetime, datetime]

_OLDEST = timedelta(days=2)
_NEWEST = timedelta(days=1)
#: The clocks of sender and service may differ by this much, and a request may last as long.
MARGIN = timedelta(hours=1)
_ABOUT_HOURS = (ENTITY_HOURS_TABLE, PATTERNS_TABLE)
#: Ranges that lie nearer than this cost less as one.
_NEAR = timedelta(hours=1)


def time_range(
    store: Store, parsed: StageResult | None, table: str, first_sent: datetime, last_sent: datetime
) -> Range:
    """The range that surely holds the rows of a part that were sent to ``table``.

    Args:
        store: holds the stage files.
        parsed: the part's ``rows`` files; only their ``TimeGenerated`` is read. None, or files that cannot be read:
            the range is as wide as the service's own rule.
        table: where the rows went; of a twin, the files of its base count.
        first_sent: when the first of their batches was sent.
        last_sent: when the last one was.
    """
    oldest, newest = first_sent - _OLDEST - MARGIN, last_sent + _NEWEST + MARGIN
    # Rows about a whole hour are not among the part's own, and may go with the part of another hour.
    files = parsed.files_of("rows") if parsed and table not in _ABOUT_HOURS else []
    origins = {table, *base_of(table)}
    times = _times(store, [file for file in files if file.table in origins] or files, oldest, newest)
    # What lies outside, or has no time, gets the time of receipt.
    earliest, latest = times or (oldest, newest)
    return min(earliest, first_sent - MARGIN), max(latest + timedelta(seconds=1), last_sent + MARGIN)


def _times(store: Store, files: Sequence[StageFile], oldest: datetime, newest: datetime) -> Range | None:
    """First and last ``TimeGenerated`` between the bounds; an instant of the bounds where there is none."""
    import polars as pl

    found: list[datetime] = []
    time = pl.col("TimeGenerated")
    for file in files:
        try:
            row = (
                pl.scan_parquet(store.path(file.uri))
                .filter(time.is_between(oldest, newest))
                .select(first=time.min(), last=time.max())
                .collect()
                .row(0)
            )
        except (OSError, UserError, pl.exceptions.PolarsError):
            return None
        found += [time for time in row if time is not None]
    if not files:
        return None
    return (min(found), max(found)) if found else (newest, oldest)


def merged(ranges: Iterable[tuple[Range, Sequence[str]]]) -> list[tuple[Range, list[str]]]:
    """Ranges with what is looked for in them, those that overlap or nearly do as one: each is a query of its own.

    A part that came weeks later must not make the query of an hour scan all the weeks between.
    """
    result: list[tuple[Range, list[str]]] = []
    for (start, end), wanted in sorted(ranges, key=lambda entry: entry[0]):
        if result and start <= result[-1][0][1] + _NEAR:
            (first, last), ids = result[-1]
            result[-1] = (first, max(last, end)), [*ids, *wanted]
        else:
            result.append(((start, end), list(wanted)))
    return result
