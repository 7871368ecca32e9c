"""``s3sentinel config``: is the configuration right?

Belongs here: what the user reads. Does not belong here: the checks themselves (``config``).
"""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["app"]

app = typer.Typer(help="Check the configuration.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keeps ``check`` a sub-command although it is the only one."""


@app.command()
def check(
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The file; default $S3SENTINEL_CONFIG or s3sentinel.yaml.")
    ] = None,
) -> None:
    """Read and check the configuration; nothing is connected to."""
    from s3sentinel_assets.config import config_path, load_config

    loaded = load_config(config)
    if routed := [source for source in loaded.sources.values() if source.routing.rules]:
        from s3sentinel_assets.hours import utc_now
        from s3sentinel_assets.pipeline.runtime import Runtime
        from s3sentinel_assets.sentinel.routing import Router  # loads Polars

        for source in routed:
            Router(source, Runtime(loaded).guards(source), utc_now())
    enabled = [name for name, source in loaded.sources.items() if source.enabled]
    disabled = [name for name in loaded.sources if name not in enabled]
    more = f", switched off: {', '.join(disabled)}" if disabled else ""
    typer.echo(
        f"{config_path(config)} is valid: sources {', '.join(enabled) or 'none'}{more}, "
        f"from {loaded.start:%Y-%m-%dT%H:%MZ}"
    )
