"""Listening: one server on loopback, alone in its folder.

Belongs here: the port, the folder's lock, the control token and the server's end. Does not belong here: what a
request does (``application``) and running it as a process of its own (``process``, ``__main__``).
"""

import contextlib
import logging
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.local.aws.application import LOOPBACK, LocalAwsApplication
from s3sentinel_assets.local.aws.mirror import Mirror

__all__ = ["TOKEN_FILE", "run_server"]

TOKEN_FILE = "control-token"  # noqa: S105 the name of the file, not a token


@contextlib.contextmanager
def _only_user_of(folder: Path) -> Iterator[None]:
    """Holds a lock on the folder: two servers would overwrite each other's files."""
    try:
        import fcntl
    except ImportError:  # no such lock on Windows; the port is then the only guard
        yield
        return
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"another local AWS already uses {folder}; stop it or choose another --dir") from None
        yield


def run_server(
    folder: Path, port: int, on_ready: Callable[[int], None], stop_when: Callable[[], object] | None = None
) -> None:
    """Serves until told to stop.

    Args:
        folder: where objects and the control token are kept.
        port: the port on 127.0.0.1; 0 lets the system choose.
        on_ready: called with the port as soon as connections are accepted.
        stop_when: blocks until the server should end; run in a thread. None: until interrupted.

    Raises:
        UserError: the port is taken, the folder is in use or a stored file is damaged.
    """
    from moto.moto_server.werkzeug_app import MotoRequestHandler
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _only_user_of(folder), socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
        except OSError as error:
            raise UserError(f"port {port} cannot be used ({error.strerror}); choose another with --port") from None
        listener.listen(128)
        token = secrets.token_urlsafe(24)
        token_file = folder / TOKEN_FILE
        token_file.unlink(missing_ok=True)
        token_file.touch(mode=0o600)
        token_file.write_text(token, encoding="ascii")
        mirror = Mirror(folder)
        mirror.load()
        server = make_server(
            LOOPBACK,
            listener.getsockname()[1],
            LocalAwsApplication(mirror, token, folder),
            threaded=True,
            request_handler=MotoRequestHandler,
            fd=listener.fileno(),
        )
        if stop_when is not None:
            wait = stop_when

            def _stop() -> None:
                wait()
                server.shutdown()

            threading.Thread(target=_stop, name="stop", daemon=True).start()
        on_ready(server.port)
        server.serve_forever(poll_interval=0.1)
