"""Driving the standard library's incremental decompressors in bounded steps.

Belongs here: the loop that bzip2 and xz share. Does not belong here: their signatures and errors.
"""

from collections.abc import Callable, Iterator
from typing import Protocol

from s3sentinel_assets.containers.errors import ContainerError, TruncatedContainer
from s3sentinel_assets.containers.source import Source

__all__ = ["Decompressor", "decode_stepwise"]

# Small steps: what a failing step had decoded is lost with it, and a bomb is seen before it fills memory.
_INPUT_STEP = 16 << 10
_OUTPUT_STEP = 64 << 10


class Decompressor(Protocol):
    """What ``bz2`` and ``lzma`` offer."""

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""
        ...

    @property
    def needs_input(self) -> bool:
        """Whether nothing more comes without more input."""
        ...

    @property
    def unused_data(self) -> bytes:
        """Input behind the end."""
        ...

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Decodes some."""
        ...


def decode_stepwise(
    decompressor: Decompressor,
    source: Source,
    kind: str,
    *,
    trailer: int,
    failures: type[Exception],
    translate: Callable[[Exception, int], ContainerError],
) -> Iterator[bytes]:
    """Decodes one stream and leaves ``source`` behind its end.

    Args:
        decompressor: fresh.
        source: stands at the stream's first byte.
        kind: the container's name, for errors.
        trailer: bytes, about, that end a stream and hold no content.
        failures: what the decompressor raises.
        translate: makes the error of it, told also how many bytes were decoded.

    Yields:
        Pieces of at most 64 KiB.

    Raises:
        TruncatedContainer: ``truncated_<kind>``.
        ContainerError: as ``translate`` says.
    """
    size, piece = 0, b""
    while not decompressor.eof:
        data = b""
        # bz2 asks for input even while more output waits.
        if decompressor.needs_input and not piece:
            data = source.step(_INPUT_STEP, keep=trailer)
            if not data:
                raise TruncatedContainer(f"truncated_{kind}", f"the {kind} stream stops after {size:,} decoded bytes")
        try:
            piece = decompressor.decompress(data, _OUTPUT_STEP)
        except failures as error:
            raise translate(error, size) from error
        if piece:
            size += len(piece)
            yield piece
    source.untake(len(decompressor.unused_data))
