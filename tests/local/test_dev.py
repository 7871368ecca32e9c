"""What the development environment runs, where, and what it refuses before anything starts."""

import re
import socket
import sys
from pathlib import Path

import pytest
import yaml

from s3sentinel_assets.config import load_config
from s3sentinel_assets.errors import ConfigurationError, UserError
from s3sentinel_assets.local.dev import Environment, below_folder, configured, is_loopback
from s3sentinel_assets.local.ports import free_ports

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    """The shipped configuration on free ports, in a folder of its own."""
    values = yaml.safe_load((REPOSITORY / "s3sentinel.yaml").read_text())
    aws, workspace = free_ports(2)
    values["data_dir"] = str(tmp_path / "data")
    values["aws"] |= {"endpoint_url": f"http://127.0.0.1:{aws}", "credentials_file": str(tmp_path / "aws/credentials")}
    values["sentinel"] |= {
        "ingestion_endpoint": f"https://127.0.0.1:{workspace}",
        "ca_file": str(tmp_path / "w/ca.pem"),
    }
    return write(tmp_path / "mine.yaml", values)


def write(file: Path, values: dict) -> Path:
    file.write_text(yaml.safe_dump(values))
    return file


def change(file: Path, section: str, **values: object) -> None:
    everything = yaml.safe_load(file.read_text())
    everything[section] |= values
    write(file, everything)


def names(environment: Environment) -> list[str]:
    return [service.name for service in environment.services]


def test_the_configured_ports_and_folders_are_used(config_file: Path, tmp_path: Path) -> None:
    port, mlflow_port = free_ports(2)
    environment = configured(config_file, port=port, mlflow_port=mlflow_port)
    assert names(environment) == ["aws", "workspace", "dagster", "mlflow"]
    assert [service.name for service in environment.stand_ins] == ["aws", "workspace"]
    config = load_config(config_file)
    assert config.aws.endpoint_url == f"http://127.0.0.1:{environment.services[0].port}"
    assert config.sentinel.ingestion_endpoint == f"https://127.0.0.1:{environment.services[1].port}"
    assert str(tmp_path / "aws") in environment.services[0].command
    assert (environment.dagster_url, environment.mlflow_url) == (
        f"http://127.0.0.1:{port}",
        f"http://127.0.0.1:{mlflow_port}",
    )
    assert names(configured(config_file, port=port, mlflow_port=None)) == ["aws", "workspace", "dagster"]


def test_the_services_know_what_they_need(config_file: Path) -> None:
    port, mlflow_port = free_ports(2)
    dagster, mlflow = configured(config_file, port=port, mlflow_port=mlflow_port).services[2:]
    assert dagster.environment["S3SENTINEL_CONFIG"] == str(config_file)
    assert dagster.environment["S3SENTINEL_SENSORS"] == "running"
    assert dagster.environment["MLFLOW_TRACKING_URI"] == f"http://127.0.0.1:{mlflow_port}"
    assert mlflow.environment["MLFLOW_DISABLE_TELEMETRY"] == mlflow.environment["DO_NOT_TRACK"] == "true"
    assert "DAGSTER_HOME" not in dagster.environment  # tests run where dagster.yaml is
    assert {"--host", "127.0.0.1"} <= set(mlflow.command)
    assert {"-h", "127.0.0.1"} <= set(dagster.command)
    assert all(service.command[0] == sys.executable for service in (dagster, mlflow))


def test_sensors_are_quick_unless_the_configuration_says_how_quick(config_file: Path) -> None:
    (port,) = free_ports(1)
    variable = "S3SENTINEL_SENSOR_INTERVAL_SECONDS"
    dagster = configured(config_file, port=port, mlflow_port=None).services[2]
    assert int(dagster.environment[variable]) < 5  # Dagster looks every 5 s and skips a sensor that is a hair early
    values = yaml.safe_load(config_file.read_text()) | {"sensor_interval_seconds": 45}
    assert variable not in configured(write(config_file, values), port=port, mlflow_port=None).services[2].environment


