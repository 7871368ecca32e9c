"""``s3sentinel infra``: what has to exist in Azure and AWS, written from the same schemas and configuration.

Belongs here: the list of its commands. Does not belong here: the commands (``infra_azure``, ``infra_aws``).
"""

import typer

from s3sentinel_assets.cli.infra_aws import aws
from s3sentinel_assets.cli.infra_azure import azure, diff

__all__ = ["app"]

app = typer.Typer(help="Write what Azure and AWS need, and compare it with what is there.", no_args_is_help=True)
app.command()(azure)
app.command()(diff)
app.command()(aws)
