"""The pass over calls: functions that become other expressions of KQL.

Belongs here: one small function a call. Does not belong here: functions that an SQL template can say (``kql_library``).

| call | becomes |
|---|---|
| ``split(x, d, n)`` | ``pack_array(split(x, d)[n])`` |
| ``indexof_regex(x, p)`` | the length of what stands before the first match, or -1 |
| ``ingestion_time()`` | a hidden column |
| ``column_ifexists("C", d)`` | ``C``, or ``d`` where nothing in the query has it |
| ``make_set_if(x, p)`` | ``make_set_if(x, p, n)``, with the service's limit |
"""

from collections.abc import Callable, Mapping, Sequence

from s3sentinel_assets.local.workspace.kql_errors import HERE, bad_query
from s3sentinel_assets.local.workspace.kql_tokens import Token, call_at, solid, string_value, tokenise
from s3sentinel_assets.local.workspace.storage import INGESTION_TIME

__all__ = ["rewrite_calls"]

MOST_ELEMENTS = "1048576"


def rewrite_calls(tokens: Sequence[Token], columns: Mapping[str, str]) -> str:
    """Replaces the calls of `CALLS`, inner ones first.

    Args:
        tokens: the query.
        columns: the columns that exist anywhere in it → the names they have there.
    """
    pieces: list[str] = []
    index = 0
    while index < len(tokens):
        token = tokens[index]
        change = CALLS.get(token.text) if token.kind == "name" else None
        call = call_at(tokens, index) if change else None
        if change and call:
            arguments, index = call
            pieces.append(change([rewrite_calls(argument, columns).strip() for argument in arguments], columns))
        else:
            pieces.append(token.text)
            index += 1
    return "".join(pieces)


def _split(arguments: list[str], _columns: Mapping[str, str]) -> str:
    if len(arguments) == 3:
        text, delimiter, position = arguments
        return f"pack_array(split({text}, {delimiter})[{position}])"
    return f"split({', '.join(arguments)})"


def _indexof_regex(arguments: list[str], _columns: Mapping[str, str]) -> str:
    if len(arguments) != 2:
        raise bad_query("SemanticError", f"indexof_regex() takes 2 arguments {HERE}")
    text, pattern = arguments
    # The dot goes over lines before the match only, not in the pattern.
    before = f"strcat(@'^(?s:(.*?))(?:', {pattern}, @')')"
    literal = tokenise(pattern)
    if len(literal) == 1 and literal[0].kind == "string" and literal[0].text.startswith("@'"):
        before = f"@'^(?s:(.*?))(?:{literal[0].text[2:-1]})'"
    elif len(literal) == 1 and literal[0].kind == "string" and literal[0].text[0] in "@'\"":
        prefix, quote = ("@", literal[0].text[1]) if literal[0].text[0] == "@" else ("", literal[0].text[0])
        inner = literal[0].text[len(prefix) + 1 : -1]
        before = f"{prefix}{quote}^(?s:(.*?))(?:{inner}){quote}"
    return f"iff({text} matches regex {pattern}, strlen(extract({before}, 1, {text})), -1)"


def _ingestion_time(arguments: list[str], _columns: Mapping[str, str]) -> str:
    # Not the bare column: an unnamed result must not be named after it.
    return f"({INGESTION_TIME} + 0s)" if not arguments else "ingestion_time(" + ", ".join(arguments) + ")"


def _column_ifexists(arguments: list[str], columns: Mapping[str, str]) -> str:
    name = solid(tokenise(arguments[0])) if len(arguments) == 2 else []
    if len(name) != 1 or name[0].kind != "string":
        raise bad_query("SemanticError", "column_ifexists() takes a column's name as a string and a default")
    return columns.get(string_value(name[0])) or f"({arguments[1]})"


def _with_most(name: str) -> Callable[[list[str], Mapping[str, str]], str]:
    def change(arguments: list[str], _columns: Mapping[str, str]) -> str:
        return f"{name}({', '.join([*arguments, MOST_ELEMENTS] if len(arguments) == 2 else arguments)})"

    return change


CALLS: dict[str, Callable[[list[str], Mapping[str, str]], str]] = {
    "split": _split,
    "indexof_regex": _indexof_regex,
    "ingestion_time": _ingestion_time,
    "column_ifexists": _column_ifexists,
    "columnifexists": _column_ifexists,
    "make_list_if": _with_most("make_list_if"),
    "make_set_if": _with_most("make_set_if"),
}
