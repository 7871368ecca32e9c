"""The sink: a loopback TLS server that takes uploads as the logs ingestion API does, and counts.

Belongs here: signing anybody in, answering 204 at once, counting bodies afterwards. Does not belong here: whether the
counts are right. It runs as a process of its own, on the core that is not measured: ``python -m benchmarks.sink``.
"""

import contextlib
import json
import os
import queue
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from isal import igzip

from s3sentinel_assets.config import ENTITY_HOURS_TABLE, PATTERNS_TABLE

__all__ = ["FULL_BYTES", "LIMIT_BYTES", "Counts", "Sink", "running_sink"]

#: The service refuses larger bodies.
LIMIT_BYTES = 1_000_000
#: From here on a body counts as full.
FULL_BYTES = 950_000
#: Rows that tell of many events: only our way makes them.
_SUMMARIES = {f"Custom-{ENTITY_HOURS_TABLE}", f"Custom-{PATTERNS_TABLE}"}
_TENANT = "00000000-0000-4000-8000-00000000000a"


@dataclass
class Counts:
    """What one data collection rule received; bodies of streams for summaries are counted by their rows alone."""

    bodies: int = 0
    rows: int = 0
    summary_rows: int = 0
    raw_bytes: int = 0
    wire_bytes: int = 0
    too_large: int = 0
    full: int = 0
    largest: int = 0

    def add(self, stream: str, raw: bytes, wire: int) -> None:
        """Counts one body."""
        if stream in _SUMMARIES:
            self.summary_rows += raw.count(b'"EventId_CF":')
            return
        self.bodies += 1
        self.rows += raw.count(b'"EventId_CF":')  # inside a value the quotes would be escaped
        self.raw_bytes += len(raw)
        self.wire_bytes += wire
        self.too_large += len(raw) > LIMIT_BYTES
        self.full += len(raw) >= FULL_BYTES
        self.largest = max(self.largest, len(raw))


class Sink:
    """The server; counts per rule, so that rounds need not be told apart otherwise.

    Args:
        folder: for the certificate authority's file.
        keep: keep the rows' JSON in `bodies`, by rule.
    """

    def __init__(self, folder: Path, *, keep: bool = False) -> None:
        import trustme

        authority = trustme.CA()
        folder.mkdir(parents=True, exist_ok=True)
        self.ca_file = folder / "sink-ca.pem"
        self.ca_file.write_bytes(authority.cert_pem.bytes())
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(self._context)
        self.counts: dict[str, Counts] = {}
        self.bodies: dict[str, list[bytes]] = {}
        self._keep = keep
        self._waiting: queue.Queue[tuple[str, str, bytes] | None] = queue.Queue()
        self._server = _Server(("127.0.0.1", 0), self._context, self)
        self.endpoint = f"https://127.0.0.1:{self._server.server_address[1]}"
        self.authority = f"{self.endpoint}/"
        self._threads = [
            threading.Thread(target=target, daemon=True)
            for target in (self._count, lambda: self._server.serve_forever(poll_interval=0.1))
        ]

    def start(self) -> None:
        """Begins to answer."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Ends the server."""
        self._server.shutdown()
        self._server.server_close()
        self._waiting.put(None)

    def take(self, rule: str, stream: str, body: bytes) -> None:
        """Puts a body aside to be counted."""
        self._waiting.put((rule, stream, body))

    def settled(self, rule: str) -> Counts:
        """The counts of a rule once everything received so far is counted."""
        self._waiting.join()
        return self.counts.get(rule, Counts())

    def _count(self) -> None:
        while (item := self._waiting.get()) is not None:
            rule, stream, body = item
            raw = igzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
            self.counts.setdefault(rule, Counts()).add(stream, raw, len(body))
            if self._keep and stream not in _SUMMARIES:
                self.bodies.setdefault(rule, []).append(raw)
            self._waiting.task_done()

    def discovery(self) -> dict[str, Any]:
        """The OpenID configuration."""
        root = f"{self.endpoint}/{_TENANT}"
        return {
            "issuer": f"{root}/v2.0",
            "authorization_endpoint": f"{root}/oauth2/v2.0/authorize",
            "token_endpoint": f"{root}/oauth2/v2.0/token",
        }


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], context: ssl.SSLContext, sink: Sink) -> None:
        super().__init__(address, _Handler)
        self.context, self.sink = context, sink

    def finish_request(self, request: Any, client_address: Any) -> None:
        """The handshake happens in the connection's own thread."""
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(ConnectionError, ssl.SSLError), self.context.wrap_socket(request, True) as secured:
            super().finish_request(secured, client_address)  # pyright: ignore[reportArgumentType]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the signature is the library's
        """Says nothing: a line for each request would cost more than the request."""

    def do_GET(self) -> None:
        """Discovery, and the counts of a rule."""
        path = urlsplit(self.path).path
        if path.startswith("/counts/"):
            self._answer(asdict(self.server.sink.settled(path.rpartition("/")[2])))
        elif path.endswith("/openid-configuration"):
            self._answer(self.server.sink.discovery())
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        """A token, or an upload."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        parts = urlsplit(self.path).path.strip("/").split("/")
        if parts[0] == "dataCollectionRules":
            self.server.sink.take(parts[1], parts[3], body)
            self.send_response_only(204)
            self.end_headers()
        else:
            self._answer({"token_type": "Bearer", "expires_in": 3599, "access_token": "bench"})

    def _answer(self, document: dict[str, Any]) -> None:
        data = json.dumps(document).encode()
        self.send_response_only(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextlib.contextmanager
def running_sink(folder: Path, *, keep: bool = False) -> Iterator[Sink]:
    """A sink in threads of this process."""
    sink = Sink(folder, keep=keep)
    sink.start()
    try:
        yield sink
    finally:
        sink.close()


def _main() -> None:
    """Serves until standard input ends, which it does when the bench is gone, however it went."""
    folder, core = Path(sys.argv[1]), int(sys.argv[2])
    if core >= 0:
        os.sched_setaffinity(0, {core})
    with running_sink(folder) as sink:
        sys.stdout.write(json.dumps({"endpoint": sink.endpoint, "ca_file": str(sink.ca_file)}) + "\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    _main()
