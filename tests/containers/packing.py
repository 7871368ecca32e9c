"""Packing bytes into every container there is, and unpacking them through the one door."""

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import lz4.block
import lz4.frame
import pyarrow as pa

from s3sentinel_assets.containers import ContainerError, Facts, ReadFailure, decode
from s3sentinel_assets.containers.snappy_framed import masked_checksum
from s3sentinel_assets.containers.zstd_stream import zstd

LINES = b"".join(b"line %d of a log\n" % number for number in range(20_000))


@dataclass
class Unpacked:
    """What `decode` made of some bytes."""

    data: bytes
    error: ContainerError | ReadFailure | None
    facts: Facts
    longest: int

    @property
    def reason(self) -> str | None:
        if isinstance(self.error, ReadFailure):
            return self.error.state
        return self.error.reason if self.error else None


def unpack(stored: bytes | Iterable[bytes], step: int = 65_536, **options: Any) -> Unpacked:
    """All that decodes, and the error after it."""
    chunks = pieces(stored, step) if isinstance(stored, bytes) else stored
    limits = {"ratio_limit": 1_000_000, "bytes_limit": 1 << 30, **options}
    facts, data, error = Facts(), [], None
    try:
        for piece in decode(chunks, facts=facts, **limits):
            assert isinstance(piece, bytes)
            data.append(piece)
    except (ContainerError, ReadFailure) as failure:
        error = failure
    return Unpacked(b"".join(data), error, facts, max(map(len, data), default=0))


def pieces(data: bytes, step: int) -> Iterator[bytes]:
    return (data[at : at + step] for at in range(0, len(data), step))


def breaking(data: bytes, step: int = 1_000, state: Any = "vanished") -> Iterator[bytes]:
    """``data``, then a read failure."""
    yield from pieces(data, step)
    raise ReadFailure(state, "the object was replaced")


def snappy_raw(data: bytes) -> bytes:
    return pa.compress(data, codec="snappy", asbytes=True) if data else b"\0"


def snappy_chunk(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(3, "little") + body


def snappy(data: bytes) -> bytes:
    chunks = [b"\xff\x06\x00\x00sNaPpY"]
    for number, piece in enumerate(pieces(data, 65_536)):
        checksum = masked_checksum(piece).to_bytes(4, "little")
        chunks.append(
            snappy_chunk(1, checksum + piece) if number % 3 == 2 else snappy_chunk(0, checksum + snappy_raw(piece))
        )
    return b"".join(chunks)


def _measured(data: bytes) -> bytes:
    return len(data).to_bytes(4) + data


def snappy_hadoop(data: bytes, block: int = 100_000, chunk: int = 40_000) -> bytes:
    return b"".join(
        len(piece).to_bytes(4) + b"".join(_measured(snappy_raw(part)) for part in pieces(piece, chunk))
        for piece in pieces(data, block)
    )


def snappy_java(data: bytes) -> bytes:
    header = b"\x82SNAPPY\0" + (1).to_bytes(4) + (1).to_bytes(4)
    return header + b"".join(_measured(snappy_raw(piece)) for piece in pieces(data, 32_768))


def zstd_frame(data: bytes, **parameters: int) -> bytes:
    options: dict[int, int] = {zstd.CompressionParameter.checksum_flag: 1}
    options |= {getattr(zstd.CompressionParameter, name): value for name, value in parameters.items()}
    return zstd.compress(data, options=options)


def skippable(data: bytes, low: int = 0x50) -> bytes:
    return bytes([low, 0x2A, 0x4D, 0x18]) + len(data).to_bytes(4, "little") + data


def lz4_frame(data: bytes, **options: Any) -> bytes:
    return lz4.frame.compress(data, **{"content_checksum": True, **options})


def lz4_legacy(data: bytes) -> bytes:
    blocks = (lz4.block.compress(piece, store_size=False) for piece in pieces(data, 8 << 20))
    return b"\x02\x21\x4c\x18" + b"".join(len(block).to_bytes(4, "little") + block for block in blocks)


def zipped(*members: bytes | tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED, stream: bool = False) -> bytes:
    """A zip file; ``stream``: written without seeking, so that sizes follow the data."""

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def tell(self) -> int:
            raise OSError

    file = Pipe() if stream else io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for number, member in enumerate(members):
            name, data = (f"{number}.log", member) if isinstance(member, bytes) else member
            archive.writestr(name, data)
    return file.getvalue()


@dataclass(frozen=True)
class Kind:
    """A container for tests.

    Attributes:
        name: as the product calls it.
        pack: one member.
        joins: whether members can simply be put behind each other.
        checked: whether a checksum guards the content.
        silent_cuts: whether a cut between two blocks cannot be told.
    """

    name: str
    pack: Callable[[bytes], bytes]
    joins: bool = True
    checked: bool = True
    silent_cuts: bool = False


KINDS = {
    "gzip": Kind("gzip", gzip.compress),
    "zstd": Kind("zstd", zstd_frame),
    "zstd without checksum": Kind("zstd", lambda data: zstd_frame(data, checksum_flag=0), checked=False),
    "bzip2": Kind("bzip2", bz2.compress),
    "xz": Kind("xz", lzma.compress),
    "lzma": Kind("lzma", lambda data: lzma.compress(data, lzma.FORMAT_ALONE), joins=False, checked=False),
    "lz4": Kind("lz4", lz4_frame),
    "lz4 with block checksums": Kind("lz4", lambda data: lz4_frame(data, block_checksum=True, store_size=False)),
    "lz4 legacy": Kind("lz4", lz4_legacy, checked=False, silent_cuts=True),
    "snappy": Kind("snappy", snappy, silent_cuts=True),
    "snappy_java": Kind("snappy_java", snappy_java, checked=False, silent_cuts=True),
    "snappy_hadoop": Kind("snappy_hadoop", snappy_hadoop, checked=False, silent_cuts=True),
    "zip": Kind("zip", zipped, joins=False),
    "zip, stored": Kind("zip", lambda data: zipped(data, method=zipfile.ZIP_STORED), joins=False),
    "zip, streamed": Kind("zip", lambda data: zipped(data, stream=True), joins=False),
}
