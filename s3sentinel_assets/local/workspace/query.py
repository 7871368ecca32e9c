"""The query API: a KQL query with its time span, answered as Log Analytics answers.

Belongs here: time spans, running the translated query, the tables-columns-rows document. Does not belong here: KQL
itself (``kql``), what tables on cheaper plans take (``limited``) and HTTP plumbing (``server``).
"""

import fnmatch
import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from s3sentinel_assets.hours import utc_now
from s3sentinel_assets.local.workspace.definitions import DUCKDB_TYPES, Catalogue
from s3sentinel_assets.local.workspace.errors import ApiError
from s3sentinel_assets.local.workspace.kql import RENAMED, Rewritten, bad_query, rewrite, translate
from s3sentinel_assets.local.workspace.kql_external import External, read_external
from s3sentinel_assets.local.workspace.kql_functions import read_saved
from s3sentinel_assets.local.workspace.limited import limited_tables, refuse_limited, searched_table
from s3sentinel_assets.local.workspace.storage import INGESTION_TIME, Storage, Window

__all__ = ["Query", "QueryApi", "QueryResult", "parse_timespan"]

ROW_LIMIT = 500_000
EXTERNAL_TYPES = DUCKDB_TYPES | {"boolean": "BOOLEAN", "double": "DOUBLE", "date": "TIMESTAMP"}
DEFAULT_SECONDS, MOST_SECONDS = 180, 600
_DURATION = re.compile(
    r"P(?:(\d+(?:\.\d+)?)W)?(?:(\d+(?:\.\d+)?)D)?(?:T(?:(\d+(?:\.\d+)?)H)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)S)?)?"
)


class Query(msgspec.Struct):
    """The body of a query request."""

    query: str
    timespan: str | None = None
    workspaces: list[str] | None = None


@dataclass(frozen=True)
class QueryResult:
    """A table of results.

    Attributes:
        columns: column names.
        types: their Log Analytics types.
        rows: the values, as they stand in the answer's JSON.
        cut: True where rows were left out because there are too many.
        scanned: bytes that the query scanned of a table on a cheaper plan, by which it would be billed: what the table
            holds in the time range, as ``_BilledSize`` tells; None: it is not billed.
    """

    columns: list[str]
    types: list[str]
    rows: list[list[Any]]
    cut: bool = False
    scanned: int | None = None

    def document(self) -> dict[str, Any]:
        """The answer's body."""
        columns = [{"name": name, "type": kind} for name, kind in zip(self.columns, self.types, strict=True)]
        body: dict[str, Any] = {"tables": [{"name": "PrimaryResult", "columns": columns, "rows": self.rows}]}
        if self.cut:
            message = (
                f"The results of this query exceed the set limit of {ROW_LIMIT} records, so only those are returned."
            )
            body["error"] = {
                "code": "PartialError",
                "message": "There were some errors when processing your query.",
                "details": [{"code": "QueryResultTruncated", "message": message}],
            }
        return body


