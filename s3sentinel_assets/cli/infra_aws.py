"""``s3sentinel infra aws``: the AWS side of the configuration as files.

Belongs here: options and what the user reads. Does not belong here: the documents (``infra.aws``). AWS is not asked.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from s3sentinel_assets.cli.printable import json_line, printable
from s3sentinel_assets.errors import UserError

if TYPE_CHECKING:
    from s3sentinel_assets.infra.aws import Plan

__all__ = ["aws"]


def aws(
    output: Annotated[str, typer.Argument(help="Folder for the files, or - to print the template alone.")] = "-",
    source: Annotated[
        list[str] | None, typer.Option("--source", "-s", help="Only this source; give it again for more.")
    ] = None,
    name: Annotated[str, typer.Option("--name", help="The stack's name; queues, and a new role, are called by it.")] = (
        "s3sentinel"
    ),
    account: Annotated[
        str | None, typer.Option("--account", help="Where the stack is deployed; by default the account of role_arn.")
    ] = None,
    oidc_issuer: Annotated[
        str | None,
        typer.Option(
            "--oidc-issuer", help="The role is assumed with tokens of this issuer (EKS: that of the cluster)."
        ),
    ] = None,
    region: Annotated[
        str | None, typer.Option("--region", help="Which template - prints, where buckets lie in several regions.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that others wrote or changed.")] = False,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The file; default $S3SENTINEL_CONFIG or s3sentinel.yaml.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="What was written as one JSON object.")] = False,
) -> None:
    """Write a CloudFormation template for queues and the reading role, and what owners of buckets and keys add.

    The role is allowed what this project's requests need for the configured prefixes, and no more. Nothing is
    connected to.
    """
    from s3sentinel_assets.config import load_config
    from s3sentinel_assets.infra.aws import documents, make_plan, write_files
    from s3sentinel_assets.infra.aws.steps import next_steps

    loaded = load_config(config)
    plan = make_plan(loaded, sources=source or (), name=name, account=account, oidc_issuer=oidc_issuer)
    if any(loaded.aws_access(loaded.source(each)).is_stand_in for each in plan.sections):
        typer.echo("note: aws.endpoint_url is a local stand-in; remove it to read from AWS", err=True)
    if output == "-":
        _print_template(plan, region)
        return
    if region is not None:
        raise UserError("--region chooses what - prints; a folder gets the templates of all regions: leave it out")
    folder, files = Path(output), documents(plan)
    written = write_files(folder, files, force=force)
    steps = next_steps(plan, folder, files)
    if as_json:
        states = {"written": written.changed, "unchanged": written.kept, "no_longer_made": written.left}
        typer.echo(json_line({"folder": str(folder), **states, "next_steps": steps}))
        return
    for state, names in (
        ("written", written.changed),
        ("unchanged", written.kept),
        ("no longer made, delete it", written.left),
    ):
        for each in names:
            typer.echo(printable(f"{folder / each}: {state}"))
    for number, step in enumerate(steps, 1):
        typer.echo(printable(f"\n{number}. {step}", keep="\n"))


def _print_template(plan: "Plan", region: str | None) -> None:
    from s3sentinel_assets.infra.aws import build_template, rendered

    regions = ", ".join(plan.regions)
    if region is not None and region not in plan.regions:
        raise UserError(f"there is no template for region {region!r}; there are: {regions}")
    if region is None and len(plan.regions) > 1:
        raise UserError(f"there is a template for each region ({regions}); choose one with --region, or name a folder")
    typer.echo(rendered(build_template(plan, region or plan.home)), nl=False)
