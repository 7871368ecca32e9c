"""Rule files: what is read, and what is said of those that are wrong."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.rules import RuleError, find_rules, parse_rule
from s3sentinel_assets.rules.loading import pick_rules

SCHEDULED = {"name": "A", "query": "T", "queryFrequency": "1h", "queryPeriod": "1d", "kind": "Scheduled"}


def test_a_scheduled_rule() -> None:
    rule = parse_rule("f", {**SCHEDULED, "triggerOperator": "gt", "triggerThreshold": 2, "severity": "High"})
    assert (rule.kind, rule.frequency, rule.period) == ("Scheduled", timedelta(hours=1), timedelta(days=1))
    assert (rule.fires(2), rule.fires(3)) == (False, True)
    assert rule.notes == ()


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ("5m", timedelta(minutes=5)),
        ("14d", timedelta(days=14)),
        ("PT5H", timedelta(hours=5)),
        ("P1D", timedelta(days=1)),
        ("P1DT30M", timedelta(days=1, minutes=30)),
        ("30S", timedelta(seconds=30)),
        ("P2W", timedelta(days=14)),
        ("PT1M30S", timedelta(seconds=90)),
    ],
)
def test_spans(written: str, means: timedelta) -> None:
    assert parse_rule("f", {**SCHEDULED, "queryPeriod": written}).period == means


@pytest.mark.parametrize(
    ("operator", "fires"),
    [
        ("gt", [False, False, True]),
        ("lt", [True, False, False]),
        ("eq", [False, True, False]),
        ("NotEqual", [True, False, True]),
    ],
)
def test_triggers(operator: str, fires: list[bool]) -> None:
    rule = parse_rule("f", {**SCHEDULED, "triggerOperator": operator, "triggerThreshold": 1})
    assert [rule.fires(rows) for rows in range(3)] == fires


def test_kinds_follow_from_the_fields() -> None:
    assert parse_rule("f", {"name": "h", "query": "T"}).kind == "Hunting"
    nrt = parse_rule("f", {"name": "n", "query": "T", "kind": "NRT"})
    assert (nrt.kind, nrt.frequency) == ("NRT", timedelta(minutes=1))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"query": None}, "no query"),
        ({"query": "  "}, "no query"),
        ({"queryFrequency": None}, "no queryFrequency"),
        ({"queryPeriod": "soon"}, "'soon' is no span"),
        ({"queryPeriod": "0h"}, "no span"),
        ({"queryPeriod": "PT"}, "no span"),
        ({"queryPeriod": "9999999d"}, "longer than any workspace keeps"),
        ({"queryPeriod": "9" * 30 + "d"}, "no span"),
        ({"name": ["A", "B"]}, "more than one value in the field 'name'"),
        ({"queryFrequency": {"h": 1}}, "more than one value in the field 'queryfrequency'"),
        ({"kind": "Fusion"}, "kind 'Fusion'"),
        ({"triggerOperator": "about"}, "triggerOperator 'about'"),
        ({"triggerThreshold": "many"}, "triggerThreshold 'many'"),
        ({"triggerThreshold": -1}, "triggerThreshold '-1'"),
    ],
)
def test_what_keeps_a_rule_from_running(change: dict[str, Any], says: str) -> None:
    with pytest.raises(RuleError, match=says):
        parse_rule("f", SCHEDULED | change)


def test_a_slip_is_told_and_the_rule_runs() -> None:
    rule = parse_rule("f", {**SCHEDULED, "triggerTreshold": 3, "severity": "Urgent", "queryPeriod": "30m"})
    assert len(rule.notes) == 3
    assert "did you mean 'triggerthreshold'" in rule.notes[0]


def test_a_folder_of_files_good_and_bad(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "good.yml").write_text("id: X-1\nname: Good one\nquery: T\n")
    (tmp_path / "bad.yaml").write_text("name: a\n  query: [\n")
    (tmp_path / "list.yaml").write_text("- a\n")
    (tmp_path / "moved.YAML").write_text("name: moved\n")
    (tmp_path / "latin.yaml").write_bytes(b"name: \xe9\n")
    (tmp_path / "other.txt").write_text("not looked at")
    rules, unreadable = find_rules(tmp_path)
    assert [rule.name for rule in rules] == ["Good one"]
    reasons = {Path(one.file).name: one.reason for one in unreadable}
    assert reasons.keys() == {"bad.yaml", "list.yaml", "moved.YAML", "latin.yaml"}
    assert "not valid YAML at line 2" in reasons["bad.yaml"]
    assert "no query" in reasons["moved.YAML"]
    assert "cannot be read" in reasons["latin.yaml"]
    for name in ("x-1", "good one", "GOOD", "one"):
        assert pick_rules(rules, [name]) == rules
    with pytest.raises(ConfigurationError, match="--rule nothing"):
        pick_rules(rules, ["nothing"])


def test_files_that_break_readers(tmp_path: Path) -> None:
    laughs = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 14))
    contents = {
        "date": "name: a\nquery: T\nversion: 2026-13-45\n",
        "deep": "query: " + "[" * 5_000,
        "laughs": f"query: T\na0: &a0 [x]\n{laughs}name: *a13\n",
        "object": "query: !!python/object/apply:os.getcwd []\n",
        "two": "query: T\n---\nquery: U\n",
        "long": "query: T\n#" + "x" * 1_000_000,
    }
    for name, content in contents.items():
        (tmp_path / f"{name}.yaml").write_text(content)
    rules, unreadable = find_rules(tmp_path)
    assert not rules
    reasons = {Path(one.file).stem: one.reason for one in unreadable}
    assert reasons.keys() == contents.keys()
    assert "month must be in 1..12" in reasons["date"]
    assert "more than one value" in reasons["laughs"]
    assert "at most 1,000,000" in reasons["long"]


def test_folders_without_rules_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such folder"):
        find_rules(tmp_path / "none")
    with pytest.raises(ConfigurationError, match="holds no"):
        find_rules(tmp_path)
