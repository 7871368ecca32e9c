"""KQL as Log Analytics speaks it, rewritten to the KQL that the DuckDB translator understands, and translated.

Belongs here: the constructs found in published analytics rules that the translator lacks, and what is forbidden here.
Does not belong here: running the SQL (``query``).

| construct | becomes |
|---|---|
| ``split(x, d, n)`` | ``pack_array(split(x, d)[n])`` |
| ``indexof_regex(x, p)`` | the length of what stands before the first match, or -1 |
| ``ingestion_time()`` | a hidden column |
| ``has_any (L)``, L a ``let`` list of literals | the literals themselves (a list in a variable is very slow) |
| ``mv-expand todynamic(X)`` | ``mv-expand X = todynamic(X)`` |
| a new column that differs from another only in case | renamed on the way, named as asked in the answer |
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from s3sentinel_assets.local.workspace.errors import ApiError
from s3sentinel_assets.local.workspace.kql_tokens import Token, call_at, next_solid, render, tokenise
from s3sentinel_assets.local.workspace.storage import INGESTION_TIME

__all__ = ["Rewritten", "bad_query", "rewrite", "translate"]

RENAMED = "__other_case"
LIST_OPERATORS = {"has_any", "has_all", "in", "has_any_index"}
ELSEWHERE = {"cluster", "database", "workspace", "workspaces", "app", "adx", "arg"}
CATALOGUE_VIEWS = ("pg_", "sqlite_", "duckdb_")  # DuckDB's own views, which no workspace has
LENGTH_LIMIT = 100_000
DEPTH_LIMIT = 100  # brackets in brackets; the parser takes seconds for more


@dataclass(frozen=True)
class Rewritten:
    """A query ready for translation.

    Attributes:
        text: the KQL.
        tables: the workspace tables it names.
        ingestion_time: whether it asks for ``ingestion_time()``.
        renamed: columns that got another name on the way → the name to answer with.
    """

    text: str
    tables: tuple[str, ...]
    ingestion_time: bool = False
    renamed: dict[str, str] = field(default_factory=dict)


def bad_query(code: str, message: str, **details: Any) -> ApiError:
    """400 in the query API's shape. ``code``: ``SyntaxError`` or ``SemanticError``."""
    headline = {"SyntaxError": "A recognition error occurred in the query."}.get(code, "A semantic error occurred.")
    number = {"SyntaxError": "SYN0002"}.get(code, "SEM0100")
    inner = {"code": code, "message": headline, "innererror": {"code": number, "message": message, **details}}
    return ApiError(400, "BadArgumentError", "The request had some invalid properties", details={"innererror": inner})


def rewrite(text: str, schema: Mapping[str, Sequence[str]]) -> Rewritten:
    """Rewrites ``text`` for the translator.

    Args:
        text: the query.
        schema: table → columns.

    Raises:
        ApiError: 400; the query is a control command, too long, or reads another place.
    """
    tokens = tokenise(text)
    start = next_solid(tokens, 0)
    if start == len(tokens):
        raise bad_query("SyntaxError", "The query is empty.")
    if len(text) > LENGTH_LIMIT:
        raise bad_query("SyntaxError", f"The query is longer than {LENGTH_LIMIT:,} characters.")
    if tokens[start].text == ".":
        raise bad_query("SyntaxError", "Control commands are not allowed: the query API only reads.")
    _forbid(tokens)
    names = {token.text for token in tokens if token.kind == "name"}
    wildcard = any(name in ("union", "search", "find") for name in names)
    tables = tuple(table for table in schema if table in names or wildcard)
    tokens = _inline_lists(tokens)
    tokens = _name_expansions(tokens)
    tokens, renamed = _separate_cases(tokens, {column for table in tables for column in schema[table]})
    return Rewritten(_rewrite_calls(tokens), tables, "ingestion_time" in names, renamed)


