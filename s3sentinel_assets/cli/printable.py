"""Text from outside as it may be printed: no terminal obeys it.

Belongs here: escaping. Keys, log records and file names are written by others; a terminal takes the control characters
in them for orders. Does not belong here: what is printed.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

__all__ = ["json_line", "printable"]


def printable(text: str, *, keep: str = "") -> str:
    r"""The text with an escape such as ``\x1b`` for each character that cannot be seen; those in ``keep`` stay."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each in keep else each.encode("unicode_escape").decode() for each in text
    )


def json_line(values: Mapping[str, Any]) -> str:
    r"""A JSON object on one line; what cannot be seen is written as ``\u009b``, which means the same."""
    text = json.dumps(values, ensure_ascii=False)
    # JSON itself has nothing but printable characters around its strings.
    return text if text.isprintable() else re.sub(r"[^\x20-\x7e]", _hidden, text)


def _hidden(match: re.Match[str]) -> str:
    return match[0] if match[0].isprintable() else json.dumps(match[0])[1:-1]
