"""The priority table: what it makes of an event, what it never does, and how a wrong table is refused."""

import json
import random

import polars as pl
import pytest

from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.ml.priority.rules import FULL_BUDGET_HOURS, PriorityRule, load_priority
from s3sentinel_assets.ml.priority.sensitivity import SensitivityRules
from tests.ml.priority.judged import TABLES, Halving, Model, judged
from tests.ml.worlds import MODELS, call, hours

HOUR = hours(0, 1)[9]
ADMIN = json.dumps({"policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"})
#: Raw scores that `Halving` expects in 4, 16, 60, 64 and 256 principal-hours a day.
H4, H16, H60, H64, H256 = 800, 600, 410, 400, 200
FINDINGS = Model(rules=TABLES.rules("guardduty"), sensitivity=SensitivityRules())


def event(serial: int, action: str = "s3:ListBuckets", minute: float | None = None, **more) -> dict:
    known = {"principal": "111122223333/anna", "first_seen": False, "cold_start": False, "raw": 0}
    return call(HOUR, serial if minute is None else minute, "anna", action, serial) | known | more


def priority(*rows: dict, model: Model | None = None) -> list[str]:
    return judged(list(rows), HOUR, model=model)[1]["priority"].to_list()


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({}, "low"),
        ({"raw": H256}, "low"),
        ({"raw": H64}, "medium"),
        ({"raw": H16}, "high"),
        ({"raw": H4}, "critical"),
        ({"action": "iam:CreateUser"}, "low"),
        ({"action": "iam:CreateUser", "first_seen": True}, "medium"),
        ({"action": "iam:CreateUser", "first_seen": True, "raw": H64}, "medium"),
        ({"action": "iam:CreateUser", "first_seen": True, "raw": H60}, "high"),
        ({"action": "iam:CreateUser", "first_seen": True, "raw": H60, "error": "AccessDenied"}, "medium"),
        ({"action": "iam:AttachRolePolicy", "first_seen": True, "detail": ADMIN}, "high"),
        ({"action": "iam:AttachRolePolicy", "first_seen": True, "detail": ADMIN, "raw": H4}, "critical"),
        # Little history: the call leads, an anomaly by itself is capped.
        ({"cold_start": True}, "low"),
        ({"cold_start": True, "raw": H4}, "medium"),
        ({"cold_start": True, "raw": 3_000}, "medium"),
        ({"cold_start": True, "action": "iam:CreateUser", "first_seen": True}, "medium"),
        ({"cold_start": True, "action": "iam:CreateUser", "first_seen": True, "raw": H16}, "medium"),
        ({"cold_start": True, "action": "iam:CreateUser", "first_seen": True, "raw": H4}, "high"),
        ({"cold_start": True, "action": "cloudtrail:StopLogging", "first_seen": True, "raw": H4}, "high"),
    ],
)
def test_the_shipped_table(row, expected):
    action = row.pop("action", "s3:ListBuckets")
    try:
        assert priority(event(1, action, **row)) == [expected]
    finally:
        row["action"] = action


def test_what_surrounds_something_unusual_is_medium_for_an_hour():
    rows = [event(1, minute=0), event(2, minute=6, raw=H16), event(3, minute=30), event(4, minute=59.5)]
    other = event(5, minute=31) | {"principal": "111122223333/ben"}
    assert priority(*rows, other) == ["low", "high", "medium", "medium", "low"]
    # The call just before it is judged with it.
    assert priority(event(1, minute=1), event(2, minute=6, raw=H16)) == ["medium", "high"]
    # Sensitive and new on top of a principal that has just stood out.
    attack = event(6, "iam:CreateUser", minute=40, first_seen=True)
    assert priority(event(7, minute=20, raw=H4), attack) == ["critical", "critical"]


@pytest.mark.parametrize("cold", [False, True])
@pytest.mark.parametrize(
    ("grave", "around"),
    [
        ({"action": "iam:CreateUser", "first_seen": True, "raw": H60}, "medium"),
        ({"action": "iam:CreateUser", "first_seen": True, "raw": H64}, "low"),
        ({"action": "iam:CreateUser", "first_seen": False, "raw": H60}, "low"),
        ({"action": "iam:CreateRole", "first_seen": True, "raw": H60}, "low"),
    ],
)
def test_a_sensitive_first_time_in_an_unusual_hour_brings_its_surroundings(grave, around, cold):
    grave = event(1, minute=20, cold_start=cold, **grave)
    rows = [event(2, minute=14, cold_start=cold), event(3, minute=16, cold_start=cold)]
    rows += [event(4, minute=59, cold_start=cold), event(5, minute=30) | {"principal": "111122223333/ben"}]
    assert priority(grave, *rows)[1:] == ["low", around, around, "low"]
    # From part to part.
    _, _, counters = judged([grave], HOUR)
    _, found, _ = judged(rows, HOUR, counters=counters)
    assert found["priority"].to_list() == ["low", around, around, "low"]


def test_the_order_of_rows_does_not_change_a_bit():
    rows = [
        event(serial, random.Random(serial).choice(["s3:ListBuckets", "iam:CreateUser"]), minute=serial % 50,
              raw=[0, H256, H64, H16][serial * 7 % 4], first_seen=serial % 3 == 0, cold_start=serial % 5 == 0)
        for serial in range(60)
    ]  # fmt: skip
    found, by_row, counters = judged(rows, HOUR)
    order = list(range(60))
    random.Random(1).shuffle(order)
    again, shuffled, others = judged([rows[place] for place in order], HOUR)
    assert shuffled.drop("row").equals(by_row.drop("row")[order])
    assert others.frame.equals(counters.frame)
    assert found.priority.equals(again.priority)


