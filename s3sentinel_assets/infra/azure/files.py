"""The template's files: each whole or not at all, and nobody else's work is written over.

Belongs here: telling our files from others', and replacing them. Does not belong here: what is in them.

A file carries the SHA-256 of its own text, reckoned with zeros in the place of the digits. One without it, or whose
digits are wrong because somebody edited it, is not ours.
"""

import contextlib
import hashlib
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from s3sentinel_assets.errors import UserError

__all__ = ["GENERATOR", "is_ours", "sealed", "write_files"]

_DIGITS = 64
#: What a text is made with, to be replaced by `sealed`.
GENERATOR = f"s3sentinel infra azure, sha256 {'0' * _DIGITS}"
_SEAL = re.compile(rf"(s3sentinel infra azure, sha256 )([0-9a-f]{{{_DIGITS}}})")


def sealed(text: str) -> str:
    """The text with its digest in it."""
    return _SEAL.sub(lambda match: match[1] + _digest(text), text, count=1)


def is_ours(text: str) -> bool:
    """Whether the text is exactly as it was written."""
    found = _SEAL.search(text)
    return found is not None and found[2] == _digest(_SEAL.sub(rf"\g<1>{'0' * _DIGITS}", text, count=1))


def write_files(folder: Path, files: Mapping[str, str], *, force: bool = False) -> dict[str, bool]:
    """Writes the files into a folder, which is made when missing.

    All of them are on disk under other names before the first is replaced.

    Args:
        folder: the folder.
        files: name → text.
        force: replace files of others, too.

    Returns:
        Name → whether it has changed.

    Raises:
        UserError: a file of somebody else is in the way, or the disk refuses; then nothing is written.
    """
    try:
        changed = {name: _present(folder / name) != text.encode() for name, text in files.items()}
        foreign = [folder / name for name, other in changed.items() if other and not _replaceable(folder / name)]
        if foreign and not force:
            raise UserError(
                f"{foreign[0]} was not written by this command, or was changed since; move it away, choose another "
                "folder, or give --force to replace it"
            )
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as unfinished:
            ready = {name: _draft(folder / name, files[name], unfinished) for name, other in changed.items() if other}
            for name, draft in ready.items():
                draft.replace(folder / name)
    except OSError as error:
        raise UserError(
            f"{error.filename or folder} cannot be written ({error.strerror}); choose another folder"
        ) from None
    return changed


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _present(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None


def _replaceable(file: Path) -> bool:
    content = _present(file)
    if content is None:
        return True
    try:
        return is_ours(content.decode())
    except UnicodeDecodeError:
        return False


def _draft(file: Path, text: str, unfinished: contextlib.ExitStack) -> Path:
    handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    draft = Path(name)
    unfinished.callback(draft.unlink, missing_ok=True)  # once it is renamed there is nothing left to delete
    with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    draft.chmod(0o644)  # nothing in it is secret, and others deploy it
    return draft
