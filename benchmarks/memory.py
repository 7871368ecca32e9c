"""How much memory this process holds and held at most, as Linux counts it.

Belongs here: reading and resetting the kernel's counters. Does not belong here: what is measured.
"""

import resource
from pathlib import Path

__all__ = ["forget_peak", "peak", "resident"]


def resident() -> int:
    """Bytes of memory held now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


def forget_peak() -> None:
    """Lets the kernel count the peak anew; where it does not, the peak of the warm-up stays, which is small."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return


def peak() -> int:
    """Bytes of memory held at most since `forget_peak`."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
