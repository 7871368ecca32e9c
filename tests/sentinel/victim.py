"""A worker that delivers one part and dies by SIGKILL at its ``step``-th moment; started by ``test_killed.py``."""

import itertools
import json
import os
import signal
import sys
from pathlib import Path

from chaos.moments import watch
from s3sentinel_assets.config import SentinelSettings
from s3sentinel_assets.sentinel.client import SentinelClient
from tests.sentinel.worlds import World


def main(folder: str, section: str, part_id: str, step: str) -> None:
    steps = itertools.count(1)

    def advance(*_) -> None:
        if next(steps) == int(step):
            os.kill(os.getpid(), signal.SIGKILL)

    settings = SentinelSettings(**json.loads(section))
    world = World(Path(folder))
    client = SentinelClient(settings)
    watch(advance)
    world.deliver(client, settings, int(part_id))
    print("finished", next(steps))


if __name__ == "__main__":
    main(*sys.argv[1:])
