"""The development environment: stand-ins, MLflow and Dagster, on configured ports or below a folder.

Belongs here: ports, folders, the configuration they share. Does not belong here: the commands (``dev_services``),
running them (``services``), buckets and terminal (``cli.dev``).
"""

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from s3sentinel_assets.config import Config, load_config
from s3sentinel_assets.errors import ConfigurationError, UserError
from s3sentinel_assets.local.dev_services import dev_services
from s3sentinel_assets.local.ports import LOOPBACK, check_port, free_ports
from s3sentinel_assets.local.services import Service

__all__ = ["Environment", "below_folder", "configured", "is_loopback"]

_WRITTEN = "# Written by `s3sentinel dev --home`, anew at every start.\n"
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Environment:
    """What runs, where it listens, and where its files are.

    Attributes:
        config_file: the configuration that everything in it uses.
        config: the same, read.
        services: the stand-ins first.
        gate: the file whose appearance lets Dagster start.
        dagster_url: address of the Dagster UI.
        mlflow_url: address of MLflow, if it runs.
    """

    config_file: Path
    config: Config
    services: tuple[Service, ...]
    gate: Path
    dagster_url: str
    mlflow_url: str | None

    @property
    def stand_ins(self) -> tuple[Service, ...]:
        """What must answer before a sensor ticks."""
        return self.services[:2]


def is_loopback(url: str | None) -> bool:
    """Whether the URL names this machine and no other."""
    host = urlsplit(url or "").hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def configured(config_file: Path, *, port: int, mlflow_port: int | None) -> Environment:
    """The environment of a configuration that uses the local stand-ins.

    Args:
        config_file: the configuration.
        port: of the Dagster UI.
        mlflow_port: of MLflow; None: without it.

    Raises:
        ConfigurationError: the configuration points at something that is not on this machine.
        UserError: a port is taken.
    """
    config = load_config(config_file)
    aws, sentinel = config.aws, config.sentinel
    if not aws.credentials_file or not sentinel.ca_file:
        raise ConfigurationError(
            f"{config_file} does not use the local stand-ins: aws.credentials_file and sentinel.ca_file must be set "
            "for that; `s3sentinel dev --home DIR` needs no configuration"
        )
    ports = [
        _local_port("aws.endpoint_url", aws.endpoint_url, config_file),
        _local_port("sentinel.ingestion_endpoint", sentinel.ingestion_endpoint, config_file),
    ]
    check_port(ports[0], "local AWS", f"stop what uses it, or choose another in aws.endpoint_url of {config_file}")
    check_port(
        ports[1],
        "the local workspace",
        f"stop what uses it, or choose another in sentinel.ingestion_endpoint of {config_file}",
    )
    check_port(port, "the Dagster UI", "stop what uses it, or choose another with --port")
    if mlflow_port is not None:
        way_out = "stop what uses it, choose another with --mlflow-port, or do without with --no-mlflow"
        check_port(mlflow_port, "MLflow", way_out)
    _check_different([*ports, port, mlflow_port])
    home = None
    if "DAGSTER_HOME" not in os.environ and not Path("dagster.yaml").is_file():
        home = _dagster_home(config.data_dir / "dagster")
    return _environment(config_file, config, [*ports, port, mlflow_port], home)


