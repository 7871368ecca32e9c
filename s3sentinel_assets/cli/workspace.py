"""``s3sentinel workspace``: serve the local workspace, and ask any workspace in KQL.

Belongs here: the options and what the user reads. Does not belong here: the server (``local.workspace``).
"""

import contextlib
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, NoReturn

import typer

from s3sentinel_assets.cli.printable import json_line

if TYPE_CHECKING:
    from s3sentinel_assets.config import SentinelSettings

__all__ = ["app"]

DEFAULT_DIR = Path(".s3sentinel/workspace")

app = typer.Typer(help="The local stand-in for the Sentinel workspace, and queries.", no_args_is_help=True)


Span = tuple[datetime, datetime]  # of TimeGenerated; the end is outside


class Answer(NamedTuple):
    """A result table: column names and rows."""

    columns: list[str]
    rows: list[list[Any]]


@app.command()
def serve(
    folder: Annotated[
        Path, typer.Option("--dir", help="Where rows, certificates and secrets are kept; they survive a restart.")
    ] = DEFAULT_DIR,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 lets the system choose.")] = 4567,
    tables: Annotated[
        list[str] | None,
        typer.Option(
            "--table",
            help="A table beside the shipped ones, such as AWSVPCFlow_Auxiliary_CL; may be given several times. "
            "Without it those of the last time are kept.",
        ),
    ] = None,
) -> None:
    """Serve a local workspace on loopback until interrupted."""
    from s3sentinel_assets.errors import UserError
    from s3sentinel_assets.local.workspace.server import Options, WorkspaceApp, run_server
    from s3sentinel_assets.sentinel.kql import write_functions
    from s3sentinel_assets.tables import load_schema

    def ready(workspace: WorkspaceApp) -> None:
        files = workspace.files
        typer.echo(f"local workspace listens on {workspace.url}; Ctrl-C ends it")
        typer.echo(f"  trust         {files.ca}")
        typer.echo(f"  client secret {files.client_secret}")
        typer.echo(f"  rows          {files.database}")

    try:
        write_functions(folder.resolve() / "functions")
        # The server raises the interrupt again when it has ended; where interrupts are ignored it just returns.
        with contextlib.suppress(KeyboardInterrupt):
            added = [load_schema(table) for table in tables] if tables else None
            run_server(Options(folder.resolve(), port, tables=added), ready)
    except UserError as error:
        _fail(str(error))
    typer.echo("local workspace ended")


@app.command()
def functions(
    folder: Annotated[
        Path | None, typer.Option("--out", help="Write one NAME.kql each into this folder instead of printing them.")
    ] = None,
) -> None:
    """Print the KQL functions that ship with s3sentinel, to be saved in your workspace under their names.

    A local workspace has them already.
    """
    from s3sentinel_assets.errors import UserError
    from s3sentinel_assets.sentinel.kql import saved_functions, write_functions

    if folder is None:
        typer.echo("\n".join(saved_functions().values()), nl=False)
        return
    try:
        for file in write_functions(folder):
            typer.echo(str(file))
    except UserError as error:
        _fail(str(error))


@app.command()
def query(
    kql: Annotated[str, typer.Argument(help="The query, such as 'AWSCloudTrail | summarize count() by EventName'.")],
    folder: Annotated[
        Path | None, typer.Option("--dir", help="Ask the local workspace kept there instead of the configured one.")
    ] = None,
    hours: Annotated[
        float | None, typer.Option(min=0, help="Only rows whose TimeGenerated is in the last hours; default: all.")
    ] = None,
    search: Annotated[
        bool,
        typer.Option(
            "--search",
            help="For a table on the Basic or Auxiliary plan; needs --hours: the query is billed by what it scans.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each row.")] = False,
) -> None:
    """Ask a workspace in KQL and print the rows."""
    from s3sentinel_assets.config import load_config
    from s3sentinel_assets.errors import UserError

    if search and hours is None:
        raise typer.BadParameter("--search needs --hours", param_hint="--search")
    now = datetime.now(UTC)
    span = None if hours is None else (now - timedelta(hours=hours), now)
    try:
        if folder is None:
            answer = _ask(load_config().sentinel, kql, span, search=search)
        else:
            answer = _ask_folder(folder.resolve(), kql, span, search=search)
    except UserError as error:
        _fail(str(error))
    if as_json:
        for row in answer.rows:
            values = dict(zip(answer.columns, map(_plain, row), strict=True))
            sys.stdout.write(json_line(values) + "\n")
    else:
        _print_table(answer)


def _ask(settings: "SentinelSettings", kql: str, span: Span | None, *, search: bool) -> Answer:
    """Asks a workspace through the Azure client."""
    from s3sentinel_assets.sentinel.query import WorkspaceQuery

    client = WorkspaceQuery(settings)
    try:
        rows = client.search(kql, span) if search and span else client.run(kql, span)
    finally:
        client.close()
    columns = list(rows[0]) if rows else []
    return Answer(columns, [[row[column] for column in columns] for row in rows])


def _ask_folder(folder: Path, kql: str, span: Span | None, *, search: bool) -> Answer:
    """Asks the local workspace kept in ``folder``: its server when one runs, else the file itself."""
    from s3sentinel_assets.local.workspace.offline import LocalQueryError, local_settings, query_file

    settings = local_settings(folder)
    if settings is not None:
        return _ask(settings, kql, span, search=search)
    timespan = None if span is None else f"{span[0].isoformat()}/{span[1].isoformat()}"
    try:
        columns, rows = query_file(folder, kql, timespan, search=search)
    except LocalQueryError as error:
        from s3sentinel_assets.errors import UserError

        raise UserError(f"{folder}: {error}") from None
    return Answer(columns, rows)


def _plain(value: Any) -> Any:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value


def _print_table(answer: Answer) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not answer.rows:
        typer.echo("0 rows")
        return
    table = Table(caption=f"{len(answer.rows):,} rows", caption_justify="left")
    for column in answer.columns:
        table.add_column(Text(column))
    for row in answer.rows:
        # Text, not markup: log values may hold square brackets.
        table.add_row(*(Text("" if value is None else str(_plain(value))) for value in row))
    Console().print(table)


def _fail(sentence: str) -> NoReturn:
    typer.echo(f"error: {sentence}", err=True)
    raise typer.Exit(1)
