"""The reference of formats is generated; what lies in docs is what the code says."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from s3sentinel_assets.cli.formats import formats as command
from s3sentinel_assets.formats import format_names, format_parser
from s3sentinel_assets.formats.reference import column_rows, format_facts, markdown

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/formats.md"


def test_the_document_is_up_to_date():
    assert DOCUMENT.read_text(encoding="utf-8") == markdown(), "run: s3sentinel formats --markdown > docs/formats.md"


@pytest.mark.parametrize("name", format_names())
def test_every_format_names_its_source_and_columns(name):
    facts = format_facts(name)
    assert facts["source"].startswith("Source"), "the module's docstring does not say where the format is described"
    for mapping in format_parser(name).native:
        rows = list(column_rows(mapping))
        assert rows
        assert all(origin for _, _, origin in rows)


def run(*arguments: str) -> str:
    import typer

    app = typer.Typer()
    app.command()(command)
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == 0, done.output
    return done.output


def test_the_command():
    listed = run()
    assert all(name in listed for name in format_names())
    assert "AWSALBAccessLogs" in run("alb")
    facts = [json.loads(line) for line in run("--json").splitlines()]
    assert [each["format"] for each in facts] == format_names()
