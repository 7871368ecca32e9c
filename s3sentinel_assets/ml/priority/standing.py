"""The trailing hour: the highest raw score of a principal in the hour up to an event, as known when it is judged.

Belongs here: the window over event time, across parts and across the border of the hour. Does not belong here: which
scores are loud enough to count (``judging`` takes that from the priority table), what the standing leads to.

Time is cut into minutes, and the window is the minute of the event, the 59 before it and the 5 after it. Those five are
a log file of CloudTrail: it is judged at once, so what comes next in it is known before the event is delivered. What
has to be handed on is one number per principal and minute, and the result is the same for any order of rows. Only
*loud* events are looked at and handed on: an event below every threshold of the table cannot change a priority.
"""

from dataclasses import dataclass

import polars as pl

from s3sentinel_assets.ml.history.counters import COUNTER_SCHEMA, RECENT, RECENT_MINUTES, Counters
from s3sentinel_assets.ml.history.dimensions import SEPARATOR, Dimension

__all__ = ["AHEAD_MINUTES", "Trail", "trailing_hour"]

_MINUTE_MICROS = 60_000_000
#: So many minutes after its own the window of an event ends.
AHEAD_MINUTES = 5


@dataclass(frozen=True)
class Trail:
    """The trailing hours of a batch.

    Attributes:
        standing: Int64 per event: the highest of its own raw score and the loud ones of its principal in the window.
        recent: what the batch adds to the table ``recent`` of the counters.
    """

    standing: pl.Series
    recent: pl.DataFrame


def trailing_hour(
    principal: Dimension,
    groups: pl.Series,
    times: pl.Series,
    raw: pl.Series,
    *,
    loud: pl.Series,
    counters: Counters,
    table: str = RECENT,
) -> Trail:
    """Looks around each event.

    Args:
        principal: account and principal, a code per group.
        groups: UInt32 per event: its group.
        times: Datetime (us, UTC) per event; an event without a time only knows itself.
        raw: Int64 per event.
        loud: Boolean per event: whether it counts for others.
        counters: of this hour; what earlier parts handed on.
        table: that of the counters which it is handed on in.
    """
    at = loud & times.is_not_null()
    index = at.arg_true()
    known = pl.DataFrame({"code": principal.codes[groups[index]], "minute": _minutes(times[index]), "raw": raw[index]})
    known = known.group_by("code", "minute").agg(pl.col("raw").max())
    recent = _handed_on(known, principal, table)
    earlier = _earlier(counters, principal, table)
    if earlier.height:
        known = pl.concat([known, earlier]).group_by("code", "minute").agg(pl.col("raw").max())
    if not known.height:
        return Trail(raw, recent)
    concerned = pl.Series([False]).new_from_index(0, principal.size).scatter(known["code"], True)
    index = (concerned[principal.codes][groups] & times.is_not_null()).arg_true()
    wanted = pl.DataFrame({"code": principal.codes[groups[index]], "minute": _minutes(times[index])})
    highest = wanted.join(_windows(known, wanted.unique()), on=["code", "minute"], how="left", maintain_order="left")
    own = raw[index]
    found = pl.DataFrame({"own": own, "highest": highest["highest"]}).select(pl.max_horizontal("own", "highest"))
    # A copy: scatter writes into the series itself.
    return Trail(raw.clone().scatter(index, found["own"]) if index.len() else raw, recent)


def _minutes(times: pl.Series) -> pl.Series:
    return times.to_physical() // _MINUTE_MICROS


def _windows(known: pl.DataFrame, wanted: pl.DataFrame) -> pl.DataFrame:
    """code, minute, highest: the highest known raw score in the window of each wanted minute."""
    ends = wanted.with_columns(pl.col("minute") + AHEAD_MINUTES, raw=pl.lit(None, pl.Int64()))
    both = pl.concat([known, ends]).sort("code", "minute")
    rolled = both.rolling("minute", period=f"{RECENT_MINUTES + AHEAD_MINUTES}i", closed="right", group_by="code").agg(
        pl.col("raw").max().alias("highest")
    )
    return rolled.unique(["code", "minute"]).with_columns(pl.col("minute") - AHEAD_MINUTES)


def _earlier(counters: Counters, principal: Dimension, table: str) -> pl.DataFrame:
    """code, minute, raw: what earlier parts handed on of the principals in this batch."""
    rows = counters.tables.get(table)
    if rows is None:
        return pl.DataFrame(schema={"code": pl.UInt32(), "minute": pl.Int64(), "raw": pl.Int64()})
    pieces = rows["key"].str.splitn(SEPARATOR, 3)
    named = pl.DataFrame({"pieces": pieces, "raw": rows["count"]}).select(
        name=pl.concat_str(
            pl.col("pieces").struct.field("field_0"), pl.col("pieces").struct.field("field_1"), separator=SEPARATOR
        ),
        minute=pl.col("pieces").struct.field("field_2").cast(pl.Int64),
        raw="raw",
    )
    codes = pl.DataFrame({"name": principal.values}).with_row_index("code")
    return named.join(codes, on="name").select(pl.col("code").cast(pl.UInt32), "minute", "raw")


def _handed_on(known: pl.DataFrame, principal: Dimension, table: str) -> pl.DataFrame:
    keys = known.select(minute="minute", count="raw").with_columns(principal.values[known["code"]].alias("name"))
    return keys.select(
        table=pl.lit(table, pl.String()),
        key=pl.concat_str("name", "minute", separator=SEPARATOR),
        count="count",
    ).select(list(COUNTER_SCHEMA))
