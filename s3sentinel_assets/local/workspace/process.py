"""A local workspace in a process of its own, as tests and the demo use it.

Belongs here: starting, stopping, killing, and the remote control. Does not belong here: anything that serves.
"""

import json
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.local.workspace.identity import Identity, WorkspaceFiles
from s3sentinel_assets.tables import TableSchema

__all__ = ["LocalWorkspace", "WorkspaceError", "start_workspace"]


class WorkspaceError(UserError):
    """The workspace did not start, or its control refused."""


class LocalWorkspace:
    """A handle on a running workspace process. Build it with `start_workspace`.

    Attributes:
        url: ``https://127.0.0.1:<port>``: ingestion, query and sign-in endpoint in one.
        data_dir: where everything lies.
        ca_file: the authority to trust.
        client_secret_file: the client's secret.
    """

    def __init__(self, url: str, files: WorkspaceFiles, identity: Identity, process: subprocess.Popen[bytes]) -> None:
        self.url = url
        self.data_dir = files.root
        self.ca_file = files.ca
        self.client_secret_file = files.client_secret
        self.control_token_file = files.control_token
        self._identity = identity
        self._process = process
        self._control_token = files.read(files.control_token)
        self._context = ssl.create_default_context(cafile=str(files.ca))

    @property
    def tenant_id(self) -> str:
        """The tenant to sign in to."""
        return self._identity.tenant_id

    @property
    def client_id(self) -> str:
        """The registered client."""
        return self._identity.client_id

    @property
    def workspace_id(self) -> str:
        """The workspace to query."""
        return self._identity.workspace_id

    @property
    def dcr_id(self) -> str:
        """The immutable id of the DCR to send to."""
        return self._identity.dcr_id

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._process.pid

    def sentinel_settings(self) -> dict[str, Any]:
        """The ``sentinel`` section of a configuration that reaches this workspace."""
        return {
            "ingestion_endpoint": self.url,
            "query_endpoint": self.url,
            "workspace_id": self.workspace_id,
            "dcr_id": self.dcr_id,
            "authority": self.url,
            "instance_discovery": False,
            "ca_file": str(self.ca_file),
            "credential": {
                "kind": "client_secret",
                "tenant_id": self.tenant_id,
                "client_id": self.client_id,
                "client_secret_file": str(self.client_secret_file),
            },
        }

    def set_faults(self, **switches: Any) -> dict[str, Any]:
        """Sets switches of ``faults.Faults``; the others stay. ``expire_tokens=True`` voids the tokens issued so far.

        Returns:
            Every switch.

        Raises:
            WorkspaceError: there is no such switch.
        """
        return self._call("POST", "/_control/faults", switches)

    def clear_faults(self) -> None:
        """Puts every switch back."""
        self._call("DELETE", "/_control/faults")

    def forget_rows(self) -> None:
        """Deletes every row of every table."""
        self._call("DELETE", "/_control/rows")

    def stats(self) -> dict[str, Any]:
        """The counters: see ``faults.Statistics.snapshot``."""
        return self._call("GET", "/_control/stats")

    def stop(self) -> None:
        """Ends the server in order and waits for it."""
        if self._process.stdin and not self._process.stdin.closed:
            self._process.stdin.close()
        self._wait(15)

    def kill(self) -> None:
        """Ends the server with SIGKILL, as a power cut would."""
        self._process.kill()
        self._wait(15)

    def _wait(self, seconds: float) -> None:
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()

    def _call(self, method: str, path: str, content: dict[str, Any] | None = None) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310 - always https to loopback
            self.url + path,
            method=method,
            data=None if content is None else json.dumps(content).encode(),
            headers={"Authorization": f"Bearer {self._control_token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30, context=self._context) as response:  # noqa: S310
                return json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                raise WorkspaceError(f"local workspace: {json.load(error)['error']['message']}") from None
        except OSError as error:
            raise WorkspaceError(f"local workspace at {self.url}: cannot be reached ({error})") from None


@contextmanager
def start_workspace(
    data_dir: Path | str,
    port: int = 0,
    *,
    identity: Identity | None = None,
    extra_dcr_ids: Iterable[str] = (),
    tables: Iterable[TableSchema] | None = None,
    streams: Mapping[str, str] | None = None,
    faults: Mapping[str, Any] | None = None,
) -> Iterator[LocalWorkspace]:
    """Starts a workspace in a child process and stops it on leaving; it also ends when this process dies.

    Args:
        data_dir: its data directory, made if missing; what it holds is served again.
        port: TCP port on 127.0.0.1; 0: a free one.
        identity: other ids than those of the shipped configuration.
        extra_dcr_ids: further DCRs with the same streams, each with its own rate limit.
        tables: tables beside the shipped ones, each with a stream ``Custom-<name>``; None: those kept from last time.
        streams: further streams → table.
        faults: switches to set at once.

    Raises:
        WorkspaceError: it did not start; the text says why.
    """
    files = WorkspaceFiles(Path(data_dir))
    who = identity or Identity()
    order = {
        "data_dir": str(files.root),
        "port": port,
        "identity": asdict(who),
        "extra_dcr_ids": list(extra_dcr_ids),
        "tables": None if tables is None else [asdict(table) for table in tables],
        "streams": dict(streams or {}),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "s3sentinel_assets.local.workspace"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the parent, which may still need the workspace to finish
    )
    workspace = None
    try:
        workspace = LocalWorkspace(_begin(process, order), files, who, process)
        if faults:
            workspace.set_faults(**faults)
        yield workspace
    finally:
        if workspace:
            workspace.stop()
        else:
            process.kill()
            process.wait()


def _begin(process: subprocess.Popen[bytes], order: dict[str, Any]) -> str:
    """Hands over the order and waits for the line that says it serves; gives the URL."""
    if process.stdin is None or process.stdout is None:
        raise WorkspaceError("local workspace: the child process has no pipes")
    try:
        process.stdin.write(json.dumps(order).encode() + b"\n")
        process.stdin.flush()
    except BrokenPipeError:
        raise WorkspaceError("local workspace: the server process ended at once; see its messages above") from None
    line = process.stdout.readline()  # ends at the child's death at the latest
    if not line:
        raise WorkspaceError("local workspace: the server process ended before it served; see its messages above")
    answer = json.loads(line)
    if "error" in answer:
        raise WorkspaceError(answer["error"])
    return answer["url"]
