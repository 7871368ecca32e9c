"""Local log files for commands: which ones are meant, how they are read, progress over their bytes.

Belongs here: what commands that take log files share. Does not belong here: parsing (``formats``), the commands.
"""

import hashlib
import sys
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
    """The files meant by ``paths``: folders are searched through, hidden entries in them left out.

    Raises:
        UserError: a path does not exist, or a folder holds no file.
    """
    from s3sentinel_assets.errors import UserError

    seen: set[Path] = set()
    for path in paths:
        if path.is_dir():
            found = sorted(
                inner
                for inner in path.rglob("*")
                if inner.is_file() and not any(part.startswith(".") for part in inner.relative_to(path).parts)
            )
            if not found:
                raise UserError(f"{path}: the folder holds no file; name a log file or a folder of them")
        elif path.exists():
            found = [path]
        else:
            raise UserError(f"{path}: there is no such file or folder; check the path")
        for file in found:
            if file not in seen:
                seen.add(file)
                yield file


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
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    advance(len(chunk))
                    yield chunk
        except FileNotFoundError:
            raise ReadFailure("vanished", "the file is gone") from None
        except PermissionError:
            raise ReadFailure("denied", "no permission to read the file") from None
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
        task = bar.add_task("parsing", total=sum(path.stat().st_size for path in paths if path.exists()))
        yield lambda size: bar.update(task, advance=size)
