r"""Double quotes around fields: whether they pair up, and cutting a line where they may not.

Belongs here: everything about quotes. Does not belong here: columns, formats.

A good quoted field starts behind a separator or at the start of the line, and ends before a separator or at the end.
Writers that do not escape what a client sent put quotes in its middle as well. Only lines whose quotes are all good are
left to the CSV reader: it drops or joins others without a word.
"""

import functools
import re
from collections.abc import Sequence

import numpy as np
import polars as pl

__all__ = ["count_byte", "pair_up", "pairing_lines", "split_line", "surely_cut"]

_QUOTE, _BACKSLASH, _LF = ord('"'), b"\\", ord("\n")


def count_byte(data: bytes | memoryview, byte: int) -> int:
    """How often one byte occurs; several times faster than ``bytes.count`` where it is frequent."""
    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == byte))


def pair_up(data: bytes, separator: str = " ", *, escapes: bool = True, allowed: Sequence[int] = ()) -> bool:
    r"""Whether the quotes of all lines are good. A field that goes on over a line end is not noticed.

    Args:
        data: whole lines, each ending in LF.
        separator: one character.
        escapes: whether the writer puts a backslash before quotes; such a quote is not a good one.
        allowed: how many quotes a line can have; empty: any number.
    """
    if escapes and _BACKSLASH in data and b'\\"' in data:
        return False
    content = np.frombuffer(data, np.uint8)
    if allowed:
        places = np.flatnonzero((content == _QUOTE) | (content == _LF))
        quotes = content[places] == _QUOTE
        counts = np.diff(np.flatnonzero(~quotes), prepend=-1) - 1
        if not np.isin(counts, allowed).all():
            return False
        places = places[quotes]
    else:
        places = np.flatnonzero(content == _QUOTE)
    if places.size % 2:
        return False
    # The first byte has the last one before it: LF.
    before, behind = content[places[::2] - 1], content[places[1::2] + 1]
    split = ord(separator)
    return bool((((before == split) | (before == _LF)) & ((behind == split) | (behind == _LF))).all())


def pairing_lines(
    lines: pl.Series, separator: str = " ", *, escapes: bool = True, allowed: Sequence[int] = ()
) -> pl.Series:
    """Which lines `pair_up` would take, one by one: Boolean."""
    split = _char(separator)
    quoted, plain = rf'"[^"]*"(?:{split}|$)', rf'[^"{split}][^"{split}]*(?:{split}|$)|{split}'
    good = lines.str.contains(f"^(?:{quoted}|{plain})*$")
    if escapes:
        good &= ~lines.str.contains(r"\"", literal=True)
    if allowed:
        good &= lines.str.count_matches('"', literal=True).is_in(list(allowed))
    return good


def _char(separator: str) -> str:
    """The separator in a pattern, for Python and Polars alike."""
    return f"\\x{ord(separator):02x}"


def _inside(*, escapes: bool) -> str:
    return r"[^\"\\]++|\\." if escapes else r"[^\"]++"


@functools.cache
def _token(separator: str, *, escapes: bool) -> re.Pattern[str]:
    split, inside = _char(separator), _inside(escapes=escapes)
    return re.compile(rf'(?:^|{split})("(?:{inside}|"(?!{split}|\Z))*+"(?={split}|\Z)|".*|[^{split}]*)', re.DOTALL)


def split_line(line: str, separator: str = " ", *, quoted: bool = True, escapes: bool = True) -> list[str]:
    r"""One line cut by hand; quotes around fields are taken away, what is inside stays as it is.

    A quoted field ends at a quote that the separator or the end of the line follows; ``\"`` is part of it. One that
    never ends is the rest of the line.
    """
    if not quoted or '"' not in line:
        return line.split(separator)
    tokens = _token(separator, escapes=escapes).findall(line)
    found = [token[1:-1] if token[:1] == '"' else token for token in tokens]
    last = tokens[-1]
    if last[:1] == '"' and not _closed(last, separator, escapes=escapes):
        found[-1] = last[1:]
    return found


def _closed(token: str, separator: str, *, escapes: bool) -> bool:
    """Whether a token that begins with a quote also ends with one of its own."""
    return len(token) > 1 and _whole(separator, escapes=escapes).fullmatch(token) is not None


@functools.cache
def _whole(separator: str, *, escapes: bool) -> re.Pattern[str]:
    split, inside = _char(separator), _inside(escapes=escapes)
    return re.compile(rf'"(?:{inside}|"(?!{split}|\Z))*+"', re.DOTALL)


@functools.cache
def _sure(separator: str, *, escapes: bool) -> re.Pattern[str]:
    split, inside = _char(separator), _inside(escapes=escapes)
    field = rf'(?>"(?:{inside})*+"|[^"{split}]*+)'
    return re.compile(rf"{field}(?:{split}{field})*+", re.DOTALL)


def surely_cut(line: str, separator: str = " ", *, escapes: bool = True) -> bool:
    """Whether there is only one way to cut the line: every quote in it opens or ends a field, or is escaped."""
    return '"' not in line or _sure(separator, escapes=escapes).fullmatch(line) is not None
