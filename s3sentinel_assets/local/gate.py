"""``python -m s3sentinel_assets.local.gate FILE BEFORE MODULE …``: runs a module, once FILE exists.

Belongs here: waiting, and then what ``python -m`` does. The module is imported and ``main`` of the module BEFORE is
called meanwhile, so that waiting costs them nothing. It never waits for a parent that has gone.
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
    parent = os.getppid()  # before anything that takes long: a parent that goes meanwhile must be missed
    file, before, module = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    importlib.import_module(module)
    importlib.import_module(before).main()
    while not file.exists():
        if os.getppid() != parent:
            sys.exit(1)
        time.sleep(0.05)
    sys.argv = sys.argv[3:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
