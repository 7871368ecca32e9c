"""``s3sentinel score``: score a folder of logs offline, without any account, bucket or workspace.

Belongs here: the command's options, reading files, the result file. Does not belong here: the work
(``pipeline.offline``), which files a folder holds (``log_files``), what is printed (``score_summary``).
"""

import hashlib
import json
import os
import secrets
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Literal

import typer

if TYPE_CHECKING:
    import polars as pl

    from s3sentinel_assets.formats import ObjectInput, ObjectReport
    from s3sentinel_assets.pipeline.offline import OfflineRun
    from s3sentinel_assets.pipeline.offline_events import Columns, HourlyEvents

__all__ = ["Scored", "gather", "model_loader", "score", "score_files", "shipped_models"]

_INSTANT = "%Y-%m-%dT%H:%M:%S%.6fZ"
_KINDS = ("parquet", "ndjson")
#: The first line of results is shorter; whatever has a longer one are logs.
_LONGEST_LINE = 1 << 20
_SHOWN = 10


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
    champions: Annotated[
        Path | None, typer.Option("--champions", help="Folder of promoted models: <data_dir>/champions.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as one JSON object.")] = False,
) -> None:
    """Score local log files in time order and write one row for each event.

    Nothing is sent anywhere. History begins empty, so the first three days are marked ``cold_start``. A file that is
    there twice counts once; what an earlier run wrote is no log. Exit code 0 when every file could be read, 1 when any
    could not.
    """
    from s3sentinel_assets.cli.score_summary import print_json, print_tables

    scored = score_files(files, output, format, write, models=models, champions=champions, quiet=as_json)
    (print_json if as_json else print_tables)(scored)
    for note in scored.notes:
        typer.echo(f"note: {note}", err=True)
    if scored.unread:
        raise typer.Exit(1)


@dataclass
class Scored:
    """What was done.

    Attributes:
        file: the result file.
        run: what the run met.
        rejected: records that could not be parsed.
        records: records that were read.
        reports: of the files, in order.
        top: the most urgent events, `RESULT_SCHEMA`.
        results: files that were left out, because they are results of earlier runs.
    """

    file: Path
    run: "OfflineRun"
    rejected: int
    records: int
    reports: "Sequence[ObjectReport]" = field(repr=False)
    top: "pl.DataFrame" = field(repr=False)
    results: Sequence[Path] = ()

    @property
    def notes(self) -> list[str]:
        """What else there is to know, in sentences."""
        from s3sentinel_assets.cli.printable import printable

        told = [f"{path}: left out, it holds results of an earlier run" for path in self.results[:_SHOWN]]
        if len(self.results) > _SHOWN:
            told.append(f"and {len(self.results) - _SHOWN} more files with results of earlier runs")
        others = [self.file.with_name(f"scores.{kind}") for kind in _KINDS if f".{kind}" != self.file.suffix]
        told += [f"{path}: is of an earlier run and was left as it is" for path in others if path.exists()]
        return [printable(note) for note in told]

    @property
    def unread(self) -> "list[ObjectReport]":
        """Files that could not be read at all."""
        from s3sentinel_assets.cli.log_files import READABLE

        return [report for report in self.reports if report.state not in READABLE]

    @property
    def partly_read(self) -> "list[ObjectReport]":
        """Files that end or break off before their end."""
        return [report for report in self.reports if report.state == "partly_read"]


