"""xz (any number of streams) and its forerunner, .lzma.

Belongs here: what liblzma decodes. The .lzma format has no signature; it is recognised by the rules that the xz tools
apply to its header, narrowed to the parameters that all common writers use.
"""

import lzma
from collections.abc import Iterator

from s3sentinel_assets.containers.errors import ContainerError, CorruptContainer, LimitExceeded
from s3sentinel_assets.containers.layer import Layer
from s3sentinel_assets.containers.source import Source
from s3sentinel_assets.containers.stepwise import decode_stepwise

__all__ = ["XZ_MAGIC", "decode_lzma", "decode_xz", "is_lzma"]

XZ_MAGIC = b"\xfd7zXZ\x00"
# xz -9 needs 65 MiB.
_MEMORY_LIMIT = 128 << 20
# Check, index and footer of a small stream.
_TRAILER = 32
_USUAL_PROPERTIES = 0x5D
_UNKNOWN_SIZE = (1 << 64) - 1
_SIZE_LIMIT = 1 << 38


def is_lzma(head: bytes) -> bool:
    """Whether ``head`` is a .lzma header and the first byte of its range coder (always zero)."""
    if len(head) < 14 or head[0] != _USUAL_PROPERTIES or head[13]:
        return False
    dictionary, size = int.from_bytes(head[1:5], "little"), int.from_bytes(head[5:13], "little")
    lowest = dictionary & -dictionary
    # A power of two, or one and a half: xz accepts no other.
    return dictionary >= 1 << 12 and dictionary // lowest in (1, 3) and (size == _UNKNOWN_SIZE or size < _SIZE_LIMIT)


def _decode(source: Source, kind: str, format: int) -> Iterator[bytes]:  # noqa: A002 - lzma's own word
    def translate(error: Exception, size: int) -> ContainerError:
        if "memory" in str(error).lower():
            return LimitExceeded(f"{kind}_memory", f"decoding it needs more than {_MEMORY_LIMIT:,} bytes of memory")
        return CorruptContainer(
            f"corrupt_{kind}", f"the {kind} stream is damaged after {size:,} decoded bytes: {error}"
        )

    decompressor = lzma.LZMADecompressor(format, memlimit=_MEMORY_LIMIT)
    return decode_stepwise(decompressor, source, kind, trailer=_TRAILER, failures=lzma.LZMAError, translate=translate)


def decode_xz(source: Source, layer: Layer) -> Iterator[bytes]:
    """Decodes all streams; padding between and behind them is passed over.

    Raises:
        TruncatedContainer: ``truncated_xz``.
        CorruptContainer: ``corrupt_xz`` (also for a wrong checksum) or ``trailing_bytes``.
        LimitExceeded: ``xz_memory``, the dictionary is too big.
    """
    yield from _decode(source, "xz", lzma.FORMAT_XZ)
    while layer.another(source, "xz", XZ_MAGIC):
        yield from _decode(source, "xz", lzma.FORMAT_XZ)


def decode_lzma(source: Source, layer: Layer) -> Iterator[bytes]:
    """Decodes the one stream there is; the format has no checksum.

    Raises:
        TruncatedContainer: ``truncated_lzma``.
        CorruptContainer: ``corrupt_lzma`` or ``trailing_bytes``.
        LimitExceeded: ``lzma_memory``.
    """
    yield from _decode(source, "lzma", lzma.FORMAT_ALONE)
    layer.facts.members += 1
    layer.facts.padding = source.skip_zeros()
    if source.fill(1):
        layer.facts.padding = True
        raise CorruptContainer("trailing_bytes", "bytes follow the lzma stream, which is always the only one")
