"""Bringing a span of hours up to date in one action: waves of runs in this process, recorded in a Dagster instance.

Belongs here: the waves and their order. Does not belong here: what a run does (``assets``) or how progress is shown
(``cli``).

A state leans on the state of the hour before and scores lean on states, so each day at most is taken in three waves:
list and parse, then seal and advance the states in order, then score and deliver. Every wave is brought up to date even
if the one before failed for some hours: what is in the ledger is delivered, and the rest is reported.
"""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.instance.ref import InstanceRef

from s3sentinel_assets.assets.raw import Narrowed
from s3sentinel_assets.errors import ConfigurationError, UserError
from s3sentinel_assets.hours import hour_range
from s3sentinel_assets.jobs import range_tags, run_tags
from s3sentinel_assets.orphans import fail_orphans, process_tags
from s3sentinel_assets.partitions import HOURS_PER_RUN

__all__ = ["WAVES", "WaveResult", "folder_instance", "run_hours"]

WAVES: dict[str, tuple[str, ...]] = {
    "list and parse": ("raw_logs", "parsed_logs"),
    "seal and state": ("entity_state",),
    "score and deliver": ("scored_logs", "delivered_batches"),
}

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class WaveResult:
    """The outcome of one run.

    Attributes:
        source: the source's name.
        wave: a key of `WAVES`.
        first: first hour of the run.
        last: last hour of the run.
        run_id: the Dagster run.
        done: runs finished so far, this one included.
        total: runs that there will be.
        problems: a sentence for each asset that failed; empty when all hours are up to date.
    """

    source: str
    wave: str
    first: str
    last: str
    run_id: str
    done: int
    total: int
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether every hour of the run is up to date."""
        return not self.problems


def _config(source: str, narrowed: Narrowed) -> dict[str, Any]:
    """The run configuration of ``raw_logs``."""
    return {"ops": {f"{source}__raw_logs": {"config": narrowed.model_dump()}}}


def _sentences(result: dg.ExecuteInProcessResult) -> tuple[str, ...]:
    """One sentence for each step that failed."""
    if result.success:
        return ()
    sentences = []
    for event in result.all_events:
        if not event.is_step_failure:
            continue
        data = event.step_failure_data
        if data.user_failure_data and data.user_failure_data.description:
            sentences.append(data.user_failure_data.description)
        elif data.error:
            sentences.append((data.error.cause or data.error).message.strip().splitlines()[-1])
    return tuple(sentences) or (f"run {result.run_id} failed; see it in the Dagster UI",)


def _check(defs: dg.Definitions, sources: Sequence[str], first: str, last: str) -> None:
    graph = defs.resolve_asset_graph()
    for source in sources:
        key = dg.AssetKey([source, "raw_logs"])
        if key not in graph.get_all_asset_keys():
            raise ConfigurationError(f"there is no enabled source {source!r} in the configuration")
        partitions = graph.get(key).partitions_def
        for hour in (first, last):
            if partitions is None or not partitions.has_partition_key(hour):
                raise UserError(
                    f"{hour} is no hour of {source}; hours are written like 2026-11-20-07:00 in UTC, from 'start' in "
                    "the configuration to the present one"
                )
    if first > last:
        raise UserError(f"the first hour {first} is after the last one {last}; exchange them")


def run_hours(
    defs: dg.Definitions,
    instance: dg.DagsterInstance,
    sources: Sequence[str],
    first: str,
    last: str,
    on_progress: Callable[[WaveResult], None] = lambda _: None,
    *,
    trigger: str = "backfill",
    narrowed: Narrowed | None = None,
) -> list[WaveResult]:
    """Brings every hour from ``first`` to ``last`` of the sources up to date.

    Args:
        defs: from `definitions.build_defs`.
        instance: where the runs are recorded.
        sources: names of the sources, taken one after another.
        first: first hour.
        last: last hour, included.
        on_progress: told after each run.
        trigger: the value of the runs' trigger tag.
        narrowed: what ``raw_logs`` is narrowed to. Hours are then not sealed: that would need all of them.

    Returns:
        The runs in the order they were made; one that is not ``ok`` names what failed.

    Raises:
        UserError: there is no such source or hour. Nothing has run then.
    """
    _check(defs, sources, first, last)
    fail_orphans(instance)
    job = defs.resolve_implicit_global_asset_job_def()
    hours = list(hour_range(first, last))
    days = [(hours[at], hours[at : at + HOURS_PER_RUN][-1]) for at in range(0, len(hours), HOURS_PER_RUN)]
    narrowed = narrowed or Narrowed()
    waves = {
        wave: assets for wave, assets in WAVES.items() if "entity_state" not in assets or narrowed.key_filter() is None
    }
    total = len(sources) * len(days) * len(waves)
    results: list[WaveResult] = []
    for source in sources:
        for begin, end in days:
            for wave, assets in waves.items():
                tags = run_tags(source, trigger) | process_tags() | ({} if begin == end else range_tags(begin, end))
                result = job.execute_in_process(
                    instance=instance,
                    asset_selection=[dg.AssetKey([source, name]) for name in assets],
                    partition_key=begin if begin == end else None,
                    tags=tags | {"s3sentinel/wave": wave},
                    run_config=_QUIET | (_config(source, narrowed) if "raw_logs" in assets else {}),
                    raise_on_error=False,
                )
                results.append(
                    WaveResult(source, wave, begin, end, result.run_id, len(results) + 1, total, _sentences(result))
                )
                on_progress(results[-1])
    return results


@contextlib.contextmanager
def folder_instance() -> Iterator[dg.DagsterInstance]:
    """The Dagster instance that ``dagster dev`` uses when started in the working directory.

    Its ``dagster.yaml`` is that of ``$DAGSTER_HOME`` where this is set, else the one of the working directory.

    Raises:
        ConfigurationError: there is no ``dagster.yaml``.
    """
    home = Path(os.environ.get("DAGSTER_HOME") or Path.cwd()).resolve()
    if not (home / "dagster.yaml").is_file():
        raise ConfigurationError(f"{home} holds no dagster.yaml; run in the project folder or set DAGSTER_HOME")
    (home / ".dagster").mkdir(exist_ok=True)
    with contextlib.ExitStack() as stack:
        # Two processes that create SQLite's tables at once leave them broken for good.
        with (home / ".dagster" / "opening.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # Runs in this process would otherwise have its terminal, progress bar and all, redirected into files.
            silent = {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
            ref = InstanceRef.from_dir(str(home), overrides={"compute_logs": silent})
            instance = stack.enter_context(dg.DagsterInstance.from_ref(ref))
            for touch in (instance.get_runs_count, instance.all_asset_keys, instance.all_instigator_state):
                touch()
        yield instance
