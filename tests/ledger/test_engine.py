"""Opening a ledger: migrations, transactions and instants, alike on SQLite and PostgreSQL."""

import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from s3sentinel_assets.errors import ConfigurationError, UserError
from s3sentinel_assets.ledger.engine import HEAD, Ledger, from_micros, insert_or_ignore, to_micros
from s3sentinel_assets.ledger.schema import lease, metadata, source_guard


def test_a_new_ledger_has_every_table_and_the_newest_revision(ledger: Ledger) -> None:
    with ledger.read() as connection:
        assert set(metadata.tables) <= set(sa.inspect(connection).get_table_names())
        assert connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() == HEAD


def test_the_migrations_make_what_the_schema_says(ledger: Ledger) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    with ledger.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_head_is_the_newest_migration() -> None:
    from alembic.script import ScriptDirectory

    from s3sentinel_assets.ledger.migrate import alembic_config

    assert ScriptDirectory.from_config(alembic_config()).get_heads() == [HEAD]


def test_a_ledger_goes_down_and_up_again(ledger: Ledger) -> None:
    from alembic import command

    from s3sentinel_assets.ledger.migrate import alembic_config, upgrade

    config = alembic_config()
    with ledger.write() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    with ledger.read() as connection:
        assert set(sa.inspect(connection).get_table_names()) <= {"alembic_version"}
    upgrade(ledger.engine)
    with ledger.read() as connection:
        assert set(metadata.tables) <= set(sa.inspect(connection).get_table_names())


OPEN = """
import sys
from s3sentinel_assets.ledger.engine import Ledger
sys.stdin.read()
ledger = Ledger(sys.argv[1])
with ledger.write() as connection:
    ledger.guard(connection, "source")
"""


def test_processes_that_open_an_empty_ledger_at_once(ledger_url: str) -> None:
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN, ledger_url], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    for worker in workers:
        worker.stdin.close()  # the starting shot
        worker.stdin = None
    errors = [worker.communicate(timeout=60)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * 4, errors
    ledger = Ledger(ledger_url)
    with ledger.read() as connection:
        assert connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalars().all() == [HEAD]
        assert connection.execute(sa.select(source_guard.c.touched)).scalar_one() == 4
    ledger.close()


def test_a_failed_write_leaves_nothing(ledger: Ledger) -> None:
    def fail() -> None:
        with ledger.write() as connection:
            ledger.guard(connection, "a")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    with ledger.read() as connection:
        assert connection.execute(sa.select(source_guard)).all() == []


def test_guarded_writes_of_a_source_wait_for_each_other(ledger: Ledger) -> None:
    """Read-modify-write under the guard loses no update, whatever the database's isolation."""
    table = lease
    with ledger.write() as connection:
        connection.execute(insert_or_ignore(connection, table).values(name="n", owner="", epoch=0, expires_at=0))

    def add() -> None:
        for _ in range(10):
            with ledger.write() as connection:
                ledger.guard(connection, "source")
                value = connection.execute(sa.select(table.c.epoch)).scalar_one()
                connection.execute(sa.update(table).values(epoch=value + 1))

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with ledger.read() as connection:
        assert connection.execute(sa.select(table.c.epoch)).scalar_one() == 40


def test_insert_or_ignore_leaves_the_first(ledger: Ledger) -> None:
    with ledger.write() as connection:
        for epoch in (1, 2):
            connection.execute(
                insert_or_ignore(connection, lease).values(name="n", owner="", epoch=epoch, expires_at=0)
            )
        assert connection.execute(sa.select(lease.c.epoch)).scalar_one() == 1


def test_reading_goes_on_beside_a_writer(ledger: Ledger) -> None:
    with ledger.write() as writer:
        ledger.guard(writer, "a")
        with ledger.read() as reader:
            assert reader.execute(sa.select(source_guard)).all() == []


def test_foreign_keys_are_enforced(ledger: Ledger) -> None:
    from s3sentinel_assets.ledger.schema import claim

    with pytest.raises(sa.exc.IntegrityError), ledger.write() as connection:
        connection.execute(sa.insert(claim).values(table_name="t", event_hour="h", part_id=99, uri="u", events=1))


@given(st.integers(-(10**15), 10**16))
def test_instants_survive_exactly(micros: int) -> None:
    instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
    instant = instant.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert to_micros(instant) == micros
    assert from_micros(to_micros(instant)) == instant
    assert from_micros(to_micros(instant)).tzinfo is UTC


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense TOPSECRET", "is not a database URL"),
        ("postgresql+psycopg://u:TOPSECRET@h:port/db", "is not a database URL"),
        ("mysql://u:TOPSECRET@h/db", "'mysql', which is not supported"),
        ("postgresql+psycopg2://u:TOPSECRET@h/db", "psycopg2', which is not supported"),
    ],
)
def test_a_wrong_url_is_a_configuration_error_without_its_password(url: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        Ledger(url)
    assert "TOPSECRET" not in str(caught.value)


def test_a_server_that_is_away() -> None:
    with pytest.raises(
        UserError, match=r"u:\*\*\*@127\.0\.0\.1:1/db cannot be used .*refused.*check ledger\.url"
    ) as caught:
        Ledger("postgresql+psycopg://u:TOPSECRET@127.0.0.1:1/db")
    assert "TOPSECRET" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_database(tmp_path) -> None:
    file = tmp_path / "ledger.db"
    file.write_bytes(b"something else entirely" * 100)
    with pytest.raises(UserError, match="file is not a database"):
        Ledger(f"sqlite:///{file}")


def test_a_folder_that_cannot_be_made(tmp_path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"folder .* cannot be made"):
        Ledger(f"sqlite:///{tmp_path}/file/deep/ledger.db")


def test_a_ledger_of_a_newer_version_is_left_alone(ledger: Ledger, ledger_url: str) -> None:
    with ledger.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(UserError, match="written by a newer version"):
        Ledger(ledger_url)


def test_a_missing_privilege_is_a_sentence(postgresql_server, ledger_url: str) -> None:
    if not ledger_url.startswith("postgresql"):
        return
    ledger = Ledger(ledger_url)
    with ledger.write() as connection:
        connection.execute(sa.text("CREATE ROLE weak"))
    with pytest.raises(UserError, match="permission denied"), ledger.read() as connection:
        connection.execute(sa.text("SET ROLE weak"))
        connection.execute(sa.select(lease))
    ledger.close()
