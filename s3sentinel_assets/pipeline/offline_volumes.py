"""Volumes offline: what the rows of a log folder would cost, class by class, and what routing would save.

Belongs here: the size of each row as it would be sent, what keeps it from a cheaper table, sums by priority. Does not
belong here: prices (``sentinel.cost``), the choice of tables (``sentinel.routing``), volumes that were really accepted
(``ledger.volumes``).
"""

from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import polars as pl

from s3sentinel_assets.hours import utc_now
from s3sentinel_assets.ledger.schema import BatchKind
from s3sentinel_assets.ledger.volumes import Volume
from s3sentinel_assets.sentinel.cost import Cost, Prices, reckon
from s3sentinel_assets.tables import load_schema
from s3sentinel_assets.tables.tiers import twin_name

if TYPE_CHECKING:
    from s3sentinel_assets.formats import ParsedFrame
    from s3sentinel_assets.sentinel.guards import Guards
    from s3sentinel_assets.sentinel.routing import Router

__all__ = ["VOLUME_COLUMNS", "VolumeMeter", "by_class", "cost_a_day", "guards_without"]

#: Bytes of the row as JSON; whether an analytics rule needs it, by what is in the row itself; whether it is drawn for
#: the audit of demotion.
VOLUME_COLUMNS = ("row_bytes", "needed", "drawn")
_SOURCE, _RULE = "offline", "by-priority"
# A score, its numbers and the words behind it, on average: rows are measured before they are scored.
_SCORE_BYTES = 120
_SCORES = {"priority": "Priority_CF", "score": "AnomalyScore_CF"}


class VolumeMeter:
    """Measures the rows of frames; `offline_events.HourlyEvents` takes it as its further columns.

    Args:
        guards: which rows analytics rules need.
        plan: of the cheaper table beside the rows' own.
        audit_share: share of rows that stay where they are, to judge demotion by.

    Attributes:
        needed_by: analytics rule → rows that it needs, whatever their score.
    """

    def __init__(self, guards: "Guards", *, plan: str = "Auxiliary", audit_share: float = 0.01) -> None:
        self._guards, self._plan, self._audit_share = guards, plan, audit_share
        self.needed_by: Counter[str] = Counter()

    def __call__(self, frame: "ParsedFrame") -> list[pl.Series]:
        """`VOLUME_COLUMNS` of a frame's rows."""
        from s3sentinel_assets.sentinel.packing import body_size
        from s3sentinel_assets.sentinel.render import render_rows

        tails = render_rows(frame.rows, None, load_schema(frame.table))
        each = body_size(0, 1) - body_size(0, 0) + _SCORE_BYTES
        return [(tails.str.len_bytes().cast(pl.Int64) + each).alias("row_bytes"), *self._kept(frame)]

    def _kept(self, frame: "ParsedFrame") -> list[pl.Series]:
        """Asks the router what it would leave, were all of the rows of low priority."""
        height = frame.rows.height
        scores = pl.DataFrame({"Priority_CF": pl.Series(["low"]).new_from_index(0, height)})
        choice = self._router(frame).choose(frame.rows, scores, frame.table)
        every = pl.int_range(height, dtype=pl.UInt32, eager=True)
        goes, drawn = every.clear(), every.clear() if choice.audited is None else choice.audited
        for target, places in choice.groups:
            if target.rule == _RULE:
                goes = every if places is None else places
        goes, drawn = every.is_in(goes.implode()), every.is_in(drawn.implode())
        self.needed_by.update(_needed_by_rule(self._guards, frame))
        return [(~goes & ~drawn).alias("needed"), drawn.alias("drawn")]

    def _router(self, frame: "ParsedFrame") -> "Router":
        from s3sentinel_assets.config import Destination, RouteRule, SourceSettings
        from s3sentinel_assets.config.routing import Routing
        from s3sentinel_assets.sentinel.routing import Router

        rule = RouteRule(name=_RULE, priority=("low",), to=Destination(table=twin_name(frame.table, self._plan)))
        routing = Routing(rules=(rule,), demotion="on", audit_share=self._audit_share)
        source = SourceSettings(name=_SOURCE, bucket=_SOURCE, prefix="x/", format=frame.format, routing=routing)
        return Router(source, self._guards, utc_now())


