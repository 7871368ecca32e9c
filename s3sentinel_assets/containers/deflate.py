"""Raw deflate (RFC 1951) with ISA-L, bounded in both directions.

Belongs here: the compressed stream that gzip and zip have in common. Does not belong here: what they put around it.
"""

from collections.abc import Iterator
from typing import Any

from isal import isal_zlib

from s3sentinel_assets.containers.errors import CorruptContainer, TruncatedContainer
from s3sentinel_assets.containers.source import Source

__all__ = ["crc32", "inflate"]

_IsalError: Any = isal_zlib.error  # its type stub hides that it is an exception class
# Small steps: what a failing step had decoded is lost with it, and a bomb is seen before it fills memory.
_INPUT_STEP = 16 << 10
_OUTPUT_STEP = 64 << 10

crc32 = isal_zlib.crc32


def inflate(source: Source, kind: str) -> Iterator[bytes]:
    """Decodes one deflate stream and leaves ``source`` behind its end.

    Args:
        source: stands at the stream's first byte.
        kind: the container's name, for errors.

    Yields:
        Pieces of at most 64 KiB.

    Raises:
        TruncatedContainer: ``truncated_<kind>``. CorruptContainer: ``corrupt_<kind>``.
    """
    inflater = isal_zlib.decompressobj(wbits=-15)
    size = 0
    while not inflater.eof:
        pending = source.step(_INPUT_STEP)
        if not pending:
            raise TruncatedContainer(
                f"truncated_{kind}", f"the {kind} stream stops after {size:,} decoded bytes of a member"
            )
        while pending and not inflater.eof:
            try:
                piece = inflater.decompress(pending, _OUTPUT_STEP)
            except _IsalError as error:
                raise CorruptContainer(
                    f"corrupt_{kind}", f"the {kind} stream is damaged after {size:,} decoded bytes: {error}"
                ) from error
            pending = inflater.unconsumed_tail
            if piece:
                size += len(piece)
                yield piece
            elif not pending:
                break
    source.untake(len(inflater.unused_data))
