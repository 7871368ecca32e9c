"""From rules to guards: of each rule, the rows it needs of each table.

Belongs here: joining the places where one rule reads a table, and the workspace that s3sentinel fills. Does not belong
here: reading KQL (``pipelines``), the file (``model``) and rule files (``rules``).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from s3sentinel_assets.sentinel.guards.model import VERSION, GuardFile, RuleGuard, TableGuard
from s3sentinel_assets.sentinel.guards.pipelines import Workspace, readings
from s3sentinel_assets.sentinel.guards.sql import TRUE, any_of
from s3sentinel_assets.sentinel.kql import saved_functions
from s3sentinel_assets.tables import load_schema, table_names

__all__ = ["RuleText", "extract", "make_guards", "own_workspace"]


@dataclass(frozen=True)
class RuleText:
    """A rule as far as guards need it.

    Attributes:
        id: its GUID, or empty.
        name: its name.
        file: where it was read, as it shall be told.
        enabled: whether it runs.
        query: its KQL.
    """

    id: str
    name: str
    file: str
    enabled: bool
    query: str


def own_workspace(functions: Mapping[str, str] | None = None, others: Collection[str] = ()) -> Workspace:
    """The tables that s3sentinel fills, with what else a workspace has.

    Args:
        functions: saved functions → their body; those that s3sentinel ships are known.
        others: tables that others fill.

    Raises:
        ConfigurationError: a shipped schema cannot be read.
    """
    shipped = saved_functions()
    # Readers know tables behind `_Once` by themselves; the other shipped functions are read like those of others.
    known = {name: body for name, body in shipped.items() if not name.endswith("_Once")}
    schemas = {name: load_schema(name) for name in table_names()}
    return Workspace(
        tables={
            name: {**dict.fromkeys(schema.system_columns, "system"), **schema.writable}
            for name, schema in schemas.items()
        },
        functions=known | {name: body for name, body in (functions or {}).items() if shipped.get(name) != body},
        others=frozenset(others),
    )


def extract(query: str, workspace: Workspace) -> dict[str, TableGuard]:
    """The rows that ``query`` needs, by table; tables that it does not read are left out."""
    found = readings(query, workspace)
    guards: dict[str, TableGuard] = {}
    for table in sorted({reading.table for reading in found}):
        places = [reading for reading in found if reading.table == table]
        where = any_of(reading.where for reading in places)
        pinned = where == TRUE
        # Of a table that is needed whole, the places that need it so say why.
        telling = [reading for reading in places if reading.where == TRUE] if pinned else places
        told = dict.fromkeys(why for reading in telling for why in reading.why)
        guards[table] = TableGuard(None if pinned else where.text, pinned, _because(list(told), pinned=pinned))
    return guards


def _because(told: list[str], *, pinned: bool) -> str:
    if not told:
        return ""
    listed = "; ".join(told)
    return listed if pinned else f"not used: {listed}"


def make_guards(rules: Iterable[RuleText], workspace: Workspace) -> GuardFile:
    """The guards of ``rules``, in the order of their names."""
    made = [
        RuleGuard(rule.id, rule.name, rule.file, rule.enabled, extract(rule.query, workspace))
        for rule in sorted(rules, key=lambda rule: (rule.name, rule.id, rule.file))
    ]
    return GuardFile(VERSION, made)
