"""Texts that many records have in common, such as WAF's list of rule groups: each is computed with once.

Belongs here: that detour through the distinct texts. Does not belong here: what is computed. Values that are decoded
into a struct as they are read have `shared.SharedValues`.
"""

from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

__all__ = ["per_distinct"]


def per_distinct(
    texts: pl.Series, compute: Callable[[str], tuple[Any, ...]], schema: Mapping[str, pl.DataType]
) -> pl.DataFrame:
    """What ``compute`` makes of each text, row by row with ``texts``; nulls for null.

    Args:
        texts: JSON texts.
        compute: called once for each distinct text; gives a value for each column.
        schema: the columns.
    """
    distinct = texts.drop_nulls().unique(maintain_order=True)
    made = pl.DataFrame([compute(text) for text in distinct], schema=schema, orient="row")
    keyed = made.with_columns(distinct.alias("_text"))
    return texts.to_frame("_text").join(keyed, on="_text", how="left", maintain_order="left").drop("_text")
