"""KQL that ships with the project, as text files with the table's name left open.

Belongs here: functions a user saves in the workspace, and the queries of rule, hunting and workbook. Does not belong
here: queries the project runs itself (``query``), the resources that carry these (``infra.azure``).
"""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from s3sentinel_assets.config import ENTITY_HOURS_TABLE
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.tables import load_schema, table_names

__all__ = [
    "dedupe_function",
    "events_query",
    "function_tables",
    "latest_function",
    "query_text",
    "saved_functions",
    "write_functions",
]

_ENTITY_HOURS = "EntityHours"
_PRIORITY = "Priority_CF"


def query_text(name: str) -> str:
    """The text of ``<name>.kql``, with what is left open in it."""
    return (resources.files("s3sentinel_assets.sentinel.kql") / f"{name}.kql").read_text(encoding="utf-8")


def dedupe_function(table: str) -> str:
    """The body of the function ``<table>_Once``: the table with one row per event.

    Raises:
        ConfigurationError: no schema ships for the table.
    """
    return query_text("dedupe").replace("{table}", load_schema(table).name)


def latest_function(table: str) -> str:
    """The body of the function ``<table>_Latest``: the table with the priorities as they are known now.

    Raises:
        ConfigurationError: no schema ships for the table.
    """
    return query_text("latest").replace("{table}", load_schema(table).name)


def events_query(tables: Sequence[str]) -> str:
    """The workbook's query for the events of an hour, over these tables; at least one."""
    return query_text("workbook_events").replace("{tables}", ", ".join(tables))


def function_tables() -> dict[str, str]:
    """Function → the table without which it would be refused."""
    names = {f"{table}_Once": table for table in table_names()}
    names |= {f"{table}_Latest": table for table in table_names() if _PRIORITY in load_schema(table).own_columns}
    return names | {_ENTITY_HOURS: ENTITY_HOURS_TABLE}


def saved_functions() -> dict[str, str]:
    """Every function that is meant to be saved in a workspace: name → body."""
    made = {_ENTITY_HOURS: query_text("entity_hours")}
    for name, table in function_tables().items():
        if name.endswith("_Once"):
            made[name] = dedupe_function(table)
        elif name.endswith("_Latest"):
            made[name] = latest_function(table)
    return made


def write_functions(folder: Path) -> list[Path]:
    """Writes every function to ``folder/<name>.kql``, where the local workspace looks for them.

    Raises:
        UserError: the folder cannot be written.
    """
    files = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, body in saved_functions().items():
            file = folder / f"{name}.kql"
            if not file.is_file() or file.read_text(encoding="utf-8") != body:
                unfinished = file.with_suffix(".unfinished")
                unfinished.write_text(body, encoding="utf-8")
                unfinished.replace(file)
            files.append(file)
    except OSError as error:
        raise UserError(f"the functions cannot be written to {folder}: {error.strerror}") from error
    return files
