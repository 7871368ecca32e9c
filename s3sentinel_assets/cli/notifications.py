"""``s3sentinel notifications``: what the queues said that nobody could use, and how full they are.

Belongs here: options and what is printed. Does not belong here: understanding messages (`s3.notifications`).
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from s3sentinel_assets.cli.printable import json_line

if TYPE_CHECKING:
    from s3sentinel_assets.pipeline.runtime import Runtime

__all__ = ["app"]

app = typer.Typer(help="Show notifications that need attention, and the state of the queues.", no_args_is_help=True)

_ConfigFile = Annotated[
    Path | None, typer.Option("--config", "-c", help="The file; default $S3SENTINEL_CONFIG or s3sentinel.yaml.")
]
_Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


@contextlib.contextmanager
def _opened(config: Path | None) -> Iterator["Runtime"]:
    from s3sentinel_assets.config import load_config
    from s3sentinel_assets.pipeline.runtime import Runtime

    with contextlib.closing(Runtime(load_config(config))) as runtime:
        yield runtime


def _instant(micros: int | None) -> str:
    from s3sentinel_assets.ledger.engine import from_micros

    return f"{from_micros(micros):%Y-%m-%d %H:%M:%S}" if micros else ""


@app.command("list")
def list_(
    everything: Annotated[bool, typer.Option("--all", help="Also what was dropped.")] = False,
    config: _ConfigFile = None,
    as_json: _Json = False,
) -> None:
    """Print kept notifications: their message is deleted in the queue, so this is where they are."""
    from s3sentinel_assets.ledger.notifications import kept_notifications

    with _opened(config) as runtime, runtime.ledger.read() as connection:
        kept = kept_notifications(connection, dropped=everything)
    if as_json:
        for entry in kept:
            times = {name: _instant(entry[name]) or None for name in ("received_at", "dropped_at")}
            typer.echo(json_line(entry | times))
    elif not kept:
        typer.echo("no notification needs attention")
    else:
        _print_table(
            ("id", "received (UTC)", "reason", "detail", "says", "dropped because"),
            [
                (
                    str(entry["id"]),
                    _instant(entry["received_at"]),
                    entry["reason"],
                    entry["detail"] or "",
                    entry["body"][:300],
                    entry["dropped_because"] or "",
                )
                for entry in kept
            ],
        )


@app.command()
def drop(
    number: Annotated[int, typer.Argument(metavar="ID", help="As `list` shows it.")],
    because: Annotated[str, typer.Option("--because", help="Why it needs no attention.")],
    config: _ConfigFile = None,
) -> None:
    """Say that a kept notification needs no attention; it stays in the ledger with the reason."""
    from s3sentinel_assets.ledger.notifications import drop_notification

    with _opened(config) as runtime, runtime.ledger.write() as connection:
        drop_notification(connection, number, because, runtime.ledger.now())
    typer.echo(f"notification {number} dropped")


@app.command()
def queues(config: _ConfigFile = None, as_json: _Json = False) -> None:
    """Print, for each queue of the configuration, what waits in it and what is kept of it."""
    from s3sentinel_assets.ledger.notifications import open_notifications
    from s3sentinel_assets.s3.queue import depth, queue_region
    from s3sentinel_assets.s3.session import aws_client

    rows: list[dict[str, Any]] = []
    with _opened(config) as runtime:
        sources = [source for source in runtime.config.sources.values() if source.queue_url]
        for url in dict.fromkeys(source.queue_url for source in sources if source.queue_url):
            served = [source for source in sources if source.queue_url == url]
            found = depth(aws_client(runtime.config.aws_access(served[0]), "sqs", queue_region(url)), url)
            with runtime.ledger.read() as connection:
                kept = open_notifications(connection, url)
            rows.append(
                {
                    "queue": url,
                    "sources": [source.name for source in served],
                    "waiting": found.visible,
                    "in_flight": found.in_flight,
                    "delayed": found.delayed,
                    "kept": kept,
                }
            )
    if as_json:
        for row in rows:
            typer.echo(json_line(row))
    elif not rows:
        typer.echo("no source has a queue; set queue_url to be woken by notifications")
    else:
        _print_table(
            ("queue", "sources", "waiting", "in flight", "delayed", "kept for you"),
            [
                (
                    row["queue"],
                    ", ".join(row["sources"]),
                    f"{row['waiting']:,}",
                    f"{row['in_flight']:,}",
                    f"{row['delayed']:,}",
                    ", ".join(f"{count} {reason}" for reason, count in row["kept"].items()) or "nothing",
                )
                for row in rows
            ],
        )


def _print_table(names: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*names)
    for row in rows:
        table.add_row(*map(Text, row))  # text, not markup: messages come from outside
    Console().print(table)
