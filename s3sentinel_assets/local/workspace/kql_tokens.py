"""KQL text as tokens: just enough to rewrite a query without touching what stands in strings and comments.

Belongs here: cutting text into tokens and finding a call's arguments. Does not belong here: the rewriting (``kql``),
and no grammar: the parser of the translator has that.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Token", "call_at", "next_solid", "render", "tokenise"]

_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
      |(?P<string>[hH]?@"(?:[^"]|"")*"|[hH]?@'(?:[^']|'')*'|[hH]?"(?:\\.|[^"\\\n])*"|[hH]?'(?:\\.|[^'\\\n])*'|```.*?```)
      |(?P<number>\d[\w.]*)
      |(?P<name>[A-Za-z_$]\w*)
      |(?P<sign>==|=~|!=|!~|<=|>=|=>|.)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Token:
    """A piece of the text; ``kind`` is space (comments too), string, number, name or sign."""

    kind: str
    text: str


def tokenise(text: str) -> list[Token]:
    """The tokens of ``text``; joined they give ``text`` again."""
    return [Token(match.lastgroup or "sign", match.group()) for match in _TOKEN.finditer(text)]


def render(tokens: Sequence[Token]) -> str:
    """The text of ``tokens``."""
    return "".join(token.text for token in tokens)


def next_solid(tokens: Sequence[Token], index: int) -> int:
    """The position of the first token at or after ``index`` that is not space; ``len(tokens)`` when there is none."""
    while index < len(tokens) and tokens[index].kind == "space":
        index += 1
    return index


def call_at(tokens: Sequence[Token], index: int) -> tuple[list[list[Token]], int] | None:
    """The arguments of the call whose name stands at ``index``, and the position after its closing bracket.

    Returns:
        None where no call stands there, or its bracket never closes.
    """
    opening = next_solid(tokens, index + 1)
    if opening >= len(tokens) or tokens[opening].text != "(":
        return None
    depth = 0
    arguments: list[list[Token]] = [[]]
    for position in range(opening, len(tokens)):
        token = tokens[position]
        if token.kind == "sign" and token.text in "([{":
            depth += 1
            if depth == 1:
                continue
        elif token.kind == "sign" and token.text in ")]}":
            depth -= 1
            if depth == 0:
                empty = len(arguments) == 1 and not render(arguments[0]).strip()
                return ([] if empty else arguments), position + 1
        if depth == 1 and token.text == ",":
            arguments.append([])
        else:
            arguments[-1].append(token)
    return None
