"""What a killed `s3sentinel dev` has left in Dagster's history: put right before Dagster starts again.

Belongs here: runs that claim to go on although their process is gone, and sensors somebody stopped. Does not belong
here: runs inside a command (``orphans``), and runs of a Dagster on several machines, whose processes cannot be seen.

Dagster cannot know that such a run has ended: it would hold its hour and its place in the queue for hours.
"""

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    import dagster as dg

__all__ = ["fail_left_runs", "main", "stopped_by_hand"]

_ENDED = "`s3sentinel dev` was ended and this run with it; the next run of its hours finishes the work."


def fail_left_runs(instance: "dg.DagsterInstance") -> list[str]:
    """Fails the runs that have begun and whose process is gone, as Dagster's own event of their start names it.

    Runs that wait in the queue are left: they begin as soon as Dagster runs.

    Returns:
        The ids of the runs.
    """
    import dagster as dg

    from s3sentinel_assets.orphans import fail_orphans

    failed = fail_orphans(instance)
    begun = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
    for run in instance.get_runs(dg.RunsFilter(statuses=begun)):
        in_a_command = "s3sentinel/in_process" in run.tags
        if in_a_command or any(_alive(pid, noted) for pid, noted in _processes(instance, run.run_id)):
            continue
        if run.status is dg.DagsterRunStatus.CANCELING:
            instance.report_run_canceled(run, _ENDED)
        else:
            instance.report_run_failed(run, _ENDED)
        failed.append(run.run_id)
    return failed


def _processes(instance: "dg.DagsterInstance", run_id: str) -> list[tuple[int, float]]:
    """The processes that Dagster noted for the run, and when."""
    import dagster as dg

    found = []
    for record in instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT).records:
        event = record.event_log_entry.dagster_event
        noted = event.engine_event_data.metadata.get("pid") if event else None
        if noted is not None and str(noted.value).isdigit():
            found.append((int(str(noted.value)), record.event_log_entry.timestamp))
    return found


def _alive(pid: int, noted: float) -> bool:
    """Whether the process still lives, and is not another one that got its number since."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return False  # runs are processes of this user
    with contextlib.suppress(OSError):  # no /proc: the number has to do
        ticks = int(
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
        )
        boot = next(line for line in Path("/proc/stat").read_text(encoding="ascii").splitlines() if "btime" in line)
        return int(boot.split()[1]) + ticks / os.sysconf("SC_CLK_TCK") < noted + 2
    return True


def stopped_by_hand(instance: "dg.DagsterInstance") -> list[str]:
    """Sensors and schedules that were stopped in the UI: they stay so, whatever the code says."""
    from dagster._core.scheduler.instigation import InstigatorStatus

    return sorted(state.name for state in instance.all_instigator_state() if state.status is InstigatorStatus.STOPPED)


def main() -> None:
    """Looks after the instance that Dagster is about to open, where it keeps its history on this machine."""
    from s3sentinel_assets.backfill import folder_instance

    if not (Path(os.environ.get("DAGSTER_HOME") or Path.cwd()) / "dagster.yaml").is_file():
        return  # a home without settings, which Dagster fills itself
    with folder_instance() as instance:
        if "sqlite" not in type(instance.run_storage).__name__.lower():
            return
        if failed := fail_left_runs(instance):
            typer.echo(f"runs that lost their process before, now failed: {len(failed)}; their hours come again")
        if stopped := stopped_by_hand(instance):
            typer.echo(f"stopped in the UI before, and still so: {', '.join(stopped)}")
