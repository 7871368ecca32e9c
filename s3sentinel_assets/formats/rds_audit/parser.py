"""Audit logs of databases on RDS and Aurora: MySQL and MariaDB by their audit plugin, PostgreSQL by pgAudit.

Source: see ``mysql`` and ``postgres``; Microsoft, "The Advanced Security Information Model (ASIM)
Audit Events normalization schema reference".

Belongs here: the table. Does not belong here: the lines of either dialect.

Decisions: ``Operation`` is the statement's first word (PostgreSQL: pgAudit's command), else the event's kind.
``Object`` is the table or the like, else the database, the server or the product. Statements are in ``EventMessage``.
"""

from typing import ClassVar

import polars as pl

from s3sentinel_assets.formats.asim.common import asim_columns
from s3sentinel_assets.formats.asim.values import ip_version
from s3sentinel_assets.formats.line_logs.pairs import columns_to_json
from s3sentinel_assets.formats.line_logs.text_lines import FITS, Arrival, TextLineParser, head_lines
from s3sentinel_assets.formats.mapping import TableMapping, constant, derived, field
from s3sentinel_assets.formats.model import Verdict
from s3sentinel_assets.formats.rds_audit import mysql, postgres

__all__ = ["RdsAuditParser"]

_TYPES = {
    "Read": ("SELECT", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "FETCH", "READ", "TABLE", "VALUES", "WITH"),
    "Set": (
        "INSERT",
        "UPDATE",
        "REPLACE",
        "MERGE",
        "ALTER",
        "RENAME",
        "GRANT",
        "REVOKE",
        "SET",
        "COPY",
        "WRITE",
        "LOAD",
    ),
    "Create": ("CREATE",),
    "Delete": ("DROP", "DELETE"),
    "Clear": ("TRUNCATE", "FLUSH", "PURGE"),
    "Execute": ("CALL", "EXECUTE", "DO", "PREPARE"),
    "Install": ("INSTALL", "IMPORT"),
}
_BY_WORD = {word: kind for kind, words in _TYPES.items() for word in words}
_SEVERITY = {"WARNING": "Low", "ERROR": "Low", "FATAL": "Medium", "PANIC": "High"}
#: What only has a place in AdditionalFields.
_ADDITIONAL = ("database", "query_id", "connection_type", "audit_type", "statement_id", "substatement_id")
_ADDITIONAL += ("parameters", "rows", "sqlstate", "more")

#: Bytes of a line that detection looks at.
_FRONT = 1024

_EVENT_TYPE = (
    pl.col("operation").str.extract(r"^([A-Za-z]+)").str.to_uppercase()
    .replace_strict(_BY_WORD, default="Other", return_dtype=pl.String)
)  # fmt: skip
_OBJECT = pl.coalesce("object", "database", "server", "product")

