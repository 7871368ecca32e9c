"""A frame as JSON text: the members of every row, nulls left out, joined column by column.

Belongs here: how members are joined to rows. Does not belong here: how one column is written (``json_members``), which
columns a row has (``render``), what is put around its members (``packing``).

The cost is in the pieces a row is joined from, about two a column: its value, and what stands before it (the end of
the value before, a comma, a name, a colon). The latter is one text for all rows as long as neither of the two columns
has nulls, so rows with the usual columns are joined apart from the few that have more or fewer; and a column with one
value in all rows is no piece at all.
"""

import polars as pl

from s3sentinel_assets.sentinel.json_members import Member, make_members

__all__ = ["encode_rows"]

#: A column that fewer rows have, or lack, is unusual; and unusual rows are set apart if they are as few together.
_UNUSUAL_SHARE = 1 / 8
#: So few rows are not worth setting some of them apart.
_FEW_ROWS = 1_024


def encode_rows(
    frame: pl.DataFrame,
    *,
    hundredths: tuple[str, ...] = (),
    json: tuple[str, ...] = (),
    six_decimals: bool = False,
) -> pl.Series:
    """``,"name":value`` of every value of a row that is not null, in the order of the columns.

    Each row's text depends on that row alone.

    Args:
        frame: shape (n, …), n ≥ 1: texts, numbers, booleans and UTC instants. NaN and infinities count as null, since
            JSON has neither.
        hundredths: names of columns of real numbers that are written with at most two decimals.
        json: names of columns of texts that are JSON for certain, written as they are.
        six_decimals: whether instants have six decimals even where these are noughts.

    Returns:
        Strings, shape (n,).
    """
    reals = pl.col(pl.Float32, pl.Float64)
    # -0.0 is equal to 0.0, so both shall have one text.
    frame = frame.with_columns(pl.when(reals == 0).then(0.0).when(reals.is_finite()).then(reals).name.keep())
    unusual = _unusual_rows(frame)
    if unusual is None:
        return _join(frame, make_members(frame, hundredths, json, six_decimals=six_decimals))
    groups = (frame.filter(~unusual), frame.filter(unusual))
    texts = pl.concat(
        [_join(group, make_members(group, hundredths, json, six_decimals=six_decimals)) for group in groups]
    )
    place = pl.when(unusual).then(unusual.cum_sum() + groups[0].height).otherwise((~unusual).cum_sum()) - 1
    return texts.gather(pl.select(place).to_series())


def _unusual_rows(frame: pl.DataFrame) -> pl.Series | None:
    """Which rows have a column that few have, or lack one that nearly all have; None: no reason to set them apart."""
    few = frame.height * _UNUSUAL_SHARE
    signs: list[pl.Expr] = []
    for column in frame.iter_columns():
        nulls = column.null_count()
        if 0 < nulls <= few:
            signs.append(pl.col(column.name).is_null())
        elif 0 < frame.height - nulls <= few:
            signs.append(pl.col(column.name).is_not_null())
    if frame.height < _FEW_ROWS or not signs:
        return None
    unusual = frame.select(unusual=pl.any_horizontal(signs)).to_series()
    return unusual if unusual.sum() <= few else None


def _join(frame: pl.DataFrame, members: list[Member]) -> pl.Series:
    """All members of a row, one after the other."""
    if not members:
        return pl.Series("tail", [""]).new_from_index(0, frame.height)
    elements: list[pl.Expr] = []
    # What is still to be written behind the last piece, and the column that says in which rows.
    closes, before = "", None
    for member in members:
        if not member.pieces and before is None:
            closes += member.opens
            continue
        elements += _between(closes, before, member.opens, member.there)
        elements += member.pieces
        closes, before = member.closes, member.there
    elements += _between(closes, before, "", None)
    texts = frame.select(tail=pl.concat_str(elements, ignore_nulls=True)).to_series()
    return texts if len(texts) == frame.height else texts.new_from_index(0, frame.height)  # all rows are equal


def _between(closes: str, before: str | None, opens: str, after: str | None) -> list[pl.Expr]:
    """What stands between two values; ``before`` and ``after`` name columns that are null where they are not."""
    if not closes and not opens:
        return []
    both = pl.lit(closes + opens)
    if before is None or not closes:
        return [_where(after, both, pl.lit(closes))]
    if after is None:
        return [_where(before, both, pl.lit(opens))]
    if before == after:
        return [_where(after, both, None)]
    return [_where(before, pl.lit(closes), None), _where(after, pl.lit(opens), None)]


def _where(column: str | None, then: pl.Expr, otherwise: pl.Expr | None) -> pl.Expr:
    return then if column is None else pl.when(pl.col(column).is_not_null()).then(then).otherwise(otherwise)
