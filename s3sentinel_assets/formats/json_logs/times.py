"""Times as JSON logs write them → instants.

Belongs here: column-wise conversion of ISO texts, of numbers since 1970, and of fields that hold either. What is no
time in the years 1970 to 2199 becomes null.
"""

import polars as pl

from s3sentinel_assets.formats.instants import END_EPOCH_SECOND, parse_iso8601

__all__ = ["any_time", "epoch_milliseconds", "epoch_seconds", "first_time", "iso_time"]

_INSTANT = pl.Datetime("us", "UTC")
_NUMBER = r"^[0-9]+(?:\.[0-9]+)?(?:[eE]\+?[0-9]+)?$"
_SECONDS_BELOW = 4_000_000_000
# Number of this many seconds since 1970 → microseconds in one of its units.
_UNITS = ((1, 1_000_000.0), (1_000, 1_000.0), (1_000_000, 1.0), (1_000_000_000, 0.001))


def iso_time(texts: pl.Series) -> pl.Series:
    """ISO 8601 texts → instants; a text without a zone is taken as UTC."""
    return parse_iso8601(texts)


def _from_microseconds(microseconds: pl.Series) -> pl.Series:
    usable = microseconds.is_between(0, END_EPOCH_SECOND * 1_000_000, closed="left")
    whole = microseconds.set(~usable.fill_null(value=True), None)
    return whole.cast(pl.Int64).cast(_INSTANT)


def epoch_seconds(numbers: pl.Series) -> pl.Series:
    """Seconds since 1970, whole or with a fraction (exact to the microsecond) → instants."""
    return _scaled(numbers, 1_000_000)


def epoch_milliseconds(numbers: pl.Series) -> pl.Series:
    """Milliseconds since 1970, whole or with a fraction → instants."""
    return _scaled(numbers, 1_000)


def _scaled(numbers: pl.Series, factor: int) -> pl.Series:
    if numbers.dtype.is_float():
        return _from_microseconds((numbers * factor).round())
    limit = END_EPOCH_SECOND * 1_000_000 // factor
    usable = numbers.is_between(0, limit, closed="left").fill_null(value=True)
    return _from_microseconds(numbers.set(~usable, None) * factor)


def any_time(texts: pl.Series) -> pl.Series:
    """JSON texts (of a ``msgspec.Raw`` field) or plain texts that hold an ISO time or a number → instants.

    A number's size tells its unit: seconds, milliseconds, microseconds or nanoseconds since 1970; a number below
    4,000,000,000 is one of seconds. Escapes within a text are not read: times have none.
    """
    # All in one unit, as it nearly always is.
    numbers = texts.cast(pl.Int64(), strict=False)
    if numbers.null_count() == texts.null_count():
        least, most = numbers.min(), numbers.max()
        for size, factor in _UNITS[:3]:
            if least is not None and _SECONDS_BELOW * size / 1_000 <= least and most < _SECONDS_BELOW * size:  # type: ignore[operator]
                return _from_microseconds(numbers * int(factor))
    plain = texts.str.strip_chars(' "')
    numeric = plain.str.contains(_NUMBER).fill_null(value=False)
    if not numeric.any():
        return parse_iso8601(plain)
    written = pl.DataFrame({"text": plain, "numeric": numeric})
    whole = pl.when(pl.col("text").str.len_bytes() <= 19).then(pl.col("text").cast(pl.Int64, strict=False))
    number = pl.when("numeric").then(pl.col("text").cast(pl.Float64, strict=False))
    exact, loose = whole * 1_000_000, number * 1_000_000
    for size, factor in _UNITS[1:]:
        larger = number >= _SECONDS_BELOW * size / 1_000
        exact = pl.when(larger).then(whole * int(factor) if factor >= 1 else whole // int(1 / factor)).otherwise(exact)
        loose = pl.when(larger).then(number * factor).otherwise(loose)
    end = END_EPOCH_SECOND * 1_000_000
    rounded = loose.round()
    usable = rounded.is_between(0, end, closed="left")
    microseconds = written.select(
        pl.when(usable).then(pl.coalesce(exact, pl.when(usable).then(rounded).cast(pl.Int64, strict=False)))
    ).to_series()
    instants = parse_iso8601(plain.set(numeric, None))
    return instants.zip_with(~numeric, microseconds.cast(_INSTANT))


def first_time(*instants: pl.Series) -> pl.Series:
    """Row by row the first of several times that is one."""
    return pl.select(pl.coalesce(*instants)).to_series()
