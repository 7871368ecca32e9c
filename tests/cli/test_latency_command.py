"""``s3sentinel latency`` as a user runs it, with a few objects."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from s3sentinel_assets import cli

COMMAND = [sys.executable, "-m", "s3sentinel_assets.cli", "latency"]


@pytest.mark.slow
def test_it_measures_each_step_and_ends_with_json(tmp_path: Path) -> None:
    home = tmp_path / "home"
    arguments = ["--objects", "2", "--shortest", "0", "--longest", "1", "--home", str(home)]
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=220)
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.splitlines()[-1]
    assert last.startswith("latency: ")
    figures = json.loads(last.removeprefix("latency: "))
    assert figures["objects"] == 2
    assert 0 < figures["p50"] <= figures["p95"] <= figures["max"]
    assert set(figures["steps"]) == {"seen", "queued", "started", "delivered", "found"}
    assert sum(step["share"] for step in figures["steps"].values()) == pytest.approx(1, abs=0.01)
    assert "put → found by a query" in done.stdout
    assert "all stopped" in (home / "dev.log").read_text()


def test_bounds_the_wrong_way_round(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["latency", "--shortest", "5", "--longest", "4"])
    assert ended.value.code == 2
    assert "must not be less than --shortest" in " ".join(capsys.readouterr().err.replace("│", " ").split())
