"""Names that a query gives: let statements, functions, constants.

Belongs here: what a name stands for, and telling tables from values by their form. Does not belong here: following
tables (``pipelines``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from s3sentinel_assets.sentinel.guards.kql_text import Group, Node, Scalar, Token, name_of, split
from s3sentinel_assets.sentinel.guards.names import WORDS
from s3sentinel_assets.sentinel.guards.stages import keyword

__all__ = [
    "Let",
    "Names",
    "Stage",
    "assignment",
    "constants",
    "function_of",
    "is_scalar",
    "is_word",
    "let_statement",
    "may_be_table",
    "stages_of",
]


@dataclass(eq=False)
class Let:
    """A let statement; ``known`` is what it could see itself. Compared by identity."""

    value: tuple[Node, ...]
    known: "Names"
    literal: Scalar | tuple[Scalar | None, ...] | None = None
    stages: "tuple[Stage, ...]" = ()


@dataclass(eq=False)
class Stage:
    """A stage and the names it can see. Compared by identity."""

    nodes: tuple[Node, ...]
    known: "Names"


#: None: a parameter, of which nothing is known.
Names = Mapping[str, Let | None]


def stages_of(nodes: Sequence[Node], known: Names) -> tuple[Stage, ...]:
    """The stages of a pipeline, all of which see the same names."""
    return tuple(Stage(part, known) for part in split(nodes, "|"))


def let_statement(statement: Sequence[Node]) -> tuple[str, tuple[Node, ...]] | None:
    """Name and value of a let statement."""
    if len(statement) > 3 and is_word(statement[2], "="):
        name = name_of(statement[1:2])
        return (name, tuple(statement[3:])) if name else None
    return None


def function_of(value: Sequence[Node]) -> tuple[list[str], tuple[Node, ...]] | None:
    """Parameters and body of ``[view] (a: string) { … }``; None: the value is no function."""
    start = 1 if value and is_word(value[0], "view") else 0
    if len(value) != start + 2:
        return None
    listed, body = value[start], value[start + 1]
    if not (isinstance(listed, Group) and isinstance(body, Group) and listed.opening == "(" and body.opening == "{"):
        return None
    names = [name for part in split(listed.items, ",") if (name := name_of(part[:1]))]
    return names, body.items


def constants(known: Names) -> dict[str, Scalar | tuple[Scalar | None, ...]]:
    """The names among ``known`` that stand for literals."""
    return {name: let.literal for name, let in known.items() if let is not None and let.literal is not None}


def assignment(name: str) -> tuple[Token, ...]:
    """``name = 0``."""
    return Token("name", name), Token("sign", "="), Token("number", "0")


def may_be_table(value: Sequence[Node]) -> bool:
    """Whether a value without stages may be a table: a name, a call, a union or something in brackets."""
    if len(value) == 1:
        return not isinstance(value[0], Token) or value[0].kind == "name"
    return keyword(value)[0] in ("union", "search", "find", "materialize")


def is_scalar(nodes: Sequence[Node]) -> bool:
    """Whether an expression that is no name and no call has operators, and so is one value."""
    tokens = [node for node in nodes if isinstance(node, Token)]
    signs = any(token.kind == "sign" and token.text != "." for token in tokens)
    names = [token.text for token in tokens if token.kind == "name"]
    return signs or not names or any(name in WORDS for name in names)


def is_word(node: Node, text: str) -> bool:
    """Whether ``node`` is this word or sign."""
    return isinstance(node, Token) and node.text == text and node.kind != "string"
