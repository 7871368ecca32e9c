"""``s3sentinel dead-letter`` and ``audit``: what is printed, what is asked, and that nothing happens by accident."""

import hashlib
import json
import sys
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
import typer
import yaml
from isal import igzip
from typer.testing import CliRunner

from s3sentinel_assets.cli import audit as audit_module
from s3sentinel_assets.cli import dead_letter as command
from s3sentinel_assets.config import load_config
from s3sentinel_assets.errors import ConfigurationError, UserError
from s3sentinel_assets.ledger.batches import PlannedBatch, insert_batches
from s3sentinel_assets.ledger.dead_letters import DeadLetter, record_dead_letters
from s3sentinel_assets.ledger.schema import batch, dead_letter, part, stage
from s3sentinel_assets.ledger.stages import StageFile
from s3sentinel_assets.pipeline.runtime import Runtime
from s3sentinel_assets.sentinel.packing import join_tails, make_batch_id
from s3sentinel_assets.sentinel.reject_lines import RowTarget, reject_line

HOUR = "2026-11-20-10:00"
SAID = "400: [b]bad\x1b[2J"
TAIL = ',"EventId_CF":"e{}","Action":"ACCEPT","SrcAddr":"\x9b[red]\u202e{}"'


@pytest.fixture
def runtime(tmp_path, monkeypatch):
    """A ledger with two refused rows, one of them from a hostile log, and one that fits no request."""
    values = {
        "data_dir": str(tmp_path / "data"),
        "start": "2026-11-20T00:00:00+00:00",
        "sentinel": {
            "ingestion_endpoint": "https://x.invalid", "workspace_id": "w", "dcr_id": "d", "max_batch_bytes": 10_000,
        },
        "sources": {"flows": {"bucket": "logs", "prefix": "p/", "format": "vpc_flow"}},
    }  # fmt: skip
    (tmp_path / "s3sentinel.yaml").write_text(yaml.safe_dump(values))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    made = Runtime(load_config(tmp_path / "s3sentinel.yaml"))
    with made.store.create("x", ".ndjson") as rejects:
        target = RowTarget("AWSVPCFlow", "d", "Custom-AWSVPCFlow")
        rejects.file.write(reject_line(f',"EventId_CF":"e9","Action":"{"x" * 12_000}"', 2, target))
    planned, files = [], [("rejects", rejects.finished)]
    for row in range(2):
        batch_id = make_batch_id("b", row)
        raw = join_tails([TAIL.format(row, row).encode()], batch_id)
        with made.store.create("x", ".bodies") as writer:
            writer.file.write(igzip.compress(raw))
        kept = writer.finished
        numbers = {"position": row, "row_start": row, "row_end": row + 1, "offset": 0, "length": kept.size}
        names = {"dcr_id": "d", "stream": "Custom-AWSVPCFlow", "table_name": "AWSVPCFlow", "uri": kept.uri}
        body = {"raw_bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
        planned.append(PlannedBatch(id=batch_id, part_id=1, parent_id=None, **numbers, **names, **body))
        files.append(("bodies", kept))
    with made.ledger.write() as connection:
        home = {"id": 1, "source": "flows", "hour": HOUR, "created_at": 0, "late": False, "objects": 1, "bytes": 1}
        connection.execute(sa.insert(part).values(home))
        told = [vars(StageFile(kind, one.uri, one.sha256, one.size, 1)) for kind, one in files]
        plan = {"id": 1, "part_id": 1, "stage": "planned", "generation": 1, "code_version": "1", "files": told}
        connection.execute(sa.insert(stage).values(plan | {"counts": {}, "seconds": 0, "committed_at": 0}))
        insert_batches(connection, planned, 1, 5)
        dead = [DeadLetter(1, one.id, one.row_start, one.row_end, "refused", SAID, one.uri) for one in planned]
        record_dead_letters(connection, dead, 1_764_000_000_000_000)
        connection.execute(sa.update(batch).values(state="dead"))
        record_dead_letters(connection, [DeadLetter(1, None, 2, 3, "row_too_large", "huge", files[0][1].uri)], 9)
    yield made
    made.close()


def run(*arguments, **options):
    return CliRunner().invoke(command.app, [*arguments, "--config", "s3sentinel.yaml"], **options)


def letters(runtime):
    with runtime.ledger.read() as connection:
        rows = connection.execute(sa.select(dead_letter).order_by(dead_letter.c.id)).all()
    return [(row.batch_id is not None, row.dropped_because) for row in rows]


def decided(*arguments):
    app = typer.Typer()
    app.command()(audit_module.audit)
    return CliRunner().invoke(app, [*arguments, "--config", "s3sentinel.yaml"])


def test_list_shows_dropped_rows_apart(runtime):
    run("drop", "--source", "flows", "--id", "1", "--because", "noise", "--yes")
    first, second = map(json.loads, run("list", "--json").output.splitlines())
    assert (first["reason"], first["rows"], first["dropped_rows"], first["lone_rows"]) == ("refused", 2, 1, 0)
    assert (second["reason"], second["rows"], second["dropped_rows"], second["lone_rows"]) == ("row_too_large", 1, 0, 1)
    shown = run("list").output
    assert "of these dropped" in shown and "\x1b" not in shown and "[b]bad\\x1b[2J" in shown


def test_show_prints_rows_and_no_terminal_obeys_them(runtime):
    shown = run("show", "--source", "flows")
    assert shown.exit_code == 0 and not set("\x1b\x9b\u202e") & set(shown.output)
    assert f"dead letter 1: flows {HOUR}, row 0 of part 1 for AWSVPCFlow, 61 bytes" in shown.output
    assert "refused: 400: [b]bad\\x1b[2J" in shown.output and '"SrcAddr":"\\x9b[red]\\u202e1"' in shown.output
    assert "--json prints all" in shown.output and len(shown.output) < 6_000
    rows = [json.loads(line) for line in run("show", "--source", "flows", "--json").output.splitlines()]
    assert [(row["id"], row["row"]["EventId_CF"], row["table"]) for row in rows] == [
        (1, "e0", "AWSVPCFlow"), (2, "e1", "AWSVPCFlow"), (3, "e9", "AWSVPCFlow"),
    ]  # fmt: skip
    assert rows[1]["row"]["SrcAddr"] == "\x9b[red]\u202e1" and rows[1]["created_at"] == "2025-11-24T16:00:00Z"
    assert rows[2]["bytes"] > 12_000 and len(rows[2]["row"]["Action"]) == 12_000
    assert "2 of 3 rows; --limit shows more" in run("show", "--source", "flows", "--limit", "2").output
    assert run("show", "--source", "flows", "--id", "2").output.count("dead letter") == 1
    assert run("show", "--source", "flows", "--hour", "2026-11-21").output == "no such dead letters\n"
    run("drop", "--source", "flows", "--id", "2", "--because", "\x1bnoise", "--yes")
    dropped = run("show", "--source", "flows", "--id", "2").output
    assert ": \\x1bnoise\n" in dropped and "  dropped 2" in dropped


def test_a_damaged_file_is_told_beside_the_rows_that_can_be_shown(runtime):
    with runtime.ledger.read() as connection:
        uri = connection.execute(sa.select(batch.c.uri).order_by(batch.c.row_start).limit(1)).scalar_one()
    runtime.store.path(uri).unlink()
    shown = run("show", "--source", "flows")
    assert shown.exit_code == 1 and "dead letter 2: flows" in shown.output
    assert "error: dead letter 1: stage file" in shown.stderr


def test_rows_go_out_and_come_back(runtime, tmp_path):
    done = run("export", "rows.ndjson", "--source", "flows", "--reason", "refused")
    assert done.exit_code == 0 and "2 rows written to rows.ndjson" in done.output
    path = tmp_path / "rows.ndjson"
    good = path.read_text().replace("ACCEPT", "REJECT")
    path.write_text(good.replace('"Action"', '"action"', 1))
    bad = run("fix", "rows.ndjson")
    assert bad.exit_code == 1 and "error: rows.ndjson, line 1: table AWSVPCFlow has no column action" in bad.stderr
    assert "nothing was changed" in bad.stderr and len(letters(runtime)) == 3
    path.write_text(good)
    done = run("fix", "rows.ndjson")
    assert done.exit_code == 0 and "2 rows will be sent, 0 of them cut" in done.output
    assert f"bring these hours of flows up to date: {HOUR}" in done.output
    assert letters(runtime) == [(False, None)]
    cut = run("fix", "--cut", "--source", "flows")
    assert cut.exit_code == 0 and "1 rows will be sent, 1 of them cut" in cut.output
    assert letters(runtime) == [] and run("fix", "--cut", "--source", "flows").output == "no such dead letters\n"
    assert run("export", "more.ndjson", "--source", "flows").output == "no such dead letters\n"
    told = [json.loads(line) for line in decided("--json").output.splitlines()]
    assert [one["action"] for one in told] == ["dead-letter fix", "dead-letter fix --cut"]
    assert told[0]["detail"]["letters"]["1"]["changed"] == ["Action"] and "@" in told[0]["principal"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["fix"], "name the edited file"),
        (["fix", "--cut"], "name the edited file"),
        (["fix", "--source", "flows"], "name the edited file"),
        (["fix", "rows.ndjson", "--source", "flows"], "leave --source"),
        (["fix", "rows.ndjson"], "cannot be read"),
        (["drop", "--source", "flows", "--because", " ", "--yes"], "must not be empty"),
        (["drop", "--source", "flows", "--because", "noise"], "--yes drops without asking"),
        (["export", "no/such/folder", "--source", "flows"], "cannot be written"),
    ],
)
def test_what_is_not_clear_is_not_done(runtime, arguments, problem):
    done = run(*arguments)
    assert isinstance(done.exception, UserError) and problem in str(done.exception)
    assert letters(runtime) == [(True, None), (True, None), (False, None)]
    assert decided("--json").output == ""


