"""KQL as Log Analytics speaks it, rewritten to the KQL that the DuckDB translator understands, and translated.

Belongs here: the order of the passes, what is forbidden here, the translation. Does not belong here: the passes
themselves (``kql_*``) and running the SQL (``query``).

| pass | for |
|---|---|
| ``kql_functions`` | saved functions, functions that give tables |
| ``kql_external`` | ``externaldata`` |
| ``kql_names`` | tables that do not exist, lists in variables, columns that differ in case only |
| ``kql_operators`` | operators (``search``, ``make-series``, ``mv-expand todynamic(X)``, …) |
| ``kql_calls`` | calls (``split`` with three arguments, ``indexof_regex``, ``ingestion_time()``, …) |
| ``kql_library`` | further functions, as SQL templates |
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from s3sentinel_assets.local.workspace.kql_calls import rewrite_calls
from s3sentinel_assets.local.workspace.kql_errors import HERE, bad_query, unresolved, unsupported
from s3sentinel_assets.local.workspace.kql_external import External, take_external
from s3sentinel_assets.local.workspace.kql_functions import hoist_functions, with_saved
from s3sentinel_assets.local.workspace.kql_library import register
from s3sentinel_assets.local.workspace.kql_names import (
    RENAMED,
    assigned_names,
    check_sources,
    inline_lists,
    let_names,
    separate_cases,
)
from s3sentinel_assets.local.workspace.kql_operators import leading_columns, rewrite_operators
from s3sentinel_assets.local.workspace.kql_search import worth_searching
from s3sentinel_assets.local.workspace.kql_tokens import (
    Token,
    call_at,
    keyword,
    next_solid,
    parts,
    plain_string,
    tokenise,
)
from s3sentinel_assets.local.workspace.storage import INGESTION_TIME

__all__ = ["RENAMED", "Rewritten", "bad_query", "rewrite", "translate"]

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
        functions: definitions of the functions that give tables.
        external: the files it reads.
        leading: the columns to answer with first; they may hold ``*``.
    """

    text: str
    tables: tuple[str, ...]
    ingestion_time: bool = False
    renamed: dict[str, str] = field(default_factory=dict)
    functions: tuple[str, ...] = ()
    external: tuple[External, ...] = ()
    leading: tuple[str, ...] = ()


def rewrite(
    text: str,
    schema: Mapping[str, Sequence[str]],
    saved: Mapping[str, str] | None = None,
    vacant: Collection[str] = (),
) -> Rewritten:
    """Rewrites ``text`` for the translator.

    Args:
        text: the query.
        schema: table → columns.
        saved: the functions saved in the workspace, name → body.
        vacant: tables that have no rows.

    Raises:
        ApiError: 400; the query is a control command, too long, or reads another place.
    """
    if len(text) > LENGTH_LIMIT:
        raise bad_query("SyntaxError", f"The query is longer than {LENGTH_LIMIT:,} characters.")
    tokens = [plain_string(token) for token in tokenise(text)]
    start = next_solid(tokens, 0)
    if start == len(tokens):
        raise bad_query("SyntaxError", "The query is empty.")
    if tokens[start].text == ".":
        raise bad_query("SyntaxError", "Control commands are not allowed: the query API only reads.")
    _forbid(tokens)
    leading = leading_columns(tokens)
    tokens = with_saved(_without_settings(tokens), saved or {})
    tokens, external = take_external(tokens)
    names = {token.text for token in tokens if token.kind == "name"}
    wildcard = any(name in ("union", "search", "find") for name in names)
    tables = tuple(table for table in schema if table in names or wildcard)
    columns = {column for table in tables for column in schema[table]}
    tokens = inline_lists(tokens)
    tokens = rewrite_operators(tokens, worth_searching(schema, vacant, names) if vacant else schema)
    renamed_by_search = _renamed_by_search(tokens, names)
    tokens, renamed = separate_cases(tokens, columns)
    renamed |= renamed_by_search
    hoisted = hoist_functions(tokens, [*schema, *(clause.table for clause in external)])
    known = {*schema, *(clause.table for clause in external), *let_names(tokens)}
    check_sources(hoisted.tokens, known, hoisted.names)
    everywhere = columns | {column for clause in external for column in clause.columns} | assigned_names(tokens)
    calls_columns = {column: column for column in everywhere} | {old: new for new, old in renamed.items()}
    return Rewritten(
        rewrite_calls(hoisted.tokens, calls_columns),
        tables,
        "ingestion_time" in names,
        renamed,
        tuple(rewrite_calls(tokenise(definition), calls_columns) for definition in hoisted.definitions),
        tuple(external),
        tuple(leading),
    )


