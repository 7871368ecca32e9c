"""The scoring model of a log family: parameters, detector, priority table and sensitivity rules, read from files.

Belongs here: which files make up a model, the choice of the champion, and the version over all of it. Does not belong
here: what the files hold (``parameters``, ``anomaly``, ``priority``), what is done with it (``score``).
"""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from pydantic import BaseModel, ConfigDict

from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.ml.anomaly.detector import Detector, load_detector, plain_rarity
from s3sentinel_assets.ml.history.families import FORMATS, family_of
from s3sentinel_assets.ml.history.keys import Events
from s3sentinel_assets.ml.parameters import CODE_VERSION, TERMS, Parameters
from s3sentinel_assets.ml.priority.rule_items import rule_items
from s3sentinel_assets.ml.priority.rules import PriorityRule, load_priority, read_data
from s3sentinel_assets.ml.priority.sensitivity import SensitivityRules, load_sensitivity

__all__ = ["CHAMPIONS_FILE", "ScoringModel", "champion_folder", "load_model", "load_weights"]

#: Log family → folder of its champion, beside it.
CHAMPIONS_FILE = "champions.json"
_PRIORITY_FILE, _SENSITIVITY_FILE = "priority.json", "sensitivity.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


class _RarityFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    about: str = ""
    parameters: Parameters
    weights: dict[str, float]


@dataclass(frozen=True)
class ScoringModel:
    """Everything the score depends on besides state and events.

    Attributes:
        format: log family.
        version: ``<detector's kind>-<format>-<12 hex>``; the digits cover all of it and `CODE_VERSION`.
        parameters: numbers behind history and terms.
        detector: terms → raw score → how rare that is.
        rules: the priority table; the first rule that applies decides.
        sensitivity: which calls matter, and their parameters.
    """

    format: str
    version: str
    parameters: Parameters
    detector: Detector
    rules: tuple[PriorityRule, ...]
    sensitivity: SensitivityRules

    @property
    def terms(self) -> tuple[str, ...]:
        """The terms that count, in `TERMS` order."""
        return self.detector.terms

    def rule_items(self, events: Events, detail: pl.Series) -> pl.Series | None:
        """The sensitivity rules that events fit, as history counts them; None where there are no rules.

        Args:
            events: from ``keys.prepare``.
            detail: String, beside them: request parameters as JSON text, or null.
        """
        if not self.sensitivity.rules:
            return None
        return rule_items(self.sensitivity.levels(events, detail), events.failures)

    def with_detector(self, detector: Detector) -> "ScoringModel":
        """This model with another detector, to compare it with the champion.

        Raises:
            ValueError: the detector is of another format.
        """
        if detector.format != self.format:
            raise ValueError(f"a detector of {detector.format} events cannot score {self.format} events")
        return _bundle(self.format, self.parameters, detector, self.rules, self.sensitivity)


def load_model(
    models_dir: Path,
    format: str,  # noqa: A002 - the word the whole project uses
    champions_dir: Path | None = None,
) -> ScoringModel:
    """Reads the model of a log family.

    Args:
        models_dir: holds ``rarity_<format>.json`` (parameters and weights), ``priority.json``, ``sensitivity.json``
            and, for the champions that ship, ``champions.json`` with their folders.
        format: log family.
        champions_dir: ``champions.json`` and folders of promoted champions; where it names the format, it wins. It
            need not exist.

    Raises:
        ConfigurationError: a file is missing or wrong; the text names file, path in it and fix.
    """
    if format not in FORMATS:
        raise ConfigurationError(f"there is no scoring model for format {format!r}; there are: {', '.join(FORMATS)}")
    folder = Path(models_dir)
    parameters, weights = load_weights(folder, format)
    champion = champion_folder(folder, format, champions_dir)
    detector = plain_rarity(weights, format) if champion is None else load_detector(champion)
    if detector.format != format:
        raise ConfigurationError(f"{champion}: is a model of {detector.format} events, but is named for {format}")
    rules = load_priority(folder / _PRIORITY_FILE).rules(format)
    sensitivity = load_sensitivity(folder / _SENSITIVITY_FILE).for_format(format)
    return _bundle(format, parameters, detector, rules, sensitivity)


def load_weights(models_dir: Path, format: str) -> tuple[Parameters, dict[str, float]]:  # noqa: A002 - the same
    """Parameters and weights of the rarity sum, from ``rarity_<family>.json``: formats of a family share one.

    Raises:
        ConfigurationError: it is missing or wrong.
    """
    file = Path(models_dir) / f"rarity_{family_of(format).model}.json"
    rarity: _RarityFile = read_data(file, _RarityFile)
    if unknown := sorted(set(rarity.weights) - set(TERMS)):
        raise ConfigurationError(f"{file}: weights.{unknown[0]}: unknown term; terms are: {', '.join(TERMS)}")
    if wrong := sorted(term for term, weight in rarity.weights.items() if not 0 <= weight <= 100):
        raise ConfigurationError(f"{file}: weights.{wrong[0]}: must be between 0 and 100")
    return rarity.parameters, rarity.weights


def champion_folder(models_dir: Path, format: str, champions_dir: Path | None = None) -> Path | None:  # noqa: A002
    """The folder of the format's champion; None where nobody names one: the rarity sum scores.

    Raises:
        ConfigurationError: a ``champions.json`` is damaged or names something that is no folder beside it.
    """
    for folder in (champions_dir, models_dir):
        if folder is None or not (file := Path(folder) / CHAMPIONS_FILE).is_file():
            continue
        names = _champions(file)
        if format in names:
            if not _NAME.fullmatch(names[format]):
                raise ConfigurationError(f"{file}: {format}: must be the name of a folder beside it")
            return Path(folder) / names[format]
    return None


def _champions(file: Path) -> dict[str, str]:
    try:
        names = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read ({error.strerror}); restore it") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: is not valid JSON ({error}); mend or restore it") from None
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise ConfigurationError(f"{file}: must map log families to folder names; mend or restore it")
    return names


def _bundle(
    log_format: str,
    parameters: Parameters,
    detector: Detector,
    rules: tuple[PriorityRule, ...],
    sensitivity: SensitivityRules,
) -> ScoringModel:
    data = {
        "code": CODE_VERSION,
        "format": log_format,
        # Numbers with a default count only where a file changes them: other families' terms change no model.
        "parameters": parameters.model_dump(exclude_defaults=True),
        "detector": detector.version,
        "rules": [rule.model_dump(mode="json", exclude={"why"}) for rule in rules],
        "sensitivity": [rule.model_dump(mode="json", exclude={"why"}) for rule in sensitivity.rules],
    }
    digest = hashlib.sha256(json.dumps(data, sort_keys=True, ensure_ascii=True).encode()).hexdigest()
    return ScoringModel(
        format=log_format,
        version=f"{detector.kind}-{log_format}-{digest[:12]}",
        parameters=parameters,
        detector=detector,
        rules=rules,
        sensitivity=sensitivity,
    )
