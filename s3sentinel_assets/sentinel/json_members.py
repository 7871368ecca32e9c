"""Columns as JSON members: ``,"name":value``, in the pieces that rows are joined from.

Belongs here: how a value of each type is written. Does not belong here: joining (``json_rows``).

Text that JSON can hold as it is, nearly all of it, is not encoded at all, and what has few different texts (dates,
seconds of a day, scores) is looked up instead of formatted. Which way a column goes is asked of all columns at once:
an operation on one column costs more in Python than on 10,000 of its values.
"""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

__all__ = ["Member", "make_members"]

_DAY_SECONDS = 86_400
#: Dates of ten characters without a sign: 0001-01-01 to 9999-12-31, in days since 1970.
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896
#: A slice of logs has a handful of dates; more of them are formatted one by one.
_MOST_DAYS = 4_000
#: Hundredths below this are looked up: any score.
_HUNDREDTHS = 1 << 16
#: A look at so many values tells of nearly every column with escapes that it has some.
_SAMPLE = 64


@dataclass(frozen=True)
class Member:
    """A column ready to be joined: in each row ``opens``, the pieces, ``closes``; nothing where the column is null.

    Attributes:
        opens: what precedes the value, from the comma on; all of it if there are no pieces.
        pieces: texts that make up the value, null where the column is.
        closes: what follows it.
        there: a column that is null in the same rows; None: it is nowhere null.
    """

    opens: str
    pieces: tuple[pl.Expr, ...] = ()
    closes: str = ""
    there: str | None = None


def make_members(
    frame: pl.DataFrame, hundredths: tuple[str, ...], json: tuple[str, ...], *, six_decimals: bool
) -> list[Member]:
    """The members of a frame, shape (n, …), n ≥ 1, in order; columns that are null everywhere have none.

    Args:
        frame: texts, finite numbers, booleans and UTC instants.
        hundredths: names of columns of real numbers that are written with at most two decimals.
        json: names of columns of texts that are JSON, written as they are.
        six_decimals: whether instants have six decimals even where these are noughts.
    """
    frame = frame.select(column for column in frame.iter_columns() if column.null_count() < frame.height)
    facts = _facts(frame, hundredths)
    escaped = _with_escapes(frame.drop(json, strict=False), facts)
    members: dict[str, Member] = {}
    there = None
    for column in frame.iter_columns():
        name = column.name
        if not facts.get(f"{name} null as before"):
            there = name if column.null_count() else None
        if name in json:
            members[name] = Member(f',"{name}":', (pl.col(name),), "", there)
        elif name in escaped:
            members[name] = _escaped(name, there)
        elif column.dtype == pl.String:
            members[name] = Member(f',"{name}":"', (pl.col(name),), '"', there)
        elif isinstance(column.dtype, pl.Datetime):
            members[name] = _instant(name, there, facts, six_decimals=six_decimals)
        else:
            text = _hundredths(name, facts) if name in hundredths else pl.col(name).cast(pl.String)
            members[name] = Member(f',"{name}":', (text,), "", there)
    constant = {name: _whole(member) for name, member in members.items() if facts.get(f"{name} constant")}
    texts = frame.head(1).select(**constant).row(0, named=True) if constant else {}
    return [Member(texts[name]) if name in texts else member for name, member in members.items()]


def _facts(frame: pl.DataFrame, hundredths: tuple[str, ...]) -> dict[str, Any]:
    """What decides how columns are written, by ``<column> <fact>``."""
    questions: dict[str, pl.Expr] = {}
    before, nulls_before = "", 0
    for column in frame.iter_columns():
        name, value, nulls = column.name, pl.col(column.name), column.null_count()
        if not nulls:
            questions[f"{name} constant"] = (value == value.first()).all()
        elif nulls == nulls_before:
            questions[f"{name} null as before"] = (value.is_null() == pl.col(before).is_null()).all()
        before, nulls_before = name, nulls
        if isinstance(column.dtype, pl.Datetime):
            micros = value.dt.epoch("us")
            days = micros // (_DAY_SECONDS * 1_000_000)
            questions[f"{name} in whole seconds"] = (micros % 1_000_000 == 0).all()
            questions[f"{name} first day"], questions[f"{name} last day"] = days.min(), days.max()
        elif name in hundredths:
            questions[f"{name} usual"] = (value * 100.0).round().is_between(0, _HUNDREDTHS - 1).all()
    return frame.select(**questions).row(0, named=True) if questions else {}