ASIM = TableMapping(
    "ASimAuditEventLogs",
    {
        **asim_columns(
            "AuditEvent",
            event_type=derived("kind of the statement's first word, else `Other`", _EVENT_TYPE),
            result=derived("`retcode`; PostgreSQL: failure from ERROR up, else `NA`", pl.col("result")),
            product=derived("`RDS MySQL` or `RDS PostgreSQL`", pl.col("product")),
            severity=derived(
                "by PostgreSQL's severity, else `Informational`",
                pl.col("severity").replace_strict(_SEVERITY, default="Informational", return_dtype=pl.String),
            ),
            message=field("statement", "object"),
            original_type=field("original", "operation"),
            original_severity=field("severity"),
            original_result_details=derived("`retcode`, or the SQLSTATE", pl.coalesce("code", "sqlstate")),
            dvc_hostname=field("server", "serverhost"),
        ),
        "Operation": derived("first word of the statement, else the event's kind", pl.col("operation")),
        "Object": derived("database and table, else the database, else `serverhost` or the product", _OBJECT),
        "ObjectType": constant("Other"),
        "OriginalObjectType": field("kind", "OBJECT_TYPE"),
        "ActorUsername": field("user", "username"),
        "ActorUsernameType": derived("`Simple`", pl.when(pl.col("user").is_not_null()).then(pl.lit("Simple"))),
        "ActorSessionId": field("session", "connectionid"),
        "SrcIpAddr": derived("`host` where it is an address", pl.col("address")),
        "SrcHostname": derived("`host` where it is a name", pl.when(pl.col("address").is_null()).then("host")),
        "SrcPortNumber": field("port"),
        "AdditionalFields": derived("what is left, as JSON", pl.col("additional")),
    },
    entities={
        "principal": field("user", "username"),
        "principal_type": constant("database_user"),
        "peer": derived("server or database", pl.coalesce("server", "database")),
        "service": derived("`RDS MySQL` or `RDS PostgreSQL`", pl.col("product")),
        "action": derived("first word of the statement, else the event's kind", pl.col("operation")),
        "target": derived("database and table, else the database", pl.coalesce("object", "database")),
        "source_ip": derived("`host` where it is an address", pl.col("address")),
        "error": derived(
            "`retcode` or severity of a failure",
            pl.when(pl.col("result") == "Failure").then(pl.coalesce("code", "sqlstate", "severity")),
        ),
        "read_only": derived("whether it reads only", _EVENT_TYPE == "Read"),
    },
    note="Other messages in a PostgreSQL log are rows as well; their `Operation` is the severity, such as `LOG`.",
)


class RdsAuditParser(TextLineParser):
    """Parses audit logs of RDS and Aurora."""

    name: ClassVar[str] = "rds_audit"
    title: ClassVar[str] = "an audit log of RDS"
    native: ClassVar[tuple[TableMapping, ...]] = (ASIM,)
    continued: ClassVar[bool] = True

    @classmethod
    def sniff(cls, head: bytes, key: str) -> Verdict:  # noqa: ARG003 - content says it all here
        """Lines with the fields of an audit plugin, or with PostgreSQL's prefix as RDS sets it."""
        lines = [line for line in head_lines(head) if not line.startswith((b" ", b"\t"))]
        if not lines:
            return Verdict(0.0, "there are no lines")
        sniffs = (mysql.SNIFF, postgres.SNIFF)
        fitting = sum(any(sniff.match(line[:_FRONT]) for sniff in sniffs) for line in lines)
        share = fitting / len(lines)
        return Verdict(0.95 * share, f"{share:.0%} of {len(lines)} lines are those of a database's audit")

    def take_apart(self, lines: pl.Series, arrival: Arrival) -> pl.DataFrame:
        """Either dialect; see `TextLineParser.take_apart`."""
        of_mysql = mysql.take_apart(lines).with_columns(pl.lit("RDS MySQL").alias("product"))
        mine = of_mysql["stamp"].is_not_null()
        if mine.all():
            frame = of_mysql
        else:
            of_postgres = postgres.take_apart(lines).with_columns(pl.lit("RDS PostgreSQL").alias("product"))
            names = dict.fromkeys((*of_mysql.columns, *of_postgres.columns))
            nothing = pl.Series([None], dtype=pl.String()).new_from_index(0, lines.len())
            frame = pl.DataFrame([_either(name, of_mysql, of_postgres, mine, nothing) for name in names])
        frame = frame.with_columns(pl.col("stamp").is_not_null().alias(FITS))
        return self.with_time(frame, arrival, frame["stamp"]).drop("stamp")

    def prepare(self, raw: pl.DataFrame) -> pl.DataFrame:
        """The address of the client, and what has no column."""
        raw = super().prepare(raw)
        there = [name for name in _ADDITIONAL if name in raw.columns]
        return raw.with_columns(
            pl.when(ip_version("host").is_not_null()).then("host").alias("address"),
            columns_to_json(raw.select(there)).alias("additional"),
        )


def _either(name: str, first: pl.DataFrame, second: pl.DataFrame, mine: pl.Series, nothing: pl.Series) -> pl.Series:
    """A column of two frames, from the first where ``mine`` says so."""
    one, other = (frame[name] if name in frame.columns else nothing for frame in (first, second))
    return one.zip_with(mine, other).alias(name)
