"""The snappy framing format: chunks of at most 64 KiB, each with a checksum.

Belongs here: this container only. Format: github.com/google/snappy, framing_format.txt.
"""

from collections.abc import Iterator

from awscrt.checksums import crc32c

from s3sentinel_assets.containers.errors import CorruptContainer, TruncatedContainer
from s3sentinel_assets.containers.layer import Layer
from s3sentinel_assets.containers.snappy_block import SnappyError, decode_block, stored_limit
from s3sentinel_assets.containers.source import Source

__all__ = ["MAGIC", "decode_snappy", "masked_checksum"]

#: The stream identifier: a chunk of its own. It may come again where streams are joined.
MAGIC = b"\xff\x06\x00\x00sNaPpY"
_COMPRESSED, _STORED, _IDENTIFIER = 0x00, 0x01, 0xFF
_FIRST_SKIPPABLE = 0x80
_CONTENT_LIMIT = 64 << 10


def masked_checksum(data: bytes) -> int:
    """CRC-32C turned by 15 bits plus a constant, as the format wants it."""
    checksum = crc32c(data)
    return ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _truncated(size: int) -> TruncatedContainer:
    return TruncatedContainer("truncated_snappy", f"the snappy stream stops after {size:,} decoded bytes")


def _content(chunk: bytes, *, stored: bool, size: int) -> bytes:
    """What a chunk of checksum and data holds."""
    data = chunk[4:]
    if not stored:
        try:
            data = decode_block(data, _CONTENT_LIMIT)
        except SnappyError as error:
            raise CorruptContainer(
                "corrupt_snappy", f"the snappy stream is damaged after {size:,} decoded bytes: {error}"
            ) from error
    if masked_checksum(data) != int.from_bytes(chunk[:4], "little"):
        raise CorruptContainer("snappy_checksum", f"the snappy chunk after {size:,} decoded bytes has a wrong checksum")
    return data


def decode_snappy(source: Source, layer: Layer) -> Iterator[bytes]:
    """Decodes all chunks of all streams.

    Raises:
        TruncatedContainer: ``truncated_snappy``; between two chunks it cannot be told.
        CorruptContainer: ``corrupt_snappy`` or ``snappy_checksum``.
    """
    size = 0
    while source.fill(1):
        if not source.fill(4):
            raise _truncated(size)
        header = source.peek(4)
        kind, length = header[0], int.from_bytes(header[1:], "little")
        if kind == _IDENTIFIER:
            if not source.fill(len(MAGIC)) and MAGIC.startswith(source.peek(len(MAGIC))):
                raise _truncated(size)
            if source.take(len(MAGIC)) != MAGIC:
                raise CorruptContainer("corrupt_snappy", f"a wrong stream identifier after {size:,} decoded bytes")
            layer.facts.members += 1
        elif kind >= _FIRST_SKIPPABLE:
            if not source.skip(4 + length):
                raise _truncated(size)
        elif kind not in (_COMPRESSED, _STORED) or not 4 <= length <= 4 + stored_limit(_CONTENT_LIMIT):
            raise CorruptContainer("corrupt_snappy", f"no snappy chunk follows after {size:,} decoded bytes")
        else:
            if not source.fill(4 + length):
                raise _truncated(size)
            data = _content(source.take(4 + length)[4:], stored=kind == _STORED, size=size)
            if len(data) > _CONTENT_LIMIT:
                raise CorruptContainer("corrupt_snappy", f"the chunk after {size:,} decoded bytes is too big")
            size += len(data)
            if data:
                yield data