class QueryApi:
    """Answers queries from one storage."""

    def __init__(self, storage: Storage, catalogue: Catalogue) -> None:
        self._storage = storage
        self._tables = catalogue.tables
        self._limited = limited_tables(catalogue.tables)
        self._schema = catalogue.query_schema()
        #: Table → bytes that searches have scanned.
        self.scanned = Counter[str]()
        # Saved functions and the files of externaldata lie beside the rows.
        with storage.reader(Window(_naive(utc_now()), ())) as connection:
            [(path,)] = connection.execute("SELECT path FROM duckdb_databases() WHERE NOT internal").fetchall()
        self._folder = Path(path).parent if path else None

    def run(self, query: Query, seconds: float = DEFAULT_SECONDS) -> QueryResult:
        """Runs ``query`` and gives all of its rows. Blocks.

        Tables on a cheaper plan do not exist for it: naming one is refused, and a wildcard leaves them out.

        Args:
            query: KQL and the time span for ``TimeGenerated``.
            seconds: it is broken off after this long.

        Raises:
            ApiError: 400 for the query or time span, 504 when it takes too long.
        """
        now = utc_now()
        start, end = parse_timespan(query.timespan, now)
        refuse_limited(query.query, self._limited)
        schema = {name: columns for name, columns in self._schema.items() if name not in self._limited}
        return self._run(query.query, schema, read_saved(self._folder), (now, start, end), seconds)

    def search(self, query: Query, seconds: float = DEFAULT_SECONDS) -> QueryResult:
        """Runs a query of one table on the Basic or Auxiliary plan. Blocks.

        Args:
            query: the KQL that such tables take, and the time span, which must be given.
            seconds: it is broken off after this long.

        Raises:
            ApiError: as of `run`.
        """
        now = utc_now()
        start, end = parse_timespan(query.timespan, now)
        saved = read_saved(self._folder)
        table = searched_table(query.query, self._tables, saved, start, end, _naive(now))
        result = self._run(query.query, {table: self._schema[table]}, {}, (now, start, end), seconds)
        scanned = self._size(table, now, start, end)
        self.scanned[table] += scanned
        return replace(result, scanned=scanned)

    def _size(self, table: str, now: datetime, start: datetime | None, end: datetime | None) -> int:
        with self._storage.reader(Window(_naive(now), (table,), start, end)) as connection:
            sql = f'SELECT coalesce(sum("_BilledSize"), 0) FROM "{table}"'
            [(size,)] = connection.execute(sql).fetchall()
        return round(size)

    def _run(
        self,
        text: str,
        schema: Mapping[str, Sequence[str]],
        saved: Mapping[str, str],
        when: tuple[datetime, datetime | None, datetime | None],
        seconds: float,
    ) -> QueryResult:
        folder = self._folder
        rewritten = rewrite(text, schema, saved, self._storage.vacant())
        sql, values = translate(rewritten, schema)
        now, start, end = when
        window = Window(_naive(now), rewritten.tables, start, end, rewritten.ingestion_time)
        with self._storage.reader(window) as connection:
            overdue = threading.Event()

            def interrupt() -> None:
                overdue.set()
                connection.interrupt()

            timer = threading.Timer(min(seconds, MOST_SECONDS), interrupt)
            timer.daemon = True
            timer.start()
            try:
                for clause in rewritten.external:
                    _open_external(connection, clause, folder)
                cursor = connection.execute(sql, values) if values else connection.execute(sql)
                described = [(str(column[0]), str(column[1])) for column in cursor.description or []]
                rows = cursor.fetchmany(ROW_LIMIT + 1)
            except duckdb.InterruptException:
                if not overdue.is_set():
                    raise
                raise ApiError(504, "GatewayTimeout", f"The query took longer than {seconds:g} seconds.") from None
            except duckdb.Error as error:
                raise _refused(error) from None
            finally:
                timer.cancel()
        return _result(described, rows, rewritten)


def parse_timespan(text: str | None, now: datetime) -> tuple[datetime | None, datetime | None]:
    """An ISO 8601 duration, ``start/end``, ``start/duration`` or ``duration/end`` → start and end (UTC, no zone).

    Raises:
        ApiError: 400; it is none of these.
    """
    if not text:
        return None, None
    parts = [_moment(part.strip()) for part in text.split("/")]
    if None not in parts:
        match parts:
            case [timedelta() as length]:
                return _naive(now - length), _naive(now)
            case [datetime() as start, datetime() as end]:
                return _naive(start), _naive(end)
            case [datetime() as start, timedelta() as length]:
                return _naive(start), _naive(start + length)
            case [timedelta() as length, datetime() as end]:
                return _naive(end - length), _naive(end)
    raise ApiError(400, "BadArgumentError", f"The timespan '{text}' is not a valid ISO 8601 interval.")


def _moment(text: str) -> datetime | timedelta | None:
    if text.startswith("P"):
        found = _DURATION.fullmatch(text)
        if not found or not any(found.groups()):
            return None
        weeks, days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
        return timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)


