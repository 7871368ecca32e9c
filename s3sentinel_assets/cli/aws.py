"""``s3sentinel aws``: the local stand-in for AWS in the foreground.

Belongs here: the options and what the user reads. Does not belong here: the server (``local.aws``).
"""

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["app"]

app = typer.Typer(help="The local stand-in for AWS.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keeps ``serve`` a sub-command although it is the only one."""


@app.command()
def serve(
    folder: Annotated[
        Path, typer.Option("--dir", help="Where objects and the credentials file are kept; they survive a restart.")
    ] = Path(".s3sentinel/aws"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 lets the system choose.")] = 4566,
) -> None:
    """Serve a local S3 on loopback until interrupted."""
    from s3sentinel_assets.local.aws import run_server, write_credentials

    folder = folder.resolve()
    credentials = write_credentials(folder)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())

    def ready(actual: int) -> None:
        typer.echo(f"local AWS listens on http://127.0.0.1:{actual} (credentials file: {credentials}); Ctrl-C ends it")

    run_server(folder, port, ready, stop_when=stop.wait)
