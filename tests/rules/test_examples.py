"""The rules that ship: each fires on the demo's attack and is quiet before it."""

import uuid
from pathlib import Path

import pytest
import yaml

from s3sentinel_assets.rules import Outcome, find_rules, run_rule
from s3sentinel_assets.sentinel.guards import extract, own_workspace
from s3sentinel_assets.tables import load_schema
from tests.rules.conftest import REPOSITORY, AttackedWorkspace

RULES, UNREADABLE = find_rules(REPOSITORY / "rules")


def test_the_examples_are_complete_sentinel_rules() -> None:
    assert not UNREADABLE
    assert len(RULES) >= 5
    assert not [note for rule in RULES for note in rule.notes]
    assert len({uuid.UUID(rule.id) for rule in RULES}) == len(RULES)
    for rule in RULES:
        content = yaml.safe_load(Path(rule.file).read_text(encoding="utf-8"))
        needed = {
            "name",
            "description",
            "severity",
            "tactics",
            "relevantTechniques",
            "entityMappings",
            "version",
            "kind",
        }
        timed = {"queryFrequency", "queryPeriod", "triggerOperator", "triggerThreshold"}
        assert needed <= content.keys(), rule.file
        # One that runs near real time has no times of its own.
        assert timed & content.keys() == (set() if rule.kind == "NRT" else timed), rule.file
        for connector in content["requiredDataConnectors"]:
            assert all(load_schema(table) for table in connector["dataTypes"])


def test_no_example_keeps_a_whole_table_from_cheaper_ones() -> None:
    for rule in RULES:
        guards = extract(rule.query, own_workspace())
        assert guards, rule.file
        assert not {table: guard.because for table, guard in guards.items() if guard.pinned}, rule.file


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_it_fires_on_the_attack_and_is_quiet_before(attacked: AttackedWorkspace, rule) -> None:
    during = run_rule(rule, attacked.ask, *attacked.attack, keep=5)
    assert (during.outcome, during.reason) == (Outcome.RAN, "")
    assert during.fired
    before = run_rule(rule, attacked.ask, *attacked.quiet, keep=5)
    assert before.outcome is Outcome.RAN
    assert not before.fired, before.evaluations
    columns = set(during.evaluations[0].first[0])
    content = yaml.safe_load(Path(rule.file).read_text(encoding="utf-8"))
    mapped = {field["columnName"] for entity in content["entityMappings"] for field in entity["fieldMappings"]}
    assert mapped <= columns


def test_every_step_finds_the_attack_at_its_own_time(attacked: AttackedWorkspace) -> None:
    [rule] = [one for one in RULES if one.file.endswith("logging_stopped.yaml")]
    run = run_rule(rule, attacked.ask, attacked.quiet[0], attacked.attack[1], every=True)
    assert rule.frequency is not None
    assert len(run.evaluations) == (attacked.attack[1] - attacked.quiet[0]) // rule.frequency
    [fired] = run.fired
    assert attacked.attack[0] <= fired.start < fired.moment <= attacked.attack[1]
