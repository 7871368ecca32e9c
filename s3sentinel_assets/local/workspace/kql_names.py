"""Passes over the names of a query: lists, columns of the same name, tables that do not exist.

Belongs here: what needs no more than names and where they stand. Does not belong here: operators (``kql_operators``)
and calls (``kql_calls``).
"""

from collections import Counter
from collections.abc import Collection, Sequence
from itertools import pairwise

from s3sentinel_assets.local.workspace.kql_errors import unknown_function, unresolved
from s3sentinel_assets.local.workspace.kql_tokens import Token, call_at, keyword, next_solid, parts, render, solid

__all__ = ["RENAMED", "assigned_names", "check_sources", "inline_lists", "let_names", "separate_cases"]

RENAMED = "__other_case"
LIST_OPERATORS = {"has_any", "has_all", "in", "has_any_index"}
#: A name after one of these is a table's, when it is not the name of an argument.
TAKES_TABLE = {"join", "union", "lookup", "materialize", "toscalar", "view"}
SOURCES = {"print", "range", "datatable", "union", "search", "find", "externaldata", "let", "set", "declare", "macro"}


def inline_lists(tokens: list[Token]) -> list[Token]:
    """Puts the literals of ``let L = dynamic([...]);`` where ``has_any (L)`` and its like read them.

    A list in a variable is read again for every row and every element, which takes minutes where this takes seconds.
    """
    lists: dict[str, list[Token]] = {}
    for index, token in enumerate(tokens):
        if token.text == "let" and token.kind == "name":
            name = next_solid(tokens, index + 1)
            value = next_solid(tokens, next_solid(tokens, name + 1) + 1)
            literals = _literals(tokens, value)
            if literals:
                lists[tokens[name].text] = literals
    bound = Counter(_bound(tokens))
    lists = {name: literals for name, literals in lists.items() if bound[name] == 1}  # else: which is meant where?
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
            result += tokens[index + 1 : opening]
            result += [Token("space", " "), Token("sign", "("), *lists[name], Token("sign", ")")]
            index = call[1]
        else:
            index += 1
    return result


def _literals(tokens: Sequence[Token], index: int) -> list[Token] | None:
    """The literals of ``dynamic([...])`` or ``pack_array(...)`` at ``index``, with the commas between them."""
    if index >= len(tokens) or tokens[index].text not in ("dynamic", "pack_array"):
        return None
    call = call_at(tokens, index)
    if not call or not call[0]:
        return None
    after = next_solid(tokens, call[1])
    if after < len(tokens) and tokens[after].text != ";":  # such as [0]
        return None
    if tokens[index].text == "dynamic":
        inner = solid(call[0][0])
        if len(call[0]) != 1 or len(inner) < 3 or inner[0].text != "[" or inner[-1].text != "]":
            return None
        inner = inner[1:-1]
    else:
        inner = solid([token for argument in call[0] for token in (*argument, Token("sign", ","))])[:-1]
    joined: list[Token] = []
    for token in inner:
        # Two strings side by side are one, which only a list of literals would tell apart.
        if token.kind not in ("string", "number") and token.text != ",":
            return None
        if joined and joined[-1].kind == "string" and token.kind == "string":
            if joined[-1].text[0] != token.text[0] or token.text[0] not in "'\"":
                return None
            joined[-1] = Token("string", joined[-1].text[:-1] + token.text[1:])
        else:
            joined.append(token)
    return joined


def separate_cases(tokens: list[Token], columns: set[str]) -> tuple[list[Token], dict[str, str]]:
    """Renames new columns whose name differs from a table's column, or an earlier new one, only in case."""
    spelled = {column.casefold(): column for column in sorted(columns)}
    renamed: dict[str, str] = {}
    for index, token in enumerate(tokens):
        following = next_solid(tokens, index + 1)
        before = next((part for part in reversed(tokens[:index]) if part.kind != "space"), None)
        assigned = token.kind == "name" and following < len(tokens) and tokens[following].text == "="
        if assigned and not (before and before.text in ("let", ".")):
            first = spelled.setdefault(token.text.casefold(), token.text)
            # What some table spells just so is that column, however others spell it.
            if first != token.text and token.text not in columns:
                renamed[token.text] = f"{token.text}{RENAMED}"
    if not renamed:
        return tokens, {}
    result = []
    for index, token in enumerate(tokens):
        owner = tokens[index - 2].text if index > 1 and tokens[index - 1].text == "." else None
        member = owner is not None and owner not in ("$left", "$right")
        swap = token.kind == "name" and token.text in renamed and not member
        result.append(Token("name", renamed[token.text]) if swap else token)
    return result, {new: old for old, new in renamed.items()}


