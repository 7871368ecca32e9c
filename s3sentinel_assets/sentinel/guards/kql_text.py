"""KQL text as a tree of tokens and brackets, and the literals in it.

Belongs here: cutting text into tokens, brackets, parts, and what a literal stands for. Does not belong here: what a
query reads (``pipelines``) and what a condition means (``conditions``).

Source of the lexical rules: "Kusto Query Language: entity names, string, numeric and dynamic literals"
(learn.microsoft.com/kusto/query).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Group", "KqlTextError", "Node", "Scalar", "Token", "constant", "name_of", "read", "render", "split", "walk"]

Scalar = str | int | float | bool

_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
      |(?P<string>[hH]?@"(?:[^"]|"")*"|[hH]?@'(?:[^']|'')*'|[hH]?"(?:\\.|[^"\\\n])*"|[hH]?'(?:\\.|[^'\\\n])*'
        |[hH]?```.*?```|[hH]?~~~.*?~~~)
      |(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\w*)
      |(?P<name>[A-Za-z_$]\w*)
      |(?P<sign>==|=~|!=|!~|<=|>=|=>|<>|\.\.|.)""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_MOST_DEPTH = 100
_MOST_CHARACTERS = 100_000
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'"}
_INTEGER, _REAL = re.compile(r"\d{1,19}"), re.compile(r"\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_CASTS = {"long", "int", "real", "double", "bool", "decimal"}


class KqlTextError(ValueError):
    """The text cannot be cut into tokens and brackets; the message is a part of a sentence."""


@dataclass(frozen=True, slots=True)
class Token:
    """``kind``: string, number, name or sign. ``spaced``: white space or a comment stands before it."""

    kind: str
    text: str
    spaced: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """What stands in brackets; ``opening`` is ``(``, ``[`` or ``{``."""

    opening: str
    items: tuple["Node", ...]
    spaced: bool = False


Node = Token | Group


def read(text: str) -> tuple[Node, ...]:
    """The tokens of ``text``, those in brackets as groups; without comments.

    Raises:
        KqlTextError: a string or bracket never ends, brackets are nested too deeply, or the text is too long.
    """
    if len(text) > _MOST_CHARACTERS:
        raise KqlTextError(f"has more than {_MOST_CHARACTERS:,} characters")
    levels: list[list[Node]] = [[]]
    openings: list[Token] = []
    spaced = False
    for match in _TOKEN.finditer(text):
        kind, piece = match.lastgroup or "sign", match.group()
        if kind == "space":
            spaced = True
            continue
        token, spaced = Token(kind, piece, spaced), False
        if kind != "sign":
            levels[-1].append(token)
        elif piece in "\"'`":
            raise KqlTextError("has a string that never ends")
        elif piece in _CLOSING:
            openings.append(token)
            levels.append([])
            if len(openings) > _MOST_DEPTH:
                raise KqlTextError(f"has more than {_MOST_DEPTH} brackets in each other")
        elif piece in ")]}":
            if not openings or _CLOSING[openings[-1].text] != piece:
                raise KqlTextError(f"has a '{piece}' that closes nothing")
            opened = openings.pop()
            items = tuple(levels.pop())
            levels[-1].append(Group(opened.text, items, opened.spaced))
        else:
            levels[-1].append(token)
    if openings:
        raise KqlTextError(f"has a '{openings[-1].text}' that never closes")
    return tuple(levels[0])


def split(nodes: Sequence[Node], text: str) -> list[tuple[Node, ...]]:
    """``nodes`` cut at every sign or word ``text`` outside brackets; a word behind a dot is a member's name."""
    cut: list[list[Node]] = [[]]
    before = ""
    for node in nodes:
        if isinstance(node, Token) and node.kind in ("sign", "name") and node.text == text and before != ".":
            cut.append([])
        else:
            cut[-1].append(node)
        before = node.text if isinstance(node, Token) else ""
    return [tuple(part) for part in cut]


def walk(nodes: Sequence[Node]) -> Iterator[tuple[Token, str]]:
    """Every token, those in brackets too, and the text of what follows it (a bracket: the bracket)."""
    for index, node in enumerate(nodes):
        if isinstance(node, Group):
            yield from walk(node.items)
            continue
        following = nodes[index + 1] if index + 1 < len(nodes) else None
        after = "" if following is None else following.opening if isinstance(following, Group) else following.text
        yield node, after


def render(nodes: Sequence[Node], most: int = 120) -> str:
    """The text of ``nodes`` on one line, cut after ``most`` characters."""
    text = " ".join(_rendered(nodes).split())
    return text if len(text) <= most else text[: most - 2] + " …"


def _rendered(nodes: Sequence[Node]) -> str:
    pieces: list[str] = []
    for node in nodes:
        inner = node.text if isinstance(node, Token) else node.opening + _rendered(node.items) + _CLOSING[node.opening]
        pieces.append((" " if node.spaced else "") + inner)
    return "".join(pieces)


def name_of(nodes: Sequence[Node]) -> str | None:
    """The name that ``nodes`` are: ``Name``, ``['Name']`` or ``["Name"]``; None: they are something else."""
    if len(nodes) != 1:
        return None
    node = nodes[0]
    if isinstance(node, Token):
        return node.text if node.kind == "name" else None
    if node.opening == "[" and len(node.items) == 1 and isinstance(node.items[0], Token):
        return _string(node.items[0])
    return None


def constant(
    nodes: Sequence[Node], named: Mapping[str, Scalar | tuple[Scalar | None, ...]]
) -> Scalar | tuple[Scalar | None, ...] | None:
    """What ``nodes`` stand for: a literal, a list of literals, or a name of one.

    Args:
        nodes: an expression.
        named: the constants that have a name.

    Returns:
        A list's elements as a tuple, None among them for one that is no literal; None: it is no constant.
    """
    if len(nodes) == 1:
        node = nodes[0]
        if isinstance(node, Group):
            return constant(node.items, named) if node.opening == "(" else None
        return _literal(node, named)
    if len(nodes) == 2 and isinstance(nodes[0], Token) and isinstance(nodes[1], Token):
        value = _number(nodes[1]) if nodes[0].text == "-" and nodes[1].kind == "number" else None
        return None if value is None else -value
    if len(nodes) == 2 and isinstance(nodes[0], Token) and isinstance(nodes[1], Group) and nodes[1].opening == "(":
        return _call(nodes[0].text, nodes[1].items, named)
    return None


def _call(
    name: str, items: Sequence[Node], named: Mapping[str, Scalar | tuple[Scalar | None, ...]]
) -> Scalar | tuple[Scalar | None, ...] | None:
    if name == "pack_array":
        return tuple(_scalar(part, named) for part in split(items, ","))
    if name == "dynamic" and len(items) == 1 and isinstance(items[0], Group) and items[0].opening == "[":
        inner = items[0].items
        return tuple(_scalar(part, {}) for part in split(inner, ",")) if inner else ()
    value = constant(items, named)
    if name in ("tolower", "toupper") and isinstance(value, str) and value.isascii():
        return value.lower() if name == "tolower" else value.upper()
    if name == "tostring" and isinstance(value, str):
        return value
    return value if name in _CASTS and isinstance(value, (int, float)) else None


def _scalar(nodes: Sequence[Node], named: Mapping[str, Scalar | tuple[Scalar | None, ...]]) -> Scalar | None:
    value = constant(nodes, named)
    return None if isinstance(value, tuple) else value


def _literal(
    token: Token, named: Mapping[str, Scalar | tuple[Scalar | None, ...]]
) -> Scalar | tuple[Scalar | None, ...] | None:
    if token.kind == "string":
        return _string(token)
    if token.kind == "number":
        return _number(token)
    if token.kind == "name" and token.text in ("true", "false"):
        return token.text == "true"
    return named.get(token.text) if token.kind == "name" else None


def _number(token: Token) -> int | float | None:
    """None for spans of time, hexadecimal numbers and what has too many digits."""
    if _INTEGER.fullmatch(token.text):
        value = int(token.text)
        return value if value < 2**63 else None
    return float(token.text) if _REAL.fullmatch(token.text) else None


def _string(token: Token) -> str | None:
    """What a string literal stands for; None where it has an escape that is not read here."""
    if token.kind != "string":
        return None
    text = token.text.lstrip("hH")
    if text.startswith(("```", "~~~")):
        return text[3:-3]
    if text.startswith("@"):
        return text[2:-1].replace(text[1] * 2, text[1])
    inner = text[1:-1]
    if any(escape[1] not in _ESCAPES for escape in re.findall(r"\\.", inner, re.DOTALL)):
        return None
    return re.sub(r"\\(.)", lambda match: _ESCAPES[match[1]], inner, flags=re.DOTALL)
