"""gzip (RFC 1952), streamed with ISA-L: any number of members, zero padding after the last one.

Belongs here: gzip only. The framing is read here and the deflate stream handed to ISA-L raw, so that a wrong checksum
at the very end does not take back what has been decoded.
"""

from collections.abc import Iterator
from typing import Any

from isal import isal_zlib

from s3sentinel_assets.containers.errors import CorruptContainer, TruncatedContainer

__all__ = ["MAGIC", "decode_gzip"]

MAGIC = b"\x1f\x8b"
_DEFLATE = 8
_IsalError: Any = isal_zlib.error  # its type stub hides that it is an exception class
_FHCRC, _FEXTRA, _FNAME, _FCOMMENT = 2, 4, 8, 16
_TRAILER = 8
_HEADER_LIMIT = 1 << 17
# Small steps: what a failing step had decoded is lost with it, and a bomb is seen before it fills memory.
_INPUT_STEP = 16 << 10
_OUTPUT_STEP = 64 << 10


class _Input:
    """The stored bytes, with enough look-ahead to read headers and trailers that straddle chunks."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self.held = b""

    def fill(self, wanted: int) -> bool:
        """Holds at least ``wanted`` bytes, or all there are; says whether it does."""
        while len(self.held) < wanted:
            chunk = next(self._chunks, None)
            if chunk is None:
                return False
            self.held += chunk
        return True

    def take(self, count: int) -> bytes:
        taken, self.held = self.held[:count], self.held[count:]
        return taken


def _truncated(where: str) -> TruncatedContainer:
    return TruncatedContainer("truncated_gzip", f"the gzip stream stops {where}")


def _header_length(data: bytes) -> int | None:
    """Length of the member header at the start of ``data``; None while it is incomplete."""
    if len(data) < 10:
        return None
    flags, length = data[3], 10
    if flags & _FEXTRA:
        if len(data) < length + 2:
            return None
        length += 2 + int.from_bytes(data[length : length + 2], "little")
    for flag in (_FNAME, _FCOMMENT):
        if flags & flag:
            end = data.find(b"\0", length)
            if end < 0:
                return None
            length = end + 1
    if flags & _FHCRC:
        length += 2
    return length if len(data) >= length else None


def _skip_header(source: _Input) -> None:
    """Consumes a member's header.

    Raises:
        TruncatedContainer: the input ends inside it.
        CorruptContainer: it is not a gzip header.
    """
    source.fill(4)
    if not source.held.startswith(MAGIC):
        raise CorruptContainer("corrupt_gzip", "a gzip member does not start with the gzip signature")
    if len(source.held) > 2 and source.held[2] != _DEFLATE:
        raise CorruptContainer("corrupt_gzip", f"gzip compression method {source.held[2]} does not exist")
    while (length := _header_length(source.held)) is None:
        if len(source.held) > _HEADER_LIMIT:
            raise CorruptContainer("corrupt_gzip", "the gzip header does not end")
        if not source.fill(len(source.held) + 1):
            raise _truncated("inside a member's header")
    source.take(length)


def _inflate(source: _Input) -> Iterator[bytes]:
    """Decodes one member's deflate stream and checks its trailer; leaves ``source`` behind it."""
    inflater = isal_zlib.decompressobj(wbits=-15)
    checksum = size = 0
    while not inflater.eof:
        if not source.held and not source.fill(1):
            raise _truncated(f"after {size:,} decoded bytes of a member")
        pending = source.take(_INPUT_STEP)
        while pending and not inflater.eof:
            try:
                piece = inflater.decompress(pending, _OUTPUT_STEP)
            except _IsalError as error:
                raise CorruptContainer(
                    "corrupt_gzip", f"the gzip stream is damaged after {size:,} decoded bytes: {error}"
                ) from error
            pending = inflater.unconsumed_tail
            if piece:
                checksum, size = isal_zlib.crc32(piece, checksum), size + len(piece)
                yield piece
            elif not pending:
                break
    source.held = inflater.unused_data + source.held
    if not source.fill(_TRAILER):
        raise _truncated("inside a member's trailer")
    trailer = source.take(_TRAILER)
    if int.from_bytes(trailer[:4], "little") != checksum or int.from_bytes(trailer[4:], "little") != size & 0xFFFFFFFF:
        raise CorruptContainer("gzip_checksum", "the decoded bytes do not match the gzip checksum")


def decode_gzip(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Decodes all members of a gzip stream.

    Args:
        chunks: the stored bytes, from the first one.

    Yields:
        Decoded pieces of at most 64 KiB.

    Raises:
        TruncatedContainer: ``truncated_gzip``. CorruptContainer: ``corrupt_gzip``, ``gzip_checksum`` or
        ``trailing_bytes`` (something other than a member or zero
            padding after the last member).
    """
    source = _Input(chunks)
    while True:
        _skip_header(source)
        yield from _inflate(source)
        while source.fill(1) and not source.held.strip(b"\0"):
            source.held = b""
        source.held = source.held.lstrip(b"\0")
        if not source.held:
            return
        source.fill(len(MAGIC))
        if not source.held.startswith(MAGIC):
            raise CorruptContainer("trailing_bytes", "bytes that are no gzip member follow the gzip stream")
