"""``s3sentinel quarantine``: what is printed, what is written, and what a retry tells to run."""

import base64
import json
import shutil
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa
import yaml
from typer.testing import CliRunner

from s3sentinel_assets.cli import quarantine as command
from s3sentinel_assets.config import load_config
from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.formats import REJECT_SCHEMA
from s3sentinel_assets.ledger.quarantine import QuarantineEntry, record_quarantine
from s3sentinel_assets.ledger.schema import objects, part, quarantine_retry, stage
from s3sentinel_assets.pipeline.runtime import Runtime

HOURS = ("2026-11-20-10:00", "2026-11-20-11:00", "2026-11-20-14:00")
OBJECT = {
    "bucket": "logs",
    "version": "e",
    "etag": "e",
    "size": 1,
    "last_modified": 0,
    "discovered_at": 0,
    "late": False,
}
STAGE = {"stage": "parsed", "generation": 1, "code_version": "", "files": [], "counts": {}, "seconds": 0.0}
REJECTS = [
    (3, 40, "field_count", "it has [red]two[/red] fields", b"a b", False),
    (7, 90, "field_count", "it has one field", b"\x1b[2J\xff", False),
    (9, None, "bad_number", "the field bytes is no whole number", "\x9b2J\u202e".encode() + b"x" * 2_500, True),
]


def configured(folder: Path) -> Path:
    values = {
        "data_dir": str(folder / "data"),
        "start": "2026-11-20T00:00:00+00:00",
        "sentinel": {"ingestion_endpoint": "https://x.invalid", "workspace_id": "w", "dcr_id": "d"},
        "sources": {"flows": {"bucket": "logs", "prefix": "p/", "format": "vpc_flow"}},
    }
    made = folder / "s3sentinel.yaml"
    made.write_text(yaml.safe_dump(values))
    return made


@pytest.fixture(scope="module")
def filled(tmp_path_factory) -> Path:
    """A folder whose ledger holds three objects with rejected records, and one that could not be had."""
    folder = tmp_path_factory.mktemp("filled")
    made = configured(folder)
    runtime = Runtime(load_config(made))
    for number, hour in enumerate((*HOURS, HOURS[0])):
        refused = number == len(HOURS)
        with runtime.ledger.write() as connection:
            part_id = connection.execute(
                sa.insert(part)
                .values(source="flows", hour=hour, created_at=0, late=False, objects=1, bytes=1)
                .returning(part.c.id)
            ).scalar_one()
            of_part = {"source": "flows", "hour": hour, "part_id": part_id, "key": f"p/{number}", "records": 10}
            state = {"state": "denied"} if refused else {"state": "read", "rows": 7, "quarantined": 3}
            object_id = connection.execute(
                sa.insert(objects).values(OBJECT | of_part | state).returning(objects.c.id)
            ).scalar_one()
            stage_id = connection.execute(
                sa.insert(stage).values(part_id=part_id, committed_at=0, **STAGE).returning(stage.c.id)
            ).scalar_one()
        entries = [("denied", 0, 0, None)]
        if not refused:
            rows = [(object_id, *reject, None) for reject in REJECTS]
            with runtime.store.create(f"flows/{hour}/rejects", ".parquet") as writer:
                pl.DataFrame(rows, schema=REJECT_SCHEMA, orient="row").write_parquet(writer.path)
            uri = writer.finished.uri
            entries = [("field_count", 2, 3, uri), ("bad_number", 1, 9, uri)]
        with runtime.ledger.write() as connection:
            made_entries = [
                QuarantineEntry("flows", hour, part_id, object_id, reason, count, first, "[b]why[/b]", None, uri)
                for reason, count, first, uri in entries
            ]
            record_quarantine(connection, stage_id, made_entries, 0)
    runtime.close()
    return folder


@pytest.fixture
def file(filled, tmp_path) -> Path:
    """The configuration of a copy of that."""
    shutil.copytree(filled / "data", tmp_path / "data")
    return configured(tmp_path)


def run(file, *arguments: str, exit_code: int = 0):
    done = CliRunner().invoke(command.app, [*arguments, "--config", str(file)], catch_exceptions=False)
    assert done.exit_code == exit_code, done.output
    return done


def lines(file, *arguments: str) -> list[dict]:
    return [json.loads(line) for line in run(file, *arguments, "--json").stdout.splitlines()]


