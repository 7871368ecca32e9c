"""Conditions of routing rules as Polars expressions.

Belongs here: reading a rule's SQL, its columns and whether they exist. Does not belong here: the order of rules and
what follows from a match (``router``).

SQL is read by Polars itself (`polars.sql_expr`), so a condition can be nothing but an expression: no statement, no
file, no code.
"""

import difflib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import polars as pl

from s3sentinel_assets.config import RouteRule, SourceSettings
from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.tables import TableSchema, load_schema
from s3sentinel_assets.tables.tiers import CHEAP_PLANS

__all__ = ["check_routing", "columns_read", "condition", "demotes", "sql_columns", "sql_condition", "sql_schema"]


def condition(rule: RouteRule, schema: TableSchema, now: datetime) -> pl.Expr:
    """All conditions of a rule together; never null.

    Args:
        rule: one that `check_routing` found right.
        schema: of the rows' own table.
        now: what ages are reckoned from.
    """
    parts: list[pl.Expr] = []
    if rule.table is not None and rule.table != schema.name:
        return pl.lit(value=False)
    if rule.priority:
        parts.append(pl.col("Priority_CF").is_in(rule.priority))
    if rule.older_than_hours is not None:
        before = (now - timedelta(hours=rule.older_than_hours)).astimezone(UTC).replace(tzinfo=None)
        parts.append(pl.col("TimeGenerated") < before)
    if rule.where is not None:
        parts.append(pl.sql_expr(rule.where))
    # A comparison with an empty value is neither true nor false: such a row does not match.
    return pl.all_horizontal(pl.lit(value=True), *(part.fill_null(value=False) for part in parts))


def sql_schema(*tables: TableSchema) -> dict[str, pl.DataType]:
    """The tables' columns as conditions see them: instants are UTC without a zone, as SQL's literals are."""
    kinds = {name: kind for table in tables for name, kind in table.polars_schema().items()}
    return {name: pl.Datetime("us") if isinstance(kind, pl.Datetime) else kind for name, kind in kinds.items()}


def sql_columns(columns: Iterable[pl.Series]) -> list[pl.Series]:
    """Columns as conditions see them; see `sql_schema`."""
    return [
        column.dt.replace_time_zone(None) if isinstance(column.dtype, pl.Datetime) else column for column in columns
    ]


def sql_condition(where: str, named: str, *tables: TableSchema) -> pl.Expr:
    """An SQL condition on each row of the tables.

    Args:
        where: the text.
        named: what the text is, for messages, such as ``--where``.
        tables: whose columns it may use.

    Raises:
        ConfigurationError: it is no expression, or not one that is true or false for each row.
    """
    try:
        expression = pl.sql_expr(where)
    except pl.exceptions.PolarsError as error:
        raise ConfigurationError(
            f"{named} cannot be read ({_said(error)}); it must be one SQL condition, such as EventName = 'Decrypt'"
        ) from None
    known = sql_schema(*tables)
    for name in expression.meta.root_names():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise ConfigurationError(
                f"{named}: there is no column {name}{f'; did you mean {near[0]}?' if near else ''}"
            )
    try:
        made = pl.DataFrame(schema=known).select(expression.alias("made"))
    except pl.exceptions.PolarsError as error:
        raise ConfigurationError(f"{named} cannot be applied to the table's columns ({_said(error)})") from None
    if made.height or made.schema["made"] != pl.Boolean():
        raise ConfigurationError(f"{named} must be true or false for each row by itself")
    return expression


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def columns_read(rule: RouteRule) -> list[str]:
    """The columns that a rule's conditions look at."""
    found = list(pl.sql_expr(rule.where).meta.root_names()) if rule.where is not None else []
    if rule.priority:
        found.append("Priority_CF")
    if rule.older_than_hours is not None:
        found.append("TimeGenerated")
    return found


def demotes(rule: RouteRule, table: str) -> bool:
    """Whether the rule sends rows of ``table`` to a cheaper plan."""
    if rule.to is None:
        return False
    plans = ("Analytics", *CHEAP_PLANS)
    return plans.index(load_schema(rule.to.table).plan) > plans.index(load_schema(table).plan)


def check_routing(source: SourceSettings) -> None:
    """Checks a source's rules as far as that needs no rows.

    Raises:
        ConfigurationError: a condition is no expression or names a column that no table has, or a table cannot take the
            rows; the sentence names source and rule.
    """
    for rule in source.routing.rules:
        where = f"sources.{source.name}.routing, rule {rule.name}"
        if rule.table is not None and rule.table not in source.tables:
            raise ConfigurationError(
                f"{where}: no row goes to the table {rule.table}; rows go to {', '.join(source.tables)}"
            )
        tables = [load_schema(rule.table)] if rule.table else [load_schema(table) for table in source.tables]
        if rule.where is not None:
            sql_condition(rule.where, f"{where}: where", *tables)
        if rule.to is not None:
            _check_target(rule, where, tables)


def _check_target(rule: RouteRule, where: str, tables: list[TableSchema]) -> None:
    target = load_schema(rule.to.table) if rule.to else None
    for table in tables:
        if target is None:
            continue
        missing = [name for name in table.writable if name not in target.writable]
        if missing:
            raise ConfigurationError(
                f"{where}: table {target.name} has no column {missing[0]}, which rows of {table.name} have; name the "
                "rule's table, or send them to a table with the same columns"
            )
