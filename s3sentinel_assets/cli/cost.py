"""``s3sentinel cost``: what the delivered bytes cost by source, table and plan, and what routing saved.

Belongs here: options and what is printed. Does not belong here: the reckoning (``sentinel.cost``).
"""

import contextlib
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from s3sentinel_assets.cli.backfill import parse_hour
from s3sentinel_assets.cli.consoles import table_console
from s3sentinel_assets.cli.printable import json_line
from s3sentinel_assets.hours import hour_key, shift_hour, utc_now

if TYPE_CHECKING:
    from s3sentinel_assets.sentinel.cost import Cost, CostLine

__all__ = ["cost"]

_DAY = 24
_WHAT = {
    "overflow": "long texts",
    "promoted": "sent once more",
    "filtered": "dropped by a rule",
}


def cost(
    first: Annotated[
        str | None, typer.Option("--from", help="First hour, such as 2026-11-20-07:00 (UTC); default: a day ago.")
    ] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last hour; default: the present one.")] = None,
    source: Annotated[str | None, typer.Option("--source", "-s", help="Only this source.")] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The file; default $S3SENTINEL_CONFIG or s3sentinel.yaml.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object for each line, and one with the sums.")
    ] = False,
) -> None:
    """Print what accepted bytes cost by source, table and plan, and what routing saved: an estimate by list prices.

    Set sentinel.prices_file to reckon with your own prices.
    """
    from s3sentinel_assets.config import load_config
    from s3sentinel_assets.ledger.engine import Ledger
    from s3sentinel_assets.sentinel.cost import cost_of, load_prices

    end = parse_hour(last) if last else hour_key(utc_now())
    begin = parse_hour(first) if first else shift_hour(end, 1 - _DAY)
    if begin > end:
        raise typer.BadParameter(f"{begin} is after {end}", param_hint="--from")
    loaded = load_config(config)
    names = [loaded.source(source).name] if source else list(loaded.sources)
    prices = load_prices(loaded.sentinel.prices_file)
    with contextlib.closing(Ledger(loaded.ledger_url)) as ledger, ledger.read() as connection:
        reckoned = cost_of(connection, begin, end, names, prices)
    if as_json:
        for line in reckoned.lines:
            sys.stdout.write(json_line(asdict(line)) + "\n")
        sums = {
            "from": begin,
            "to": end,
            "cost": reckoned.cost,
            "saving": reckoned.saving,
            "unmeasured_rows": reckoned.unmeasured_rows,
            "currency": prices.currency,
            "region": prices.region,
            "as_of": prices.as_of,
            "billed_share": prices.billed_share,
            "note": prices.note,
        }
        sys.stdout.write(json_line(sums) + "\n")
    elif not reckoned.lines:
        typer.echo(f"nothing was accepted from {begin} to {end}")
    else:
        _print_table(reckoned, begin, end)


def _money(amount: float | None) -> str:
    if amount is None:
        return "not known"
    return f"{amount:,.2f}" if abs(amount) >= 0.01 or not amount else f"{amount:.2g}"


def _size(line: "CostLine") -> str:
    return "not known" if line.raw_bytes is None else f"{line.raw_bytes / 1e9:,.3f}"


def _print_table(reckoned: "Cost", begin: str, end: str) -> None:
    from rich.table import Table
    from rich.text import Text

    prices = reckoned.prices
    table = Table(title=f"{begin} to {end}, {prices.currency}", title_justify="left", show_footer=True)
    table.add_column("source", "in all")
    table.add_column("table")
    table.add_column("plan")
    for name, total in (
        ("rows", ""),
        ("GB sent", ""),
        ("cost", _money(reckoned.cost)),
        ("saved by routing", _money(reckoned.saving)),
        ("one scan of it", ""),
    ):
        table.add_column(name, total, justify="right")
    for line in reckoned.lines:
        what = _WHAT.get(line.kind, "")
        place = line.table or line.rule
        cells = (
            line.source,
            f"{place} ({what})" if what else place,
            line.plan or "none",
            f"{line.rows:,}",
            _size(line),
            _money(line.cost),
            _money(line.saving),
            _money(line.scan) if line.scan else "",
        )
        table.add_row(*map(Text, cells))
    console = table_console()
    console.print(table)
    console.print(Text(prices.basis))
    if prices.note:
        console.print(Text(prices.note))
    if reckoned.unmeasured_rows:
        console.print(
            Text(f"{reckoned.unmeasured_rows:,} dropped rows are not in the saving: nobody measured their bytes")
        )
