"""What priorities are worth: how much is kept, which incidents are seen, what an analyst has to look at in vain.

Belongs here: counts of priorities by incident and by benign principal. Does not belong here: how priorities are decided
(``priority``), figures from scores (``metrics``).
"""

import polars as pl

__all__ = ["RANKS", "benign_outcomes", "incident_outcomes", "rank", "strongest"]

#: Priority → rank. What could not be judged ranks lowest: nobody would look at it.
RANKS = {"unknown": 0, "low": 1, "medium": 2, "high": 3, "critical": 4}
_LEVELS = ("medium", "high", "critical")


def rank(priority: pl.Series) -> pl.Series:
    """Int64 per priority."""
    ranks = priority.replace_strict(list(RANKS), list(RANKS.values()), default=0, return_dtype=pl.Int64)
    return ranks.fill_null(0)


def strongest(events: pl.DataFrame, ranks: pl.Series) -> pl.Series:
    """Int64 per event: the highest rank in its principal-hour, which is what the roll-up says at the close.

    Args:
        events: ``account``, ``principal`` and ``hour``.
        ranks: see `rank`.
    """
    return events.select("account", "principal", "hour", rank=ranks).select(
        pl.col("rank").max().over("account", "principal", "hour")
    )["rank"]


def incident_outcomes(events: pl.DataFrame, ranks: pl.Series) -> pl.DataFrame:
    """Per incident: ``events``, the highest ``rank``, and how many ``events_<level>`` are at least at that level."""
    return (
        events.select("incident", "kind", rank=ranks)
        .filter(pl.col("kind") == "attack")
        .group_by("incident")
        .agg(pl.len().cast(pl.Int64).alias("events"), pl.col("rank").max(), *_levels())
        .sort("incident")
    )


def benign_outcomes(events: pl.DataFrame, ranks: pl.Series) -> pl.DataFrame:
    """Per principal with benign events: ``events`` and ``events_<level>``, without and with those in a shadow.

    Returns:
        ``account``, ``principal``, ``events``, ``events_medium``, ``events_high``, ``events_critical`` of benign events
        outside of shadows, and the same with the suffix ``_all``.
    """
    benign = events.select("account", "principal", "kind", "shadow", rank=ranks).filter(pl.col("kind") == "background")
    clear = ~pl.col("shadow")
    return (
        benign.group_by("account", "principal")
        .agg(
            clear.sum().cast(pl.Int64).alias("events"),
            *_levels(clear),
            pl.len().cast(pl.Int64).alias("events_all"),
            *(expression.name.suffix("_all") for expression in _levels()),
        )
        .sort("account", "principal")
    )


def _levels(where: pl.Expr | None = None) -> list[pl.Expr]:
    reached = [(pl.col("rank") >= RANKS[level], level) for level in _LEVELS]
    return [
        (hit if where is None else hit & where).sum().cast(pl.Int64).alias(f"events_{level}") for hit, level in reached
    ]
