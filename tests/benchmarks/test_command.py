"""The command as a user runs it: processes, cores and the last line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are pinned to cores")


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments], capture_output=True, text=True, cwd=ROOT, check=False
    )


@pytest.mark.slow
def test_one_tiny_round_ends_with_a_line_of_json(tmp_path):
    done = command("--size", "tiny", "--rounds", "1", "--source", "cloudtrail", "--no-memory", "--work", str(tmp_path))
    assert done.returncode == 0, done.stderr
    name, _, rest = done.stdout.splitlines()[-1].partition(": ")
    assert name == "bench"
    figures = json.loads(rest)["sources"]["cloudtrail"]
    assert figures["variants"]["ours"]["bodies_too_large"] == 0
    assert figures["variants"]["ours"]["events_per_second"] > 0
    assert len(figures["ratio"]["rounds"]) == 1
    assert not list(tmp_path.glob("home-*"))


def test_a_wrong_argument_is_one_clear_line():
    done = command("--rounds", "0")
    assert done.returncode == 2
    assert "must be 1 or more" in done.stderr
