"""The term of sensitive calls: how much a call matters, where the principal has never made it before.

Belongs here: from sensitivity to a term of the score. Does not belong here: how sensitive a call is (``sensitivity``),
what the term is worth (``anomaly``: how seldom benign events have it).

Rarity alone ranks the first look at a dashboard beside the first grant of rights. In routine work sensitive first times
are few, so their tail is short, and the score of a quiet misuse of the victim's own network and client rises above it.
"""

import polars as pl

from s3sentinel_assets.ml.features.terms import Term

__all__ = ["BITS_PER_LEVEL", "sensitive_term"]

#: A scale for the sum of unfitted bits; fitted detectors replace it by the tail of benign events.
BITS_PER_LEVEL = 4.0


def sensitive_term(level: pl.Series, first_seen: pl.Series, uses: pl.Series) -> Term:
    """The term ``sensitive``.

    Args:
        level: Int64 per event, 0 to 3, after the checks of parameters.
        first_seen: Boolean per event: history knows no such action of the principal.
        uses: Int64 per event: how often the hour saw the principal do it before; the second time says half as much.
    """
    index = ((level > 0) & first_seen).arg_true()
    bits = level[index].cast(pl.Float64) * BITS_PER_LEVEL / (uses[index] + 1).cast(pl.Float64)
    return Term(index, bits.alias("sensitive"))
