"""Which templates a catalogue keeps when more have come than it holds.

Belongs here: their order. Does not belong here: what else goes with a template that is not kept (``catalogue``).

Whoever can write into a log can make up kinds of events, as many as there are requests. What has come on several days
stays ahead of what has not, so a flood displaces at most newcomers like itself, and of these each day brings a bounded
number. Nothing stays for its age alone: what was not seen for long loses to what comes again and again.
"""

import polars as pl

__all__ = ["NEWCOMERS_KEPT", "SEVERAL_HOURS", "STALE_DAYS", "TEMPLATES_KEPT", "kept_templates"]

#: At most so many templates of a source.
TEMPLATES_KEPT = 20_000
#: Of those that first came on one day and on no other so far: the ones with most events.
NEWCOMERS_KEPT = TEMPLATES_KEPT // 4
#: Not seen for so many days, a template loses to newcomers ...
STALE_DAYS = 30
#: ... that came in so many hours.
SEVERAL_HOURS = 3.0


def kept_templates(templates: pl.DataFrame, rates: pl.DataFrame, stale_before: str) -> pl.DataFrame:
    """The templates that stay, sorted by id.

    Args:
        templates: ``TEMPLATE_SCHEMA``.
        rates: ``RATE_SCHEMA``: in how many hours each came, faded.
        stale_before: the day since which a template must have been seen to be ahead of newcomers.
    """
    # Sorted sums: the order of floats must not matter.
    hours = rates.group_by("pattern").agg(pl.col("present").sort().sum().alias("hours"))
    first_day, recent = pl.col("first_hour").str.slice(0, 10), pl.col("last_hour") >= stale_before
    ranked = (
        templates.join(hours, on="pattern", how="left")
        .with_columns(
            pl.col("hours").fill_null(0.0),
            first_day=first_day,
            established=first_day < pl.col("last_hour").str.slice(0, 10),
        )
        .with_columns(
            rank=pl.when(pl.col("established") & recent)
            .then(0)
            .when(recent & (pl.col("hours") >= SEVERAL_HOURS))
            .then(1)
            .when("established")
            .then(2)
            .otherwise(3)
        )
        .sort("events", "hours", "pattern", descending=[True, True, False])
        .with_columns(place=pl.int_range(pl.len()).over("established", "first_day"))
        .filter(pl.col("established") | (pl.col("place") < NEWCOMERS_KEPT))
    )
    # Of equals the older one stays: how many events come is up to who sends them, how long ago the first came is not.
    order = {"by": ["rank", "hours", "first_day", "events", "pattern"], "descending": [False, True, False, True, False]}
    return ranked.sort(**order).head(TEMPLATES_KEPT).select(templates.columns).sort("pattern")
