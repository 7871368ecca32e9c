"""KQL that ships with the project, as text files with the table's name left open.

Belongs here: functions a user saves in the workspace. Does not belong here: queries the project runs itself
(``query``).
"""

from importlib import resources
from pathlib import Path

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.tables import load_schema, table_names

__all__ = ["dedupe_function", "saved_functions", "write_functions"]


def dedupe_function(table: str) -> str:
    """The body of the function ``<table>_Once``: the table with one row per event.

    Raises:
        ConfigurationError: no schema ships for the table.
    """
    text = (resources.files("s3sentinel_assets.sentinel.kql") / "dedupe.kql").read_text(encoding="utf-8")
    return text.replace("{table}", load_schema(table).name)


def saved_functions() -> dict[str, str]:
    """Every function that is meant to be saved in a workspace: name → body."""
    return {f"{table}_Once": dedupe_function(table) for table in table_names()}


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
