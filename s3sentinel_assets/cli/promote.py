"""``s3sentinel promote``: rows that routing sent to a cheaper table, once more for their own one.

Belongs here: options and what is printed. Does not belong here: choosing and planning (``pipeline.promotion``).
"""

from pathlib import Path
from typing import Annotated

import typer

from s3sentinel_assets.cli.backfill import parse_hour
from s3sentinel_assets.cli.printable import json_line

__all__ = ["promote"]


def promote(
    source: Annotated[str, typer.Option("--source", "-s", help="The source.")],
    first: Annotated[str, typer.Option("--from", help="First hour, such as 2026-11-20-07:00 (UTC).")],
    last: Annotated[str | None, typer.Option("--to", help="Last hour; by default the first.")] = None,
    where: Annotated[
        str | None,
        typer.Option("--where", help="Only these rows: SQL over the table's columns, such as EventName = 'Decrypt'."),
    ] = None,
    rule: Annotated[str | None, typer.Option("--rule", help="Only rows that this routing rule demoted.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many rows it would be.")] = False,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The file; default $S3SENTINEL_CONFIG or s3sentinel.yaml.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each hour.")] = False,
) -> None:
    """Send demoted rows to their own table, too; rows that were promoted before are left out."""
    from s3sentinel_assets.config import load_config
    from s3sentinel_assets.hours import hour_range
    from s3sentinel_assets.ledger.audit import current_principal
    from s3sentinel_assets.pipeline.delivery import deliver_hour
    from s3sentinel_assets.pipeline.promotion import promote_hour
    from s3sentinel_assets.pipeline.runtime import Runtime

    runtime = Runtime(load_config(config))
    problems: list[str] = []
    try:
        runtime.source(source)
        begin = parse_hour(first)
        for hour in hour_range(begin, parse_hour(last) if last else begin):
            made = promote_hour(
                runtime, source, hour, where=where, rule=rule, requested_by=current_principal(), dry_run=dry_run
            )
            if made.rows and not dry_run:
                problems += deliver_hour(runtime, source, hour).problems
            if made.busy_parts:
                problems.append(f"{hour}: {made.busy_parts} parts are being sent by another worker; run this again")
            _tell(hour, made.rows, made.demoted, as_json=as_json, dry_run=dry_run)
    finally:
        runtime.close()
    for problem in problems:
        typer.echo(f"error: {problem}", err=True)
    if problems:
        raise typer.Exit(1)


def _tell(hour: str, rows: dict[str, int], demoted: int, *, as_json: bool, dry_run: bool) -> None:
    total = sum(rows.values())
    if as_json:
        typer.echo(json_line({"hour": hour, "demoted": demoted, "promoted": rows, "dry_run": dry_run}))
        return
    into = ", ".join(f"{count:,} to {table}" for table, count in sorted(rows.items())) or "none"
    verb = "would be promoted" if dry_run else "promoted"
    typer.echo(f"{hour}: {demoted:,} rows were demoted; {total:,} {verb} ({into})")
