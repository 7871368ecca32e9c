"""``python -m chaos``: both scenarios, a histogram of where workers died, and the line that counts.

Belongs here: arguments, progress and output. Does not belong here: the scenarios (``run``).
"""

import argparse
import contextlib
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chaos.run import Outcome

__all__ = ["main"]

_BAR = 40
#: Of the first scenario's kills, this part in the second, within limits.
_SHARE, _FEWEST, _MOST = 10, 2, 16


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; 0 when nothing is lost or doubled within the bound, and the rest is as it must be."""
    parser = argparse.ArgumentParser(prog="make chaos", description="Kills delivery again and again, and counts.")
    parser.add_argument("--kills", type=_positive, default=200, help="workers to kill (default 200)")
    parser.add_argument("--seed", type=int, default=1, help="other instants, other weather")
    parser.add_argument("--keep", type=Path, help="keep ledger, store and workspace in this new folder")
    parser.add_argument("--json", action="store_true", help="all figures as one JSON object for each scenario")
    given = parser.parse_args(arguments)
    from s3sentinel_assets.errors import UserError

    try:
        with _home(given.keep) as home:
            first, second = _both(home, given.kills, given.seed, quiet=given.json)
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt:
        return 130
    for outcome in (first, second):
        if given.json:
            sys.stdout.write(json.dumps(outcome.as_object()) + "\n")
        else:
            _print(outcome)
    verdict = second.verdict
    sys.stdout.write(
        f"chaos beyond the bound: {second.line()} late_copies={verdict.late} reported={verdict.reported} "
        f"once={verdict.once}\n"
    )
    sys.stdout.write(f"chaos: {first.line()}\n")
    return 1 if first.problems or second.problems else 0


@contextlib.contextmanager
def _home(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="s3sentinel-chaos-") as folder:
            yield Path(folder)
        return
    from s3sentinel_assets.errors import UserError

    try:
        keep.mkdir(parents=True)
    except OSError as error:
        raise UserError(f"{keep}: cannot be made ({error.strerror}); --keep takes a new folder") from None
    yield keep.resolve()


def _both(home: Path, kills: int, seed: int, *, quiet: bool) -> "tuple[Outcome, Outcome]":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from chaos.run import beyond_the_bound, within_the_bound
    from chaos.world import stand_ins

    late_kills = min(_MOST, max(_FEWEST, kills // _SHARE))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    hidden = quiet or not console.is_terminal
    with stand_ins(home) as (aws, workspace), Progress(*columns, console=console, disable=hidden) as progress:

        def run(scenario: "Callable[..., Outcome]", folder: str, description: str, number: int) -> "Outcome":
            task = progress.add_task(description, total=number)
            return scenario(
                home / folder, aws, workspace, kills=number, seed=seed, on_kill=lambda: progress.advance(task)
            )

        first = run(within_the_bound, "within", "kills within the bound", kills)
        second = run(beyond_the_bound, "beyond", "kills beyond the bound", late_kills)
    return first, second


def _print(outcome: "Outcome") -> None:
    from rich.console import Console
    from rich.table import Table

    from chaos.moments import PHASES

    console = Console() if sys.stdout.isatty() else Console(width=120)
    kills = outcome.tally.kills
    most = max(kills.values(), default=1)
    table = Table("phase", "killed when", "kills", "", title=f"{outcome.name}: {outcome.seconds:.0f} s")
    for phase, moments in PHASES.items():
        for moment in moments:
            bar = "█" * round(kills[moment] * _BAR / most)
            table.add_row(phase if moment is moments[0] else "", moment.value, f"{kills[moment]:,}", bar)
    console.print(table)
    shown = outcome.as_object()
    shown["weather"] = ", ".join(f"{count} × {kind}" for kind, count in sorted(outcome.weather.items()))
    for name, value in shown.items():
        if name not in ("scenario", "phases", "moments", "problems", "seconds"):
            console.print(f"{name.replace('_', ' ')}: {value}", markup=False, highlight=False, soft_wrap=True)
    for problem in outcome.problems:
        console.print(f"problem: {problem}", markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
