"""Values of ``dynamic`` columns: JSON goes out as it is, any other text as a JSON string.

Belongs here: what may stand in a row unquoted. Does not belong here: cutting long values (``render``), writing the
other types (``json_members``).

One value that is not JSON would make a whole body unreadable, and the rows of others with it. So nothing is taken on
trust: each distinct value is decoded once.
"""

from typing import Any

import msgspec
import polars as pl

from s3sentinel_assets.sentinel.packing import ROW_OPENING

__all__ = ["MOST_LEVELS", "as_json"]

#: Many readers of JSON stop at 64 levels, and a body has two of its own.
MOST_LEVELS = 60


def as_json(values: pl.Series) -> pl.Series:
    """Texts → JSON on one line each: themselves where they are JSON, else JSON strings of them.

    Strings stand also for JSON that a reader of the body might refuse: numbers beyond double precision's range, more
    than `MOST_LEVELS` levels, or text that looks like the beginning of a row. A null, and JSON's ``null``, is null.
    """
    changed: dict[str, str | None] = {}
    for text in values.drop_nulls().unique():
        written = _written(text)
        if written != text:
            changed[text] = written
    if not changed:
        return values
    return values.replace(list(changed), pl.Series(list(changed.values()), dtype=pl.String))


def _written(text: str) -> str | None:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return _quoted(text)
    if value is None:
        return None
    line = text
    if "\n" in text or "\r" in text or "\t" in text:  # between values: inside of them JSON forbids it
        line = msgspec.json.format(text, indent=-1)
    # Bodies are taken apart again where their rows begin.
    return _quoted(text) if ROW_OPENING in line or _is_deep(line, value) else line


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()


def _is_deep(text: str, value: Any) -> bool:
    """Whether ``value`` has more than `MOST_LEVELS` levels; few texts have enough brackets to ask."""
    if text.count("[") + text.count("{") <= MOST_LEVELS:
        return False
    level = [value]
    for _ in range(MOST_LEVELS):
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return any(isinstance(inner, (dict, list)) for inner in level)
