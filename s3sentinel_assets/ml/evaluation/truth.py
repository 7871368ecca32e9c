"""Truth beside events: which of them belong to an incident, and which benign ones stand in an incident's shadow.

Belongs here: names and types of the truth columns, and what follows from them alone. Does not belong here: scores.
"""

from datetime import timedelta

import polars as pl

__all__ = ["KINDS", "SHADOW", "TRUTH_SCHEMA", "shadows"]

KINDS = ("background", "attack", "placebo")
TRUTH_SCHEMA: dict[str, pl.DataType] = {
    "kind": pl.String(),  # one of KINDS
    "incident": pl.String(),  # null for background
    "technique": pl.String(),
    # What an incident shares with its victim, comma-separated: same_ip, same_agent, same_region, working_hours.
    "variant": pl.String(),
}
#: So long after an event of an incident its principal's benign events are still looked at because of it.
SHADOW = timedelta(minutes=60)
_WHO = ("account", "principal")


def shadows(events: pl.DataFrame) -> pl.Series:
    """Boolean per event: benign, but in an incident's principal-hour or in the 60 minutes after one of its events.

    An analyst who looks at such an event is led there by the incident. It is neither a false alarm (there would be none
    without the incident) nor a hit, so it counts as neither. This follows from the truth alone, not from scores.

    Args:
        events: ``account``, ``principal``, ``hour`` (String), ``time`` (Datetime) and ``kind``.
    """
    attacks = events.filter(pl.col("kind") == "attack").select(*_WHO, "hour", "time")
    benign = events.select(*_WHO, "hour", "time", "kind").with_row_index("row").filter(pl.col("kind") == "background")
    same_hour = benign.join(attacks, on=[*_WHO, "hour"], how="semi", nulls_equal=True)["row"]
    followed = (
        benign.sort("time")
        .join_asof(
            attacks.select(*_WHO, "time", attacked="time").sort("time"),
            on="time",
            by=list(_WHO),
            strategy="backward",
            tolerance=SHADOW,
            check_sortedness=False,
        )
        .filter(pl.col("attacked").is_not_null())["row"]
    )
    rows = pl.concat([same_hour, followed]).unique()
    return pl.Series("shadow", [False]).new_from_index(0, events.height).scatter(rows, True)
