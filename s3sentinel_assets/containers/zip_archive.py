"""zip: any number of files, each of which may be a container itself.

Belongs here: decoding members and joining them. The central directory is the truth, so the archive is kept on disk
while it is read. An archive cut short has none: then the local headers are followed as far as they lead.
"""

from collections.abc import Iterator

from s3sentinel_assets.containers.deflate import crc32, inflate
from s3sentinel_assets.containers.errors import ContainerError, CorruptContainer, TruncatedContainer
from s3sentinel_assets.containers.layer import Layer
from s3sentinel_assets.containers.source import Source
from s3sentinel_assets.containers.spool import Spooled
from s3sentinel_assets.containers.zip_directory import (
    DIRECTORY_MAGICS,
    LOCAL_MAGIC,
    Entry,
    find_directory,
    local_entry,
)

__all__ = ["decode_zip", "is_zip"]

_END_MAGIC = b"PK\x05\x06"
_STORED, _DEFLATED = 0, 8
_METHODS = {1: "shrink", 6: "implode", 9: "deflate64", 12: "bzip2", 14: "LZMA", 93: "zstd", 95: "xz", 98: "PPMd"}
_DESCRIPTOR = b"PK\x07\x08"


def is_zip(head: bytes) -> bool:
    """Whether ``head`` starts a member stored by a method there is, or is the end record of an archive without any."""
    if head[:4] == LOCAL_MAGIC:
        return len(head) >= 10 and int.from_bytes(head[8:10], "little") < 100
    return head[:4] == _END_MAGIC and head[4:12] == bytes(8)


def _truncated(detail: str) -> TruncatedContainer:
    return TruncatedContainer("truncated_zip", detail)


def _not_decodable(entry: Entry) -> ContainerError | None:
    """Why a member cannot be decoded whatever its bytes are."""
    if entry.encrypted:
        return CorruptContainer("encrypted_zip", f"{entry.name} in the zip file is encrypted with a password")
    if entry.method not in (_STORED, _DEFLATED):
        method = _METHODS.get(entry.method, f"number {entry.method}")
        return CorruptContainer(
            "zip_method", f"{entry.name} in the zip file is compressed with {method}; only stored and deflate are read"
        )
    return None


def _checked(pieces: Iterator[bytes], entry: Entry, *, known: bool = True) -> Iterator[bytes]:
    """``pieces``, then the error if they are not what the archive says."""
    checksum = size = 0
    for piece in pieces:
        checksum, size = crc32(piece, checksum), size + len(piece)
        yield piece
    if known and (checksum, size) != (entry.crc, entry.size):
        raise CorruptContainer("zip_checksum", f"{entry.name} in the zip file does not match its checksum and size")


class _Joined:
    """Members one behind the other, with a line end between where one lacks it: records must not run together."""

    def __init__(self, layer: Layer) -> None:
        self._layer = layer
        self._last = b"\n"

    def add(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        first = True
        for piece in self._layer.open(pieces):
            if first and self._last != b"\n":
                yield b"\n"
            first, self._last = False, piece[-1:]
            yield piece
        self._layer.facts.members += 1


def _stored_bytes(file: Spooled, entry: Entry) -> Source:
    """A member's stored bytes, found by its local header."""
    header = Source(file.stream(entry.offset, entry.offset + (1 << 18)))
    if header.peek(4) != LOCAL_MAGIC or (local := local_entry(header)) is None:
        raise CorruptContainer("corrupt_zip", f"{entry.name} is not where the directory of the zip file says")
    start = entry.offset + local.offset
    return Source(file.stream(start, start + entry.stored))


def _listed(file: Spooled, entries: Iterator[Entry], joined: _Joined) -> Iterator[bytes]:
    refused: ContainerError | None = None
    for entry in entries:
        if not entry.is_content:
            continue
        # Nothing of such a member is decoded, so the others can be read without harm.
        if (reason := _not_decodable(entry)) is not None:
            refused = refused or reason
            continue
        source = _stored_bytes(file, entry)
        pieces = source.rest() if entry.method == _STORED else inflate(source, "zip")
        yield from joined.add(_checked(pieces, entry))
    if refused is not None:
        raise refused


def _unlisted(file: Spooled, joined: _Joined) -> Iterator[bytes]:
    """The members of an archive without a directory, in the order in which they lie."""
    source = Source(file.stream(0))
    while source.peek(4) == LOCAL_MAGIC:
        entry = local_entry(source)
        if entry is None:
            break
        if (reason := _not_decodable(entry)) is not None:
            raise reason
        if entry.method == _DEFLATED:
            yield from joined.add(_checked(inflate(source, "zip"), entry, known=not entry.sizes_behind))
        elif entry.sizes_behind:
            raise _truncated(f"the zip file has no directory, and nothing else says where {entry.name} ends")
        else:
            yield from joined.add(_checked(_exactly(source, entry.stored), entry))
        if entry.sizes_behind:
            _skip_descriptor(source)
    raise _truncated("the zip file has no directory that fits it; the members at its start were read")


def _exactly(source: Source, count: int) -> Iterator[bytes]:
    while count and (piece := source.step(min(count, 256 << 10))):
        count -= len(piece)
        yield piece
    if count:
        raise _truncated(f"the zip file stops {count:,} bytes before the end of a member")


def _skip_descriptor(source: Source) -> None:
    """Checksum and sizes behind a member: with or without a signature, with sizes of 4 or 8 bytes."""
    head = source.peek(28)
    lengths = (16, 24) if head.startswith(_DESCRIPTOR) else (12, 20)
    for length in lengths:
        if head[length : length + 4] in (LOCAL_MAGIC, *DIRECTORY_MAGICS):
            source.take(length)
            return
    source.take(lengths[0])


def _look_behind(file: Spooled, trailing: int, layer: Layer) -> None:
    layer.facts.padding = trailing > 0
    if any(piece.strip(b"\0") for piece in file.stream(file.size - trailing)):
        raise CorruptContainer("trailing_bytes", "bytes follow the zip file")


def decode_zip(source: Source, layer: Layer) -> Iterator[bytes]:
    """Decodes all members that are files, in directory order, and what is packed inside them.

    Raises:
        TruncatedContainer: ``truncated_zip``.
        CorruptContainer: ``corrupt_zip``, ``zip_checksum`` or ``trailing_bytes``; ``encrypted_zip`` or ``zip_method``
            after the members that can be decoded.
        LimitExceeded: ``spool_limit``.
    """
    with layer.spooling.spool(source) as file:
        joined = _Joined(layer)
        try:
            directory = find_directory(file)
            if directory is None:
                yield from _unlisted(file, joined)
            else:
                yield from _listed(file, directory.entries(file), joined)
                _look_behind(file, directory.trailing, layer)
        except (TruncatedContainer, CorruptContainer):
            # What happened to the stream explains what is wrong with the archive.
            if file.failure is not None:
                raise file.failure from None
            raise
        if file.failure is not None:
            raise file.failure
