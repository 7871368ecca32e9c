"""Versions of a registered model: logging one, listing them, aliases, and fetching one's files.

Belongs here: what MLflow is told and asked about models. Does not belong here: evaluations (``experiments``), whether a
version may score (``evaluation.gate``, ``pipeline.champions``).
"""

import contextlib
import io
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.ml.parameters import TERMS
from s3sentinel_assets.ml.registry.bundle import BUNDLE_FILES, MAX_FILE_BYTES, digest_of, verified
from s3sentinel_assets.ml.registry.tracking import Tracking

if TYPE_CHECKING:
    from s3sentinel_assets.ml.anomaly.detector import Detector

__all__ = ["CHALLENGER", "CHAMPION", "REFERENCE_FILE", "ModelVersion", "Registry", "registered_name"]

CHAMPION, CHALLENGER = "champion", "challenger"
#: Histograms of the days a model was fitted on, beside its files, for people and notebooks.
REFERENCE_FILE = "reference.json"
_CODE = Path(__file__).with_name("pyfunc_model.py")
_LOGGED = "model"  # what a run calls its model
_INSIDE = "artifacts"  # where MLflow puts a model's own files
_PACKAGES = ("s3sentinel", "numpy", "pandas", "polars", "pydantic")
_MOST_VERSIONS = 1_000


def registered_name(log_format: str) -> str:
    """The name under which models of a log family are registered."""
    return f"s3sentinel-{log_format}"


@dataclass(frozen=True)
class ModelVersion:
    """One version as MLflow knows it.

    Attributes:
        format: log family.
        number: MLflow's version number.
        version: the detector's own version, such as ``ecod-cloudtrail-0123456789ab``; "" where the tag is missing.
        aliases: such as ``champion``.
        tags: all of them.
        created_at: milliseconds since 1970.
        run_id: of the training run.
    """

    format: str
    number: int
    version: str
    aliases: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    created_at: int = 0
    run_id: str | None = None

    @property
    def name(self) -> str:
        """For people: registered name and number."""
        return f"{registered_name(self.format)} {self.number}"


