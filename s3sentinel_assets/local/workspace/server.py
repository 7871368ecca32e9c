"""The local workspace as a server: TLS on loopback, from the bound socket to the closed file.

Belongs here: listening, readiness, an orderly end. Does not belong here: routes (``app``).
"""

import functools
import socket
from collections.abc import Callable
from typing import Any

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.local.workspace.app import Options, WorkspaceApp

__all__ = ["Options", "WorkspaceApp", "run_server"]

HOST = "127.0.0.1"


class _Protocol(AutoHTTPProtocol):
    """Lets a request reach its own connection, so that a fault can drop it as a broken network would."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class _Server(uvicorn.Server):
    """Tells when it listens."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts, then tells."""
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drops idle connections, whose clients would not answer a polite TLS goodbye, then ends in order."""
        for connection in list(self.server_state.connections):
            cycle = getattr(connection, "cycle", None)
            transport = getattr(connection, "transport", None)
            if transport is not None and (cycle is None or cycle.response_complete):
                transport.abort()
        await super().shutdown(sockets)


def run_server(
    options: Options,
    ready: Callable[[WorkspaceApp], None],
    stop: Callable[[Callable[[], None]], None] | None = None,
) -> None:
    """Serves a workspace until SIGINT or SIGTERM. Blocks.

    Args:
        options: see `Options`.
        ready: called once requests are served; ``app.url`` is set by then.
        stop: receives a function that ends the server, callable from any thread.

    Raises:
        UserError: the port or the data directory is in use or cannot be used.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, options.port))
        except OSError as error:
            raise UserError(
                f"{HOST}:{options.port}: cannot listen there ({error.strerror}); free the port or give another --port"
            ) from None
        app = WorkspaceApp(options)
        app.url = f"https://{HOST}:{listener.getsockname()[1]}"
        app.tokens.own_address = app.url
        config = uvicorn.Config(
            app.asgi(),
            http=_Protocol,
            ws="none",
            lifespan="off",
            ssl_certfile=app.files.server_certificate,
            ssl_keyfile=app.files.server_certificate,
            access_log=False,
            log_level="warning",
            server_header=False,
            # Clients keep connections for minutes; a shorter time makes them meet closed ones, and uploads are not
            # repeated.
            timeout_keep_alive=300,
            timeout_graceful_shutdown=5,
            backlog=512,
        )

        def tell() -> None:
            app.files.address.write_text(app.url + "\n", encoding="utf-8")
            ready(app)

        server = _Server(config, tell)
        if stop:
            stop(functools.partial(setattr, server, "should_exit", True))
        try:
            server.run(sockets=[listener])
        finally:
            app.storage.close()
            app.files.address.unlink(missing_ok=True)
