"""Generated files in a folder: each whole or not at all, and nobody else's work is written over.

Belongs here: deciding whether a file may be replaced, and replacing it. Does not belong here: what is in the files.

A list beside the files holds the hash of each as it was written. A file that is not in it, or was changed since, is
somebody else's.
"""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from s3sentinel_assets.errors import UserError

__all__ = ["MANIFEST", "Written", "write_files"]

#: The list of what was written.
MANIFEST = ".s3sentinel-aws.json"


@dataclass(frozen=True, slots=True)
class Written:
    """What became of the folder.

    Attributes:
        changed: names of files that are new or have a new content.
        kept: names of files that had the same content already.
        left: names of files that were written earlier and are no longer part of it; they still lie there.
    """

    changed: tuple[str, ...]
    kept: tuple[str, ...]
    left: tuple[str, ...]


def write_files(folder: Path, files: Mapping[str, str], *, force: bool = False) -> Written:
    """Writes files into a folder, which is made when missing.

    Args:
        folder: the folder.
        files: name → text.
        force: replace files of others too.

    Raises:
        UserError: a file of somebody else is in the way (then nothing is written), or the disk refuses.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        ours = _manifest(folder / MANIFEST)
        present = {name: _hash_of(folder / name) for name in files}
        new = {name: _hash(text.encode()) for name, text in files.items()}
        foreign = [name for name, found in present.items() if found not in (None, new[name], ours.get(name))]
        if foreign and not force:
            more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
            raise UserError(
                f"{folder / foreign[0]}{more} was not written by this command, or was changed since; move it away, "
                "choose another folder, or give --force to replace it"
            )
        changed = tuple(name for name, found in present.items() if found != new[name])
        for name in changed:
            _replace(folder / name, files[name])
        left = tuple(sorted(name for name in ours.keys() - files.keys() if (folder / name).exists()))
        _replace(folder / MANIFEST, json.dumps({**{name: ours[name] for name in left}, **new}, indent=2) + "\n")
    except OSError as error:
        raise UserError(
            f"{error.filename or folder} cannot be used ({error.strerror}); choose another folder"
        ) from None
    return Written(changed, tuple(name for name in files if name not in changed), left)


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _hash_of(file: Path) -> str | None:
    try:
        return _hash(file.read_bytes())
    except FileNotFoundError:
        return None


def _manifest(file: Path) -> dict[str, str]:
    """Name → hash of what was written; nothing where the list is missing or damaged: all files are foreign then."""
    try:
        found = json.loads(file.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return {name: value for name, value in found.items() if isinstance(value, str)} if isinstance(found, dict) else {}


def _replace(file: Path, text: str) -> None:
    handle, temporary = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o644)  # nothing in them is secret, and others deploy them
        Path(temporary).replace(file)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise
