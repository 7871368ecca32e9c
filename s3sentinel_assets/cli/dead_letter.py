"""``s3sentinel dead-letter``: what Sentinel refused; mending it, another chance for it, or giving it up.

Belongs here: options and what happens in which order. Does not belong here: what is printed (``dead_letter_output``),
the changes themselves (`sentinel.requeue`, `sentinel.mending`).
"""

import contextlib
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from s3sentinel_assets.cli import dead_letter_output as output
from s3sentinel_assets.cli.backfill import parse_hour
from s3sentinel_assets.errors import UserError

if TYPE_CHECKING:
    from s3sentinel_assets.ledger.dead_letters import KeptLetter, LetterFilter
    from s3sentinel_assets.pipeline.runtime import Runtime
    from s3sentinel_assets.sentinel.dead_rows import DeadRows

__all__ = ["app"]

_SHOWN = 20

app = typer.Typer(help="List, show, mend, send again or drop what Sentinel refused.", no_args_is_help=True)

_ConfigFile = Annotated[
    Path | None, typer.Option("--config", "-c", help="The file; default $S3SENTINEL_CONFIG or s3sentinel.yaml.")
]
_Source = Annotated[str, typer.Option("--source", "-s", help="The source.")]
_Hour = Annotated[str | None, typer.Option("--hour", help="Only this hour, such as 2026-11-20-07:00 (UTC).")]
_Reason = Annotated[str | None, typer.Option("--reason", help="Only this reason: refused or row_too_large.")]
_Ids = Annotated[
    list[int] | None,
    typer.Option("--id", help="Only the dead letter of this number, dropped or not; again for more."),
]


@contextlib.contextmanager
def _opened(config: Path | None, source: str | None = None) -> Iterator["Runtime"]:
    from s3sentinel_assets.config import load_config
    from s3sentinel_assets.pipeline.runtime import Runtime

    with contextlib.closing(Runtime(load_config(config))) as runtime:
        if source is not None:
            runtime.source(source)
        yield runtime


def _wanted(
    source: str, hour: str | None, reason: str | None, ids: list[int] | None, *, with_dropped: bool = False
) -> "LetterFilter":
    from s3sentinel_assets.ledger.dead_letters import LetterFilter

    return LetterFilter(source, hour and parse_hour(hour), reason, frozenset(ids or ()), with_dropped)


def _letters(runtime: "Runtime", wanted: "LetterFilter") -> list["KeptLetter"]:
    from s3sentinel_assets.ledger.dead_letters import find_letters

    with runtime.ledger.read() as connection:
        return find_letters(connection, wanted)


def _rows(runtime: "Runtime") -> "DeadRows":
    from s3sentinel_assets.sentinel.dead_rows import DeadRows

    config = runtime.config
    return DeadRows(
        runtime.ledger,
        runtime.store,
        lambda source, table: config.source(source).destination_for(table),
        config.sentinel.dcr_id,
    )


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

    with _opened(config, source) as runtime, runtime.ledger.read() as connection:
        dead = count_dead_letters(connection, source, hour and parse_hour(hour), reason)
    output.print_counts(dead, as_json=as_json)


@app.command()
def show(
    source: _Source,
    hour: _Hour = None,
    reason: _Reason = None,
    ids: _Ids = None,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, help=f"Rows at most; default {_SHOWN}, all with --json.")
    ] = None,
    config: _ConfigFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a row.")] = False,
) -> None:
    """Print dead rows, dropped ones too: number, table, why the row was refused, its size and the row as JSON."""
    limit = limit if limit is not None or as_json else _SHOWN
    problems: list[str] = []
    with _opened(config, source) as runtime:
        letters = _letters(runtime, _wanted(source, hour, reason, ids, with_dropped=True))
        total, shown = sum(letter.rows for letter in letters), 0
        for row in islice(_rows(runtime).of_all(letters, problems), limit):
            output.print_row(row, as_json=as_json)
            shown += 1
    if not total and not as_json:
        typer.echo("no such dead letters")
    elif shown < total and not as_json and not problems:
        typer.echo(f"{shown:,} of {total:,} rows; --limit shows more")
    output.fail(problems)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="A new file; NDJSON, one row a line.")],
    source: _Source,
    hour: _Hour = None,
    reason: _Reason = None,
    ids: _Ids = None,
    config: _ConfigFile = None,
) -> None:
    """Write dead rows to a file, to be edited and taken back by `fix`. Leave the member _dead_letter as it is."""
    from s3sentinel_assets.sentinel.letter_files import export_rows

    with _opened(config, source) as runtime:
        letters = _letters(runtime, _wanted(source, hour, reason, ids))
        if not letters:
            typer.echo("no such dead letters")
            return
        count = export_rows(_rows(runtime).of_all(letters), file)
    typer.echo(f"{count:,} rows written to {file}; edit it, then: s3sentinel dead-letter fix {file}")


@app.command()
def fix(
    file: Annotated[Path | None, typer.Argument(help="As `export` wrote it, edited; lines may be left out.")] = None,
    cut: Annotated[
        bool, typer.Option("--cut", help="Cut the longest texts of rows that are too large; Flags_CF says so.")
    ] = False,
    max_bytes: Annotated[
        int | None,
        typer.Option("--max-bytes", min=2_000, help="With --cut and no file: cut until a request is so big."),
    ] = None,
    source: Annotated[str | None, typer.Option("--source", "-s", help="With --cut and no file: the source.")] = None,
    hour: _Hour = None,
    reason: _Reason = None,
    ids: _Ids = None,
    config: _ConfigFile = None,
) -> None:
    """Take an edited file back: all rows are checked, and all are sent by the next run of their hours, or none.

    Without a file, --cut --source S cuts what is dead as row_too_large.
    """
    from s3sentinel_assets.ledger.audit import current_principal
    from s3sentinel_assets.sentinel.letter_files import RowsRefusedError
    from s3sentinel_assets.sentinel.mending import Mender

    if file is not None and (source or hour or reason or max_bytes):
        raise UserError("the file's lines say which rows are meant; leave --source, --hour, --reason, --max-bytes out")
    if file is None and not (cut and source):
        raise UserError("name the edited file, or say --cut --source S to cut rows that are too large")
    with _opened(config, source) as runtime:
        limits, sentinel = runtime.config.limits, runtime.config.sentinel
        mender = Mender(
            runtime.ledger,
            runtime.store,
            _rows(runtime),
            sentinel.max_batch_bytes,
            current_principal(),
            limits.lease_seconds,
        )
        try:
            if file is not None:
                done = mender.take_file(file, cut=cut, dropped=frozenset(ids or ()))
            else:
                wanted = _wanted(source or "", hour, reason or "row_too_large", ids)
                done = mender.cut_letters(wanted, max_bytes)
        except RowsRefusedError as error:
            output.fail([*error.problems, "nothing was changed"])
            return
    if not done.rows:
        typer.echo("no such dead letters")
        return
    typer.echo(f"{done.rows:,} rows will be sent, {done.cut:,} of them cut")
    for name, hours in done.hours.items():
        typer.echo(f"bring these hours of {name} up to date: {', '.join(hours)}")


@app.command()
def requeue(
    source: _Source, hour: _Hour = None, reason: _Reason = None, ids: _Ids = None, config: _ConfigFile = None
) -> None:
    """Let refused batches be sent again as they are; the next run of their hours does it. Mend the cause first."""
    from s3sentinel_assets.sentinel.requeue import requeue_dead

    with _opened(config, source) as runtime:
        done = requeue_dead(
            runtime.ledger,
            source,
            hour and parse_hour(hour),
            reason,
            ids=frozenset(ids or ()),
            lease_seconds=runtime.config.limits.lease_seconds,
        )
    typer.echo(f"{source}: {done.batches:,} batches with {done.rows:,} rows will be sent again")
    if done.batches:
        typer.echo(f"bring these hours up to date: {', '.join(done.hours)}")
    if done.lone_rows:
        typer.echo(
            f"{done.lone_rows:,} rows fit no request and stay dead; "
            f"s3sentinel dead-letter fix --cut --source {source} cuts them until they do"
        )
    if done.busy_parts:
        output.fail([f"{done.busy_parts} parts are being sent by another worker; run this again when it is done"])


@app.command()
def drop(
    source: _Source,
    because: Annotated[str, typer.Option("--because", help="Why; kept with the rows and in the audit trail.")],
    hour: _Hour = None,
    reason: _Reason = None,
    ids: _Ids = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    config: _ConfigFile = None,
) -> None:
    """Give dead rows up: they stay counted as dead, but neither `fix` nor `requeue` takes them unless it names them."""
    from s3sentinel_assets.sentinel.requeue import drop_dead

    if not because.strip():
        raise UserError("say why these rows are given up: --because must not be empty")
    with _opened(config, source) as runtime:
        found = _letters(runtime, _wanted(source, hour, reason, ids))
        letters = [letter for letter in found if letter.dropped_at is None]
        if not letters:
            typer.echo("no such dead letters, or all of them are dropped already")
            return
        output.print_letters(letters)
        if not yes:
            if not sys.stdin.isatty():
                raise UserError("nothing was dropped, since nobody can be asked here; --yes drops without asking")
            typer.confirm("Give these rows up?", abort=True)
        rows = drop_dead(runtime.ledger, letters, because)
    typer.echo(f"{source}: {rows:,} rows dropped; they stay in the account as dead")
