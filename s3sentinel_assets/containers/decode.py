"""The one door to all containers: look at the first bytes, pick the decoder, keep to the limits.

Belongs here: the table of containers and the choice between them. A new container is one module with a decoder and one
line in `CONTAINERS`.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from s3sentinel_assets.containers import gzip_stream
from s3sentinel_assets.containers.limits import Meter, within_limits

__all__ = ["CONTAINERS", "Container", "decode", "recognise"]


@dataclass(frozen=True)
class Container:
    """A kind of container.

    Attributes:
        name: such as ``gzip``.
        magic: the bytes it starts with.
        decode: stored chunks → decoded chunks; raises `ContainerError` after yielding what it could decode.
    """

    name: str
    magic: bytes
    decode: Callable[[Iterator[bytes]], Iterator[bytes]]


CONTAINERS: tuple[Container, ...] = (Container("gzip", gzip_stream.MAGIC, gzip_stream.decode_gzip),)
_LONGEST_MAGIC = max(len(container.magic) for container in CONTAINERS)


def recognise(head: bytes) -> Container | None:
    """The container that ``head``, the first bytes of an object, belongs to; None for plain bytes."""
    return next((container for container in CONTAINERS if head.startswith(container.magic)), None)


def _metered(chunks: Iterable[bytes], meter: Meter) -> Iterator[bytes]:
    for chunk in chunks:
        meter.stored += len(chunk)
        if chunk:
            yield chunk


def decode(chunks: Iterable[bytes], *, ratio_limit: int, bytes_limit: int) -> Iterator[bytes]:
    """Decodes an object's stored bytes as a stream, whatever its name says.

    Args:
        chunks: the stored bytes in order; chunks of 64 KiB and more are best.
        ratio_limit: decoded bytes allowed per stored byte, once a mebibyte has been decoded.
        bytes_limit: decoded bytes allowed in all.

    Yields:
        Decoded bytes, as far as they can be decoded.

    Raises:
        TruncatedContainer: the container stops too early (``truncated_gzip``).
        CorruptContainer: the container is damaged (``corrupt_gzip``, ``gzip_checksum``, ``trailing_bytes``).
        LimitExceeded: ``decompression_bomb`` or ``too_many_bytes``.
    """
    meter = Meter()
    stored = _metered(chunks, meter)
    head = b""
    for chunk in stored:
        head += chunk
        if len(head) >= _LONGEST_MAGIC:
            break
    if not head:
        return
    container = recognise(head)
    rest = chain((head,), stored)
    decoded = container.decode(rest) if container else rest
    yield from within_limits(decoded, meter, ratio_limit=ratio_limit, bytes_limit=bytes_limit)
