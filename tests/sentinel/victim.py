"""A worker that delivers one part and dies by SIGKILL at its ``step``-th step; started by ``test_killed.py``."""

import contextlib
import itertools
import json
import os
import signal
import sys
from pathlib import Path

from s3sentinel_assets.config import SentinelSettings
from s3sentinel_assets.ledger.engine import Ledger
from s3sentinel_assets.sentinel import client as client_module
from s3sentinel_assets.sentinel.client import SentinelClient
from tests.sentinel.worlds import World


def main(folder: str, section: str, part_id: str, step: str) -> None:
    steps = itertools.count(1)

    def advance() -> None:
        if next(steps) == int(step):
            os.kill(os.getpid(), signal.SIGKILL)

    write, upload, read = Ledger.write, SentinelClient.upload, client_module._Body.read

    @contextlib.contextmanager
    def stepping_write(self):
        advance()
        with write(self) as connection:
            yield connection
            advance()
        advance()

    def stepping_upload(self, *arguments):
        advance()
        outcome = upload(self, *arguments)
        advance()
        return outcome

    def stepping_read(self, size=-1, /):
        advance()
        return read(self, size)

    settings = SentinelSettings(**json.loads(section))
    world = World(Path(folder))
    client = SentinelClient(settings)
    Ledger.write, SentinelClient.upload, client_module._Body.read = stepping_write, stepping_upload, stepping_read
    world.deliver(client, settings, int(part_id))
    print("finished", next(steps))


if __name__ == "__main__":
    main(*sys.argv[1:])
