"""``s3sentinel models``: list, show and compare versions, train, promote, roll back, sync.

Belongs here: options and what is printed. Does not belong here: the work (``pipeline.training``, ``pipeline.judging``,
``pipeline.champions``).

Exit codes: 0 done; 1 refused, or MLflow cannot be reached; 2 wrong usage or configuration.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from s3sentinel_assets.cli.consoles import table_console
from s3sentinel_assets.cli.printable import json_line, printable

if TYPE_CHECKING:
    from s3sentinel_assets.ml.registry.versions import ModelVersion
    from s3sentinel_assets.pipeline.champions import Synced
    from s3sentinel_assets.pipeline.judging import Judgement
    from s3sentinel_assets.pipeline.runtime import Runtime

__all__ = ["app"]

app = typer.Typer(help="List, compare, train, promote and roll back models.", no_args_is_help=True)

_ConfigFile = Annotated[
    Path | None, typer.Option("--config", "-c", help="The file; default $S3SENTINEL_CONFIG or s3sentinel.yaml.")
]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]
_Format = Annotated[str, typer.Argument(help="Log format, such as cloudtrail.")]
_Number = Annotated[int, typer.Argument(min=1, help="Version number in the registry.")]
_Reason = Annotated[str | None, typer.Option("--reason", help="Why; it is recorded.")]


@contextlib.contextmanager
def _opened(config: Path | None) -> Iterator["Runtime"]:
    from s3sentinel_assets.config import load_config
    from s3sentinel_assets.pipeline.runtime import Runtime

    runtime = Runtime(load_config(config))
    try:
        yield runtime
    finally:
        runtime.close()


def _formats(runtime: "Runtime", log_format: str | None) -> list[str]:
    from s3sentinel_assets.errors import ConfigurationError
    from s3sentinel_assets.pipeline.champions import model_formats

    known = model_formats(runtime.config)
    if log_format is not None and log_format not in known:
        raise ConfigurationError(
            f"no enabled source has {log_format} events that a model scores; there are: {', '.join(known) or 'none'}"
        )
    return known if log_format is None else [log_format]


@app.command("list")
def list_versions(
    log_format: Annotated[str | None, typer.Argument(metavar="[FORMAT]", help="Only this log format.")] = None,
    as_json: _Json = False,
    config: _ConfigFile = None,
) -> None:
    """List the registered versions, and which one scores."""
    from s3sentinel_assets.pipeline.champions import champions_dir, read_champions, registry_of

    with _opened(config) as runtime:
        registry, scoring = registry_of(runtime), read_champions(champions_dir(runtime.config))
        rows = [
            {**_described(version), "scores": bool(version.version) and scoring.get(each) == version.version}
            for each in _formats(runtime, log_format)
            for version in registry.versions(each)
        ]
        shipped = [each for each in _formats(runtime, log_format) if each not in scoring]
    if as_json:
        for row in rows:
            typer.echo(json_line(row))
        return
    if rows:
        _print_rows(rows, ("format", "number", "version", "aliases", "scores", "gate", "hours", "created"))
    for each in shipped:
        typer.echo(f"{each} is scored by the model that ships with s3sentinel")


@app.command()
def show(log_format: _Format, number: _Number, as_json: _Json = False, config: _ConfigFile = None) -> None:
    """Show a version: its tags, and the gate's table if it was judged."""
    from s3sentinel_assets.pipeline.champions import registry_of

    with _opened(config) as runtime:
        (log_format,) = _formats(runtime, log_format)
        version = registry_of(runtime).version(log_format, number)
        judged = _last_judgement(runtime, log_format, version.version)
    if as_json:
        typer.echo(json_line({**_described(version), "tags": dict(version.tags), "judged": judged}))
        return
    for name, value in {**_described(version), **version.tags}.items():
        typer.echo(printable(f"{name:<12} {value}"))
    if judged:
        _print_rows(judged["checks"], ("name", "value", "limit", "passed", "why"))


@app.command()
def compare(
    log_format: _Format,
    numbers: Annotated[list[int], typer.Argument(min=1, help="Version numbers; each was evaluated.")],
    as_json: _Json = False,
    config: _ConfigFile = None,
) -> None:
    """Compare what evaluations measured of versions and of the champion, metric by metric."""
    from s3sentinel_assets.errors import UserError
    from s3sentinel_assets.pipeline.champions import registry_of

    with _opened(config) as runtime:
        (log_format,) = _formats(runtime, log_format)
        registry, columns = registry_of(runtime), {}
        for number in numbers:
            version = registry.version(log_format, number)
            judged = _last_judgement(runtime, log_format, version.version)
            if judged is None:
                raise UserError(f"{version.name} was never judged; run `s3sentinel models train {log_format}`")
            columns.setdefault(f"champion ({judged['champion']})", judged["champion_metrics"])
            columns[f"{number} ({version.version})"] = judged["metrics"]
    names = sorted({name for metrics in columns.values() for name in metrics})
    rows = [{"metric": name, **{title: metrics.get(name) for title, metrics in columns.items()}} for name in names]
    if as_json:
        for row in rows:
            typer.echo(json_line(row))
        return
    _print_rows(rows, ("metric", *columns))


