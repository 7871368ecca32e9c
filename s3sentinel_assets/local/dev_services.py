"""The services of the development environment: commands, variables, and which lines stay unsaid.

Belongs here: how each server is started. Does not belong here: on which ports and in which folders (``dev``), running
them (``services``).
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from s3sentinel_assets.config import SENSORS_VARIABLE, Config
from s3sentinel_assets.local.ports import LOOPBACK
from s3sentinel_assets.local.services import Service

__all__ = ["DAGSTER_CHATTER", "SENSOR_SECONDS", "dev_services"]

#: Dagster looks at its sensors every 5 s. A sensor that asks for exactly that misses every other turn by a hair.
SENSOR_SECONDS = 2

#: Lines of Dagster that help nobody: a command's new name, what is said once in the life of a home, every event of
#: every run, which the UI shows better.
DAGSTER_CHATTER = (
    *("SupersessionWarning", "  return callback(", "Found a dagster instance configuration value"),
    "No cursor for event type",
    " - DEBUG - ",
)

#: Run before Dagster, by name: the stand-ins know nothing of Dagster.
_BEFORE_DAGSTER = "s3sentinel_assets.cli.left_runs"
_INTERVAL_VARIABLE = "S3SENTINEL_SENSOR_INTERVAL_SECONDS"
_ROOT = Path(__file__).resolve().parents[2]
_MODULE = "s3sentinel_assets.definitions"
_LOCAL_HOSTS = f"{LOOPBACK},localhost"


def dev_services(
    config_file: Path,
    config: Config,
    ports: tuple[int, int, int, int | None],
    dagster_home: Path | None,
    gate: Path,
) -> tuple[Service, ...]:
    """The services, the two stand-ins first.

    Args:
        config_file: what they all read.
        config: the same, read; ``aws.credentials_file`` and ``sentinel.ca_file`` are set.
        ports: of local AWS, the local workspace, the Dagster UI, and MLflow; None: without MLflow.
        dagster_home: None: where Dagster finds its settings by itself.
        gate: the file whose appearance lets Dagster start.
    """
    aws_port, workspace_port, dagster_port, mlflow_port = ports
    assert config.aws.credentials_file and config.sentinel.ca_file  # noqa: S101
    mlflow_url = f"http://{LOOPBACK}:{mlflow_port}" if mlflow_port else None
    common = _variables(config_file, config, mlflow_url, dagster_home)
    command = (sys.executable, "-m", "s3sentinel_assets.cli")
    services = [
        Service(
            "aws",
            (*command, "aws", "serve", "--dir", str(config.aws.credentials_file.parent), "--port", str(aws_port)),
            aws_port,
            environment=common,
            drop=("listens on",),
        ),
        Service(
            "workspace",
            (
                *command,
                "workspace",
                "serve",
                "--dir",
                str(config.sentinel.ca_file.parent),
                "--port",
                str(workspace_port),
            ),
            workspace_port,
            environment=common,
            drop=("listens on", "  trust  ", "  client secret ", "  rows  ", "local workspace ended"),
        ),
        _dagster(dagster_port, gate, common),
    ]
    if mlflow_port:
        services.append(_mlflow(mlflow_port, config.data_dir.resolve() / "mlflow", common))
    return tuple(services)


def _variables(
    config_file: Path, config: Config, mlflow_url: str | None, dagster_home: Path | None
) -> Mapping[str, str]:
    variables = {
        "S3SENTINEL_CONFIG": str(config_file.resolve()),
        SENSORS_VARIABLE: "running",
        "PYTHONUNBUFFERED": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "DAGSTER_DISABLE_TELEMETRY": "yes",
        # Loopback must not go through a proxy.
        **dict.fromkeys(("NO_PROXY", "no_proxy"), ",".join(filter(None, (os.environ.get("NO_PROXY"), _LOCAL_HOSTS)))),
    }
    if "sensor_interval_seconds" not in config.model_fields_set:
        variables[_INTERVAL_VARIABLE] = str(SENSOR_SECONDS)
    if mlflow_url:
        variables["MLFLOW_TRACKING_URI"] = mlflow_url
    if dagster_home:
        variables["DAGSTER_HOME"] = str(dagster_home)
    return variables


def _dagster(port: int, gate: Path, common: Mapping[str, str]) -> Service:
    # The workspace file gives the code location the name under which `dagster dev` in this folder knows it.
    where = ("-w", str(_ROOT / "workspace.yaml")) if (_ROOT / "workspace.yaml").is_file() else ("-m", _MODULE)
    return Service(
        "dagster",
        (
            *(sys.executable, "-m", "s3sentinel_assets.local.gate", str(gate), _BEFORE_DAGSTER, "dagster"),
            *("dev", "-h", LOOPBACK, "-p", str(port), "--log-level", "warning", *where),
        ),
        port,
        path="/server_info",
        environment=common,
        drop=DAGSTER_CHATTER,
    )


def _mlflow(port: int, folder: Path, common: Mapping[str, str]) -> Service:
    folder.mkdir(parents=True, exist_ok=True)
    return Service(
        "mlflow",
        (
            *(sys.executable, "-m", "mlflow", "server", "--host", LOOPBACK, "--port", str(port), "--workers", "1"),
            *("--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"),
            # Files, not the server's proxy: commands that use the database without the server find them, too.
            *("--default-artifact-root", (folder / "artifacts").as_uri(), "--no-serve-artifacts"),
            *("--uvicorn-opts", "--log-level warning --no-access-log"),
        ),
        port,
        path="/health",
        drop=(
            *("Registry store URI not provided", "Security middleware enabled with default settings"),
            *("StarletteDeprecationWarning", "from starlette.middleware.wsgi import"),
        ),
        # No traces are evaluated here; the job runner would be two more processes.
        environment={**common, "MLFLOW_LOGGING_LEVEL": "WARNING", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
    )
