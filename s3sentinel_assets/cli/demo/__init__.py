"""``s3sentinel demo``: the main job on generated logs, from a local S3 to a local workspace, counted at both ends.

Belongs here: the command's options and its exit code. Does not belong here: the run (``run``), the tables (``report``).
"""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from s3sentinel_assets.cli.local import DEMO_HOME

__all__ = ["demo"]


def demo(
    hours: Annotated[int, typer.Option(min=3, max=168, help="Hours of logs to generate.")] = 6,
    as_json: Annotated[bool, typer.Option("--json", help="End with one line of JSON.")] = False,
    home: Annotated[Path, typer.Option(help="Folder of the demo; what an earlier demo left there is replaced.")] = (
        DEMO_HOME
    ),
    scale: Annotated[float, typer.Option(min=0.05, help="Factor on the number of events.")] = 1.0,
) -> None:
    """Run the main job: generated logs with an attack in them, from a local S3 to a local workspace."""
    from s3sentinel_assets.cli.demo.report import print_report, report_json
    from s3sentinel_assets.cli.demo.run import run_demo
    from s3sentinel_assets.errors import UserError

    marker = home / "s3sentinel.yaml"
    if home.exists() and any(home.iterdir()) and not marker.is_file() and not (home / ".demo").is_file():
        raise UserError(f"{home} holds something that is not a demo; name another folder with --home")
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    (home / ".demo").touch()
    result = run_demo(home, hours, scale)
    print_report(result)
    if as_json:
        typer.echo(report_json(result))
    if not result.ok:
        raise typer.Exit(1)
