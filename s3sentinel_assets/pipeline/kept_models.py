"""The models that scored: each is kept in the store, so that a replay uses the one that was used.

Belongs here: keeping a model's files under its version, and loading them again. Does not belong here: what the files
hold (``ml.scoring``) or which model is champion.

A folder ``models/<version>`` looks like ``models_dir``: the data files, the champions' folders, and a list of the
versions in it. For a mixed source it holds the models of several formats.
"""

import json
import logging
import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.pipeline.histories import joint_version
from s3sentinel_assets.pipeline.runtime import Runtime

if TYPE_CHECKING:
    from s3sentinel_assets.ml.scoring.model import ScoringModel

__all__ = ["FOLDER", "keep_models", "kept_model", "version_of"]

_log = logging.getLogger(__name__)

#: In the store; the sweep leaves it alone.
FOLDER = "models"
_VERSIONS = "versions.json"
#: Data of ``models_dir`` that no score depends on.
_OTHERS = ("guards.json", "stories.json")


def version_of(models: "Mapping[str, ScoringModel]") -> str:
    """One word for the versions of models by format."""
    return joint_version(models[name].version for name in sorted(models))


def keep_models(runtime: Runtime, models: "Mapping[str, ScoringModel]") -> str:
    """Keeps the models by format, if they are not kept yet.

    Whatever goes wrong is only told: a part must not stay unscored because its model could not be copied.

    Returns:
        Their version, as pins name it.
    """
    version = version_of(models)
    folder = _folder(runtime, version)
    if (folder / _VERSIONS).is_file():
        return version
    unfinished = folder.with_name(f".{uuid.uuid4().hex}")
    try:
        _copy(runtime, unfinished, models)
        _check(unfinished, models)
        unfinished.replace(folder)
    except (OSError, UserError, ValueError) as error:
        if not (folder / _VERSIONS).is_file():  # else another process was quicker
            _log.warning("model %s could not be kept for replays: %s", version, error)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return version


def kept_model(runtime: Runtime, version: str, log_format: str) -> "ScoringModel | None":
    """The model of a format under the version that a pin or a state names; None if it was not kept."""
    folder = _folder(runtime, version)
    try:
        versions = json.loads((folder / _VERSIONS).read_text(encoding="utf-8"))
        if log_format not in versions:
            return None
        model = _load(folder, log_format)
    except (OSError, ValueError, UserError):
        return None
    return model if model.version == versions[log_format] else None


def _folder(runtime: Runtime, version: str) -> Path:
    return runtime.store.root / FOLDER / version.replace("/", "_")


def _load(folder: Path, log_format: str) -> "ScoringModel":
    from s3sentinel_assets.ml.scoring.model import load_model

    return load_model(folder, log_format)


def _check(folder: Path, models: "Mapping[str, ScoringModel]") -> None:
    for name, model in models.items():
        if _load(folder, name).version != model.version:
            raise UserError(f"the files of {model.version} have changed since it was loaded")


def _copy(runtime: Runtime, folder: Path, models: "Mapping[str, ScoringModel]") -> None:
    """Copies data files, and of each format the champion that `Runtime.model` takes."""
    from s3sentinel_assets.ml.scoring.model import CHAMPIONS_FILE, champion_folder

    shipped = runtime.config.models_dir
    folder.mkdir(parents=True)
    for file in sorted(shipped.glob("*.json")):
        if file.name not in _OTHERS:
            shutil.copyfile(file, folder / file.name)
    champions = {}
    for log_format in models:
        champion = champion_folder(shipped, log_format, runtime.champions_dir)
        if champion is not None:
            shutil.copytree(champion, folder / champion.name, dirs_exist_ok=True)
            champions[log_format] = champion.name
    (folder / CHAMPIONS_FILE).write_text(json.dumps(champions, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    versions = {name: model.version for name, model in models.items()}
    (folder / _VERSIONS).write_text(json.dumps(versions, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb+") as file:
                os.fsync(file.fileno())
