r"""Audit lines of MySQL and MariaDB on RDS, and of Aurora MySQL.

Source: Amazon RDS User Guide, "Viewing and listing MariaDB Audit Plugin logs" (MariaDB, "Audit Plugin - Log Format");
Amazon Aurora User Guide, "Using Advanced Auditing", section "Audit log details": ``timestamp,serverhost,username,host,
connectionid,queryid,operation,database,object,retcode``, newer plugins with the type of connection behind. Statements
stand in single quotes, may hold commas, and have ``\'`` for a quote in them.

Belongs here: one dialect's lines → the columns of ``rds_audit``. Does not belong here: tables.
"""

import re

import polars as pl

from s3sentinel_assets.formats.line_logs.continued_lines import with_line_ends

__all__ = ["SNIFF", "take_apart"]

_TIME = r"[0-9]{16}|[0-9]{8} [0-9]{1,2}:[0-9]{2}:[0-9]{2}"
_FRONT = rf"^({_TIME}),([^,]*),([^,]*),([^,]*),([0-9]*),([0-9]*),([A-Z][A-Z_]*),([^,]*),"
#: Behind the object: the result, which events of tables leave empty, the type of connection, and what newer plugins may
#: add.
_LINE = _FRONT + r"(?:'((?s:.*))'|([^',]*)),(-?[0-9]*)(?:,([0-9A-Za-z_/.]*))?((?:,[^,']*)*)$"
_FIELDS = ("stamp", "server", "user", "host", "session", "query_id", "operation", "database", "statement", "name")
_FIELDS += ("result", "connection_type", "more")
#: The beginning of a line, for detection.
SNIFF = re.compile(_FRONT.encode())
#: The first word behind comments and brackets.
_VERB = r"^(?:\s|/\*(?s:.*?)\*/|--[^\n]*\n|#[^\n]*\n|\()*([A-Za-z]+)"
_FAILED = "FAILED_CONNECT"


def take_apart(lines: pl.Series) -> pl.DataFrame:
    """Lines → columns, all null for a line of another kind.

    Returns:
        String columns ``stamp``, ``server``, ``user``, ``host``, ``session``, ``query_id``, ``original`` (the kind of
        event), ``operation`` (the statement's first word, or the event's kind), ``database``, ``object``,
        ``statement``, ``code``, ``connection_type``, ``more`` (fields that nobody knows yet), ``result`` (as ASIM names
        it).
    """
    parts = lines.str.extract_groups(_LINE).struct.rename_fields(_FIELDS).struct.unnest()
    verb = pl.col("statement").str.extract(_VERB).str.to_uppercase()
    name = _filled("name")
    told = (pl.col("result") != "") | (pl.col("operation") == _FAILED)
    failed = (pl.col("result") != "0") | (pl.col("operation") == _FAILED)
    return parts.select(
        # 20260102 03:04:05 as ISO 8601 has it.
        pl.col("stamp").str.replace(r"^([0-9]{4})([0-9]{2})([0-9]{2}) ([0-9]:)", "$1$2$3 0$4")
        .str.replace(r"^([0-9]{4})([0-9]{2})([0-9]{2}) ", "$1-$2-$3 "),
        *(_filled(field) for field in ("server", "user", "host", "session", "query_id")),
        pl.col("operation").alias("original"),
        pl.coalesce(verb, "operation").alias("operation"),
        _filled("database"),
        pl.concat_str(pl.when(name.is_not_null()).then(_filled("database")), name, separator=".", ignore_nulls=True)
        .replace("", None)
        .alias("object"),
        with_line_ends(pl.col("statement").str.replace_all("\\'", "'", literal=True)),
        _filled("result").alias("code"),
        _filled("connection_type"),
        pl.col("more").str.strip_prefix(",").replace("", None),
        pl.when(pl.col("stamp").is_null()).then(None).when(told & failed).then(pl.lit("Failure"))
        .when(~told).then(pl.lit("NA")).otherwise(pl.lit("Success")).alias("result"),
    )  # fmt: skip


def _filled(name: str) -> pl.Expr:
    return pl.when(pl.col(name) != "").then(pl.col(name)).alias(name)