def below_folder(home: Path, *, port: int | None, mlflow_port: int | None, mlflow: bool = True) -> Environment:
    """An environment with everything below ``home``, on free ports where none is given.

    Raises:
        UserError: the folder holds somebody else's configuration, or a port that was asked for is taken.
    """
    home = home.resolve()
    config_file = home / "s3sentinel.yaml"
    if config_file.is_file() and not config_file.read_text(encoding="utf-8").startswith(_WRITTEN):
        raise UserError(f"{config_file} was not written by `s3sentinel dev`; name another folder with --home")
    if port is not None:
        check_port(port, "the Dagster UI", "stop what uses it, or leave out --port for a free one")
    if mlflow_port is not None and mlflow:
        check_port(mlflow_port, "MLflow", "stop what uses it, or leave out --mlflow-port for a free one")
        _check_different([port, mlflow_port])
    aws, workspace, free, more = free_ports(4)
    home.mkdir(parents=True, exist_ok=True)
    values = _values(home, f"http://{LOOPBACK}:{aws}", f"https://{LOOPBACK}:{workspace}")
    unfinished = config_file.with_suffix(".unfinished")
    unfinished.write_text(_WRITTEN + yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    unfinished.replace(config_file)
    ports = [aws, workspace, port or free, (mlflow_port or more) if mlflow else None]
    config = load_config(config_file)
    _check_kept(values, config)
    return _environment(config_file, config, ports, _dagster_home(home / "dagster"))


def _check_different(ports: list[int | None]) -> None:
    taken = [port for port in ports if port is not None]
    for port in taken:
        if taken.count(port) > 1:
            raise UserError(f"port {port} is wanted twice; choose others with --port and --mlflow-port")


def _check_kept(values: dict[str, Any], config: Config) -> None:
    """An exported variable wins over the file: without a look, invented logs could go to a real workspace."""
    for section, keys in (
        ("aws", ("endpoint_url", "credentials_file")),
        ("sentinel", ("ingestion_endpoint", "query_endpoint", "authority", "ca_file")),
    ):
        for key in keys:
            if str(getattr(getattr(config, section), key)).rstrip("/") != values[section][key].rstrip("/"):
                variable = f"S3SENTINEL_{section}__{key}".upper()
                raise ConfigurationError(
                    f"--home writes {section}.{key} itself, and a variable such as {variable} overrides it; unset it"
                )
    if config.data_dir != Path(values["data_dir"]):
        raise ConfigurationError("--home names the folder, and S3SENTINEL_DATA_DIR names another; unset it")
    for source in config.sources.values():
        if source.enabled and not is_loopback(config.aws_access(source).endpoint_url):
            raise ConfigurationError(
                f"sources.{source.name}.aws.endpoint_url is not on this machine; unset the variable that says so"
            )


def _local_port(key: str, url: str | None, config_file: Path) -> int:
    port = urlsplit(url or "").port
    if not is_loopback(url) or port is None:
        raise ConfigurationError(
            f"{config_file}: {key} is no address of this machine with a port; the local stand-ins need one, such as "
            f"{LOOPBACK}:4566; `s3sentinel dev --home DIR` needs no configuration"
        )
    return port


def _values(home: Path, aws_url: str, workspace_url: str) -> dict[str, Any]:
    """The shipped configuration, moved to another folder and other ports."""
    values: dict[str, Any] = yaml.safe_load((_ROOT / "s3sentinel.yaml").read_text(encoding="utf-8"))
    sentinel = values["sentinel"]
    credential = sentinel["credential"] | {"client_secret_file": str(home / "workspace" / "client_secret")}
    return values | {
        "data_dir": str(home),
        "models_dir": str(_ROOT / "models"),
        "aws": values["aws"] | {"endpoint_url": aws_url, "credentials_file": str(home / "aws" / "credentials")},
        "sentinel": sentinel
        | dict.fromkeys(("ingestion_endpoint", "query_endpoint", "authority"), workspace_url)
        | {"ca_file": str(home / "workspace" / "ca.pem"), "credential": credential},
    }


def _dagster_home(folder: Path) -> Path:
    """A Dagster home of its own, with the settings of this checkout."""
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    settings = yaml.safe_load((_ROOT / "dagster.yaml").read_text(encoding="utf-8"))
    for place in (
        settings["storage"]["sqlite"],
        settings["local_artifact_storage"]["config"],
        settings["compute_logs"]["config"],
    ):
        place["base_dir"] = str(folder / Path(place["base_dir"]).name)
    (folder / "dagster.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    return folder


def _environment(config_file: Path, config: Config, ports: list[int | None], dagster_home: Path | None) -> Environment:
    aws_port, workspace_port, dagster_port, mlflow_port = ports
    assert aws_port and workspace_port and dagster_port  # noqa: S101 - only MLflow may be left out
    data = config.data_dir.resolve()
    gate = data / "dev.gate"
    mlflow_url = f"http://{LOOPBACK}:{mlflow_port}" if mlflow_port else None
    services = dev_services(
        config_file, config, (aws_port, workspace_port, dagster_port, mlflow_port), dagster_home, gate
    )
    return Environment(config_file, config, services, gate, f"http://{LOOPBACK}:{dagster_port}", mlflow_url)
