"""``s3sentinel quarantine``: what could not be parsed, record by record, and another try once the cause is mended.

Belongs here: options and what is printed. Does not belong here: the records (`pipeline.quarantined`), reading them
again (`pipeline.record_retries`).
"""

import base64
import contextlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from s3sentinel_assets.cli.backfill import backfill, parse_hour
from s3sentinel_assets.cli.printable import json_line, printable

if TYPE_CHECKING:
    from s3sentinel_assets.ledger.quarantine import QuarantinedRecords
    from s3sentinel_assets.pipeline.quarantined import RejectedRecord, Retry
    from s3sentinel_assets.pipeline.runtime import Runtime

__all__ = ["app"]

_SHOWN = 20
_LISTED = 200
_SHOWN_CHARACTERS = 2_000

app = typer.Typer(help="List and show what could not be parsed, and parse it again.", no_args_is_help=True)

_ConfigFile = Annotated[
    Path | None, typer.Option("--config", "-c", help="The file; default $S3SENTINEL_CONFIG or s3sentinel.yaml.")
]
_Source = Annotated[str | None, typer.Option("--source", "-s", help="Only this source.")]
_Hour = Annotated[str | None, typer.Option("--hour", help="Only this hour, such as 2026-11-20-07:00 (UTC).")]
_Reason = Annotated[str | None, typer.Option("--reason", help="Only this reason, as `list` names it.")]
_Object = Annotated[str | None, typer.Option("--object", help="Only objects with this key.")]


@contextlib.contextmanager
def _opened(config: Path | None, source: str | None) -> Iterator["Runtime"]:
    from s3sentinel_assets.config import load_config
    from s3sentinel_assets.pipeline.runtime import Runtime

    with contextlib.closing(Runtime(load_config(config))) as runtime:
        if source is not None:
            runtime.source(source)
        yield runtime


def _entries(
    runtime: "Runtime", source: str | None, hour: str | None, reason: str | None, key: str | None
) -> list["QuarantinedRecords"]:
    from s3sentinel_assets.ledger.quarantine import open_quarantine

    with runtime.ledger.read() as connection:
        return open_quarantine(connection, source, hour and parse_hour(hour), reason, key)


@app.command("list")
def list_(
    source: _Source = None,
    hour: _Hour = None,
    reason: _Reason = None,
    key: _Object = None,
    config: _ConfigFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each object and reason.")] = False,
) -> None:
    """Print what is in quarantine by source, hour, object and reason, and the objects that could not be had."""
    with _opened(config, source) as runtime:
        entries = _entries(runtime, source, hour, reason, key)
    if as_json:
        for entry in entries:
            _print_json({name: value for name, value in asdict(entry).items() if name not in ("id", "uri")})
    elif not entries:
        typer.echo("nothing is in quarantine")
    else:
        _print_entries(entries)


@app.command()
def show(
    source: _Source = None,
    hour: _Hour = None,
    reason: _Reason = None,
    key: _Object = None,
    position: Annotated[int | None, typer.Option("--position", min=0, help="Only the record of this number.")] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", "-n", min=1, help=f"Records at most; default {_SHOWN}, all with --raw and --json."),
    ] = None,
    raw: Annotated[
        str | None,
        typer.Option(
            "--raw",
            metavar="TARGET",
            help="Write the kept bytes: to a folder, one file a record; to a file, one record a line; or to - .",
        ),
    ] = None,
    config: _ConfigFile = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a record; bytes that are not UTF-8 in base64.")
    ] = False,
) -> None:
    """Print rejected records: where they stand, why they were rejected, and their bytes."""
    from s3sentinel_assets.pipeline.quarantined import rejected_records

    problems = list[str]()
    with _opened(config, source) as runtime:
        entries = _entries(runtime, source, hour, reason, key)
        found = rejected_records(runtime, entries, problems)
        wanted = (record for record in found if position is None or record.position == position)
        limit = limit if limit is not None or raw or as_json else _SHOWN
        records = islice(wanted, limit)
        if raw is not None:
            _write_raw(records, raw)
        elif as_json:
            for record in records:
                _print_json(_as_json(record))
        else:
            shown = sum(_print_record(record) for record in records)
            total = sum(entry.records for entry in entries)
            if position is None and shown < total:
                typer.echo(f"{shown:,} of {total:,} records; --limit shows more")
            elif not shown:
                typer.echo("no such record is in quarantine")
    _fail(problems)


@app.command()
def retry(
    source: Annotated[str, typer.Option("--source", "-s", help="The source.")],
    hour: _Hour = None,
    reason: _Reason = None,
    key: _Object = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be parsed again; change nothing.")] = False,
    run: Annotated[bool, typer.Option("--run", help="Bring the hours up to date at once.")] = False,
    config: _ConfigFile = None,
) -> None:
    """Let rejected records be parsed again, after the parser or the source's settings were mended.

    The next run of their hours reads them. What can be parsed now is delivered once; the rest stays in quarantine.
    """
    from s3sentinel_assets.pipeline.quarantined import retry_rejected

    with _opened(config, source) as runtime:
        done = retry_rejected(runtime, source, hour and parse_hour(hour), reason, key, dry_run=dry_run)
    _print_retry(source, done, dry_run=dry_run)
    if run and not dry_run:
        for first, last in _spans(done.hours):
            backfill(first, last, source=[source], config=config)
    elif done.hours:
        typer.echo("bring these hours up to date:" if not dry_run else "hours:")
        shown = f" --config {config}" if config else ""
        for first, last in _spans(done.hours):
            typer.echo(f"  s3sentinel backfill --source {source} --from {first} --to {last}{shown}")
    if done.taken.lost:
        _fail([f"{done.taken.lost:,} records stay: the stage file that holds them is lost; restore it from a backup"])


