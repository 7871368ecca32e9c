"""Syslog with the length of each message in front of it, as it travels in TCP: cut by these lengths.

Source: RFC 6587 section 3.4.1, "Octet Counting": ``83 <34>1 2003-10-11T22:14:15.003Z …`` without a line end between.

Belongs here: turning such a stream into lines, byte for byte, so that offsets stay true. Does not belong here: what a
line says; a length in front of one is skipped there (``header``).
"""

import re
from collections.abc import Iterable, Iterator

from s3sentinel_assets.formats.line_logs.continued_lines import MARK

__all__ = ["cut_frames"]

_BEGIN = re.compile(rb"([1-9][0-9]{0,5}) (?=<[0-9]{1,3}>)")
#: Bytes that surely hold the beginning of a frame.
_HEAD = 12
_MARK = MARK.encode()


def cut_frames(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Lines for frames; a stream that does not begin with a frame is given back as it is.

    A frame behind a line feed stays as it is, its length in front; in any other the length becomes blanks and the blank
    behind it a line feed. Line feeds within a message become `line_logs.continued_lines.MARK`. Where a length does not
    lead to the next frame or to the end of a line, the rest is given back as it is: a wrong length takes no bytes away.
    """
    source = iter(chunks)
    data, last, new_line = b"", False, True
    while True:
        cut, at = list[bytes](), 0
        while (begin := _BEGIN.match(data, at)) is not None:
            end = begin.end() + int(begin[1])
            if len(data) < end + _HEAD and not last:
                break
            if not _ends_frame(data, end):
                yield b"".join((*cut, data[at:]))
                yield from source
                return
            cut.append(_line(data, begin, end, new_line=new_line))
            new_line, at = data[end - 1 : end] == b"\n", end
        else:
            if last or len(data) - at >= _HEAD:
                yield b"".join((*cut, data[at:]))
                yield from source
                return
        if cut:
            yield b"".join(cut)
        more = next(source, None)
        data, last = data[at:] + (more or b""), more is None


def _ends_frame(data: bytes, end: int) -> bool:
    """Whether a frame can end at ``end``: nothing or a frame follows, or it is the end of a line."""
    return end == len(data) or (end < len(data) and (data[end - 1 : end] == b"\n" or bool(_BEGIN.match(data, end))))


def _line(data: bytes, begin: re.Match[bytes], end: int, *, new_line: bool) -> bytes:
    """A frame on a line of its own, in as many bytes; its own line feed at the end stays."""
    message = data[begin.end() : end]
    body = message.removesuffix(b"\n")
    front = begin[0] if new_line else b" " * len(begin[1]) + b"\n"
    return front + body.replace(b"\n", _MARK) + message[len(body) :]
