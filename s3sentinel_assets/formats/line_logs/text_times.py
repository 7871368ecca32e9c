"""Times as free-form logs write them → instants: ISO 8601, seconds since 1970 and finer, names of months, no year.

Source: RFC 3164 section 4.1.2, RFC 5424 section 6.2.3, "Implementing ArcSight Common Event Format (CEF)", section "Date
formats", and "LEEF 2.0", section "Custom event date format".

Belongs here: reading columns of such texts. Does not belong here: which text of a record is its time (each format).

What the text leaves open is settled so: without a zone it is in the source's time zone; without a year it is the latest
year that puts the date no more than two days after the object's arrival. Where that is not certain, a flag says so:
``year_guessed`` (there was no arrival to reckon from, the present day stood in), ``time_ambiguous`` (the hour that the
clocks go through twice or never; the first of the two, or the hour behind the gap, is taken).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from s3sentinel_assets.formats.instants import END_EPOCH_SECOND, parse_iso8601

__all__ = ["TextTimes", "read_times"]

_INSTANT = pl.Datetime("us", "UTC")
_NAIVE = pl.Datetime("us")
#: A date this long after arrival is of the year before; clocks and zones may differ by less.
_AHEAD = timedelta(days=2)
#: 29 February as `_place` has it.
_LEAP_DAY = 229
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), start=1
    )
}
#: Minutes east of UTC: the names that RFC 822 defines, and those of Central Europe.
_ZONES = {"UTC": 0, "GMT": 0, "UT": 0, "Z": 0, "EST": -300, "EDT": -240, "CST": -360, "CDT": -300, "MST": -420}
_ZONES |= {"MDT": -360, "PST": -480, "PDT": -420, "CET": 60, "CEST": 120}

_ISO = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}"
_ISO_ZONE = r"(?: ?[A-Z]{3,4}| ?[+-][0-9]{2}(?::?[0-9]{2})?|Z)$"
_EPOCH = r"^[0-9]{9,19}(?:\.[0-9]+)?$"
#: ``Mon Aug 10 09:26:47.123 CEST 2020`` and every shorter form: month, day, year, clock, fraction, zone, year.
_NAMED = (
    r"^(?:[A-Z][a-z]{2},? )?([A-Z][a-z]{2}) {1,2}([0-9]{1,2})(?:,? ([0-9]{4}))? ([0-9]{2}:[0-9]{2}:[0-9]{2})"
    r"(?:[.,]([0-9]{1,9}))?(?: ?(Z|[A-Z]{3,4}|[+-][0-9]{2}:?[0-9]{2}))?(?: ([0-9]{4}))?$"
)


@dataclass(frozen=True)
class TextTimes:
    """What a column of texts says.

    Attributes:
        when: Datetime(us, UTC); null where the text is none of the known forms, or not in the years 1970 to 2199.
        told: String, flags; null mostly.
    """

    when: pl.Series
    told: pl.Series


def read_times(texts: pl.Series, *, zone: str = "UTC", arrival: datetime | None = None) -> TextTimes:
    """Reads times.

    Args:
        texts: String, null where there is none.
        zone: IANA name of the zone that texts without one are in.
        arrival: about when the texts came in, in UTC.

    Returns:
        As many instants and flags.
    """
    when = pl.Series([None], dtype=_INSTANT).new_from_index(0, texts.len())
    told = pl.Series([None], dtype=pl.String()).new_from_index(0, texts.len())
    left = texts.is_not_null()
    for pattern, reader in ((_ISO, _read_iso), (_EPOCH, _read_epoch), (_NAMED, _read_named)):
        if not left.any():
            break
        mine = left & texts.str.contains(pattern)
        if mine.all():
            return _in_years(reader(texts, zone, arrival))
        if mine.any():
            found = _in_years(reader(texts.filter(mine), zone, arrival))
            places = mine.arg_true()
            when, told = when.scatter(places, found.when), told.scatter(places, found.told)
            left &= ~mine
    return TextTimes(when, told)


def _in_years(times: TextTimes) -> TextTimes:
    seconds = times.when.dt.epoch("s")
    usable = seconds.is_between(0, END_EPOCH_SECOND, closed="left").fill_null(value=False)
    if usable.all():
        return times
    return TextTimes(
        times.when.zip_with(usable, times.when.clear(usable.len())),
        times.told.zip_with(usable, _no_flags(usable.len())),
    )


def _read_iso(texts: pl.Series, zone: str, arrival: datetime | None) -> TextTimes:  # noqa: ARG001 - one signature
    """ISO 8601, with ``T`` or a blank, a point or a comma, and any zone or none."""
    frame = texts.alias("text").to_frame().with_columns(pl.col("text").str.extract(f"({_ISO_ZONE})").alias("zone"))
    frame = frame.select(
        pl.col("text")
        .str.strip_suffix(pl.col("zone").fill_null(""))
        .str.replace(" ", "T", literal=True)
        .str.replace(",", ".", literal=True)
        .add("Z"),
        pl.col("zone").str.strip_chars_start(" "),
    )
    naive = parse_iso8601(frame["text"]).dt.replace_time_zone(None)
    return _to_utc(naive, frame["zone"], zone)


def _read_epoch(texts: pl.Series, zone: str, arrival: datetime | None) -> TextTimes:  # noqa: ARG001 - one signature
    """Since 1970 in seconds, with or without a fraction, milli-, micro- or nanoseconds: by the number of digits."""
    whole = pl.col("text").str.extract(r"^([0-9]+)").cast(pl.Int64, strict=False)
    fraction = pl.col("text").str.extract(r"\.([0-9]+)$").str.pad_end(6, "0").str.head(6).cast(pl.Int64).fill_null(0)
    microseconds = (
        pl.when(whole < 10**11)
        .then(whole * 1_000_000 + fraction)
        .when(whole < 10**14)
        .then(whole * 1_000)
        .when(whole < 10**17)
        .then(whole)
        .otherwise(whole // 1_000)
    )
    when = texts.alias("text").to_frame().select(microseconds.cast(_NAIVE).dt.replace_time_zone("UTC")).to_series()
    return TextTimes(when, _no_flags(texts.len()))


def _read_named(texts: pl.Series, zone: str, arrival: datetime | None) -> TextTimes:
    """Forms with the name of a month, such as ``Sep 14 11:07:53``."""
    names = ("month", "day", "year", "clock", "fraction", "zone", "last_year")
    parts = texts.str.extract_groups(_NAMED).struct.rename_fields(names).struct.unnest()
    month = pl.col("month").replace_strict(_MONTHS, default=None, return_dtype=pl.Int32)
    stated = pl.coalesce("year", "last_year").cast(pl.Int32)
    parts = parts.with_columns(month.alias("month"), pl.col("day").cast(pl.Int32), stated.alias("year"))
    reckoned = parts["year"].is_null()
    if reckoned.any():
        limit = (arrival or datetime.now(UTC)) + _AHEAD
        parts = parts.with_columns(pl.coalesce("year", _year_before(limit)).alias("year"))
    clock = pl.col("clock")
    fraction = pl.col("fraction").str.pad_end(6, "0").str.head(6).cast(pl.Int32).fill_null(0)
    parts = parts.with_columns(
        clock.str.slice(0, 2).cast(pl.Int32).alias("hour"),
        clock.str.slice(3, 2).cast(pl.Int32).alias("minute"),
        clock.str.slice(6, 2).cast(pl.Int32).alias("second"),
        fraction.alias("fraction"),
    )
    possible = parts.select(_possible().fill_null(value=False)).to_series()
    if not possible.all():
        parts = parts.with_columns(pl.when(possible).then("month").alias("month"), pl.when(possible).then("day"))
    naive = parts.select(
        # A leap second is the second before it.
        pl.datetime("year", "month", "day", "hour", "minute", pl.min_horizontal("second", 59), "fraction")
    ).to_series()
    times = _to_utc(naive.cast(_NAIVE), parts["zone"], zone)
    if arrival is None and reckoned.any():
        guessed = pl.DataFrame({"told": times.told, "guessed": reckoned})
        guess = pl.when("guessed").then(pl.lit("year_guessed"))
        joined = pl.concat_str(guess, "told", separator=";", ignore_nulls=True)
        told = guessed.select(pl.when(joined != "").then(joined).alias("told")).to_series()
        times = TextTimes(times.when, told)
    return times


def _year_before(limit: datetime) -> pl.Expr:
    """The latest year in which the day is no later than ``limit``."""
    place = pl.col("month") * 100 + pl.col("day")
    year = pl.when(place <= limit.month * 100 + limit.day).then(limit.year).otherwise(limit.year - 1)
    leap = limit.year if _place(limit) >= _LEAP_DAY else limit.year - 1
    while leap % 4 or (leap % 100 == 0 and leap % 400):
        leap -= 1
    return pl.when(place == _LEAP_DAY).then(leap).otherwise(year).cast(pl.Int32)


def _place(day: datetime) -> int:
    """Month and day as one number that grows through the year."""
    return day.month * 100 + day.day


def _possible() -> pl.Expr:
    """Whether the numbers make a date and a time of day."""
    leap = (pl.col("year") % 4 == 0) & ((pl.col("year") % 100 != 0) | (pl.col("year") % 400 == 0))
    days = pl.when(pl.col("month").is_in([4, 6, 9, 11])).then(30)
    days = days.when(pl.col("month") == 2).then(pl.when(leap).then(29).otherwise(28)).otherwise(31)
    return (
        pl.col("month").is_not_null()
        & pl.col("day").is_between(1, days)
        & (pl.col("hour") < 24)
        & (pl.col("minute") < 60)
        & (pl.col("second") <= 60)
    )


def _to_utc(naive: pl.Series, stated: pl.Series, zone: str) -> TextTimes:
    """Times of day in their stated zones, else in ``zone``, as instants; a stated zone nobody knows gives null."""
    if stated.null_count() == stated.len():
        return _localised(naive, zone)
    minutes = {text: _offset(text) for text in stated.unique().drop_nulls()}
    frame = pl.DataFrame({"naive": naive, "stated": stated})
    shift = pl.col("stated").replace_strict(minutes, default=None, return_dtype=pl.Int64) * 60_000_000
    when = frame.select((pl.col("naive") - shift.cast(pl.Duration("us"))).dt.replace_time_zone("UTC")).to_series()
    if not stated.null_count():
        return TextTimes(when, _no_flags(when.len()))
    local, here = stated.is_null(), _localised(naive, zone)
    return TextTimes(here.when.zip_with(local, when), here.told.zip_with(local, _no_flags(when.len())))


def _offset(text: str) -> int | None:
    if text in _ZONES:
        return _ZONES[text]
    if text[0] not in "+-":
        return None
    digits = text[1:].replace(":", "")
    hours, rest = int(digits[:2]), int(digits[2:] or 0)
    if hours > 23 or rest > 59:
        return None
    minutes = hours * 60 + rest
    return minutes if text[0] == "+" else -minutes


def _localised(naive: pl.Series, zone: str) -> TextTimes:
    if zone == "UTC":
        return TextTimes(naive.dt.replace_time_zone("UTC"), _no_flags(naive.len()))
    frame = pl.DataFrame({"naive": naive})
    text, late = pl.col("naive"), pl.col("naive") + pl.duration(hours=1)
    frame = frame.select(
        text.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").alias("first"),
        text.dt.replace_time_zone(zone, ambiguous="latest", non_existent="null").alias("second"),
        # An hour that does not exist: what the clock would have shown had it not been put forward.
        late.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").alias("behind"),
        text.is_not_null().alias("given"),
    )
    when = pl.coalesce("first", "behind").dt.convert_time_zone("UTC").alias("when")
    unsure = pl.col("given") & (pl.col("first").is_null() | (pl.col("first") != pl.col("second")))
    made = frame.select(when, pl.when(unsure).then(pl.lit("time_ambiguous")).alias("told"))
    return TextTimes(made["when"], made["told"])


def _no_flags(rows: int) -> pl.Series:
    return pl.Series([None], dtype=pl.String()).new_from_index(0, rows)
