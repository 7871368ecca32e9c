"""``search``, and conditions on every column (``where * has "x"``).

Belongs here: how a search term becomes a condition on the columns of a table. Does not belong here: which columns a
pipeline has at some point (``kql_operators``).
"""

from collections.abc import Mapping, Sequence

from s3sentinel_assets.local.workspace.kql_errors import HERE, bad_query
from s3sentinel_assets.local.workspace.kql_tokens import Token, call_at, next_solid, render, solid, string_value

__all__ = ["any_column", "search_condition", "search_tables"]

#: A term stands alone between these.
AROUND = {"and", "or", "not", "(", ")", ""}


def any_column(columns: Sequence[str]) -> str:
    """An expression that holds the text of every column, with a line break between them: no term crosses it."""
    return "strcat_delim('\\n', " + ", ".join(f"tostring({column})" for column in columns) + ")"


def search_condition(tokens: Sequence[Token], columns: Sequence[str]) -> str:
    """The condition that a search predicate means for a table.

    Args:
        tokens: ``"term" and (Column: "x" or Other == 1)``.
        columns: the table's columns. A comparison with a column that it lacks is false.
    """
    flat = solid(tokens)
    pieces: list[str] = []
    index = 0
    while index < len(flat):
        token = flat[index]
        before = flat[index - 1].text if index else ""
        after = flat[index + 1].text if index + 1 < len(flat) else ""
        if token.kind == "string" and before in AROUND and after in AROUND:
            pieces.append(_term(any_column(columns), token))
        elif after == ":" and index + 2 < len(flat) and flat[index + 2].kind == "string":
            pieces.append(_term(token.text, flat[index + 2]) if token.text in columns else "false")
            index += 2
        elif token.text == "*" and before in AROUND:
            pieces.append(any_column(columns))
        else:
            pieces.append(token.text)
        index += 1
    return " ".join(pieces)


def _term(operand: str, token: Token) -> str:
    """One term with its wildcards."""
    value = string_value(token)
    inner = value.strip("*")
    if "*" in inner:
        raise bad_query("SemanticError", f"search takes '*' only at the ends of a term {HERE}")
    if not inner:
        return "true"
    operator = {
        (False, False): "has",
        (False, True): "hasprefix",
        (True, False): "hassuffix",
        (True, True): "contains",
    }[value.startswith("*"), value.endswith("*")]
    escaped = inner.replace("\\", "\\\\").replace('"', '\\"')
    return f'{operand} {operator} "{escaped}"'


def search_tables(tokens: Sequence[Token], schema: Mapping[str, Sequence[str]]) -> str:
    """``search [kind=…] [in (T, U)] predicate`` as a union over tables.

    Args:
        tokens: what follows ``search``.
        schema: table → columns.
    """
    index = next_solid(tokens, 0)
    if index < len(tokens) and tokens[index].text == "kind":
        if "case_sensitive" in render(tokens[index : index + 6]):
            raise bad_query("SemanticError", f"search kind=case_sensitive is not available {HERE}")
        index = next_solid(tokens, next_solid(tokens, next_solid(tokens, index + 1) + 1) + 1)
    tables = list(schema)
    if index < len(tokens) and tokens[index].text == "in" and (call := call_at(tokens, index)):
        tables = [render(argument).strip() for argument in call[0]]
        index = call[1]
        missing = [table for table in tables if table not in schema]
        if missing:
            raise bad_query("SemanticError", f"Failed to resolve table or column expression named '{missing[0]}'")
    branches = [
        f"({table} | where {search_condition(tokens[index:], schema[table])} | extend __found_in = '{table}')"
        for table in tables
    ]
    return "union " + ", ".join(branches) + " | project-rename ['$table'] = __found_in"
