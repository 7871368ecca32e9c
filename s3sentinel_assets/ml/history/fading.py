"""How counts fade: each is kept as of the hour that touched it last, and what is left of it follows from its age.

Belongs here: that rule, element by element. Does not belong here: which counts there are (``state``) or what is added
to them (``update``).

A count that nobody touches never has to be written again, and what is read of it does not depend on how often, or in
which steps, the state was saved in between: it is always one product of the stored count and the factor of its age.
"""

import math

import polars as pl

__all__ = ["NEVER", "remaining"]

#: The half-life of counts that do not fade.
NEVER = math.inf


def remaining(count: pl.Series, last_hour: pl.Series, hour: int, half_life_hours: float) -> pl.Series:
    """What is left of counts at ``hour``.

    Args:
        count: Float64, as of ``last_hour``.
        last_hour: Int32, hours since 1970 UTC.
        hour: the hour it is asked for, not before any of ``last_hour``.
        half_life_hours: hours in which a count halves.

    Returns:
        Float64: count · 2^(−age / half-life).
    """
    oldest = last_hour.min()
    if not isinstance(oldest, int) or half_life_hours == NEVER:
        return count
    # A table, and powers by Python alone: the same bits whatever the number of rows or threads.
    factors = pl.Series([2.0 ** (-age / half_life_hours) for age in range(hour - oldest + 1)], dtype=pl.Float64)
    return count * factors[(hour - last_hour).cast(pl.UInt32)]
