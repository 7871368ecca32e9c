"""``s3sentinel routing``: what the routing rules did, or would do, and which analytics rules would lose rows.

Belongs here: options and what is printed. Does not belong here: the numbers (``pipeline.routing_report``).
"""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from s3sentinel_assets.cli.backfill import parse_hour
from s3sentinel_assets.cli.consoles import table_console
from s3sentinel_assets.cli.printable import json_line

if TYPE_CHECKING:
    from s3sentinel_assets.pipeline.routing_report import RuleEffect

__all__ = ["routing"]

_NAMED = 5


def routing(
    first: Annotated[str, typer.Option("--from", help="First hour, such as 2026-11-20-07:00 (UTC).")],
    last: Annotated[str | None, typer.Option("--to", help="Last hour; by default the first.")] = None,
    source: Annotated[str | None, typer.Option("--source", "-s", help="Only this source.")] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The file; default $S3SENTINEL_CONFIG or s3sentinel.yaml.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each source and rule.")] = False,
) -> None:
    """Print what routing rules did; in shadow mode, what they would have saved and which rules they would starve."""
    from s3sentinel_assets.config import load_config
    from s3sentinel_assets.hours import hour_range
    from s3sentinel_assets.pipeline.routing_report import routing_effects
    from s3sentinel_assets.pipeline.runtime import Runtime
    from s3sentinel_assets.sentinel.cost import load_prices, moving_saves

    runtime = Runtime(load_config(config))
    try:
        names = [runtime.source(source).name] if source else sorted(runtime.config.sources)
        begin = parse_hour(first)
        hours = list(hour_range(begin, parse_hour(last) if last else begin))
        effects = [effect for name in names for effect in routing_effects(runtime, name, hours)]
        prices = load_prices(runtime.config.sentinel.prices_file)
    finally:
        runtime.close()
    # Of rows that go nowhere the bytes are not known.
    saved = [moving_saves(effect.raw_bytes, effect.table, prices) if effect.table else None for effect in effects]
    if as_json:
        for effect, saving in zip(effects, saved, strict=True):
            sys.stdout.write(json_line(asdict(effect) | {"saving": saving, "currency": prices.currency}) + "\n")
    elif not effects:
        typer.echo("no routing rule had anything to do in these hours")
    else:
        _print_table(effects, saved, prices.currency)


def _print_table(effects: list["RuleEffect"], saved: list[float | None], currency: str) -> None:
    from rich.table import Table
    from rich.text import Text

    console = table_console()
    table = Table(
        "source", "rule", "to", "", "rows", "MB", f"saves {currency}", "kept: needed", "kept: priority", "kept: audit"
    )
    for column in table.columns[4:]:
        column.justify = "right"
    for effect, saving in zip(effects, saved, strict=True):
        figures = (effect.rows, effect.guarded, effect.urgent, effect.audited)
        rows, guarded, urgent, audited = (f"{figure:,}" for figure in figures)
        mode, size = ("would go" if effect.shadow else "went"), f"{effect.raw_bytes / 1e6:,.1f}"
        price = "not known" if saving is None else f"{saving:,.2f}"
        where = (effect.source, effect.rule, effect.table or "nowhere", mode)
        table.add_row(*map(Text, (*where, rows, size, price, guarded, urgent, audited)))
    console.print(table)
    for effect in effects:
        for name, rows in sorted(effect.needed.items(), key=lambda item: -item[1])[:_NAMED]:
            typer.echo(
                f"{effect.source}, {effect.rule}: without its guard the analytics rule {name} would lose {rows:,} rows"
            )
        if len(effect.needed) > _NAMED:
            typer.echo(f"{effect.source}, {effect.rule}: and {len(effect.needed) - _NAMED} more rules")
