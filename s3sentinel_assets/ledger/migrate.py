"""Bringing a ledger to the newest revision with alembic.

Imported only when a ledger is not at `engine.HEAD`, because alembic is slow to import.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy.engine import Engine

__all__ = ["alembic_config", "upgrade"]


def alembic_config() -> Config:
    """Alembic's configuration for the migrations beside this module."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def upgrade(engine: Engine) -> None:
    """Runs all missing migrations in one transaction; a second process that starts meanwhile waits for the first."""
    config = alembic_config()
    with engine.execution_options(s3sentinel_write=True).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(5303317)")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
