"""Rounds: every way in a fresh, pinned process, interleaved, against one sink on another core.

Belongs here: processes, cores, order, and the check that everything arrived. Does not belong here: what is made of the
figures (``summary``).
"""

import contextlib
import json
import os
import shutil
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.child import Order
from benchmarks.inputs import InputSet, Source

__all__ = ["VARIANTS", "Bench", "Plan", "running_bench"]

#: Name → way, scored.
VARIANTS: dict[str, tuple[str, bool]] = {
    "ours": ("ours", True),
    "ordinary": ("ordinary", True),
    "ours without scores": ("ours", False),
    "ordinary without scores": ("ordinary", False),
}
_ONE_THREAD = dict.fromkeys(("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Plan:
    """What is measured of a source.

    Attributes:
        inputs: the objects.
        size: raw bytes that were asked for.
        history: what the model has learnt before.
        warm_history: the same, little, for the warm-up.
    """

    inputs: InputSet
    size: int
    history: Path
    warm_history: Path


@dataclass
class Bench:
    """A running sink, and what rounds need beside it."""

    work: Path
    seed: int
    endpoint: str
    ca_file: Path
    core: int
    sink_core: int
    _jobs: int = 0

    def measure(self, source: Source, plan: Plan, variant: str, *, part_bytes: int | None = None) -> dict[str, Any]:
        """One job in a new process: its outcome with what the sink received of it.

        Raises:
            RuntimeError: the job failed, or not every event arrived in bodies that the service would take.
        """
        way, scored = VARIANTS[variant]
        self._jobs += 1
        home = self.work / f"home-{os.getpid()}"
        order = Order(
            way=way,
            source=source,
            size=plan.size,
            history=str(plan.history) if scored else None,
            warm_history=str(plan.warm_history) if scored else None,
            seed=self.seed,
            work=str(self.work),
            home=str(home),
            endpoint=self.endpoint,
            ca_file=str(self.ca_file),
            rule=f"job-{self._jobs}",
            core=self.core,
            part_bytes=part_bytes,
        )
        try:
            outcome = self._process(order)
        finally:
            shutil.rmtree(home, ignore_errors=True)
        received = self._counts(order.rule)
        if received["rows"] != plan.inputs.events:
            raise RuntimeError(f"{variant}, {source}: {received['rows']} of {plan.inputs.events} events arrived")
        if way == "ours" and received["too_large"]:
            raise RuntimeError(f"{source}: {received['too_large']} bodies are larger than the service takes")
        return outcome | {"received": received}

    def _process(self, order: Order) -> dict[str, Any]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("S3SENTINEL_")}
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.child"],
            input=json.dumps(asdict(order)) + "\n",
            capture_output=True,
            text=True,
            cwd=_ROOT,
            env=environment | _ONE_THREAD,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"the {order.way} way failed on {order.source}:\n{done.stderr.strip()[-4_000:]}")
        return json.loads(done.stdout.splitlines()[-1])

    def _counts(self, rule: str) -> dict[str, int]:
        context = ssl.create_default_context(cafile=str(self.ca_file))
        with urllib.request.urlopen(f"{self.endpoint}/counts/{rule}", context=context) as answer:  # noqa: S310 - our sink
            return json.load(answer)

    def rounds(
        self, plans: dict[Source, Plan], count: int, done: Callable[[str], object]
    ) -> dict[Source, dict[str, list[dict[str, Any]]]]:
        """``count`` rounds; in each every variant of every source once, in an order that moves from round to round."""
        results: dict[Source, dict[str, list[dict[str, Any]]]] = {
            source: {variant: [] for variant in VARIANTS} for source in plans
        }
        names = list(VARIANTS)
        for number in range(count):
            turn = number % len(names)
            for source, plan in plans.items():
                for variant in names[turn:] + names[:turn]:
                    results[source][variant].append(self.measure(source, plan, variant))
                    done(f"{source}, {variant}, round {number + 1}")
        return results

    def larger(self, source: Source, plan: Plan, inputs: InputSet, size: int) -> dict[str, Any]:
        """Our way on a longer hour in parts as large as the whole hour of ``plan``."""
        longer = replace(plan, inputs=inputs, size=size)
        return self.measure(source, longer, "ours", part_bytes=plan.inputs.stored_bytes)


@contextlib.contextmanager
def running_bench(work: Path, seed: int) -> Iterator[Bench]:
    """Starts the sink on one core; the rounds get another one.

    Raises:
        RuntimeError: processes cannot be pinned here.
    """
    if not hasattr(os, "sched_getaffinity"):
        raise RuntimeError("the benchmark pins processes to cores, which needs Linux")
    cores = sorted(os.sched_getaffinity(0))
    sink_core, core = cores[0], cores[-1]
    process = subprocess.Popen(  # noqa: S603 - ourselves
        [sys.executable, "-m", "benchmarks.sink", str(work), str(sink_core)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=_ROOT,
    )
    try:
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            raise RuntimeError("the sink did not start")
        address = json.loads(line)
        yield Bench(work, seed, address["endpoint"], Path(address["ca_file"]), core, sink_core)
    finally:
        process.terminate()
        process.communicate()
