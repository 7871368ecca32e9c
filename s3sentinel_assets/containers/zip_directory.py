"""The structure of a zip file (PKWARE's APPNOTE.TXT): end record, central directory, local headers.

Belongs here: where the members are and how they are stored. Does not belong here: decoding them. The directory is read
entry by entry, so that a file of nothing but entries needs no memory.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from s3sentinel_assets.containers.errors import CorruptContainer
from s3sentinel_assets.containers.source import Source
from s3sentinel_assets.containers.spool import Spooled

__all__ = ["DIRECTORY_MAGICS", "LOCAL_MAGIC", "Directory", "Entry", "find_directory", "local_entry"]

LOCAL_MAGIC, _CENTRAL_MAGIC, _END_MAGIC = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_END64_MAGIC, _LOCATOR_MAGIC = b"PK\x06\x06", b"PK\x06\x07"
#: What begins behind the last member.
DIRECTORY_MAGICS = (_CENTRAL_MAGIC, _END_MAGIC, _END64_MAGIC, b"PK\x06\x08")
_LOCAL = struct.Struct("<4xHHHHHIIIHH")
_CENTRAL = struct.Struct("<4xHHHHHHIIIHHHHHII")
_END = struct.Struct("<4xHHHHIIH")
_END64 = struct.Struct("<4xQHHIIQQQQ")
_ZIP64_EXTRA = 1
_FULL = 0xFFFFFFFF
_ENCRYPTED, _SIZES_BEHIND = 1, 8


@dataclass(frozen=True)
class Entry:
    """One member.

    Attributes:
        name: as stored; for messages and for telling folders.
        flags: general purpose bits.
        method: number of the compression method.
        crc: CRC-32 of the content.
        stored: bytes in the file.
        size: bytes decoded.
        offset: of its local header, or, from `local_entry`, of its data.
    """

    name: str
    flags: int
    method: int
    crc: int
    stored: int
    size: int
    offset: int

    @property
    def encrypted(self) -> bool:
        """Whether a password is needed."""
        return bool(self.flags & _ENCRYPTED)

    @property
    def sizes_behind(self) -> bool:
        """Whether a local header lacks checksum and sizes: they follow the data."""
        return bool(self.flags & _SIZES_BEHIND)

    @property
    def is_content(self) -> bool:
        """Whether it is a file that somebody meant to pack: no folder, nothing that macOS adds."""
        last = self.name.rpartition("/")[2]
        return bool(last) and last != ".DS_Store" and not self.name.startswith("__MACOSX/")


@dataclass(frozen=True)
class Directory:
    """The central directory.

    Attributes:
        offset: where it starts.
        size: its bytes.
        trailing: bytes behind the archive.
    """

    offset: int
    size: int
    trailing: int

    def entries(self, file: Spooled) -> Iterator[Entry]:
        """The members in directory order.

        Raises:
            CorruptContainer: ``corrupt_zip``.
        """
        source = Source(file.stream(self.offset, self.offset + self.size))
        while source.fill(_CENTRAL.size):
            head = source.take(_CENTRAL.size)
            if head[:4] != _CENTRAL_MAGIC:
                if head[:4] in (_END64_MAGIC, b"PK\x05\x05"):
                    return
                break
            _, _, flags, method, _, _, crc, stored, size, name, extra, comment, _, _, _, offset = _CENTRAL.unpack(head)
            if not source.fill(name + extra + comment):
                break
            text = _text(source.take(name))
            size, stored, offset = _wide(source.take(extra), size, stored, offset)
            source.take(comment)
            yield Entry(text, flags, method, crc, stored, size, offset)
        else:
            if not source.held:
                return
        raise CorruptContainer("corrupt_zip", "the directory of the zip file is damaged")


def _text(name: bytes) -> str:
    return name.decode(errors="replace").replace("\\", "/")


def _wide(extra: bytes, *values: int) -> list[int]:
    """``values``; those that did not fit into 32 bits from the zip64 extra field, which has only these, in order."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == _ZIP64_EXTRA:
            numbers = iter(struct.unpack_from(f"<{length // 8}Q", extra[at + 4 : at + 4 + length].ljust(length, b"\0")))
            return [next(numbers, value) if value == _FULL else value for value in values]
        at += 4 + length
    return list(values)


def find_directory(file: Spooled) -> Directory | None:
    """The central directory; None when the file has none that fits it, as when it was cut or two were joined."""
    start = max(0, file.size - _END.size - 0xFFFF)
    tail = file.read(start, file.size - start)
    best = -1
    at = tail.rfind(_END_MAGIC)
    while at >= 0:
        if at + _END.size <= len(tail):
            end = at + _END.size + _END.unpack_from(tail, at)[-1]
            if end == len(tail):
                best = at
                break
            if best < 0 and end < len(tail):
                best = at
        at = tail.rfind(_END_MAGIC, 0, at)
    if best < 0:
        return None
    *_, size, offset, comment = _END.unpack_from(tail, best)
    directory_end = start + best
    locator = file.read(directory_end - 20, 20) if directory_end >= 20 else b""
    if locator[:4] == _LOCATOR_MAGIC:
        record = file.read(directory_end - 20 - _END64.size, _END64.size)
        if record[:4] == _END64_MAGIC and len(record) == _END64.size:
            *_, size, offset = _END64.unpack(record)
            directory_end -= 20 + _END64.size
    if offset + size != directory_end:
        return None
    return Directory(offset, size, len(tail) - best - _END.size - comment)


def local_entry(source: Source) -> Entry | None:
    """The member whose local header ``source`` stands at, taken; None where the header is not whole.

    Its ``offset`` is that of its data, in ``source``.
    """
    if not source.fill(_LOCAL.size):
        return None
    _, flags, method, _, _, crc, stored, size, name, extra = _LOCAL.unpack(source.take(_LOCAL.size))
    if not source.fill(name + extra):
        return None
    text = _text(source.take(name))
    size, stored = _wide(source.take(extra), size, stored)
    return Entry(text, flags, method, crc, stored, size, source.position)
