"""``s3sentinel score``: score a folder of logs offline, without any account, bucket or workspace.

Belongs here: the command's options, the result file, the summary. Does not belong here: the work
(``pipeline.offline``), which files a folder holds (``log_files``).
"""

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    import polars as pl

    from s3sentinel_assets.pipeline.offline import OfflineRun

__all__ = ["score"]

_INSTANT = "%Y-%m-%dT%H:%M:%S%.6fZ"
_TOP = 20
_ORDER = ("critical", "high", "medium", "low", "unknown")


def score(
    files: Annotated[
        list[Path], typer.Argument(help="Log files and folders of them, compressed or not.", metavar="DIR…")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for scores.parquet or scores.ndjson.")],
    format: Annotated[str, typer.Option("--format", "-f", help="The files' format; auto recognises each.")] = "auto",  # noqa: A002
    write: Annotated[
        Literal["parquet", "ndjson"], typer.Option("--write", help="How results are written.")
    ] = "parquet",
    models: Annotated[
        Path | None, typer.Option("--models", help="Folder with models; default: the shipped ones.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as one JSON object.")] = False,
) -> None:
    """Score local log files in time order and write one row for each event.

    Nothing is sent anywhere. History begins empty, so the first three days are marked ``cold_start``. Exit code 0 when
    every file could be read, 1 when any could not.
    """
    from s3sentinel_assets.cli.log_files import READABLE, find_files, inputs, progress
    from s3sentinel_assets.formats import PartParser
    from s3sentinel_assets.pipeline.offline import OfflineScorer

    parser, paths = PartParser(format), list(find_files(files))
    with tempfile.TemporaryDirectory(prefix="s3sentinel-score-") as scratch, _result_file(output, write) as rows:
        scorer = OfflineScorer(Path(scratch), _loader(models), _pattern_ids)
        with progress(paths, quiet=as_json) as advance:
            for frame in parser.frames(inputs(paths, advance)):
                scorer.take(frame)
        scorer.leave_out(parser.discarded)
        top: list[pl.DataFrame] = []
        for frame in _shown(scorer.results(), len(scorer.hours), quiet=as_json):
            rows(frame)
            top = [_most_urgent([*top, frame])]
    unread = [report for report in parser.reports if report.state not in READABLE]
    rejected = sum(report.rejected for report in parser.reports)
    path = output / f"scores.{write}"
    if as_json:
        _print_json(scorer.done, path, rejected, [report.key for report in unread])
    else:
        _print_tables(scorer.done, path, rejected, [(report.key, report.note) for report in unread], top)
    if unread:
        raise typer.Exit(1)


def _loader(folder: Path | None) -> "Callable[[str], Any]":
    """Gives the model of a format, or None."""
    import s3sentinel_assets
    from s3sentinel_assets.ml import load_model
    from s3sentinel_assets.ml.history.keys import FORMATS

    shipped = Path(s3sentinel_assets.__path__[0]).parent / "models"
    return lambda log_format: load_model(folder or shipped, log_format) if log_format in FORMATS else None


def _pattern_ids(frame: Any) -> "pl.Series":
    import polars as pl

    return pl.Series("pattern", [None], dtype=pl.String).new_from_index(0, frame.rows.height)


@contextmanager
def _result_file(folder: Path, kind: str) -> "Iterator[Callable[[pl.DataFrame], None]]":
    """Gives the function that writes results; the file appears only when all are written.

    Raises:
        UserError: the folder cannot be made or written.
    """
    import polars as pl

    from s3sentinel_assets.errors import UserError
    from s3sentinel_assets.pipeline.offline import RESULT_SCHEMA

    path = folder / f"scores.{kind}"
    part = path.with_name(f".{path.name}.part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if kind == "parquet":
            import pyarrow.parquet as parquet

            schema = pl.DataFrame(schema=RESULT_SCHEMA).to_arrow().schema
            with parquet.ParquetWriter(part, schema, compression="zstd") as writer:
                yield lambda frame: writer.write_table(frame.to_arrow().cast(schema))
        else:
            with part.open("wb") as file:
                yield lambda frame: frame.with_columns(pl.col("time").dt.strftime(_INSTANT)).write_ndjson(file)
        part.replace(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror or error}); choose another --output") from error
    finally:
        part.unlink(missing_ok=True)


def _shown(frames: "Iterator[pl.DataFrame]", hours: int, *, quiet: bool) -> "Iterator[pl.DataFrame]":
    """The frames, with a progress bar over the hours at a terminal."""
    if quiet or not sys.stderr.isatty():
        yield from frames
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(frames, "scoring", total=hours, console=Console(stderr=True), transient=True)


def _most_urgent(frames: "list[pl.DataFrame]") -> "pl.DataFrame":
    """The first rows by priority and score, of those that are worth a look."""
    import polars as pl

    rank = pl.col("priority").replace_strict({name: place for place, name in enumerate(_ORDER)}, return_dtype=pl.Int8)
    candidates = pl.concat([frame.filter(pl.col("priority").is_in(_ORDER[:3])) for frame in frames])
    return candidates.sort(rank, -pl.col("score"), "time", "event_id", nulls_last=True).head(_TOP)


def _summary(run: "OfflineRun", path: Path, rejected: int) -> dict[str, Any]:
    return {
        "output": str(path),
        "events": run.events,
        "duplicates": run.duplicates,
        "rejected": rejected,
        "hours": run.hours,
        "formats": dict(sorted(run.formats.items())),
        "priorities": {name: run.priorities[name] for name in _ORDER if run.priorities[name]},
        "unscored": {name: count for name, count in sorted(run.unscored.items()) if count},
    }


def _print_json(run: "OfflineRun", path: Path, rejected: int, unread: list[str]) -> None:
    from s3sentinel_assets.cli.printable import json_line

    print(json_line(_summary(run, path, rejected) | {"unread": unread}))


def _print_tables(
    run: "OfflineRun", path: Path, rejected: int, unread: list[tuple[str, str | None]], top: "list[pl.DataFrame]"
) -> None:
    from rich.table import Table

    from s3sentinel_assets.cli.consoles import table_console
    from s3sentinel_assets.cli.printable import printable

    console = table_console()
    formats = ", ".join(f"{name} {count:,}" for name, count in sorted(run.formats.items()))
    console.print(f"{run.events:,} events of {run.hours:,} hours ({formats or 'none'}) → {path}", highlight=False)
    said = ", ".join(f"{run.priorities[name]:,} {name}" for name in _ORDER if run.priorities[name])
    console.print(f"priorities: {said or 'none'}", highlight=False)
    for text, count in (
        ("copies of other events, left out", run.duplicates),
        ("records could not be parsed", rejected),
    ):
        if count:
            console.print(f"{count:,} {text}", highlight=False)
    for name, count in sorted(run.unscored.items()):
        if count:
            console.print(f"{count:,} events of {name} have no score", highlight=False)
    for key, note in unread:
        console.print(f"could not be read: {printable(key)}: {printable(note or '')}", highlight=False)
    rows = top[0].to_dicts() if top else []
    if not rows:
        return
    table = Table("time", "priority", "score", "a day", "principal", "action", "why", title="most urgent")
    for row in rows:
        expected = row["expected_per_day"]
        table.add_row(
            f"{row['time']:%Y-%m-%d %H:%M:%S}",
            row["priority"],
            f"{row['score']:.1f}",
            "" if expected is None else f"{expected:.3g}",
            printable(row["principal"] or ""),
            printable(row["action"] or ""),
            printable(row["reasons"] or ""),
        )
    console.print(table)
