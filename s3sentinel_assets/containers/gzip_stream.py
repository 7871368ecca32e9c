"""gzip (RFC 1952), streamed: any number of members, zero padding after the last one.

Belongs here: gzip only. The framing is read here and the deflate stream decoded raw, so that a wrong checksum at the
very end does not take back what has been decoded.
"""

from collections.abc import Iterator

from s3sentinel_assets.containers.deflate import crc32, inflate
from s3sentinel_assets.containers.errors import CorruptContainer, TruncatedContainer
from s3sentinel_assets.containers.layer import Layer
from s3sentinel_assets.containers.source import Source

__all__ = ["MAGIC", "decode_gzip"]

MAGIC = b"\x1f\x8b"
_DEFLATE = 8
_FHCRC, _FEXTRA, _FNAME, _FCOMMENT = 2, 4, 8, 16
_TRAILER = 8
_HEADER_LIMIT = 1 << 17


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


def _skip_header(source: Source) -> None:
    """Consumes a member's header.

    Raises:
        TruncatedContainer: the input ends inside it.
        CorruptContainer: it is not a gzip header.
    """
    head = source.peek(10)
    if len(head) > 2 and head[2] != _DEFLATE:
        raise CorruptContainer("corrupt_gzip", f"gzip compression method {head[2]} does not exist")
    while (length := _header_length(head)) is None:
        if len(head) > _HEADER_LIMIT:
            raise CorruptContainer("corrupt_gzip", "the gzip header does not end")
        if not source.fill(len(head) + 1):
            raise _truncated("inside a member's header")
        head = source.peek(max(2 * len(head), 64))
    source.take(length)


def _decode_member(source: Source) -> Iterator[bytes]:
    _skip_header(source)
    checksum = size = 0
    for piece in inflate(source, "gzip"):
        checksum, size = crc32(piece, checksum), size + len(piece)
        yield piece
    if not source.fill(_TRAILER):
        raise _truncated("inside a member's trailer")
    trailer = source.take(_TRAILER)
    if int.from_bytes(trailer[:4], "little") != checksum or int.from_bytes(trailer[4:], "little") != size & 0xFFFFFFFF:
        raise CorruptContainer("gzip_checksum", "the decoded bytes do not match the gzip checksum")


def decode_gzip(source: Source, layer: Layer) -> Iterator[bytes]:
    """Decodes all members of a gzip stream.

    Yields:
        Decoded pieces of at most 64 KiB.

    Raises:
        TruncatedContainer: ``truncated_gzip``.
        CorruptContainer: ``corrupt_gzip``, ``gzip_checksum`` or ``trailing_bytes`` (something other than a member or
            zero padding after the last member).
    """
    yield from _decode_member(source)
    while layer.another(source, "gzip", MAGIC):
        yield from _decode_member(source)
