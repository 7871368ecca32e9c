"""``s3sentinel dead-letter``: what Sentinel refused, and another chance for it.

Belongs here: options and what is printed. Does not belong here: the change itself (``sentinel.requeue``).
"""

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from s3sentinel_assets.cli.backfill import parse_hour
from s3sentinel_assets.cli.printable import json_line

if TYPE_CHECKING:
    from s3sentinel_assets.config import Config
    from s3sentinel_assets.ledger.dead_letters import DeadLetters
    from s3sentinel_assets.ledger.engine import Ledger

__all__ = ["app"]

app = typer.Typer(help="List what Sentinel refused, and send it again.", no_args_is_help=True)

_ConfigFile = Annotated[
    Path | None, typer.Option("--config", "-c", help="The file; default $S3SENTINEL_CONFIG or s3sentinel.yaml.")
]
_Hour = Annotated[str | None, typer.Option("--hour", help="Only this hour, such as 2026-11-20-07:00 (UTC).")]
_Reason = Annotated[str | None, typer.Option("--reason", help="Only this reason: refused or row_too_large.")]


@app.command("list")
def list_(
    source: Annotated[str | None, typer.Option("--source", "-s", help="Only this source.")] = None,
    hour: _Hour = None,
    reason: _Reason = None,
    config: _ConfigFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each source, hour and reason.")] = False,
) -> None:
    """Print the dead letters by source, hour and reason."""
    from s3sentinel_assets.ledger.dead_letters import count_dead_letters

    with _opened(config) as (loaded, ledger):
        if source is not None:
            loaded.source(source)
        with ledger.read() as connection:
            dead = count_dead_letters(connection, source, hour and parse_hour(hour), reason)
    if as_json:
        for entry in dead:
            sys.stdout.write(json_line(asdict(entry)) + "\n")
    elif not dead:
        typer.echo("no dead letters")
    else:
        _print_table(dead)


@app.command()
def requeue(
    source: Annotated[str, typer.Option("--source", "-s", help="The source.")],
    hour: _Hour = None,
    reason: _Reason = None,
    config: _ConfigFile = None,
) -> None:
    """Let refused batches be sent again; the next run of their hours does it. Mend what refused them first."""
    from s3sentinel_assets.sentinel.requeue import requeue_dead

    with _opened(config) as (loaded, ledger):
        loaded.source(source)
        key = hour and parse_hour(hour)
        done = requeue_dead(ledger, source, key, reason, lease_seconds=loaded.limits.lease_seconds)
    typer.echo(f"{source}: {done.batches} batches with {done.rows} rows will be sent again")
    if done.batches:
        typer.echo(f"bring these hours up to date: {', '.join(done.hours)}")
    if done.lone_rows:
        typer.echo(
            f"{done.lone_rows} rows fit no request and stay dead; they lie as NDJSON in the files of the planned stage"
        )
    if done.busy_parts:
        typer.echo(
            f"error: {done.busy_parts} parts are being sent by another worker; run this again when it is done", err=True
        )
        raise typer.Exit(1)


@contextlib.contextmanager
def _opened(config: Path | None) -> Iterator[tuple["Config", "Ledger"]]:
    from s3sentinel_assets.config import load_config
    from s3sentinel_assets.ledger.engine import Ledger

    loaded = load_config(config)
    ledger = Ledger(loaded.ledger_url)
    try:
        yield loaded, ledger
    finally:
        ledger.close()


def _print_table(dead: list["DeadLetters"]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("source", "hour", "reason", "rows", "cannot be requeued", "said")
    for entry in dead:
        # Text, not markup: what a service says may hold square brackets.
        values = (entry.source, entry.hour, entry.reason, f"{entry.rows:,}", f"{entry.lone_rows:,}", entry.detail or "")
        table.add_row(*map(Text, values))
    Console().print(table)
