"""``s3sentinel cost``: the table and the JSON lines of a ledger with two tiers and a rule that drops."""

import itertools
import json

import pytest
import sqlalchemy as sa
import typer
import yaml
from typer.testing import CliRunner

from s3sentinel_assets.cli.cost import cost
from s3sentinel_assets.ledger.engine import Ledger
from s3sentinel_assets.ledger.schema import batch, part, stage

HOUR = "2026-11-20-07:00"
SPAN = ("--from", "2026-11-20-00:00", "--to", "2026-11-20-23:00")
numbers = itertools.count()
app = typer.Typer()
app.command()(cost)


def run(*arguments):
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})


@pytest.fixture
def configured(tmp_path, monkeypatch):
    source = {"bucket": "logs", "prefix": "x/", "format": "vpc_flow"}
    content = {
        "data_dir": str(tmp_path),
        "sentinel": {
            "ingestion_endpoint": "https://127.0.0.1:1",
            "workspace_id": "00000000-0000-4000-8000-000000000001",
            "dcr_id": "dcr-1",
        },
        "sources": {"flows": source, "others": source},
    }
    file = tmp_path / "s3sentinel.yaml"

    def write(**sentinel):
        content["sentinel"] |= sentinel
        file.write_text(yaml.safe_dump(content))

    write()
    monkeypatch.setenv("S3SENTINEL_CONFIG", str(file))
    monkeypatch.chdir(tmp_path)
    return write


@pytest.fixture
def accepted(configured, tmp_path):
    """Adds an accepted batch of a source."""
    from s3sentinel_assets.config import load_config

    ledger = Ledger(load_config().ledger_url)

    def add(source, table, rows, gigabytes, route=None, counts=None):
        number = next(numbers)
        with ledger.write() as connection:
            made = connection.execute(
                sa.insert(part).values(source=source, hour=HOUR, created_at=1, late=False, objects=1, bytes=1)
            ).inserted_primary_key[0]
            planned = connection.execute(
                sa.insert(stage).values(
                    part_id=made, stage="planned", generation=1, code_version="1", files=[], counts=counts or {},
                    seconds=1.0, committed_at=1,
                )
            ).inserted_primary_key[0]  # fmt: skip
            connection.execute(
                sa.insert(batch).values(
                    id=f"b{number}", part_id=made, stage_id=planned, dcr_id="d", stream="s", table_name=table,
                    position=0, row_start=0, row_end=rows, uri="u", offset=0, length=1,
                    raw_bytes=round(gigabytes * 1e9), sha256="x", state="accepted", attempt=1, tries=1, planned_at=1,
                    route=route,
                )
            )  # fmt: skip

    yield add
    ledger.close()


def test_the_table_names_tiers_saving_and_what_the_figures_are(accepted):
    accepted("flows", "AWSVPCFlow", 1_000, 2)
    accepted("flows", "AWSVPCFlow_Auxiliary_CL", 4_000, 8, "quiet", {"filtered": {"health[x]": 12}})
    accepted("others", "AWSVPCFlow", 5, 4)
    result = run(*SPAN)
    assert result.exit_code == 0, result.output
    for text in (
        "AWSVPCFlow_Auxiliary_CL", "Auxiliary", "6.45", "0.90", "20.25", "24.90", "health[x] (dropped by a rule)",
        "not known", "12 dropped rows are not in the saving", "List prices", "East US", "others",
    ):  # fmt: skip
        assert text in result.output, text
    only = run(*SPAN, "--source", "others")
    assert "flows" not in only.output and "12.90" in only.output


def test_json_has_a_line_each_and_the_sums(accepted):
    accepted("flows", "AWSVPCFlow_Auxiliary_CL", 4_000, 8, "quiet", {"filtered": {"health": 12}})
    lines = [json.loads(line) for line in run(*SPAN, "--json").stdout.splitlines()]
    assert [(line.get("table"), line.get("plan"), line.get("rule")) for line in lines[:-1]] == [
        ("AWSVPCFlow_Auxiliary_CL", "Auxiliary", ""),
        ("", "", "health"),
    ]
    assert lines[0]["raw_bytes"] == 8_000_000_000 and lines[1]["saving"] is None
    assert lines[-1]["saving"] == pytest.approx(8 * 0.75 * (4.30 - 0.15))
    assert (lines[-1]["currency"], lines[-1]["unmeasured_rows"]) == ("USD", 12)


def test_prices_of_ones_own_and_an_empty_span(accepted, configured, tmp_path):
    accepted("flows", "AWSVPCFlow", 1_000, 2)
    plans = {name: {"ingestion_per_gb": 10, "scan_per_gb": 0} for name in ("Analytics", "Basic", "Auxiliary")}
    (tmp_path / "mine.json").write_text(json.dumps({"currency": "CHF", "billed_share": 1, "plans": plans}))
    configured(prices_file=str(tmp_path / "mine.json"))
    assert "CHF" in run(*SPAN).output and "20.00" in run(*SPAN).output
    assert run("--from", "2026-11-21-00:00", "--to", "2026-11-21-00:00").output == (
        "nothing was accepted from 2026-11-21-00:00 to 2026-11-21-00:00\n"
    )
    assert run("--from", "2026-11-21-00:00", "--to", "2026-11-20-00:00").exit_code == 2
