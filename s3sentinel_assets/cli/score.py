"""``s3sentinel score``: score a folder of logs offline, without any account, bucket or workspace.

Belongs here: the command's options, reading files, the result file. Does not belong here: the work
(``pipeline.offline``), which files a folder holds (``log_files``), what is printed (``score_summary``).
"""

import hashlib
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    import polars as pl

    from s3sentinel_assets.formats import ObjectInput, ObjectReport
    from s3sentinel_assets.pipeline.offline import OfflineRun
    from s3sentinel_assets.pipeline.offline_events import Columns, HourlyEvents

__all__ = ["Scored", "gather", "model_loader", "score", "score_files", "shipped_models"]

_INSTANT = "%Y-%m-%dT%H:%M:%S%.6fZ"
_KINDS = ("parquet", "ndjson")


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
    there twice counts once. Exit code 0 when every file could be read, 1 when any could not.
    """
    from s3sentinel_assets.cli.score_summary import print_json, print_tables

    scored = score_files(files, output, format, write, models=models, champions=champions, quiet=as_json)
    (print_json if as_json else print_tables)(scored)
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
    """

    file: Path
    run: "OfflineRun"
    rejected: int
    records: int
    reports: "Sequence[ObjectReport]" = field(repr=False)
    top: "pl.DataFrame" = field(repr=False)

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

    load = model_loader(models, champions)
    with tempfile.TemporaryDirectory(prefix="s3sentinel-score-") as scratch:
        earlier = [output / f"scores.{kind}" for kind in _KINDS]
        events, reports = gather(files, Path(scratch), log_format, pattern_columns, without=earlier, quiet=quiet)
        scorer = OfflineScorer(events, load, Limits().state_keys)
        top = _empty(RESULT_SCHEMA)
        with _result_file(output, write) as rows:
            for frame in _shown(scorer.results(), len(events.hours), quiet=quiet):
                rows(frame)
                top = most_urgent([top, frame])
            done = scorer.done
            rejected = check_account(reports, events=done.events, duplicates=done.duplicates)
    records = sum(report.records for report in reports)
    return Scored(output / f"scores.{write}", done, rejected, records, reports, top)


def gather(
    files: Iterable[Path],
    scratch: Path,
    log_format: str = "auto",
    more: "Columns | None" = None,
    *,
    without: Iterable[Path] = (),
    quiet: bool = True,
) -> "tuple[HourlyEvents, list[ObjectReport]]":
    """Parses log files and puts their events aside by hour.

    Args:
        files: log files and folders.
        scratch: an empty folder, which must stay as long as the events are used.
        log_format: their format, or ``auto``.
        more: further columns; see `HourlyEvents`.
        without: files that are left out.
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
    paths = [path for path in find_files(asked) if path.resolve() not in left_out]
    if not paths:
        raise UserError(f"{asked[0]}: holds nothing but earlier results; name a folder of logs")
    parser, events = PartParser(log_format), HourlyEvents(scratch, more)
    with progress(paths, quiet=quiet) as advance:
        for frame in parser.frames(_inputs(paths, advance)):
            events.take(frame)
    events.leave_out(parser.discarded)
    return events, parser.reports


def _inputs(paths: list[Path], advance: Callable[[int], None]) -> "Iterator[ObjectInput]":
    """The files, identified by their content: event ids are then the same wherever a file lies and whatever its name.

    So the events of a copy have the same ids, and are counted as copies.
    """
    from s3sentinel_assets.cli.log_files import opener
    from s3sentinel_assets.formats import ObjectInput

    for number, path in enumerate(paths):
        try:
            with path.open("rb") as file:
                identity = hashlib.file_digest(file, "sha256").hexdigest()[:32]
        except OSError:  # reading it will say why
            identity = hashlib.sha256(str(path).encode(errors="surrogateescape")).hexdigest()[:32]
        yield ObjectInput(number, str(path), identity, opener(path, advance))


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

            schema = _empty(RESULT_SCHEMA).to_arrow().schema
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
