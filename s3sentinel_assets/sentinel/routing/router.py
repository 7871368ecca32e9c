"""The router: for every row, the first rule that fits, and what keeps the row where it is all the same.

Belongs here: order of rules, guards, audit sample, shadow mode. Does not belong here: conditions (``conditions``), rows
as JSON and their batches (``plan``).

A row that a rule would send to a cheaper plan, or nowhere, stays where it was if an analytics rule needs it, or if it
is critical or high and the rule does not name that priority. Of rows for a cheaper plan a drawn share stays, too, and
is marked: what those rows would have told is how demotion is judged. Rules that demote do nothing while demotion is
off, and are only counted in shadow mode.
"""

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from s3sentinel_assets.config import Destination, RouteRule, SourceSettings
from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.sentinel.guards import Guards
from s3sentinel_assets.sentinel.routing.conditions import check_routing, columns_read, condition, demotes, sql_columns
from s3sentinel_assets.sentinel.routing.report import RouteReport
from s3sentinel_assets.tables import TableSchema, load_schema

__all__ = ["AUDIT_FLAG", "Choice", "Router", "Target"]

#: Flag of a row that a rule would have sent to a cheaper table, had it not been drawn.
AUDIT_FLAG = "audit_sample"

_URGENT = ("critical", "high")
_HASH_STEPS = 1 << 32


@dataclass(frozen=True)
class Target:
    """Where rows go. ``rule``: the routing rule that says so; None: none does."""

    destination: Destination
    rule: str | None = None


@dataclass
class Choice:
    """What was chosen for some rows.

    Attributes:
        groups: target and the places of its rows, ascending; None: all rows.
        tried: rule in shadow mode → the places of the rows it would have taken.
        audited: places of rows that were drawn.
    """

    groups: list[tuple[Target, pl.Series | None]]
    tried: dict[str, pl.Series] = field(default_factory=dict[str, pl.Series])
    audited: pl.Series | None = None


