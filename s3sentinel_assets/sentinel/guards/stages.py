"""What one stage of a pipeline does to columns and rows.

Belongs here: operators that leave each row's fate to that row alone, and what names mean after them; the operands of
``join`` and ``union``. Does not belong here: following tables through a query (``pipelines``).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from s3sentinel_assets.sentinel.guards.conditions import Columns
from s3sentinel_assets.sentinel.guards.kql_text import Group, Node, Token, constant, name_of, split, walk
from s3sentinel_assets.sentinel.guards.names import WINDOW_FUNCTIONS

__all__ = ["Operands", "columns_after", "join_operand", "keyword", "looks_elsewhere", "union_operands"]

_UNCHANGED = ("project-away", "project-keep", "project-reorder", "sort", "order")


def keyword(nodes: Sequence[Node]) -> tuple[str, int]:
    """The operator that a stage begins with, such as ``project-away``, and the place after it; empty: none."""
    words: list[str] = []
    index = 0
    while index < len(nodes):
        node = nodes[index]
        if not isinstance(node, Token) or node.kind != "name":
            break
        words.append(node.text)
        index += 1
        following = nodes[index : index + 2]
        if len(following) < 2 or _sign(following[0]) != "-" or not isinstance(following[1], Token):
            break
        if following[0].spaced or following[1].spaced:
            break
        index += 1
    return "-".join(words), index


def looks_elsewhere(nodes: Sequence[Node], functions: Collection[str]) -> bool:
    """Whether a stage may look at other rows than the one at hand: window functions, or functions not looked into."""
    return any(
        token.kind == "name" and after == "(" and (token.text in WINDOW_FUNCTIONS or token.text in functions)
        for token, after in walk(nodes)
    )


def columns_after(word: str, rest: Sequence[Node], columns: Columns) -> Columns | None:
    """What names mean after a stage; None: that is not known, or the stage needs several rows."""
    if word in _UNCHANGED:
        return columns
    if word not in ("extend", "project", "project-rename"):
        return None
    names: dict[str, str | None] = {}
    for part in split(rest, ","):
        made = _made(part, columns)
        if made is None:
            return None
        names |= made
        if word == "project-rename" and len(part) == 3 and (old := name_of(part[2:])):
            names.setdefault(old, None)
    return columns.only(names) if word == "project" else columns.assigned(names)


def _made(part: Sequence[Node], columns: Columns) -> dict[str, str | None] | None:
    """The names that one part of an extend or project makes → the table's column each stands for."""
    name = name_of(part)
    if name is not None:
        return {name: columns.find(name)}
    if len(part) < 3 or _sign(part[1]) != "=":
        return None  # named by the service
    first = part[0]
    if isinstance(first, Group) and first.opening == "(":
        return {made: None for each in split(first.items, ",") if (made := name_of(each))}
    made = name_of(part[:1])
    source = name_of(part[2:])
    return None if made is None else {made: columns.find(source) if source else None}


@dataclass(frozen=True)
class Operands:
    """What a union reads.

    Attributes:
        tables: expressions, each a table.
        patterns: names with ``*``.
        column: the column that names the source; None: there is none.
    """

    tables: tuple[tuple[Node, ...], ...]
    patterns: tuple[str, ...] = ()
    column: str | None = None


def union_operands(rest: Sequence[Node]) -> Operands:
    """The operands of a union; ``rest`` follows the word."""
    start, parameters = _after_parameters(rest)
    tables: list[tuple[Node, ...]] = []
    patterns: list[str] = []
    for part in split(rest[start:], ","):
        texts = [node.text for node in part if isinstance(node, Token)]
        if "*" in texts and len(texts) == len(part):
            patterns.append("".join(texts))
        elif part:
            tables.append(part)
    return Operands(tuple(tables), tuple(patterns), parameters.get("withsource") or parameters.get("with_source"))


def join_operand(rest: Sequence[Node]) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
    """The table of a join or lookup, and what follows it."""
    start, _ = _after_parameters(rest)
    end = start + 1
    if end < len(rest) and isinstance(rest[end], Group) and isinstance(rest[start], Token):
        end += 1  # a call
    return tuple(rest[start:end]), tuple(rest[end:])


def _after_parameters(rest: Sequence[Node]) -> tuple[int, dict[str, str]]:
    """Where the parameters of an operator end (``kind=inner hint.strategy=broadcast``), and what they are."""
    found: dict[str, str] = {}
    index = 0
    while index + 2 < len(rest):
        dotted = _sign(rest[index + 1]) == "."
        equals = index + (3 if dotted else 1)
        if not isinstance(rest[index], Token) or equals + 1 >= len(rest) or _sign(rest[equals]) != "=":
            break
        value = rest[equals + 1]
        name = rest[index]
        if isinstance(name, Token):
            text = constant([value], {})
            found[name.text] = text if isinstance(text, str) else name_of([value]) or ""
        index = equals + 2
    return index, found


def _sign(node: Node) -> str:
    return node.text if isinstance(node, Token) and node.kind == "sign" else ""
