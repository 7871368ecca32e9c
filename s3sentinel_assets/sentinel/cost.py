"""Cost: what the accepted bytes cost by table and plan, and what routing saved. An estimate, from a list of prices.

Belongs here: the price list and pure functions over it. Does not belong here: how much was accepted
(`ledger.volumes`), printing.

The workspace bills GB of 10^9 bytes of what it stores of a row, not of the JSON that was sent; the price list says what
share that is (``billed_share``). Rows stored twice after a resend are billed twice and not counted here, and neither
are retention and queries of others.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TypeVar

import msgspec
from sqlalchemy.engine import Connection

from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.ledger.filtered import Filtered, filtered_by_rules
from s3sentinel_assets.ledger.schema import BatchKind
from s3sentinel_assets.ledger.volumes import Volume, accepted_volumes
from s3sentinel_assets.tables import load_schema
from s3sentinel_assets.tables.tiers import CHEAP_PLANS, base_of

__all__ = ["Cost", "CostLine", "PlanPrice", "Prices", "cost_of", "load_prices", "moving_saves", "reckon"]

_SHIPPED = resources.files("s3sentinel_assets.sentinel") / "prices.json"
_GB = 1e9
_FULL = "Analytics"
_Figure = TypeVar("_Figure", int, float)


class PlanPrice(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The prices of one plan, per GB of billed size: taking it in, and scanning it with one query."""

    ingestion_per_gb: float
    scan_per_gb: float


