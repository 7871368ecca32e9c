"""First uses of sensitivity rules: what a principal has never done in this way, though the action may be an old habit.

Belongs here: looking such uses up in history and in the hour so far. Does not belong here: which rule an event fits
(``priority``), what follows from a first use (``judging``, ``sensitive_term``).
"""

from dataclasses import dataclass

import polars as pl

from s3sentinel_assets.ml.features.readings import Readings
from s3sentinel_assets.ml.history.dimensions import Dimension, combine, dense, encode, zeros
from s3sentinel_assets.ml.history.groups import running_count

__all__ = ["TABLE", "RuleUses", "rule_uses"]

#: State table and counters: principal and item.
TABLE = "principal/rule"


@dataclass(frozen=True)
class RuleUses:
    """The events that fit a rule which history does not know of their principal.

    Attributes:
        index: UInt32: their places, ascending.
        so_far: Int64 beside it: how often the hour saw the principal fit it before.
    """

    index: pl.Series
    so_far: pl.Series


def rule_uses(readings: Readings, items: pl.Series | None) -> RuleUses:
    """The uses that are new to history; all uses are handed on to the counters.

    Args:
        readings: of the batch.
        items: String per event, null for those without (``priority.rule_items``); None: there are no rules.
    """
    nothing = RuleUses(zeros(0, pl.UInt32), zeros(0))
    if items is None:
        return nothing
    index = items.is_not_null().arg_true()
    if not index.len():
        return nothing
    owners, used = dense(readings.principals[index], readings.principal.size)
    keys = combine(Dimension(readings.principal.values[used], owners), encode(items[index]))
    ones = keys.codes.to_frame("code").group_by("code").len("count")
    readings.hand_on(TABLE, keys.values, zeros(keys.size).scatter(ones["code"], ones["count"].cast(pl.Int64)))
    never = (readings.history(TABLE, keys.values) == 0.0)[keys.codes]
    so_far = running_count(keys.codes, keys.size) + readings.counters.earlier(TABLE, keys.values)[keys.codes]
    return RuleUses(index.filter(never), so_far.filter(never))
