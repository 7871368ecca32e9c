"""``s3sentinel emit``: invented logs into the local S3, at the present time, until told to stop.

Belongs here: options, the clock, the upload and what the user sees. Does not belong here: the logs (`local.emitter`).
"""

import json
import os
import re
import signal
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from s3sentinel_assets.config import Config, SourceSettings
    from s3sentinel_assets.local.emitter import Emitted, Emitter

__all__ = ["emit"]

#: More than this behind (a closed lid, a stopped process), the lost time is left out instead of being made up.
_BEHIND_SECONDS = 60.0
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}


@dataclass
class Totals:
    """What has been written."""

    objects: int = 0
    events: int = 0
    bytes: int = 0
    attack_events: int = 0
    by_source: dict[str, int] = field(default_factory=dict)

    def add(self, emitted: "Emitted") -> None:
        """Counts one more object."""
        item = emitted.item
        self.objects += 1
        self.events += item.events
        self.bytes += len(item.body)
        self.attack_events += item.events if item.note == "attack" else 0
        self.by_source[emitted.source] = self.by_source.get(emitted.source, 0) + item.events


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd]?)", text.strip())
    if not match or float(match[1]) <= 0:
        raise typer.BadParameter("write a time such as 90s, 10m or 2h", param_hint="--for")
    return float(match[1]) * _UNITS[match[2]]


