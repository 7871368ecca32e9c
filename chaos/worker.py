"""A worker process: delivers hours or sweeps, tells where it is, and waits to be killed where it was told to.

Belongs here: the life of one worker, which is the product's own code with hooks. Does not belong here: when workers are
started and killed (``crew``, ``storm``).
"""

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection

from chaos.moments import Moment, Sent, sweeping, watch

__all__ = ["Order", "work"]

#: A worker that nobody kills at its moment does so itself: it may hold the ledger's write lock.
_PATIENCE_SECONDS = 2


@dataclass(frozen=True)
class Order:
    """What a worker is to do.

    Attributes:
        config_file: the configuration.
        source: the source.
        hours: to deliver, in this order.
        sweep: resolve unknown batches afterwards.
        aim: die at this moment, the so-manieth time it is reached; None: whenever killed.
        flaw: called first; tests break the product with it to see that it is found out.
    """

    config_file: str
    source: str
    hours: tuple[str, ...] = ()
    sweep: bool = False
    aim: tuple[Moment, int] | None = None
    flaw: Callable[[], None] | None = None


def work(order: Order, says: Connection, lifeline: Connection) -> None:
    """Carries the order out.

    Args:
        order: see `Order`.
        says: gets (moment, send, whether this is where to die), and (text) for what the product told its user.
        lifeline: closed at the other end when the driver dies; the worker then ends, too.
    """
    os.setsid()
    threading.Thread(target=_end_with, args=(lifeline,), name="lifeline", daemon=True).start()
    lock, reached = threading.Lock(), Counter[Moment]()

    def tell(moment: Moment, sent: Sent | None = None) -> None:
        with lock:
            reached[moment] += 1
            die = order.aim == (moment, reached[moment])
            says.send((moment, sent, die))
        if die:
            threading.Event().wait(_PATIENCE_SECONDS)
            os.kill(os.getpid(), signal.SIGKILL)

    if order.flaw is not None:
        order.flaw()
    watch(tell)  # last, so that moments are told as they would be without the flaw
    tell(Moment.STARTED)

    def say(text: str) -> None:
        with lock:
            says.send(text)

    _run(order, say)
    tell(Moment.FINISHED)


def _run(order: Order, say: Callable[[str], None]) -> None:
    from s3sentinel_assets.config import load_config
    from s3sentinel_assets.errors import LeaseLostError, UserError
    from s3sentinel_assets.pipeline.delivery import deliver_hour, sweep_unknown
    from s3sentinel_assets.pipeline.runtime import Runtime

    runtime = Runtime(load_config(order.config_file))
    for hour in order.hours:
        try:
            problems = deliver_hour(runtime, order.source, hour).problems
        except (UserError, LeaseLostError) as error:  # an asset would fail here, and be materialised again
            problems = [str(error)]
        for problem in problems:
            say(problem)
    if order.sweep:
        with sweeping():
            for problem in sweep_unknown(runtime, order.source).problems:
                say(problem)
    runtime.close()


def _end_with(lifeline: Connection) -> None:
    try:
        lifeline.recv()
    except EOFError:
        os._exit(4)
