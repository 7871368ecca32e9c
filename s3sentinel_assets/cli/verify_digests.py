"""``s3sentinel verify-digests``: is what lies in the bucket what CloudTrail wrote?

Belongs here: options, the progress bar and what is printed. Does not belong here: the verification
(``pipeline.digest_audit``).
"""

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from s3sentinel_assets.cli.backfill import parse_hour
from s3sentinel_assets.errors import UserError

if TYPE_CHECKING:
    from s3sentinel_assets.pipeline.chain_audit import ChainAudit

__all__ = ["verify_digests"]

_TOLD = 1_000


def verify_digests(
    source: Annotated[str, typer.Option("--source", "-s", help="The source whose bucket is verified.")],
    first: Annotated[str, typer.Option("--from", help="First hour, such as 2026-11-20-07:00 (UTC), or a day.")],
    last: Annotated[str, typer.Option("--to", help="Last hour, included; of a day its last hour.")],
    keys: Annotated[
        Path | None,
        typer.Option("--keys", help="What `aws cloudtrail list-public-keys` printed; else CloudTrail is asked."),
    ] = None,
    logs: Annotated[
        bool, typer.Option("--logs/--no-logs", help="Download and hash every log file, or look at the digests only.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="Configuration file.")] = None,
) -> None:
    """Verify CloudTrail's digest files and the log files that they list, from the bucket alone.

    Exit code 0 when everything is proved, 1 when anything failed, is missing or cannot be proved.
    """
    begin, end = parse_hour(first), parse_hour(last, end=True)
    from s3sentinel_assets.config import load_config
    from s3sentinel_assets.hours import hour_end, hour_start
    from s3sentinel_assets.pipeline.digest_audit import audit_digests
    from s3sentinel_assets.pipeline.digest_reading import DigestReader
    from s3sentinel_assets.pipeline.runtime import Runtime

    if begin > end:
        raise UserError(f"--from {begin} is later than --to {end}; swap them")
    loaded = load_config(config)
    problems: list[str] = []
    count = 0

    def tell(problem: str) -> None:
        nonlocal count
        count += 1
        if not as_json:
            typer.echo(f"error: {problem}", err=True)
        if len(problems) < _TOLD:
            problems.append(problem)

    with contextlib.closing(Runtime(loaded)) as runtime, _bar(logs=logs) as step:
        reader = DigestReader.of(runtime, source, keys)
        chains = list(
            audit_digests(
                reader,
                hour_start(begin),
                hour_end(end),
                logs=logs,
                log_limit=loaded.limits.object_decoded_bytes,
                tell=tell,
                step=step,
            )
        )
    if not chains:
        raise UserError(
            f"s3://{reader.source.bucket} has no digest files under {reader.template} for {begin} to {end}; switch on "
            "log file validation for the trail, or check digests.prefix of the source"
        )
    proved = all(chain.proved for chain in chains)
    if as_json:
        shown = [chain.as_dict() for chain in chains]
        result = {"ok": proved, "source": source, "from": begin, "to": end, "chains": shown}
        typer.echo(json.dumps({**result, "problems": problems, "problem_count": count}))
    else:
        _print(chains, logs=logs)
        verdict = "everything is proved" if proved else f"not everything is proved, {count} problems"
        typer.echo(f"{source}, {begin} to {end}: {verdict}")
    if not proved:
        raise typer.Exit(1)


def _print(chains: "list[ChainAudit]", *, logs: bool) -> None:
    """One small table for each chain: its name is long, and terminals are narrow."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    console = Console()
    names = ("verified", "failed", "unproved", "unread")
    for chain in chains:
        table = Table("", *names, "missing", box=SIMPLE_HEAD)
        if logs:
            table.add_column("uncovered")
        for column in table.columns[1:]:
            column.justify = "right"
        hours = f"{chain.missing_hours:,.1f} h"
        table.add_row("digests", *(f"{chain.digests[name]:,}" for name in names), hours)
        if logs:
            missing, uncovered = chain.logs["missing"], chain.uncovered + chain.unsure
            cells = [f"{chain.logs[name]:,}" for name in names]
            table.add_row("log files", *cells, f"{missing:,}", f"{uncovered:,}")
        console.print(chain.chain, highlight=False, markup=False, soft_wrap=True)
        console.print(table)


@contextlib.contextmanager
def _bar(*, logs: bool) -> Iterator[Callable[[int, int], None]]:
    """A progress line on standard error, and the function that moves it."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("listing digests", total=None)

        def step(digests: int, hashed: int) -> None:
            words = f"{digests:,} digests" + (f", {hashed:,} log files" if logs else "")
            progress.update(task, description=words)

        yield step
