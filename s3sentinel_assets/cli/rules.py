"""``s3sentinel rules``: Sentinel's rule files against the workspace.

Belongs here: ``run``: options, the progress bar, what is printed. Does not belong here: running rules (``rules``) and
``guards`` (``rule_guards``).

Exit codes of ``run``: 0 every rule ran, or was left out because the workspace lacks the table, function or file it is
about; 1 a rule failed, a file is no valid rule, or (``--strict``) one was left out; 2 wrong usage or configuration.
"""

import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from s3sentinel_assets.cli.rule_guards import guards

if TYPE_CHECKING:
    from s3sentinel_assets.rules.loading import Unreadable
    from s3sentinel_assets.rules.model import Rule
    from s3sentinel_assets.rules.running import Ask, RuleRun

__all__ = ["app"]

_SHOWN_ROWS = 5
_CELL = 60
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}

app = typer.Typer(
    help="Run Sentinel's rule files against the workspace, and find the rows they need.", no_args_is_help=True
)


app.command()(guards)


@app.command()
def run(
    folder: Annotated[Path, typer.Argument(help="Folder with rule files (*.yaml, *.yml), or one file.")],
    first: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Beginning of the range, such as 2026-11-20T07:30Z (UTC), or 24h or 7d before its end. "
            "Default: each rule's own queryPeriod.",
        ),
    ] = None,
    last: Annotated[
        str | None,
        typer.Option("--to", help="The moment of evaluation: what now() and ago() count from. Default: now."),
    ] = None,
    every: Annotated[
        bool,
        typer.Option(
            "--every",
            help="Evaluate at every step of the rule's queryFrequency in the range, each over its queryPeriod.",
        ),
    ] = False,
    rule: Annotated[
        list[str] | None, typer.Option("--rule", help="Only the rule with this id, name or file name; again for more.")
    ] = None,
    home: Annotated[
        Path | None, typer.Option("--home", "--dir", help="Ask the local workspace kept there, served or not.")
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="Configuration file.")] = None,
    fired_only: Annotated[bool, typer.Option("--fired-only", help="List only rules that fire.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Print the first rows of each rule that fires.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 also when a rule is left out.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Run analytics rules and hunting queries, and say which would fire.

    Each rule is evaluated once, at --to, and sees the rows whose TimeGenerated lies between --from and --to.
    """
    from s3sentinel_assets.errors import ConfigurationError
    from s3sentinel_assets.hours import utc_now
    from s3sentinel_assets.rules.loading import find_rules, pick_rules
    from s3sentinel_assets.rules.running import Outcome

    if home is not None and config is not None:
        raise ConfigurationError("give either --home or --config, not both")
    end = utc_now() if last is None else _moment("--to", last)
    start = None if first is None else _before(end, first) or _moment("--from", first)
    if start is not None and start >= end:
        raise ConfigurationError(f"--from {first} is not before --to {last or 'now'}")
    rules, unreadable = find_rules(folder)
    if rule:
        rules, unreadable = pick_rules(rules, rule), []
    with _workspace(home, config) as ask:
        runs = _run_all(rules, ask, start, end, every=every, keep=_SHOWN_ROWS if show or as_json else 0)
    bad = {Outcome.FAILED, Outcome.SKIPPED} if strict else {Outcome.FAILED}
    ok = not unreadable and not any(one.outcome in bad for one in runs)
    listed = [one for one in runs if one.fired] if fired_only else runs
    if as_json:
        typer.echo(json.dumps(_document(ok, start, end, listed, unreadable), ensure_ascii=False, default=str))
    else:
        _print(listed, unreadable, runs, show=show)
    if not ok:
        raise typer.Exit(1)


def _before(end: datetime, text: str) -> datetime | None:
    """The moment so many minutes, hours or days before ``end``; None when the text says no such thing."""
    number, unit = text.strip()[:-1], _UNITS.get(text.strip()[-1:])
    return end - timedelta(**{unit: int(number)}) if unit and number.isdecimal() and len(number) < 6 else None


def _moment(option: str, text: str) -> datetime:
    from s3sentinel_assets.errors import ConfigurationError

    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ConfigurationError(
            f"{option} {text!r} is no time; write it like 2026-11-20 or 2026-11-20T07:30Z, or --from 24h"
        ) from None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    if moment.year not in range(1971, 9999):  # periods are counted back from it
        raise ConfigurationError(f"{option} {text!r} is no time that logs have; write it like 2026-11-20")
    return moment.astimezone(UTC)


@contextlib.contextmanager
def _workspace(home: Path | None, config: Path | None) -> Iterator["Ask"]:
    """The function that asks the workspace: by the query API, or a local workspace's file when none serves it."""
    from s3sentinel_assets.config import load_config

    settings = None
    if home is not None:
        from s3sentinel_assets.local.workspace.offline import local_settings

        home = (home / "workspace" if (home / "workspace").is_dir() else home).resolve()
        settings = local_settings(home)
        if settings is None:
            with _file(home) as ask:
                yield ask
            return
    from s3sentinel_assets.sentinel.query import WorkspaceQuery

    client = WorkspaceQuery(settings or load_config(config).sentinel)
    try:
        client.run("print 1")  # one sentence instead of one for every rule when nothing answers
        yield client.run
    finally:
        client.close()


@contextlib.contextmanager
def _file(folder: Path) -> Iterator["Ask"]:
    from s3sentinel_assets.errors import UserError
    from s3sentinel_assets.local.workspace.definitions import read_tables
    from s3sentinel_assets.local.workspace.errors import ApiError
    from s3sentinel_assets.local.workspace.identity import Identity, WorkspaceFiles
    from s3sentinel_assets.local.workspace.query import Query, QueryApi
    from s3sentinel_assets.local.workspace.storage import Storage

    files = WorkspaceFiles(folder)
    catalogue = read_tables(files.tables)
    storage = Storage(files.database, catalogue, Identity().workspace_id, read_only=True)
    api = QueryApi(storage, catalogue)

    def ask(kql: str, span: tuple[datetime, datetime]) -> list[dict[str, Any]]:
        try:
            result = api.run(Query(kql, f"{span[0].isoformat()}/{span[1].isoformat()}"))
        except ApiError as error:
            inner = error.details.get("innererror", {}).get("innererror", {})
            raise UserError(inner.get("message", error.message)) from None
        return [dict(zip(result.columns, row, strict=True)) for row in result.rows]

    try:
        yield ask
    finally:
        storage.close()


def _run_all(
    rules: Sequence["Rule"], ask: "Ask", start: datetime | None, end: datetime, *, every: bool, keep: int
) -> list["RuleRun"]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from s3sentinel_assets.rules.running import run_rule

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=len(rules))
        runs = []
        for rule in rules:
            progress.update(task, description=rule.name[:_CELL])
            runs.append(run_rule(rule, ask, start, end, every=every, keep=keep))
            progress.advance(task)
    return runs


def _document(
    ok: bool, start: datetime | None, end: datetime, runs: Sequence["RuleRun"], unreadable: Sequence["Unreadable"]
) -> dict[str, Any]:
    return {
        "ok": ok,
        "from": start and start.isoformat(),
        "to": end.isoformat(),
        "rules": [
            {
                "file": run.rule.file,
                "id": run.rule.id,
                "name": run.rule.name,
                "kind": run.rule.kind,
                "severity": run.rule.severity,
                "outcome": run.outcome.value,
                "reason": run.reason,
                "rows": run.rows,
                "fires": bool(run.fired),
                "evaluations": [
                    {"at": one.moment.isoformat(), "from": one.start.isoformat(), "rows": one.rows, "fires": one.fires}
                    for one in run.evaluations
                ],
                "first_rows": [dict(row) for one in run.fired[-1:] for row in one.first],
                "notes": list(run.rule.notes),
                "seconds": round(run.seconds, 3),
            }
            for run in runs
        ],
        "unreadable": [{"file": one.file, "reason": one.reason} for one in unreadable],
    }


def _print(
    listed: Sequence["RuleRun"], unreadable: Sequence["Unreadable"], runs: Sequence["RuleRun"], *, show: bool
) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from s3sentinel_assets.rules.running import Outcome

    table = Table()
    for title, side in (("rule", "left"), ("severity", "left"), ("outcome", "left"), ("rows", "right")):
        table.add_column(title, justify=side)  # type: ignore[arg-type]
    table.add_column("fires")
    table.add_column("seconds", justify="right")
    for run in listed:
        ran = run.outcome is Outcome.RAN
        outcome = "ran" if ran else f"{run.outcome}: {run.reason}"
        rows = f"{run.rows:,}" if ran else ""
        cells = (run.rule.name, run.rule.severity, outcome, rows, _fires(run) if ran else "", f"{run.seconds:.2f}")
        table.add_row(*(Text(cell) for cell in cells), style="bold" if run.fired else None)
    if listed:
        Console().print(table)
    if show:
        for run in listed:
            _print_rows(run)
    for run in runs:
        for note in run.rule.notes:
            typer.echo(f"note: {run.rule.file}: {note}", err=True)
    for one in unreadable:
        typer.echo(f"error: {one.file}: {one.reason}", err=True)
    counts = {outcome: sum(run.outcome is outcome for run in runs) for outcome in Outcome}
    told = [f"{counts[Outcome.RAN]} ran", f"{sum(bool(run.fired) for run in runs)} fire"]
    told += [f"{counts[outcome]} {outcome}" for outcome in (Outcome.SKIPPED, Outcome.FAILED) if counts[outcome]]
    told += [f"{len(unreadable)} unreadable"] if unreadable else []
    typer.echo(f"{len(runs) + len(unreadable)} rules: {', '.join(told)}")


def _fires(run: "RuleRun") -> str:
    if len(run.evaluations) > 1:
        return f"{len(run.fired)} of {len(run.evaluations)} times"
    if run.rule.kind == "Hunting":
        return "finds" if run.fired else "no"
    return "yes" if run.fired else "no"


def _print_rows(run: "RuleRun") -> None:
    """The first rows of the last evaluation that fires, one column below the other: rules give wide rows."""
    for evaluation in run.fired[-1:]:
        typer.echo(f"\n{run.rule.name}, at {evaluation.moment:%Y-%m-%d %H:%M:%S}Z: {evaluation.rows:,} rows")
        for number, row in enumerate(evaluation.first, start=1):
            typer.echo(f"  row {number}")
            for name, value in row.items():
                text = " ".join(str("" if value is None else value).split())
                if text:
                    typer.echo(f"    {name}: {text if len(text) <= 2 * _CELL else text[: 2 * _CELL] + ' …'}")
    sys.stdout.flush()
