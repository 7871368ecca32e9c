"""Which rules sensitive calls fit, as items that history counts for each principal.

Belongs here: the item of an event. Does not belong here: the rules (``sensitivity``), counting (``history.update``),
what a first use says (``features.rule_uses``).

Whoever opens a port to one address every day has still never opened one to the world: an action that is known says
little about a parameter that is not.
"""

import polars as pl

from s3sentinel_assets.ml.priority.rules import SENSITIVE
from s3sentinel_assets.ml.priority.sensitivity import Levels

__all__ = ["rule_items"]

#: Beside the rule of a call that failed: an attempt does not make the deed known.
_FAILED = " failed"


def rule_items(levels: Levels, failed: pl.Series) -> pl.Series:
    """String per event: the rule that a sensitive call fits, and whether the call failed; null for all others.

    Calls below `SENSITIVE` are too common to be told apart by their parameters.

    Args:
        levels: of the events.
        failed: Boolean, beside them.
    """
    item = pl.when(pl.col("failed")).then(pl.col("rule") + _FAILED).otherwise(pl.col("rule"))
    named = pl.DataFrame({"level": levels.level, "rule": levels.rule, "failed": failed})
    return named.select(pl.when(pl.col("level") >= SENSITIVE).then(item).alias("rule"))["rule"]
