"""The content of a log or digest object: its hash, and whether the object is one gzip member and nothing else.

Belongs here: decoding for verification. CloudTrail writes one member, so that anything more is somebody else's work,
even where it decodes to nothing. Does not belong here: decoding for parsing (``containers``), which must take several
members for other logs.
"""

import hashlib
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from s3sentinel_assets.integrity.verdicts import Reason

__all__ = ["Content", "read_content"]

_STEP = 1 << 20
_MAGIC = b"\x1f\x8b"
_GZIP = 16 + zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class Content:
    """What an object holds.

    Attributes:
        sha256: hex, of the decoded bytes of all members; after a problem, of what could be decoded.
        size: decoded bytes.
        members: gzip members.
        problem: what is wrong with the object, whatever its digest says.
        stored: stored bytes read.
    """

    sha256: str
    size: int
    members: int
    problem: Reason | None
    stored: int


class _Reader:
    """Decodes member after member; `problem` ends it."""

    def __init__(self, limit: int, sink: Callable[[bytes], object] | None) -> None:
        self.limit = limit
        self.sink = sink
        self.digest = hashlib.sha256()
        self.size = self.members = self.stored = 0
        self.problem: Reason | None = None
        self.over = False
        self.inflater = zlib.decompressobj(_GZIP)
        self.head = b""

    def _emit(self, piece: bytes) -> None:
        self.size += len(piece)
        if self.size > self.limit:
            self.problem, self.over = Reason.TOO_LARGE, True
            return
        self.digest.update(piece)
        if self.sink is not None:
            self.sink(piece)

    def feed(self, chunk: bytes) -> None:
        """Takes stored bytes."""
        self.stored += len(chunk)
        if len(self.head) < len(_MAGIC):
            self.head += chunk[: len(_MAGIC) - len(self.head)]
        while chunk and not self.over:
            if self.inflater.eof:
                # Anything at all behind the first member is wrong; it is decoded as far as it goes for its hash.
                self.problem = Reason.MORE_THAN_ONE_MEMBER
                self.inflater = zlib.decompressobj(_GZIP)
            try:
                piece = self.inflater.decompress(chunk, _STEP)
            except zlib.error:
                self._broken()
                return
            chunk = self.inflater.unused_data if self.inflater.eof else self.inflater.unconsumed_tail
            self.members += self.inflater.eof
            self._emit(piece)

    def _broken(self) -> None:
        self.over = True
        if self.members:
            self.problem = Reason.TRAILING_BYTES
        else:
            self.problem = Reason.CORRUPT_GZIP if self.head == _MAGIC else Reason.NOT_GZIP

    def finish(self) -> None:
        """Called when there are no more bytes."""
        while not self.over and not self.inflater.eof:
            try:
                piece = self.inflater.decompress(b"", _STEP)
            except zlib.error:
                piece = b""
            if not piece:
                self._broken()
                return
            self.members += self.inflater.eof
            self._emit(piece)


def read_content(chunks: Iterable[bytes], *, limit: int, sink: Callable[[bytes], object] | None = None) -> Content:
    """Decodes and hashes an object as a stream, in bounded memory.

    Args:
        chunks: the stored bytes.
        limit: decoded bytes allowed.
        sink: gets the decoded bytes.
    """
    reader = _Reader(limit, sink)
    for chunk in chunks:
        reader.feed(chunk)
        if reader.over:
            break
    reader.finish()
    return Content(reader.digest.hexdigest(), reader.size, reader.members, reader.problem, reader.stored)
