"""SQL text of conditions, and how such texts are joined.

Belongs here: quoting, AND and OR with what is always true or false left out. Does not belong here: what a KQL operator
means (``comparisons``).

The dialect is that of `polars.sql_expr`: LIKE knows no escape character, and REGEXP_LIKE takes Rust's regular
expressions.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["FALSE", "TRUE", "Sql", "all_of", "any_of", "atom", "column", "literal", "matches", "quoted_pattern"]

_META = re.compile(r"[\\.+*?()|\[\]{}^$#&\-~]")
_PLAIN = re.compile(r"[A-Za-z_]\w*", re.ASCII)
#: Words that the SQL parser does not take for a column's name.
_RESERVED = frozenset(
    """
    all and any array as asc between by case cast current default desc distinct else end except exists false from
    group having in index intersect interval into is join key left like limit not null offset on option or order
    outer position right select set start table then time timestamp true type union user using value values when
    where with
    """.split()  # noqa: SIM905
)


@dataclass(frozen=True, slots=True)
class Sql:
    """A condition. ``joined``: ``AND`` or ``OR`` where it is made of several ``parts``, else empty."""

    text: str
    joined: str = ""
    parts: tuple["Sql", ...] = ()


TRUE, FALSE = Sql("TRUE"), Sql("FALSE")


def atom(text: str) -> Sql:
    """A condition that needs no brackets."""
    return Sql(text)


def all_of(conditions: Iterable[Sql]) -> Sql:
    """True where every condition is."""
    return _joined("AND", TRUE, FALSE, conditions)


def any_of(conditions: Iterable[Sql]) -> Sql:
    """True where some condition is."""
    return _joined("OR", FALSE, TRUE, conditions)


def _joined(word: str, neutral: Sql, decisive: Sql, conditions: Iterable[Sql]) -> Sql:
    flat = [part for one in conditions for part in (one.parts if one.joined == word else (one,))]
    kept = [one for one in dict.fromkeys(flat) if one != neutral]
    if decisive in kept:
        return decisive
    if len(kept) < 2:
        return kept[0] if kept else neutral
    return Sql(f" {word} ".join(f"({one.text})" if one.joined else one.text for one in kept), word, tuple(kept))


def column(name: str) -> str:
    """A column's name, in quotes where it needs them."""
    plain = _PLAIN.fullmatch(name) and name.casefold() not in _RESERVED
    return name if plain else '"' + name.replace('"', '""') + '"'


def literal(value: str | float) -> str:
    """A text, number or truth value."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return repr(value)


def quoted_pattern(text: str) -> str:
    """A regular expression that matches exactly ``text``."""
    return _META.sub(lambda match: "\\" + match[0], text)


def matches(value: str, text: str, before: str, after: str, *, negated: bool = False) -> Sql:
    """Whether ``text`` is found in a value.

    Args:
        value: SQL of the value.
        text: what is looked for.
        before: ``%`` where anything may stand before it, else empty.
        after: ``%`` where anything may follow, else empty.
        negated: whether it is not found.
    """
    no = "NOT " if negated else ""
    if not any(each in text for each in "%_\\\r\n"):
        return atom(f"{value} {no}LIKE {literal(before + text + after)}")
    pattern = ("" if before else "^") + quoted_pattern(text) + ("" if after else "$")
    return atom(f"{no}REGEXP_LIKE({value}, {literal(pattern)})")
