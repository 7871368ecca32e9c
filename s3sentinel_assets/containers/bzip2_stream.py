"""bzip2: any number of streams.

Belongs here: bzip2 only. It has no written standard; the signatures are those of its reference implementation.
"""

import bz2
from collections.abc import Iterator

from s3sentinel_assets.containers.errors import CorruptContainer
from s3sentinel_assets.containers.layer import Layer
from s3sentinel_assets.containers.source import Source
from s3sentinel_assets.containers.stepwise import decode_stepwise

__all__ = ["decode_bzip2", "is_bzip2"]

_MAGIC = b"BZh"
# A block's signature is pi, that of the end of a stream (one without content) the root of pi.
_BLOCK, _END = bytes.fromhex("314159265359"), bytes.fromhex("177245385090")
# Signature and checksum of the end, which may begin inside a byte.
_TRAILER = 10


def is_bzip2(head: bytes) -> bool:
    """Whether ``head`` starts a stream; the three letters alone could start a text."""
    return head[:3] == _MAGIC and b"1" <= head[3:4] <= b"9" and head[4:10] in (_BLOCK, _END)


def _damaged(error: Exception, size: int) -> CorruptContainer:
    return CorruptContainer("corrupt_bzip2", f"the bzip2 stream is damaged after {size:,} decoded bytes: {error}")


def _decode_stream(source: Source) -> Iterator[bytes]:
    return decode_stepwise(
        bz2.BZ2Decompressor(), source, "bzip2", trailer=_TRAILER, failures=OSError, translate=_damaged
    )


def decode_bzip2(source: Source, layer: Layer) -> Iterator[bytes]:
    """Decodes all streams.

    Raises:
        TruncatedContainer: ``truncated_bzip2``.
        CorruptContainer: ``corrupt_bzip2`` (also for a wrong checksum) or ``trailing_bytes``.
    """
    yield from _decode_stream(source)
    while layer.another(source, "bzip2", _MAGIC):
        yield from _decode_stream(source)
