"""Functions that give tables: a query's own (``let F = (n: long) { T | where Bytes > n }``) and those saved here.

Belongs here: taking them out of the text, as definitions for the translator. Does not belong here: functions that give
one value, which the translator knows.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.local.workspace.kql_names import SOURCES
from s3sentinel_assets.local.workspace.kql_tokens import (
    Token,
    call_at,
    keyword,
    next_solid,
    parts,
    render,
    solid,
    tokenise,
)

__all__ = ["Hoisted", "hoist_functions", "read_saved", "with_saved"]

FOLDER = "functions"


@dataclass(frozen=True)
class Hoisted:
    """A query without its tabular functions.

    Attributes:
        tokens: what is left.
        definitions: ``function F(…) { … }``, in order.
        names: their names.
    """

    tokens: list[Token]
    definitions: list[str]
    names: set[str]


def read_saved(folder: Path | None) -> dict[str, str]:
    """The functions saved in a workspace: ``functions/<name>.kql`` below its folder, each the body of one.

    Raises:
        UserError: a file's name is no name of a function.
    """
    files = sorted((folder / FOLDER).glob("*.kql")) if folder else []
    for file in files:
        if not file.stem.isidentifier():
            raise UserError(f"{file}: '{file.stem}' cannot be a function's name; use letters, digits and '_'")
    return {file.stem: file.read_text(encoding="utf-8") for file in files}


def with_saved(tokens: list[Token], saved: Mapping[str, str]) -> list[Token]:
    """Puts the saved functions that a query names before it, and those that these name."""
    bound = {solid(part)[1].text for part in parts(tokens, ";") if keyword(part)[0] == "let" and len(solid(part)) > 1}
    wanted: dict[str, list[Token]] = {}
    result: list[Token] = []

    def add(body: Sequence[Token]) -> None:
        """Those that ``body`` names, each behind those that it names itself."""
        for name in dict.fromkeys(token.text for token in body if token.kind == "name"):
            if name in saved and name not in wanted and name not in bound:
                wanted[name] = solid_spaced(tokenise(saved[name]))
                add(wanted[name])
                result.extend([*tokenise(f"let {name} = () {{ "), *wanted[name], *tokenise(" }; ")])

    add(tokens)
    return result + tokens


def solid_spaced(tokens: Sequence[Token]) -> list[Token]:
    """``tokens`` with every comment and run of space as one blank."""
    return [Token("space", " ") if token.kind == "space" else token for token in tokens]


def hoist_functions(tokens: list[Token], tables: Collection[str]) -> Hoisted:
    """Takes functions with a tabular body out of the query.

    One with a tabular parameter stays, and its call ``f(T)`` becomes ``T | invoke f()``.
    """
    kept: list[list[Token]] = []
    definitions: list[str] = []
    names: set[str] = set()
    applied: set[str] = set()
    tabular = set(tables)
    for statement in parts(tokens, ";"):
        flat = solid(statement)
        name = flat[1].text if len(flat) > 3 and flat[0].text == "let" else ""
        function = _function(statement) if name else None
        if function is None:
            kept.append(statement)
            if name and _is_tabular(statement[statement.index(flat[2]) + 1 :], tabular):
                tabular.add(name)
            continue
        parameters, body = function
        if any(solid(part)[2:3] == [Token("sign", "(")] for part in parameters):
            applied.add(name)
            kept.append(statement)
        elif _is_tabular(parts(body, ";")[-1], tabular):
            listed = ", ".join(render(part).strip() for part in parameters)
            definitions.append(f"function {name}({listed}) {{ {render(solid_spaced(body)).strip()} }}")
            names.add(name)
            tabular.add(name)
        else:
            kept.append(statement)
    joined = [token for statement in kept for token in (Token("sign", ";"), *statement)][1:]
    return Hoisted(_invoked(joined, applied), definitions, names)


def _function(statement: Sequence[Token]) -> tuple[list[list[Token]], list[Token]] | None:
    """Parameters and body of ``let F = (…) { … }``."""
    equals = next((index for index, token in enumerate(statement) if token.text == "="), None)
    if equals is None:
        return None
    opening = next_solid(statement, equals + 1)
    if opening < len(statement) and statement[opening].text == "view":
        opening = next_solid(statement, opening + 1)
    call = call_at([Token("name", "f"), *statement[opening:]], 0)
    if call is None:
        return None
    brace = next_solid(statement, opening + call[1] - 1)
    if brace >= len(statement) or statement[brace].text != "{":
        return None
    closing = max((index for index, token in enumerate(statement) if token.text == "}"), default=-1)
    return (call[0], list(statement[brace + 1 : closing])) if closing > brace else None


def _is_tabular(tokens: Sequence[Token], tables: Collection[str]) -> bool:
    if len(parts(tokens, "|")) > 1:
        return True
    flat = solid(tokens)
    return bool(flat) and (flat[0].text in tables or flat[0].text in SOURCES - {"let", "set", "declare"})


def _invoked(tokens: list[Token], names: Collection[str]) -> list[Token]:
    """``f(T, 1)`` → ``T | invoke f(1)``."""
    if not names:
        return tokens
    result: list[Token] = []
    index = 0
    while index < len(tokens):
        token = tokens[index]
        before = next((part.text for part in reversed(result) if part.kind != "space"), "")
        call = call_at(tokens, index) if token.text in names and before not in ("invoke", "let") else None
        if call and call[0]:
            first, *others = (render(argument).strip() for argument in call[0])
            result += tokenise(f"{first} | invoke {token.text}({', '.join(others)})")
            index = call[1]
        else:
            result.append(token)
            index += 1
    return result
