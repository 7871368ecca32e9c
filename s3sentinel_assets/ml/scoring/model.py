"""The rarity model: weights, half-life, thresholds, priority table and sensitive actions, read from ``models/``.

Belongs here: reading and checking that data, and its version. Does not belong here: what is done with it.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.ml.history.keys import FORMATS
from s3sentinel_assets.ml.parameters import CODE_VERSION, TERMS, Parameters

__all__ = [
    "PRIORITIES",
    "PriorityRule",
    "RarityModel",
    "load_model",
]

PRIORITIES = ("critical", "high", "medium", "low")


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class PriorityRule(_Data):
    """One line of the priority table: applies where all its conditions hold; an absent condition always holds."""

    priority: Literal["critical", "high", "medium", "low"]
    min_score: float | None = None
    min_sensitivity: int | None = None
    first_seen: bool | None = None
    cold_start: bool | None = None
    why: str = ""


class _RarityFile(_Data):
    about: str = ""
    parameters: Parameters
    weights: dict[str, float]


class _PriorityFile(_Data):
    about: str = ""
    tables: dict[str, list[PriorityRule]]


class _SensitiveFile(_Data):
    about: str = ""
    levels: dict[str, str]
    actions: dict[str, int]


class RarityModel(_Data):
    """Everything the score depends on besides state and events.

    Attributes:
        format: log family.
        version: ``rarity-<format>-<hash>``; the hash covers the data and `CODE_VERSION`.
        parameters: see `Parameters`.
        weights: term → factor on its bits; a term that is not named does not count.
        rules: the priority table; the first rule that applies decides.
        sensitive: action → sensitivity 1 to 3.
    """

    format: str
    version: str
    parameters: Parameters
    weights: dict[str, float]
    rules: tuple[PriorityRule, ...]
    sensitive: dict[str, int]

    @property
    def terms(self) -> tuple[str, ...]:
        """The terms that count, in `TERMS` order."""
        return tuple(term for term in TERMS if self.weights.get(term))


def load_model(models_dir: Path, format: str) -> RarityModel:  # noqa: A002 - the word the whole project uses
    """Reads ``rarity_<format>.json``, ``priority.json`` and ``sensitive_actions.json``.

    Raises:
        ConfigurationError: a file is missing or wrong; the text names file, path in it and fix.
    """
    if format not in FORMATS:
        raise ConfigurationError(f"there is no rarity model for format {format!r}; there are: {', '.join(FORMATS)}")
    folder = Path(models_dir)
    rarity_file, priority_file = folder / f"rarity_{format}.json", folder / "priority.json"
    sensitive_file = folder / "sensitive_actions.json"
    rarity = _read(rarity_file, _RarityFile)
    priority = _read(priority_file, _PriorityFile)
    sensitive = _read(sensitive_file, _SensitiveFile)
    _check(rarity_file, rarity, priority_file, priority, sensitive_file, sensitive, format)
    rules = tuple(priority.tables[format])
    actions = sensitive.actions if format == "cloudtrail" else {}
    data = {
        "code": CODE_VERSION,
        "format": format,
        "parameters": rarity.parameters.model_dump(),
        "weights": rarity.weights,
        "rules": [rule.model_dump(exclude={"why"}) for rule in rules],
        "sensitive": actions,
    }
    digest = hashlib.sha256(json.dumps(data, sort_keys=True, ensure_ascii=True).encode()).hexdigest()
    return RarityModel(
        format=format,
        version=f"rarity-{format}-{digest[:12]}",
        parameters=rarity.parameters,
        weights=rarity.weights,
        rules=rules,
        sensitive=actions,
    )


def _read(file: Path, kind: type[Any]) -> Any:
    try:
        return kind.model_validate(json.loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigurationError(
            f"{file}: cannot be read ({error.strerror}); restore it or point models_dir at the right folder"
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: is not valid JSON ({error}); mend or restore it") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"]) or "top level"
        raise ConfigurationError(f"{file}: {where}: {first['msg']}; mend or restore it") from None


def _check(
    rarity_file: Path,
    rarity: _RarityFile,
    priority_file: Path,
    priority: _PriorityFile,
    sensitive_file: Path,
    sensitive: _SensitiveFile,
    log_format: str,
) -> None:
    unknown = sorted(set(rarity.weights) - set(TERMS))
    if unknown:
        raise ConfigurationError(f"{rarity_file}: weights.{unknown[0]}: unknown term; terms are: {', '.join(TERMS)}")
    negative = sorted(term for term, weight in rarity.weights.items() if not 0 <= weight <= 100)
    if negative:
        raise ConfigurationError(f"{rarity_file}: weights.{negative[0]}: must be between 0 and 100")
    rules = priority.tables.get(log_format)
    if not rules or rules[-1] != PriorityRule(priority=rules[-1].priority, why=rules[-1].why):
        raise ConfigurationError(
            f"{priority_file}: tables.{log_format}: must end with a rule without conditions, such as "
            '{"priority": "low"}, so that every event gets a priority'
        )
    wrong = sorted(action for action, level in sensitive.actions.items() if not 1 <= level <= 3)
    if wrong:
        raise ConfigurationError(f"{sensitive_file}: actions.{wrong[0]}: the level must be 1, 2 or 3")
