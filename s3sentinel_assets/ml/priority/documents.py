"""Request parameters taken apart: JSON text to values, with the JSON that hides inside of its strings.

Belongs here: decoding, walking along a path, plain text of a value. Does not belong here: what a value means
(``checks``).

A policy travels as text inside of the parameters: plain, with escaped quotes (once or twice), or percent-encoded. Here
all of these become the same values, so that a rule says what it looks for and not how it is spelt.
"""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

__all__ = ["find", "objects", "parse", "plain"]

# How often text inside of text is opened, and how deep values are walked: a crafted call must not exhaust the stack.
_MAX_LAYERS = 4
_MAX_DEPTH = 48
_OPENERS = ("{", "[", '"')
_FIRST = frozenset('{["%\n\r\t ')
_ENCODED_OPENERS = ("%7b", "%5b", "%22", "%25")


def parse(text: str | None) -> Any:
    """The value that the text stands for; None where there is none, the text itself where it is no JSON."""
    return None if text is None else _open(text, _MAX_LAYERS, 0)


def _open(text: str, layers: int, depth: int) -> Any:
    stripped = text.strip()
    if layers and stripped[:3].lower() in _ENCODED_OPENERS:
        return _open(unquote(stripped), layers - 1, depth)
    if not layers or not stripped.startswith(_OPENERS):
        return text
    try:
        # Policies are written by hand: line breaks within strings are common.
        value = json.loads(stripped, strict=False)
    except (ValueError, RecursionError):
        return text
    return _opened(value, layers - 1, depth)


def _opened(value: Any, layers: int, depth: int) -> Any:
    if isinstance(value, str):
        # Nearly all strings are plain words.
        return _open(value, layers, depth) if value[:1] in _FIRST else value
    if depth >= _MAX_DEPTH:
        return None
    if isinstance(value, dict):
        return {str(key).lower(): _opened(item, layers, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_opened(item, layers, depth + 1) for item in value]
    return value


def find(value: Any, steps: tuple[str, ...]) -> Iterator[Any]:
    """Every value at the end of a path, through all elements of lists on the way.

    Args:
        value: from `parse`: keys are in lower case.
        steps: keys in lower case; ``*`` is any key, ``**`` any number of them.
    """
    if isinstance(value, list):
        for item in value:
            yield from find(item, steps)
        return
    if not steps:
        yield value
        return
    step, rest = steps[0], steps[1:]
    if step == "**":
        yield from find(value, rest)
        if isinstance(value, dict):
            for item in value.values():
                yield from find(item, steps)
    elif isinstance(value, dict):
        if step == "*":
            for item in value.values():
                yield from find(item, rest)
        elif step in value:
            yield from find(value[step], rest)


def objects(value: Any, *, without: str = "") -> list[dict[str, Any]]:
    """Every object at any depth, the outer before the inner; keys that begin with ``without`` are not entered."""
    found: list[dict[str, Any]] = []
    _collect(value, without, found)
    return found


def _collect(value: Any, without: str, found: list[dict[str, Any]]) -> None:
    if isinstance(value, dict):
        found.append(value)
        for key, item in value.items():
            if isinstance(item, dict | list) and not (without and key.startswith(without)):
                _collect(item, without, found)
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, dict | list):
                _collect(item, without, found)


def plain(value: Any) -> str:
    """A value as text in lower case, to compare with: ``true``, ``22``, ``public-read``."""
    if isinstance(value, str):
        return value.lower()
    if value is None:
        return ""
    return json.dumps(value, sort_keys=True).lower()
