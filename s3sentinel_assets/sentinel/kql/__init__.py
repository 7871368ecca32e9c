"""KQL that ships with the project, as text files with the table's name left open.

Belongs here: functions a user saves in the workspace. Does not belong here: queries the project runs itself
(``query``).
"""

from importlib import resources

from s3sentinel_assets.tables import load_schema

__all__ = ["dedupe_function"]


def dedupe_function(table: str) -> str:
    """The body of the function ``<table>_Once``: the table with one row per event.

    Raises:
        ConfigurationError: no schema ships for the table.
    """
    text = (resources.files("s3sentinel_assets.sentinel.kql") / "dedupe.kql").read_text(encoding="utf-8")
    return text.replace("{table}", load_schema(table).name)
