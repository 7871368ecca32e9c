"""``s3sentinel warm-up``: build the history that scores lean on from older logs, without delivering anything.

Belongs here: options, the progress bar and what is printed. Does not belong here: the work (`pipeline.warm_up`).
"""

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from s3sentinel_assets.cli.backfill import parse_hour

if TYPE_CHECKING:
    from s3sentinel_assets.pipeline.warm_up import WarmUp

__all__ = ["warm_up"]

_SHOWN = 10


def warm_up(
    days: Annotated[int, typer.Option("--days", min=1, max=400, help="How many days of history.")] = 30,
    source: Annotated[
        list[str] | None, typer.Option("--source", "-s", help="A source; again for more. Default: all with a model.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", help="Last hour (UTC). Default: the one before 'start'.")
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="Configuration file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Learn who does what from the logs before 'start', so that the first delivered hour is scored. Sends nothing.

    It may be interrupted; the next call goes on where it stopped. Exit code 1 when hours that were asked for have no
    history and lie before the newest one that has: they cannot be learned any more.
    """
    from s3sentinel_assets.config import load_config
    from s3sentinel_assets.pipeline.histories import scored_families
    from s3sentinel_assets.pipeline.runtime import Runtime
    from s3sentinel_assets.pipeline.warm_up import span_of
    from s3sentinel_assets.pipeline.warm_up import warm_up as work

    loaded = load_config(config)
    last = parse_hour(until, end=True) if until is not None else None
    names = source or [name for name, each in loaded.sources.items() if each.enabled and scored_families(each)]
    with contextlib.closing(Runtime(loaded)) as runtime:
        spans = [span_of(runtime, loaded.source(name).name, days, last) for name in names]  # all or none begins
        with _bar(sum(len(span.hours) for span in spans)) as show:
            results = [work(runtime, span, show) for span in spans]
    if as_json:
        typer.echo(json.dumps({"delivered": 0, "sources": [asdict(result) for result in results]}, ensure_ascii=False))
    else:
        for result in results:
            _print(result)
        typer.echo(f"nothing was delivered; delivery starts with {loaded.start:%Y-%m-%d %H:%M} UTC")
    lacks = [span.lack for span in spans if span.lack is not None]
    for lack in lacks:
        typer.echo(f"error: {lack}", err=True)
    if lacks:
        raise typer.Exit(1)


def _print(result: "WarmUp") -> None:
    span = result.span
    typer.echo(
        f"{span.source}: learned {result.done} hours, {span.first} to {span.last}"
        + (f" ({span.learned_before:,} had been learned before)" if span.learned_before else "")
        + f": {result.events:,} events of {result.objects:,} objects in {result.seconds:.1f} s"
        + (f"; the history knows {result.keys:,} keys" if result.done else "")
    )
    if result.held:
        typer.echo(f"{span.source}: {result.held:,} urgent events were not learned at once; they wait for a verdict")
    for problem in result.problems[:_SHOWN]:
        typer.echo(f"note: {span.source} {problem}", err=True)
    if len(result.problems) > _SHOWN:
        typer.echo(f"note: and {len(result.problems) - _SHOWN} more", err=True)


@contextlib.contextmanager
def _bar(total: int) -> "Iterator[Callable[[WarmUp, str], None]]":
    """A progress bar on standard error with the time that is left, and the function that moves it."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        task = progress.add_task("warming up", total=total)

        def show(result: "WarmUp", hour: str) -> None:
            progress.update(task, advance=1, description=f"{result.span.source} {hour}: {result.events:,} events")

        yield show