def _refused(error: duckdb.Error) -> ApiError:
    """DuckDB's complaint in the words of the query API."""
    text = str(error)
    if found := re.search(r'Table with name "?(\w+)"? does not exist', text):
        return bad_query("SemanticError", f"Failed to resolve table or column expression named '{found[1]}'")
    if found := re.search(
        r'[Cc]olumn "?([^"]+?)"? (?:not found|was not found|referenced that exists in the SELECT)', text
    ):
        return bad_query("SemanticError", f"Failed to resolve scalar expression named '{found[1]}'")
    return bad_query("SemanticError", text.splitlines()[0])


def _result(described: list[tuple[str, str]], rows: list[tuple[Any, ...]], query: Rewritten) -> QueryResult:
    from duckdb_kql.types import kusto_type

    shown = [i for i, (name, _) in enumerate(described) if not re.fullmatch(rf"{INGESTION_TIME}\d*", name)]
    if query.leading:
        shown.sort(key=lambda i: _rank(described[i][0].replace(RENAMED, ""), query.leading))
    types = [kusto_type(described[i][1]) for i in shown]
    names = [described[i][0] for i in shown]
    if query.renamed:
        names = [name.replace(RENAMED, "") for name in names]
    cut = len(rows) > ROW_LIMIT
    kept = rows[:ROW_LIMIT]
    columns = list(zip(*kept, strict=True)) if kept else []
    values = [_values(columns[i], kind) for i, kind in zip(shown, types, strict=True)] if columns else []
    return QueryResult(names, types, [list(row) for row in zip(*values, strict=True)], cut)


def _rank(name: str, leading: Sequence[str]) -> int:
    """Where ``project-reorder`` puts a column."""
    return next((rank for rank, pattern in enumerate(leading) if fnmatch.fnmatchcase(name, pattern)), len(leading))


def _open_external(connection: duckdb.DuckDBPyConnection, clause: External, folder: Path | None) -> None:
    """Makes the rows of an ``externaldata`` clause a table of this connection."""
    connection.register("external_rows", read_external(clause, folder))
    columns = ", ".join(
        f'TRY_CAST("{name}" AS {EXTERNAL_TYPES.get(kind, "VARCHAR")}) AS "{name}"'
        for name, kind in clause.columns.items()
    )
    connection.execute(f'CREATE TEMP TABLE "{clause.table}" AS SELECT {columns} FROM external_rows')
    connection.unregister("external_rows")


def _values(column: tuple[Any, ...], kind: str) -> list[Any]:
    convert = CONVERT.get(kind)
    return list(column) if convert is None else [None if value is None else convert(value) for value in column]


def _datetime(value: Any) -> str:
    if isinstance(value, datetime):
        return (value if value.tzinfo is None else _naive(value)).isoformat() + "Z"
    return f"{value}T00:00:00Z"


def _timespan(value: Any) -> str:
    if not isinstance(value, timedelta):
        return str(value)
    sign, length = ("-", -value) if value < timedelta() else ("", value)
    hours, rest = divmod(length.seconds, 3600)
    days = f"{length.days}." if length.days else ""
    fraction = f".{length.microseconds:06d}0" if length.microseconds else ""
    return f"{sign}{days}{hours:02d}:{rest // 60:02d}:{rest % 60:02d}{fraction}"


def _real(value: float) -> float | str:
    if value != value:
        return "NaN"
    return value if abs(value) != float("inf") else ("Infinity" if value > 0 else "-Infinity")


def _dynamic(value: Any) -> Any:
    if not isinstance(value, str):
        return msgspec.json.encode(value, enc_hook=str).decode()
    try:
        decoded = msgspec.json.decode(value)
    except msgspec.DecodeError:
        return value
    return decoded if isinstance(decoded, str) else value


#: Log Analytics type → how a DuckDB value stands in the answer.
CONVERT: dict[str, Callable[[Any], Any]] = {
    "datetime": _datetime,
    "timespan": _timespan,
    "real": _real,
    "decimal": str,
    "guid": str,
    "dynamic": _dynamic,
    "string": str,
}