def translate(query: Rewritten, schema: Mapping[str, Sequence[str]]) -> tuple[str, dict[str, Any]]:
    """The DuckDB SQL of ``query`` and the values to bind.

    Raises:
        ApiError: 400; the query cannot be parsed or uses what the local workspace lacks.
    """
    from duckdb_kql import KqlError, KqlSchemaError, KqlSyntaxError, KqlUnsupportedError, to_sql

    register()
    known = {table: list(columns) for table, columns in schema.items()}
    if query.ingestion_time:
        known = {table: [*columns, INGESTION_TIME] for table, columns in known.items()}
    known |= {clause.table: list(clause.columns) for clause in query.external}
    try:
        sql = to_sql(query.text, schema=known, allow_write=False, functions=list(query.functions))
    except KqlSyntaxError as error:
        where = error.diagnostics[0] if error.diagnostics else None
        place = {"line": where.span.line, "pos": where.span.column} if where else {}
        raise bad_query(
            "SyntaxError", f"Query could not be parsed: {where.message if where else error}", **place
        ) from None
    except KqlUnsupportedError as error:
        raise unsupported(error.construct, error.hint) from None
    except KqlSchemaError as error:
        if "unknown table" in (error.hint or ""):
            raise unresolved(error.name) from None
        raise bad_query("SemanticError", f"{error} ({HERE})") from None
    except KqlError as error:
        raise bad_query("SemanticError", f"{error} ({HERE})") from None
    except AssertionError:
        raise bad_query("SemanticError", f"The query is not understood {HERE}") from None
    except RecursionError:
        raise bad_query("SyntaxError", "The query is nested too deeply.") from None
    if sql.unbound:
        raise bad_query("SemanticError", f"Query parameter without a value: {', '.join(sql.unbound)}")
    return str(sql), dict(sql.parameters)


def _renamed_by_search(tokens: Sequence[Token], names: Collection[str]) -> dict[str, str]:
    """The columns that a search renamed, since tables spell them differently: new name → old name.

    Raises:
        ApiError: 400; the query names one of them, and would be answered from the other.
    """
    found = {token.text for token in tokens if token.kind == "name" and token.text.endswith(RENAMED)}
    renamed = {new: new.removesuffix(RENAMED) for new in found}
    if named := sorted(set(renamed.values()).intersection(names)):
        reason = f"tables spell the column '{named[0]}' differently; name the tables, as in 'search in (T)'"
        raise bad_query("SemanticError", f"{reason} ({HERE})")
    return renamed


def _without_settings(tokens: list[Token]) -> list[Token]:
    """Leaves out ``set`` statements, which tune the service; ``query_now`` is one that changes the answer."""
    statements = parts(tokens, ";")
    kept = [
        statement
        for statement in statements
        if keyword(statement)[0] != "set" or any(token.text == "query_now" for token in statement)
    ]
    if len(kept) == len(statements):
        return tokens
    return [token for statement in kept for token in (Token("sign", ";"), *statement)][1:]


def _forbid(tokens: Sequence[Token]) -> None:
    """One workspace, no other place: such a query would be answered with the wrong data."""
    depth = 0
    for index, token in enumerate(tokens):
        if token.kind == "sign":
            depth += (token.text in "([{") - (token.text in ")]}")
            if depth > DEPTH_LIMIT:
                raise bad_query("SyntaxError", "The query is nested too deeply.")
        if token.kind == "name" and token.text in ELSEWHERE and call_at(tokens, index) is not None:
            raise bad_query("SemanticError", f"{token.text}() is not available {HERE}")
        if token.kind == "name" and token.text.lower().startswith(CATALOGUE_VIEWS):
            raise unresolved(token.text)
