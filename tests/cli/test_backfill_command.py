"""``s3sentinel backfill``: what may be typed, what is printed."""

import json
from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner

from s3sentinel_assets import definitions
from s3sentinel_assets.assets import parsed
from s3sentinel_assets.cli.backfill import backfill, parse_hour
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.s3.key_grammar import KeyFilter
from tests.stages import FakeStages, hour

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2026-11-20-07:00", "2026-11-20-07:00", "2026-11-20-07:00"),
        ("2026-11-20T07:00Z", "2026-11-20-07:00", "2026-11-20-07:00"),
        (" 2026-11-20 07", "2026-11-20-07:00", "2026-11-20-07:00"),
        ("2026-11-20T07:59", "2026-11-20-07:00", "2026-11-20-07:00"),
        ("2026-11-20", "2026-11-20-00:00", "2026-11-20-23:00"),
    ],
)
def test_hours_may_be_written_in_several_ways(text, first, last):
    assert (parse_hour(text), parse_hour(text, end=True)) == (first, last)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-11-31", "2026-11-20-24:00", "2026-11-20T07:00+02:00"])
def test_what_is_no_hour_is_refused(text):
    with pytest.raises(UserError, match="is no hour; write it like"):
        parse_hour(text)


@pytest.fixture
def stages(tmp_path, monkeypatch) -> FakeStages:
    """The project folder in miniature, with stand-ins for the stages."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    values = yaml.safe_load((REPOSITORY / "s3sentinel.yaml").read_text())
    (tmp_path / "s3sentinel.yaml").write_text(yaml.safe_dump(values))
    (tmp_path / "dagster.yaml").write_bytes((REPOSITORY / "dagster.yaml").read_bytes())
    made = FakeStages()
    monkeypatch.setattr(definitions, "Stages", lambda runtime: made)
    monkeypatch.setattr(parsed, "RETRY_POLICY", None)
    return made


def run(*arguments: str):
    app = typer.Typer()
    app.command()(backfill)
    return CliRunner().invoke(app, list(arguments))


def test_a_span_is_brought_up_to_date(stages):
    done = run("--from", "2026-11-20T03:00Z", "--to", hour(4), "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["ok"] is True
    assert [run["source"] for run in told["runs"]] == ["cloudtrail"] * 3 + ["vpc_flow"] * 3
    assert stages.hours_of("deliver") == stages.hours_of("deliver", "vpc_flow") == [hour(3), hour(4)]


def test_it_can_be_narrowed_and_asks_refused_objects_again(stages):
    done = run("-s", "cloudtrail", "--from", hour(3), "--to", hour(3), "--prefix", "AWSLogs/111122223333/")
    assert done.exit_code == 0, done.output
    assert "2 runs" in done.stdout
    assert stages.narrowed == [(KeyFilter(prefix="AWSLogs/111122223333/"), True)]


def test_a_dry_run_prints_what_would_be_read_and_runs_nothing(stages, monkeypatch):
    from s3sentinel_assets.pipeline import dry_run

    asked = []

    def would_read(_runtime, source, first, last, only):
        asked.append((source, first, last, only))
        found = dry_run.HourPreview(hour(3), objects=5, size=2_000_000, unread=2, unread_bytes=1_000_000, example="a/b")
        return dry_run.DryRun([found], {"folder markers": 1})

    monkeypatch.setattr(dry_run, "would_read", would_read)
    arguments = ("-s", "cloudtrail", "--from", hour(3), "--to", hour(4), "--account", "111122223333", "--dry-run")
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    assert asked == [("cloudtrail", hour(3), hour(4), KeyFilter(account="111122223333"))]
    assert hour(3) in done.stdout
    assert "the first to read: a/b" in done.stdout
    assert "left out: 1 folder markers" in done.stdout
    told = json.loads(run(*arguments, "--json").stdout)
    assert told["sources"]["cloudtrail"]["hours"][0]["unread"] == 2
    assert stages.calls == []


def test_what_failed_is_printed_and_ends_with_1(stages):
    stages.errors["parse", hour(3)] = [UserError("bucket logs is gone")]
    done = run("--source", "cloudtrail", "--from", hour(3), "--to", hour(3))
    assert done.exit_code == 1
    assert "error: cloudtrail, list and parse: bucket logs is gone" in done.stderr
    assert "1 problems" in done.stdout