def translate(query: Rewritten, schema: Mapping[str, Sequence[str]]) -> tuple[str, dict[str, Any]]:
    """The DuckDB SQL of ``query`` and the values to bind.

    Raises:
        ApiError: 400; the query cannot be parsed or uses what the local workspace lacks.
    """
    from duckdb_kql import KqlError, KqlSyntaxError, to_sql

    known = {table: list(columns) for table, columns in schema.items()}
    if query.ingestion_time:
        known = {table: [*columns, INGESTION_TIME] for table, columns in known.items()}
    try:
        sql = to_sql(query.text, schema=known, allow_write=False)
    except KqlSyntaxError as error:
        where = error.diagnostics[0] if error.diagnostics else None
        place = {"line": where.span.line, "pos": where.span.column} if where else {}
        raise bad_query(
            "SyntaxError", f"Query could not be parsed: {where.message if where else error}", **place
        ) from None
    except KqlError as error:
        raise bad_query("SemanticError", f"{error} (in the local workspace)") from None
    except RecursionError:
        raise bad_query("SyntaxError", "The query is nested too deeply.") from None
    if sql.unbound:
        raise bad_query("SemanticError", f"Query parameter without a value: {', '.join(sql.unbound)}")
    return str(sql), dict(sql.parameters)


def _forbid(tokens: Sequence[Token]) -> None:
    """One workspace, no other place: such a query would be answered with the wrong data."""
    depth = 0
    for index, token in enumerate(tokens):
        if token.kind == "sign":
            depth += (token.text in "([{") - (token.text in ")]}")
            if depth > DEPTH_LIMIT:
                raise bad_query("SyntaxError", "The query is nested too deeply.")
        if token.kind == "name" and token.text in ELSEWHERE and call_at(tokens, index) is not None:
            raise bad_query("SemanticError", f"{token.text}() is not available in the local workspace")
        if token.kind == "name" and token.text.lower().startswith(CATALOGUE_VIEWS):
            raise bad_query("SemanticError", f"Failed to resolve table or column expression named '{token.text}'")
        if token.kind == "name" and token.text == "externaldata":
            raise bad_query("SemanticError", "externaldata is not available in the local workspace: it reads no files")


def _rewrite_calls(tokens: Sequence[Token]) -> str:
    """Replaces the calls of `CALLS`, inner ones first."""
    pieces: list[str] = []
    index = 0
    while index < len(tokens):
        token = tokens[index]
        change = CALLS.get(token.text) if token.kind == "name" else None
        call = call_at(tokens, index) if change else None
        if change and call:
            arguments, index = call
            pieces.append(change([_rewrite_calls(argument).strip() for argument in arguments]))
        else:
            pieces.append(token.text)
            index += 1
    return "".join(pieces)


def _split(arguments: list[str]) -> str:
    if len(arguments) == 3:
        text, delimiter, position = arguments
        return f"pack_array(split({text}, {delimiter})[{position}])"
    return f"split({', '.join(arguments)})"


def _indexof_regex(arguments: list[str]) -> str:
    if len(arguments) != 2:
        raise bad_query("SemanticError", "indexof_regex() takes 2 arguments in the local workspace")
    text, pattern = arguments
    before = f"strcat(@'(?s)^(.*?)(?:', {pattern}, @')')"
    literal = tokenise(pattern)
    if len(literal) == 1 and literal[0].kind == "string" and literal[0].text.startswith("@'"):
        before = f"@'(?s)^(.*?)(?:{literal[0].text[2:-1]})'"
    elif len(literal) == 1 and literal[0].kind == "string" and literal[0].text[0] in "@'\"":
        prefix, quote = ("@", literal[0].text[1]) if literal[0].text[0] == "@" else ("", literal[0].text[0])
        inner = literal[0].text[len(prefix) + 1 : -1]
        before = f"{prefix}{quote}(?s)^(.*?)(?:{inner}){quote}"
    return f"iff({text} matches regex {pattern}, strlen(extract({before}, 1, {text})), -1)"