def guards_without(file: Path, rules: Collection[str] = ()) -> "Guards":
    """The guards of a file without those of some rules, by name: what if these were written otherwise?

    Raises:
        ConfigurationError: the file cannot be read or has no such rule.
    """
    from s3sentinel_assets.errors import ConfigurationError
    from s3sentinel_assets.sentinel.guards import GuardFile, Guards, load_guards

    guards = load_guards(file)
    if not rules:
        return guards
    content = msgspec.json.decode(file.read_bytes(), type=GuardFile)
    if unknown := sorted(set(rules) - {rule.name for rule in content.rules}):
        raise ConfigurationError(f"{file}: guards no rule called {unknown[0]!r}; take a name as the file has it")
    return Guards(GuardFile(content.version, [rule for rule in content.rules if rule.name not in rules]))


def _needed_by_rule(guards: "Guards", frame: "ParsedFrame") -> dict[str, int]:
    """How many rows each rule needs, without those rules that ask for scores."""
    from s3sentinel_assets.sentinel.routing.conditions import sql_columns

    kinds = load_schema(frame.table).polars_schema()
    rules = guards.rules_of(frame.table, kinds)
    roots = {name: set(each.meta.root_names()) for name, each in rules}
    there = sorted({column for names in roots.values() for column in names} & set(frame.rows.columns))
    rows = pl.DataFrame(sql_columns(frame.rows[name].cast(kinds[name]) for name in there))
    found = {}
    for name, each in rules:
        if not roots[name]:
            found[name] = frame.rows.height
        elif roots[name] <= set(there):
            found[name] = int(rows.select(each.fill_null(value=True).sum()).item())
    return found


def by_class(events: pl.DataFrame, priority: pl.Series, days: float) -> pl.DataFrame:
    """Rows and bytes a day of each priority.

    Args:
        events: `VOLUME_COLUMNS`; rows without a size (attacks that were put in) are left out.
        priority: row-aligned.
        days: how long it took.

    Returns:
        ``priority``, ``rows_per_day``, ``mb_per_day`` and ``share`` of the bytes.
    """
    order = pl.Enum(["critical", "high", "medium", "low", "unknown"])
    sized = events.select("row_bytes", priority=priority.cast(order)).drop_nulls("row_bytes")
    total = max(int(sized["row_bytes"].sum()), 1)
    return (
        sized.group_by("priority")
        .agg(
            (pl.len() / days).alias("rows_per_day"),
            (pl.col("row_bytes").sum() / days / 1e6).alias("mb_per_day"),
            (pl.col("row_bytes").sum() / total).alias("share"),
        )
        .sort("priority")
        .with_columns(pl.col("priority").cast(pl.String))
    )


def cost_a_day(
    events: pl.DataFrame,
    said: pl.DataFrame,
    days: float,
    *,
    table: str,
    cheap: Collection[str],
    prices: Prices,
    guards: "Guards | None",
    plan: str = "Auxiliary",
) -> Cost:
    """What a day's rows cost if those of some priorities go to the cheaper twin of their table.

    Args:
        events: `VOLUME_COLUMNS`.
        said: row-aligned: ``priority`` and ``score``.
        days: how long it took for the events to happen.
        table: the rows' own.
        cheap: the priorities that go.
        prices: the price list.
        guards: which rows analytics rules need; None: as if no rule needed any.
        plan: of the twin.

    Raises:
        ConfigurationError: the table has no schema or cannot have a twin.
    """
    goes = said["priority"].is_in(list(cheap)) & ~events["drawn"].fill_null(value=False)
    if guards is not None:
        goes &= ~events["needed"].fill_null(value=False) & ~_needed_by_score(guards, table, said)
    size = events["row_bytes"]
    volumes = []
    for which, name, rule in ((~goes, table, None), (goes, twin_name(table, plan), _RULE)):
        mine = size.filter(which).drop_nulls()
        if mine.len():
            rows, raw_bytes = round(mine.len() / days), round(int(mine.sum()) / days)
            volumes.append(Volume(_SOURCE, "", name, rule, BatchKind.ROWS, rows, raw_bytes))
    return reckon(volumes, {}, prices)


def _needed_by_score(guards: "Guards", table: str, said: pl.DataFrame) -> pl.Series:
    """Boolean per row: a rule needs it because of its score or priority alone."""
    frame = said.select(pl.col(name).alias(column) for name, column in _SCORES.items())
    rules = [each for _, each in guards.rules_of(table, frame.columns) if each.meta.root_names()]
    if not rules:
        return pl.Series([False]).new_from_index(0, said.height)
    return frame.select(pl.any_horizontal(rules).fill_null(value=True).alias("needed")).to_series()
