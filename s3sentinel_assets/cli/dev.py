"""``s3sentinel dev``: the whole thing on one machine, at one terminal.

Belongs here: options, the order of things, and the table of addresses. Does not belong here: which services run
(`local.dev`) and how they are run (`local.services`).
"""

import os
import shlex
import shutil
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from s3sentinel_assets.config import Config
    from s3sentinel_assets.local.dev import Environment
    from s3sentinel_assets.local.services import Service

__all__ = ["READY_FILE", "dev"]

#: Below ``data_dir`` while everything answers.
READY_FILE = "dev.ready"
_POLL_SECONDS = 0.2
_PATIENCE_SECONDS = 30.0


def dev(
    config: Annotated[
        Path | None, typer.Option(help="Configuration file that uses the local stand-ins; default s3sentinel.yaml.")
    ] = None,
    home: Annotated[
        Path | None,
        typer.Option(help="Keep everything below this folder, on free ports, so that it runs beside another one."),
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of the Dagster UI; default 3000, free with --home.")
    ] = None,
    mlflow_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of MLflow; default 5000, free with --home.")
    ] = None,
    mlflow: Annotated[bool, typer.Option("--mlflow/--no-mlflow", help="Run an MLflow tracking server too.")] = True,
    with_parent: Annotated[
        bool, typer.Option("--with-parent", hidden=True, help="End when the process that started this one has gone.")
    ] = False,
) -> None:
    """Run local S3, local workspace, MLflow and Dagster together, with sensors and schedules on, until interrupted."""
    from s3sentinel_assets.config import config_path, load_config
    from s3sentinel_assets.errors import ConfigurationError
    from s3sentinel_assets.local.dev import below_folder, configured
    from s3sentinel_assets.local.ports import hold

    parent = os.getppid() if with_parent else None
    # Python that writes no compiled modules starts each of a dozen processes seconds later.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if home is not None and config is not None:
        raise ConfigurationError("--home writes a configuration of its own; leave out --home or --config")
    folder = home if home is not None else load_config(config).data_dir
    with hold(folder.resolve()):
        if home is not None:
            environment = below_folder(home, port=port, mlflow_port=mlflow_port, mlflow=mlflow)
        else:
            environment = configured(
                config_path(config), port=port or 3000, mlflow_port=(mlflow_port or 5000) if mlflow else None
            )
        _run(environment, home, parent)
    typer.echo("all stopped")


def _run(environment: "Environment", home: Path | None, parent: int | None) -> None:
    """Runs the environment until it ends."""
    from s3sentinel_assets.local.services import run_services

    ready = environment.gate.with_name(READY_FILE)
    environment.gate.parent.mkdir(parents=True, exist_ok=True)
    for file in (environment.gate, ready):
        file.unlink(missing_ok=True)
    began = time.monotonic()
    typer.echo("starting " + ", ".join(service.name for service in environment.services) + " (Ctrl-C ends all)")

    def meanwhile(stop: threading.Event) -> None:
        if parent is not None:
            threading.Thread(target=_end_with, args=(parent, stop), daemon=True).start()
        if not _wait_for(environment.stand_ins, stop):
            return
        _make_buckets(environment.config)
        environment.gate.touch()
        if _wait_for(environment.services, stop):
            typer.echo(_table(environment, home, time.monotonic() - began))
            ready.touch()

    try:
        run_services(environment.services, meanwhile)
    finally:
        for file in (environment.gate, ready):
            file.unlink(missing_ok=True)


def _end_with(parent: int, stop: threading.Event) -> None:
    """Asks this process to end once its parent has gone, however that ended."""
    while not stop.wait(_POLL_SECONDS):
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)
            return


def _wait_for(services: "Iterable[Service]", stop: threading.Event) -> bool:
    """Waits until all of them answer; False: they are to end before that."""
    from s3sentinel_assets.local.ports import answers

    waiting = list(services)
    patient_until = time.monotonic() + _PATIENCE_SECONDS
    while waiting:
        waiting = [service for service in waiting if not answers(service)]
        if waiting and time.monotonic() > patient_until:
            typer.echo(f"still waiting for {', '.join(service.name for service in waiting)} to answer")
            patient_until += _PATIENCE_SECONDS
        if waiting and stop.wait(_POLL_SECONDS):
            return False
    return not stop.is_set()


def _make_buckets(config: "Config") -> None:
    """Every bucket of the configuration that lies in the stand-in; a sensor that finds none would only complain."""
    from s3sentinel_assets.local.dev import is_loopback
    from s3sentinel_assets.local.generator.seeding import seed
    from s3sentinel_assets.s3.session import s3_client

    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost," + os.environ.get("NO_PROXY", "")
    for source in config.sources.values():
        access = config.aws_access(source)
        if source.enabled and is_loopback(access.endpoint_url):
            seed(s3_client(access), source.bucket, ())


def _table(environment: "Environment", home: Path | None, seconds: float) -> str:
    """Where everything is, and what to try."""
    config = environment.config
    shipped = home is None and environment.config_file == Path("s3sentinel.yaml")
    option = "" if shipped else f" --config {shlex.quote(str(environment.config_file))}"
    folder = shlex.quote(str(config.sentinel.ca_file.parent)) if config.sentinel.ca_file else ""
    program = _program()
    buckets = ", ".join(sorted({source.bucket for source in config.sources.values() if source.enabled}))
    rows = [
        ("Dagster", environment.dagster_url),
        ("MLflow", environment.mlflow_url),
        ("local S3", f"{config.aws.endpoint_url}  (bucket {buckets})"),
        ("local workspace", f"{config.sentinel.query_endpoint}  (CA {config.sentinel.ca_file})"),
    ]
    lines = [f"\neverything answers after {seconds:.0f} s; sensors and schedules are on"]
    lines += [f"  {name:<17}{address}" for name, address in rows if address]
    lines += [
        "in another terminal:",
        f"  {program} emit --rate 20{option}",
        f"  {program} workspace query --dir {folder} 'AWSCloudTrail | summarize count() by Priority_CF'",
        "",
    ]
    return "\n".join(lines)


def _program() -> str:
    """How this program is called in another terminal, where the environment need not be active."""
    own = Path(sys.executable).with_name("s3sentinel")
    found = shutil.which("s3sentinel")
    if not own.is_file() or (found and Path(found).resolve() == own.resolve()):
        return "s3sentinel"
    inside = own.is_relative_to(Path.cwd())
    return shlex.quote(str(own.relative_to(Path.cwd()) if inside else own))
