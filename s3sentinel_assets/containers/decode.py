"""The one door to all containers: look at the first bytes, pick the decoder, peel layer by layer, keep to the limits.

Belongs here: the table of containers and the choice between them. A new container is one module with a decoder and one
line in `CONTAINERS`.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

from s3sentinel_assets.containers import (
    bzip2_stream,
    gzip_stream,
    lz4_stream,
    parquet_file,
    snappy_blocks,
    snappy_framed,
    xz_stream,
    zip_archive,
    zstd_stream,
)
from s3sentinel_assets.containers.errors import ContainerError, LimitExceeded, ReadFailure
from s3sentinel_assets.containers.layer import Facts, Layer
from s3sentinel_assets.containers.limits import Limits
from s3sentinel_assets.containers.source import Source
from s3sentinel_assets.containers.spool import SPOOL_LIMIT_BYTES, Spooling

__all__ = ["CONTAINERS", "DEPTH_LIMIT", "Container", "decode", "recognise"]

#: Containers inside each other. CloudWatch Logs through Firehose makes two.
DEPTH_LIMIT = 3
Peek = Callable[[int], bytes]


class Decoder(Protocol):
    """Stored bytes → decoded pieces of bounded size; raises `ContainerError` after yielding what it could decode."""

    def __call__(self, source: Source, layer: Layer, /) -> Iterator[bytes]: ...


@dataclass(frozen=True)
class Container:
    """A kind of container.

    Attributes:
        name: such as ``gzip``.
        fits: whether bytes belong to it, told by a function that gives up to so many first bytes.
        decode: its decoder.
        opens_members: whether the decoder looks itself for containers inside, member by member.
    """

    name: str
    fits: Callable[[Peek], bool]
    decode: Decoder
    opens_members: bool = False


def _starts(*magics: bytes) -> Callable[[Peek], bool]:
    longest = max(map(len, magics))
    return lambda peek: peek(longest).startswith(magics)


#: In order: what has no signature comes last.
CONTAINERS: tuple[Container, ...] = (
    Container("gzip", _starts(gzip_stream.MAGIC), gzip_stream.decode_gzip),
    Container("zstd", zstd_stream.is_zstd, zstd_stream.decode_zstd),
    Container("bzip2", lambda peek: bzip2_stream.is_bzip2(peek(10)), bzip2_stream.decode_bzip2),
    Container("xz", _starts(xz_stream.XZ_MAGIC), xz_stream.decode_xz),
    Container("lz4", lz4_stream.is_lz4, lz4_stream.decode_lz4),
    Container("snappy", _starts(snappy_framed.MAGIC), snappy_framed.decode_snappy),
    Container("snappy_java", _starts(snappy_blocks.JAVA_MAGIC), snappy_blocks.decode_snappy_java),
    Container("zip", lambda peek: zip_archive.is_zip(peek(12)), zip_archive.decode_zip, opens_members=True),
    Container("parquet", lambda peek: parquet_file.is_parquet(peek(16)), parquet_file.decode_parquet),
    Container("lzma", lambda peek: xz_stream.is_lzma(peek(14)), xz_stream.decode_lzma),
    Container("snappy_hadoop", snappy_blocks.is_snappy_hadoop, snappy_blocks.decode_snappy_hadoop),
)


def _recognise(peek: Peek) -> Container | None:
    return next((container for container in CONTAINERS if container.fits(peek)), None)


def recognise(head: bytes) -> Container | None:
    """The container that ``head``, the first bytes of an object, belongs to; None for plain bytes."""
    return _recognise(lambda count: head[:count])


class _Stored:
    """The stored bytes; remembers whether they could be had to the end."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self.failure: ReadFailure | None = None

    def __iter__(self) -> Iterator[bytes]:
        try:
            # Not ``yield from``, which would close the caller's stream with this one: it is read on after an error.
            for chunk in self._chunks:  # noqa: UP028
                yield chunk
        except ReadFailure as failure:
            self.failure = failure
            raise


class _Peeling:
    """One object on its way through its containers."""

    def __init__(self, limits: Limits, spooling: Spooling, facts: Facts) -> None:
        self._limits = limits
        self._spooling = spooling
        self._facts = facts

    def peel(self, chunks: Iterable[bytes], depth: int = 0) -> Iterator[bytes]:
        """The plain bytes inside ``chunks``, which ``depth`` containers have given so far."""
        source = Source(chunks)
        container = _recognise(source.peek)
        if container is None:
            yield from self._plain(source, depth)
            return
        if depth == DEPTH_LIMIT:
            raise LimitExceeded("nested_too_deep", f"more than {DEPTH_LIMIT} containers lie inside each other")
        if len(self._facts.containers) == depth:
            self._facts.containers.append(container.name)
        layer = Layer(
            self._facts if depth == 0 else Facts(),
            self._spooling,
            self._limits.check,
            lambda pieces: self.peel(self._limits.guard(pieces, depth), depth + 1),
        )
        # Closed at once when the reader stops early, so that its temporary files go.
        with closing(container.decode(source, layer)) as decoded:  # type: ignore[type-var]
            if container.opens_members:
                yield from decoded
            else:
                yield from self.peel(self._limits.guard(decoded, depth), depth + 1)

    def _plain(self, source: Source, depth: int) -> Iterator[bytes]:
        # Bytes from a container were counted when they left it.
        yield from source.rest() if depth else self._limits.guard(source.rest(), depth)


def decode(
    chunks: Iterable[bytes],
    *,
    ratio_limit: int,
    bytes_limit: int,
    facts: Facts | None = None,
    spool_limit: int = SPOOL_LIMIT_BYTES,
    spool_folder: str | None = None,
) -> Iterator[bytes]:
    """Decodes an object's stored bytes as a stream, whatever its name says.

    Args:
        chunks: the stored bytes in order; chunks of 64 KiB and more are best.
        ratio_limit: decoded bytes allowed per stored byte, once a mebibyte has been decoded. Containers inside each
            other count as one.
        bytes_limit: decoded bytes allowed in all.
        facts: filled with how the object is packed.
        spool_limit: temporary disk allowed, for zip and Parquet, which need random access.
        spool_folder: where that disk is; None for the system's folder for temporary files.

    Yields:
        Decoded bytes, as far as they can be decoded.

    Raises:
        TruncatedContainer: a container stops too early (``truncated_gzip``).
        CorruptContainer: a container is damaged (``corrupt_gzip``, ``gzip_checksum``, ``trailing_bytes``) or cannot be
            decoded (``encrypted_zip``).
        LimitExceeded: ``decompression_bomb``, ``too_many_bytes``, ``nested_too_deep``, ``spool_limit`` or what one kind
            of container is bounded by (``zstd_window``).
        ReadFailure: from ``chunks``, after what came before; or the disk is full.
    """
    limits = Limits(ratio=ratio_limit, size=bytes_limit)
    peeling = _Peeling(limits, Spooling(spool_limit, spool_folder), facts or Facts())
    stored = _Stored(chunks)
    try:
        yield from peeling.peel(limits.stored(stored))
    except ContainerError:
        # A decoder looks ahead; a stream that has failed there explains the damage before.
        if stored.failure is not None:
            raise stored.failure from None
        raise
