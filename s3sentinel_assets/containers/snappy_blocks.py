"""Snappy blocks behind big-endian lengths: Hadoop's format (also Firehose's "Hadoop-compatible") and snappy-java's.

Belongs here: these two containers. Hadoop's has no signature (length of a block decoded; then, until as much is
decoded, length of a chunk stored, chunk). It is taken for one only when its lengths are plausible *and* the first chunk
decodes. Lengths are below 16 MiB, so the first and the fifth byte are zero, which no text starts with. Neither format
has a checksum.
"""

from collections.abc import Callable, Iterator

from s3sentinel_assets.containers.errors import CorruptContainer, TruncatedContainer
from s3sentinel_assets.containers.layer import Layer
from s3sentinel_assets.containers.snappy_block import SnappyError, block_size, decode_block, stored_limit
from s3sentinel_assets.containers.source import Source, cut

__all__ = ["JAVA_MAGIC", "decode_snappy_hadoop", "decode_snappy_java", "is_snappy_hadoop"]

#: snappy-java's SnappyOutputStream; a version and a compatible version of four bytes follow.
JAVA_MAGIC = b"\x82SNAPPY\x00"
_JAVA_HEADER = 16
_LIMIT = 1 << 24


def is_snappy_hadoop(peek: Callable[[int], bytes]) -> bool:
    """Whether the bytes start with a block whose first chunk decodes.

    Args:
        peek: gives up to so many first bytes.
    """
    head = peek(13)
    size, stored, chunk_size = int.from_bytes(head[:4]), int.from_bytes(head[4:8]), block_size(head[8:])
    if len(head) < 10 or head[0] or head[4] or not chunk_size or chunk_size > size or stored > stored_limit(chunk_size):
        return False
    chunk = peek(8 + stored)[8:]
    try:
        return len(chunk) == stored and bool(decode_block(chunk, size))
    except SnappyError:
        return False


def _truncated(kind: str, size: int) -> TruncatedContainer:
    return TruncatedContainer(f"truncated_{kind}", f"the {kind} stream stops after {size:,} decoded bytes")


def _corrupt(kind: str, size: int, why: object) -> CorruptContainer:
    return CorruptContainer(f"corrupt_{kind}", f"the {kind} stream is damaged after {size:,} decoded bytes: {why}")


def _length(source: Source, kind: str, size: int) -> int:
    if not source.fill(4):
        raise _truncated(kind, size)
    return int.from_bytes(source.take(4))


def _chunk(source: Source, kind: str, size: int, limit: int) -> bytes:
    """The next chunk decoded: at most ``limit`` bytes."""
    stored = _length(source, kind, size)
    if stored > stored_limit(limit):
        raise _corrupt(kind, size, f"a chunk of {stored:,} bytes is bigger than its block allows")
    if not source.fill(stored):
        raise _truncated(kind, size)
    try:
        return decode_block(source.take(stored), limit)
    except SnappyError as error:
        raise _corrupt(kind, size, error) from error


def decode_snappy_hadoop(source: Source, layer: Layer) -> Iterator[bytes]:
    """Decodes all blocks of Hadoop's format.

    Raises:
        TruncatedContainer: ``truncated_snappy_hadoop``; between two blocks it cannot be told.
        CorruptContainer: ``corrupt_snappy_hadoop``.
    """
    kind, size = "snappy_hadoop", 0
    layer.facts.members = 1
    while source.fill(1):
        left = _length(source, kind, size)
        if left >= _LIMIT:
            raise _corrupt(kind, size, f"a block of {left:,} bytes is bigger than allowed")
        while left:
            data = _chunk(source, kind, size, left)
            if not data:
                raise _corrupt(kind, size, "an empty chunk inside a block")
            left -= len(data)
            size += len(data)
            yield from cut(data)


def decode_snappy_java(source: Source, layer: Layer) -> Iterator[bytes]:
    """Decodes all chunks of snappy-java's format; joined streams repeat the header.

    Raises:
        TruncatedContainer: ``truncated_snappy_java``; between two chunks it cannot be told.
        CorruptContainer: ``corrupt_snappy_java``.
    """
    kind, size = "snappy_java", 0
    while source.fill(1):
        if source.peek(len(JAVA_MAGIC)) == JAVA_MAGIC:
            if not source.skip(_JAVA_HEADER):
                raise _truncated(kind, size)
            layer.facts.members += 1
            continue
        data = _chunk(source, kind, size, _LIMIT)
        size += len(data)
        yield from cut(data)
