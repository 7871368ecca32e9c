"""``s3sentinel local`` and ``s3sentinel ui``: the stand-ins in the foreground, alone or with the Dagster UI.

Belongs here: starting, announcing, waiting, stopping. Does not belong here: the stand-ins (``local``).
"""

import signal
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["DEMO_HOME", "local", "ui"]

DEMO_HOME = Path(".s3sentinel/demo")
_POLL_SECONDS = 0.2


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


def ui(
    home: Annotated[Path, typer.Option(help="Folder of a demo that has run.")] = DEMO_HOME,
    port: Annotated[int, typer.Option(help="Port of the Dagster UI.")] = 3000,
) -> None:
    """Open the last demo in the Dagster UI: its stand-ins, its history, its ledger."""
    from s3sentinel_assets.config import load_config
    from s3sentinel_assets.errors import UserError
    from s3sentinel_assets.local.dev_services import DAGSTER_CHATTER
    from s3sentinel_assets.local.laptop import start_configured
    from s3sentinel_assets.local.ports import LOOPBACK, answers, check_port
    from s3sentinel_assets.local.services import Service, run_services

    config_file = (home / "s3sentinel.yaml").resolve()
    if not config_file.is_file():
        raise UserError(f"there is no demo in {home}; run `make demo` first")
    check_port(port, "the Dagster UI", "stop what uses it, or choose another with --port")
    environment = {"S3SENTINEL_CONFIG": str(config_file), "DAGSTER_HOME": str((home / "dagster").resolve())}
    command = (sys.executable, "-m", "dagster", "dev", "-h", LOOPBACK, "-p", str(port), "--log-level", "warning")
    service = Service("dagster", command, port, path="/server_info", environment=environment, drop=DAGSTER_CHATTER)

    def announce(stop: threading.Event) -> None:
        while not answers(service):
            if stop.wait(_POLL_SECONDS):
                return
        typer.echo(f"Dagster UI: http://{LOOPBACK}:{port}  (Ctrl-C ends it)")

    with start_configured(load_config(config_file)):
        run_services([service], announce)
