"""Parts of the incidents that are looked at by themselves: an average hides what is hard.

Belongs here: their names and conditions. Does not belong here: figures.
"""

import polars as pl

__all__ = ["SLICES", "shares"]


def shares(name: str) -> pl.Expr:
    """Whether an incident shares ``name`` (such as ``same_ip``) with its victim, from the column ``variant``."""
    return pl.col("variant").fill_null("").str.split(",").list.contains(name)


#: Name → condition over ``variant``, ``victim`` (kind of principal) and ``cold_start`` of an incident.
SLICES: dict[str, pl.Expr] = {
    "all": pl.lit(True),
    "new_ip": ~shares("same_ip"),
    "same_ip": shares("same_ip"),
    "same_ip_and_agent": shares("same_ip") & shares("same_agent"),
    "off_hours": ~shares("working_hours"),
    "human": pl.col("victim") == "human",
    "human_same_ip": (pl.col("victim") == "human") & shares("same_ip"),
    "workload": pl.col("victim") == "workload",
    "ci": pl.col("victim") == "ci",
    "admin": pl.col("victim") == "admin",
    "cold_start": pl.col("cold_start"),
}
