"""The rule files below a folder.

Belongs here: finding and reading them. Does not belong here: what a rule must have (``model``).
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.rules.model import Rule, RuleError, parse_rule

__all__ = ["Unreadable", "find_rules", "pick_rules"]

_SUFFIXES = (".yaml", ".yml")
#: A query has at most 10,000 characters in Sentinel; reading a megabyte of YAML takes seconds.
_MOST_BYTES = 1_000_000


@dataclass(frozen=True)
class Unreadable:
    """A file that holds no rule that could be run.

    Attributes:
        file: the file, as found.
        reason: why, as a part of a sentence.
    """

    file: str
    reason: str


def find_rules(folder: Path) -> tuple[list[Rule], list[Unreadable]]:
    """Reads every ``*.yaml`` and ``*.yml`` below ``folder`` (or the one file it is), in the order of their paths.

    Raises:
        ConfigurationError: there is no such folder, or no such file in it.
    """
    if folder.is_file():
        files = [folder]
    elif folder.is_dir():
        files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in _SUFFIXES and file.is_file())
    else:
        raise ConfigurationError(f"{folder}: there is no such folder; give the one that holds the rule files")
    if not files:
        raise ConfigurationError(f"{folder}: holds no *.yaml or *.yml file; give the folder with the rule files")
    rules: list[Rule] = []
    unreadable: list[Unreadable] = []
    for file in files:
        try:
            rules.append(parse_rule(str(file), _content(file)))
        except RuleError as error:
            unreadable.append(Unreadable(str(file), str(error)))
        except yaml.YAMLError as error:
            unreadable.append(Unreadable(str(file), f"is not valid YAML{_place(error)}"))
        except (OSError, UnicodeDecodeError) as error:
            unreadable.append(Unreadable(str(file), f"cannot be read ({error})"))
        except (ValueError, RecursionError) as error:  # such as a date that does not exist; brackets without end
            unreadable.append(Unreadable(str(file), f"is not valid YAML ({error})"))
    return rules, unreadable


def _content(file: Path) -> Any:
    size = file.stat().st_size
    if size > _MOST_BYTES:
        raise RuleError(f"is no rule: it has {size:,} bytes, and a rule at most {_MOST_BYTES:,}")
    return yaml.safe_load(file.read_text(encoding="utf-8-sig"))


def pick_rules(rules: Collection[Rule], wanted: Collection[str]) -> list[Rule]:
    """The rules with one of these names, ids or file names; letters' case does not count.

    Raises:
        ConfigurationError: one of them names no rule.
    """
    picked: list[Rule] = []
    for given in wanted:
        text = given.casefold()
        found = [
            rule
            for rule in rules
            if text in {rule.id.casefold(), rule.name.casefold(), Path(rule.file).stem.casefold()}
        ]
        found = found or [rule for rule in rules if text in rule.name.casefold()]
        if not found:
            raise ConfigurationError(f"--rule {given}: no rule has that id, name or file name")
        picked += [rule for rule in found if rule not in picked]
    return picked


def _place(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None)
    place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    return place + (f" ({problem})" if problem else "")