def score_files(
    files: Iterable[Path],
    output: Path,
    log_format: str = "auto",
    write: str = "parquet",
    *,
    models: Path | None = None,
    champions: Path | None = None,
    quiet: bool = True,
) -> Scored:
    """Scores log files; the result file appears only when it is whole and every record is accounted for.

    Args:
        files: log files and folders.
        output: folder of the results; what an earlier run wrote there is no log.
        log_format: their format, or ``auto``.
        write: ``parquet`` or ``ndjson``.
        models: folder of models; None: the shipped ones.
        champions: folder of promoted models, if any.
        quiet: no progress at a terminal.

    Raises:
        UserError: a path does not exist, holds no file, or the output cannot be written.
        ConfigurationError: no such format, or a model file is wrong.
    """
    from s3sentinel_assets.cli.score_summary import most_urgent
    from s3sentinel_assets.config.sections import Limits
    from s3sentinel_assets.pipeline.offline import RESULT_SCHEMA, OfflineScorer, pattern_columns
    from s3sentinel_assets.pipeline.offline_events import check_account

    load, results = model_loader(models, champions), list[Path]()
    with _new_file(output, write) as file, tempfile.TemporaryDirectory(prefix="s3sentinel-score-") as scratch:
        earlier = [output / f"scores.{kind}" for kind in _KINDS]
        events, reports = gather(
            files, Path(scratch), log_format, pattern_columns, without=earlier, on_result=results.append, quiet=quiet
        )
        scorer = OfflineScorer(events, load, Limits().state_keys)
        top = _empty(RESULT_SCHEMA)
        with _rows_to(file, output, write) as rows:
            for frame in _shown(scorer.results(), len(events.hours), quiet=quiet):
                rows(frame)
                top = most_urgent([top, frame])
        done = scorer.done
        rejected = check_account(reports, events=done.events, duplicates=done.duplicates)
    records = sum(report.records for report in reports)
    return Scored(output / f"scores.{write}", done, rejected, records, reports, top, results)


def gather(
    files: Iterable[Path],
    scratch: Path,
    log_format: str = "auto",
    more: "Columns | None" = None,
    *,
    without: Iterable[Path] = (),
    on_result: Callable[[Path], None] = lambda _: None,
    quiet: bool = True,
) -> "tuple[HourlyEvents, list[ObjectReport]]":
    """Parses log files and puts their events aside by hour.

    Args:
        files: log files and folders.
        scratch: an empty folder, which must stay as long as the events are used.
        log_format: their format, or ``auto``.
        more: further columns; see `HourlyEvents`.
        without: files that are left out.
        on_result: told each file that is left out because it holds results of `score_files`.
        quiet: no progress at a terminal.

    Raises:
        UserError: a path does not exist, or holds no file.
        ConfigurationError: no such format.
    """
    from s3sentinel_assets.cli.log_files import find_files, progress
    from s3sentinel_assets.errors import UserError
    from s3sentinel_assets.formats import PartParser
    from s3sentinel_assets.pipeline.offline_events import HourlyEvents

    asked, left_out = list(files), {path.resolve() for path in without}
    paths = list[Path]()
    for path in find_files(asked):
        if path.resolve() in left_out:
            continue
        if _holds_results(path):
            on_result(path)
        else:
            paths.append(path)
    if not paths:
        raise UserError(f"{asked[0]}: holds nothing but earlier results; name a folder of logs")
    parser, events = PartParser(log_format), HourlyEvents(scratch, more)
    with progress(paths, quiet=quiet) as advance:
        for frame in parser.frames(_inputs(paths, advance, scratch)):
            events.take(frame)
    events.leave_out(parser.discarded)
    return events, parser.reports


def _holds_results(path: Path) -> bool:
    """Whether a file has the columns that `score_files` writes."""
    import polars as pl

    from s3sentinel_assets.pipeline.offline import RESULT_SCHEMA

    columns: Iterable[str] = ()
    try:
        if not path.is_file():  # a pipe can be read only once
            return False
        with path.open("rb") as file:
            start = file.read(12)
            if start.startswith(b"PAR1"):
                columns = pl.read_parquet_schema(path)
            elif start == b'{"event_id":':
                columns = json.loads(start + file.readline(_LONGEST_LINE))
    except (OSError, ValueError, pl.exceptions.PolarsError):
        return False  # reading it will say what it is
    return set(columns) == set(RESULT_SCHEMA)


