"""The workers that are alive: started from one prepared process, listened to, killed by their group, buried.

Belongs here: processes and pipes. Does not belong here: who is killed when (``storm``), what a worker does
(``worker``).
"""

import contextlib
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from typing import Any

from chaos.moments import Moment, Sent
from chaos.worker import Order, work

__all__ = ["Crew", "Life"]

#: A worker that lives longer hangs.
LIFE_SECONDS = 60.0
_BURIAL_SECONDS = 10.0

#: Imported once, by the process that all workers are forked from: a start takes milliseconds.
_PREPARED = [
    "chaos.worker",
    "azure.identity",
    "azure.monitor.ingestion",
    "azure.monitor.query",
    "s3sentinel_assets.pipeline.delivery",
    "s3sentinel_assets.sentinel.plan",
    "s3sentinel_assets.sentinel.resolution",
]


@dataclass(eq=False)
class Life:
    """One worker, from its start to its burial.

    Attributes:
        order: what it is to do.
        process: itself; its process group has its id.
        says: what it tells.
        lifeline: closed by its end, it ends the worker.
        kill_after: seconds from its first word to its death; None: it dies at its aim, or not at all.
        deadline: when it is to be killed or is taken to hang (monotonic).
        last: the last moment it told.
        reached_aim: whether it stands where it is to die.
        killed: whether it was killed.
        sends: what it told of sends.
        told: sentences for the user.
    """

    order: Order
    process: BaseProcess
    says: Any
    lifeline: Any
    kill_after: float | None
    deadline: float
    last: Moment | None = None
    reached_aim: bool = False
    killed: bool = False
    sends: list[Sent] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int | None:
        """As `multiprocessing` gives it: minus the signal's number for a killed one."""
        return self.process.exitcode

    @property
    def hangs(self) -> bool:
        """Whether it ought to have ended by itself long ago."""
        return self.kill_after is None and not self.reached_aim and time.monotonic() >= self.deadline

    def listen(self) -> bool:
        """Takes in what it has told; False once it has told everything."""
        try:
            while self.says.poll():
                self._take(self.says.recv())
        except (EOFError, ConnectionResetError):
            return False
        return True

    def _take(self, message: "str | tuple[Moment, Sent | None, bool]") -> None:
        if isinstance(message, str):
            self.told.append(message)
            return
        moment, sent, self.reached_aim = message[0], message[1], self.reached_aim or message[2]
        if self.last is None and self.kill_after is not None:
            self.deadline = time.monotonic() + self.kill_after
        # Where it is to die is where it dies, whatever its other threads do until then.
        if not self.reached_aim or message[2]:
            self.last = moment
        if sent is not None:
            self.sends.append(sent)

    def kill(self) -> None:
        """SIGKILL to its group."""
        self.killed = True
        try:
            os.killpg(self.process.pid or 0, signal.SIGKILL)
        except ProcessLookupError:  # it has no group of its own yet, or is dead
            self.process.kill()


class Crew:
    """Starts workers and keeps hold of those that live. Leaving its ``with`` block kills them."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(_PREPARED)
        self.alive: list[Life] = []

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, *_: object) -> None:
        for life in list(self.alive):
            life.kill()
            self.bury(life)

    def start(self, order: Order, kill_after: float | None = None) -> Life:
        """A new worker process."""
        says, to_driver = self._context.Pipe(duplex=False)
        from_driver, lifeline = self._context.Pipe(duplex=False)
        process = self._context.Process(target=work, args=(order, to_driver, from_driver), name="worker")
        life = Life(order, process, says, lifeline, kill_after, time.monotonic() + LIFE_SECONDS)
        try:
            process.start()
        finally:
            to_driver.close()
            from_driver.close()
        self.alive.append(life)
        return life

    def next_events(self) -> Iterator[Life]:
        """Waits until a worker has told something, has ended, or is due; gives the workers that are to be buried.

        A worker at its aim or past its deadline is killed first.
        """
        due = min(life.deadline for life in self.alive) - time.monotonic()
        connection.wait([life.says for life in self.alive], max(0.0, due))
        for life in list(self.alive):
            speaks = life.listen()
            if speaks and (life.reached_aim or time.monotonic() >= life.deadline):
                life.kill()
            if not speaks or life.killed:
                self.bury(life)
                yield life

    def bury(self, life: Life) -> None:
        """Waits for its end and takes its last words."""
        life.process.join(_BURIAL_SECONDS)
        if life.process.is_alive():
            life.kill()
            life.process.join()
        life.listen()
        life.says.close()
        with contextlib.suppress(BrokenPipeError):
            life.lifeline.close()
        self.alive.remove(life)
