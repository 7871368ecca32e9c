"""Starting local AWS as a process of its own, and the handle by which a demo or a test holds it.

Belongs here: the child process, its readiness, its end, the credentials file and the fault switch. Does not belong
here: what the server does (``server``).
"""

import contextlib
import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.local.aws.application import CONTROL_PATH, LOOPBACK
from s3sentinel_assets.local.aws.faults import Fault
from s3sentinel_assets.local.aws.public_keys import write_public_keys
from s3sentinel_assets.local.aws.server import TOKEN_FILE

__all__ = ["LocalAws", "start_aws", "write_credentials"]

_ACCESS_KEY = "AKIALOCALONLY0000000"
_SECRET_KEY = "local-stand-in-only"  # noqa: S105 a placeholder that opens nothing


def write_credentials(folder: Path) -> Path:
    """Writes a shared credentials file (mode 0600) with placeholder keys; local AWS does not check them.

    Returns:
        Its path.

    Raises:
        UserError: the folder cannot be written.
    """
    file = folder / "credentials"
    text = f"[default]\naws_access_key_id = {_ACCESS_KEY}\naws_secret_access_key = {_SECRET_KEY}\n"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.touch(mode=0o600)
        file.chmod(0o600)
        file.write_text(text, encoding="ascii")
    except OSError as error:
        raise UserError(f"{file}: cannot be written ({error.strerror}); choose another folder") from None
    return file


class LocalAws:
    """A running local AWS. Make one with `start_aws`; leaving its ``with`` block stops it.

    Attributes:
        url: the endpoint, ``http://127.0.0.1:<port>``.
        port: the port.
        data_dir: where objects are kept.
        credentials_file: shared credentials file for boto3.
        log_file: what the server wrote to standard error.
    """

    def __init__(self, child: "subprocess.Popen[bytes]", port: int, data_dir: Path) -> None:
        self._child = child
        self.port = port
        self.url = f"http://{LOOPBACK}:{port}"
        self.data_dir = data_dir
        self.credentials_file = data_dir / "credentials"
        self.log_file = data_dir / "server.log"

    def __enter__(self) -> "LocalAws":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self._child.poll() is None

    def client(self, service: str = "s3", **options: Any) -> Any:
        """A boto3 client for this endpoint; ``options`` go to boto3."""
        import boto3
        from botocore.config import Config

        # No proxy: the requests must not leave the machine whatever the environment says.
        direct = Config(proxies={})
        options["config"] = options["config"].merge(direct) if "config" in options else direct

        session = boto3.Session(
            aws_access_key_id=_ACCESS_KEY, aws_secret_access_key=_SECRET_KEY, region_name="us-east-1"
        )
        return session.client(service, endpoint_url=self.url, **options)

    def set_faults(self, *faults: Fault) -> None:
        """Puts these faults in force instead of all earlier ones; none: everything works again."""
        self._control("PUT", [fault.__dict__ for fault in faults])

    def faults(self) -> list[dict[str, Any]]:
        """The faults in force, each with ``fired``, the number of requests it has hit."""
        return self._control("GET")

    def set_public_keys(self, text: str) -> None:
        """Makes CloudTrail list these keys, in every region; JSON as ``aws cloudtrail list-public-keys`` prints it."""
        write_public_keys(self.data_dir, text)

    def stop(self) -> None:
        """Ends the server in an orderly way. Harmless when it has ended already."""
        if self._child.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # it ended before us
                self._child.stdin.close()
        try:
            self._child.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._close()

    def kill(self) -> None:
        """Ends the server at once, as a crash would."""
        self._child.kill()
        self._child.wait()
        self._close()

    def _close(self) -> None:
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

    def _control(self, method: str, body: object = None) -> Any:
        token = (self.data_dir / TOKEN_FILE).read_text(encoding="ascii")
        request = urllib.request.Request(  # noqa: S310 always http to loopback
            self.url + CONTROL_PATH,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30) as response:
            return json.load(response)


def start_aws(data_dir: str | Path, port: int = 0) -> LocalAws:
    """Starts local AWS in a process of its own and returns as soon as it accepts connections.

    Args:
        data_dir: folder for objects, credentials, control token and log; made when missing. What an earlier server left
            there is served again.
        port: port on 127.0.0.1; 0 lets the system choose.

    Raises:
        UserError: it could not start; the sentence says why (port taken, folder in use, damaged file).
    """
    folder = Path(data_dir).resolve()
    write_credentials(folder)
    log = folder / "server.log"
    with log.open("ab") as errors:
        child = subprocess.Popen(  # noqa: S603 our own interpreter and module
            [sys.executable, "-m", "s3sentinel_assets.local.aws", "--dir", str(folder), "--port", str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,  # Ctrl-C is for the parent, which then stops the server in an orderly way
        )
    assert child.stdout is not None  # noqa: S101 asked for above
    first = _first_line(child.stdout)
    if "port" not in first:
        child.kill()
        child.wait()
        raise UserError(f"local AWS could not start: {first.get('error') or f'see {log}'}")
    return LocalAws(child, first["port"], folder)


def _first_line(stdout: IO[bytes]) -> dict[str, Any]:
    """What the child says about its start; empty when it ended without a word. Waits on the pipe, so no polling."""
    line = stdout.readline()
    return json.loads(line) if line else {}
