"""``s3sentinel dev`` as a user runs it: everything answers, and nothing is left behind."""

import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

import s3sentinel_assets.cli.dev as dev_module
from s3sentinel_assets import cli
from s3sentinel_assets.local.ports import free_ports
from s3sentinel_assets.local.services import Service

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


STARTER = """
import subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
print(child.pid, child.stdout.readline(), flush=True)
sys.stdin.read()
"""


@linux
@pytest.mark.slow
def test_with_its_parent_it_ends_and_so_do_its_servers(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STARTER, *COMMAND, "--home", str(tmp_path), "--no-mlflow", "--with-parent"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout
        own, _, said = starter.stdout.readline().partition(" ")
        assert "starting aws, workspace, dagster" in said
        while len(members(tmp_path)) < 3:
            select.select([], [], [], 0.1)
        starter.kill()
    while members(tmp_path) or Path(f"/proc/{own}").exists():
        select.select([], [], [], 0.1)


@linux
@pytest.mark.slow
def test_a_second_one_in_the_same_folder_is_refused_and_disturbs_nothing(
    dev: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    assert dev.stdout
    assert "starting" in dev.stdout.readline()
    written = (tmp_path / "s3sentinel.yaml").read_text()
    second = subprocess.run([*COMMAND, "--home", str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert second.returncode == 1
    assert f"error: `s3sentinel dev` (process {dev.pid}) already runs in {tmp_path}" in second.stderr
    assert (tmp_path / "s3sentinel.yaml").read_text() == written


def test_what_does_not_answer_is_named_while_it_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (port,) = free_ports(1)
    turns = iter([False, False, True])
    monkeypatch.setattr("s3sentinel_assets.local.ports.answers", lambda _service: next(turns))
    monkeypatch.setattr(dev_module, "_PATIENCE_SECONDS", 0)
    assert dev_module._wait_for([Service("slow", (), port)], threading.Event())
    assert capsys.readouterr().out.splitlines()[0] == "still waiting for slow to answer"


def test_the_next_command_can_be_typed_where_the_environment_is_not_active(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Path(sys.executable).with_name("s3sentinel")
    monkeypatch.setenv("PATH", f"{own.parent}{os.pathsep}/usr/bin")
    assert dev_module._program() == "s3sentinel"
    monkeypatch.setenv("PATH", "/usr/bin")
    assert Path(dev_module._program()).absolute() == own


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
