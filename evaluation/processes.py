"""Seeds side by side: a process for each, and how far they are.

Belongs here: processes and progress. Does not belong here: what a seed does (``seed``).
"""

import contextlib
import json
import multiprocessing
import os
import time
from concurrent.futures import Future, ProcessPoolExecutor, wait
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from evaluation.dataset import Plan

__all__ = ["run_seeds"]

_PROGRESS = "progress.json"


def run_seeds(plan: Plan, folder: Path, workers: int) -> list[Path]:
    """Evaluates the seeds in processes of their own.

    Args:
        plan: what is evaluated.
        folder: gets a folder for each seed.
        workers: how many seeds at a time.

    Returns:
        The folders of their outcomes.
    """
    folders = [folder / f"seed-{seed}" for seed in plan.seeds]
    # The cores are shared out by seeds; threads that wait for a core that is busy make fitting ten times slower.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", *(["POLARS_MAX_THREADS"] if workers > 1 else [])):
        os.environ.setdefault(name, "1")
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[what]}"), TimeElapsedColumn())
    context = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(workers, mp_context=context) as pool,
        Progress(*columns, console=console, disable=not console.is_terminal) as progress,
    ):
        running: dict[Future[None], TaskID] = {}
        for seed, own in zip(plan.seeds, folders, strict=True):
            task = progress.add_task(f"seed {seed}", total=1.0, what="waiting")
            running[pool.submit(_seed, plan, seed, own)] = task
        left = set(running)
        try:
            while left:
                done, left = wait(left, timeout=0.5)
                for future in done:
                    future.result()
                for (_, task), own in zip(running.items(), folders, strict=True):
                    _show_progress(progress, task, own)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return folders


def _show_progress(progress: Progress, task: TaskID, folder: Path) -> None:
    with contextlib.suppress(OSError, ValueError):
        share, what = json.loads((folder / _PROGRESS).read_text(encoding="utf-8"))
        progress.update(task, completed=share, what=what)


def _seed(plan: Plan, seed: int, folder: Path) -> None:
    """What a process does."""
    from evaluation.seed import evaluate_seed

    folder.mkdir(parents=True, exist_ok=True)
    last = 0.0

    def tell(share: float, what: str) -> None:
        nonlocal last
        if time.monotonic() - last > 0.3 or share in (0.0, 1.0):
            last = time.monotonic()
            (folder / _PROGRESS).write_text(json.dumps([share, what]), encoding="utf-8")

    evaluate_seed(plan, seed, folder, tell)
