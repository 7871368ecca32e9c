"""``s3sentinel backfill``: bring a span of hours up to date in one go, recorded in the Dagster history.

Belongs here: options, the progress bar and what is printed. Does not belong here: the waves (``backfill``).
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
    config: Annotated[Path | None, typer.Option("--config", "-c", help="Configuration file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Bring every hour from --from to --to up to date: list, parse, seal, score, deliver. Nothing is sent twice."""
    begin, end = parse_hour(first), parse_hour(last, end=True)
    from s3sentinel_assets.backfill import folder_instance, run_hours
    from s3sentinel_assets.config import load_config
    from s3sentinel_assets.definitions import build_defs
    from s3sentinel_assets.pipeline.runtime import Runtime

    began = time.monotonic()
    loaded = load_config(config)
    sources = source or [name for name, settings in loaded.sources.items() if settings.enabled]
    with contextlib.closing(Runtime(loaded)) as runtime, folder_instance() as instance, _bar() as show:
        results = run_hours(build_defs(loaded, runtime), instance, sources, begin, end, show)
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
