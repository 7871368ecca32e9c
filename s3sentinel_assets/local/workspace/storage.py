"""The rows at rest: one DuckDB file, written in groups, read through views that show what a query may see.

Belongs here: connections, table definitions, commits, visibility. Does not belong here: what a row must look like
(``rows``) and KQL (``kql``, ``query``).

A row carries ``_IngestionTime``, the instant from which queries see it. Appends that arrive together share one commit:
the commit, not the row, is what costs. `append` returns after the commit, so an answer given then survives a kill.
"""

import contextlib
import queue
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import polars as pl

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.local.workspace.definitions import DUCKDB_TYPES, Catalogue

__all__ = ["INGESTION_TIME", "Storage", "Window"]

#: The hidden column behind KQL's ``ingestion_time()``; a query sees it only when it asks for it.
INGESTION_TIME = "__ingestion_time"
GROUP = 32  # appends in one commit: about 32 MB


@dataclass(frozen=True)
class Window:
    """What a query may see.

    Attributes:
        now: rows that become visible later are hidden (UTC, no zone).
        start: with ``end`` bounds ``TimeGenerated``; ``end`` itself is outside. None: unbounded.
        tables: the tables the query reads.
        ingestion_time: whether the hidden column is shown.
    """

    now: datetime
    tables: Sequence[str]
    start: datetime | None = None
    end: datetime | None = None
    ingestion_time: bool = False


