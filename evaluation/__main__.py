"""``python -m evaluation``: seeds side by side, tables, MLflow, chart, and the line that counts.

Belongs here: arguments and output. Does not belong here: running seeds (``processes``, ``seed``), figures (``report``).
"""

import argparse
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from evaluation.dataset import Plan

__all__ = ["main"]

_ROOT = Path(__file__).resolve().parent.parent
_HOME = _ROOT / ".s3sentinel" / "evaluation"
_CHART = _ROOT / "docs" / "evaluation.svg"
_FIRST_SEED = 1


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; 0 when everything could be measured, whether or not targets are met."""
    given = _arguments(arguments)
    from rich.console import Console

    from s3sentinel_assets.errors import UserError

    console = Console() if sys.stdout.isatty() else Console(width=180)
    try:
        with _work(given.work) as folder:
            return _evaluate(given, folder, console)
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt:
        return 130


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make evaluate", description="What the scores are worth, on known attacks.")
    parser.add_argument("--seeds", type=_positive, default=5, help="how many backgrounds (default 5)")
    parser.add_argument("--first-seed", type=int, default=_FIRST_SEED, help="the first of them (default 1)")
    parser.add_argument("--background", type=Path, help="folder of CloudTrail logs instead of a generated background")
    parser.add_argument("--attacks", type=Path, help="folder of CloudTrail logs with a CSV of the attacks' eventID")
    parser.add_argument("--models", type=Path, default=_ROOT / "models", help="the models as shipped")
    parser.add_argument("--workers", type=_positive, default=2, help="processes for seeds (default 2)")
    parser.add_argument("--scale", type=float, default=1.0, help="size of the generated background (1: 75,000 a day)")
    parser.add_argument("--copies", type=_positive, default=3, help="incidents of each recorded sequence (default 3)")
    parser.add_argument(
        "--poisoning", choices=("first", "all", "none"), default="first", help="seeds with a poisoned history as well"
    )
    parser.add_argument("--no-supervised", action="store_true", help="leave out models that learn from labels")
    parser.add_argument("--quick", action="store_true", help="one small seed of six days: does it run at all")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument(
        "--chart", type=Path, nargs="?", const=_ROOT / "docs" / "evaluation.svg", help="write the chart"
    )
    parser.add_argument("--no-mlflow", action="store_true", help="write no runs to MLflow")
    parser.add_argument("--mlflow-uri", help="tracking server or database (default: SQLite in .s3sentinel/evaluation)")
    parser.add_argument("--work", type=Path, help="keep backgrounds and outcomes in this folder")
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


@contextlib.contextmanager
def _work(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="s3sentinel-evaluation-") as name:
        yield Path(name)


def _plan(given: argparse.Namespace) -> "Plan":
    from evaluation.dataset import Plan, Window

    # A folder of one's own is always the same background; further seeds only draw other transplants.
    seeds = tuple(range(given.first_seed, given.first_seed + (1 if given.quick else given.seeds)))
    poisoned = {"first": seeds[:1], "all": seeds, "none": ()}[given.poisoning]
    return Plan(
        seeds=seeds,
        window=Window(1, 4, 1) if given.quick else Window(),
        models_dir=given.models,
        scale=min(given.scale, 0.2) if given.quick else given.scale,
        copies=1 if given.quick else given.copies,
        background=given.background,
        attacks=given.attacks,
        poisoning=() if given.quick else poisoned,
        supervised=not (given.no_supervised or given.quick),
        part_minutes=15 if given.quick else 5,
    )


def _evaluate(given: argparse.Namespace, folder: Path, console: "Console") -> int:
    from evaluation.processes import run_seeds

    plan, begun = _plan(given), time.monotonic()
    folders = run_seeds(plan, folder, min(given.workers, len(plan.seeds)))
    from evaluation.outcome import read_outcomes
    from evaluation.output import show
    from evaluation.report import make_report
    from evaluation.throughput import measure

    report = make_report(*read_outcomes(folders), measure(folders[0], plan.models_dir))
    show(console, report)
    if given.chart:
        from evaluation.chart import draw

        draw(report.incidents, given.chart)
        console.print(f"chart: {given.chart}", highlight=False, soft_wrap=True)
    if not given.no_mlflow:
        from evaluation.tracking import track

        uri = track(report, _HOME, given.mlflow_uri)
        console.print(f"MLflow: experiment evaluation in {uri}", highlight=False, soft_wrap=True)
    if given.json:
        given.json.write_text(json.dumps(report.as_object(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    line = {
        "seeds": report.facts["seeds"],
        "attacks": report.facts["attacks"],
        "targets": {
            target.name.strip() if target.name.strip() != "aim" else f"aim {target.wanted}": {
                key: value for key, value in asdict(target).items() if key != "name"
            }
            for target in report.targets
        },
        "met": sum(bool(target.met) for target in report.targets),
        "of": len(report.targets),
        "seconds": round(time.monotonic() - begun),
    }
    sys.stdout.flush()
    sys.stdout.write(f"evaluate: {json.dumps(line, ensure_ascii=False)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
