"""``s3sentinel rules run`` against a served workspace."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from s3sentinel_assets.cli.rules import app
from s3sentinel_assets.errors import ConfigurationError
from tests.rules.conftest import REPOSITORY, AttackedWorkspace

HEAD = "queryFrequency: 1h\nqueryPeriod: 1h\nkind: Scheduled\nquery: "


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(app, ["run", *map(str, arguments)])


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """One rule of every outcome but failed."""
    (tmp_path / "good.yaml").write_text(f"name: Good\n{HEAD}AWSCloudTrail | where EventName == 'StopLogging'\n")
    (tmp_path / "quiet.yaml").write_text(f"name: Quiet\n{HEAD}AWSCloudTrail | where EventName == 'Never'\n")
    (tmp_path / "other.yaml").write_text(f"name: Other\n{HEAD}SigninLogs | take 1\n")
    return tmp_path


def span(attacked: AttackedWorkspace) -> tuple[str, ...]:
    return ("--from", attacked.attack[0].isoformat(), "--to", attacked.attack[1].isoformat())


def test_the_examples_by_configuration(attacked: AttackedWorkspace) -> None:
    result = run(REPOSITORY / "rules", "--config", attacked.config, *span(attacked), "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.output)
    assert document["ok"]
    assert all(rule["fires"] and rule["first_rows"] for rule in document["rules"])


def test_outcomes_and_exit_codes(attacked: AttackedWorkspace, mixed: Path) -> None:
    where = ("--home", attacked.folder, *span(attacked))
    result = run(mixed, *where, "--show")
    assert result.exit_code == 0
    assert "needs table SigninLogs" in " ".join(result.output.split())
    assert "EventName: StopLogging" in result.output
    assert "3 rules: 2 ran, 1 fire, 1 not run" in result.output
    assert run(mixed, *where, "--strict").exit_code == 1
    only = run(mixed, *where, "--fired-only")
    assert "Good" in only.output
    assert "Quiet" not in only.output
    (mixed / "broken.yaml").write_text(f"name: Broken\n{HEAD}AWSCloudTrail | where\n")
    (mixed / "none.yaml").write_text("name: None\n")
    document = json.loads(run(mixed, *where, "--json").output)
    assert {rule["name"]: rule["outcome"] for rule in document["rules"]} == {
        "Broken": "failed",
        "Good": "ran",
        "Other": "not run",
        "Quiet": "ran",
    }
    assert [Path(one["file"]).name for one in document["unreadable"]] == ["none.yaml"]
    assert run(mixed, *where).exit_code == 1
    assert run(mixed, *where, "--rule", "quiet").exit_code == 0


def test_a_range_may_begin_so_long_before_its_end(attacked: AttackedWorkspace, mixed: Path) -> None:
    end = ("--home", attacked.folder, "--to", attacked.attack[1].isoformat(), "--json")
    hours = (attacked.attack[1] - attacked.attack[0]).total_seconds() / 3600
    for text in (f"{hours:.0f}h", f"{hours * 60:.0f}m", "1d"):
        rules = json.loads(run(mixed, *end, "--from", text).output)["rules"]
        assert next(rule for rule in rules if rule["name"] == "Good")["fires"]
    assert json.loads(run(mixed, *end, "--from", "1d").output)["from"] < attacked.attack[0].isoformat()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--to", "soon"), "--to 'soon' is no time"),
        (("--to", "0001-01-01"), "--to '0001-01-01' is no time that logs have"),
        (("--from", "h"), "--from 'h' is no time"),
        (("--from", "2026-11-02", "--to", "2026-11-01"), "is not before"),
        (("--home", "a", "--config", "b"), "not both"),
    ],
)
def test_wrong_usage(mixed: Path, arguments: tuple[str, ...], says: str) -> None:
    result = run(mixed, *arguments)
    assert isinstance(result.exception, ConfigurationError)
    assert says in str(result.exception)
