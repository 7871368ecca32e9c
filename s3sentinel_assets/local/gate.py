"""``python -m s3sentinel_assets.local.gate FILE MODULE …``: runs a module as ``python -m`` would, once FILE exists.

Belongs here: waiting. The module is imported meanwhile, so that waiting costs it nothing. It never waits for a parent
that has gone.
"""

import importlib
import os
import runpy
import sys
import time
from pathlib import Path

__all__ = ["main"]


def main() -> None:
    """Waits, then becomes the module."""
    file, module = Path(sys.argv[1]), sys.argv[2]
    importlib.import_module(module)
    parent = os.getppid()
    while not file.exists():
        if os.getppid() != parent:
            sys.exit(1)
        time.sleep(0.05)
    sys.argv = sys.argv[2:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
