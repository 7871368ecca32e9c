"""Several servers at one terminal, through honcho: started together, ended together, none left behind.

Belongs here: starting, prefixing output, noticing the first that ends, ending the others. Does not belong here: which
servers these are (``dev``), ports and locks (``ports``).

Whoever is killed, the rest ends. Each server has a forked helper of honcho's that reads its output. A server that ends
takes its process group along; a helper whose parent is gone ends its server; a server whose helper is gone is told so
by the kernel (Linux); and the parent ends everything when a helper is gone.
"""

import contextlib
import ctypes
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from honcho.manager import SYSTEM_PRINTER_NAME, Manager
from honcho.printer import Message, Printer
from honcho.process import Popen

from s3sentinel_assets.errors import UserError

__all__ = ["Service", "run_services"]

#: A run that is cut off hard stays "started" in Dagster's books and holds its hour, so there is time to end in order.
_END_SECONDS = 20.0
_GROUP_SECONDS = 5.0
_POLL_SECONDS = 0.5
#: A helper that ends says so first; its word may still be on the way.
_WORD_SECONDS = 2.0
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Service:
    """A server to run.

    Attributes:
        name: what its lines begin with.
        command: program and arguments.
        port: where it listens on loopback.
        path: an HTTP path that gives 200 when it is up; None: accepting connections is enough.
        environment: variables beside those of this process.
        drop: a line that holds one of these is not shown.
    """

    name: str
    command: tuple[str, ...]
    port: int
    path: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    drop: tuple[str, ...] = ()


def _dies_with_parent() -> Callable[[], object] | None:
    """What a new process does so that the kernel asks it to end when its parent has gone; None: no such kernel."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl  # looked up before the fork
    return lambda: prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)


class _Group(Popen):
    """A command whose process group ends with it, and which ends when the process that runs all services has gone."""

    def __init__(self, command: str, **options: object) -> None:
        super().__init__(command, preexec_fn=_dies_with_parent(), **options)
        threading.Thread(target=self._end_group, daemon=True).start()
        threading.Thread(target=self._watch_parent, args=(os.getppid(),), daemon=True).start()

    def _end_group(self) -> None:
        self.wait()
        self._signal_group((signal.SIGTERM, _GROUP_SECONDS), (signal.SIGKILL, _GROUP_SECONDS))

    def _watch_parent(self, parent: int) -> None:
        while os.getppid() == parent:
            time.sleep(_POLL_SECONDS)
        self._signal_group((signal.SIGTERM, _END_SECONDS), (signal.SIGKILL, _GROUP_SECONDS))
        os._exit(1)  # an ordinary end would wait for somebody to read what is still to be said

    def _signal_group(self, *signals: tuple[signal.Signals, float]) -> None:
        """Sends the signals one after the other, each with its time to obey, until the group is empty."""
        for number, seconds in signals:
            deadline = time.monotonic() + seconds
            try:
                os.killpg(self.pid, number)
                while time.monotonic() < deadline:
                    time.sleep(0.05)
                    os.killpg(self.pid, 0)
            except (ProcessLookupError, PermissionError):
                return


class _Output(Printer):
    """Honcho's printer without its own talk and without the lines that a service is to keep to itself.

    Attributes:
        silent: nothing is shown any more: servers that end side by side complain that the others do not answer.
    """

    def __init__(self, services: Sequence[Service]) -> None:
        super().__init__()
        self._drop = {service.name: service.drop for service in services}
        self.silent = False

    def write(self, message: Message) -> None:
        """Prints a line, or does not. When nobody reads any more, all end: nothing is left behind."""
        if message.type == "line":
            if self.silent or message.name == SYSTEM_PRINTER_NAME:
                return
            data = message.data
            text = data.decode("utf-8", "replace") if isinstance(data, bytes) else str(data)
            if not text.strip() or any(part in text for part in self._drop.get(message.name, ())):
                return
        try:
            super().write(message)
        except OSError:  # a closed pipe or terminal
            self.silent = True
            os.kill(os.getpid(), signal.SIGTERM)


class _Processes(Manager):
    """Honcho's manager, which also knows who ended first, takes a signal at any time, and is never left waiting.

    Its inner workings are used here, which is why honcho is held below its next major version.
    """

    def __init__(self, output: _Output, meanwhile: Callable[[], None], stop: threading.Event, patience: float) -> None:
        super().__init__(output)
        self._output = output
        self.died: tuple[str, int] | None = None
        self._wanted = False
        self._asked_at: float | None = None
        self._helpers_gone: dict[str, float] = {}
        self._meanwhile = meanwhile
        self._stop = stop
        self._patience = patience

    def _start(self) -> None:
        super()._start()
        # After the forks: a thread that holds a lock at that moment would leave it locked in the children.
        threading.Thread(target=self._meanwhile, name="dev", daemon=True).start()

    def _all_started(self) -> bool:
        """Asked in every turn of the loop, so this is where what the loop does not see is looked after."""
        self._note_lost_helpers()
        if self._asked_at is not None:
            self.kill()  # the loop itself does this only after one has ended
        started = super()._all_started()
        if started and self._wanted:
            self._wanted = False
            super().terminate()
        return started

    def _note_lost_helpers(self) -> None:
        """A helper that was killed never says that its server has ended, and one that could not start it says nothing.

        Without this the loop would wait for their word for ever.
        """
        now = time.monotonic()
        for name, entry in self._processes.items():
            helper = entry.get("process")
            if "returncode" in entry or helper is None or helper.exitcode is None:
                continue
            if now - self._helpers_gone.setdefault(name, now) > _WORD_SECONDS:
                if "pid" in entry:
                    self._procmgr.kill(entry["pid"])
                entry.setdefault("pid", helper.pid)
                entry["returncode"] = helper.exitcode

    def terminate(self) -> None:
        """Ends all. Before each process has told its number there is nobody to end, so it is done a moment later."""
        ended = {name: entry["returncode"] for name, entry in self._processes.items() if "returncode" in entry}
        if ended and self.died is None and self._asked_at is None:
            self.died = next(iter(ended.items()))
        self._output.silent = True
        if self._asked_at is None:
            self._asked_at = time.monotonic()
            self._stop.set()
        if super()._all_started():
            super().terminate()
        else:
            self._wanted = True

    def kill(self) -> None:
        """Ends by force what has not ended in its time; honcho's own patience is shorter."""
        late = self._asked_at is not None and time.monotonic() - self._asked_at > self._patience
        if late and super()._all_started():
            super().kill()

    def abandon(self) -> None:
        """Ends all after the loop itself has failed."""
        self.terminate()
        deadline = time.monotonic() + self._patience
        for entry in self._processes.values():
            if helper := entry.get("process"):
                helper.join(max(0.1, deadline - time.monotonic()))
                if helper.exitcode is None:
                    helper.kill()  # the kernel, or its own watch, ends its server


