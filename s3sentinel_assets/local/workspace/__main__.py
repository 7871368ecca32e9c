"""``python -m s3sentinel_assets.local.workspace``: a workspace as a child process of ``process.start_workspace``.

Belongs here: the protocol between parent and child: one JSON object in on stdin tells what to run, one JSON line out on
stdout tells that it runs (or why not), and the end of stdin ends it, so that no server outlives the test that started
it.
"""

import sys
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.local.workspace.identity import Identity
from s3sentinel_assets.local.workspace.server import Options, WorkspaceApp, run_server
from s3sentinel_assets.tables import TableSchema


class Order(msgspec.Struct):
    """What the parent wants."""

    data_dir: str
    port: int
    identity: Identity
    extra_dcr_ids: tuple[str, ...]
    tables: list[TableSchema] | None
    streams: dict[str, str]


def main() -> int:
    """Reads the order, serves, and returns the exit code."""
    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=Order)
    options = Options(
        Path(order.data_dir), order.port, order.identity, order.extra_dcr_ids, order.tables, order.streams
    )

    def ready(app: WorkspaceApp) -> None:
        _say({"url": app.url})

    def watch_parent(stop: Callable[[], None]) -> None:
        def wait() -> None:
            sys.stdin.buffer.read()
            stop()

        threading.Thread(target=wait, name="parent-watch", daemon=True).start()

    try:
        run_server(options, ready, watch_parent)
    except UserError as error:
        _say({"error": str(error)})
        return 1
    return 0


def _say(message: dict[str, str]) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(message) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
