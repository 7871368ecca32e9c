"""Local log files for commands: which ones are meant, how they are read, progress over their bytes.

Belongs here: what commands that take log files share. Does not belong here: parsing (``formats``), the commands.
"""

import hashlib
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from s3sentinel_assets.formats import ObjectInput

__all__ = ["READABLE", "find_files", "inputs", "opener", "progress"]

_CHUNK = 256 << 10
#: States of objects whose content was read, at least as far as it goes.
READABLE = ("read", "partly_read")


def find_files(paths: Iterable[Path]) -> Iterator[Path]:
    """The files meant by ``paths``: folders are searched through, linked ones as well, hidden entries left out.

    What cannot be looked at, such as a folder without permission, is given as if it were a file: reading it says why.

    Raises:
        UserError: a path does not exist, or a folder holds no file.
    """
    from s3sentinel_assets.errors import UserError

    seen: set[Path] = set()
    for path in paths:
        try:
            folder, there = path.is_dir(), path.exists()
        except OSError:
            folder, there = False, True
        if not there:
            raise UserError(f"{path}: there is no such file or folder; check the path")
        found = _files_in(path) if folder else [path]
        if not found:
            raise UserError(f"{path}: the folder holds no file; name a log file or a folder of them")
        for file in found:
            if file not in seen:
                seen.add(file)
                yield file


def _files_in(top: Path) -> list[Path]:
    """The files in a folder and all folders below it, each folder once, in order of their paths."""
    found, visited = list[Path](), set[tuple[int, int]]()
    linked = deque([top])  # last, so that a folder which lies here is named by its own path
    while linked:
        folders = [linked.popleft()]
        while folders:
            folder = folders.pop()
            try:
                status = folder.stat()
                with os.scandir(folder) as listing:
                    entries = sorted(listing, key=lambda entry: entry.name)
            except OSError:
                found.append(folder)
                continue
            if (status.st_dev, status.st_ino) in visited:
                continue
            visited.add((status.st_dev, status.st_ino))
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                path = folder / entry.name
                try:
                    if entry.is_dir():
                        (linked if entry.is_symlink() else folders).append(path)
                    elif entry.is_file() or (entry.is_symlink() and not path.exists()):
                        found.append(path)
                except OSError:
                    found.append(path)
    return sorted(found)


def inputs(paths: Iterable[Path], advance: Callable[[int], None]) -> Iterator["ObjectInput"]:
    """The files as a parser takes them; ``advance`` is told how many bytes were read."""
    from s3sentinel_assets.formats import ObjectInput

    for number, path in enumerate(paths):
        identity = hashlib.sha256(str(path).encode(errors="surrogateescape")).hexdigest()[:32]
        yield ObjectInput(number, str(path), identity, opener(path, advance))


def opener(path: Path, advance: Callable[[int], None]) -> Callable[[], Iterator[bytes]]:
    """Gives the function that reads a file piece by piece, and says like S3 why it cannot be read."""
    from s3sentinel_assets.containers import ReadFailure

    def chunks() -> Iterator[bytes]:
        try:
            if path.is_dir():
                next(path.iterdir(), None)
                raise ReadFailure("unreadable", "the folder could not be read when files were looked for")
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    advance(len(chunk))
                    yield chunk
        except FileNotFoundError:
            why = "the file is gone, or what the link names does not exist" if path.is_symlink() else "the file is gone"
            raise ReadFailure("vanished", why) from None
        except PermissionError:
            raise ReadFailure("denied", "no permission to read it") from None
        except OSError as error:
            raise ReadFailure("unreadable", f"the file cannot be read: {error.strerror}") from None

    return chunks


@contextmanager
def progress(paths: list[Path], *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A progress bar over the files' bytes, at a terminal only; gives the function that moves it on."""
    if quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("parsing"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("parsing", total=sum(map(_size, paths)))
        yield lambda size: bar.update(task, advance=size)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:
        return 0
