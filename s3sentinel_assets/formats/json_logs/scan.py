r"""Finding where a JSON value ends without decoding it, in bytes that may be cut or damaged.

Belongs here: the tolerant scanner. It checks that brackets and quotes pair up, nothing more: whether a value is good
JSON is the decoder's business. It keeps no recursion, so nesting costs no stack.

A text never goes on in the next line, as JSON writes line feeds as ``\n``: so a lost quote is noticed where its line
ends, and not only where all that is held does.
"""

import re
from typing import Final

__all__ = ["INCOMPLETE", "MISMATCH", "SPACE", "open_brackets", "skip", "value_end"]

#: The value goes on past the end of the buffer.
INCOMPLETE: Final = -1
#: Brackets do not pair up.
MISMATCH: Final = -2

SPACE = re.compile(rb"[ \t\r\n]*")
_SCALAR = re.compile(rb"[^\s,\[\]{}:\"]*")
_STRING = re.compile(rb'"(?:[^"\\\n]++|\\[^\n])*+"')
_OPEN_STRING = re.compile(rb'(?:[^"\\\n]++|\\[^\n])*+\\?')
# The next bracket outside strings; a quote instead is a string without an end.
_BRACKET = re.compile(rb'(?:[^"\[\]{}]++|"(?:[^"\\\n]++|\\[^\n])*+")*+([\[\]{}"])')
_OPEN, _CLOSE = b"{[", {ord("}"): ord("{"), ord("]"): ord("[")}


def skip(data: bytes, position: int, pattern: re.Pattern[bytes] = SPACE) -> int:
    """The first position at or after ``position`` that ``pattern`` does not cover."""
    match = pattern.match(data, position)
    return match.end() if match else position


def value_end(data: bytes, start: int, *, final: bool, stop: int | None = None) -> int:
    """Where the JSON value that starts at ``start`` ends.

    Args:
        data: the buffer.
        start: position of the value's first byte, inside ``data``.
        final: whether nothing follows the buffer; a bare number at its end is complete only then.
        stop: position to give up at when an object or array is not complete by then.

    Returns:
        The position behind the value, `INCOMPLETE` or `MISMATCH`.
    """
    first = data[start]
    if first in _OPEN:
        return _bracketed_end(data, start, len(data) if stop is None else stop)
    if first == ord('"'):
        match = _STRING.match(data, start)
        return match.end() if match else _open_string(data, start + 1, len(data))
    end = skip(data, start, _SCALAR)
    if end == start:
        return MISMATCH
    return INCOMPLETE if end == len(data) and not final else end


def open_brackets(data: bytes, start: int, stop: int) -> list[int]:
    """Positions of the brackets that are still open at ``stop``, in a value at ``start`` that is incomplete."""
    found: list[int] = []
    end = start
    for match in _BRACKET.finditer(data, start, stop):
        if match.start() != end:
            break
        end = match.end()
        token = data[end - 1]
        if token in _OPEN:
            found.append(end - 1)
        elif token in _CLOSE:
            found.pop()
        else:
            break
    return found


def _bracketed_end(data: bytes, start: int, stop: int) -> int:
    stack, end = bytearray(), start
    for match in _BRACKET.finditer(data, start, stop):
        if match.start() != end:
            break  # behind the last bracket: in the middle of a text
        end = match.end()
        token = data[end - 1]
        if token in _OPEN:
            stack.append(token)
        elif token in _CLOSE:
            if stack.pop() != _CLOSE[token]:
                return MISMATCH
            if not stack:
                return end
        else:
            return _open_string(data, end, stop)
    return INCOMPLETE


def _open_string(data: bytes, start: int, stop: int) -> int:
    """What a text is that begins at ``start`` and does not end before ``stop``."""
    return MISMATCH if skip(data, start, _OPEN_STRING) < stop else INCOMPLETE
