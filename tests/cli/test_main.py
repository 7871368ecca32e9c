"""The command line: fast help, lazy commands, exit codes, one-line errors."""

import subprocess
import sys
from pathlib import Path

import pytest

from s3sentinel_assets import cli
from s3sentinel_assets.errors import ConfigurationError, UserError

REPOSITORY = Path(__file__).resolve().parents[2]
HEAVY = (
    "polars",
    "dagster",
    "boto3",
    "botocore",
    "azure",
    "duckdb",
    "moto",
    "alembic",
    "sqlalchemy",
    "pyarrow",
    "pydantic",
)


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(list(arguments))
    return ended.value.code or 0


def command(function, monkeypatch) -> None:
    """Makes ``s3sentinel probe`` run a function."""
    import types

    module = types.ModuleType("s3sentinel_assets.cli.probe")
    module.probe = function
    monkeypatch.setitem(sys.modules, "s3sentinel_assets.cli.probe", module)
    monkeypatch.setitem(cli.COMMANDS, "probe", cli.LazyTarget("probe", "probe", "A probe."))


def test_help_lists_every_command_and_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['s3sentinel', '--help']\n"
        "from s3sentinel_assets.cli import main\n"
        "try: main()\n"
        f"finally: print('HEAVY', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "HEAVY []" in done.stdout
    for name, target in cli.COMMANDS.items():
        assert name in done.stdout
        assert target.help.split(",")[0] in " ".join(done.stdout.split())


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_is_where_the_table_says_and_has_help(name: str, capsys) -> None:
    assert run(name, "--help") == 0
    assert f"s3sentinel {name}" in capsys.readouterr().out


def test_version(capsys) -> None:
    assert run("version") == 0
    assert capsys.readouterr().out.startswith("s3sentinel ")


@pytest.mark.parametrize(
    ("error", "code"), [(UserError("bucket x\nis gone"), 1), (ConfigurationError("key y is wrong"), 2)]
)
def test_errors_a_user_can_mend_are_one_line(monkeypatch, capsys, error, code) -> None:
    def fail() -> None:
        raise error

    command(fail, monkeypatch)
    assert run("probe") == code
    printed = capsys.readouterr()
    assert printed.err == f"error: {' '.join(str(error).split())}\n"
    assert printed.out == ""
    with pytest.raises(type(error)):
        cli.main(["--debug", "probe"])
    assert run("probe") == code  # --debug does not stick


def test_an_interrupt_is_130(monkeypatch) -> None:
    def fail() -> None:
        raise KeyboardInterrupt

    command(fail, monkeypatch)
    assert run("probe") == 130


def test_an_exit_code_of_a_command_is_the_exit_code(monkeypatch) -> None:
    import typer

    def fail() -> None:
        raise typer.Exit(3)

    command(fail, monkeypatch)
    assert run("probe") == 3


def test_mistakes_of_ours_keep_their_traceback(monkeypatch) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    command(fail, monkeypatch)
    with pytest.raises(ZeroDivisionError):
        cli.main(["probe"])


@pytest.mark.parametrize("arguments", [["nonsense"], ["config", "nonsense"], ["version", "--nonsense"]])
def test_wrong_usage_is_2(arguments, capsys) -> None:
    assert run(*arguments) == 2
    assert "No such" in capsys.readouterr().err


ROUTING = """
    routing:
      demotion: {demotion}
      guards_file: {guards}
      rules:
        - {{name: quiet, where: "{where}", to: {{table: AWSCloudTrail_Basic_CL}}}}
"""


@pytest.mark.parametrize(
    ("demotion", "where", "guards", "sentence"),
    [
        ("on", "ReadOnly", "models/guards.json", None),
        ("on", "ReadOnl", "models/guards.json", "there is no column ReadOnl; did you mean ReadOnly?"),
        ("shadow", "ReadOnly", "nowhere.json", "s3sentinel rules guards"),
    ],
)
def test_config_check_tries_the_routing_rules(tmp_path, capsys, demotion, where, guards, sentence) -> None:
    text = (REPOSITORY / "s3sentinel.yaml").read_text(encoding="utf-8")
    rules = ROUTING.format(demotion=demotion, where=where, guards=REPOSITORY / guards)
    file = tmp_path / "s3sentinel.yaml"
    file.write_text(text.replace("    format: cloudtrail\n", f"    format: cloudtrail{rules}", 1), encoding="utf-8")
    assert run("config", "check", "-c", str(file)) == (0 if sentence is None else 2)
    if sentence is not None:
        assert sentence in capsys.readouterr().err


def test_config_check(tmp_path, capsys) -> None:
    assert run("config", "check", "--config", str(REPOSITORY / "s3sentinel.yaml")) == 0
    assert "s3sentinel.yaml is valid: sources cloudtrail, vpc_flow, from 2026-11-01T00:00Z" in " ".join(
        capsys.readouterr().out.split()
    )
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("sorces: {}\n")
    assert run("config", "check", "-c", str(wrong)) == 2
    assert capsys.readouterr().err.startswith(f"error: {wrong}: ")
