"""Disk for containers that need random access.

Belongs here: temporary files without a name, bounded in size, gone whatever happens. Does not belong here: the
containers.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from s3sentinel_assets.containers.errors import ContainerError, LimitExceeded, ReadFailure
from s3sentinel_assets.containers.source import Source

__all__ = ["SPOOL_LIMIT_BYTES", "Spooled", "Spooling"]

#: Disk that one object may take.
SPOOL_LIMIT_BYTES = 2 << 30
_READ = 256 << 10


@dataclass(frozen=True)
class Spooled:
    """Bytes on disk.

    Attributes:
        file: an unbuffered file.
        size: bytes in it.
        failure: why the stream ended before its end, if it did; to be raised after what can still be had.
    """

    file: BinaryIO
    size: int
    failure: ContainerError | ReadFailure | None

    def read(self, offset: int, count: int) -> bytes:
        """``count`` bytes from ``offset``, fewer where the file ends."""
        found = b""
        while len(found) < count and (piece := os.pread(self.file.fileno(), count - len(found), offset + len(found))):
            found += piece
        return found

    def stream(self, offset: int, end: int | None = None) -> Iterator[bytes]:
        """The bytes from ``offset`` to ``end``, in pieces."""
        end = self.size if end is None else min(end, self.size)
        while offset < end and (piece := self.read(offset, min(_READ, end - offset))):
            yield piece
            offset += len(piece)


class Spooling:
    """The temporary files of one object."""

    def __init__(self, limit: int = SPOOL_LIMIT_BYTES, folder: str | None = None) -> None:
        """Prepares; no file is made yet.

        Args:
            limit: bytes on disk at any time.
            folder: where the files lie; None for the system's folder for temporary files.
        """
        self._limit = limit
        self._folder = folder
        self._used = 0

    @contextmanager
    def spool(self, source: Source) -> Iterator[Spooled]:
        """All that remains of ``source``, on disk until the context ends.

        Raises:
            LimitExceeded: ``spool_limit``.
            ReadFailure: the stream's own, when the object is worth another try; ``broken`` when the disk is full.
        """
        # The file has no name from the start (where the system allows): no crash leaves it behind.
        with tempfile.TemporaryFile(dir=self._folder, buffering=0) as file:
            size, failure = 0, None
            try:
                for piece in source.rest():
                    self._write(file, piece)
                    size += len(piece)
            except (ContainerError, ReadFailure) as found:
                if isinstance(found, LimitExceeded) or (isinstance(found, ReadFailure) and found.again):
                    raise
                failure = found
            yield Spooled(file, size, failure)
            self._used -= size

    def _write(self, file: BinaryIO, piece: bytes) -> None:
        self._used += len(piece)
        if self._used > self._limit:
            raise LimitExceeded("spool_limit", f"needs more than the {self._limit:,} bytes of temporary disk allowed")
        view = memoryview(piece)
        try:
            while view:
                view = view[file.write(view) :]
        except OSError as error:
            folder = self._folder or tempfile.gettempdir()
            raise ReadFailure(
                "broken",
                f"the object must be kept on disk while it is decoded, but {folder} cannot be written to "
                f"({error.strerror}); make room there or set TMPDIR to another folder",
            ) from error
