"""The guards file, and the rows that its conditions hold for."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.sentinel.guards import RuleText, load_guards, make_guards, own_workspace, write_guards
from s3sentinel_assets.sentinel.guards.comparisons import ROUNDED
from s3sentinel_assets.sentinel.guards.model import VERSION, GuardFile, Guards, RuleGuard, TableGuard
from s3sentinel_assets.sentinel.guards.sql import column
from s3sentinel_assets.sentinel.render import _TWO_DECIMALS, FIELD_LIMIT_BYTES
from s3sentinel_assets.tables import load_schema, table_names

TABLE = "AWSCloudTrail"


def guards(*queries: str, enabled: bool = True) -> Guards:
    rules = [RuleText("", f"rule {number}", "", enabled, query) for number, query in enumerate(queries)]
    return Guards(make_guards(rules, own_workspace()))


def needed(found: Guards, **values: list[Any]) -> list[bool]:
    kinds = load_schema(TABLE).polars_schema()
    frame = pl.DataFrame(values, schema={name: kinds[name] for name in values})
    expression = found.expression(TABLE, frame.columns)
    assert expression is not None
    return frame.select(pl.repeat(value=True, n=pl.len()) & expression).to_series().to_list()


def test_rows_of_several_rules() -> None:
    found = guards(f"{TABLE} | where EventName == 'A'", f"{TABLE} | where ErrorCode != 'B'", "AWSVPCFlow | count")
    assert needed(found, EventName=["A", "x", None], ErrorCode=["B", "B", None]) == [True, False, True]
    assert [name for name, _ in found.rules_of(TABLE, ["EventName", "ErrorCode"])] == ["rule 0", "rule 1"]
    assert found.expression("AWSWAF", ["Action"]) is None
    assert needed(guards(f"{TABLE} | take 1"), EventName=["x", None]) == [True, True]
    assert guards(f"{TABLE} | take 1", enabled=False).expression(TABLE, ["EventName"]) is None


def test_a_column_that_is_not_there_needs_every_row() -> None:
    found = guards(f"{TABLE} | where Priority_CF == 'high'", f"{TABLE} | where EventName == 'A'")
    assert needed(found, EventName=["x"]) == [True]
    assert needed(found, EventName=["x"], Priority_CF=["low"]) == [False]
    (_, first), (_, second) = found.rules_of(TABLE, ["EventName"])
    assert not first.meta.root_names()
    assert second.meta.root_names()


def test_values_that_are_compared_in_several_ways_are_kept() -> None:
    found = guards(f"{TABLE} | where EventName == 'A' and ExtraFields_CF has 'word' and Confidence_CF > 5")
    plain = {"EventName": ["x"], "ExtraFields_CF": ["{}"], "Confidence_CF": [1.0]}
    assert needed(found, **plain) == [False]
    for odd in ({"EventName": ["é"]}, {"EventName": ["y" * 40_000]}, {"ExtraFields_CF": ['"\\u0041"']},
                {"Confidence_CF": [float("nan")]}):  # fmt: skip
        assert needed(found, **{**plain, **odd}) == [True], odd
    # What is cut on the way must count as long, and what is rounded there as rounded.
    assert FIELD_LIMIT_BYTES > 40_000
    assert set(ROUNDED) == set(_TWO_DECIMALS)


def test_every_column_can_be_asked() -> None:
    for table in table_names():
        for name in load_schema(table).writable:
            assert pl.sql_expr(f"{column(name)} IS NULL").meta.root_names() == [name]


def test_a_file_is_read_as_written(tmp_path: Path) -> None:
    made = make_guards([RuleText("1", "N", "f.yaml", True, f"{TABLE} | where EventName == 'A'")], own_workspace())
    file = tmp_path / "new" / "guards.json"
    write_guards(file, made)
    assert load_guards(file).digest == Guards(made).digest
    assert [entry.name for entry in file.parent.iterdir()] == ["guards.json"]
    other = make_guards([RuleText("1", "N", "f.yaml", True, f"{TABLE} | where EventName == 'B'")], own_workspace())
    assert Guards(other).digest != Guards(made).digest
    off = make_guards([RuleText("1", "N", "f.yaml", False, f"{TABLE} | where EventName == 'A'")], own_workspace())
    assert Guards(off).digest == Guards(GuardFile(VERSION, [])).digest


@pytest.mark.parametrize(
    ("guard", "says"),
    [
        (TableGuard("EventName = ", False, ""), "the condition cannot be applied"),
        (TableGuard("Nope = 'x'", False, ""), "the condition cannot be applied"),
        (TableGuard("EventName", False, ""), "cannot be applied"),
        (TableGuard("MAX(EventName) = 'x' AND COUNT(*) > 1 AND EventName", False, ""), "cannot be applied"),
        (TableGuard(None, False, ""), "needs either a condition or to be pinned"),
        (TableGuard("EventName = 'x'", True, ""), "needs either a condition or to be pinned"),
    ],
)
def test_a_file_that_was_changed_by_hand(tmp_path: Path, guard: TableGuard, says: str) -> None:
    write_guards(tmp_path / "g.json", GuardFile(VERSION, [RuleGuard("", "N", "", True, {TABLE: guard})]))
    with pytest.raises(ConfigurationError, match=says):
        load_guards(tmp_path / "g.json")


@pytest.mark.parametrize(
    ("content", "says"),
    [("{", "is no list of guards"), ('{"version": 99, "rules": []}', "has version 99"), ('{"rules": 1}', "is no list")],
)
def test_files_that_are_none(tmp_path: Path, content: str, says: str) -> None:
    file = tmp_path / "g.json"
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_guards(file)
    file.write_text(content)
    with pytest.raises(ConfigurationError, match=says):
        load_guards(file)