def _whole(member: Member) -> pl.Expr:
    return pl.concat_str(pl.lit(member.opens), *member.pieces, pl.lit(member.closes))


def _with_escapes(frame: pl.DataFrame, facts: dict[str, Any]) -> set[str]:
    """The columns in which some text has a character that JSON escapes."""
    names = [name for name, kind in frame.schema.items() if kind == pl.String]
    found = _not_plain(frame.head(_SAMPLE), names)
    return found | _not_plain(
        frame, [name for name in names if name not in found and not facts.get(f"{name} constant")]
    )


def _not_plain(rows: pl.DataFrame, names: list[str]) -> set[str]:
    # All texts of a column as one: looking for a byte in it is next to nothing, a match per value is not.
    texts = rows.select(pl.col(names).str.join("").cast(pl.Binary))
    return {column.name for column in texts.iter_columns() if not _is_plain(column.item())}


def _is_plain(text: bytes) -> bool:
    if b'"' in text or b"\\" in text:
        return False
    return not text or int(np.frombuffer(text, dtype=np.uint8).min()) >= ord(" ")


def _escaped(name: str, there: str | None) -> Member:
    member = pl.struct(name).struct.json_encode().str.slice(1).str.head(-1)  # without the braces
    return Member(",", (member if there is None else pl.when(pl.col(there).is_not_null()).then(member),), "", there)


def _instant(name: str, there: str | None, facts: dict[str, Any], *, six_decimals: bool) -> Member:
    """ISO 8601 with Z; decimals, six of them, where a value has any or all shall have them."""
    opens = f',"{name}":"'
    micros = pl.col(name).dt.epoch("us")
    first, last = facts[f"{name} first day"], facts[f"{name} last day"]
    few = first >= _FIRST_DAY and last <= _LAST_DAY and last - first < _MOST_DAYS
    if not (few and facts[f"{name} in whole seconds"]):
        return Member(opens, (_formatted(name, micros, six_decimals=six_decimals),), '"', there)
    time = pl.lit(_times_of_day()).gather(micros // 1_000_000 % _DAY_SECONDS)
    closes = '.000000Z"' if six_decimals else 'Z"'
    dates = pl.int_range(first, last + 1, dtype=pl.Int32, eager=True).cast(pl.Date).dt.strftime("%FT")
    if first == last:
        return Member(opens + dates.item(), (time,), closes, there)
    date = pl.lit(dates).gather(micros // (_DAY_SECONDS * 1_000_000) - first)
    return Member(opens, (date, time), closes, there)


def _formatted(name: str, micros: pl.Expr, *, six_decimals: bool) -> pl.Expr:
    exact = pl.col(name).dt.strftime("%FT%T%.6fZ")
    if six_decimals:
        return exact
    # Value by value, so that a row's text does not depend on its neighbours.
    return pl.when(micros % 1_000_000 == 0).then(pl.col(name).dt.strftime("%FT%TZ")).otherwise(exact)


@functools.cache
def _times_of_day() -> pl.Series:
    """``hh:mm:ss`` of each second of a day."""
    micros = pl.int_range(0, _DAY_SECONDS, eager=True) * 1_000_000
    return micros.cast(pl.Datetime("us")).dt.strftime("%T")


def _hundredths(name: str, facts: dict[str, Any]) -> pl.Expr:
    """Numbers rounded to two decimals, without noughts at the end."""
    scaled = (pl.col(name) * 100.0).round()
    if facts[f"{name} usual"]:
        return pl.lit(_hundredth_texts()).gather(scaled.cast(pl.Int64))
    # A hundred times the largest numbers is infinite, which JSON cannot say.
    return pl.when(scaled.is_finite()).then(_hundredth_text(scaled)).otherwise(pl.col(name).cast(pl.String))


@functools.cache
def _hundredth_texts() -> pl.Series:
    """The texts of 0, 0.01, 0.02 and so on."""
    return pl.select(_hundredth_text(pl.int_range(0, _HUNDREDTHS))).to_series()


def _hundredth_text(scaled: pl.Expr) -> pl.Expr:
    # Rounded again: a division by 100 may leave 0.47000000000000003.
    rounded = pl.when(scaled == 0).then(0.0).otherwise((scaled / 100.0).round(2))
    return rounded.cast(pl.String).str.strip_suffix(".0")
