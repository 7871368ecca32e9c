"""lz4: frames (also skippable ones) and the legacy frame of the first lz4 tools and the Linux kernel.

Belongs here: lz4 only. Frames are walked block by block: every whole block before a damage is decoded, and memory is
bounded by one block. Format: github.com/lz4/lz4, doc/lz4_Frame_format.md.
"""

from collections.abc import Callable, Iterator

import lz4.block
import lz4.frame

from s3sentinel_assets.containers.errors import ContainerError, CorruptContainer, TruncatedContainer
from s3sentinel_assets.containers.layer import Layer
from s3sentinel_assets.containers.skippable import SKIPPABLE_MAGICS, behind_skippable, skip_frame
from s3sentinel_assets.containers.source import Source, cut

__all__ = ["decode_lz4", "is_lz4"]

_MAGIC, _LEGACY = b"\x04\x22\x4d\x18", b"\x02\x21\x4c\x18"
_STORED = 1 << 31
_DICTIONARY, _CONTENT_CHECKSUM, _CONTENT_SIZE, _BLOCK_CHECKSUM = 1, 4, 8, 16
_LEGACY_BLOCK = 8 << 20
_LEGACY_STORED_LIMIT = _LEGACY_BLOCK + _LEGACY_BLOCK // 255 + 16


def is_lz4(peek: Callable[[int], bytes]) -> bool:
    """Whether the bytes start an lz4 frame, behind skippable frames perhaps."""
    head = peek(4)
    return (behind_skippable(peek) if head in SKIPPABLE_MAGICS else head) in (_MAGIC, _LEGACY)


def _truncated(size: int) -> TruncatedContainer:
    return TruncatedContainer("truncated_lz4", f"the lz4 stream stops after {size:,} decoded bytes of a frame")


def _corrupt(size: int, detail: object) -> ContainerError:
    if "hecksum" in str(detail):
        return CorruptContainer("lz4_checksum", f"lz4 checksum wrong after {size:,} decoded bytes of a frame")
    return CorruptContainer(
        "corrupt_lz4", f"the lz4 stream is damaged after {size:,} decoded bytes of a frame: {detail}"
    )


def _header(source: Source) -> tuple[int, int, int]:
    """Length of the frame header at which ``source`` stands, its flags, the most bytes of a block."""
    if not source.fill(7):
        raise _truncated(0)
    flags, sizes = source.peek(6)[4:]
    if flags & _DICTIONARY:
        raise CorruptContainer(
            "lz4_dictionary", "the lz4 frame can only be decoded with a dictionary that is not in it"
        )
    return 7 + (8 if flags & _CONTENT_SIZE else 0), flags, 1 << (8 + 2 * (sizes >> 4 & 7))


def _decode_frame(source: Source) -> Iterator[bytes]:
    length, flags, limit = _header(source)
    decompressor, size = lz4.frame.LZ4FrameDecompressor(), 0

    def decoded(count: int) -> bytes:
        if not source.fill(count):
            raise _truncated(size)
        try:
            return decompressor.decompress(source.take(count), limit)
        except RuntimeError as error:
            raise _corrupt(size, error) from error

    decoded(length)
    while True:
        if not source.fill(4):
            raise _truncated(size)
        stored = int.from_bytes(source.peek(4), "little")
        if not stored:
            break
        if stored & ~_STORED > limit:
            raise _corrupt(size, f"a block of {stored & ~_STORED:,} bytes is bigger than its frame allows")
        for piece in cut(decoded(4 + (stored & ~_STORED) + (4 if flags & _BLOCK_CHECKSUM else 0))):
            size += len(piece)
            yield piece
    decoded(4 + (4 if flags & _CONTENT_CHECKSUM else 0))
    if not decompressor.eof:
        raise _corrupt(size, "the frame does not end with its last block")


def _decode_legacy(source: Source) -> Iterator[bytes]:
    source.take(4)
    size = 0
    while len(head := source.peek(4)) == 4 or source.fill(1):
        if head in (_MAGIC, _LEGACY, *SKIPPABLE_MAGICS):
            return
        if not source.fill(4):
            raise _truncated(size)
        stored = int.from_bytes(head, "little")
        if not stored:
            return
        if stored > _LEGACY_STORED_LIMIT:
            raise _corrupt(size, f"a block of {stored:,} bytes is bigger than any can be")
        if not source.fill(4 + stored):
            raise _truncated(size)
        try:
            block = lz4.block.decompress(source.take(4 + stored)[4:], uncompressed_size=_LEGACY_BLOCK)
        except lz4.block.LZ4BlockError as error:
            raise _corrupt(size, error) from error
        size += len(block)
        yield from cut(block)


def decode_lz4(source: Source, layer: Layer) -> Iterator[bytes]:
    """Decodes all frames.

    Raises:
        TruncatedContainer: ``truncated_lz4``.
        CorruptContainer: ``corrupt_lz4``, ``lz4_checksum``, ``lz4_dictionary`` or ``trailing_bytes``.
    """
    more = True
    while more:
        skippable = source.peek(4) in SKIPPABLE_MAGICS
        if skippable:
            skip_frame(source, "lz4")
        else:
            yield from _decode_legacy(source) if source.peek(4) == _LEGACY else _decode_frame(source)
        more = layer.another(source, "lz4", _MAGIC, _LEGACY, *SKIPPABLE_MAGICS, counts=not skippable)
