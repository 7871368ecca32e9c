"""A folder of stage files: written to a temporary name, flushed to disk, renamed, and only then named in the ledger."""

import contextlib
import errno
import hashlib
import os
import stat
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from s3sentinel_assets.errors import UserError

__all__ = ["Store", "StoreWriter", "StoredFile"]

_UNFINISHED = ".unfinished"
_CHUNK = 1 << 20
#: What the disk says when it is at fault, and not whoever makes the file's content.
_DISK_TROUBLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG, errno.EACCES, errno.EPERM})


@dataclass(frozen=True)
class StoredFile:
    """A file that is whole and on disk. ``uri`` is relative to the store, so that a store can be moved."""

    uri: str
    sha256: str
    size: int


class StoreWriter:
    """A file being written. Write to `path` (or `file`); `Store.create` finishes it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None
        self.stored: StoredFile | None = None

    @property
    def file(self) -> BinaryIO:
        """The file opened for writing, for makers that stream."""
        if self._file is None:
            self._file = self.path.open("wb")
        return self._file

    @property
    def finished(self) -> StoredFile:
        """The file, once `Store.create` has finished it."""
        if self.stored is None:
            raise RuntimeError(f"{self.path} is asked for before it is finished")
        return self.stored

    def close(self) -> None:
        """Closes the streamed file, if it was opened."""
        if self._file is not None:
            self._file.close()


class Store:
    """A local folder of stage files."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    @contextlib.contextmanager
    def create(self, folder: str, suffix: str) -> Iterator[StoreWriter]:
        """Makes one file: the block writes it, and after the block `StoreWriter.stored` names it.

        If the block raises, nothing remains. Several writers never meet: every name is new.

        Args:
            folder: such as ``cloudtrail/2026-11-23-13:00/parsed``.
            suffix: such as ``.parquet``.

        Raises:
            UserError: the disk refuses.
        """
        # Colons are not allowed in file names everywhere.
        uri = f"{folder.replace(':', '')}/{uuid.uuid4().hex}{suffix}"
        final = self.root / uri
        unfinished = final.with_name(final.name + _UNFINISHED)
        try:
            _make_folder(final.parent)
        except OSError as error:
            raise UserError(f"the store folder {final.parent} cannot be made: {error.strerror}") from error
        writer = StoreWriter(unfinished)
        try:
            yield writer
            writer.close()
            sha256, size = _flush(unfinished)
            unfinished.replace(final)
            _flush_folder(final.parent)
            writer.stored = StoredFile(uri, sha256, size)
        except OSError as error:
            if error.errno not in _DISK_TROUBLE:
                raise  # such as a lost connection of whoever makes the content
            raise UserError(f"stage file {final} cannot be written: {error.strerror}") from error
        finally:
            with contextlib.suppress(OSError):  # closing flushes, and the disk that refused refuses again
                writer.close()
            unfinished.unlink(missing_ok=True)

    def path(self, uri: str) -> Path:
        """The path of a stored file.

        Raises:
            UserError: the ledger names it and it is not there.
        """
        path = self.root / uri
        if not path.is_file():
            raise UserError(f"stage file {path} is missing though the ledger names it; restore it from a backup")
        return path

    def checked_path(self, uri: str, sha256: str) -> Path:
        """The path of a stored file whose bytes are still those that were recorded.

        Raises:
            UserError: it is missing or damaged.
        """
        path = self.path(uri)
        if not self.verify(uri, sha256):
            raise UserError(
                f"stage file {path} is damaged: its checksum is not the recorded one; restore it from a backup"
            )
        return path

    def read_range(self, uri: str, offset: int, length: int) -> bytes:
        """``length`` bytes of a stored file from ``offset``.

        Raises:
            UserError: the file is missing or shorter than that.
        """
        path = self.path(uri)
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(length)
        if len(data) != length:
            raise UserError(f"stage file {path} is cut short; restore it from a backup")
        return data

    def verify(self, uri: str, sha256: str) -> bool:
        """Whether the stored file still has this checksum."""
        return _checksum(self.path(uri))[0] == sha256

    def sweep(self, known: Callable[[], Collection[str]], older_than_seconds: float) -> list[str]:
        """Deletes files the ledger does not know, once they are old enough not to belong to a running worker.

        Args:
            known: gives the uris the ledger names; asked after the files were listed, so that none is missed.
            older_than_seconds: age from which an unknown file is an orphan.

        Returns:
            The uris deleted.
        """
        limit = time.time() - older_than_seconds
        old = []
        for path in self.root.rglob("*"):
            try:
                status = path.stat()
            except FileNotFoundError:
                continue  # a writer finished or gave up meanwhile
            if stat.S_ISREG(status.st_mode) and status.st_mtime < limit:
                old.append(path.relative_to(self.root).as_posix())
        orphans = sorted(set(old) - set(known())) if old else []
        for uri in orphans:
            (self.root / uri).unlink(missing_ok=True)
        return orphans


def _checksum(path: Path) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return digest.hexdigest(), size


def _flush(path: Path) -> tuple[str, int]:
    """Forces the file to disk and gives its checksum and size."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
    return _checksum(path)


def _make_folder(folder: Path) -> None:
    """Makes the folder and those above it, each entry forced to disk, so that a power cut cannot lose the path."""
    missing = [entry for entry in (folder, *folder.parents) if not entry.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for entry in missing:
        _flush_folder(entry.parent)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
