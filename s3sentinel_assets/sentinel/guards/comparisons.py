"""What KQL's operators mean for a column of a given type, as SQL that is never too narrow.

Belongs here: one small function for each type of column. Does not belong here: AND, OR, NOT (``conditions``) and how
SQL is written (``sql``).

Every comparison becomes two bounds: ``true`` holds wherever the KQL may be true, ``false`` wherever it may be false. A
row may be in both, and one of them may be null where it does not hold. NOT swaps them, so both must be safe by
themselves.

Facts used ("String operators", "Null values", "Understanding string terms", learn.microsoft.com/kusto/query): a string
is never null in Log Analytics, what is missing is empty; a number's ``!=`` is true for a null; ``has`` looks for whole
terms, and so finds a subset of what ``contains`` finds. Values outside ASCII, long ones and such are left to ``model``:
rows with these are kept whatever the SQL says.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from s3sentinel_assets.sentinel.guards.kql_text import Scalar
from s3sentinel_assets.sentinel.guards.sql import (
    FALSE,
    TRUE,
    Sql,
    all_of,
    any_of,
    atom,
    column,
    literal,
    matches,
    quoted_pattern,
)

__all__ = ["ROUNDED", "Bounds", "Operand", "compare", "emptiness", "mirrored"]

#: Columns that are sent with two decimals only (``render``).
ROUNDED = ("AnomalyScore_CF", "Confidence_CF")
_ROUNDING = 0.01

_MOST_EXACT = 2**53
_MIRRORED = {"==": "==", "!=": "!=", "<": ">", ">": "<", "<=": ">=", ">=": "<="}
_OPPOSITE = {"<": ">=", ">": "<=", "<=": ">", ">=": "<", "==": "<>", "!=": "="}
_SQL_SIGNS = {"==": "=", "!=": "<>"}
#: Text operator → what may stand before and after.
_PLACES = {
    "contains": ("%", "%"),
    "startswith": ("", "%"),
    "endswith": ("%", ""),
}
_TERMS = ("has", "hasprefix", "hassuffix")
#: A pattern that RE2 and Rust's engine read alike: no options but a leading (?i), no classes in classes.
_PLAIN_PATTERN = re.compile(
    r"(?:\(\?i\))?(?:[^\\(\[]|\((?!\?)|\(\?:|\[\^?(?:(?!--)[\w .,:;@/+=*\-])+\]|\\[dws.\-/()\[\]{}+*?|^$\\])*", re.ASCII
)
_LETTERS = re.compile(r"[0-9A-Za-z]+")


@dataclass(frozen=True, slots=True)
class Bounds:
    """``true``: holds where the condition may be true. ``false``: where it may be false."""

    true: Sql
    false: Sql

    def swapped(self) -> "Bounds":
        """The bounds of the opposite condition."""
        return Bounds(self.false, self.true)


@dataclass(frozen=True, slots=True)
class Operand:
    """A column. ``kind``: its Log Analytics type. ``case``: ``lower`` or ``upper``, where it stands in such a call."""

    name: str
    kind: str
    case: str = ""


def mirrored(operator: str) -> str | None:
    """The operator when both sides change places."""
    return _MIRRORED.get(operator)


def emptiness(function: str, operand: Operand) -> Bounds | None:
    """``isempty``, ``isnotempty``, ``isnull``, ``isnotnull`` of a column."""
    bounds = _empty(operand, null_only=function in ("isnull", "isnotnull", "notnull"))
    return bounds.swapped() if function in ("isnotempty", "notempty", "isnotnull", "notnull") else bounds


def _empty(operand: Operand, *, null_only: bool) -> Bounds:
    name = column(operand.name)
    if operand.kind in ("string", "guid"):
        empty, filled = atom(f"COALESCE({name}, '') = ''"), atom(f"{name} <> ''")
        return Bounds(empty, TRUE if null_only else filled)
    if operand.kind == "dynamic":
        return Bounds(TRUE, atom(f"{name} <> ''"))  # JSON has many ways to say nothing
    return Bounds(atom(f"{name} IS NULL"), atom(f"{name} IS NOT NULL"))


def compare(operand: Operand, operator: str, values: Sequence[Scalar | None]) -> Bounds | None:
    """A comparison with literals.

    Args:
        operand: the column.
        operator: without its ``!``: ``==``, ``=~``, ``<``, ``in``, ``in~``, ``has_any``, ``between``, …
        values: one, or a list's; None for an element that is not known.

    Returns:
        None: it cannot be said in SQL.
    """
    if operand.kind == "string":
        return _text(operand, operator, values)
    if operand.kind == "dynamic":
        return _dynamic(operand, operator, values)
    if operand.case:
        return None
    if operand.kind in ("int", "long", "real"):
        return _number(operand, operator, values)
    return _truth(operand, operator, values) if operand.kind == "bool" else None


def _text(operand: Operand, operator: str, values: Sequence[Scalar | None]) -> Bounds | None:
    if operator == "matches regex":
        return _pattern(operand, values)
    if operator in ("has_any", "has_all"):
        every = [_text(operand, "has", [value]) for value in values]
        known = [one for one in every if one is not None]
        unknown = [] if len(known) == len(every) else [Bounds(TRUE, TRUE)]
        return _some(known + unknown) if operator == "has_any" else _all(known + unknown)
    bare = operator.removesuffix("_cs")
    folds = operator in ("=~", "in~") or (bare == operator and bare in (*_PLACES, *_TERMS))
    texts = [value for value in values if isinstance(value, str) and (not folds or value.isascii())]
    complete = len(texts) == len(values)
    case = "lower" if folds else operand.case
    value = f"{case}({column(operand.name)})" if case else column(operand.name)
    texts = [text.lower() for text in texts] if folds else texts
    if operator in ("==", "=~", "in", "in~"):
        return _equal(value, texts, complete)
    if not complete or bare not in (*_PLACES, *_TERMS):
        return None
    if not texts[0]:
        return Bounds(TRUE, FALSE)
    given = f"COALESCE({value}, '')"
    if bare in _PLACES:
        before, after = _PLACES[bare]
        return Bounds(matches(value, texts[0], before, after), matches(given, texts[0], before, after, negated=True))
    return Bounds(matches(value, texts[0], "%", "%"), _no_term(given, texts[0], bare))


def _no_term(value: str, text: str, operator: str) -> Sql:
    """Where no term of that text stands; only what is a term by every reading is excluded."""
    if operator != "has" or not _LETTERS.fullmatch(text):
        return TRUE
    pattern = f"(^|[^0-9A-Za-z_]){quoted_pattern(text)}([^0-9A-Za-z_]|$)"
    return atom(f"NOT REGEXP_LIKE({value}, {literal(pattern)})")


def _equal(value: str, texts: list[str], complete: bool) -> Bounds:
    listed = ", ".join(literal(text) for text in dict.fromkeys(texts))
    given = f"COALESCE({value}, '')"
    if not texts:
        return Bounds(FALSE if complete else TRUE, TRUE)
    some = given if "" in texts else value
    if len(set(texts)) == 1:
        return Bounds(atom(f"{some} = {listed}") if complete else TRUE, atom(f"{given} <> {listed}"))
    return Bounds(atom(f"{some} IN ({listed})") if complete else TRUE, atom(f"{given} NOT IN ({listed})"))


def _pattern(operand: Operand, values: Sequence[Scalar | None]) -> Bounds | None:
    pattern = values[0]
    if operand.case or not isinstance(pattern, str) or not pattern.isascii() or not _PLAIN_PATTERN.fullmatch(pattern):
        return None
    try:
        pl.Series([""]).str.contains(pattern)
    except pl.exceptions.ComputeError:  # such as a brace that only RE2 takes for itself
        return None
    value = f"COALESCE({column(operand.name)}, '')"
    found = f"REGEXP_LIKE({value}, {literal(pattern)})"
    # Rust's \\s has the vertical tab, too.
    return Bounds(atom(found), TRUE if r"\s" in pattern else atom(f"NOT {found}"))


def _dynamic(operand: Operand, operator: str, values: Sequence[Scalar | None]) -> Bounds | None:
    """JSON as text: white space, escapes and numbers may be written in other ways, runs of letters may not."""
    if operator in ("has_any", "has_all"):
        every = [_dynamic(operand, "has", [value]) or Bounds(TRUE, TRUE) for value in values]
        return _some(every) if operator == "has_any" else _all(every)
    if operator.removesuffix("_cs") not in (*_TERMS, "contains") or not isinstance(values[0], str):
        return None
    runs = [run for run in _LETTERS.findall(values[0]) if re.search(r"[A-DF-Za-df-z]", run)]
    if not runs:
        return None
    return Bounds(matches(f"lower({column(operand.name)})", max(runs, key=len).lower(), "%", "%"), TRUE)


def _number(operand: Operand, operator: str, values: Sequence[Scalar | None]) -> Bounds | None:
    name = column(operand.name)
    numbers = [value for value in values if isinstance(value, (int, float)) and _fits(value, operand.kind)]
    complete = len(numbers) == len(values)
    if operator == "in":
        every = [bounds for value in numbers if (bounds := _number(operand, "==", [value]))]
        return _some(every if complete else [*every, Bounds(TRUE, TRUE)])
    if not complete:
        return None
    if operator == "between":
        first, last = _number(operand, ">=", values[:1]), _number(operand, "<=", values[1:])
        return _all([first, last]) if first and last else None
    if operator not in _OPPOSITE:
        return None
    number = numbers[0]
    if operand.name in ROUNDED:
        return _rounded(name, operator, float(number))
    sign, opposite = _SQL_SIGNS.get(operator, operator), _OPPOSITE[operator]
    value = literal(number)
    holds, fails = atom(f"{name} {sign} {value}"), atom(f"{name} {opposite} {value}")
    missing = atom(f"{name} IS NULL")
    return Bounds(any_of([holds, missing]) if operator == "!=" else holds, any_of([fails, missing]))


def _rounded(name: str, operator: str, number: float) -> Bounds:
    """A value may be sent as one that is up to half a hundredth away."""
    low, high = (round(number + step, 10) for step in (-_ROUNDING, _ROUNDING))
    above, below = atom(f"{name} >= {literal(low)}"), atom(f"{name} <= {literal(high)}")
    missing = atom(f"{name} IS NULL")
    match operator:
        case ">" | ">=":
            return Bounds(above, any_of([below, missing]))
        case "<" | "<=":
            return Bounds(below, any_of([above, missing]))
        case "==":
            return Bounds(all_of([above, below]), TRUE)
        case _:
            return Bounds(TRUE, all_of([above, below]))


def _fits(value: float, kind: str) -> bool:
    """Whether the comparison is exact in both worlds."""
    if isinstance(value, bool):
        return False
    return abs(value) <= _MOST_EXACT or (isinstance(value, int) and kind != "real")


def _truth(operand: Operand, operator: str, values: Sequence[Scalar | None]) -> Bounds | None:
    if operator not in ("==", "!=") or not isinstance(values[0], bool):
        return None
    name = column(operand.name)
    yes, no, missing = atom(name), atom(f"NOT {name}"), atom(f"{name} IS NULL")
    # A null is unequal to both.
    bounds = Bounds(yes, any_of([no, missing])) if values[0] else Bounds(any_of([no, missing]), any_of([yes, missing]))
    return bounds if operator == "==" else bounds.swapped()


def _some(every: Sequence[Bounds]) -> Bounds:
    return Bounds(any_of(one.true for one in every), all_of(one.false for one in every))


def _all(every: Sequence[Bounds]) -> Bounds:
    return Bounds(all_of(one.true for one in every), any_of(one.false for one in every))