def _inputs(paths: list[Path], advance: Callable[[int], None], scratch: Path) -> "Iterator[ObjectInput]":
    """The files, identified by their content: event ids are then the same wherever a file lies and whatever its name.

    So the events of a copy have the same ids, and are counted as copies. What can be read only once, such as a pipe, is
    written to ``scratch`` first.
    """
    from s3sentinel_assets.cli.log_files import opener
    from s3sentinel_assets.containers import ReadFailure
    from s3sentinel_assets.formats import ObjectInput

    for number, path in enumerate(paths):
        source, read = path, opener(path, advance)
        if _passes_once(path):
            source = scratch / f"piped-{number}"
            try:
                with source.open("xb") as file:
                    file.writelines(read())
                read = opener(source, lambda _: None)
            except ReadFailure as error:
                read = _broken(error)
        try:
            with source.open("rb") as file:
                identity = hashlib.file_digest(file, "sha256").hexdigest()[:32]
        except OSError:  # reading it will say why
            identity = hashlib.sha256(str(path).encode(errors="surrogateescape")).hexdigest()[:32]
        yield ObjectInput(number, str(path), identity, read)


def _passes_once(path: Path) -> bool:
    """Whether what was read of it is gone, as with a pipe."""
    try:
        return path.exists() and not path.is_file() and not path.is_dir()
    except OSError:
        return False


def _broken(error: Exception) -> Callable[[], Iterator[bytes]]:
    def chunks() -> Iterator[bytes]:
        raise error
        yield b""

    return chunks


def shipped_models() -> Path:
    """The folder of models that ship."""
    import s3sentinel_assets

    return Path(s3sentinel_assets.__path__[0]).parent / "models"


def model_loader(models: Path | None = None, champions: Path | None = None) -> "Callable[[str], Any]":
    """Gives the function that loads the model of a format; None for a format without one."""
    from s3sentinel_assets.ml import load_model
    from s3sentinel_assets.ml.history.families import FORMATS

    folder = models or shipped_models()
    return lambda log_format: load_model(folder, log_format, champions) if log_format in FORMATS else None


@contextmanager
def _new_file(folder: Path, kind: str) -> Iterator[BinaryIO]:
    """Gives a file to write results to, before any work is done; it gets its name only when all went well.

    The name while it is written is nobody else's, so two runs may write to one folder: the later one's results stay.

    Raises:
        UserError: the folder cannot be made or written.
    """
    from s3sentinel_assets.errors import UserError

    path = folder / f"scores.{kind}"
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: is a file; --output names the folder for scores.{kind}")
    if path.is_dir():
        raise UserError(f"{path}: is a folder; choose another --output")
    part = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    with _told(path):
        folder.mkdir(parents=True, exist_ok=True)
        file = part.open("xb")
    try:
        yield file
        with _told(path):
            file.close()
            part.replace(path)
    finally:
        with suppress(OSError):
            file.close()
        part.unlink(missing_ok=True)


@contextmanager
def _rows_to(file: BinaryIO, folder: Path, kind: str) -> "Iterator[Callable[[pl.DataFrame], None]]":
    """Gives the function that writes results to a file.

    Raises:
        UserError: the file cannot be written.
    """
    import polars as pl

    from s3sentinel_assets.pipeline.offline import RESULT_SCHEMA

    with _told(folder / f"scores.{kind}"):
        if kind == "parquet":
            import pyarrow.parquet as parquet

            schema = _empty(RESULT_SCHEMA).to_arrow().schema
            with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
                yield lambda frame: writer.write_table(frame.to_arrow().cast(schema))
        else:
            yield lambda frame: frame.with_columns(pl.col("time").dt.strftime(_INSTANT)).write_ndjson(file)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turns the system's errors about a result file into a sentence."""
    from s3sentinel_assets.errors import UserError

    try:
        yield
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror or error}); choose another --output") from error


def _empty(schema: "dict[str, pl.DataType]") -> "pl.DataFrame":
    import polars as pl

    return pl.DataFrame(schema=schema)


def _shown(frames: "Iterator[pl.DataFrame]", hours: int, *, quiet: bool) -> "Iterator[pl.DataFrame]":
    """The frames, with a progress bar over the hours at a terminal."""
    if quiet or not sys.stderr.isatty():
        yield from frames
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(frames, "scoring", total=hours, console=Console(stderr=True), transient=True)
