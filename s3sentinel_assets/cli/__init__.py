"""The command line: ``s3sentinel …``.

Belongs here: the list of commands, exit codes and how errors look. Does not belong here: any command; each has a module
beside this one, imported only when it is run or its own help is asked for, so that ``s3sentinel --help`` stays fast.

Exit codes: 0 done, 1 the job failed or a user error, 2 wrong usage or configuration, 130 interrupted.
"""

import sys
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from s3sentinel_assets.errors import ConfigurationError, UserError

__all__ = ["COMMANDS", "app", "build", "main"]


@dataclass(frozen=True)
class LazyTarget:
    """Where a command lives: a `typer.Typer` or a plain function, named ``attribute`` in ``module``."""

    module: str
    attribute: str
    help: str

    def load(self, name: str) -> Any:
        """The real command, imported now."""
        target = getattr(import_module(f"s3sentinel_assets.cli.{self.module}"), self.attribute)
        if not isinstance(target, typer.Typer):
            wrapped = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
            wrapped.command(name=name)(target)
            target = wrapped
        command = get_command(target)
        command.name = name
        return command


#: Command → where it is. The order is the order of the help.
COMMANDS: dict[str, LazyTarget] = {
    "demo": LazyTarget("demo", "demo", "Run the main job on generated logs, local S3 to local workspace."),
    "backfill": LazyTarget("backfill", "backfill", "Bring a span of hours up to date."),
    "warm-up": LazyTarget("warm_up", "warm_up", "Build history for scoring from older logs; deliver nothing."),
    "feedback": LazyTarget("feedback", "app", "Say which events were attacks and which were not."),
    "notifications": LazyTarget("notifications", "app", "Show what queues said that needs attention."),
    "dead-letter": LazyTarget("dead_letter", "app", "List, show, mend, send again or drop what Sentinel refused."),
    "audit": LazyTarget("audit", "audit", "Print what people decided, who and why."),
    "routing": LazyTarget("routing", "routing", "Print what routing rules did, or would do."),
    "promote": LazyTarget("promote", "promote", "Send demoted rows to their own table, too."),
    "cost": LazyTarget("cost", "cost", "Print what delivery costs, and what routing saved."),
    "models": LazyTarget("models", "app", "List, compare, train, promote and roll back models."),
    "infra": LazyTarget("infra", "app", "Write what Azure and AWS need, and compare."),
    "quarantine": LazyTarget("quarantine", "app", "List and show what could not be parsed, and parse it again."),
    "verify-digests": LazyTarget(
        "verify_digests", "verify_digests", "Prove that the bucket holds what CloudTrail wrote."
    ),
    "parse": LazyTarget("parse", "parse", "Detect, parse and normalise local log files."),
    "score": LazyTarget("score", "score", "Score a folder of logs offline, one row an event."),
    "formats": LazyTarget("formats", "formats", "List the log formats, their tables and columns."),
    "rules": LazyTarget("rules", "app", "Run Sentinel's rule files against the workspace."),
    "dev": LazyTarget("dev", "dev", "Run local S3, workspace, MLflow and Dagster together."),
    "emit": LazyTarget("emit", "emit", "Keep writing invented logs into the local S3."),
    "latency": LazyTarget("latency", "latency", "Measure the time from S3 to a query's answer."),
    "local": LazyTarget("local", "local", "Serve the local stand-ins that the configuration names."),
    "ui": LazyTarget("local", "ui", "Open the last demo in the Dagster UI."),
    "workspace": LazyTarget("workspace", "app", "Serve or query the local Log Analytics workspace."),
    "aws": LazyTarget("aws", "app", "Serve a local S3."),
    "config": LazyTarget("configuration", "app", "Check the configuration."),
}


class LazyCommand(TyperCommand):
    """A command that is only a name and a line of help until somebody runs it."""

    def __init__(self, name: str, target: LazyTarget) -> None:
        super().__init__(name, help=target.help)
        self.target = target

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Hands over to the real command; its context then runs it."""
        return self.target.load(self.name or "").make_context(info_name, args, parent=parent, **extra)


@dataclass
class _Options:
    debug: bool = False


_options = _Options()

app = typer.Typer(
    name="s3sentinel",
    help="Moves log events from Amazon S3 to Microsoft Sentinel, and proves it hour by hour.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # its tracebacks show local variables, and those may hold secrets
)


@app.callback()
def _common(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    _options.debug = debug


@app.command()
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as installed

    typer.echo(f"s3sentinel {installed('s3sentinel')}")


def build() -> TyperGroup:
    """The whole command, lazy ones included."""
    group = get_command(app)
    assert isinstance(group, TyperGroup)  # noqa: S101 - an app with a callback is a group
    own = dict(group.commands)
    group.commands.clear()
    for name, target in COMMANDS.items():
        group.add_command(LazyCommand(name, target))
    group.commands.update(own)
    return group


def main(arguments: list[str] | None = None) -> None:
    """Runs ``s3sentinel`` and ends the process with its exit code."""
    _options.debug = False
    try:
        build().main(args=sys.argv[1:] if arguments is None else arguments, prog_name="s3sentinel")
    except UserError as error:
        if _options.debug:
            raise
        typer.echo(f"error: {' '.join(str(error).split())}", err=True)
        sys.exit(2 if isinstance(error, ConfigurationError) else 1)
    except KeyboardInterrupt:
        sys.exit(130)
