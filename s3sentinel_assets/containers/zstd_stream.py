"""zstd (RFC 8878): any number of frames, skippable ones among them.

Belongs here: zstd only. Frames are walked block by block: every whole block before a damage is decoded, and memory is
bounded by the window and one block.
"""

import sys
from collections.abc import Callable, Iterator

from s3sentinel_assets.containers.errors import CorruptContainer, LimitExceeded, TruncatedContainer
from s3sentinel_assets.containers.layer import Layer
from s3sentinel_assets.containers.skippable import SKIPPABLE_MAGICS, behind_skippable, skip_frame
from s3sentinel_assets.containers.source import Source, cut

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["decode_zstd", "is_zstd"]

MAGIC = b"\x28\xb5\x2f\xfd"
#: What the zstd tool accepts without being asked to, and its highest level needs.
_WINDOW_LOG = 27
_OPTIONS: dict[int, int] = {zstd.DecompressionParameter.window_log_max: _WINDOW_LOG}
_BLOCK_HEADER, _BLOCK_LIMIT = 3, 128 << 10
_RLE = 1


def is_zstd(peek: Callable[[int], bytes]) -> bool:
    """Whether the bytes start a zstd frame, behind skippable frames perhaps."""
    if peek(4) == MAGIC:
        return True
    return peek(4) in SKIPPABLE_MAGICS and behind_skippable(peek) in (MAGIC, b"", None)


def _truncated(size: int) -> TruncatedContainer:
    return TruncatedContainer("truncated_zstd", f"the zstd stream stops after {size:,} decoded bytes of a frame")


def _take_header(source: Source) -> tuple[bytes, bool]:
    """A frame's header (RFC 8878, section 3.1.1.1), and whether a checksum ends the frame."""
    head = source.peek(18)
    if len(head) < 5 and not source.fill(5):
        raise _truncated(0)
    descriptor = head[4]
    single = bool(descriptor & 0x20)
    content_size = (int(single), 2, 4, 8)[descriptor >> 6]
    dictionary_id = (0, 1, 2, 4)[descriptor & 3]
    length = 5 + (not single) + dictionary_id + content_size
    if not source.fill(length):
        raise _truncated(0)
    head = source.take(length)
    at = 5 + (not single)
    if any(head[at : at + dictionary_id]):
        raise CorruptContainer(
            "zstd_dictionary", "the zstd frame can only be decoded with a dictionary that is not in it"
        )
    if single:
        window = int.from_bytes(head[at + dictionary_id :], "little")
    else:
        window = (1 << (10 + (head[5] >> 3))) // 8 * (8 + (head[5] & 7))
    if window > 1 << _WINDOW_LOG:
        raise LimitExceeded(
            "zstd_window", f"decoding it needs a window of {window:,} bytes; {1 << _WINDOW_LOG:,} are allowed"
        )
    return head, bool(descriptor & 4)


def _decode_frame(source: Source) -> Iterator[bytes]:
    header, checked = _take_header(source)
    decompressor, size, last = zstd.ZstdDecompressor(options=_OPTIONS), 0, False

    def decoded(data: bytes) -> bytes:
        try:
            return decompressor.decompress(data)
        except zstd.ZstdError as error:
            if "checksum" in str(error):
                raise CorruptContainer("zstd_checksum", "the decoded bytes do not match the zstd checksum") from error
            raise CorruptContainer(
                "corrupt_zstd", f"the zstd stream is damaged after {size:,} decoded bytes of a frame: {error}"
            ) from error

    decoded(header)
    while not last:
        if not source.fill(_BLOCK_HEADER):
            raise _truncated(size)
        block = int.from_bytes(source.peek(_BLOCK_HEADER), "little")
        last, kind, length = bool(block & 1), block >> 1 & 3, block >> 3
        if length > _BLOCK_LIMIT:
            raise CorruptContainer("corrupt_zstd", f"a zstd block of {length:,} bytes is bigger than any can be")
        length = _BLOCK_HEADER + (1 if kind == _RLE else length)
        if not source.fill(length):
            raise _truncated(size)
        for piece in cut(decoded(source.take(length))):
            size += len(piece)
            yield piece
    if checked:
        if not source.fill(4):
            raise _truncated(size)
        decoded(source.take(4))
    if not decompressor.eof:
        raise CorruptContainer("corrupt_zstd", "the zstd frame does not end with its last block")


def decode_zstd(source: Source, layer: Layer) -> Iterator[bytes]:
    """Decodes all frames.

    Raises:
        TruncatedContainer: ``truncated_zstd``.
        CorruptContainer: ``corrupt_zstd``, ``zstd_checksum``, ``zstd_dictionary`` or ``trailing_bytes``.
        LimitExceeded: ``zstd_window``.
    """
    more = True
    while more:
        skippable = source.peek(4) in SKIPPABLE_MAGICS
        if skippable:
            skip_frame(source, "zstd")
        else:
            yield from _decode_frame(source)
        more = layer.another(source, "zstd", MAGIC, *SKIPPABLE_MAGICS, counts=not skippable)