def assigned_names(tokens: Sequence[Token]) -> set[str]:
    """What stands before an equals sign: new columns, and more."""
    flat = solid(tokens)
    return {token.text for token, after in pairwise(flat) if token.kind == "name" and after.text == "="}


def let_names(tokens: Sequence[Token]) -> set[str]:
    """What ``let``, ``as`` and the parameters of functions bind anywhere in the query."""
    return set(_bound(tokens))


def _bound(tokens: Sequence[Token]) -> list[str]:
    found: list[str] = []
    flat = solid(tokens)
    for index, token in enumerate(flat[:-1]):
        following = flat[index + 1]
        if token.kind == "name" and token.text in ("let", "as") and following.kind == "name":
            found.append(following.text)
        elif token.kind == "name" and following.text == ":":
            found.append(token.text)
    return found


def check_sources(tokens: Sequence[Token], known: Collection[str], functions: Collection[str]) -> None:
    """Refuses a query that reads a table or calls a tabular function that does not exist, and names it.

    The translator would complain of what it misses first, which is often something else.

    Raises:
        ApiError: 400, in the words of Log Analytics.
    """
    for statement in parts(tokens, ";"):
        word, after = keyword(statement)
        equals = next((i for i, token in enumerate(statement) if token.text == "="), None)
        if word == "let" and equals is not None:
            _check_pipeline(statement[equals + 1 :], known, functions, certain=False)
        elif word not in ("set", "declare", "alias", "restrict"):
            _check_pipeline(statement, known, functions, certain=after > 0)


def _check_pipeline(
    tokens: Sequence[Token], known: Collection[str], functions: Collection[str], *, certain: bool
) -> None:
    """Looks at the source of a pipeline and into its brackets. ``certain``: it can only be a table."""
    stages = parts(tokens, "|")
    source = solid(stages[0])
    if source and source[0].kind == "name" and (certain or len(stages) > 1):
        name = source[0].text
        if len(source) == 1 and name not in known and name not in SOURCES:
            raise unresolved(name)
        called = len(source) > 1 and source[1].text == "("
        if called and len(stages) > 1 and name not in {*functions, *known, *SOURCES, *TAKES_TABLE}:
            raise unknown_function(name)
    for index, stage in enumerate(stages):
        word, after = keyword(stage)
        fuzzy = word == "union" and "isfuzzy" in {token.text for token in stage}
        if fuzzy:
            continue
        if word in TAKES_TABLE and index + (word in SOURCES) > 0:
            _check_operands(word, solid(stage[after:]), known)
        _check_brackets(stage, known, functions)


def _check_operands(word: str, flat: Sequence[Token], known: Collection[str]) -> None:
    """The tables that a join, lookup or union names without brackets."""
    for index, token in enumerate(flat):
        before = flat[index - 1].text if index else ""
        after = flat[index + 1].text if index + 1 < len(flat) else ""
        if word != "union" and token.text in ("on", "where"):
            return
        plain = token.kind == "name" and after in ("", ",", "on") and before not in ("=", ".", "-")
        if plain and (index == 0 or before == "," or flat[index - 2].text == "=") and token.text not in known:
            raise unresolved(token.text)
        if token.text in "([{":
            return


def _check_brackets(stage: Sequence[Token], known: Collection[str], functions: Collection[str]) -> None:
    index = 0
    while index < len(stage):
        if stage[index].text == "(" and (call := call_at([Token("name", ""), *stage[index:]], 0)):
            inner = stage[index + 1 : index + call[1] - 2]
            _check_pipeline(inner, known, functions, certain=False)
            index += call[1] - 1
        else:
            index += 1
