"""Several servers at one terminal, through honcho: started together, ended together, none left behind.

Belongs here: starting, prefixing output, noticing the first that ends, ending the others. Does not belong here: which
servers these are (``dev``).
"""

import contextlib
import http.client
import os
import shlex
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from honcho.manager import SYSTEM_PRINTER_NAME, Manager
from honcho.printer import Message, Printer
from honcho.process import Popen

from s3sentinel_assets.errors import UserError

__all__ = ["LOOPBACK", "Service", "answers", "check_port", "free_ports", "run_services"]

LOOPBACK = "127.0.0.1"
#: A run that is cut off hard stays "started" in Dagster's books and holds its hour, so there is time to end in order.
_END_SECONDS = 20.0
_GROUP_SECONDS = 5.0


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


def check_port(port: int, what: str, way_out: str) -> None:
    """Makes sure that nothing listens on a port of loopback.

    Raises:
        UserError: something does, or the port may not be used; the sentence ends with ``way_out``.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise UserError(f"port {port} for {what} cannot be used ({error.strerror}); {way_out}") from None


def free_ports(count: int) -> list[int]:
    """So many different free ports on loopback. They stay free only until somebody takes them."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) for _ in range(count)]
        for probe in probes:
            probe.bind((LOOPBACK, 0))
        return [probe.getsockname()[1] for probe in probes]


def answers(service: Service) -> bool:
    """Whether the service is up."""
    try:
        if service.path is None:
            socket.create_connection((LOOPBACK, service.port), timeout=2).close()
            return True
        connection = http.client.HTTPConnection(LOOPBACK, service.port, timeout=5)
        with contextlib.closing(connection):
            connection.request("GET", service.path)
            return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False


class _Group(Popen):
    """A command whose whole process group ends with it: a server that is killed cannot send its own children home."""

    def __init__(self, command: str, **options: object) -> None:
        super().__init__(command, **options)
        threading.Thread(target=self._end_group, daemon=True).start()

    def _end_group(self) -> None:
        self.wait()
        for number in (signal.SIGTERM, signal.SIGKILL):
            deadline = time.monotonic() + _GROUP_SECONDS
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
        """Prints a line, or does not."""
        if message.type == "line":
            if self.silent or message.name == SYSTEM_PRINTER_NAME:
                return
            data = message.data
            text = data.decode("utf-8", "replace") if isinstance(data, bytes) else str(data)
            if not text.strip() or any(part in text for part in self._drop.get(message.name, ())):
                return
        super().write(message)


class _Processes(Manager):
    """Honcho's manager, which also knows who ended first and takes a signal at any time."""

    def __init__(self, output: _Output, meanwhile: Callable[[], None]) -> None:
        super().__init__(output)
        self._output = output
        self.died: tuple[str, int] | None = None
        self._wanted = False
        self._asked_at = time.monotonic()
        self._meanwhile = meanwhile

    def _start(self) -> None:
        super()._start()
        # After the forks: a thread that holds a lock at that moment would leave it locked in the children.
        threading.Thread(target=self._meanwhile, name="dev", daemon=True).start()

    def _all_started(self) -> bool:
        started = super()._all_started()
        if started and self._wanted:
            self._wanted = False
            super().terminate()
        return started

    def terminate(self) -> None:
        """Ends all. Before each process has told its number there is nobody to end, so it is done a moment later."""
        ended = {name: entry["returncode"] for name, entry in self._processes.items() if "returncode" in entry}
        if ended and self.died is None and not self._terminating and not self._wanted:
            self.died = next(iter(ended.items()))
        self._output.silent = True
        if not self._terminating:
            self._asked_at = time.monotonic()
        if super()._all_started():
            super().terminate()
        else:
            self._wanted = True

    def kill(self) -> None:
        """Ends by force what has not ended in its time; honcho's own patience is shorter."""
        if time.monotonic() - self._asked_at > _END_SECONDS:
            super().kill()


def run_services(services: Sequence[Service], meanwhile: Callable[[threading.Event], None]) -> None:
    """Runs the services until one ends, or an interrupt, a SIGTERM or the end of the terminal ends them all.

    Args:
        services: what to run.
        meanwhile: called in a thread once all are started; its event is set as soon as they are to end. An error it
            raises ends the services and is raised here.

    Raises:
        UserError: a service ended by itself; the sentence names it. The others are ended by then.
    """
    stop = threading.Event()
    failures: list[BaseException] = []

    def watched() -> None:
        try:
            meanwhile(stop)
        except BaseException as error:  # noqa: BLE001 - raised again below, in the thread that waits
            failures.append(error)
            os.kill(os.getpid(), signal.SIGTERM)

    manager = _Processes(_Output(services), watched)
    for service in services:
        process = manager.add_process(
            service.name, "exec " + shlex.join(service.command), env=os.environ | dict(service.environment)
        )
        process._child_ctor = _Group
    with _signals_kept():
        try:
            manager.loop()
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
