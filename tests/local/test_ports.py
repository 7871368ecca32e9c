"""Ports and folders: who has them is said before anything starts."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.local.ports import answers, check_port, free_ports, hold
from s3sentinel_assets.local.services import Service

HOLDER = """
import sys
from pathlib import Path
from s3sentinel_assets.local.ports import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_ports() -> None:
    one, two = free_ports(2)
    assert one != two
    service = Service("x", (), one)
    assert not answers(service)
    check_port(one, "the thing", "choose another")
    with socket.create_server(("127.0.0.1", one)):
        assert answers(service)
        with pytest.raises(UserError, match=rf"^port {one} for the thing cannot be used \(.+\); choose another$"):
            check_port(one, "the thing", "choose another")


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="the system does not tell who listens")
@pytest.mark.parametrize("address", ["127.0.0.1", ""])
def test_who_has_the_port_is_named(address: str) -> None:
    with socket.create_server((address, 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(UserError, match=rf"process {os.getpid()} has it: \S*python"):
            check_port(port, "the thing", "choose another")


def test_a_folder_is_for_one_at_a_time_and_free_again_afterwards(tmp_path: Path) -> None:
    folder = tmp_path / "home"
    command = [sys.executable, "-c", HOLDER, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert other.stdout.readline() == "held\n"
        with pytest.raises(UserError, match=rf"\(process {other.pid}\) already runs in .*home.* --home$"), hold(folder):
            pass
        other.kill()
        other.wait()
        with hold(folder):
            assert (folder / "dev.lock").read_text() == str(os.getpid())
