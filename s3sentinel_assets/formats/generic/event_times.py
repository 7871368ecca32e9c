"""Times of generic logs: whatever form a writer chose.

Source: RFC 3339 and ISO 8601; the forms that logging libraries write by default (zap's seconds with an exponent,
journald's microseconds), and those of ``line_logs.text_times``.

Belongs here: texts → instants where a format does not fix the form. Does not belong here: which field holds the time
(``event_names``), formats that do fix it.

Numbers are seconds, milli-, micro- or nanoseconds since 1970 by their size; below 100,000,000 (1973) they are no times.
A date whose order of day and month is not certain (``03/04/2026``) is no time either: a guess would be silently wrong.
"""

import functools
from collections.abc import Iterable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import polars as pl

from s3sentinel_assets.formats.instants import END_EPOCH_SECOND
from s3sentinel_assets.formats.line_logs.text_times import TextTimes, read_times

__all__ = ["event_times", "first_times"]

_INSTANT = pl.Datetime("us", "UTC")
_ISO_Z = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$"
_LEAST_SECOND = 100_000_000
#: Units by size: from this number on, so many to the second.
_UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3), (0.0, 1.0))
_FORMS = (
    "%Y/%m/%d %H:%M:%S.%f",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d",
    "%Y%m%d%H%M%S",
    "%d/%b/%Y:%H:%M:%S %z",
    "%d/%b/%Y:%H:%M:%S",
    "%d-%b-%Y %H:%M:%S.%f",
    "%d-%b-%Y %H:%M:%S",
    "%d %b %Y %H:%M:%S",
    "%a, %d %b %Y %H:%M:%S %z",
)
_LONGEST = 40
_QUOTED = 100


def event_times(texts: pl.Series, *, zone: str = "UTC", arrival: datetime | None = None) -> TextTimes:
    """Reads times.

    Args:
        texts: String, without quotes; null where there is none.
        zone: IANA name of the zone that times without one are in.
        arrival: about when the texts came in, in UTC; for times without a year.

    Returns:
        As many instants and flags; see `line_logs.text_times.read_times`.
    """
    if texts.str.contains(_ISO_Z).all():
        form = "%Y-%m-%dT%H:%M:%S%.fZ"
        when = texts.str.to_datetime(form, time_unit="us", time_zone="UTC", strict=False)
        if when.null_count() == texts.null_count() and _all_usable(when):
            return TextTimes(when, pl.Series([None], dtype=pl.String()).new_from_index(0, texts.len()))
    found = read_times(texts, zone=zone, arrival=arrival)
    odd = found.when.is_null() & texts.is_not_null()
    if not odd.any():
        return found
    places = odd.arg_true()
    read = pl.Series([_odd_time(text, zone) for text in texts.gather(places)], dtype=_INSTANT)
    return TextTimes(found.when.scatter(places, read), found.told)


def first_times(
    texts: Iterable[pl.Series], rows: int, *, zone: str = "UTC", arrival: datetime | None = None
) -> tuple[pl.Series, pl.Series, pl.Series]:
    """Of several columns, row by row the first that holds a time.

    Args:
        texts: String columns, the most trustworthy first; asked for one by one as long as rows are without a time.
        rows: their length.
        zone: as for `event_times`.
        arrival: as for `event_times`.

    Returns:
        The instants, null where no column has one; their flags; ``bad_time=…`` for a text that is no time.
    """
    when = pl.Series([None], dtype=_INSTANT).new_from_index(0, rows)
    told = bad = pl.Series([None], dtype=pl.String()).new_from_index(0, rows)
    missing = when.is_null()
    for column in texts:
        there = missing & column.is_not_null()
        if there.any():
            mine = column if there.all() else column.set(~there, None)
            found = event_times(mine, zone=zone, arrival=arrival)
            when = when.zip_with(~there, found.when)
            told = told.zip_with(~there, found.told)
            unread = there & found.when.is_null()
            if unread.any():
                bad = bad.zip_with(~unread | bad.is_not_null(), "bad_time=" + mine.str.slice(0, _QUOTED))
            missing = when.is_null()
        if not missing.any():
            break
    return when, told, bad


def _all_usable(when: pl.Series) -> bool:
    least, most = when.dt.epoch("s").min(), when.dt.epoch("s").max()
    return least is None or (least >= 0 and most < END_EPOCH_SECOND)  # type: ignore[operator]


@functools.lru_cache(maxsize=4_096)
def _odd_time(text: str, zone: str) -> datetime | None:
    """One text of a rare form."""
    text = text.strip()
    if not text or len(text) > _LONGEST:
        return None
    return _number(text) or _iso(text, zone) or _other(text, zone)


def _number(text: str) -> datetime | None:
    try:
        number = float(text)
    except ValueError:
        return None
    if not _LEAST_SECOND <= number < float("inf"):
        return None
    seconds = number / next(unit for least, unit in _UNITS if number >= least)
    if not _LEAST_SECOND <= seconds < END_EPOCH_SECOND:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def _iso(text: str, zone: str) -> datetime | None:
    try:
        return _placed(datetime.fromisoformat(text.replace(",", ".", 1)), zone)
    except (ValueError, OverflowError):
        return None


def _other(text: str, zone: str) -> datetime | None:
    for name in (" GMT", " UTC"):
        text = text.replace(name, " +0000")
    for form in _FORMS:
        try:
            return _placed(datetime.strptime(text, form), zone)  # noqa: DTZ007 - `_placed` adds the zone
        except (ValueError, OverflowError):
            continue
    return None


def _placed(when: datetime, zone: str) -> datetime | None:
    """In UTC; None outside of the years that events have."""
    aware = when.replace(tzinfo=ZoneInfo(zone)) if when.tzinfo is None else when
    instant = aware.astimezone(UTC)
    return instant if 0 <= instant.timestamp() < END_EPOCH_SECOND else None
