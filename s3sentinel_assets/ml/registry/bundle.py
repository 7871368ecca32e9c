"""A detector's two files on their way through a registry: which, how big, and whether they are what was judged.

Belongs here: names, limits and the digest. Does not belong here: what is inside (``anomaly.files``), where they lie
(``versions``).
"""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from s3sentinel_assets.errors import UserError

if TYPE_CHECKING:
    from s3sentinel_assets.ml.anomaly.detector import Detector

__all__ = ["BUNDLE_FILES", "MAX_FILE_BYTES", "digest_of", "verified"]

#: All that is ever read back from a registry.
BUNDLE_FILES = ("model.json", "tables.npz")
#: A model is far below; a file that claims more is no model.
MAX_FILE_BYTES = 16 << 20


def digest_of(folder: Path) -> str:
    """SHA-256 (64 hex) over names, sizes and bytes of both files.

    Raises:
        UserError: one is missing or larger than `MAX_FILE_BYTES`.
    """
    digest = hashlib.sha256()
    for name in BUNDLE_FILES:
        file = folder / name
        if not file.is_file():
            raise UserError(f"{file} is missing: a model is {' and '.join(BUNDLE_FILES)}; log it again")
        if (size := file.stat().st_size) > MAX_FILE_BYTES:
            raise UserError(f"{file} has {size:,} bytes; no model is larger than {MAX_FILE_BYTES:,}")
        digest.update(f"{name} {size}\n".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def verified(folder: Path, log_format: str) -> "tuple[Detector, str]":
    """The detector of a folder and its digest, after all that can be checked without trust.

    The version inside must follow from the content, tables must rise, and the log family must be the right one.

    Raises:
        UserError: the files are missing, too big, damaged, changed, or of another log family.
    """
    from s3sentinel_assets.ml.anomaly.detector import load_detector

    digest = digest_of(folder)
    detector = load_detector(folder)
    if detector.format != log_format:
        raise UserError(f"{folder} holds a model of {detector.format} events, not of {log_format}; choose another")
    return detector, digest