class Router:
    """Chooses for the rows of one part; counts in ``reports``.

    Args:
        source: its rules and destinations.
        guards: None: no analytics rules are known.
        now: what ages are reckoned from; None only where no rule asks for an age.

    Raises:
        ConfigurationError: a rule cannot be used.
    """

    def __init__(self, source: SourceSettings, guards: Guards | None, now: datetime) -> None:
        check_routing(source)
        if guards is None and source.routing.demotion == "on" and source.routing.rules:
            raise ConfigurationError(
                f"sources.{source.name}.routing: demotion needs the list of rows that analytics rules need; write it "
                "with s3sentinel rules guards and name it in guards_file, or set demotion: shadow"
            )
        self._source = source
        self._guards = guards
        self._now = now
        #: Rule → its effect so far; rules that did nothing are there, too.
        self.reports: dict[str, RouteReport] = {
            rule.name: RouteReport(rule.to.table if rule.to else None) for rule in source.routing.rules
        }

    @property
    def digest(self) -> str:
        """What choices depend on beside the rows; empty without rules."""
        routing = self._source.routing
        if not routing.rules:
            return ""
        ages = any(rule.older_than_hours is not None for rule in routing.rules)
        told = (
            routing.model_dump_json(exclude={"guards_file"}),
            self._guards.digest if self._guards else "",
            self._now.isoformat() if ages else "",
        )
        return hashlib.sha256("\x1f".join(told).encode()).hexdigest()[:16]

    @property
    def filtered(self) -> dict[str, int]:
        """Rule → rows that it dropped; only rules that dropped some."""
        drops = [rule.name for rule in self._source.routing.rules if rule.drop]
        return {name: self.reports[name].rows for name in drops if self.reports[name].rows}

    def tables(self, table: str) -> list[str]:
        """The tables that rows of ``table`` may go to."""
        return [table, *(rule.to.table for rule in self._rules(table) if rule.to and rule.table in (None, table))]

    def choose(self, rows: pl.DataFrame, scores: pl.DataFrame | None, table: str) -> Choice:
        """Chooses for each row.

        Args:
            rows: as `render.render_rows` takes them.
            scores: row-aligned, with ``Priority_CF``; None: unscored.
            table: the rows' own table.
        """
        home = Target(self._source.destination_for(table))
        rules = [rule for rule in self._rules(table) if rule.table in (None, table)]
        if not rules or not rows.height:
            return Choice([(home, None)])
        schema = load_schema(table)
        frame = _with_all_columns(rows, scores, schema, self._columns(rules, schema))
        return self._apply(rules, frame, schema, home)

    def _rules(self, table: str) -> Iterator[RouteRule]:
        for rule in self._source.routing.rules:
            if not (demotes(rule, table) and self._source.routing.demotion == "off"):
                yield rule

    def _columns(self, rules: Collection[RouteRule], schema: TableSchema) -> set[str]:
        read = {name for rule in rules for name in columns_read(rule)}
        if self._guards is not None:
            needed = self._guards.expression(schema.name, schema.writable)
            read |= set(needed.meta.root_names()) if needed is not None else set()
        return read | {"EventId_CF", "Priority_CF"}

    def _apply(self, rules: list[RouteRule], frame: pl.DataFrame, schema: TableSchema, home: Target) -> Choice:
        none = pl.repeat(value=False, n=frame.height, eager=True)
        needed, drawn = self._needed(frame, schema), self._drawn(frame)
        undecided = untried = stays = ~none
        audited = none
        choice = Choice([])
        for rule in rules:
            cheaper = demotes(rule, schema.name)
            shadow = cheaper and self._source.routing.demotion == "shadow"
            matches = frame.select(condition(rule, schema, self._now).alias("match")).to_series()
            matches &= untried if shadow else undecided
            if not matches.any():
                continue
            taken = self._taken(rule, frame, schema, matches, needed) if cheaper or rule.drop else matches
            if cheaper:
                self.reports[rule.name].audited += int((taken & drawn).sum())
                audited |= none if shadow else taken & drawn
                taken &= ~drawn
            self.reports[rule.name].rows += int(taken.sum())
            if shadow:
                self.reports[rule.name].shadow = True
                choice.tried[rule.name] = taken.arg_true()
                untried &= ~matches
                continue
            undecided &= ~matches
            stays &= ~taken
            if rule.to is not None and taken.any():
                choice.groups.append((Target(rule.to, rule.name), taken.arg_true()))
        if stays.any():
            choice.groups.insert(0, (home, None if stays.all() else stays.arg_true()))
        choice.audited = audited.arg_true() if audited.any() else None
        return choice

    def _taken(
        self, rule: RouteRule, frame: pl.DataFrame, schema: TableSchema, matches: pl.Series, needed: pl.Series
    ) -> pl.Series:
        """Those of the rows that match which a cheaper table, or none, may get; counts the others."""
        report = self.reports[rule.name]
        guarded = matches & needed
        unnamed = [name for name in _URGENT if name not in rule.priority]
        urgent = matches & ~needed & frame["Priority_CF"].is_in(unnamed).fill_null(value=False)
        report.guarded += int(guarded.sum())
        report.urgent += int(urgent.sum())
        if self._guards is not None and guarded.any():
            some = frame.filter(guarded)
            for name, expression in self._guards.rules_of(schema.name, frame.columns):
                # A literal for a whole table is as long as one row.
                count = int(some.select(_known(expression).sum()).item())
                if count:
                    report.needed[name] += count
        return matches & ~guarded & ~urgent

    def _needed(self, frame: pl.DataFrame, schema: TableSchema) -> pl.Series:
        expression = self._guards.expression(schema.name, frame.columns) if self._guards is not None else None
        if expression is None:
            return pl.repeat(value=False, n=frame.height, eager=True)
        return frame.select(_known(expression).alias("needed")).to_series()

    def _drawn(self, frame: pl.DataFrame) -> pl.Series:
        routing = self._source.routing
        draw = pl.col("EventId_CF").hash(routing.audit_seed) % _HASH_STEPS
        return frame.select((draw < int(routing.audit_share * _HASH_STEPS)).alias("drawn")).to_series()


def _known(expression: pl.Expr) -> pl.Expr:
    """A guard for every row of a frame; where it cannot tell, the row counts as needed."""
    every_row = pl.repeat(value=True, n=pl.len())
    return every_row & expression.fill_null(value=True)


def _with_all_columns(
    rows: pl.DataFrame, scores: pl.DataFrame | None, schema: TableSchema, names: Collection[str]
) -> pl.DataFrame:
    """The columns ``names`` with the types of the table; those that rows and scores do not have are empty."""
    kinds = schema.polars_schema()
    columns: list[pl.Series] = []
    for name in sorted(names):
        kind = kinds.get(name, pl.String())
        if scores is not None and name in scores.columns:
            columns.append(scores[name].cast(kind))
        elif name in rows.columns:
            columns.append(rows[name].cast(kind))
        elif name == "Priority_CF":
            columns.append(pl.repeat("unknown", rows.height, eager=True).alias(name))
        else:
            columns.append(pl.Series(name, [None], dtype=kind).new_from_index(0, rows.height))
    return pl.DataFrame(sql_columns(columns))
