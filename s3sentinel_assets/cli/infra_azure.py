"""``s3sentinel infra azure`` and ``s3sentinel infra diff``: the Azure side as a template, and against what is there.

Belongs here: options and what is printed. Does not belong here: the template and the comparison (``infra.azure``).

Exit codes of ``diff``: 0 Azure is as it would be written; 1 it differs, or cannot be asked; 2 wrong usage or
configuration.
"""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from s3sentinel_assets.cli.consoles import table_console
from s3sentinel_assets.cli.printable import json_line, printable

if TYPE_CHECKING:
    from s3sentinel_assets.config import Config
    from s3sentinel_assets.infra.azure import Plan
    from s3sentinel_assets.infra.azure.comparison import Difference
    from s3sentinel_assets.infra.azure.reading import AzureReader

__all__ = ["azure", "diff"]

#: Name of the files in a folder.
_NAME = "s3sentinel-azure"


class Form(StrEnum):
    """The two ways to write a template."""

    ARM = "arm"
    BICEP = "bicep"


_SPLIT_NOTE = (
    "rows that Azure sends to another table are not found where the connector looks for them, and neither guards nor "
    "the audit sample hold them back; docs/azure.md says what follows"
)
_ENDINGS = {Form.ARM: ".json", Form.BICEP: ".bicep"}

_ConfigFile = Annotated[
    Path | None, typer.Option("--config", "-c", help="The file; default $S3SENTINEL_CONFIG or s3sentinel.yaml.")
]
_Spread = Annotated[
    int | None,
    typer.Option(
        "--spread", min=1, help="Copies of each rule, to send past 2 GB a minute. Default: as dcr_ids has rules."
    ),
]
_Split = Annotated[
    bool,
    typer.Option(
        "--split", help="Let Azure send rows to cheaper tables by priority, not the connector; see docs/azure.md."
    ),
]


def azure(
    output: Annotated[str, typer.Argument(help="Folder for the files, or - to print one.")] = "-",
    form: Annotated[
        Form | None, typer.Option("--format", help="arm or bicep. Default: both into a folder, arm printed.")
    ] = None,
    spread: _Spread = None,
    split: _Split = False,
    keep_columns: Annotated[
        bool,
        typer.Option(
            "--keep-columns", help="Ask Azure for custom columns that tables have beside ours, and keep them."
        ),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace files that others wrote or changed.")] = False,
    config: _ConfigFile = None,
) -> None:
    """Write a template for tables, data collection rules, roles and functions that the configuration needs.

    Nothing is deployed, and without --keep-columns nothing is connected to.
    """
    from s3sentinel_assets.config import load_config
    from s3sentinel_assets.infra.azure import Options, plan_infrastructure
    from s3sentinel_assets.infra.azure.arm import arm_text
    from s3sentinel_assets.infra.azure.bicep import bicep_text
    from s3sentinel_assets.infra.azure.comparison import further_columns
    from s3sentinel_assets.infra.azure.files import GENERATOR, sealed, write_files
    from s3sentinel_assets.infra.azure.resources import build_template

    loaded = load_config(config)
    plan = plan_infrastructure(loaded, Options(spread, split))
    kept = {}
    if keep_columns:
        with _reader(loaded) as reader:
            reader.workspace()
            kept = further_columns(plan, reader)
    template = build_template(loaded, plan, kept)
    texts = {
        Form.ARM: lambda: sealed(arm_text(template, GENERATOR)),
        Form.BICEP: lambda: sealed(bicep_text(template, GENERATOR)),
    }
    if split:
        typer.echo(f"note: {_SPLIT_NOTE}", err=True)
    if output == "-":
        sys.stdout.write(texts[form or Form.ARM]())
        return
    folder = Path(output)
    files = {_NAME + _ENDINGS[one]: text() for one, text in texts.items() if form in (None, one)}
    for name, changed in write_files(folder, files, force=force).items():
        typer.echo(f"{folder / name}: {'written' if changed else 'unchanged'}")
    _tell(plan, loaded, folder / next(iter(files)), kept_asked=keep_columns)


def diff(
    spread: _Spread = None,
    split: _Split = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    config: _ConfigFile = None,
) -> None:
    """Compare Azure as it is today with what `infra azure` would write, given the same options. Nothing is changed."""
    from s3sentinel_assets.config import load_config
    from s3sentinel_assets.infra.azure import Options, plan_infrastructure
    from s3sentinel_assets.infra.azure.comparison import compare

    loaded = load_config(config)
    plan = plan_infrastructure(loaded, Options(spread, split))
    with _reader(loaded) as reader:
        found = compare(loaded, plan, reader)
    if as_json:
        typer.echo(json_line({"equal": not found, "differences": [vars(one) for one in found]}))
    elif found:
        _print_table(found)
        typer.echo(f"{len(found)} difference{'s' if len(found) > 1 else ''}")
        if any(one.kind == "surplus" and one.where.startswith("table ") for one in found):
            typer.echo(
                "note: deploying takes surplus columns of tables away, unless infra azure --keep-columns wrote it"
            )
    else:
        typer.echo(f"no difference: {_counted(plan)}")
    if found:
        raise typer.Exit(1)


@contextlib.contextmanager
def _reader(config: "Config") -> Iterator["AzureReader"]:
    from s3sentinel_assets.infra.azure.reading import AzureReader

    reader = AzureReader(config.sentinel)
    try:
        yield reader
    finally:
        reader.close()


def _counted(plan: "Plan") -> str:
    streams = sum(len(rule.streams) for rule in plan.rules)
    return f"{len(plan.rules)} data collection rules with {streams} streams, {len(plan.tables)} tables"


def _tell(plan: "Plan", config: "Config", file: Path, *, kept_asked: bool) -> None:
    group = config.sentinel.azure.resource_group or "RESOURCE_GROUP"
    typer.echo(_counted(plan))
    if not kept_asked:
        typer.echo("note: custom columns of these tables that are not ours would be taken away; see --keep-columns")
    typer.echo(
        printable(
            f"deploy: az deployment group create --resource-group {group} --name s3sentinel --template-file {file}\n"
            f"then:   az deployment group show --resource-group {group} --name s3sentinel "
            "--query properties.outputs.s3sentinel.value",
            keep="\n",
        )
    )


def _print_table(found: Sequence["Difference"]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("where", "part", "is", "would be", "in Azure")
    for one in found:
        # Text, not markup, and escaped: others choose what a column is called.
        cells = (one.where, one.part, one.kind.value, one.wanted or "", one.found or "")
        table.add_row(*(Text(printable(cell)) for cell in cells))
    table_console().print(table)
