"""``python -m conformance``: all published samples, and a table of how they came out.

Belongs here: arguments and output. Does not belong here: parsing and comparing (``run``).
"""

import argparse
import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from rich.console import Console
from rich.progress import track
from rich.table import Table

from conformance import folders
from conformance.model import Case, Outcome
from conformance.run import run_case

__all__ = ["all_cases", "main"]

_SHOWN = 5


def all_cases(samples: Path, only: set[str] | None = None) -> Iterator[Case]:
    """The cases of all folders that are there.

    Args:
        samples: holds a folder for each kind of log.
        only: folders to read; None: all.
    """
    for module in sorted(entry.name for entry in iter_modules(folders.__path__)):
        folder = samples / module
        if folder.is_dir() and (only is None or module in only):
            yield from import_module(f"conformance.folders.{module}").cases(folder)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; 0 when everything is as expected."""
    parser = argparse.ArgumentParser(prog="make conformance", description="Parses published samples of log formats.")
    parser.add_argument("folder", nargs="*", help="only these folders of samples, such as alb")
    parser.add_argument("--samples", type=Path, help="where they are (default: $S3SENTINEL_SHARED/data/formats)")
    parser.add_argument("--problems", action="store_true", help="list every problem")
    parser.add_argument("--json", action="store_true", help="one JSON object for each case, on one line")
    given = parser.parse_args(arguments)
    shared = Path(os.environ.get("S3SENTINEL_SHARED") or Path(__file__).resolve().parents[2] / "shared")
    samples = given.samples or shared / "data/formats"
    if not samples.is_dir():
        sys.stderr.write(f"error: no samples in {samples}; name their folder with --samples or S3SENTINEL_SHARED\n")
        return 2
    cases = list(all_cases(samples, set(given.folder) or None))
    quiet = given.json or not sys.stderr.isatty()
    outcomes = [run_case(case) for case in track(cases, "parsing", console=Console(stderr=True), disable=quiet)]
    if given.json:
        for outcome in outcomes:
            sys.stdout.write(json.dumps(outcome.as_object(), ensure_ascii=False, default=str) + "\n")
    else:
        _print(outcomes, _SHOWN if not given.problems else len(outcomes))
    fields, right = sum(outcome.fields for outcome in outcomes), sum(outcome.right for outcome in outcomes)
    parsed = sum(outcome.parsed for outcome in outcomes)
    sys.stdout.write(f"conformance: cases={len(outcomes)} parsed={parsed} fields={fields} fields_right={right}\n")
    return 0 if parsed == len(outcomes) and right == fields else 1


def _print(outcomes: list[Outcome], shown: int) -> None:
    console = Console() if sys.stdout.isatty() else Console(width=160)
    by_format: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_format[outcome.case.format].append(outcome)
    table = Table()
    table.add_column("format")
    for name in ("cases", "parsed", "fields", "fields right", "rows", "quarantined"):
        table.add_column(name, justify="right")
    for name, group in sorted(by_format.items()):
        table.add_row(
            name,
            *(
                f"{number:,}"
                for number in (
                    len(group),
                    sum(outcome.parsed for outcome in group),
                    sum(outcome.fields for outcome in group),
                    sum(outcome.right for outcome in group),
                    sum(outcome.rows for outcome in group),
                    sum(outcome.quarantined for outcome in group),
                )
            ),
        )
    console.print(table)
    wrong = [(outcome, problem) for outcome in outcomes for problem in outcome.problems if outcome.case.valid]
    for outcome, problem in wrong[:shown]:
        console.print(f"{outcome.case.id}: {problem[:300]}", markup=False, highlight=False, soft_wrap=True)
    if len(wrong) > shown:
        console.print(f"… and {len(wrong) - shown:,} more problems (--problems lists them)")


if __name__ == "__main__":
    sys.exit(main())
