"""How many different items an owner has shown in the hour, exactly, up to each event.

Belongs here: counting firsts of the hour, from part to part. Does not belong here: how many are too many
(``family_terms``), what is new to history (``terms``).

The counters remember each item, so that one seen in an earlier part is not counted again. They remember `MOST` items
of an owner, and those of the part in which it got there: beyond that there is nothing left to tell.
"""

from dataclasses import dataclass

import polars as pl

from s3sentinel_assets.ml.features.readings import Readings
from s3sentinel_assets.ml.history.dimensions import Dimension, combine, zeros
from s3sentinel_assets.ml.history.groups import Groups, running_count

__all__ = ["MOST", "Distinct", "distinct_so_far"]

MOST = 4_096
#: In front of the name of a counter table: the number of items, where the table itself has the items.
_NUMBER = "number of "


@dataclass(frozen=True)
class Distinct:
    """The events that show an owner's item for the first time in the hour.

    Attributes:
        index: UInt32, ascending: their places.
        owners: UInt32 beside it: the owner.
        counts: Int64 beside it: different items of the owner up to here, this one included.
    """

    index: pl.Series
    owners: pl.Series
    counts: pl.Series


def distinct_so_far(readings: Readings, groups: Groups, owner: Dimension, item: Dimension, table: str) -> Distinct:
    """Finds the firsts and hands on what the next part has to know.

    Args:
        readings: of the batch.
        groups: whose events agree in owner and item.
        owner: a code per group.
        item: the same; "" is none.
        table: of the counters.
    """
    keys = combine(owner, item)
    begins = (readings.counters.earlier(table, keys.values) == 0) & (keys.values != "")
    before = readings.counters.earlier(_NUMBER + table, owner.values)
    index = begins[keys.codes][groups.codes].arg_true()
    firsts = (
        pl.DataFrame({"at": index, "key": keys.codes[groups.codes[index]]})
        .group_by("key")
        .agg(pl.col("at").min())
        .sort("at")
    )
    owners = keys.left[firsts["key"]]
    counts = running_count(owners, owner.size) + 1 + before[owners]
    remembered = before < MOST
    begun = owners.to_frame("owner").group_by("owner").len("n")
    numbers = zeros(owner.size).scatter(begun["owner"], begun["n"].cast(pl.Int64)) * remembered.cast(pl.Int64)
    readings.hand_on(table, keys.values, (begins & remembered[keys.left]).cast(pl.Int64))
    readings.hand_on(_NUMBER + table, owner.values, numbers)
    return Distinct(firsts["at"], owners, counts)
