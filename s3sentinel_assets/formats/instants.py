"""Times as logs write them → instants.

Belongs here: column-wise conversion, with a slow path only for the odd text.
"""

from datetime import UTC, datetime

import polars as pl

__all__ = ["END_EPOCH_SECOND", "EVENT_YEARS", "parse_iso8601"]

#: A time must lie before this second: a zero time (year 1) or one in the far future is a fault of the writer.
END_EPOCH_SECOND = int(datetime(2200, 1, 1, tzinfo=UTC).timestamp())
#: The bounds in words.
EVENT_YEARS = "from 1970 to 2199"
#: What most logs write, tried in this order; anything else is looked at one by one.
_USUAL = ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S%.fZ")


def parse_iso8601(texts: pl.Series) -> pl.Series:
    """ISO 8601 texts → Datetime(us, UTC); null where a text is no time in the years 1970 to 2199.

    A text without a zone is taken as UTC.
    """
    first, second = _USUAL if not _has_fraction(texts) else reversed(_USUAL)
    instants = texts.str.to_datetime(first, time_unit="us", time_zone="UTC", strict=False)
    if instants.null_count() > texts.null_count():
        others = texts.str.to_datetime(second, time_unit="us", time_zone="UTC", strict=False)
        instants = instants.zip_with(instants.is_not_null(), others)
    if instants.null_count() > texts.null_count():
        odd = (instants.is_null() & texts.is_not_null()).arg_true()
        found = pl.Series([_parse_odd(text) for text in texts.gather(odd)], dtype=instants.dtype)
        instants = instants.scatter(odd, found)
    microseconds = instants.cast(pl.Int64())
    least, most = microseconds.min(), microseconds.max()
    if least is None or (least >= 0 and most < END_EPOCH_SECOND * 1_000_000):  # type: ignore[operator]
        return instants
    usable = microseconds.is_between(0, END_EPOCH_SECOND * 1_000_000, closed="left").fill_null(value=False)
    return instants.zip_with(usable, instants.clear(instants.len()))


def _has_fraction(texts: pl.Series) -> bool:
    """Whether the first text has a fraction of a second; in one log all have it, or none."""
    first = texts.first(ignore_nulls=True)
    return isinstance(first, str) and "." in first


def _parse_odd(text: str) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text)
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
