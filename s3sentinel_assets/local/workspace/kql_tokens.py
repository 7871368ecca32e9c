"""KQL text as tokens: just enough to rewrite a query without touching what stands in strings and comments.

Belongs here: cutting text into tokens, statements, stages and arguments. Does not belong here: the rewriting (``kql``
and the passes beside it), and no grammar: the parser of the translator has that.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = [
    "Token",
    "call_at",
    "keyword",
    "next_solid",
    "parts",
    "plain_string",
    "render",
    "solid",
    "string_value",
    "tokenise",
]

_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
      |(?P<string>[hH]?@"(?:[^"]|"")*"|[hH]?@'(?:[^']|'')*'|[hH]?"(?:\\.|[^"\\\n])*"|[hH]?'(?:\\.|[^'\\\n])*'|```.*?```|~~~.*?~~~)
      |(?P<number>\d[\w.]*)
      |(?P<name>[A-Za-z_$]\w*)
      |(?P<sign>==|=~|!=|!~|<=|>=|=>|.)""",
    re.VERBOSE | re.DOTALL,
)
MULTI_LINE = ("```", "~~~")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


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


def solid(tokens: Sequence[Token]) -> list[Token]:
    """``tokens`` without space and comments."""
    return [token for token in tokens if token.kind != "space"]


def next_solid(tokens: Sequence[Token], index: int) -> int:
    """The position of the first token at or after ``index`` that is not space; ``len(tokens)`` when there is none."""
    while index < len(tokens) and tokens[index].kind == "space":
        index += 1
    return index


def parts(tokens: Sequence[Token], sign: str) -> list[list[Token]]:
    """``tokens`` cut at every ``sign`` that stands in no bracket; the signs themselves are left out."""
    depth = 0
    cut: list[list[Token]] = [[]]
    for token in tokens:
        if token.kind == "sign":
            depth += (token.text in "([{") - (token.text in ")]}")
            if depth == 0 and token.text == sign:
                cut.append([])
                continue
        cut[-1].append(token)
    return cut


def keyword(tokens: Sequence[Token]) -> tuple[str, int]:
    """The operator a stage begins with, such as ``project-away``, and the position after it; ``""`` when none."""
    index = next_solid(tokens, 0)
    words: list[str] = []
    while index < len(tokens) and tokens[index].kind == "name":
        words.append(tokens[index].text)
        index += 1
        if index + 1 < len(tokens) and tokens[index].text == "-" and tokens[index + 1].kind == "name":
            index += 1
        else:
            break
    return "-".join(words), index


def string_value(token: Token) -> str:
    """What a string literal stands for."""
    text = token.text.lstrip("hH")
    if text.startswith(MULTI_LINE):
        return text[3:-3]
    if text.startswith("@"):
        return text[2:-1].replace(text[1] * 2, text[1])
    return _ESCAPE.sub(lambda match: {"n": "\n", "t": "\t", "r": "\r"}.get(match[1], match[1]), text[1:-1])


def plain_string(token: Token) -> Token:
    """A string over several lines as one in quotes; other tokens as they are."""
    if token.kind != "string" or not token.text.startswith(MULTI_LINE):
        return token
    value = token.text[3:-3].replace("\\", "\\\\").replace('"', '\\"')
    return Token("string", '"' + value.replace("\r", "\\r").replace("\n", "\\n") + '"')


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
