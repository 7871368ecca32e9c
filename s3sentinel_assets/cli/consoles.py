"""Consoles for tables.

Belongs here: how wide a table may be. Does not belong here: what is in it, and escaping (``printable``).
"""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["table_console"]

#: Where there is no terminal, names shall be whole.
_WIDE = 160


def table_console() -> "Console":
    """A console as wide as the terminal, and wide enough for long names where there is none."""
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=_WIDE)
