"""Both stand-ins under one folder, and a configuration file that reaches them.

Belongs here: what the demo, ``s3sentinel local`` and tests of whole runs share. Does not belong here: either stand-in.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from s3sentinel_assets.config import Config, load_config
from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.local.aws import LocalAws, start_aws
from s3sentinel_assets.local.workspace.definitions import routed_tables
from s3sentinel_assets.local.workspace.process import LocalWorkspace, start_workspace

__all__ = ["BUCKET", "Laptop", "start_configured", "start_laptop"]

BUCKET = "s3sentinel-logs"

_SOURCES = {
    "cloudtrail": {
        "bucket": BUCKET,
        "prefix": "AWSLogs/{account}/CloudTrail/{region}/{yyyy}/{mm}/{dd}/",
        "format": "cloudtrail",
    },
    "vpc_flow": {
        "bucket": BUCKET,
        "prefix": "AWSLogs/{account}/vpcflowlogs/{region}/{yyyy}/{mm}/{dd}/",
        "format": "vpc_flow",
    },
}


@dataclass(frozen=True)
class Laptop:
    """Running stand-ins, and where the configuration that reaches them lies."""

    home: Path
    aws: LocalAws
    workspace: LocalWorkspace
    config_file: Path

    def config(self) -> Config:
        """The configuration, read from its file."""
        return load_config(self.config_file)


def _write_config(home: Path, aws: LocalAws, workspace: LocalWorkspace, overrides: dict[str, Any]) -> Path:
    values: dict[str, Any] = {
        "data_dir": str(home),
        "aws": {"endpoint_url": aws.url, "credentials_file": str(aws.credentials_file)},
        "sentinel": workspace.sentinel_settings(),
        "sources": _SOURCES,
    }
    for key, value in overrides.items():
        values[key] = {**values[key], **value} if isinstance(value, dict) and key in values else value
    file = home / "s3sentinel.yaml"
    unfinished = file.with_suffix(".unfinished")
    unfinished.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    os.replace(unfinished, file)  # noqa: PTH105 - atomic, also over an existing file
    return file


def laptop_on(home: Path, aws: LocalAws, workspace: LocalWorkspace, /, **overrides: Any) -> Laptop:
    """A laptop on stand-ins that run already: only the configuration is written, below ``home``.

    Args:
        home: folder for the configuration and the data; made if missing.
        aws: the running local AWS.
        workspace: the running local workspace.
        **overrides: see `start_laptop`.
    """
    home = home.resolve()
    home.mkdir(parents=True, exist_ok=True)
    return Laptop(home, aws, workspace, _write_config(home, aws, workspace, overrides))


@contextlib.contextmanager
def start_laptop(home: Path, **overrides: Any) -> Iterator[Laptop]:
    """Starts local AWS and the local workspace below ``home`` on free ports and writes a configuration for them.

    Args:
        home: folder for everything; made if missing.
        **overrides: sections of the configuration that differ from the local defaults, such as ``start`` or ``limits``.

    Raises:
        UserError: a stand-in did not start.
    """
    home = home.resolve()
    with start_aws(home / "aws") as aws, start_workspace(home / "workspace") as workspace:
        yield laptop_on(home, aws, workspace, **overrides)


@contextlib.contextmanager
def start_configured(config: Config) -> Iterator[tuple[LocalAws, LocalWorkspace]]:
    """Starts both stand-ins on the ports and in the folders that a local configuration names.

    Raises:
        ConfigurationError: the configuration points at AWS or Azure themselves.
        UserError: a stand-in did not start.
    """
    aws, sentinel = config.aws, config.sentinel
    if not aws.endpoint_url or not aws.credentials_file or not sentinel.ca_file:
        raise ConfigurationError(
            "the configuration does not use the local stand-ins: aws.endpoint_url, aws.credentials_file and "
            "sentinel.ca_file must be set for that"
        )
    tables, streams = routed_tables(config)
    aws_port, workspace_port = urlsplit(aws.endpoint_url).port, urlsplit(sentinel.ingestion_endpoint).port
    with (
        start_aws(aws.credentials_file.parent, port=aws_port or 0) as local_aws,
        start_workspace(
            sentinel.ca_file.parent, port=workspace_port or 0, tables=tables or None, streams=streams
        ) as workspace,
    ):
        yield local_aws, workspace