class Registry:
    """The registered models of one MLflow store. Every method may raise `UserError` with a sentence for the user."""

    def __init__(self, tracking: Tracking) -> None:
        self.tracking = tracking

    def log(
        self,
        detector: "Detector",
        *,
        tags: Mapping[str, str],
        params: Mapping[str, Any] | None = None,
        metrics: Mapping[str, float] | None = None,
        reference: Path | None = None,
        alias: str | None = CHALLENGER,
    ) -> tuple[ModelVersion, str]:
        """Logs a detector as a new version, and gives it an alias.

        Before, it is loaded once as a stranger would, from a folder of this machine: what comes back from the store is
        compared as data, and the code beside it never run.

        Args:
            detector: the model.
            tags: of the version, beside kind, format and version, such as source of the data and hours.
            params: of the training run.
            metrics: of the training run.
            reference: file with the histograms of its training days.
            alias: alias that moves to it; None: none.

        Returns:
            The version, and the digest of its two files.

        Raises:
            UserError: MLflow cannot be reached, or the store gives back other files.
        """
        name, log_format = registered_name(detector.format), detector.format
        own = {"kind": detector.kind, "format": log_format, "version": detector.version}
        all_tags = {key: str(value)[:5000] for key, value in {**tags, **own}.items()}
        experiment = self.tracking.experiment(f"training-{log_format}")
        with tempfile.TemporaryDirectory(prefix="s3sentinel-model-") as temporary:
            folder = Path(temporary)
            detector.save(folder)
            digest = digest_of(folder)
            all_tags["sha256"] = digest
            files = {"model": folder / BUNDLE_FILES[0], "tables": folder / BUNDLE_FILES[1]}
            if reference is not None:
                files["reference"] = Path(shutil.copyfile(reference, folder / REFERENCE_FILE))
            model = {
                "python_model": str(_CODE),
                "artifacts": {key: str(file) for key, file in files.items()},
                "input_example": _example(),
                "pip_requirements": _requirements(),
            }
            with self.tracking.reached(f"logging {detector.version}"), _quiet():
                mlflow = self.tracking.mlflow
                _check_loads(mlflow, detector, model, folder / "as-logged")
                with mlflow.start_run(experiment_id=experiment, run_name=detector.version, tags=all_tags) as run:
                    mlflow.log_params(dict(params or {}))
                    mlflow.log_metrics(dict(metrics or {}))
                    logged = mlflow.pyfunc.log_model(name=_LOGGED, tags=all_tags, **model)
                stored = folder / "stored"
                self._download(f"runs:/{run.info.run_id}/{_LOGGED}", detector.version, stored)
                if digest_of(stored) != digest:
                    raise UserError(
                        f"MLflow at {self.tracking.shown} gives back other files of {detector.version} than it was "
                        "given, so it was not registered; look after its artifact store, and train again"
                    )
                made = mlflow.register_model(logged.model_uri, name, await_registration_for=30, tags=all_tags)
                number = int(made.version)
                if alias:
                    self.tracking.client.set_registered_model_alias(name, alias, str(number))
        aliases = (alias,) if alias else ()
        return ModelVersion(log_format, number, detector.version, aliases, all_tags, 0, run.info.run_id), digest

    def versions(self, log_format: str) -> list[ModelVersion]:
        """All versions, newest first."""
        name = registered_name(log_format)
        with self.tracking.reached(f"listing {name}") as client:
            aliases = self._aliases(log_format)
            found = client.search_model_versions(f"name='{name}'", max_results=_MOST_VERSIONS)
        versions = [_version(log_format, entry, aliases) for entry in found]
        return sorted(versions, key=lambda version: -version.number)

    def version(self, log_format: str, number: int) -> ModelVersion:
        """One version.

        Raises:
            UserError: there is none, or MLflow cannot be reached.
        """
        found = next((each for each in self.versions(log_format) if each.number == number), None)
        if found is None:
            raise UserError(
                f"there is no version {number} of {registered_name(log_format)} at {self.tracking.shown}; "
                f"`s3sentinel models list` shows all"
            )
        return found

    def with_alias(self, log_format: str, alias: str) -> ModelVersion | None:
        """The version that has the alias; None where the model or the alias does not exist."""
        name = registered_name(log_format)
        with self.tracking.reached(f"reading the alias {alias} of {name}"):
            number = self._aliases(log_format).get(alias)
        return None if number is None else self.version(log_format, number)

    def _aliases(self, log_format: str) -> dict[str, int]:
        from mlflow.exceptions import MlflowException

        try:
            model = self.tracking.client.get_registered_model(registered_name(log_format))
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return {}
            raise
        return {alias: int(number) for alias, number in model.aliases.items()}

    def set_alias(self, log_format: str, alias: str, number: int | None) -> None:
        """Moves an alias to a version; None takes it away."""
        name = registered_name(log_format)
        with self.tracking.reached(f"moving the alias {alias} of {name}") as client:
            if number is None:
                client.delete_registered_model_alias(name, alias)
            else:
                client.set_registered_model_alias(name, alias, str(number))

    def tag(self, version: ModelVersion, tags: Mapping[str, str]) -> None:
        """Sets tags of a version, which people see in the MLflow UI."""
        with self.tracking.reached(f"tagging {version.name}") as client:
            for key, value in tags.items():
                client.set_model_version_tag(registered_name(version.format), str(version.number), key, value[:5000])

    @contextlib.contextmanager
    def fetched(self, version: ModelVersion) -> Iterator[tuple["Detector", str, Path]]:
        """A version's two files in a temporary folder, verified; nothing else of it is fetched.

        Yields:
            The detector, the digest of its files, the folder.

        Raises:
            UserError: MLflow cannot be reached, or the files are missing, too big, damaged or of another log family.
        """
        with tempfile.TemporaryDirectory(prefix="s3sentinel-model-") as temporary:
            folder = Path(temporary)
            self._download(f"models:/{registered_name(version.format)}/{version.number}", version.name, folder)
            try:
                detector, digest = verified(folder, version.format)
            except UserError as error:
                raise UserError(f"{version.name}: {str(error).replace(f'{folder}/', '')}") from None
            yield detector, digest, folder

    def _download(self, model: str, name: str, folder: Path) -> None:
        """Fetches the two files of the model with this URI, called ``name`` in errors, into a folder."""
        with self.tracking.reached(f"fetching {name}"):
            artifacts = self.tracking.mlflow.artifacts
            inside = artifacts.list_artifacts(artifact_uri=f"{model}/{_INSIDE}", tracking_uri=self.tracking.uri)
            sizes = {Path(entry.path).name: entry.file_size for entry in inside if not entry.is_dir}
            for file in BUNDLE_FILES:
                if file not in sizes:
                    raise UserError(f"{name} lacks {file}; it was not logged by s3sentinel, or is damaged")
                if (sizes[file] or 0) > MAX_FILE_BYTES:
                    raise UserError(f"{name}: {file} has {sizes[file]:,} bytes; no model is that large")
                found = artifacts.download_artifacts(
                    artifact_uri=f"{model}/{_INSIDE}/{file}",
                    dst_path=str(folder / "from"),
                    tracking_uri=self.tracking.uri,
                )
                shutil.move(found, folder / file)


def _check_loads(mlflow: Any, detector: "Detector", model: Mapping[str, Any], folder: Path) -> None:
    """Loads the model as it will be logged: one that does not load says so only when somebody loads it.

    Raises:
        UserError: it scores otherwise.
    """
    mlflow.pyfunc.save_model(path=str(folder), **model)
    answer = mlflow.pyfunc.load_model(str(folder)).predict(model["input_example"])
    if list(answer["raw"]) != detector.raw(_example_matrix()).to_list():
        raise UserError(f"{detector.version} scores otherwise as MLflow would load it; it was not registered")


def _version(log_format: str, entry: Any, aliases: Mapping[str, int]) -> ModelVersion:
    number = int(entry.version)
    return ModelVersion(
        format=log_format,
        number=number,
        version=entry.tags.get("version", ""),
        aliases=tuple(sorted(alias for alias, of in aliases.items() if of == number)),
        tags=dict(entry.tags),
        created_at=int(entry.creation_timestamp or 0),
        run_id=entry.run_id or None,
    )


def _example_matrix() -> Any:
    import polars as pl

    return pl.DataFrame({term: [0.0, 1.0 + place, 12.0] for place, term in enumerate(TERMS)})


def _example() -> Any:
    import pandas as pd

    return pd.DataFrame(_example_matrix().to_dict(as_series=False))


def _requirements() -> list[str]:
    """Given by hand: MLflow's own guess imports the whole model in another process for seconds."""
    found = []
    for package in _PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found.append(f"{package}=={installed(package)}")
    return found


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without MLflow's advice on how models could be written, and its news of what we asked it to do."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
