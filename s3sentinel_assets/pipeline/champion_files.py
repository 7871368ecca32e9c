"""The folder of champions: ``champions.json`` and a folder for each model, from which scoring reads without MLflow.

Belongs here: reading and writing these files, and whether a model in them is whole. Does not belong here: which model
becomes champion (``champions``), loading it for scoring (``ml.scoring.model``).

Models that were champion stay here, so going back to one needs nothing else.
"""

import json
import os
import shutil
import uuid
from pathlib import Path
from typing import Any

from s3sentinel_assets.config import Config
from s3sentinel_assets.errors import UserError

__all__ = ["champions_dir", "is_whole", "name_champion", "put_model", "read_champions"]

_FILE = "champions.json"


def champions_dir(config: Config) -> Path:
    """The folder of champions."""
    return config.data_dir / "champions"


def read_champions(folder: Path) -> dict[str, str]:
    """Log family → name of the folder beside it; empty where there is no champion of one's own.

    Raises:
        UserError: ``champions.json`` is damaged.
    """
    file = folder / _FILE
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UserError(f"{file} cannot be read ({error}); delete it, and `s3sentinel models sync` writes it") from None
    if not isinstance(values, dict) or not all(isinstance(each, str) for each in values.values()):
        raise UserError(f"{file} is no list of champions; delete it, and `s3sentinel models sync` writes it anew")
    return {str(key): value for key, value in values.items()}


def is_whole(config: Config, log_format: str, version: str | None, digest: str | None = None) -> bool:
    """Whether the files of a model in the folder are as they should be.

    Args:
        config: the configuration.
        log_format: log family.
        version: of the model; None: there is none.
        digest: of its two files; None: any that make this version.
    """
    from s3sentinel_assets.ml.registry.bundle import verified

    if not version:
        return False
    try:
        detector, found = verified(champions_dir(config) / version, log_format)
    except (UserError, OSError):
        return False
    return detector.version == version and digest in (None, found)


def put_model(config: Config, version: str, files: Path) -> None:
    """Puts a verified model beside the others; a reader sees all of it or nothing.

    Raises:
        UserError: the folder cannot be written.
    """
    from s3sentinel_assets.ml.registry.bundle import BUNDLE_FILES

    folder = champions_dir(config)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = folder / f".{version}.{uuid.uuid4().hex}"
        unfinished.mkdir()
        try:
            for name in BUNDLE_FILES:
                shutil.copyfile(files / name, unfinished / name)
                with (unfinished / name).open("rb") as file:
                    os.fsync(file.fileno())
            if (folder / version).exists():  # damaged, or the same
                shutil.rmtree(folder / version)
            unfinished.replace(folder / version)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    except OSError as error:
        raise UserError(f"the champion cannot be written to {folder}: {error.strerror}") from error


def name_champion(config: Config, log_format: str, version: str | None) -> None:
    """Writes ``champions.json`` with this champion, or without one of the log family.

    Raises:
        UserError: it cannot be written.
    """
    folder = champions_dir(config)
    try:
        champions: dict[str, Any] = dict(read_champions(folder))
    except UserError:
        champions = {}
    if version is None:
        champions.pop(log_format, None)
    else:
        champions[log_format] = version
    try:
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = folder / f".{_FILE}.{uuid.uuid4().hex}"
        with unfinished.open("w", encoding="utf-8") as file:
            file.write(json.dumps(dict(sorted(champions.items())), indent=2) + "\n")
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(folder / _FILE)
    except OSError as error:
        raise UserError(f"{folder / _FILE} cannot be written: {error.strerror}") from error
