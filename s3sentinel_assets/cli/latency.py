"""``s3sentinel latency``: how long an object takes from the bucket to the answer of a query, measured on this machine.

Belongs here: starting a development environment of its own, putting objects, watching for them, and the table. Does not
belong here: percentiles and shares (`local.latency`).
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from s3sentinel_assets.config import Config
    from s3sentinel_assets.local.latency import Journey

__all__ = ["latency"]

_SOURCE = "cloudtrail"
_START_SECONDS = 180.0
_POLL_SECONDS = 0.5
_TITLES = {
    "seen": "put → sensor saw it",
    "queued": "→ run queued",
    "started": "→ run started",
    "delivered": "→ delivered",
    "found": "→ found by a query",
}


def latency(
    objects: Annotated[int, typer.Option(min=1, help="How many objects to put.")] = 50,
    shortest: Annotated[float, typer.Option(min=0, help="Least seconds between two objects.")] = 4.0,
    longest: Annotated[float, typer.Option(min=0, help="Most seconds between two objects.")] = 9.0,
    patience: Annotated[float, typer.Option(min=1, help="Seconds to wait for the last objects.")] = 120.0,
    seed: Annotated[int, typer.Option(help="Decides the moments and the logs.")] = 7,
    home: Annotated[
        Path | None, typer.Option(help="Keep everything below this folder; default: a folder that is thrown away.")
    ] = None,
) -> None:
    """Measure the time from an object's arrival in S3 to its rows in a query's answer, by sensor, run and upload."""
    from s3sentinel_assets.config import load_config
    from s3sentinel_assets.errors import UserError
    from s3sentinel_assets.local.latency import gaps, summary

    if longest < shortest:
        raise typer.BadParameter("must not be less than --shortest", param_hint="--longest")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the environment below is stopped either way
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost," + os.environ.get("NO_PROXY", "")
    with contextlib.ExitStack() as stack:
        progress = stack.enter_context(_progress())
        task = progress.add_task("starting stand-ins and Dagster", total=None)
        folder = home or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="s3sentinel-latency-")))
        folder = folder.resolve()
        stack.enter_context(_environment(folder))
        config = load_config(folder / "s3sentinel.yaml")
        progress.update(task, description="waiting for the first listing")
        _wait_for_listing(config)
        progress.update(task, description="found by a query", total=objects, completed=0)
        puts, found = _measure(
            config,
            gaps(objects, seed, shortest, longest),
            seed,
            patience,
            lambda done: progress.update(task, completed=done),
        )
        journeys = _journeys(config, folder, puts, found)
    lost = objects - len(journeys)
    figures = summary(journeys, lost)
    _print_table(figures)
    typer.echo(f"latency: {json.dumps(figures | {'load_average': [round(load, 2) for load in os.getloadavg()]})}")
    if lost:
        raise UserError(f"{lost} of {objects} objects were not found within {patience:g} s after the last was put")


def _progress() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    return Progress(*columns, console=console, disable=not console.is_terminal)


@contextlib.contextmanager
def _environment(folder: Path) -> Iterator[None]:
    """A development environment below the folder, without MLflow, up while the block runs."""
    from s3sentinel_assets.cli.dev import READY_FILE
    from s3sentinel_assets.errors import UserError
    from s3sentinel_assets.ledger.engine import Ledger

    folder.mkdir(parents=True, exist_ok=True)
    # Made here, so that nobody else makes it while this process looks into it.
    Ledger(f"sqlite:///{folder / 'ledger.db'}").close()
    log = folder / "dev.log"
    with log.open("wb") as output:
        child = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [
                sys.executable,
                "-m",
                "s3sentinel_assets.cli",
                "dev",
                "--home",
                str(folder),
                "--no-mlflow",
                "--with-parent",
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # an interrupt is for this process, which ends the other in order
        )
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not (folder / READY_FILE).exists():
            if child.poll() is not None or time.monotonic() > deadline:
                last = " / ".join(log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:])
                raise UserError(f"the development environment did not start; its last lines: {last}")
            time.sleep(0.2)
        yield
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(timeout=60)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _wait_for_listing(config: "Config") -> None:
    """Waits until the sensor has listed the bucket once."""
    import sqlalchemy as sa

    from s3sentinel_assets.errors import UserError
    from s3sentinel_assets.ledger.engine import Ledger
    from s3sentinel_assets.ledger.schema import hour

    ledger = Ledger(config.ledger_url)
    deadline = time.monotonic() + _START_SECONDS
    listed = sa.select(sa.func.max(hour.c.listed_at)).where(hour.c.source == _SOURCE)
    with contextlib.closing(ledger):
        while True:
            with ledger.read() as connection:
                if connection.execute(listed).scalar() is not None:
                    return
            if time.monotonic() > deadline:
                raise UserError(f"the sensor of {_SOURCE} did not list the bucket within {_START_SECONDS:g} s")
            time.sleep(_POLL_SECONDS)


def _measure(
    config: "Config", waits: list[float], seed: int, patience: float, on_found: Any
) -> tuple[dict[str, tuple[str, float]], dict[str, float]]:
    """Puts the objects and looks for them.

    Returns:
        Event id → key and instant of the object it is in; event id → instant at which an answer held it.
    """
    from s3sentinel_assets.local.emitter import Emitter
    from s3sentinel_assets.s3.session import s3_client
    from s3sentinel_assets.sentinel.query import WorkspaceQuery

    source = config.source(_SOURCE)
    # A stretch of its own for each object, so that no event id comes twice.
    first = datetime.now(UTC) - timedelta(seconds=5 * len(waits))
    emitter = Emitter([source], seed=seed, start=first, rate=4)
    s3, query = s3_client(config.aws_access(source)), WorkspaceQuery(config.sentinel)
    puts: dict[str, tuple[str, float]] = {}
    found: dict[str, float] = {}
    remaining = list(waits)
    next_put = time.monotonic() + remaining.pop(0)
    last_put = time.monotonic()
    with contextlib.closing(query):
        while len(found) < len(waits) and (remaining or len(puts) < len(waits) or _since(last_put) < patience):
            if len(puts) < len(waits) and time.monotonic() >= next_put:
                (emitted,) = emitter.stretch(first + timedelta(seconds=5 * len(puts)), 5)
                sent = time.time()  # before, not after: what S3 itself takes counts
                s3.put_object(Bucket=emitted.bucket, Key=emitted.item.key, Body=emitted.item.body)
                puts[_first_id(emitted.item.body)] = emitted.item.key, sent
                last_put = time.monotonic()
                next_put += remaining.pop(0) if remaining else 0
            if waiting := puts.keys() - found.keys():
                ids = ", ".join(f"'{event_id}'" for event_id in sorted(waiting))
                rows = query.run(f"AWSCloudTrail | where AwsEventId in ({ids}) | project AwsEventId")
                found |= dict.fromkeys((row["AwsEventId"] for row in rows), time.time())
                on_found(len(found))
            pause = _POLL_SECONDS if len(puts) == len(waits) else min(_POLL_SECONDS, next_put - time.monotonic())
            time.sleep(max(0.0, pause))
    return puts, found


def _since(moment: float) -> float:
    return time.monotonic() - moment


def _first_id(body: bytes) -> str:
    import gzip

    return json.loads(gzip.decompress(body))["Records"][0]["eventID"]


def _journeys(
    config: "Config", folder: Path, puts: dict[str, tuple[str, float]], found: dict[str, float]
) -> "list[Journey]":
    """What ledger and Dagster wrote down about each object that was found."""
    import sqlalchemy as sa
    from dagster import DagsterInstance, RunsFilter

    from s3sentinel_assets.jobs import HOUR_TAG
    from s3sentinel_assets.ledger.engine import Ledger
    from s3sentinel_assets.ledger.schema import batch, objects
    from s3sentinel_assets.local.latency import Journey

    with contextlib.closing(Ledger(config.ledger_url)) as ledger, ledger.read() as connection:
        rows = connection.execute(
            sa.select(
                objects.c.key,
                objects.c.hour,
                objects.c.discovered_at,
                sa.func.max(batch.c.settled_at).label("settled_at"),
            )
            .join(batch, batch.c.part_id == objects.c.part_id)
            .where(objects.c.source == _SOURCE)
            .group_by(objects.c.key, objects.c.hour, objects.c.discovered_at)
        ).all()
    known = {row.key: row for row in rows if row.settled_at}
    with DagsterInstance.from_config(str(folder / "dagster")) as instance:
        runs = instance.get_run_records(RunsFilter(job_name=f"{_SOURCE}_live"))
    journeys = []
    for event_id, at in found.items():
        key, put = puts[event_id]
        instants = {"found": at}
        if row := known.get(key):
            instants["seen"], delivered = row.discovered_at / 1e6, row.settled_at / 1e6
            instants["delivered"] = delivered
            for run in runs:
                of_the_hour = run.dagster_run.tags.get(HOUR_TAG) == f"{_SOURCE}|{row.hour}"
                if of_the_hour and run.start_time and run.start_time <= delivered <= (run.end_time or time.time()):
                    instants["queued"], instants["started"] = run.create_timestamp.timestamp(), run.start_time
        journeys.append(Journey(put, instants))
    return journeys


def _print_table(figures: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    if not figures["objects"]:
        return
    lost = f", {figures['lost']} not found" if figures["lost"] else ""
    table = Table(
        title=f"seconds, {figures['objects']} objects{lost}",
        title_justify="left",
        caption=f"looked for every {_POLL_SECONDS} s, which the last step includes",
        caption_justify="left",
    )
    for name, justify in (("", "left"), ("p50", "right"), ("p95", "right"), ("max", "right"), ("share", "right")):
        table.add_column(name, justify=justify)  # pyright: ignore[reportArgumentType]
    for step, values in figures["steps"].items():
        numbers = (f"{values[name]:.2f}" for name in ("p50", "p95", "max"))
        table.add_row(_TITLES[step], *numbers, f"{values['share']:.0%}")
    table.add_section()
    table.add_row(
        "put → found by a query",
        *("–" if figures[name] is None else f"{figures[name]:.2f}" for name in ("p50", "p95", "max")),
        "",
        style="bold",
    )
    Console().print(table)
