"""``search``, and conditions on every column (``where * has "x"``).

Belongs here: how a search term becomes a condition on the columns of a table. Does not belong here: which columns a
pipeline has at some point (``kql_operators``).
"""

from collections.abc import Collection, Mapping, Sequence

from s3sentinel_assets.local.workspace.kql_errors import HERE, bad_query
from s3sentinel_assets.local.workspace.kql_names import RENAMED
from s3sentinel_assets.local.workspace.kql_tokens import Token, call_at, next_solid, render, string_value

__all__ = ["ROW_TEXT", "search_tables", "searched", "worth_searching"]

#: A column that holds the text of all columns while a condition asks for it.
ROW_TEXT = "__row_text"
#: A term stands alone between these.
AROUND = {"and", "or", "not", "(", ")", ""}
#: What ``* has "x"`` may ask: with these it is the same to ask each column and to ask all of them as one text.
OF_ANY_COLUMN = {"has", "has_cs", "has_any", "hasprefix", "hassuffix", "hasprefix_cs", "hassuffix_cs",
                 "contains", "contains_cs"}  # fmt: skip


def searched(tokens: Sequence[Token], columns: Sequence[str], elsewhere: Collection[str] = ()) -> str:
    """The stages that mean a search predicate.

    Args:
        tokens: ``"term" and (Column: "x" or Other == 1)``.
        columns: the table's columns.
        elsewhere: columns that only other tables have. A comparison with one of them is false.
    """
    condition = _condition(tokens, columns, elsewhere)
    if ROW_TEXT not in condition:
        return f"where {condition}"
    # A column of its own: written out in the condition, it would be computed again for every term.
    text = f"__row_text_of({', '.join(columns)})"
    return f"extend {ROW_TEXT} = {text} | where {condition} | project-away {ROW_TEXT}"


def _condition(tokens: Sequence[Token], columns: Sequence[str], elsewhere: Collection[str]) -> str:
    pieces = [" " if token.kind == "space" else token.text for token in tokens]
    places = [place for place, token in enumerate(tokens) if token.kind != "space"]
    flat = [tokens[place] for place in places]
    calls: list[bool] = []  # of the brackets open here, which belong to a call or list: strings in those are no terms
    for index, token in enumerate(flat):
        before = flat[index - 1].text if index else ""
        after = flat[index + 1].text if index + 1 < len(flat) else ""
        alone = before in AROUND and not any(calls)
        if token.text == "(" and token.kind == "sign":
            calls.append(before not in AROUND)
        elif token.text == ")" and token.kind == "sign" and calls:
            calls.pop()
        elif token.kind == "string" and alone and after in AROUND:
            pieces[places[index]] = _term(ROW_TEXT, token)
        elif token.kind == "name" and after == ":" and index + 2 < len(flat) and flat[index + 2].kind == "string":
            term = _term(token.text, flat[index + 2]) if token.text in columns else "false"
            pieces[places[index]], pieces[places[index + 1]], pieces[places[index + 2]] = term, "", ""
        elif token.text == "*" and alone:
            if after not in OF_ANY_COLUMN:
                raise bad_query("SemanticError", f"'* {after}' is not available {HERE}; ask the columns one by one")
            pieces[places[index]] = ROW_TEXT
        elif token.kind == "name" and token.text in elsewhere and token.text not in columns and before != ".":
            pieces[places[index]] = "dynamic(null)"
    return "".join(pieces).strip()


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
    elsewhere = {column for columns in schema.values() for column in columns}
    spelled: dict[str, str] = {}
    branches = []
    for table in tables:
        stages = searched(tokens[index:], schema[table], elsewhere)
        # Names that differ in case only are one name for the translator: the later of them gets another.
        others = [column for column in schema[table] if spelled.setdefault(column.casefold(), column) != column]
        if others:
            stages += " | project-rename " + ", ".join(f"{column}{RENAMED} = {column}" for column in others)
        branches.append(f"({table} | {stages} | extend __found_in = '{table}')")
    return "union " + ", ".join(branches) + " | project-rename ['$table'] = __found_in"


def worth_searching(
    schema: Mapping[str, Sequence[str]], vacant: Collection[str], names: Collection[str]
) -> dict[str, Sequence[str]]:
    """The tables a search over all of them has to look at: the translator takes seconds over many columns.

    Args:
        schema: table → columns.
        vacant: tables without rows.
        names: every name in the query. A table without rows is kept where it is named, or lends a column its name.
    """
    filled = {column for table, columns in schema.items() if table not in vacant for column in columns}
    lent = set(names) - filled
    kept = {
        table: columns
        for table, columns in schema.items()
        if table not in vacant or table in names or not lent.isdisjoint(columns)
    }
    return kept or dict(list(schema.items())[:1])
