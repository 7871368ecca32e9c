"""VPC flow log fields → the columns of ``AWSVPCFlow``.

Belongs here: the mapping and what is done about values that do not fit. ``TimeGenerated`` is the flow's start (its
end where there is no start). Lines with status NODATA or SKIPDATA are kept: that nothing was seen, or something was
missed, is
information. A number too big for its column (``Packets`` is 32-bit in Sentinel) becomes null and ``_flags`` carries it:
``packets_overflow=4294967296``.
"""

from collections.abc import Mapping

import polars as pl

from s3sentinel_assets.formats.frames import EVENT_ID, EVENT_TIME, FLAGS, OBJECT, ORDINAL, conform, flags
from s3sentinel_assets.formats.instants import LAST_EPOCH_SECOND
from s3sentinel_assets.formats.vpc_flow.fields import FIELDS
from s3sentinel_assets.formats.vpc_flow.lines import EVENT_SECOND

__all__ = ["to_rows"]

_TABLE = "AWSVPCFlow"
_SMALL = ("version", "srcport", "dstport", "protocol", "packets", "tcp-flags")
_TIMES = ("start", "end")
_INT32 = (-(2**31), 2**31 - 1)


def _instant(seconds: pl.Expr) -> pl.Expr:
    return (seconds * 1_000_000).cast(pl.Datetime("us", "UTC"))


def _bounded(name: str, low: int, high: int) -> pl.Expr:
    return pl.when(pl.col(name).is_between(low, high)).then(name)


def _overflow(name: str, low: int, high: int) -> pl.Expr:
    text = pl.format(f"{name.replace('-', '_')}_overflow={{}}", pl.col(name))
    return pl.when(~pl.col(name).is_between(low, high)).then(text)


def to_rows(raw: pl.DataFrame, identities: Mapping[int, str]) -> pl.DataFrame:
    """Lines as rows of ``AWSVPCFlow``; see `frames.conform`.

    Args:
        raw: fields under AWS's names, numbers as Int64, with `lines.EVENT_SECOND`.
        identities: object id → object identity.
    """
    present = set(raw.columns)
    columns = {column: pl.col(field) for field, column in FIELDS.items() if field in present}
    bounds = dict.fromkeys(_SMALL, _INT32) | dict.fromkeys(_TIMES, (0, LAST_EPOCH_SECOND))
    unfit = []
    for field, (low, high) in bounds.items():
        if field not in present or raw.height == 0:
            continue
        least, most = raw[field].min(), raw[field].max()
        if least is not None and (least < low or most > high):  # type: ignore[operator]
            columns[FIELDS[field]] = _bounded(field, low, high)
            unfit.append(_overflow(field, low, high))
    for field in _TIMES:
        if field in present:
            columns[FIELDS[field]] = _instant(columns[FIELDS[field]])
    instant = _instant(pl.col(EVENT_SECOND))
    columns["TimeGenerated"] = columns[EVENT_TIME] = instant
    columns[EVENT_ID] = pl.concat_str(
        pl.col(OBJECT).replace_strict(dict(identities), return_dtype=pl.String),
        pl.col(ORDINAL).cast(pl.String),
        separator="-",
    )
    if unfit:
        raw = raw.with_columns(flags(pl.col(FLAGS), *unfit).alias(FLAGS))
    return conform(raw, _TABLE, columns)
