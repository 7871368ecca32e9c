"""VPC flow log fields → the columns of ``AWSVPCFlow``.

Belongs here: the mapping. ``TimeGenerated`` is the flow's start (its end where there is no start). Lines with status
NODATA or SKIPDATA are kept: that nothing was seen, or something was missed, is information.
"""

from collections.abc import Mapping

import polars as pl

from s3sentinel_assets.formats.frames import EVENT_ID, EVENT_TIME, OBJECT, ORDINAL, conform
from s3sentinel_assets.formats.vpc_flow.fields import FIELDS
from s3sentinel_assets.formats.vpc_flow.lines import EVENT_SECOND

__all__ = ["to_rows"]

_TABLE = "AWSVPCFlow"
_TIMES = ("start", "end")


def _instant(seconds: pl.Expr) -> pl.Expr:
    return (seconds * 1_000_000).cast(pl.Datetime("us", "UTC"))


def to_rows(raw: pl.DataFrame, identities: Mapping[int, str]) -> pl.DataFrame:
    """Lines as rows of ``AWSVPCFlow``; see `frames.conform`.

    Args:
        raw: fields under AWS's names, as `lines` types them, with `lines.EVENT_SECOND`.
        identities: object id → object identity.
    """
    present = set(raw.columns)
    columns = {column: pl.col(field) for field, column in FIELDS.items() if field in present}
    for field in _TIMES:
        if field in present:
            columns[FIELDS[field]] = _instant(columns[FIELDS[field]])
    instant = _instant(pl.col(EVENT_SECOND))
    columns["TimeGenerated"] = columns[EVENT_TIME] = instant
    prefixes = {object_id: f"{identity}-" for object_id, identity in identities.items()}
    prefix = pl.col(OBJECT).replace_strict(prefixes, return_dtype=pl.String)
    columns[EVENT_ID] = prefix + pl.col(ORDINAL).cast(pl.String)
    return conform(raw, _TABLE, columns)
