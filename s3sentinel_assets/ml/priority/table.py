"""Priority: a deterministic table over score, sensitivity, first time and cold start.

Belongs here: applying the table that ``models/priority.json`` holds. Does not belong here: the numbers in it.
"""

import polars as pl

from s3sentinel_assets.ml.history.dimensions import Dimension, zeros
from s3sentinel_assets.ml.history.normalise import plain_action
from s3sentinel_assets.ml.scoring.model import PriorityRule, RarityModel

__all__ = ["priority", "sensitivity"]


def sensitivity(action: Dimension, failed: pl.Series, model: RarityModel) -> pl.Series:
    """Int64 per row: the action's sensitivity 0 to 3; one less where the call failed."""
    if not model.sensitive:
        return zeros(failed.len())
    levels = (
        action.values.to_frame("value")
        .select(
            plain_action().replace_strict(
                list(model.sensitive), list(model.sensitive.values()), default=0, return_dtype=pl.Int64
            )
        )
        .to_series()
    )
    return (levels[action.codes] - failed.cast(pl.Int64)).clip(0)


def priority(rules: tuple[PriorityRule, ...]) -> pl.Expr:
    """The first rule that applies, over the columns ``score``, ``sensitivity``, ``first_seen`` and ``cold_start``."""
    expression = pl.lit(rules[-1].priority)
    for rule in reversed(rules[:-1]):
        expression = pl.when(_applies(rule)).then(pl.lit(rule.priority)).otherwise(expression)
    return expression


def _applies(rule: PriorityRule) -> pl.Expr:
    conditions = [pl.lit(True)]
    if rule.min_score is not None:
        conditions.append(pl.col("score") >= rule.min_score)
    if rule.min_sensitivity is not None:
        conditions.append(pl.col("sensitivity") >= rule.min_sensitivity)
    if rule.first_seen is not None:
        conditions.append(pl.col("first_seen") == rule.first_seen)
    if rule.cold_start is not None:
        conditions.append(pl.col("cold_start") == rule.cold_start)
    return pl.all_horizontal(conditions)
