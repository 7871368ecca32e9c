"""Runs whose process is gone: a run inside a command dies with the command, and Dagster cannot know.

Belongs here: marking such runs with their process, and failing those whose process has ended, so that they hold no
place in the run queue. Does not belong here: the work itself; the ledger lets the next run finish it. Dagster watches
the runs that its daemon launches (``run_monitoring``).
"""

import os
import socket
from pathlib import Path

import dagster as dg

__all__ = ["fail_orphans", "process_tags"]

_IN_PROCESS = {"s3sentinel/in_process": "yes"}
_PROCESS_TAG = "s3sentinel/process"
_UNFINISHED = [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]


def _started(pid: int) -> str | None:
    """When the process began, in clock ticks since boot, where the system tells; None if there is no such process."""
    stat = Path(f"/proc/{pid}/stat")
    if stat.parent.parent.is_dir() and Path("/proc/self/stat").is_file():
        try:
            # The name, in parentheses, may hold spaces; the start is the 20th field behind it.
            return stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
        except (FileNotFoundError, ProcessLookupError):
            return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass  # it exists and belongs to somebody else
    return "unknown"


def process_tags() -> dict[str, str]:
    """Tags that say which process a run lives in: host, process id, start."""
    return _IN_PROCESS | {_PROCESS_TAG: f"{socket.gethostname()}|{os.getpid()}|{_started(os.getpid())}"}


def _gone(tag: str) -> bool:
    host, pid, started = tag.rsplit("|", 2)
    # Another host's processes cannot be seen from here: its own next command or sensor cleans up.
    return host == socket.gethostname() and _started(int(pid)) != started


def fail_orphans(instance: dg.DagsterInstance) -> list[str]:
    """Fails the unfinished runs of this host's dead processes.

    Returns:
        The ids of the runs.
    """
    failed = []
    for run in instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED, tags=_IN_PROCESS)):
        if _gone(run.tags[_PROCESS_TAG]):
            instance.report_run_failed(
                run, "The process of this run ended; the next run of its hours finishes the work."
            )
            failed.append(run.run_id)
    return failed
