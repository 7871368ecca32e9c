"""``s3sentinel rules guards``, and the list that ships."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from s3sentinel_assets.cli.rules import app
from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.sentinel.guards import load_guards

REPOSITORY = Path(__file__).resolve().parents[3]
HEAD = "queryFrequency: 1h\nqueryPeriod: 1h\nkind: Scheduled\n"


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(app, ["guards", *map(str, arguments)])


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "b.yaml").write_text(f"name: B\n{HEAD}query: AWSCloudTrail | where EventName == 'A' and f == 1\n")
    (folder / "a.yaml").write_text(f"name: A\n{HEAD}enabled: false\nquery: AWSVPCFlow | count\n")
    (folder / "c.yml").write_text(f"name: C\n{HEAD}query: SigninLogs | join Mine on x\n")
    (folder / "d.yaml").write_text(f"name: D\n{HEAD}query: Saved | take 1\n")
    (tmp_path / "Saved.kql").write_text("AWSWAF | where Action == 'BLOCK'")
    return folder


def test_the_shipped_list_is_that_of_the_shipped_rules(tmp_path: Path) -> None:
    made = tmp_path / "guards.json"
    assert run(REPOSITORY / "rules", "--output", made).exit_code == 0
    shipped = REPOSITORY / "models" / "guards.json"
    assert shipped.read_bytes() == made.read_bytes(), "run: s3sentinel rules guards rules --output models/guards.json"
    load_guards(shipped)


def test_what_is_written_and_printed(tmp_path: Path, rules: Path) -> None:
    output = tmp_path / "g.json"
    options = ("--functions", tmp_path, "--other-table", "Mine")
    result = run(rules, rules / "b.yaml", "--output", output, *options)  # the same file twice is one rule
    assert result.exit_code == 0, result.output
    assert f"written to {output}" in " ".join(result.output.split())
    assert "4 rules, 1 not enabled: 2 tables with a filter, 1 pinned, 1 rules read none of ours" in result.output
    document = json.loads(output.read_text())
    assert json.loads(run(rules, "--json", *options).stdout) == document
    assert [(rule["name"], rule["file"], rule["enabled"]) for rule in document["rules"]] == [
        ("A", "mine/a.yaml", False),
        ("B", "mine/b.yaml", True),
        ("C", "mine/c.yml", True),
        ("D", "mine/d.yaml", True),
    ]
    assert [rule["tables"] for rule in document["rules"]] == [
        {"AWSVPCFlow": {"where": None, "pinned": True, "because": "no condition before count"}},
        {"AWSCloudTrail": {"where": "EventName = 'A'", "pinned": False, "because": "not used: f == 1"}},
        {},
        {"AWSWAF": {"where": "Action = 'BLOCK'", "pinned": False, "because": ""}},
    ]


def test_unknown_names_pin_every_table(rules: Path) -> None:
    result = run(rules)
    assert "nothing is written" in result.output
    text = " ".join(result.output.replace("│", " ").split())
    assert "Saved is not known and may read any table" in text
    assert "PINNED" in text


def test_nothing_is_written_while_a_rule_cannot_be_read(tmp_path: Path, rules: Path) -> None:
    (rules / "bad.yaml").write_text("name: Bad\n")
    result = run(rules, "--output", tmp_path / "g.json")
    assert result.exit_code == 1
    assert "bad.yaml: has no query" in result.output
    assert not (tmp_path / "g.json").exists()


def test_wrong_folders(tmp_path: Path, rules: Path) -> None:
    for arguments in ((tmp_path / "none",), (rules, "--functions", tmp_path / "none")):
        result = run(*arguments)
        assert isinstance(result.exception, ConfigurationError)
        assert "there is no such folder" in str(result.exception)
