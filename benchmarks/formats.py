"""``python -m benchmarks.formats``: how fast every format is parsed, next to the ordinary way, on one core in one run.

Belongs here: the command, the rounds and the table. Does not belong here: the logs (``format_samples``).

What is timed is the whole of the log parser: cutting, decoding, types, the table's columns, event ids and the entity
view; of the ordinary way only rows as dictionaries, without types or a table. So the ratio is on the careful side.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

__all__ = ["main"]

_MB = 1e6
_ONE_CORE = "POLARS_MAX_THREADS"


def main(arguments: list[str] | None = None) -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        prog="make bench-formats", description="Measures the log parser, format by format."
    )
    parser.add_argument("formats", nargs="*", help="only these")
    parser.add_argument("--megabytes", type=float, default=8, help="raw log a format (default 8)")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds (default 3)")
    parser.add_argument("--json", action="store_true", help="one JSON object for each format, on one line")
    parser.add_argument("--table", type=Path, help="write the figures into this Markdown file, between its two marks")
    given = parser.parse_args(arguments)
    if os.environ.get(_ONE_CORE) != "1":
        # Polars reads it when it is loaded, so another process does the work.
        command = [sys.executable, "-m", "benchmarks.formats", *(sys.argv[1:] if arguments is None else arguments)]
        os.execve(sys.executable, command, os.environ | {_ONE_CORE: "1"})  # noqa: S606 - ourselves again
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    rows = [_measure(name, given.megabytes * _MB, given.rounds) for name in _chosen(given.formats)]
    if given.json:
        for row in rows:
            sys.stdout.write(json.dumps(row) + "\n")
    else:
        _print(rows)
    if given.table:
        _write(given.table, rows)
    return 0


def _chosen(names: list[str]) -> list[str]:
    from benchmarks.format_samples import SAMPLES
    from s3sentinel_assets.formats import format_names

    return [name for name in SAMPLES if name in format_names() and (not names or name in names)]


def _measure(name: str, size: float, rounds: int) -> dict[str, object]:
    from benchmarks.format_samples import SAMPLES, make_content
    from s3sentinel_assets.formats import ObjectInput, PartParser

    sample = SAMPLES[name]
    content, records = make_content(sample, int(size))
    pieces = [content[at : at + (64 << 10)] for at in range(0, len(content), 64 << 10)]

    def ours() -> int:
        parser = PartParser(name)
        return sum(frame.rows.height for frame in parser.frames([ObjectInput(0, "x", "0" * 20, lambda: pieces)]))

    seconds: dict[str, list[float]] = {"ours": [], "ordinary": []}
    for _ in range(rounds):
        for way, run in (("ours", ours), ("ordinary", lambda: len(sample.read_ordinarily(content)))):
            seconds[way].append(_seconds(run, records if way == "ours" else None))
    mine, theirs = (median(seconds[way]) for way in ("ours", "ordinary"))
    return {
        "format": name,
        "megabytes": round(len(content) / _MB, 1),
        "records": records,
        "mb_per_second": round(len(content) / mine / _MB, 1),
        "records_per_second": round(records / mine),
        "ordinary_mb_per_second": round(len(content) / theirs / _MB, 1),
        "ratio": round(theirs / mine, 2),
    }


def _seconds(run: Callable[[], int], expected: int | None) -> float:
    began = time.process_time()
    made = run()
    took = time.process_time() - began
    if expected is not None and made != expected:
        raise AssertionError(f"{made} rows of {expected} records")
    return took


def _cells(row: dict[str, object]) -> list[str]:
    return [
        str(row["format"]),
        f"{row['mb_per_second']:,}",
        f"{row['records_per_second']:,}",
        f"{row['ordinary_mb_per_second']:,}",
        f"{row['ratio']} ×",
    ]


_HEADINGS = ("format", "MB/s", "records/s", "ordinary MB/s", "ratio")


def _print(rows: list[dict[str, object]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for place, heading in enumerate(_HEADINGS):
        table.add_column(heading, justify="right" if place else "left")
    for row in rows:
        table.add_row(*_cells(row))
    Console().print(table)


def _write(path: Path, rows: list[dict[str, object]]) -> None:
    """Replaces what stands between the two marks of the file."""
    begin, end = "<!-- formats -->", "<!-- /formats -->"
    head, _, rest = path.read_text(encoding="utf-8").partition(begin)
    tail = rest.partition(end)[2]
    lines = ["| " + " | ".join(_HEADINGS) + " |", "|---|---:|---:|---:|---:|"]
    lines += ["| " + " | ".join(_cells(row)) + " |" for row in rows]
    path.write_text(head + begin + "\n" + "\n".join(lines) + "\n" + end + tail, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
