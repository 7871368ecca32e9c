"""``s3sentinel ui``: the last demo in the Dagster UI."""

import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest

from s3sentinel_assets.cli.local import ui
from s3sentinel_assets.errors import UserError
from s3sentinel_assets.local.laptop import start_laptop
from s3sentinel_assets.local.ports import free_ports

_ROOT = Path(__file__).resolve().parents[2]


def test_without_a_demo_it_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="run `make demo` first"):
        ui(tmp_path, 3000)


def test_a_taken_port_is_named_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "s3sentinel.yaml").write_text("")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port} for the Dagster UI"):
            ui(tmp_path, port)


@pytest.mark.timeout(120)
def test_it_serves_until_it_is_asked_to_end_and_leaves_nothing(tmp_path: Path) -> None:
    with start_laptop(tmp_path):
        pass
    (tmp_path / "dagster").mkdir()
    (port,) = free_ports(1)
    child = subprocess.Popen(
        [sys.executable, "-m", "s3sentinel_assets.cli", "ui", "--home", str(tmp_path), "--port", str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=_ROOT,
    )
    assert child.stdout is not None
    lines: list[str] = []
    try:
        for line in child.stdout:
            lines.append(line)
            if line.startswith("Dagster UI: "):
                break
        assert f"Dagster UI: http://127.0.0.1:{port}" in lines[-1], "".join(lines)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=30) as answer:
            assert answer.status == 200
    finally:
        child.send_signal(signal.SIGTERM)
        drained = threading.Thread(target=child.stdout.read)
        drained.start()
        code = child.wait(60)
        drained.join()
        child.stdout.close()
    assert code == 0
    with socket.create_server(("127.0.0.1", port)):
        pass  # nobody listens there any more
