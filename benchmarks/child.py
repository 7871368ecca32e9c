"""One measured job in a process of its own: pinned, warmed up, then timed.

Belongs here: reading the order from standard input and answering with a line of JSON. Does not belong here: what a job
does. Started by ``rounds``.
"""

import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Order"]


@dataclass(frozen=True)
class Order:
    """What a round's process is told.

    Attributes:
        way: ``ours`` or ``ordinary``.
        source: which logs.
        size: raw bytes of the inputs.
        history: folder of the history; None: without scores.
        warm_history: of the little one for the warm-up.
        seed: of the inputs.
        work: the cache.
        home: where the job may write.
        endpoint: of the sink.
        ca_file: of the sink.
        rule: by which the sink tells jobs apart.
        core: to be pinned to.
        part_bytes: see ``job.Job``.
    """

    way: str
    source: Any
    size: int
    history: str | None
    warm_history: str | None
    seed: int
    work: str
    home: str
    endpoint: str
    ca_file: str
    rule: str
    core: int
    part_bytes: int | None = None


#: Enough for every branch to be imported, too little to be felt.
WARM_BYTES = 200_000


def _job(order: Order, rule: str, size: int, history: str | None, part_bytes: int | None) -> Any:
    from benchmarks.inputs import make_inputs
    from benchmarks.job import Job

    return Job(
        way=order.way,  # pyright: ignore[reportArgumentType]
        inputs=make_inputs(Path(order.work), order.source, size, seed=order.seed),
        history=None if history is None else Path(history),
        home=Path(order.home),
        endpoint=order.endpoint,
        ca_file=Path(order.ca_file),
        rule=rule,
        part_bytes=part_bytes,
    )


def main() -> None:
    """Reads an `Order` from standard input, prints the outcome."""
    order = Order(**json.loads(sys.stdin.readline()))
    os.sched_setaffinity(0, {order.core})  # before anything counts the cores
    from benchmarks import ours
    from benchmarks.job import measured
    from benchmarks.ordinary import way as ordinary

    run, prepare = (ours.run, ours.prepare) if order.way == "ours" else (ordinary.run, None)
    measured(_job(order, "warm-up", WARM_BYTES, order.warm_history, None), run, prepare)
    job = _job(order, order.rule, order.size, order.history, order.part_bytes)
    warmed = time.process_time()
    outcome = measured(job, run, prepare)
    sys.stdout.write(json.dumps(outcome.as_dict() | {"warm_up": warmed}) + "\n")


if __name__ == "__main__":
    main()
