"""``s3sentinel backfill``: bring a span of hours up to date in one go, recorded in the Dagster history.

Belongs here: options, the progress bar and what is printed. Does not belong here: the waves (``backfill``), what a dry
run finds (`pipeline.dry_run`).
"""

import contextlib
import json
import re
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from s3sentinel_assets.errors import UserError

if TYPE_CHECKING:
    from s3sentinel_assets.backfill import WaveResult
    from s3sentinel_assets.pipeline.dry_run import DryRun

__all__ = ["backfill", "parse_hour"]

_HOUR = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[T -](\d{2})(?::\d{2})?Z?)?")


def parse_hour(text: str, *, end: bool = False) -> str:
    """The hour key of what a user types: ``2026-11-20-07:00``, ``2026-11-20T07:00Z``, ``2026-11-20 07`` or a whole day.

    Args:
        text: what was typed; times are UTC.
        end: of a whole day its last hour is meant, not its first.

    Raises:
        UserError: it is no hour.
    """
    from s3sentinel_assets.hours import hour_key, hour_start

    match = _HOUR.fullmatch(text.strip())
    if match:
        day, hour = match.groups()
        with contextlib.suppress(ValueError):
            return hour_key(hour_start(f"{day}-{hour or ('23' if end else '00')}:00"))
    raise UserError(f"{text!r} is no hour; write it like 2026-11-20-07:00 (UTC), or a day like 2026-11-20")


def backfill(
    first: Annotated[str, typer.Option("--from", help="First hour, such as 2026-11-20-07:00 (UTC), or a day.")],
    last: Annotated[str, typer.Option("--to", help="Last hour, included; of a day its last hour.")],
    source: Annotated[
        list[str] | None, typer.Option("--source", "-s", help="A source; again for more. Default: all.")
    ] = None,
    account: Annotated[str | None, typer.Option("--account", help="Only this AWS account.")] = None,
    region: Annotated[str | None, typer.Option("--region", help="Only this region.")] = None,
    prefix: Annotated[str | None, typer.Option("--prefix", help="Only keys that begin with this text.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be read; change nothing.")] = False,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="Configuration file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Bring every hour from --from to --to up to date: list, parse, seal, score, deliver. Nothing is sent twice.

    Objects that S3 refused before are asked for again at once. With --account, --region or --prefix hours are not
    sealed: only a listing of everything can do that.
    """
    begin, end = parse_hour(first), parse_hour(last, end=True)
    if dry_run:
        _dry_run(source, begin, end, (account, region, prefix), config, as_json)
        return
    from s3sentinel_assets.assets.raw import Narrowed
    from s3sentinel_assets.backfill import folder_instance, run_hours
    from s3sentinel_assets.config import load_config
    from s3sentinel_assets.definitions import build_defs
    from s3sentinel_assets.pipeline.runtime import Runtime

    began = time.monotonic()
    loaded = load_config(config)
    sources = source or [name for name, settings in loaded.sources.items() if settings.enabled]
    with contextlib.closing(Runtime(loaded)) as runtime, folder_instance() as instance, _bar() as show:
        narrowed = Narrowed(account=account, region=region, prefix=prefix, ask_again=True)
        results = run_hours(build_defs(loaded, runtime), instance, sources, begin, end, show, narrowed=narrowed)
    problems = [f"{result.source}, {result.wave}: {text}" for result in results for text in result.problems]
    for problem in problems:
        typer.echo(f"error: {problem}", err=True)
    seconds = round(time.monotonic() - began, 1)
    if as_json:
        runs = [asdict(result) for result in results]
        typer.echo(json.dumps({"ok": not problems, "from": begin, "to": end, "runs": runs, "seconds": seconds}))
    else:
        typer.echo(
            f"{', '.join(sources)}: {begin} to {end}, {len(results)} runs in {seconds} s, "
            + (f"{len(problems)} problems" if problems else "all up to date")
        )
    if problems:
        raise typer.Exit(1)


def _dry_run(
    source: list[str] | None,
    begin: str,
    end: str,
    narrowed: tuple[str | None, str | None, str | None],
    config: Path | None,
    as_json: bool,
) -> None:
    """Lists the span and prints, hour by hour, what a backfill would read."""
    from s3sentinel_assets.config import load_config
    from s3sentinel_assets.pipeline.dry_run import would_read
    from s3sentinel_assets.pipeline.runtime import Runtime
    from s3sentinel_assets.s3.key_grammar import KeyFilter

    if begin > end:
        raise UserError(f"the first hour {begin} is after the last one {end}; exchange them")
    loaded = load_config(config)
    only = KeyFilter(*narrowed) if any(narrowed) else None
    sources = source or [name for name, settings in loaded.sources.items() if settings.enabled]
    with contextlib.closing(Runtime(loaded)) as runtime:
        found = {name: would_read(runtime, loaded.source(name).name, begin, end, only) for name in sources}
    if as_json:
        shown = {name: asdict(preview) for name, preview in found.items()}
        typer.echo(json.dumps({"dry_run": True, "from": begin, "to": end, "sources": shown}, ensure_ascii=False))
        return
    for name, preview in found.items():
        _print_dry_run(name, preview)


def _print_dry_run(source: str, found: "DryRun") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("hour (UTC)", title=source, title_justify="left", show_footer=True)
    table.columns[0].footer = "all"
    names = ("objects", "MB", "to read", "MB to read", "refused before")
    totals = [0.0] * len(names)
    rows = []
    for hour in found.hours:
        values = (hour.objects, hour.size / 1e6, hour.unread, hour.unread_bytes / 1e6, hour.refused)
        totals = [total + value for total, value in zip(totals, values, strict=True)]
        rows.append((hour, [_figure(value) for value in values]))
    for name, total in zip(names, totals, strict=True):
        table.add_column(name, justify="right", footer=_figure(int(total) if "MB" not in name else total))
    table.columns[0].no_wrap = True
    for hour, values in rows:
        table.add_row(hour.hour, *values)
    Console().print(table)
    first = next((hour for hour in found.hours if hour.unread), None)
    if first is not None:
        typer.echo(f"the first to read: {first.example}")
    for name, count in found.skipped.items():
        typer.echo(f"left out: {count:,} {name}")
    typer.echo("nothing was read or recorded")


def _figure(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


@contextlib.contextmanager
def _bar():
    """A progress bar on standard error, and the function that moves it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("starting", total=None)

        def show(result: "WaveResult") -> None:
            words = f"{result.source} {result.first}: {result.wave}"
            progress.update(task, completed=result.done, total=result.total, description=words)

        yield show
