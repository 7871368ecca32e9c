"""``python -m benchmarks``: the command line of the benchmark.

Belongs here: arguments, progress and output. Does not belong here: measuring.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.inputs import SOURCES, Source, make_inputs
from benchmarks.rounds import VARIANTS, Bench, Plan, running_bench
from s3sentinel_assets.errors import UserError

_MB = 1_000_000
#: Name → raw bytes by source.
_SIZES: dict[str, dict[Source, int]] = {
    "tiny": {"cloudtrail": 500_000, "vpc_flow": 500_000},
    "small": {"cloudtrail": 15 * _MB, "vpc_flow": 5 * _MB},
    "default": {"cloudtrail": 100 * _MB, "vpc_flow": 30 * _MB},
    "large": {"cloudtrail": 300 * _MB, "vpc_flow": 90 * _MB},
}
#: An hour of the history, as a part of the measured one: enough that most principals are no newcomers.
_HISTORY = {"cloudtrail": 4, "vpc_flow": 2}
_LONGER = 4


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.partition("\n")[0] if __doc__ else None)
    add = parser.add_argument
    add("--size", choices=_SIZES, default="default", help="how much raw log (default: 100 MB CloudTrail, 30 MB flows)")
    add("--rounds", type=_positive, default=3, help="interleaved rounds (default 3)")
    add("--source", choices=SOURCES, action="append", help="only this source; may be given twice")
    add("--seed", type=int, default=7, help="other logs")
    add("--work", type=Path, default=Path(".s3sentinel/bench"), help="folder for inputs that are kept")
    add("--chart", type=Path, help="write the chart (SVG) there")
    add("--table", type=Path, help="write the figures into this Markdown file, between its two bench marks")
    add("--json", type=Path, help="write all figures there")
    add("--no-memory", action="store_true", help="leave out the hour that is four times as long")
    return parser.parse_args()


def _prepared(bench: Bench, sizes: dict[Source, int], progress: Progress) -> dict[Source, Plan]:
    """Inputs and histories, made here so that no round has to."""
    from benchmarks.child import WARM_BYTES
    from benchmarks.history import make_history

    plans: dict[Source, Plan] = {}
    for source, size in sizes.items():
        task = progress.add_task(f"{source}: making logs", total=None)
        inputs = make_inputs(bench.work, source, size, seed=bench.seed)
        make_inputs(bench.work, source, WARM_BYTES, seed=bench.seed)
        history, warm = (
            make_history(bench.work, source, learnt, seed=bench.seed)
            for learnt in (size // _HISTORY[source], WARM_BYTES)
        )
        plans[source] = Plan(inputs, size, history, warm)
        progress.remove_task(task)
    return plans


def _longer_hours(
    bench: Bench, plans: dict[Source, Plan], progress: Progress
) -> dict[Source, tuple[int, dict[str, Any]]]:
    found: dict[Source, tuple[int, dict[str, Any]]] = {}
    for source, plan in plans.items():
        task = progress.add_task(f"{source}: an hour {_LONGER} times as long", total=None)
        size = plan.size * _LONGER
        inputs = make_inputs(bench.work, source, size, seed=bench.seed)
        found[source] = (inputs.raw_bytes, bench.larger(source, plan, inputs, size))
        progress.remove_task(task)
    return found


def _measure(chosen: argparse.Namespace, console: Console) -> dict[str, Any]:
    from benchmarks.summary import summarise

    began, load = time.monotonic(), os.getloadavg()[0]
    sizes: dict[Source, int] = {
        source: size for source, size in _SIZES[chosen.size].items() if source in (chosen.source or SOURCES)
    }
    work = chosen.work.resolve()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    quiet = not console.is_terminal
    with running_bench(work, chosen.seed) as bench, Progress(*columns, console=console, disable=quiet) as progress:
        plans = _prepared(bench, sizes, progress)
        task = progress.add_task("rounds", total=chosen.rounds * len(plans) * len(VARIANTS))
        results = bench.rounds(plans, chosen.rounds, lambda said: progress.update(task, advance=1, description=said))
        longer = {} if chosen.no_memory else _longer_hours(bench, plans, progress)
        cores = {"core": bench.core, "sink_core": bench.sink_core}
    figures = {
        source: summarise(source, plan.inputs, results[source], longer.get(source)) for source, plan in plans.items()
    }
    machine = cores | {
        "cores": os.cpu_count(),
        "load_before": round(load, 1),
        "load_after": round(os.getloadavg()[0], 1),
    }
    return {
        "size": chosen.size,
        "rounds": chosen.rounds,
        "seed": chosen.seed,
        "seconds": round(time.monotonic() - began),
        "machine": machine,
        "sources": figures,
    }


def main() -> None:
    """Measures, prints, draws."""
    chosen = _arguments()
    try:
        document = _measure(chosen, Console(stderr=True))
    except (RuntimeError, UserError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    from benchmarks.report import print_report, update_table

    print_report(document, Console(width=None if sys.stdout.isatty() else 150))
    if chosen.chart:
        from benchmarks.chart import draw

        draw(document, chosen.chart)
    if chosen.table:
        update_table(document, chosen.table)
    if chosen.json:
        chosen.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"bench: {json.dumps(document, separators=(',', ':'))}\n")


if __name__ == "__main__":
    main()
