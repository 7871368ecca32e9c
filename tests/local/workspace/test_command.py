"""``s3sentinel workspace query`` as a user meets it."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from s3sentinel_assets.cli.workspace import app
from s3sentinel_assets.local.workspace import LocalWorkspace, start_workspace


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture
def configured(workspace: LocalWorkspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A configuration file for the shared workspace, chosen by the environment."""
    content = {
        "sentinel": workspace.sentinel_settings(),
        "sources": {"trail": {"bucket": "logs", "prefix": "x/", "format": "cloudtrail"}},
    }
    monkeypatch.setenv("S3SENTINEL_CONFIG", str(tmp_path / "s3sentinel.yaml"))
    (tmp_path / "s3sentinel.yaml").write_text(yaml.safe_dump(content))
    return content


@pytest.mark.usefixtures("configured")
def test_the_configured_workspace_answers(clients: Any, mark: str) -> None:
    clients.send([{"Id": mark, "Extra_CF": "[bold]x[/nope]"}])
    result = run("query", f"Typed_CL | where Id == '{mark}' | project Id, Extra_CF")
    assert result.exit_code == 0
    assert mark in result.stdout
    assert "[bold]x[/nope]" in result.stdout
    assert "1 rows" in result.stdout
    result = run("query", f"Typed_CL | where Id == '{mark}' | project Id, n=1, t=datetime(2026-01-02)", "--json")
    assert json.loads(result.stdout) == {"Id": mark, "n": 1, "t": "2026-01-02T00:00:00Z"}
    assert run("query", f"Typed_CL | where Id == '{mark}'", "--hours", "0").stdout == "0 rows\n"


@pytest.mark.usefixtures("configured")
def test_a_table_on_a_cheaper_plan_is_asked_by_search(clients: Any, mark: str) -> None:
    clients.send([{"Id": mark}], "Cheap_CL")
    kql = f"Cheap_CL | where Id == '{mark}' | count"
    result = run("query", kql, "--search", "--hours", "1", "--json")
    assert json.loads(result.stdout) == {"Count": 1}
    refused = run("query", kql)
    assert refused.exit_code == 1 and "/search' instead" in refused.stderr
    assert run("query", kql, "--search").exit_code == 2  # it would scan the whole table


def test_serve_takes_twins_by_name_and_keeps_them(tmp_path: Path) -> None:
    twin = "AWSVPCFlow_Auxiliary_CL"
    command = [sys.executable, "-m", "s3sentinel_assets.cli", "workspace", "serve", "--port", "0"]
    command += ["--dir", str(tmp_path), "--table", twin]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as served:
        assert served.stdout is not None
        assert "listens on" in served.stdout.readline()
        served.send_signal(signal.SIGINT)
        served.communicate(timeout=30)
    ask = ("query", f"{twin} | count", "--dir", str(tmp_path), "--json")
    assert json.loads(run(*ask, "--search", "--hours", "1").stdout) == {"Count": 0}
    assert "/search' instead" in run(*ask).stderr
    unknown = run("serve", "--dir", str(tmp_path / "other"), "--table", "Nope_CL")
    assert unknown.exit_code == 1 and "no schema for table 'Nope_CL'" in unknown.stderr


@pytest.mark.usefixtures("configured")
def test_wrong_kql_is_one_sentence(workspace: LocalWorkspace) -> None:
    result = run("query", "Nope | count")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert "'Nope'" in result.stderr


def test_an_unreachable_server_is_one_sentence(configured: dict[str, Any], tmp_path: Path) -> None:
    configured["sentinel"] |= {"query_endpoint": "https://127.0.0.1:9", "authority": "https://127.0.0.1:9"}
    (tmp_path / "s3sentinel.yaml").write_text(yaml.safe_dump(configured))
    result = run("query", "AWSCloudTrail | count")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert "https://127.0.0.1:9" in result.stderr


def test_a_directory_is_asked_with_and_without_its_server(tmp_path: Path, clients_for: Any) -> None:
    with start_workspace(tmp_path) as workspace:
        clients_for(workspace).send([{"EventName": "GetObject"}], "AWSCloudTrail")
        ask = ("query", "AWSCloudTrail | summarize count() by EventName", "--dir", str(tmp_path), "--json")
        assert json.loads(run(*ask).stdout) == {"EventName": "GetObject", "count_": 1}
        workspace.kill()
    # The address file is left behind by the kill, and the log of the database was not folded in.
    assert json.loads(run(*ask).stdout) == {"EventName": "GetObject", "count_": 1}
    result = run("query", "AWSCloudTrail | where", "--dir", str(tmp_path))
    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
    result = run("query", "AWSCloudTrail", "--dir", str(tmp_path / "nowhere"))
    assert (result.exit_code, "workspace serve" in result.stderr) == (1, True)


def test_the_functions_are_printed_and_work_once_they_are_saved(tmp_path: Path, clients_for: Any) -> None:
    assert "// AWSVPCFlow_Once: " in run("functions").stdout
    with start_workspace(tmp_path) as workspace:
        clients_for(workspace).send([{"EventId_CF": "1"}, {"EventId_CF": "1"}, {"EventName": "A"}], "AWSCloudTrail")
        ask = ("query", "AWSCloudTrail_Once | count", "--dir", str(tmp_path), "--json")
        assert run(*ask).exit_code == 1
        saved = run("functions", "--out", str(tmp_path / "functions"))
        assert str(tmp_path / "functions" / "AWSCloudTrail_Once.kql") in saved.stdout
        assert json.loads(run(*ask).stdout) == {"Count": 2}
    (tmp_path / "taken").write_text("")
    result = run("functions", "--out", str(tmp_path / "taken"))
    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)


def test_serve_says_where_it_is_and_ends_on_interrupt(tmp_path: Path) -> None:
    program = "from s3sentinel_assets.cli.workspace import app; app()"
    server = subprocess.Popen(
        [sys.executable, "-c", program, "serve", "--dir", str(tmp_path), "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    # Lines, not communicate(): that reads past what readline() has buffered.
    lines = [server.stdout.readline() for _ in range(4)]
    server.send_signal(signal.SIGINT)
    lines += server.stdout
    assert server.wait(30) == 0
    server.stdout.close()
    assert "https://127.0.0.1:" in lines[0]
    assert str(tmp_path / "client_secret") in lines[2]
    assert lines[4:] == ["local workspace ended\n"]
