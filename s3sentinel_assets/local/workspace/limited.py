"""Tables on the Basic and Auxiliary plan: which address answers for them, and how much of KQL they speak there.

Belongs here: refusing what such tables do not take, and what a query of them scans. Does not belong here: running it
(``query``).

Held to the stricter of what Microsoft has said ("Query data in Basic and Auxiliary tables", learn.microsoft.com, of
2024-07 and before): one table, no join, union, lookup, find, search or externaldata, no functions of one's own, the
time range as a parameter of the address. The page of 2026-09 allows more; what runs here runs under either.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from s3sentinel_assets.local.workspace.errors import ApiError
from s3sentinel_assets.local.workspace.kql_tokens import Token, call_at, keyword, parts, solid, tokenise
from s3sentinel_assets.tables import TableSchema
from s3sentinel_assets.tables.tiers import CHEAP_PLANS

__all__ = ["limited_tables", "refuse_limited", "searched_table"]

OPERATORS = frozenset(
    (
        "where", "filter", "extend", "project", "project-away", "project-keep", "project-rename", "project-reorder",
        "parse", "parse-where", "parse-kv", "summarize", "count", "distinct", "take", "limit", "top", "sort", "order",
        "mv-expand",
    )
)  # fmt: skip
#: Calls that read a table once more, or another place.
SUBQUERIES = frozenset(("toscalar", "materialize", "table", "workspace", "resource", "app", "cluster", "database"))
BASIC_DAYS = timedelta(days=30)


def limited_tables(tables: Mapping[str, TableSchema]) -> set[str]:
    """The tables whose plan is below Analytics."""
    return {name for name, table in tables.items() if table.plan in CHEAP_PLANS}


def refuse_limited(text: str, limited: Collection[str]) -> None:
    """Refuses a query of the ordinary address that names such a table. A wildcard leaves these tables out silently.

    Raises:
        ApiError: 400, as the service words it.
    """
    for token in tokenise(text):
        if token.kind == "name" and token.text in limited:
            message = (
                f"Query of Basic Logs table is not supported with the API '/v1/workspaces/{{workspaceId}}/query'. "
                f"You can use '/v1/workspaces/{{workspaceId}}/search' instead. Table: {token.text}"
            )
            raise _unsupported(message)


def searched_table(
    text: str,
    tables: Mapping[str, TableSchema],
    saved: Collection[str],
    start: datetime | None,
    end: datetime | None,
    now: datetime,
) -> str:
    """The one table that a query of the search address reads.

    Args:
        text: the query.
        tables: table → schema.
        saved: names of the functions saved in the workspace.
        start: with ``end`` the range that the address names; without it the query is refused.
        end: see ``start``.
        now: the present.

    Raises:
        ApiError: 400; it names no time range, is of another table, or uses more than such tables take.
    """
    if start is None or end is None:
        raise ApiError(400, "BadArgumentError", "The search API needs the parameter 'timespan' in its address.")
    tokens = [token for token in tokenise(text) if token.kind != "space"]
    statements = [statement for statement in parts(tokens, ";") if statement]
    if len(statements) != 1 or keyword(statements[0])[0] in ("let", "set", "declare"):
        raise _unsupported("Basic and Auxiliary tables take a single statement, without let.")
    source, *stages = parts(statements[0], "|")
    name = source[0].text if len(source) == 1 else ""
    if name not in limited_tables(tables):
        what = f"'{name}' is no table on the Basic or Auxiliary plan" if name else "the query does not begin with one"
        raise _unsupported(f"The search API reads one table on the Basic or Auxiliary plan; {what}.")
    if tables[name].plan == "Basic" and start < now - BASIC_DAYS:
        raise _unsupported("A query of a Basic table can cover the past 30 days; use a search job for older data.")
    for stage in stages:
        _check_stage(stage, tables, saved)
    return name


def _check_stage(stage: Sequence[Token], tables: Mapping[str, TableSchema], saved: Collection[str]) -> None:
    word, _ = keyword(stage)
    operator = next((known for known in (word, *_shorter(word)) if known in OPERATORS), None)
    if operator is None:
        raise _unsupported(f"The operator '{word}' is not supported on Basic and Auxiliary tables.")
    for index, token in enumerate(solid(stage)):
        if token.kind != "name":
            continue
        if token.text in tables:
            raise _unsupported(f"Basic and Auxiliary tables take a single table; the query names '{token.text}', too.")
        if token.text in saved:
            raise _unsupported(f"User-defined functions are not supported on Basic and Auxiliary tables: {token.text}.")
        if token.text in SUBQUERIES and call_at(stage, index) is not None:
            raise _unsupported(f"{token.text}() is not supported on Basic and Auxiliary tables.")


def _shorter(word: str) -> list[str]:
    """``where-x`` of ``where -x``: the operator alone."""
    return [word.rpartition("-")[0]] if "-" in word else []


def _unsupported(message: str) -> ApiError:
    inner = {"code": "UnsupportedApiQueryValidationError", "message": message}
    return ApiError(400, "BadArgumentError", "The request had some invalid properties", details={"innererror": inner})
