"""Reading the configuration, and saying in one line what is wrong with it.

Belongs here: the file, the environment, and the sentence for each kind of mistake. Does not belong here: what may be
set (``sections``). No sentence ever holds a value, since a value may be a secret.
"""

import difflib
import os
import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_settings import SettingsError

from s3sentinel_assets.config.model import ENV_PREFIX, Config
from s3sentinel_assets.errors import ConfigurationError

__all__ = ["SENSORS_VARIABLE", "config_path", "load_config"]

CONFIG_FILE_VARIABLE = "S3SENTINEL_CONFIG"
SENSORS_VARIABLE = "S3SENTINEL_SENSORS"  # read by the sensors and schedules
DEFAULT_CONFIG_FILE = "s3sentinel.yaml"
#: Variables with our prefix that are no settings.
_OTHER_VARIABLES = frozenset({CONFIG_FILE_VARIABLE, SENSORS_VARIABLE, "S3SENTINEL_SHARED"})


def _mend(message: str, kind: str, path: str, allowed: list[str]) -> str:
    """The sentence for one pydantic error, with the nearest known key where a key is unknown."""
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(path.rsplit(".", 1)[-1], allowed, n=1)
        return "unknown key" + (f"; did you mean {near[0]!r}?" if near else f"; known keys: {', '.join(allowed)}")
    if kind == "missing":
        return "is missing; add it"
    return message.removeprefix("Value error, ")


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    """The keys allowed at the parent of ``location``, found by walking the models."""
    model: Any = Config
    for step in location[:-1]:
        if isinstance(step, int):  # the place in a list, whose model was found with the list
            continue
        if isinstance(model, type) and issubclass(model, BaseModel):
            field = model.model_fields.get(str(step))
            annotation: Any = field.annotation if field else None
            candidates = [annotation, *getattr(annotation, "__args__", ())]
            model = next((c for c in reversed(candidates) if isinstance(c, type) and issubclass(c, BaseModel)), None)
            if getattr(annotation, "__origin__", None) is dict:
                model = ("mapping", model)
        elif isinstance(model, tuple):
            model = model[1]
    return sorted(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


class _UniqueKeys(yaml.SafeLoader):
    """YAML in which a key that stands twice is an error: plain YAML would silently forget the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping, after a look for repeated keys."""
        seen = set[str]()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.MarkedYAMLError(problem="a key stands twice", problem_mark=key.start_mark)
            if isinstance(key, yaml.ScalarNode):
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def config_path(path: str | os.PathLike[str] | None = None) -> Path:
    """The file that `load_config` reads: ``path``, else ``$S3SENTINEL_CONFIG``, else ``s3sentinel.yaml``."""
    return Path(path or os.environ.get(CONFIG_FILE_VARIABLE) or DEFAULT_CONFIG_FILE)


def _read_yaml(file: Path) -> dict[Any, Any]:
    try:
        values = yaml.load(file.read_text(encoding="utf-8"), _UniqueKeys) or {}  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise ConfigurationError(
            f"{file}: cannot be read ({error.strerror}); run in the project folder or set {CONFIG_FILE_VARIABLE}"
        ) from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{file}: is not UTF-8 text; save it as UTF-8") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        # What YAML quotes may be part of a secret (an unquoted password that starts with * or !).
        problem = re.sub(r"'[^']{2,}'", "…", str(getattr(error, "problem", None) or "cannot be understood"))
        raise ConfigurationError(
            f"{file}:{where} is not valid YAML: {problem}; put values with special characters in quotes"
        ) from None
    if not isinstance(values, dict):
        raise ConfigurationError(f"{file}: must hold keys and values at the top level, such as 'sources:'")
    return values


def _check_variables() -> None:
    """Refuses an environment variable that looks like a setting and is none: it would otherwise do nothing."""
    fields = sorted(Config.model_fields)
    for variable in sorted(os.environ):
        name = variable.upper()
        if not name.startswith(ENV_PREFIX) or name in _OTHER_VARIABLES:
            continue
        first = name.removeprefix(ENV_PREFIX).partition("__")[0].lower()
        if first not in fields:
            raise ConfigurationError(
                f"environment variable {variable}: {_mend('', 'extra_forbidden', first, fields)}; nested keys are "
                f"joined by two underscores, as in {ENV_PREFIX}SENTINEL__DCR_ID"
            )


def _place(file: Path, location: tuple[int | str, ...]) -> str:
    """Where a wrong value stands: an environment variable that is set, else the file and the path in it."""
    for depth in range(len(location), 0, -1):
        name = ENV_PREFIX + "__".join(str(step) for step in location[:depth]).upper()
        for variable in os.environ:
            if variable.upper() == name:
                return f"environment variable {variable}"
    return f"{file}: {'.'.join(str(step) for step in location) or 'top level'}"


def load_config(path: str | os.PathLike[str] | None = None) -> Config:
    """Reads and checks the configuration.

    Args:
        path: the YAML file; without it ``$S3SENTINEL_CONFIG``, else ``s3sentinel.yaml`` in the working directory.

    Raises:
        ConfigurationError: the file is missing or wrong. The text is one line naming file or variable, path and fix.
    """
    file = config_path(path)
    values = {str(key): value for key, value in _read_yaml(file).items()}
    _check_variables()
    try:
        return Config(**values)
    except SettingsError as error:
        field = re.search(r'field "(\w+)"', str(error))
        name = f"{ENV_PREFIX}{field.group(1).upper()}" if field else f"{ENV_PREFIX}…"
        raise ConfigurationError(
            f"environment variable {name}: is not valid JSON; set its parts one by one, as in {name}__KEY"
        ) from None
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        # A misspelt key comes first: it is often the reason why another one is missing.
        first = next((problem for problem in problems if problem["type"] == "extra_forbidden"), problems[0])
        location = first["loc"]
        dotted = ".".join(str(step) for step in location)
        sentence = _mend(first["msg"], first["type"], dotted, _known_keys(location))
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise ConfigurationError(f"{_place(file, location)}: {sentence}{more}") from None