def emit(
    source: Annotated[
        list[str] | None, typer.Option(help="Source to write for; may be repeated; default: all configured.")
    ] = None,
    rate: Annotated[float, typer.Option(min=0.001, max=100_000, help="Events a second and source.")] = 20,
    every: Annotated[float, typer.Option(min=0.1, max=3_600, help="Seconds between two objects of a source.")] = 5,
    lasting: Annotated[str | None, typer.Option("--for", help="Stop after this time: 90s, 10m, 2h.")] = None,
    events: Annotated[int | None, typer.Option(min=1, help="Stop after so many events.")] = None,
    attack: Annotated[
        bool, typer.Option("--attack", help="Mix in a stolen key: 20 minutes, or as long as --for lets it.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Another seed is another company.")] = 7,
    config: Annotated[Path | None, typer.Option(help="Configuration file; default s3sentinel.yaml.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="End with one line of JSON.")] = False,
) -> None:
    """Keep writing invented logs, as of now, into the local S3 of the configuration, until interrupted."""
    from s3sentinel_assets.config import load_config
    from s3sentinel_assets.local.emitter import ATTACK_SECONDS, Emitter
    from s3sentinel_assets.s3.session import s3_client

    limit = _seconds(lasting)
    settings = load_config(config)
    sources = _loopback_sources(settings, source)
    # Loopback must not go through a proxy.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost,::1," + os.environ.get("NO_PROXY", "")
    for each in sources:
        s3_client(settings.aws_access(each))  # says at once what is missing, such as stand-ins that never ran
    stop = threading.Event()
    _until_told(stop)
    began = time.monotonic()
    # To the microsecond: two that begin in the same second must not write the same objects.
    start = datetime.now(UTC)
    emitter = Emitter(
        sources,
        seed=seed,
        start=start,
        rate=rate,
        attack=min(ATTACK_SECONDS, limit or ATTACK_SECONDS) if attack else None,
    )
    totals = Totals()
    try:
        with _Display(totals, began) as show:
            _write(emitter, settings, start, every, limit, events, stop, totals, show)
    finally:  # what was written until S3 refused is there and has to be counted
        seconds = time.monotonic() - began
        typer.echo(
            f"wrote {totals.objects:,} objects, {totals.events:,} events, {totals.bytes / 1_000:,.0f} KB "
            f"in {seconds:.0f} s"
        )
        if as_json:
            more = {"seconds": round(seconds, 2), "start": start.isoformat(), "seed": seed}
            typer.echo(json.dumps(vars(totals) | more))


def _until_told(stop: threading.Event) -> None:
    """A request to end lets the object in hand be finished; a second one does not wait for a server that hangs."""

    def asked(_number: int, _frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, asked)


def _loopback_sources(settings: "Config", names: "Sequence[str] | None") -> "list[SourceSettings]":
    """The sources to write for, each of which must lie on this machine: nobody wants invented logs in a real bucket."""
    from s3sentinel_assets.errors import ConfigurationError
    from s3sentinel_assets.local.dev import is_loopback

    chosen = (
        [settings.source(name) for name in dict.fromkeys(names)]
        if names
        else [source for source in settings.sources.values() if source.enabled]
    )
    if not chosen:
        raise ConfigurationError("no source is enabled; enable one, or name one with --source")
    for source in chosen:
        url = settings.aws_access(source).endpoint_url
        if not is_loopback(url):
            raise ConfigurationError(
                f"source {source.name} is read from {url or 'AWS itself'}, and invented logs are written to this "
                "machine only; point aws.endpoint_url at the local S3 (`s3sentinel dev` starts one)"
            )
    return chosen


def _write(
    emitter: "Emitter",
    settings: "Config",
    start: datetime,
    every: float,
    limit: float | None,
    events: int | None,
    stop: threading.Event,
    totals: Totals,
    show: "Callable[[Emitted | None], None]",
) -> None:
    """Writes stretch after stretch, each when it is over."""
    from s3sentinel_assets.errors import UserError
    from s3sentinel_assets.local.generator.seeding import seed as put
    from s3sentinel_assets.s3.session import s3_client

    begin = start
    last = None if limit is None else start + timedelta(seconds=limit)
    while not stop.is_set() and (events is None or totals.events < events) and (last is None or begin < last):
        end = begin + timedelta(seconds=every)
        if last is not None:
            end = min(end, last)
        late = (datetime.now(UTC) - end).total_seconds()
        if late > _BEHIND_SECONDS:
            typer.echo(f"{late:.0f} s behind; the time that was lost is left out", err=True)
            begin = datetime.now(UTC)
            continue
        if late < -every - _BEHIND_SECONDS:
            raise UserError(f"the clock was set back by {-late - every:.0f} s; start emit again")
        if stop.wait(max(0.0, -late)):
            break
        left = None if events is None else events - totals.events
        for emitted in emitter.stretch(begin, (end - begin).total_seconds(), left):
            client = s3_client(settings.aws_access(settings.source(emitted.source)))
            put(client, emitted.bucket, [emitted.item], keep_instants=False)
            totals.add(emitted)
            show(emitted)
            if stop.is_set():
                return
        begin = end


class _Display:
    """Shows progress: one live line at a terminal, else a line for each object."""

    def __init__(self, totals: Totals, began: float) -> None:
        self._totals = totals
        self._began = began
        self._live: Any = None

    def __enter__(self) -> "Callable[[Emitted | None], None]":
        from rich.console import Console
        from rich.live import Live

        console = Console()
        if not console.is_terminal:
            return self._line
        # Drawn anew four times a second, so that the clock moves between two objects.
        self._live = Live(get_renderable=self._text, console=console, refresh_per_second=4)
        self._live.__enter__()
        return lambda _: None

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.__exit__(*error)

    def _text(self) -> Any:
        from rich.text import Text

        totals, seconds = self._totals, time.monotonic() - self._began
        attack = f", {totals.attack_events:,} of the attack" if totals.attack_events else ""
        return Text(
            f"{timedelta(seconds=int(seconds))}  {totals.objects:,} objects  {totals.events:,} events{attack}  "
            f"{totals.bytes / 1_000:,.0f} KB  (Ctrl-C ends)"
        )

    def _line(self, emitted: "Emitted | None") -> None:
        if emitted is not None:
            item = emitted.item
            note = f" ({item.note})" if item.note else ""
            typer.echo(
                f"{datetime.now(UTC):%H:%M:%S} {emitted.source}: {item.events:,} events{note}, "
                f"{len(item.body):,} bytes, s3://{emitted.bucket}/{item.key}"
            )
