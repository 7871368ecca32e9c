"""``s3sentinel parse``: try the log parser on local files before anything is connected.

Belongs here: the command's options, the summary. Does not belong here: which files are meant (``log_files``), parsing
(``formats``), writing rows to a file (``row_files``).
"""

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from s3sentinel_assets.cli.log_files import READABLE, find_files, inputs, opener, progress
from s3sentinel_assets.cli.printable import json_line, printable

if TYPE_CHECKING:
    from rich.console import Console

    from s3sentinel_assets.formats import Detection, ObjectReport

__all__ = ["parse"]

_LISTED_REJECTS = 100
_LISTED_FILES = 40


def parse(
    files: Annotated[
        list[Path], typer.Argument(help="Log files and folders of them, compressed or not.", metavar="FILE…")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the normalised rows here: x.ndjson or x.parquet.")
    ] = None,
    format: Annotated[str, typer.Option("--format", "-f", help="The files' format; auto recognises each.")] = "auto",  # noqa: A002
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each file, on one line.")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Say why each file was taken for its format.")] = False,
) -> None:
    """Detect, parse and normalise local log files.

    Exit code 0 when every file could be read, 1 when any could not.
    """
    from s3sentinel_assets.cli.row_files import row_file
    from s3sentinel_assets.formats import PartParser

    parser = PartParser(format)
    paths = list(find_files(files))
    with row_file(output) as rows, progress(paths, quiet=as_json) as advance:
        for frame in parser.frames(inputs(paths, advance)):
            rows.write(frame)
    rejects = _rejects_by_file(parser)
    detections = [_detection(path) if explain else None for path in paths]
    if as_json:
        for report, detection in zip(parser.reports, detections, strict=True):
            print(json_line(_as_object(report, rejects.get(report.object_id, []), detection)))
    else:
        _print_summary(parser.reports, rejects, detections, rows.written)
    if any(report.state not in READABLE for report in parser.reports):
        raise typer.Exit(1)


def _rejects_by_file(parser: Any) -> dict[int, list[dict[str, Any]]]:
    """Object id → its rejects, without their bytes."""
    found: dict[int, list[dict[str, Any]]] = {}
    listed = parser.rejects.select("object_id", "position", "offset", "reason", "detail")
    for object_id, position, offset, reason, detail in listed.iter_rows():
        entry = {"position": position, "offset": offset, "reason": reason, "detail": detail}
        found.setdefault(object_id, []).append(entry)
    return found


def _detection(path: Path) -> "Detection | None":
    """What detection makes of the file's head; None when it cannot be read."""
    from s3sentinel_assets.containers import ContainerError, ReadFailure, decode
    from s3sentinel_assets.formats import detect
    from s3sentinel_assets.formats.detection import HEAD_BYTES

    head = b""
    try:
        for piece in decode(opener(path, lambda _: None)(), ratio_limit=1_000, bytes_limit=1 << 30):
            head += piece
            if len(head) >= HEAD_BYTES:
                break
    except ReadFailure:
        return None
    except ContainerError:
        pass  # what came before the damage is what detection saw, too
    return detect(head[:HEAD_BYTES], str(path)) if head else None


def _as_object(report: "ObjectReport", rejects: list[dict[str, Any]], detection: "Detection | None") -> dict[str, Any]:
    made: dict[str, Any] = {
        "path": report.key,
        "format": report.format,
        "table": report.table,
        "state": report.state,
        "records": report.records,
        "rows": report.rows,
        "rejected": rejects[:_LISTED_REJECTS],
        "rejected_count": report.rejected,
        "rejected_by_reason": dict(Counter(reject["reason"] for reject in rejects)),
        "bytes": report.raw_bytes,
        "decoded_bytes": report.decoded_bytes,
        "sha256": report.sha256,
        "note": report.note,
    }
    if detection is not None:
        made["detection"] = {
            "format": detection.format,
            "confidence": detection.confidence,
            "why": detection.why,
            "considered": [
                {"format": name, "confidence": confidence, "why": why} for name, confidence, why in detection.considered
            ],
        }
    return made


def _remark(report: "ObjectReport", rejects: list[dict[str, Any]]) -> str:
    reasons = Counter(reject["reason"] for reject in rejects)
    parts = [
        f"{count:,} × {reason} (first: record {_first(rejects, reason)})" for reason, count in reasons.most_common()
    ]
    if report.note:
        parts.append(report.note)
    return "\n".join(parts)


def _worth_telling(detection: "Detection") -> list[tuple[str, float, str]]:
    """The formats that the content could be, at least the likeliest two."""
    possible = [entry for entry in detection.considered if entry[1] > 0]
    return possible if len(possible) > 1 else list(detection.considered[:2])


def _first(rejects: list[dict[str, Any]], reason: str) -> int:
    return next(reject["position"] for reject in rejects if reject["reason"] == reason)


def _print_summary(
    reports: list["ObjectReport"],
    rejects: dict[int, list[dict[str, Any]]],
    detections: list["Detection | None"],
    written: list[Path],
) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console() if sys.stdout.isatty() else Console(width=160)
    table = Table(show_lines=False)
    for name, justify in (("file", "left"), ("format", "left"), ("table", "left"), ("state", "left")):
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for name in ("records", "rows", "rejected"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("remarks", overflow="fold")
    # Files with something to say come first where not all can be shown.
    order = range(len(reports))
    shown = sorted(order, key=lambda i: (reports[i].state == "read" and not reports[i].rejected, i))[:_LISTED_FILES]
    for index in sorted(shown):
        report = reports[index]
        cells = [
            report.key,
            report.format or "–",
            report.table or "–",
            report.state.replace("_", " "),
            f"{report.records:,}",
            f"{report.rows:,}",
            f"{report.rejected:,}",
            _remark(report, rejects.get(report.object_id, [])),
        ]
        table.add_row(*(Text(printable(cell, keep="\n")) for cell in cells))
    console.print(table)
    if len(reports) > len(shown):
        console.print(f"… and {len(reports) - len(shown):,} more files without a problem among those listed first")
    for index in sorted(shown):
        if (detection := detections[index]) is not None:
            _say(console, f"why {reports[index].key} is {detection.format or 'of no format'}:")
            for name, confidence, why in _worth_telling(detection):
                _say(console, f"  {name} {confidence:.2f}: {why}")
    _say(
        console,
        f"{len(reports):,} files, {sum(r.records for r in reports):,} records: {sum(r.rows for r in reports):,} rows, "
        f"{sum(r.rejected for r in reports):,} rejected"
        + (f"; rows written to {', '.join(map(str, written))}" if written else ""),
    )


def _say(console: "Console", line: str) -> None:
    """Prints a line as it is: a terminal wraps it, a pipe gets it whole."""
    console.print(printable(line), soft_wrap=True, markup=False, highlight=False)