@pytest.mark.parametrize("arguments", [("show",), ("export", "x"), ("drop", "--because", "x"), ("requeue",)])
def test_a_source_that_does_not_exist_is_told(runtime, arguments):
    assert isinstance(run(*arguments, "--source", "nosuch").exception, ConfigurationError)


def test_drop_asks_at_a_terminal(runtime, monkeypatch):
    class Terminal:
        """Standard input with a person in front of it."""

        def __getattr__(self, name):
            return (lambda: True) if name == "isatty" else getattr(sys.stdin, name)

    class Sys:
        stdin = Terminal()

    monkeypatch.setattr(command, "sys", Sys)
    order = ("drop", "--source", "flows", "--reason", "refused", "--because", "noise")
    no = run(*order, input="n\n")
    assert no.exit_code == 1 and f"{HOUR} refused: 2 rows: 400: [b]bad\\x1b[2J" in no.output
    assert [because for _, because in letters(runtime)] == [None] * 3
    yes = run(*order, input="y\n")
    assert yes.exit_code == 0 and "flows: 2 rows dropped; they stay in the account as dead" in yes.output
    assert [because for _, because in letters(runtime)] == ["noise", "noise", None]
    assert "dropped already" in run(*order, input="y\n").output
    kept = run("requeue", "--source", "flows").output
    assert "0 batches" in kept and "1 rows fit no request and stay dead; s3sentinel dead-letter fix --cut" in kept
    assert "1 batches with 1 rows will be sent again" in run("requeue", "--source", "flows", "--id", "2").output
    assert letters(runtime) == [(True, "noise"), (False, None)]


