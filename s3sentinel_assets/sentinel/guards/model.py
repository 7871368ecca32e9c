"""The guards file and what it means for rows: which of them some enabled rule needs.

Belongs here: the file's form, reading and writing it, expressions over a table's columns. Does not belong here: how it
is made from rules (``extract``) and what is done with rows (``routing``).

An expression holds for every row that its SQL holds for, and for rows with values that two implementations may compare
in different ways: text outside ASCII (case), text so long that a field cannot hold it, JSON with escapes, and numbers
that are none.
"""

import hashlib
from collections.abc import Collection
from functools import cached_property
from pathlib import Path

import msgspec
import polars as pl

from s3sentinel_assets.errors import ConfigurationError, UserError
from s3sentinel_assets.tables import load_schema

__all__ = ["VERSION", "GuardFile", "Guards", "RuleGuard", "TableGuard", "load_guards", "write_guards"]

VERSION = 1

#: Bytes of a text that every part of the service keeps whole: half of the 64 KB of a field, were they UTF-16.
_SHORT_BYTES = 32_768


class TableGuard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rows that one rule needs of one table.

    Attributes:
        where: a condition in the SQL of `polars.sql_expr`; None: every row.
        pinned: whether every row is needed.
        because: why that is so, or which of the rule's conditions could not be used.
    """

    where: str | None
    pinned: bool
    because: str


class RuleGuard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule: ``file`` is told for people only, a rule that is not ``enabled`` guards nothing."""

    id: str
    name: str
    file: str
    enabled: bool
    tables: dict[str, TableGuard]


class GuardFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the file holds."""

    version: int
    rules: list[RuleGuard]


def write_guards(path: Path, guards: GuardFile) -> None:
    """Writes the file whole or not at all.

    Raises:
        UserError: the folder cannot be written.
    """
    unfinished = path.with_name(path.name + ".unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(encode(guards))
        unfinished.replace(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); name another file with --output") from error


def encode(guards: GuardFile) -> bytes:
    """The bytes of the file: the same for the same guards."""
    return msgspec.json.format(msgspec.json.encode(guards), indent=2) + b"\n"


def load_guards(path: Path) -> "Guards":
    """Reads the file.

    Raises:
        ConfigurationError: it cannot be read, is of another version, or a condition in it fits no table.
    """
    way_out = "write it anew with s3sentinel rules guards"
    try:
        content = msgspec.json.decode(path.read_bytes(), type=GuardFile)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror}); {way_out}") from error
    except msgspec.DecodeError as error:
        raise ConfigurationError(f"{path}: is no list of guards ({error}); {way_out}") from error
    if content.version != VERSION:
        raise ConfigurationError(f"{path}: has version {content.version}, this program reads {VERSION}; {way_out}")
    try:
        guards = Guards(content)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}; {way_out}") from error
    return guards


class Guards:
    """Which rows some enabled rule needs.

    Args:
        content: what the file holds.

    Raises:
        ConfigurationError: a condition cannot be applied to its table.
    """

    def __init__(self, content: GuardFile) -> None:
        self._rules: dict[str, list[tuple[str, pl.Expr | None]]] = {}
        for rule in content.rules:
            for table, guard in rule.tables.items() if rule.enabled else ():
                self._rules.setdefault(table, []).append((rule.name, _expression(rule.name, table, guard)))
        self._content = content

    @cached_property
    def digest(self) -> str:
        """Changes when the rows that are needed may do."""
        needed = [
            [rule.id, rule.name, sorted((table, guard.where, guard.pinned) for table, guard in rule.tables.items())]
            for rule in self._content.rules
            if rule.enabled
        ]
        return hashlib.sha256(msgspec.json.encode([VERSION, needed])).hexdigest()[:16]

    def expression(self, table: str, columns: Collection[str]) -> pl.Expr | None:
        """The rows of ``table`` that some rule needs.

        Args:
            table: a table that s3sentinel fills.
            columns: the columns that the rows have, typed as in the table.

        Returns:
            True for the rows that are needed, never null; a literal where that is every row, because a rule needs them
            all or asks for a column that is not there. None: no rule reads the table.
        """
        rules = self.rules_of(table, columns)
        if not rules:
            return None
        if any(not expression.meta.root_names() for _, expression in rules):
            return pl.lit(value=True)
        return pl.any_horizontal(expression for _, expression in rules)

    def rules_of(self, table: str, columns: Collection[str]) -> list[tuple[str, pl.Expr]]:
        """Each rule that reads ``table``: its name, and the rows that it needs as in `expression`."""
        there = set(columns)
        return [
            (
                name,
                pl.lit(value=True) if expression is None or set(expression.meta.root_names()) - there else expression,
            )
            for name, expression in self._rules.get(table, ())
        ]


def _expression(rule: str, table: str, guard: TableGuard) -> pl.Expr | None:
    """The rows of one guard; None: every row.

    Raises:
        ConfigurationError: its condition cannot be applied to the table.
    """
    if guard.pinned != (guard.where is None):
        raise ConfigurationError(f"rule {rule}, table {table}: needs either a condition or to be pinned")
    if guard.where is None:
        return None
    schema = load_schema(table)
    kinds = schema.polars_schema()
    try:
        condition = pl.sql_expr(guard.where)
        names = sorted(set(condition.meta.root_names()))
        if not names:
            return None
        odd = [_odd(name, schema.writable.get(name, "")) for name in names]
        whole = pl.any_horizontal([condition.fill_null(value=False), *(one for each in odd for one in each)])
        made = pl.DataFrame({name: [None] for name in kinds}, schema=kinds).select(made=whole)
    except pl.exceptions.PolarsError as error:
        said = " ".join(str(error).split())[:200]
        raise ConfigurationError(f"rule {rule}, table {table}: the condition cannot be applied ({said})") from None
    if made.schema["made"] != pl.Boolean() or made.height != 1:
        raise ConfigurationError(
            f"rule {rule}, table {table}: the condition is not true or false for each row by itself"
        )
    return whole


def _odd(name: str, kind: str) -> list[pl.Expr]:
    """Where a column holds what may be compared in another way than here."""
    column = pl.col(name)
    if kind == "real":
        return [column.is_nan().fill_null(value=False)]
    if kind not in ("string", "guid", "dynamic"):
        return []
    size = column.str.len_bytes()
    found = [(size > _SHORT_BYTES).fill_null(value=False), (size != column.str.len_chars()).fill_null(value=False)]
    if kind == "dynamic":
        found.append(column.str.contains("\\", literal=True).fill_null(value=False))
    return found