def _print_retry(source: str, done: "Retry", *, dry_run: bool) -> None:
    taken, will = done.taken, "would" if dry_run else "will"
    if taken.records:
        typer.echo(
            f"{source}: {taken.records:,} rejected records of {taken.objects:,} objects in {len(taken.hours):,} hours "
            f"{will} be parsed again"
        )
    else:
        typer.echo(f"{source}: no rejected records to take up")
    if done.waiting:
        typer.echo(f"{done.waiting:,} records were taken up before and wait for the next run of their hours")
    if done.refused:
        typer.echo(
            f"{done.refused:,} objects could not be had and have no records here; s3sentinel backfill asks for them "
            "again, unless they are gone"
        )


def _spans(hours: Sequence[str]) -> list[tuple[str, str]]:
    """First and last of each run of hours without a gap."""
    from s3sentinel_assets.hours import shift_hour

    spans: list[tuple[str, str]] = []
    for hour in hours:
        if spans and shift_hour(spans[-1][1], 1) == hour:
            spans[-1] = (spans[-1][0], hour)
        else:
            spans.append((hour, hour))
    return spans


def _as_json(record: "RejectedRecord") -> dict[str, Any]:
    entry = record.entry
    shown: dict[str, Any] = {
        "source": entry.source,
        "hour": entry.hour,
        "bucket": entry.bucket,
        "key": entry.key,
        "position": record.position,
        "offset": record.offset,
        "reason": entry.reason,
        "detail": record.detail,
        "bytes": len(record.data),
        "truncated": record.truncated,
    }
    try:
        return shown | {"text": record.data.decode()}
    except UnicodeDecodeError:
        return shown | {"base64": base64.b64encode(record.data).decode()}


def _print_json(values: dict[str, Any]) -> None:
    sys.stdout.write(json_line(values) + "\n")


def _print_record(record: "RejectedRecord") -> int:
    entry, text = record.entry, printable(record.data[: 4 * _SHOWN_CHARACTERS].decode("utf-8", "backslashreplace"))
    place = "" if record.offset is None else f", byte {record.offset:,}"
    typer.echo(f"{entry.source} {entry.hour} s3://{entry.bucket}/{printable(entry.key)}")
    typer.echo(f"  record {record.position:,}{place}: {entry.reason}: {printable(record.detail)}")
    more = len(text) > _SHOWN_CHARACTERS or len(record.data) > 4 * _SHOWN_CHARACTERS
    cut = f" … ({len(record.data):,} bytes{' and more' if record.truncated else ''})" if more else ""
    typer.echo(f"  {text[:_SHOWN_CHARACTERS]}{cut or (' … and more' if record.truncated else '')}")
    return 1


def _write_raw(records: Iterator["RejectedRecord"], target: str) -> None:
    """The kept bytes, each record followed by a line end, or in a file of its own."""
    if target == "-":
        for record in records:
            sys.stdout.buffer.write(record.data + b"\n")
        sys.stdout.buffer.flush()
        return
    path, count = Path(target), 0
    if target.endswith("/") or path.is_dir():
        path.mkdir(parents=True, exist_ok=True)
        for record in records:
            name = f"{record.entry.source}_{record.entry.hour.replace(':', '')}_{record.entry.id}_{record.position}.bin"
            (path / name).write_bytes(record.data)
            count += 1
    else:
        with path.open("wb") as file:
            for record in records:
                file.write(record.data + b"\n")
                count += 1
    typer.echo(f"{count:,} records written to {target}")


def _print_entries(entries: list["QuarantinedRecords"]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("source", "hour", "object", "reason", "records", "first", "said")
    table.columns[4].justify = table.columns[5].justify = "right"
    for entry in entries[:_LISTED]:
        records = f"{entry.records:,}{' (will be parsed again)' if entry.waits else ''}" if entry.records else "object"
        first = f"{entry.first_position:,}" if entry.records else ""
        values = (entry.source, entry.hour, entry.key, entry.reason, records, first, entry.detail or "")
        table.add_row(*(Text(printable(value)) for value in values))  # text, not markup
    Console().print(table)
    if len(entries) > _LISTED:
        typer.echo(f"and {len(entries) - _LISTED:,} more; --json prints all")
    records, refused = sum(entry.records for entry in entries), sum(not entry.records for entry in entries)
    typer.echo(f"{records:,} records in quarantine, {refused:,} objects that could not be had")


def _fail(problems: list[str]) -> None:
    for problem in problems:
        typer.echo(f"error: {problem}", err=True)
    if problems:
        raise typer.Exit(1)
