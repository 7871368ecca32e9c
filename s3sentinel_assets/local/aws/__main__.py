"""The child process that `start_aws` starts: ``python -m s3sentinel_assets.local.aws``.

Belongs here: its arguments and what it says to its parent. One line of JSON on standard output says that it listens,
or why it cannot; it ends when its standard input closes, so it never outlives its parent. Does not belong here: the
server.
"""

import argparse
import json
import sys
from pathlib import Path

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.local.aws.server import run_server

__all__ = ["main"]


def main() -> int:
    """Serves until the parent closes the pipe; the exit code says whether the server could start."""
    parser = argparse.ArgumentParser(prog="local-aws")
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()

    parent, sys.stdout = sys.stdout, sys.stderr  # nobody reads the pipe after the first line; a full pipe would block

    def say(**message: object) -> None:
        parent.write(json.dumps(message) + "\n")
        parent.flush()

    try:
        run_server(options.dir, options.port, lambda port: say(port=port), stop_when=sys.stdin.buffer.read)
    except UserError as error:
        say(error=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