@app.command()
def train(
    log_format: Annotated[str | None, typer.Argument(metavar="[FORMAT]", help="Only this log format.")] = None,
    judge: Annotated[bool, typer.Option("--judge/--no-judge", help="Evaluate what was trained.")] = True,
    as_json: _Json = False,
    config: _ConfigFile = None,
) -> None:
    """Train challengers on the last days, register them, and judge them."""
    from s3sentinel_assets.pipeline.judging import evaluate
    from s3sentinel_assets.pipeline.training import train as train_models

    with _opened(config) as runtime:
        for each in _formats(runtime, log_format):
            made = train_models(runtime, each)
            for one in made:
                if as_json:
                    typer.echo(json_line({"trained": one.version, "format": each, "number": one.number}))
                else:
                    typer.echo(
                        f"{each} {one.number}: {one.version}, fitted on {one.facts.events:,} events of {one.span}"
                    )
            if judge:
                for judged in evaluate(runtime, each, [one.number for one in made]):
                    _tell_judged(judged, as_json=as_json)


@app.command()
def promote(
    log_format: _Format,
    number: _Number,
    force: Annotated[
        bool, typer.Option("--force", help="Also if the gate refused it; takes --reason and is recorded.")
    ] = False,
    reason: _Reason = None,
    as_json: _Json = False,
    config: _ConfigFile = None,
) -> None:
    """Make a version champion: move the alias and score with it from now on."""
    from s3sentinel_assets.pipeline.champions import promote as promote_version

    with _opened(config) as runtime:
        (log_format,) = _formats(runtime, log_format)
        _tell_synced(promote_version(runtime, log_format, number, force=force, reason=reason), as_json=as_json)


@app.command()
def rollback(log_format: _Format, reason: _Reason = None, as_json: _Json = False, config: _ConfigFile = None) -> None:
    """Go back to the champion before, at once."""
    from s3sentinel_assets.pipeline.champions import rollback as roll_back

    with _opened(config) as runtime:
        (log_format,) = _formats(runtime, log_format)
        _tell_synced(roll_back(runtime, log_format, reason=reason), as_json=as_json)


@app.command()
def sync(as_json: _Json = False, config: _ConfigFile = None) -> None:
    """Take over the versions that have the alias champion in MLflow."""
    from s3sentinel_assets.pipeline.champions import sync_champions

    with _opened(config) as runtime:
        results = sync_champions(runtime)
    for result in results:
        _tell_synced(result, as_json=as_json)
    if any(result.problem for result in results):
        raise typer.Exit(1)


def _described(version: "ModelVersion") -> dict[str, Any]:
    created = datetime.fromtimestamp(version.created_at / 1000, UTC)
    return {
        "format": version.format,
        "number": version.number,
        "version": version.version,
        "aliases": ", ".join(version.aliases),
        "gate": version.tags.get("gate", ""),
        "hours": version.tags.get("hours", ""),
        "created": f"{created:%Y-%m-%d %H:%M}",
    }


def _last_judgement(runtime: "Runtime", log_format: str, version: str) -> dict[str, Any] | None:
    from s3sentinel_assets.ledger.model_records import JUDGED, recorded

    with runtime.ledger.read() as connection:
        rows = [row.detail for row in recorded(connection, (JUDGED,), log_format)]
    return next((row for row in reversed(rows) if row.get("version") == version), None)


def _tell_judged(judged: "Judgement", *, as_json: bool) -> None:
    if as_json:
        values = {"judged": judged.version, "format": judged.format, "number": judged.number}
        report = judged.report
        typer.echo(json_line({**values, "passed": report.passed, "checks": report.rows(), "metrics": judged.metrics}))
        return
    typer.echo(f"{judged.version} against {judged.champion} on {judged.span}:")
    _print_rows(judged.report.rows(), ("name", "value", "limit", "passed", "why"))
    verdict = f"may be promoted: s3sentinel models promote {judged.format} {judged.number}"
    typer.echo(verdict if judged.report.passed else "refused by the gate")


def _tell_synced(result: "Synced", *, as_json: bool) -> None:
    champion = result.champion or "the model that ships with s3sentinel"
    if as_json:
        typer.echo(
            json_line(
                {
                    "format": result.format,
                    "champion": result.champion,
                    "number": result.number,
                    "changed": result.changed,
                    "previous": result.previous,
                    "problem": result.problem,
                    "warning": result.warning,
                }
            )
        )
    elif result.problem:
        typer.echo(printable(f"error: {result.format}: {result.problem}"), err=True)
    else:
        typer.echo(f"{result.format} is scored by {champion}" + (" from now on" if result.changed else ""))
        if result.warning:
            typer.echo(printable(f"warning: {result.warning}"), err=True)


def _print_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns)
    for row in rows:
        # Text, not markup, and escaped: a registry can be written to by others.
        table.add_row(*(Text(printable(_cell(row.get(name)))) for name in columns))
    table_console().print(table)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
