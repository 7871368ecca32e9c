"""``s3sentinel dev`` as a user runs it: everything answers, and nothing is left behind."""

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from s3sentinel_assets import cli
from s3sentinel_assets.local.services import free_ports

COMMAND = [sys.executable, "-m", "s3sentinel_assets.cli", "dev"]


def members(home: Path) -> dict[int, str]:
    """Live processes that carry the home in their environment: whatever `dev` started, however deep."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            environment = (entry / "environ").read_bytes()
            arguments = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if f"S3SENTINEL_CONFIG={home}".encode() in environment and arguments:
            found[int(entry.name)] = arguments
    return found


@pytest.fixture
def dev(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    command = [*COMMAND, "--home", str(tmp_path), "--no-mlflow"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=60)


def until_ready(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if "summarize count()" in line:
            return said
    raise AssertionError(said)


linux = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks at processes through /proc")


@linux
@pytest.mark.slow
def test_everything_answers_and_a_request_to_end_leaves_nothing_behind(
    dev: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    said = until_ready(dev)
    address = re.search(r"Dagster +(http://127\.0\.0\.1:\d+)", said)
    assert address, said
    with urllib.request.urlopen(f"{address[1]}/server_info") as answer:
        assert answer.status == 200
    assert re.search(r"local S3 +http://127\.0\.0\.1:\d+ +\(bucket s3sentinel-logs\)", said)
    assert "s3sentinel emit" in said
    commands = " ".join(members(tmp_path).values())
    for part in ("dagster._daemon", "dagster_webserver", "cli aws serve", "cli workspace serve"):
        assert part in commands
    dev.terminate()
    rest, _ = dev.communicate(timeout=60)
    assert (dev.returncode, rest.splitlines()[-1]) == (0, "all stopped")
    assert members(tmp_path) == {}
    assert "Traceback" not in said + rest


@linux
@pytest.mark.slow
def test_one_that_dies_is_named_and_takes_the_others_with_it(dev: "subprocess.Popen[str]", tmp_path: Path) -> None:
    until_ready(dev)
    victim = next(pid for pid, command in members(tmp_path).items() if "cli workspace serve" in command)
    os.kill(victim, signal.SIGKILL)
    rest, _ = dev.communicate(timeout=60)
    assert dev.returncode == 1
    assert "error: workspace was killed by SIGKILL" in rest
    assert members(tmp_path) == {}


def test_a_taken_port_is_said_before_anything_starts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (port,) = free_ports(1)
    with socket.create_server(("127.0.0.1", port)), pytest.raises(SystemExit) as ended:
        cli.main(["dev", "--home", str(tmp_path), "--port", str(port)])
    assert ended.value.code == 1
    said = capsys.readouterr()
    assert said.err.startswith(f"error: port {port} for the Dagster UI cannot be used")
    assert said.out == ""


def test_two_configurations_are_one_too_many(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["dev", "--home", str(tmp_path), "--config", "s3sentinel.yaml"])
    assert ended.value.code == 2
    assert "leave out --home or --config" in capsys.readouterr().err
