"""Victims: the principals of a background, with what an intruder might share with them.

Belongs here: the habits of each principal as the events show them. Does not belong here: what is done in their name
(``transplant``).

Habits are read from the events, whether those were generated or are somebody's own, so that both are treated alike.
"""

from collections.abc import Iterable

import polars as pl

__all__ = ["VICTIM_COLUMNS", "victims"]

#: The columns of the entity view that are looked at.
VICTIM_COLUMNS = ("account", "principal", "principal_type", "peer", "time", "source_ip", "user_agent", "region")
_WHO = ("account", "principal")
_HABITS = {"source_ip": "networks", "user_agent": "agents", "region": "regions", "hour": "hours"}
_KEPT = {"source_ip": 5, "user_agent": 5, "region": 4, "hour": 24}
# A habit is what at least this share of the principal's events has; one seldom value is none.
_SHARE = 0.02


def victims(frames: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Everybody who did anything.

    Args:
        frames: the background, with ``VICTIM_COLUMNS`` at least.

    Returns:
        ``account``, ``principal``, ``principal_type``, ``peer``, ``events``, ``first`` (Datetime of the first event)
        and lists of what was used most, most used first: ``networks`` (addresses), ``agents``, ``regions``, ``hours``
        (Int8, UTC); beside each a list ``<habit>_since`` of when that was first used. Sorted by account and principal;
        events without a principal are left out.
    """
    counted: dict[str, list[pl.DataFrame]] = {name: [] for name in (*_HABITS, "who")}
    for frame in frames:
        named = frame.select(VICTIM_COLUMNS).filter(pl.col("principal").is_not_null())
        named = named.with_columns(hour=pl.col("time").dt.hour())
        counted["who"].append(
            named.group_by(_WHO).agg(
                pl.col("principal_type").min(), pl.col("peer").min(), pl.col("time").min().alias("first"), pl.len()
            )
        )
        for name in _HABITS:
            counted[name].append(named.group_by(*_WHO, name).agg(pl.len(), pl.col("time").min()).drop_nulls(name))
    who = (
        pl.concat(counted["who"])
        .group_by(_WHO)
        .agg(
            pl.col("principal_type").min(),
            pl.col("peer").min(),
            pl.col("first").min(),
            pl.col("len").sum().cast(pl.Int64).alias("events"),
        )
    )
    for name, habit in _HABITS.items():
        used = pl.concat(counted[name]).group_by(*_WHO, name).agg(pl.col("len").sum(), pl.col("time").min())
        # The most used one is a habit however many others there are.
        often = pl.col("len") >= pl.min_horizontal(_SHARE * pl.col("len").sum(), pl.col("len").max()).over(_WHO)
        lists = (
            used.filter(often)
            .sort(*_WHO, "len", name, descending=[False, False, True, False])
            .group_by(_WHO, maintain_order=True)
            .agg(pl.col(name).head(_KEPT[name]).alias(habit), pl.col("time").head(_KEPT[name]).alias(f"{habit}_since"))
        )
        who = who.join(lists, on=list(_WHO), how="left", nulls_equal=True)
    return who.sort(_WHO)
