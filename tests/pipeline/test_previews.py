"""Previews: what people see of an hour first."""

import contextlib
from datetime import UTC, datetime
from types import SimpleNamespace

import polars as pl
import pytest

from s3sentinel_assets.ledger.parts import Part
from s3sentinel_assets.ledger.schema import Stage
from s3sentinel_assets.ledger.stages import StageFile, StageResult
from s3sentinel_assets.pipeline import parsing, urgent

HOUR = "2026-11-20-07:00"
COLUMNS = ["time", "priority", "score", "who", "what", "why", "source_ip", "target"]


class Hour:
    """Parts of an hour with their files of scores and entities."""

    def __init__(self, folder, monkeypatch):
        self.folder = folder
        self.parts, self.scored, self.parsed = [], {}, {}
        self.runtime = SimpleNamespace(
            store=SimpleNamespace(path=lambda uri: folder / uri),
            ledger=SimpleNamespace(read=lambda: contextlib.nullcontext()),
        )
        monkeypatch.setattr(
            urgent, "latest_stages", lambda _, ids, stage: {i: self.parsed[i] for i in ids if stage is Stage.PARSED}
        )

    def part(self, *files, scored=True):
        """A part with one file for each list of (priority, score, who)."""
        number = len(self.parts) + 1
        self.parts.append(Part(number, "cloudtrail", HOUR, False, 1, 1, None))
        scores, entities = [], []
        for ordinal, rows in enumerate(files):
            name = f"{number}-{ordinal}"
            pl.DataFrame(
                {
                    "Priority_CF": [row[0] for row in rows],
                    "AnomalyScore_CF": [row[1] for row in rows],
                    "Reasons_CF": [f"because {row[2]}" for row in rows],
                },
                schema={"Priority_CF": pl.String, "AnomalyScore_CF": pl.Float64, "Reasons_CF": pl.String},
            ).write_parquet(self.folder / f"s{name}")
            pl.DataFrame(
                {
                    "time": [datetime(2026, 11, 20, 7, number, ordinal, tzinfo=UTC)] * len(rows),
                    "principal": [row[2] for row in rows],
                    "action": [f"does {row[2]}" for row in rows],
                    "source_ip": ["10.0.0.1"] * len(rows),
                    "target": [None] * len(rows),
                    "region": ["eu-central-1"] * len(rows),
                },
                schema_overrides={"target": pl.String, "principal": pl.String, "action": pl.String},
            ).write_parquet(self.folder / f"e{name}")
            scores.append(StageFile("scores", f"s{name}", "", 1, len(rows), ordinal))
            entities.append(StageFile("entities", f"e{name}", "", 1, len(rows), ordinal))
        self.parsed[number] = self.result(number, Stage.PARSED, entities)
        if scored:
            self.scored[number] = self.result(number, Stage.SCORED, scores)

    def result(self, number, stage, files):
        return StageResult(number, number, stage, 1, "1", tuple(reversed(files)), {}, 1.0, 0)

    def most_urgent(self):
        return urgent.most_urgent(self.runtime, self.parts, self.scored)


@pytest.fixture
def world(tmp_path, monkeypatch):
    return Hour(tmp_path, monkeypatch)


def test_the_most_urgent_events_of_all_files_with_who_and_what_beside_why(world):
    world.part([("low", 9.0, "ann"), ("high", 1.0, "bob")], [("medium", 5.0, "cid"), ("unknown", 99.0, "dan")])
    world.part([("critical", 0.5, "eve"), ("medium", 7.0, "fay"), (None, None, "gus")])
    shown = world.most_urgent()
    assert shown.columns == COLUMNS
    assert shown["who"].to_list() == ["eve", "bob", "fay", "cid", "ann", "dan", "gus"]
    for row in shown.iter_rows(named=True):
        assert (row["what"], row["why"]) == (f"does {row['who']}", f"because {row['who']}")
    assert [(time.minute, time.second) for time in shown["time"]] == [
        (2, 0),
        (1, 0),
        (2, 0),
        (1, 1),
        (1, 0),
        (1, 1),
        (2, 0),
    ]


def test_ten_are_shown_and_files_without_any_of_them_are_not_opened_again(world):
    world.part([("high", float(number), f"user{number}") for number in range(30)], [("low", 50.0, "zoe")])
    (world.folder / "e1-1").unlink()
    assert world.most_urgent()["who"].to_list() == [f"user{number}" for number in range(29, 19, -1)]


def test_an_hour_without_scores_has_no_preview(world):
    assert world.most_urgent() is None
    world.part(scored=False)
    world.part()
    assert world.most_urgent() is None
    world.part([])
    assert world.most_urgent() is None


def test_parsed_rows_show_the_telling_columns_first_and_no_empty_one():
    rows = pl.DataFrame(
        {"APIVersion": ["1"], "ErrorCode": [None], "EventName": ["X"], "Resources": ["r"], "TimeGenerated": ["t"]}
    )
    assert parsing._preview(rows).columns == ["TimeGenerated", "EventName", "APIVersion", "Resources"]