class Prices(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A price list.

    Attributes:
        currency: of all prices, such as ``USD``.
        plans: ``Analytics``, ``Basic`` and ``Auxiliary`` → prices.
        billed_share: billed size over raw size.
        region: where they hold.
        as_of: the date of the figures.
        source: where they are from.
        note: what to know of them.
        billed_share_source: where the share is from.
    """

    currency: str
    plans: dict[str, PlanPrice]
    billed_share: float
    region: str = ""
    as_of: str = ""
    source: str = ""
    note: str = ""
    billed_share_source: str = ""

    @property
    def basis(self) -> str:
        """What an amount rests on, in words."""
        where = ", ".join(text for text in (self.region, self.as_of) if text)
        return f"estimate: {self.billed_share:.0%} of the bytes sent are billed; prices {where or 'of your own'}"


def load_prices(file: Path | None = None) -> Prices:
    """The price list of a file, or the one that ships.

    Raises:
        ConfigurationError: the file cannot be read or is no price list.
    """
    try:
        data = _SHIPPED.read_bytes() if file is None else file.read_bytes()
        prices = msgspec.json.decode(data, type=Prices)
    except (OSError, UnicodeDecodeError, msgspec.DecodeError) as error:
        raise ConfigurationError(
            f"sentinel.prices_file: {file} is no price list ({error}); copy the shipped prices.json and change it"
        ) from None
    missing = [plan for plan in (_FULL, *CHEAP_PLANS) if plan not in prices.plans]
    if missing:
        raise ConfigurationError(f"sentinel.prices_file: {file} has no prices of the plan {missing[0]}")
    figures = [
        prices.billed_share,
        *(price for plan in prices.plans.values() for price in (plan.ingestion_per_gb, plan.scan_per_gb)),
    ]
    if not all(math.isfinite(figure) and figure >= 0 for figure in figures):
        raise ConfigurationError(f"sentinel.prices_file: {file} has a negative figure")
    return prices


@dataclass
class CostLine:
    """What one source's rows in one table cost.

    Attributes:
        source: the source's name.
        table: where the rows are; of rows that went nowhere: empty.
        plan: its plan; of rows that went nowhere: empty.
        kind: ``rows``, ``overflow``, ``promoted``, or ``filtered`` for rows that a rule dropped.
        rule: that rule; else empty.
        rows: how many.
        raw_bytes: as sent, uncompressed; None: not known.
        cost: of taking them in.
        saving: what routing saved: the same bytes at the price of the better plan less their cost; of rows sent once
            more to the better table, less than nothing; None: not known.
        scan: what one query that scans them all costs.
    """

    source: str
    table: str
    plan: str
    kind: str
    rule: str = ""
    rows: int = 0
    raw_bytes: int | None = 0
    cost: float = 0.0
    saving: float | None = 0.0
    scan: float = 0.0


@dataclass
class Cost:
    """Costs line by line, and the list they were reckoned with."""

    prices: Prices
    lines: list[CostLine] = field(default_factory=list)

    @property
    def cost(self) -> float:
        """In all."""
        return sum(line.cost for line in self.lines)

    @property
    def saving(self) -> float:
        """In all, as far as it is known."""
        return sum(line.saving or 0.0 for line in self.lines)

    @property
    def unmeasured_rows(self) -> int:
        """Rows that rules dropped and whose bytes nobody knows: their saving is not in the sum."""
        return sum(line.rows for line in self.lines if line.saving is None)


def reckon(volumes: Iterable[Volume], filtered: Mapping[str, Iterable[Mapping[str, Filtered]]], prices: Prices) -> Cost:
    """Costs by source, table and kind.

    Args:
        volumes: what was accepted.
        filtered: source → of each of its hours: rule → what it dropped.
        prices: the price list.

    Raises:
        ConfigurationError: a table has no schema, so that its plan is not known.
    """
    lines: dict[tuple[str, str, str], CostLine] = {}
    for volume in volumes:
        plan = load_schema(volume.table).plan
        line = lines.setdefault(
            (volume.source, volume.table, volume.kind.value),
            CostLine(volume.source, volume.table, plan, volume.kind.value),
        )
        billed = volume.raw_bytes * prices.billed_share / _GB
        cost = billed * prices.plans[plan].ingestion_per_gb
        line.rows += volume.rows
        line.raw_bytes = (line.raw_bytes or 0) + volume.raw_bytes
        line.cost += cost
        line.scan += billed * prices.plans[plan].scan_per_gb
        line.saving = (line.saving or 0.0) + _saved(volume, plan, cost, prices)
    for source, hours in filtered.items():
        for rules in hours:
            for rule, left_out in rules.items():
                line = lines.setdefault((source, "", rule), CostLine(source, "", "", "filtered", rule))
                line.rows += left_out.rows
                line.raw_bytes = _added(line.raw_bytes, left_out.bytes)
                unpaid = None
                if left_out.bytes is not None:
                    unpaid = left_out.bytes * prices.billed_share / _GB * prices.plans[_FULL].ingestion_per_gb
                line.saving = _added(line.saving, unpaid)
    return Cost(prices, [lines[key] for key in sorted(lines, key=lambda key: (key[0], not key[1], key[1], key[2]))])


def _saved(volume: Volume, plan: str, cost: float, prices: Prices) -> float:
    """What routing saved with these bytes."""
    if volume.kind is BatchKind.PROMOTED:
        return -cost
    if volume.route is None or plan not in CHEAP_PLANS:
        return 0.0
    return moving_saves(volume.raw_bytes, volume.table, prices)


def moving_saves(raw_bytes: int, table: str, prices: Prices) -> float:
    """What it saves that bytes go to ``table``, a twin on a cheaper plan, and not to the table it stands beside."""
    plans = prices.plans
    less = plans[_better_plan(table)].ingestion_per_gb - plans[load_schema(table).plan].ingestion_per_gb
    return raw_bytes * prices.billed_share / _GB * less


def _better_plan(table: str) -> str:
    """The plan of the table that a twin stands beside."""
    for name in base_of(table):
        try:
            return load_schema(name).plan
        except ConfigurationError:
            continue  # a base has one of two names
    return _FULL


def _added(total: _Figure | None, more: _Figure | None) -> _Figure | None:
    return None if total is None or more is None else total + more


def cost_of(connection: Connection, first: str, last: str, sources: Iterable[str], prices: Prices) -> Cost:
    """Costs of the hours from ``first`` to ``last``, from the ledger."""
    names = list(sources)
    volumes = [volume for name in names for volume in accepted_volumes(connection, first, last, name)]
    filtered = {name: filtered_by_rules(connection, name, first, last).values() for name in names}
    return reckon(volumes, filtered, prices)
