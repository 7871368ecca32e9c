"""What ``s3sentinel dead-letter`` prints.

Belongs here: tables, rows and JSON lines, safe at a terminal. Does not belong here: options and commands
(``dead_letter``).
"""

import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from s3sentinel_assets.cli.consoles import table_console
from s3sentinel_assets.cli.printable import json_line, printable

if TYPE_CHECKING:
    from s3sentinel_assets.ledger.dead_letters import DeadLetters, KeptLetter
    from s3sentinel_assets.sentinel.dead_rows import DeadRow

__all__ = ["fail", "print_counts", "print_letters", "print_row"]

_SHOWN_CHARACTERS = 4_000


def print_counts(dead: Sequence["DeadLetters"], *, as_json: bool) -> None:
    """Prints the dead letters by source, hour and reason."""
    if as_json:
        for entry in dead:
            sys.stdout.write(json_line(asdict(entry)) + "\n")
        return
    if not dead:
        typer.echo("no dead letters")
        return
    from rich.table import Table
    from rich.text import Text

    table = Table("source", "hour", "reason", "rows", "of these dropped", "cannot be requeued", "said")
    for entry in dead:
        counts = (f"{entry.rows:,}", f"{entry.dropped_rows:,}", f"{entry.lone_rows:,}")
        # Text, not markup: what a service says may hold square brackets.
        values = (entry.source, entry.hour, entry.reason, *counts, printable(entry.detail or ""))
        table.add_row(*map(Text, values))
    table_console().print(table)


def print_letters(letters: Sequence["KeptLetter"]) -> None:
    """Prints how many rows there are of each hour, reason and cause."""
    rows: Counter[tuple[str, str, str]] = Counter()
    for letter in letters:
        rows[letter.hour, letter.reason, letter.detail or ""] += letter.rows
    for (hour, reason, detail), count in rows.items():
        typer.echo(f"{hour} {reason}: {count:,} rows: {printable(detail)}")


def print_row(row: "DeadRow", *, as_json: bool) -> None:
    """Prints one dead row."""
    letter = row.letter
    if as_json:
        values = {
            "id": letter.id,
            "source": letter.source,
            "hour": letter.hour,
            "part": letter.part_id,
            "row_number": row.number,
            "table": row.target.table,
            "stream": row.target.stream,
            "route": row.target.route,
            "batch": letter.batch_id,
            "reason": letter.reason,
            "detail": letter.detail,
            "created_at": _instant(letter.created_at),
            "dropped_at": _instant(letter.dropped_at),
            "dropped_by": letter.dropped_by,
            "dropped_because": letter.dropped_because,
            "bytes": len(row.json),
            "row": json.loads(row.json),
        }
        sys.stdout.write(json_line(values) + "\n")
        return
    typer.echo(
        f"dead letter {letter.id}: {letter.source} {letter.hour}, row {row.number:,} of part {letter.part_id} "
        f"for {row.target.table}, {len(row.json):,} bytes"
    )
    typer.echo(f"  {letter.reason}: {printable(letter.detail or 'the service did not say why')}")
    if letter.dropped_at is not None:
        because = printable(letter.dropped_because or "")
        typer.echo(f"  dropped {_instant(letter.dropped_at)} by {printable(letter.dropped_by or '')}: {because}")
    text = printable(row.json.decode(errors="backslashreplace"))
    more = f" … ({len(row.json):,} bytes; --json prints all)" if len(text) > _SHOWN_CHARACTERS else ""
    typer.echo(f"  {text[:_SHOWN_CHARACTERS]}{more}")


def fail(problems: Sequence[str]) -> None:
    """Prints what went wrong, and ends with an error if anything did."""
    for problem in problems:
        typer.echo(f"error: {printable(problem)}", err=True)
    if problems:
        raise typer.Exit(1)


def _instant(micros: int | None) -> str | None:
    from s3sentinel_assets.ledger.engine import from_micros

    return None if micros is None else f"{from_micros(micros):%Y-%m-%dT%H:%M:%SZ}"
