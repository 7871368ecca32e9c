"""A job: one source's hour, delivered one way, in this process.

Belongs here: what a job is given and what it reports, whichever way it goes. Does not belong here: the ways themselves
(``ours``, ``ordinary``), processes and cores (``rounds``).
"""

import gc
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from benchmarks.clock import StageClock
from benchmarks.inputs import InputSet
from benchmarks.memory import forget_peak, peak, resident

__all__ = ["DICTIONARIES", "MODELS", "Job", "Outcome", "Way", "measured"]

Way = Literal["ours", "ordinary"]
#: Weights, thresholds and the priority table: the same for both ways.
MODELS = Path(__file__).resolve().parent.parent / "models"


#: What the ordinary way has learnt, in the history's folder.
DICTIONARIES = "state.pickle"


@dataclass(frozen=True)
class Job:
    """One job.

    Attributes:
        way: which way.
        inputs: the objects.
        history: folder with what the model has learnt (``history``); None: without scores.
        home: an empty folder for whatever the job writes.
        endpoint: of the sink.
        ca_file: of the sink.
        rule: the data collection rule, by which the sink tells jobs apart.
        part_bytes: most stored bytes of a part; None: the product's default.
    """

    way: Way
    inputs: InputSet
    history: Path | None
    home: Path
    endpoint: str
    ca_file: Path
    rule: str
    part_bytes: int | None = None

    @property
    def scored(self) -> bool:
        """Whether the events get scores."""
        return self.history is not None

    @property
    def history_folder(self) -> Path:
        """The folder of the history, for a job that scores."""
        if self.history is None:
            raise ValueError("this job has no history to score with")
        return self.history


@dataclass
class Outcome:
    """What a job took.

    Attributes:
        cpu: CPU seconds of the process, all threads.
        wall: seconds.
        stages: CPU seconds by stage.
        baseline: resident bytes before it began, with everything imported.
        peak: most resident bytes while it ran.
        entries: how often a stage was entered, where that means something.
    """

    cpu: float
    wall: float
    stages: dict[str, float]
    baseline: int
    peak: int
    entries: dict[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def measured(job: Job, run: Callable[[Job, StageClock], None], prepare: Callable[[Job], None] | None = None) -> Outcome:
    """Runs a job and reports what it took; ``prepare`` furnishes the home before, unmeasured."""
    shutil.rmtree(job.home, ignore_errors=True)
    if prepare is not None:
        prepare(job)
    job.home.mkdir(parents=True, exist_ok=True)
    gc.collect()
    baseline = resident()
    forget_peak()
    clock = StageClock()
    wall, cpu = time.monotonic(), time.process_time()
    run(job, clock)
    stages = clock.finish()
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    return Outcome(cpu, wall, stages, baseline, peak(), dict(clock.entries))
