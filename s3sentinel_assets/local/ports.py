"""Ports on loopback and who has them; one environment a folder.

Belongs here: asking before anything starts. Does not belong here: starting (``services``).
"""

import contextlib
import fcntl
import http.client
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from s3sentinel_assets.errors import UserError

if TYPE_CHECKING:
    from s3sentinel_assets.local.services import Service

__all__ = ["LOOPBACK", "answers", "check_port", "free_ports", "hold"]

LOOPBACK = "127.0.0.1"
_LISTENING = "0A"


def check_port(port: int, what: str, way_out: str) -> None:
    """Makes sure that nothing listens on a port of loopback.

    Raises:
        UserError: something does, or the port may not be used; the sentence names the process where the system tells,
            and ends with ``way_out``.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            why = _listener(port) or error.strerror
            raise UserError(f"port {port} for {what} cannot be used ({why}); {way_out}") from None


def _listener(port: int) -> str | None:
    """Which process of ours listens on the port, as ``process 12: command``; None: the system does not tell."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
                _, local, _, state, *rest = line.split()
                if state == _LISTENING and int(local.rpartition(":")[2], 16) == port:
                    inodes.add(f"socket:[{rest[5]}]")
    for process in Path("/proc").glob("[0-9]*") if inodes else ():
        with contextlib.suppress(OSError):  # somebody else's, or gone
            if any(str(file.readlink()) in inodes for file in (process / "fd").iterdir()):
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
                return f"process {process.name} has it: {command[:120]}"
    return None


def free_ports(count: int) -> list[int]:
    """So many different free ports on loopback. They stay free only until somebody takes them."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) for _ in range(count)]
        for probe in probes:
            probe.bind((LOOPBACK, 0))
        return [probe.getsockname()[1] for probe in probes]


def answers(service: "Service") -> bool:
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


@contextlib.contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Keeps every other environment out of the folder: two would share one history, one ledger and one set of files.

    The lock is the kernel's and outlives nobody, but it is shared with forked helpers: whoever was killed leaves it
    to those that still end servers.

    Raises:
        UserError: another one runs there; the sentence names its process.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "dev.lock"
    with file.open("a+", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            raise UserError(
                f"`s3sentinel dev` (process {owner}) already runs in {folder}, or its servers are still ending; stop "
                "it, wait a moment, or name another folder with --home"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
