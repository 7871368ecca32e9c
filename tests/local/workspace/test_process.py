"""The workspace as a process: what survives, what ends it, what it says when it cannot start."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from s3sentinel_assets.local.workspace import LocalWorkspace, WorkspaceError, start_workspace
from s3sentinel_assets.tables import TableSchema

SEND = "AWSCloudTrail"


def test_everything_survives_a_restart_and_a_kill(tmp_path: Path, clients_for: Any) -> None:
    extra = TableSchema("More_CL", "Analytics", {"TimeGenerated": "datetime", "Id": "string"}, {}, ())
    with start_workspace(tmp_path, tables=[extra]) as workspace:
        clients = clients_for(workspace)
        clients.send([{"Id": "before"}], "More_CL")
        trusted, secret = workspace.ca_file.read_bytes(), workspace.client_secret_file.read_bytes()
        port = int(workspace.url.rsplit(":", 1)[1])
        workspace.kill()
    with start_workspace(tmp_path, port) as workspace:
        assert workspace.ca_file.read_bytes() == trusted
        assert workspace.client_secret_file.read_bytes() == secret
        assert (tmp_path / "address").read_text().strip() == workspace.url
        # The client goes on with the token it has: the key that signs them is kept.
        clients.send([{"Id": "after"}], "More_CL")
        assert workspace.stats()["requests"]["token"] == {}
        assert clients.ask("More_CL | sort by Id asc | project Id") == [["after"], ["before"]]
    assert not (tmp_path / "address").exists()


def test_a_204_survives_kill_9(tmp_path: Path, clients_for: Any) -> None:
    """Several senders at once; the server is killed in the middle of it."""
    accepted: list[str] = []
    enough = threading.Event()

    def sender(clients: Any, name: str) -> None:
        for number in range(10_000):
            rows = [{"EventId_CF": f"{name}-{number}-{i}"} for i in range(50)]
            try:
                clients.send(rows, SEND, connection_timeout=5, read_timeout=5)
            except Exception:  # noqa: BLE001 - the server is gone, in whatever way the client puts it
                return
            accepted.extend(row["EventId_CF"] for row in rows)
            if len(accepted) > 1_500:
                enough.set()

    with start_workspace(tmp_path) as workspace:
        clients = clients_for(workspace)
        threads = [threading.Thread(target=sender, args=(clients, f"t{n}")) for n in range(3)]
        for thread in threads:
            thread.start()
        assert enough.wait(60)
        workspace.kill()
        for thread in threads:
            thread.join(60)
    with start_workspace(tmp_path) as workspace:
        found = {row[0] for row in clients_for(workspace).ask("AWSCloudTrail | project EventId_CF")}
        assert len(accepted) == len(set(accepted))
        assert set(accepted) <= found


def test_one_server_for_a_directory_and_a_port(shared_workspace: LocalWorkspace, tmp_path: Path) -> None:
    with (
        pytest.raises(WorkspaceError, match="in use by another process"),
        start_workspace(shared_workspace.data_dir),
    ):
        pass
    port = int(shared_workspace.url.rsplit(":", 1)[1])
    with pytest.raises(WorkspaceError, match=f"127.0.0.1:{port}: cannot listen"), start_workspace(tmp_path, port):
        pass


def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(WorkspaceError, match="file"), start_workspace(tmp_path / "file" / "dir"):
        pass
    (tmp_path / "workspace.duckdb").write_bytes(b"not a database at all" * 1000)
    with pytest.raises(WorkspaceError, match=r"workspace\.duckdb"), start_workspace(tmp_path):
        pass


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"TimeGenerated": "datetime", "Time": "date"}, "unknown column type 'date'"),
        ({"Id": "string"}, "TimeGenerated"),
        ({"TimeGenerated": "datetime", "type": "string"}, "same name"),
        ({"TimeGenerated": "datetime", 'a"b': "string"}, "not a valid name"),
    ],
)
def test_bad_tables_are_refused(tmp_path: Path, columns: dict[str, str], says: str) -> None:
    table = TableSchema("Bad_CL", "Analytics", columns, {}, ())
    with pytest.raises(WorkspaceError, match=says), start_workspace(tmp_path, tables=[table]):
        pass


def test_the_server_ends_with_its_parent(tmp_path: Path) -> None:
    program = (
        "import sys, os, signal\n"
        "from s3sentinel_assets.local.workspace import start_workspace\n"
        "with start_workspace(sys.argv[1]) as workspace:\n"
        "    print(workspace.pid, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    parent = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, check=False, timeout=60
    )
    assert parent.returncode == -signal.SIGKILL
    # subprocess.run reads until every holder of the pipe is gone; the server has closed it or ended by now. Its lock on
    # the file is the proof: a new server gets it as soon as the old one has ended.
    child = int(parent.stdout.split()[0])
    wait_for_end(child)
    with start_workspace(tmp_path):
        pass


def wait_for_end(pid: int) -> None:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    import select

    readable, _, _ = select.select([descriptor], [], [], 30)
    os.close(descriptor)
    assert readable


def test_switches_need_the_control_token_and_a_known_name(workspace: LocalWorkspace) -> None:
    import ssl
    import urllib.error
    import urllib.request

    with pytest.raises(WorkspaceError, match="slow_second"):
        workspace.set_faults(slow_second=1)
    with pytest.raises(WorkspaceError, match=r"Expected `int`"):
        workspace.set_faults(disconnect_next="one")
    context = ssl.create_default_context(cafile=str(workspace.ca_file))
    for path in ("/_control/stats", "/_control/faults"):
        request = urllib.request.Request(workspace.url + path, headers={"Authorization": "Bearer guess"})
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, context=context)
        with caught.value as error:
            assert error.code == 401
            assert json.load(error)["error"]["code"] == "InvalidControlToken"
