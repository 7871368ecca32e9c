r"""Separated values with quotes: line feeds inside of them, and lines → fields.

Source: RFC 4180, "Common Format and MIME Type for Comma-Separated Values (CSV) Files"; IANA, ``text/tab-separated-
values``.

Belongs here: what a line is and how it is cut. Does not belong here: what the fields mean (``csv_table``).

A quoted field begins behind a separator or at the start of a line; a quote in it is doubled. A line feed inside of one
is replaced by one byte (`line_logs.continued_lines.MARK`) while the stream is cut into lines, so that offsets stay
true. A quote that nothing closes within `LONGEST` bytes opens nothing.
"""

import csv
import functools
import re
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import polars as pl

from s3sentinel_assets.formats.line_logs import BadLine
from s3sentinel_assets.formats.line_logs.continued_lines import MARK

__all__ = ["LONGEST", "cut_line", "cut_lines", "join_quoted", "read_lines"]

#: Bytes that a field with line feeds in it can have.
LONGEST = 256 << 10
_QUOTE, _LF, _CR = ord('"'), ord("\n"), ord("\r")


@functools.cache
def _quoted(separator: bytes) -> re.Pattern[bytes]:
    """Any quoted field: all of them must be met in order, as what is inside of one may look like the start of one."""
    split = re.escape(separator)
    return re.compile(rb"(?<![^\n" + split + rb'])"(?:[^"]++|"")*+"(?=\r?\n|\Z|' + split + rb")")


def join_quoted(chunks: Iterable[bytes], separator: bytes) -> Iterator[bytes]:
    """The same bytes, with every line feed inside of a quoted field replaced by `MARK`.

    Args:
        chunks: decoded content from its start.
        separator: one byte.
    """
    held = b""
    for chunk in chunks:
        data = held + chunk
        if b'"' not in data:
            held = b""
            yield data
            continue
        end = _whole(data)
        if end < len(data) - LONGEST:
            end = data.rfind(b"\n") + 1 or len(data)
        held = data[end:]
        if end:
            yield _joined(data[:end], separator)
    if held:
        yield _joined(held, separator)


def _whole(data: bytes) -> int:
    """The end of the last line at which all quotes are closed; 0 where there is none."""
    content = np.frombuffer(data, np.uint8)
    quotes, ends = np.flatnonzero(content == _QUOTE), np.flatnonzero(content == _LF)
    closed = ends[np.searchsorted(quotes, ends) % 2 == 0]
    return int(closed[-1]) + 1 if closed.size else 0


def _joined(data: bytes, separator: bytes) -> bytes:
    content = np.frombuffer(data, np.uint8)
    quotes, ends = np.flatnonzero(content == _QUOTE), np.flatnonzero(content == _LF)
    inside = ends[np.searchsorted(quotes, ends) % 2 == 1]
    if not inside.size:
        return data
    if _in_place(content, quotes, separator[0]):
        joined = content.copy()
        joined[inside] = ord(MARK)
        return joined.tobytes()
    return _quoted(separator).sub(lambda match: match[0].replace(b"\n", MARK.encode()), data)


def _in_place(content: np.ndarray, quotes: np.ndarray, separator: int) -> bool:
    """Whether every quote opens a field, ends one or is doubled; ``content`` ends in a line feed."""
    if quotes.size % 2 or content[-1] != _LF:
        return False
    before, behind = content[quotes[::2] - 1], content[quotes[1::2] + 1]
    opens = (before == separator) | (before == _LF) | (before == _QUOTE)
    closes = (behind == separator) | (behind == _LF) | (behind == _QUOTE) | (behind == _CR)
    return bool(opens.all() and closes.all())


def read_lines(data: bytes, lines: int, names: Sequence[str], separator: str) -> pl.DataFrame | None:
    """All lines at once.

    Args:
        data: whole lines, each ending in LF.
        lines: how many.
        names: of the fields.
        separator: one character.

    Returns:
        A String column for each name; null or empty text for an empty field; None when any line needs a closer look.
    """
    if not _evenly_cut(data, lines, len(names), ord(separator)):
        return None
    columns = [str(place) for place in range(len(names))]
    try:
        frame = pl.read_csv(
            data,
            separator=separator,
            has_header=False,
            schema=dict.fromkeys(columns, pl.String()),
            quote_char='"' if b'"' in data else None,
        )
    except pl.exceptions.PolarsError:
        return None
    if frame.height != lines:
        return None
    return frame.rename(dict(zip(columns, names, strict=True)))


def _evenly_cut(data: bytes, lines: int, fields: int, separator: int) -> bool:
    """Whether each line has so many fields, all quotes in their places, and no line a quote too few."""
    content = np.frombuffer(data, np.uint8)
    ends, splits = np.flatnonzero(content == _LF), np.flatnonzero(content == separator)
    quotes = np.flatnonzero(content == _QUOTE)
    if ends.size != lines:
        return False
    if quotes.size:
        if (np.searchsorted(quotes, ends) % 2).any() or not _in_place(content, quotes, separator) or b'"\r' in data:
            return False
        splits = splits[np.searchsorted(quotes, splits) % 2 == 0]
    if splits.size != lines * (fields - 1):
        return False
    counts = np.diff(np.searchsorted(splits, ends), prepend=0)
    return bool((counts == fields - 1).all())


def cut_line(line: str, separator: str) -> list[str] | None:
    """The fields of one line; None where its quotes are not good."""
    try:
        rows = list(csv.reader([line], delimiter=separator, strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None


def cut_lines(
    lines: Sequence[str], names: Sequence[str], separator: str
) -> tuple[pl.DataFrame, list[int], list[BadLine]]:
    """Lines one by one: fields as columns, a row for each good line; the index of each row's line; the others."""
    rows, good, bad = list[list[str]](), list[int](), list[BadLine]()
    for index, line in enumerate(lines):
        fields = cut_line(line, separator)
        if fields is None:
            bad.append(BadLine(index, "bad_quotes", "the quotes of the line do not pair up"))
        elif len(fields) != len(names):
            detail = f"the line has {len(fields)} fields, the header {len(names)}"
            bad.append(BadLine(index, "field_count", detail))
        else:
            rows.append(fields)
            good.append(index)
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String()), orient="row"), good, bad