def test_audit_prints_who_decided_what(runtime):
    run("drop", "--source", "flows", "--id", "1", "--because", "[red]noise\x1b[2J", "--yes")
    shown = decided()
    assert shown.exit_code == 0 and "\x1b" not in shown.output and "[red]noise\\x1b[2J" in shown.output
    assert "dead-letter drop" in shown.output and "1 dead letters (refused)" in shown.output and HOUR in shown.output
    [told] = map(json.loads, decided("--json").output.splitlines())
    assert (told["source"], told["reason"], told["detail"]) == (
        "flows",
        "[red]noise\x1b[2J",
        {"rows": 1, "letters": [1]},
    )
    assert datetime.fromisoformat(told["at"]).tzinfo is not None
    assert "the newest 1; --limit shows more" in decided("--limit", "1").output
    assert "nothing was decided since" in decided("--since", "2200-01-01").output
    assert isinstance(decided("--since", "soon").exception, UserError)


def test_since_takes_ages_and_days():
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    ages = {"30m": timedelta(minutes=30), "12h": timedelta(hours=12), " 7D ": timedelta(7), "2w": timedelta(14)}
    assert {text: now - audit_module.parse_since(text, now) for text in ages} == ages
    assert audit_module.parse_since("2026-11-19", now) == datetime(2026, 11, 19, tzinfo=UTC)
    assert audit_module.parse_since("2026-11-19T02:00+02:00", now) == datetime(2026, 11, 19, tzinfo=UTC)
    for wrong in ("", "7", "d", "-7d", "100000w", "7y"):
        with pytest.raises(UserError, match="is no time"):
            audit_module.parse_since(wrong, now)