def test_findings_carry_the_vendors_severity_and_nothing_else_passes_medium():
    rows = [event(1, severity=name, raw=3_000) for name in ("critical", "high", "medium", "low", "informational")]
    assert priority(*rows, model=FINDINGS) == ["critical", "high", "medium", "low", "low"]
    assert priority(event(1, severity="High"), model=FINDINGS) == ["high"]
    assert priority(event(1, raw=3_000), event(2), model=FINDINGS) == ["medium", "medium"]
    assert priority(event(1), event(2, cold_start=True), model=FINDINGS) == ["low", "low"]
    for name in ("vpc_flow", "syslog", "anything"):
        assert TABLES.rules(name) == TABLES.tables["default"]


def test_rows_without_any_identity_are_not_judged_and_nameless_ones_are():
    nameless = event(2, "cloudtrail:StopLogging", first_seen=True, cold_start=True) | {"principal": None}
    found, _, _ = judged([nameless], HOUR)
    assert (found.priority.to_list(), found.rule.to_list()) == (["high"], ["trail-stopped"])
    assert found.technique.to_list() == ["T1562.008"]


def test_no_events_no_judgement():
    found, _, counters = judged([], HOUR)
    assert found.priority.len() == found.standing.len() == found.rule.len() == 0
    assert (found.priority.dtype, found.standing.dtype) == (pl.String, pl.Int64)
    assert counters.frame.height == 0


def test_conditions_have_the_units_they_say():
    """With `Halving`, a raw score of 400 is expected in 64 hours and 128 events a day."""
    low = PriorityRule(priority="low")
    for condition, limit in (("events_per_day", 128), ("event_hours_per_day", 64), ("hours_per_day", 64)):
        for value, expected in ((limit, "high"), (limit - 0.5, "low")):
            model = Model(rules=(PriorityRule.model_validate({"priority": "high", condition: value}), low))
            assert priority(event(1, raw=400), model=model) == [expected]


def test_a_change_of_the_file_changes_priorities(tmp_path):
    text = (MODELS / "priority.json").read_text().replace('"event_hours_per_day": 20,', '"event_hours_per_day": 2,', 1)
    text = text.replace(
        '{"priority": "high", "event_hours_per_day": 20}', '{"priority": "high", "event_hours_per_day": 70}'
    )
    (tmp_path / "priority.json").write_text(text)
    model = Model(rules=load_priority(tmp_path / "priority.json").rules("cloudtrail"))
    assert priority(event(1, raw=H64)) == ["medium"]
    assert priority(event(1, raw=H64), model=model) == ["high"]


LAST = {"priority": "low"}


@pytest.mark.parametrize(
    ("tables", "says"),
    [
        ({"default": [LAST]}, r"labelled\.0: 'cloudtrail' has no table"),
        ({"default": [LAST], "cloud_trail": [LAST]}, r"tables\.cloud_trail: there is no log family"),
        ({"default": [{"priority": "low", "hours_a_day": 3}, LAST]}, r"tables\.default\.0\.hours_a_day"),
        ({"default": [{"priority": "urgent"}, LAST]}, r"tables\.default\.0\.priority"),
        ({"default": [{"priority": "low", "hours_per_day": 0}, LAST]}, r"tables\.default\.0\.hours_per_day"),
        ({"default": [{"priority": "low", "vendor_severity": ["severe"]}, LAST]}, r"vendor_severity"),
        ({"default": [{"priority": "low", "cold_start": True}]}, r"tables\.default.*without conditions"),
        ({"default": [LAST, LAST]}, r"tables\.default\.0.*never apply"),
        ({"default": [LAST], "cloudtrail": []}, r"tables\.cloudtrail.*without conditions"),
        ({"cloudtrail": [LAST]}, r"tables\.default: is missing"),
        ({"default": [{"priority": "high", "hours_per_day": 5}, LAST]}, r"tables\.default\.0.*capped at medium"),
    ],
)
def test_wrong_tables_are_refused_with_their_path(tmp_path, tables, says):
    file = tmp_path / "priority.json"
    file.write_text(json.dumps({"labelled": ["cloudtrail"], "tables": tables}))
    with pytest.raises(ConfigurationError, match=says) as error:
        load_priority(file)
    assert str(file) in str(error.value)


def test_the_default_table_is_no_labelled_one(tmp_path):
    """It would lift the cap of every log family without labelled attacks."""
    file = tmp_path / "priority.json"
    file.write_text(json.dumps({"labelled": ["default"], "tables": {"default": [LAST]}}))
    with pytest.raises(ConfigurationError, match=r"labelled\.0: 'default' has no table of its own"):
        load_priority(file)


@pytest.mark.parametrize("text", ["", "{", "[]", "\x00", "[" * 100_000], ids=["", "{", "[]", "0", "deep"])
def test_files_that_are_no_table_are_refused(tmp_path, text):
    file = tmp_path / "priority.json"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match="mend or restore"):
        load_priority(file)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_priority(tmp_path / "gone.json")


def test_a_small_organisation_gets_its_share_of_the_alerts():
    """Half the principal-hours that the table is made for: an event must be twice as rare for the same priority."""

    class Small(Halving):
        hours_per_day = FULL_BUDGET_HOURS / 2

    rows = [event(number, raw=raw, principal=str(number)) for number, raw in enumerate((H4, H4 + 100, H16, H16 + 100))]
    assert priority(*rows) == ["critical", "critical", "high", "high"]
    assert priority(*rows, model=Model(detector=Small())) == ["high", "critical", "medium", "high"]