def _ingestion_time(arguments: list[str]) -> str:
    # Not the bare column: an unnamed result must not be named after it.
    return f"({INGESTION_TIME} + 0s)" if not arguments else "ingestion_time(" + ", ".join(arguments) + ")"


CALLS: dict[str, Callable[[list[str]], str]] = {
    "split": _split,
    "indexof_regex": _indexof_regex,
    "ingestion_time": _ingestion_time,
}


def _inline_lists(tokens: list[Token]) -> list[Token]:
    """Puts the literals of ``let L = dynamic([...]);`` where ``has_any (L)`` and its like read them."""
    lists: dict[str, list[Token]] = {}
    for index, token in enumerate(tokens):
        if token.text == "let" and token.kind == "name":
            name = next_solid(tokens, index + 1)
            value = next_solid(tokens, next_solid(tokens, name + 1) + 1)
            call = call_at(tokens, value) if value < len(tokens) and tokens[value].text == "dynamic" else None
            if call and len(call[0]) == 1:
                inner = [part for part in call[0][0] if part.kind != "space"]
                bracketed = len(inner) > 2 and inner[0].text == "[" and inner[-1].text == "]"
                if bracketed and all(part.kind in ("string", "number") or part.text == "," for part in inner[1:-1]):
                    lists[tokens[name].text] = inner[1:-1]
    if not lists:
        return tokens
    result: list[Token] = []
    index = 0
    while index < len(tokens):
        token = tokens[index]
        result.append(token)
        opening = index + 2 if index + 1 < len(tokens) and tokens[index + 1].text == "~" else index + 1
        call = call_at(tokens, opening - 1) if token.kind == "name" and token.text in LIST_OPERATORS else None
        if call and len(call[0]) == 1 and (name := render(call[0][0]).strip()) in lists:
            result += [
                *tokens[index + 1 : opening],
                Token("space", " "),
                Token("sign", "("),
                *lists[name],
                Token("sign", ")"),
            ]
            index = call[1]
        else:
            index += 1
    return result


def _name_expansions(tokens: list[Token]) -> list[Token]:
    """Names an unnamed ``mv-expand todynamic(X)`` after its column."""
    result: list[Token] = []
    for index, token in enumerate(tokens):
        if token.text in ("todynamic", "parse_json") and re.search(
            r"\bmv-(?:expand|apply)\s+$", render(tokens[max(0, index - 4) : index])
        ):
            call = call_at(tokens, index)
            member = bool(call) and render(tokens[call[1] : call[1] + 1]) in (".", "[")
            if call and len(call[0]) == 1 and re.fullmatch(r"\s*[A-Za-z_]\w*\s*", render(call[0][0])) and not member:
                result.append(Token("name", f"{render(call[0][0]).strip()} = "))
        result.append(token)
    return result


def _separate_cases(tokens: list[Token], columns: set[str]) -> tuple[list[Token], dict[str, str]]:
    """Renames new columns whose name differs from a table's column, or an earlier new one, only in case."""
    spelled = {column.casefold(): column for column in columns}
    renamed: dict[str, str] = {}
    for index, token in enumerate(tokens):
        following = next_solid(tokens, index + 1)
        before = next((part for part in reversed(tokens[:index]) if part.kind != "space"), None)
        assigned = token.kind == "name" and following < len(tokens) and tokens[following].text == "="
        if assigned and not (before and before.text in ("let", ".")):
            first = spelled.setdefault(token.text.casefold(), token.text)
            if first != token.text:
                renamed[token.text] = f"{token.text}{RENAMED}"
    if not renamed:
        return tokens, {}
    result = []
    for index, token in enumerate(tokens):
        member = index > 0 and tokens[index - 1].text == "."
        swap = token.kind == "name" and token.text in renamed and not member
        result.append(Token("name", renamed[token.text]) if swap else token)
    return result, {new: old for old, new in renamed.items()}