def test_what_is_in_quarantine_is_listed_and_filtered(file):
    assert [(entry["key"], entry["reason"], entry["records"]) for entry in lines(file, "list")] == [
        ("p/0", "field_count", 2),
        ("p/0", "bad_number", 1),
        ("p/3", "denied", 0),
        ("p/1", "field_count", 2),
        ("p/1", "bad_number", 1),
        ("p/2", "field_count", 2),
        ("p/2", "bad_number", 1),
    ]
    shown = run(file, "list", "--hour", HOURS[0]).stdout
    assert "[b]why[/b]" in shown  # what a log says is no markup
    assert "3 records in quarantine, 1 objects that could not be had" in shown
    assert len(lines(file, "list", "--source", "flows", "--object", "p/1", "--reason", "bad_number")) == 1
    assert "nothing is in quarantine" in run(file, "list", "--reason", "fine").stdout
    with pytest.raises(ConfigurationError, match="other"):
        run(file, "list", "--source", "other")


def test_records_are_shown_so_that_no_terminal_obeys_them(file):
    shown = run(file, "show", "--object", "p/0").stdout
    assert (
        f"flows {HOURS[0]} s3://logs/p/0\n  record 3, byte 40: field_count: it has [red]two[/red] fields\n  a b"
        in shown
    )
    assert r"\x1b[2J\xff" in shown
    assert r"\x9b2J\u202ex" in shown
    assert "(2,507 bytes and more)" in shown
    assert "1 of 9 records; --limit shows more" in run(file, "show", "--limit", "1").stdout
    assert "no such record" in run(file, "show", "--position", "4").stdout
    text, binary, last = lines(file, "show", "--object", "p/0")
    assert last["text"].startswith("\x9b2J\u202ex")
    assert run(file, "show", "--object", "p/0", "--json").stdout.replace("\n", "").isprintable()
    assert (text["text"], text["position"], text["offset"], text["truncated"]) == ("a b", 3, 40, False)
    assert base64.b64decode(binary["base64"]) == REJECTS[1][4]
    assert len(lines(file, "show")) == 9


def test_kept_bytes_are_written_as_they_are(file, tmp_path):
    chosen = ("show", "--object", "p/0", "--reason", "field_count")
    assert run(file, *chosen, "--raw", "-").stdout_bytes == b"a b\n\x1b[2J\xff\n"
    run(file, *chosen, "--raw", str(tmp_path / "all.log"))
    assert (tmp_path / "all.log").read_bytes() == b"a b\n\x1b[2J\xff\n"
    run(file, *chosen, "--position", "7", "--raw", f"{tmp_path / 'each'}/")
    (one,) = (tmp_path / "each").iterdir()
    assert (one.suffix, one.read_bytes()) == (".bin", b"\x1b[2J\xff")


def test_a_retry_says_what_to_run_and_takes_nothing_up_twice(file):
    said = run(file, "retry", "--source", "flows", "--dry-run").stdout
    assert "9 rejected records of 3 objects in 3 hours would be parsed again" in said
    assert "1 objects could not be had" in said
    said = run(file, "retry", "-s", "flows", "--reason", "field_count").stdout
    assert "6 rejected records of 3 objects" in said
    assert f"s3sentinel backfill --source flows --from {HOURS[0]} --to {HOURS[1]} --config {file}" in said
    assert f"--from {HOURS[2]} --to {HOURS[2]}" in said
    said = run(file, "retry", "-s", "flows", "--reason", "field_count").stdout
    assert "no rejected records to take up" in said
    assert "6 records were taken up before and wait" in said
    assert [entry["waits"] for entry in lines(file, "list", "--hour", HOURS[1])] == [True, False]
    runtime = Runtime(load_config(file))
    with runtime.ledger.read() as connection:
        (order,) = connection.execute(sa.select(quarantine_retry)).all()
    runtime.close()
    assert (order.reason, order.records, order.objects) == ("field_count", 6, 3)
    assert "@" in order.requested_by


def test_run_brings_the_hours_up_to_date(file, monkeypatch):
    asked = []
    monkeypatch.setattr(command, "backfill", lambda *hours, **options: asked.append((hours, options)))
    run(file, "retry", "-s", "flows", "--run")
    options = {"source": ["flows"], "config": file}
    assert asked == [((HOURS[0], HOURS[1]), options), ((HOURS[2], HOURS[2]), options)]


def test_a_lost_file_is_an_error_and_holds_up_nothing_else(file):
    lost = next(file.parent.glob(f"data/store/flows/{HOURS[0].replace(':', '')}/rejects/*"))
    lost.unlink()
    shown = run(file, "show", exit_code=1)
    assert "restore it from a backup" in shown.stderr
    assert shown.stdout.count("record 3,") == 2
    said = run(file, "retry", "-s", "flows", exit_code=1)
    assert "6 rejected records of 2 objects" in said.stdout
    assert "3 records stay: the stage file that holds them is lost" in said.stderr
