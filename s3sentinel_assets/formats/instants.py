"""Times as logs write them → instants.

Belongs here: column-wise conversion, with a slow path only for the odd text.
"""

from datetime import UTC, datetime

import polars as pl

__all__ = ["END_EPOCH_SECOND", "EVENT_YEARS", "parse_iso8601"]

_END = datetime(2200, 1, 1, tzinfo=UTC)
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
#: A time must lie before this second: a zero time (year 1) or one in the far future is a fault of the writer.
END_EPOCH_SECOND = int(_END.timestamp())
#: The bounds in words.
EVENT_YEARS = "from 1970 to 2199"
_TO_THE_SECOND = "%Y-%m-%dT%H:%M:%SZ"


def parse_iso8601(texts: pl.Series) -> pl.Series:
    """ISO 8601 texts → Datetime(us, UTC); null where a text is no time in the years 1970 to 2199.

    A text without a zone is taken as UTC.
    """
    instants = texts.str.to_datetime(_TO_THE_SECOND, time_unit="us", strict=False).dt.replace_time_zone("UTC")
    odd = (instants.is_null() & texts.is_not_null()).arg_true()
    if odd.len():
        found = pl.Series([_parse_odd(text) for text in texts.gather(odd)], dtype=instants.dtype)
        instants = instants.scatter(odd, found)
    usable = instants.is_between(_FIRST, _END, closed="left")
    if usable.all():  # nulls do not count
        return instants
    return instants.zip_with(usable.fill_null(value=False), instants.clear(instants.len()))


def _parse_odd(text: str) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text)
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