def run_services(
    services: Sequence[Service], meanwhile: Callable[[threading.Event], None], patience: float = _END_SECONDS
) -> None:
    """Runs the services until one ends, or an interrupt, a SIGTERM or the end of the terminal ends them all.

    Args:
        services: what to run.
        meanwhile: called in a thread once all are started; its event is set as soon as they are to end. An error it
            raises before that ends the services and is raised here.
        patience: seconds that they have to end before they are killed.

    Raises:
        UserError: a service ended by itself; the sentence names it. The others are ended by then.
    """
    stop = threading.Event()
    failures: list[BaseException] = []

    def watched() -> None:
        try:
            meanwhile(stop)
        except BaseException as error:  # noqa: BLE001 - raised again below, in the thread that waits
            if not stop.is_set():  # else it only met servers that were ending
                failures.append(error)
                os.kill(os.getpid(), signal.SIGTERM)

    manager = _Processes(_Output(services), watched, stop, patience)
    for service in services:
        process = manager.add_process(
            service.name, "exec " + shlex.join(service.command), env=os.environ | dict(service.environment)
        )
        process._child_ctor = _Group
    with _signals_kept():
        try:
            manager.loop()
        except BaseException:
            manager.abandon()
            raise
        finally:
            stop.set()
    if failures:
        raise failures[0]
    if manager.died is not None:
        name, code = manager.died
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended by itself with code {code}"
        raise UserError(f"{name} {how}; its last lines above say why. The others were stopped")


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """Closing the terminal counts as a request to end; handlers of before are back afterwards."""
    own = os.getpid()

    def hang_up(_number: int, _frame: object) -> None:
        if os.getpid() == own:  # forked helpers inherit this handler
            os.kill(own, signal.SIGTERM)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    signal.signal(signal.SIGHUP, hang_up)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
