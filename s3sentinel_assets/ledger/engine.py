"""Opening the ledger: engine, migrations, transactions.

Belongs here: what makes SQLite and PostgreSQL behave alike. Does not belong here: any query about objects, parts or
batches.
"""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.engine import Connection, Engine

from s3sentinel_assets.errors import ConfigurationError, UserError
from s3sentinel_assets.hours import utc_now
from s3sentinel_assets.ledger import schema

__all__ = ["HEAD", "Ledger", "from_micros", "insert_or_ignore", "storable", "to_micros"]

#: The newest migration; a ledger at this revision needs no migration and no alembic import.
HEAD = "0006"

_SQLITE_BUSY_SECONDS = 60
# A stopped process or a half-dead connection must not make the others wait for ever.
_POSTGRESQL = {
    "connect_timeout": 10,
    "options": "-c lock_timeout=60s -c idle_in_transaction_session_timeout=120s",
    "keepalives_idle": 30,
}


def to_micros(instant: datetime) -> int:
    """An aware instant as microseconds since 1970 UTC, exactly."""
    delta = instant.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def from_micros(micros: int) -> datetime:
    """The aware instant, in UTC, of microseconds since 1970."""
    seconds, rest = divmod(micros, 1_000_000)
    return datetime.fromtimestamp(seconds, tz=UTC).replace(microsecond=rest)


def storable(text: str | None) -> str | None:
    """Text that may quote a log, as both databases take it: PostgreSQL refuses the character NUL."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}") if text else text


class Ledger:
    """The database that knows every object, part, stage result, state, batch and proof.

    One instance per process; it may be shared by threads. Every change goes through `write`, one short transaction that
    either commits whole or leaves nothing.
    """

    def __init__(self, url: str) -> None:
        self.url = _checked_url(url)
        self.engine = _engine(self.url)
        self._reading = self.engine
        self._writing = self.engine.execution_options(s3sentinel_write=True)
        if self.url.get_backend_name() == "postgresql":
            # Its default level lets a commit of another worker fall between two statements of one account.
            self._reading = self.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        try:
            self._migrate()
        except BaseException:
            self.engine.dispose()  # nobody gets an instance to close
            raise

    @property
    def safe_url(self) -> str:
        """The URL with the password hidden."""
        return self.url.render_as_string(hide_password=True)

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """A writing transaction; on SQLite it takes the write lock at once, so it cannot fail half-way."""
        with self._translated(), self._writing.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """A reading connection; all its statements see one state of the ledger."""
        with self._translated(), self._reading.connect() as connection:
            yield connection

    def guard(self, connection: Connection, source: str) -> None:
        """Makes this transaction wait for other guarded ones of ``source``, and them for it."""
        table = schema.source_guard
        updated = connection.execute(
            table.update().where(table.c.source == source).values(touched=table.c.touched + 1)
        ).rowcount
        if not updated:
            connection.execute(insert_or_ignore(connection, table).values(source=source, touched=0))
            connection.execute(table.update().where(table.c.source == source).values(touched=table.c.touched + 1))

    def now(self) -> int:
        """The present, as the ledger stores instants."""
        return to_micros(utc_now())

    def close(self) -> None:
        """Closes every connection."""
        self.engine.dispose()

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (exc.OperationalError, exc.InterfaceError, exc.DatabaseError) as error:
            if isinstance(error, (exc.ProgrammingError, exc.IntegrityError, exc.DataError)) and not _refused(error):
                raise  # a mistake of ours, which needs its traceback
            cause = str(error.orig).strip().splitlines()[0] if error.orig else str(error)
            raise UserError(
                f"the ledger {self.safe_url} cannot be used ({cause}); check ledger.url in the configuration, "
                "that the server runs and that the disk has room"
            ) from error

    def _migrate(self) -> None:
        if self.url.get_backend_name() == "sqlite" and self.url.database:
            folder = Path(self.url.database).parent
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise UserError(f"the ledger's folder {folder} cannot be made: {error.strerror}") from error
        with self.read() as connection:
            current = _revision(connection)
        if current is not None and current > HEAD:
            raise UserError(
                f"the ledger {self.safe_url} was written by a newer version (revision {current}, known: {HEAD}); "
                "update s3sentinel"
            )
        if current != HEAD:
            from s3sentinel_assets.ledger.migrate import upgrade

            with self._translated():
                upgrade(self.engine)


def _checked_url(url: str) -> sa.URL:
    """The parsed URL. The sentence never repeats it, since it may hold a password."""
    try:
        parsed = sa.engine.make_url(url)
    except (exc.ArgumentError, ValueError):
        raise ConfigurationError(
            "ledger.url is not a database URL; write postgresql://user@host/database, or leave it out for SQLite"
        ) from None
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg"):
        raise ConfigurationError(
            f"ledger.url names {parsed.drivername!r}, which is not supported; write postgresql://user@host/database, "
            "or leave it out for SQLite"
        )
    return parsed


def _refused(error: exc.DBAPIError) -> bool:
    """Whether the server says that the user lacks a privilege, which is no mistake of ours."""
    return getattr(error.orig, "sqlstate", None) == "42501"


def _revision(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def insert_or_ignore(connection: Connection, table: sa.Table) -> Any:
    """An INSERT that leaves an existing row alone, in the dialect of ``connection``."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as pg_insert

        return pg_insert(table).on_conflict_do_nothing()
    from sqlalchemy.dialects.sqlite import insert as sqlite_insert

    return sqlite_insert(table).on_conflict_do_nothing()


def _engine(url: sa.URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        return sa.create_engine(url, pool_pre_ping=True, connect_args=_POSTGRESQL)
    engine = sa.create_engine(url, connect_args={"timeout": _SQLITE_BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def _pragmas(dbapi_connection: Any, _record: Any) -> None:
        dbapi_connection.isolation_level = None  # the driver must not open transactions of its own
        cursor = dbapi_connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")  # a committed row must survive a power cut
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A writer takes the lock first: upgrading a read lock half-way fails as "locked" whatever the time-out.
        writing = connection.get_execution_options().get("s3sentinel_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine
