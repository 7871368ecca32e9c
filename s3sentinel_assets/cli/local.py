"""``s3sentinel local`` and ``s3sentinel ui``: the stand-ins in the foreground, alone or with the Dagster UI.

Belongs here: starting, announcing, waiting, stopping. Does not belong here: the stand-ins (``local``).
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["DEMO_HOME", "local", "ui"]

DEMO_HOME = Path(".s3sentinel/demo")


def _until_interrupted() -> threading.Event:
    """An event that an interrupt or a polite request to end sets."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


def local(
    config: Annotated[Path | None, typer.Option(help="Configuration file; default s3sentinel.yaml.")] = None,
) -> None:
    """Serve the local stand-ins for S3 and Sentinel, as the configuration names them, until interrupted."""
    from s3sentinel_assets.config import load_config
    from s3sentinel_assets.local.laptop import BUCKET, start_configured
    from s3sentinel_assets.sentinel.kql import write_functions

    stop = _until_interrupted()
    with start_configured(load_config(config)) as (aws, workspace):
        write_functions(workspace.ca_file.parent / "functions")
        client = aws.client()
        if BUCKET not in {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}:
            client.create_bucket(Bucket=BUCKET)
        typer.echo(f"local S3:        {aws.url}  (bucket {BUCKET}, credentials file {aws.credentials_file})")
        typer.echo(f"local workspace: {workspace.url}  (CA {workspace.ca_file})")
        typer.echo("Ctrl-C ends both.")
        stop.wait()


@contextlib.contextmanager
def _dagster_dev(environment: dict[str, str], port: int) -> Iterator["subprocess.Popen[bytes]"]:
    child = subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", "dagster", "dev", "-h", "127.0.0.1", "-p", str(port)], env=os.environ | environment
    )
    try:
        yield child
    finally:
        child.send_signal(signal.SIGINT)
        try:
            child.wait(timeout=30)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def ui(
    home: Annotated[Path, typer.Option(help="Folder of a demo that has run.")] = DEMO_HOME,
    port: Annotated[int, typer.Option(help="Port of the Dagster UI.")] = 3000,
) -> None:
    """Open the last demo in the Dagster UI: its stand-ins, its history, its ledger."""
    from s3sentinel_assets.config import load_config
    from s3sentinel_assets.errors import UserError
    from s3sentinel_assets.local.laptop import start_configured
    from s3sentinel_assets.local.ports import check_port

    config_file = (home / "s3sentinel.yaml").resolve()
    if not config_file.is_file():
        raise UserError(f"there is no demo in {home}; run `make demo` first")
    check_port(port, "the Dagster UI", "stop what uses it, or choose another with --port")
    stop = _until_interrupted()
    environment = {"S3SENTINEL_CONFIG": str(config_file), "DAGSTER_HOME": str((home / "dagster").resolve())}
    with start_configured(load_config(config_file)), _dagster_dev(environment, port) as child:
        typer.echo(f"Dagster UI: http://127.0.0.1:{port}  (Ctrl-C ends it)")
        while not stop.wait(1):
            if child.poll() is not None:
                raise UserError(f"the Dagster UI ended by itself with code {child.returncode}; see its lines above")
