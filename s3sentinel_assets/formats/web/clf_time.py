"""Times of the Common Log Format, ``[06/Feb/2019:00:00:38 +0000]``, column-wise.

Source: Apache HTTP Server, "Log Files", section "Access Log" (httpd.apache.org/docs/current/logs.html); strftime
``[%d/%b/%Y:%H:%M:%S %z]``, months in English.

Belongs here: these times only. The blank in their middle makes two fields of them wherever lines are cut at blanks, so
they come as two columns.
"""

import re

import polars as pl

from s3sentinel_assets.formats.instants import END_EPOCH_SECOND

__all__ = ["parse_clf_times"]

_ZONE = re.compile(r"([+-])([01]\d|2[0-3]):?([0-5]\d)\]")
_MINUTES = 60


def parse_clf_times(times: pl.Series, zones: pl.Series) -> pl.Series:
    """``[06/Feb/2019:00:00:38`` and ``+0000]`` → Datetime(us, UTC).

    Args:
        times: String, with the bracket that opens.
        zones: String, with the bracket that closes.

    Returns:
        As many instants; null where the two are no time in the years 1970 to 2199.
    """
    naive = times.str.to_datetime("[%d/%b/%Y:%H:%M:%S", time_unit="us", strict=False)
    distinct = zones.unique().drop_nulls()
    shifts = pl.Series([_shift(zone) for zone in distinct], dtype=pl.Int64)
    if distinct.len() == 1 and not zones.null_count():
        seconds = naive.dt.epoch("s") - shifts[0] if shifts[0] is not None else naive.dt.epoch("s").clear(naive.len())
    else:
        seconds = naive.dt.epoch("s") - zones.replace_strict(distinct, shifts, default=None, return_dtype=pl.Int64)
    least, most = seconds.min(), seconds.max()
    if least is not None and (least < 0 or most >= END_EPOCH_SECOND):  # type: ignore[operator]
        usable = seconds.is_between(0, END_EPOCH_SECOND, closed="left").fill_null(value=False)
        seconds = seconds.set(~usable, None)
    return (seconds * 1_000_000).cast(pl.Datetime("us", "UTC"))


def _shift(zone: str) -> int | None:
    """Seconds east of UTC."""
    found = _ZONE.fullmatch(zone)
    if found is None:
        return None
    sign, hours, minutes = found.groups()
    seconds = (int(hours) * _MINUTES + int(minutes)) * _MINUTES
    return seconds if sign == "+" else -seconds
