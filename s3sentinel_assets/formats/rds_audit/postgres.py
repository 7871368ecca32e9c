r"""Log lines of PostgreSQL on RDS and Aurora, above all those that pgAudit writes.

Source: pgAudit, "Format" (github.com/pgaudit/pgaudit); Amazon RDS User Guide, "RDS for PostgreSQL database log files":
``log_line_prefix`` is ``%t:%r:%u@%d:[%p]:`` or, as an option, ``%m:%r:%u@%d:[%p]:%l:%e:%s:%v:%x:%c:%q%a:``;
PostgreSQL, "Error Reporting and Logging" (severities; lines behind a tab continue the message).

Belongs here: one dialect's lines → the columns of ``rds_audit``. Does not belong here: tables.

Decision: a PostgreSQL log mixes audit entries with other messages. These are rows too: connections and failures are
part of an audit, and nothing is left out.
"""

import re

import polars as pl

from s3sentinel_assets.formats.line_logs.continued_lines import MARK, with_line_ends

__all__ = ["SNIFF", "take_apart"]

_SEVERITIES = "DEBUG[1-5]?|LOG|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC|DETAIL|HINT|STATEMENT|CONTEXT|QUERY|LOCATION"
_LINE = (
    r"^(([0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}(?:\.[0-9]+)? [A-Z]{3,4}):"
    # Users of Kerberos have an @ in their names.
    r"(?:([^\s()]+)\(([0-9]+)\)|\[local\])?:(\S*)@([^@\s]*?):"
    r"\[([0-9]+)\]:(?:[0-9]+:([0-9A-Z]{5}):[^\[\]]*?:)?"
    rf"({_SEVERITIES}):[ \t]*)"
)
_FIELDS = ("matched", "stamp", "host", "port", "user", "database", "session", "sqlstate", "severity")
_QUOTED = r'("(?:[^"]|"")*"|[^,]*)'
_AUDIT = (
    r"^AUDIT: (SESSION|OBJECT),([0-9]+),([0-9]+),([A-Z_]+),([^,]*),([^,]*),"
    rf"{_QUOTED},{_QUOTED}(?:,{_QUOTED})?(?:,([0-9]*))?$"
)
_AUDIT_FIELDS = ("audit_type", "statement_id", "substatement_id", "class", "command", "kind", "name", "statement")
_AUDIT_FIELDS += ("parameters", "rows")
SNIFF = re.compile(_LINE.encode())
_CONNECTED = r"^(?:connection (?:received|authenticated|authorized)|replication connection authorized)"
_BAD = ("ERROR", "FATAL", "PANIC")
_UNKNOWN = ("", "[unknown]")


def take_apart(lines: pl.Series) -> pl.DataFrame:
    """Lines → columns, all null for a line of another kind.

    Returns:
        String columns ``stamp``, ``host``, ``port``, ``user``, ``database``, ``session``, ``sqlstate``, ``severity``,
        ``original`` (the severity, or the class of an audit entry), ``operation`` (the command), ``kind`` (of the
        object), ``object``, ``statement`` (or the message), ``result`` (as ASIM names it: pgAudit writes before a
        statement runs, so its entries have ``NA``), and what only audit entries have: ``audit_type``,
        ``statement_id``, ``substatement_id``, ``parameters``, ``rows``.
    """
    parts = lines.str.extract_groups(_LINE).struct.rename_fields(_FIELDS).struct.unnest()
    message = lines.to_frame("line").with_columns(parts["matched"]).select(
        # The tab is the log's, not the message's.
        with_line_ends(pl.col("line").str.strip_prefix(pl.col("matched")).str.replace_all("\r?" + MARK + "\t", "\n"))
        .str.strip_chars_end()
        .alias("message")
    ).to_series()  # fmt: skip
    audit = message.str.extract_groups(_AUDIT).struct.rename_fields(_AUDIT_FIELDS).struct.unnest()
    frame = parts.hstack(audit).with_columns(message)
    entry, text = pl.col("audit_type").is_not_null(), pl.col("message")
    connected = text.str.contains(_CONNECTED)
    word = (
        pl.when(connected).then(pl.lit("CONNECT"))
        .when(text.str.starts_with("disconnection:")).then(pl.lit("DISCONNECT"))
        .otherwise("severity")
    )  # fmt: skip
    bad = pl.col("severity").is_in(_BAD)
    return frame.select(
        "stamp",
        *(_known(name) for name in ("host", "user", "database")),
        "port",
        "session",
        "sqlstate",
        "severity",
        pl.coalesce("class", "severity").alias("original"),
        pl.when(entry & (pl.col("command") != "")).then("command").otherwise(word).alias("operation"),
        _filled("kind"),
        _unquoted("name").alias("object"),
        pl.when(entry).then(_unquoted("statement")).otherwise(text).alias("statement"),
        pl.when(bad).then(pl.lit("Failure")).when(~entry & connected).then(pl.lit("Success"))
        .when(pl.col("stamp").is_not_null()).then(pl.lit("NA")).alias("result"),
        "audit_type",
        "statement_id",
        "substatement_id",
        _unquoted("parameters").alias("parameters"),
        _filled("rows"),
    )  # fmt: skip


def _filled(name: str) -> pl.Expr:
    return pl.when(pl.col(name) != "").then(pl.col(name)).alias(name)


def _known(name: str) -> pl.Expr:
    return pl.when(~pl.col(name).is_in(_UNKNOWN)).then(pl.col(name)).alias(name)


def _unquoted(name: str) -> pl.Expr:
    text = pl.col(name)
    inner = text.str.slice(1).str.head(-1).str.replace_all('""', '"', literal=True)
    plain = pl.when(text.str.starts_with('"')).then(inner).otherwise(text)
    return pl.when(plain != "").then(plain)