def test_dagster_has_a_home_where_the_folder_gives_it_none(
    config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (port,) = free_ports(1)
    home = Path(configured(config_file, port=port, mlflow_port=None).services[2].environment["DAGSTER_HOME"])
    assert (home / "dagster.yaml").is_file()
    assert home.is_relative_to(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", "/elsewhere")
    assert "DAGSTER_HOME" not in configured(config_file, port=port, mlflow_port=None).services[2].environment


@pytest.mark.parametrize("which", ["aws", "workspace", "dagster", "mlflow"])
def test_a_taken_port_is_one_sentence(config_file: Path, which: str) -> None:
    port, mlflow_port = free_ports(2)
    environment = configured(config_file, port=port, mlflow_port=mlflow_port)
    taken = next(service.port for service in environment.services if service.name == which)
    ways_out = {"aws": "aws.endpoint_url", "workspace": "sentinel.ingestion_endpoint", "dagster": "--port"}
    way_out = ways_out.get(which, "--mlflow-port")
    with socket.create_server(("127.0.0.1", taken)), pytest.raises(UserError, match=rf"^port {taken} for .*{way_out}"):
        configured(config_file, port=port, mlflow_port=mlflow_port)


@pytest.mark.parametrize(
    ("section", "values", "named"),
    [
        ("aws", {"endpoint_url": "https://s3.eu-central-1.amazonaws.com:443"}, "aws.endpoint_url"),
        ("aws", {"endpoint_url": None}, "aws.endpoint_url"),
        ("aws", {"endpoint_url": "http://127.0.0.1"}, "aws.endpoint_url"),
        ("sentinel", {"ingestion_endpoint": "https://x.ingest.monitor.azure.com:443"}, "sentinel.ingestion_endpoint"),
        ("sentinel", {"ca_file": None}, "sentinel.ca_file"),
    ],
)
def test_a_configuration_that_reaches_out_is_refused(config_file: Path, section: str, values: dict, named: str) -> None:
    change(config_file, section, **values)
    with pytest.raises(ConfigurationError, match=named):
        configured(config_file, port=1, mlflow_port=None)


@pytest.mark.parametrize(
    ("url", "verdict"),
    [
        ("http://127.0.0.1:4566", True),
        ("http://[::1]:4566", True),
        ("http://localhost:9000", True),
        ("http://127.8.9.1", True),
        (None, False),
        ("", False),
        ("https://s3.amazonaws.com", False),
        ("http://10.0.0.3:9000", False),
        ("http://127.0.0.1.example.com", False),
        ("http://127.0.0.1@example.com/", False),
        ("http://localhost.example.com", False),
    ],
)
def test_what_loopback_is(url: str | None, verdict: bool) -> None:
    assert is_loopback(url) is verdict


def test_everything_below_a_folder(tmp_path: Path) -> None:
    first = below_folder(tmp_path / "one", port=None, mlflow_port=None)
    ports = [service.port for service in first.services]
    assert len(set(ports)) == 4
    for service in first.services:
        folders = [part for part in service.command if str(tmp_path) in part]
        assert all(str(tmp_path / "one") in part for part in folders)
        assert service.environment["DAGSTER_HOME"] == str(tmp_path / "one" / "dagster")
    settings = yaml.safe_load((tmp_path / "one/dagster/dagster.yaml").read_text())
    assert settings["storage"]["sqlite"]["base_dir"].startswith(str(tmp_path))
    assert set(first.config.sources) == set(load_config(REPOSITORY / "s3sentinel.yaml").sources)
    # A second start in the same folder gets new ports for the same data.
    again = below_folder(tmp_path / "one", port=None, mlflow_port=None, mlflow=False)
    assert names(again) == ["aws", "workspace", "dagster"]
    assert again.config.data_dir == first.config.data_dir


def test_a_folder_with_a_configuration_of_somebody_s_is_left_alone(tmp_path: Path) -> None:
    file = write(tmp_path / "s3sentinel.yaml", {"mine": 1})
    with pytest.raises(UserError, match="was not written by"):
        below_folder(tmp_path, port=None, mlflow_port=None)
    assert yaml.safe_load(file.read_text()) == {"mine": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["s3sentinel.yaml"]


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        (
            "S3SENTINEL_SENTINEL__INGESTION_ENDPOINT",
            "https://x.ingest.monitor.azure.com",
            "sentinel.ingestion_endpoint",
        ),
        ("S3SENTINEL_AWS__ENDPOINT_URL", "http://127.0.0.1:9", "aws.endpoint_url"),
        ("S3SENTINEL_DATA_DIR", "/elsewhere", "S3SENTINEL_DATA_DIR"),
        (
            "S3SENTINEL_SOURCES__CLOUDTRAIL__AWS__ENDPOINT_URL",
            "https://s3.amazonaws.com",
            "sources.cloudtrail.aws.endpoint_url",
        ),
    ],
)
def test_a_variable_that_points_elsewhere_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        below_folder(tmp_path, port=None, mlflow_port=None)


def test_one_port_for_two_is_said(config_file: Path, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with pytest.raises(UserError, match=rf"^port {port} is wanted twice; choose others"):
        configured(config_file, port=port, mlflow_port=port)
    with pytest.raises(UserError, match=rf"^port {port} is wanted twice"):
        below_folder(tmp_path / "home", port=port, mlflow_port=port)
