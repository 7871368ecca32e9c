"""Records that go on in the lines below: lines that begin with a blank or a tab belong to the line before them.

Source: PostgreSQL, "Error Reporting and Logging" (a message of several lines is continued behind a tab); macOS and
other systems write syslog messages so. RFC 3164 and RFC 5424 know nothing of it: rsyslog writes ``#011`` and ``#012``
instead, which are left as they are.

Belongs here: joining such lines in a stream before it is cut into lines, and undoing the mark. The mark is one byte in
place of the line feed, so that offsets stay true. Does not belong here: which formats want it (each format).
"""

from collections.abc import Iterable, Iterator

import polars as pl

__all__ = ["MARK", "join_continued", "with_line_ends"]

#: ASCII's record separator: what stands for a line feed inside a record.
MARK = "\x1e"
_PAIRS = tuple((b"\n" + blank, MARK.encode() + blank) for blank in (b" ", b"\t"))


def join_continued(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes, with every line feed that a blank or a tab follows replaced by `MARK`."""
    held = b""
    for chunk in chunks:
        # A line feed at the end waits for the byte that decides.
        data = held + chunk if held else chunk
        held = b"\n" if data.endswith(b"\n") else b""
        if held:
            data = data[:-1]
        for pair, joined in _PAIRS:
            if pair in data:
                data = data.replace(pair, joined)
        if data:
            yield data
    if held:
        yield held


def with_line_ends(text: pl.Expr) -> pl.Expr:
    """A text of a joined record with its line feeds back."""
    return text.str.replace_all("\r?" + MARK, "\n")