class Storage:
    """The DuckDB file of one workspace. One process at a time may write; ``read_only`` needs that no other has it open.

    Args:
        file: the DuckDB file; made if missing, unless ``read_only``.
        catalogue: tables to serve. New tables and columns are added to the file.
        workspace_id: fills ``TenantId``.

    Raises:
        UserError: the file is in use by another process, missing, or not a workspace.
    """

    def __init__(self, file: Path, catalogue: Catalogue, workspace_id: str, *, read_only: bool = False) -> None:
        self._catalogue = catalogue
        self._workspace_id = workspace_id
        self._connection = _open(file, read_only)
        # Queries run on this instance too: none may reach a file or the network, and none may switch that back on.
        self._connection.execute("SET TimeZone = 'UTC'")
        self._connection.execute("SET enable_external_access = false")
        if not read_only:
            self._define()
        self._present = self._tables_present()
        self._appends: queue.SimpleQueue[tuple[str, pl.DataFrame, Future[None]] | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="workspace-writer", daemon=True)
        if not read_only:
            self._writer.start()

    def append(self, table: str, frame: pl.DataFrame, visible_from: datetime) -> None:
        """Stores rows durably and returns after the commit.

        Args:
            table: where to.
            frame: the table's writable columns and ``_BilledSize``.
            visible_from: the instant from which queries see them (UTC, no zone).

        Raises:
            duckdb.Error: nothing of it was stored (the disk is full, say).
        """
        if frame.is_empty():
            return
        done: Future[None] = Future()
        stamp = pl.lit(visible_from, pl.Datetime("us")).alias("_IngestionTime")
        self._appends.put((table, frame.with_columns(stamp), done))
        done.result()

    def forget(self) -> None:
        """Deletes every row. For tests that share a server; nothing is appended meanwhile."""
        cursor = self._connection.cursor()
        try:
            for table in self._catalogue.tables:
                cursor.execute(f'DELETE FROM stored."{table}"')
        finally:
            cursor.close()

    @contextlib.contextmanager
    def reader(self, window: Window) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection on which the tables of ``window`` exist as views that show just that window."""
        cursor = self._connection.cursor()
        try:
            cursor.execute("SET TimeZone = 'UTC'")
            for table in window.tables:
                cursor.execute(self._view(table, window))
            yield cursor
        finally:
            cursor.close()

    def vacant(self) -> set[str]:
        """The tables that never had a row, as far as is cheap to tell."""
        cursor = self._connection.cursor()
        try:
            filled = cursor.execute(
                "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'stored' AND estimated_size > 0"
            ).fetchall()
        finally:
            cursor.close()
        return set(self._catalogue.tables) - {name for (name,) in filled}

    def close(self) -> None:
        """Finishes what was appended and closes the file."""
        if self._writer.is_alive():
            self._appends.put(None)
            self._writer.join()
        self._connection.close()

    def _define(self) -> None:
        self._connection.execute("CREATE SCHEMA IF NOT EXISTS stored")
        present = self._tables_present()
        for name, table in self._catalogue.tables.items():
            columns = {
                **{column: DUCKDB_TYPES[kind] for column, kind in table.writable.items()},
                "_BilledSize": "DOUBLE",
                "_IngestionTime": "TIMESTAMP",
            }
            if name not in present:
                listed = ", ".join(f'"{column}" {kind}' for column, kind in columns.items())
                self._connection.execute(f'CREATE TABLE stored."{name}" ({listed})')
                continue
            for column, kind in columns.items():
                if column not in present[name]:
                    self._connection.execute(f'ALTER TABLE stored."{name}" ADD COLUMN "{column}" {kind}')

    def _tables_present(self) -> dict[str, set[str]]:
        present: dict[str, set[str]] = {}
        for table, column in self._connection.execute(
            "SELECT table_name, column_name FROM duckdb_columns() WHERE schema_name = 'stored'"
        ).fetchall():
            present.setdefault(table, set()).add(column)
        return present

    def _view(self, table: str, window: Window) -> str:
        schema = self._catalogue.tables[table]
        present = self._present.get(table, set())
        columns = [_column(name, kind, present) for name, kind in schema.writable.items()]
        columns += [
            f"'{self._workspace_id}' AS \"TenantId\"",
            f"'{table}' AS \"Type\"",
            "'RestAPI' AS \"SourceSystem\"",
            '"_BilledSize"' if present else 'CAST(NULL AS DOUBLE) AS "_BilledSize"',
            "'true' AS \"_IsBillable\"",
        ]
        if window.ingestion_time:
            source = '"_IngestionTime"' if present else "CAST(NULL AS TIMESTAMP)"
            columns.append(f'{source} AS "{INGESTION_TIME}"')
        conditions = [f"\"_IngestionTime\" <= TIMESTAMP '{window.now}'" if present else "false"]
        if present and window.start is not None:
            conditions.append(f"\"TimeGenerated\" >= TIMESTAMP '{window.start}'")
        if present and window.end is not None:
            conditions.append(f"\"TimeGenerated\" < TIMESTAMP '{window.end}'")
        source = f'FROM stored."{table}"' if present else ""
        return f'CREATE TEMP VIEW "{table}" AS SELECT {", ".join(columns)} {source} WHERE {" AND ".join(conditions)}'

    def _write(self) -> None:
        """The writer thread: takes what is waiting, commits it as one, answers everyone."""
        while (first := self._appends.get()) is not None:
            group = [first]
            last = False
            with contextlib.suppress(queue.Empty):
                while len(group) < GROUP:
                    item = self._appends.get_nowait()
                    if item is None:
                        last = True
                        break
                    group.append(item)
            self._commit(group)
            if last:
                return

    def _commit(self, group: list[tuple[str, pl.DataFrame, Future[None]]]) -> None:
        by_table: dict[str, list[pl.DataFrame]] = {}
        for table, frame, _ in group:
            by_table.setdefault(table, []).append(frame)
        try:
            self._connection.execute("BEGIN")
            for table, frames in by_table.items():
                self._connection.register("incoming", pl.concat(frames))
                self._connection.execute(f'INSERT INTO stored."{table}" BY NAME SELECT * FROM incoming')
                self._connection.unregister("incoming")
            self._connection.execute("COMMIT")
        except (duckdb.Error, pl.exceptions.PolarsError) as error:
            with contextlib.suppress(duckdb.Error):  # the failed COMMIT may have ended the transaction already
                self._connection.execute("ROLLBACK")
            for *_, done in group:
                done.set_exception(error)
        else:
            for *_, done in group:
                done.set_result(None)


def _column(name: str, kind: str, present: set[str]) -> str:
    # A column that was added later is null in old rows; a string never is.
    empty = "''" if DUCKDB_TYPES[kind] == "VARCHAR" else f"CAST(NULL AS {DUCKDB_TYPES[kind]})"
    if name not in present:
        return f'{empty} AS "{name}"'
    return f'coalesce("{name}", \'\') AS "{name}"' if empty == "''" else f'"{name}"'


def _open(file: Path, read_only: bool) -> duckdb.DuckDBPyConnection:
    if read_only and not file.exists():
        raise UserError(
            f"{file}: there is no workspace here; start one with 's3sentinel workspace serve --dir {file.parent}'"
        )
    try:
        return duckdb.connect(str(file), read_only=read_only, config={"threads": 2, "memory_limit": "1GB"})
    except duckdb.IOException as error:
        if "lock" in str(error).lower():
            raise UserError(
                f"{file}: is in use by another process; stop the other workspace or give another --dir"
            ) from None
        raise UserError(
            f"{file}: cannot be opened ({str(error).splitlines()[0]}); delete it or give another --dir"
        ) from None
    except duckdb.Error as error:
        raise UserError(f"{file}: is not a workspace file ({str(error).splitlines()[0]}); give another --dir") from None
