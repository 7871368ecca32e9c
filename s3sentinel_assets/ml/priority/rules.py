"""The priority table as data: which conditions make an event critical, high, medium or low.

Belongs here: the lines of ``models/priority.json``, reading and checking them. Does not belong here: applying them
(``judging``), how sensitive a call is (``sensitivity``).
"""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.ml.history.families import FORMATS

__all__ = [
    "DEFAULT_TABLE",
    "FULL_BUDGET_HOURS",
    "PRIORITIES",
    "SENSITIVE",
    "PriorityRule",
    "PriorityTables",
    "load_priority",
    "read_data",
]

#: From the most to the least urgent; ``unknown`` (neither principal nor action) is outside of the order.
PRIORITIES = ("critical", "high", "medium", "low")
#: The table of every log family that has none of its own.
DEFAULT_TABLE = "default"
_CAPPED = ("critical", "high")
# Of a path in a file, in an error.
_SHOWN_STEPS = 24
#: Rates in the table are for organisations with at least so many principal-hours a day. In a smaller one they shrink in
#: proportion: twenty hours a day would be everything that ten people do.
FULL_BUDGET_HOURS = 1_000.0
#: From this sensitivity a call matters by itself: it changes who may do what, opens data to others, reads secrets.
SENSITIVE = 2

Severity = Literal["critical", "high", "medium", "low", "informational"]


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class PriorityRule(_Data):
    """One line of the priority table: applies where all its conditions hold; an absent condition always holds.

    Attributes:
        priority: what an event becomes.
        events_per_day: at most this many events a day are expected to score like this one or higher.
        event_hours_per_day: at most this many principal-hours a day are expected to have a highest event like this
            one or higher: the event by itself, on the scale of hours.
        hours_per_day: the same for the principal's trailing 60 minutes, by its highest event in them.
        sensitive_hours_per_day: the same by its highest *sensitive* event in them: first seen and at least `SENSITIVE`.
        min_sensitivity: the call is at least this sensitive (0 to 3).
        first_seen: the principal has no history of this action (or has).
        cold_start: there is too little history of the principal (or enough).
        vendor_severity: the finding carries one of these severities.
        why: for people.

    Rates hold for organisations of `FULL_BUDGET_HOURS` and more; smaller ones get their share of them.
    """

    priority: Literal["critical", "high", "medium", "low"]
    events_per_day: float | None = Field(default=None, gt=0)
    event_hours_per_day: float | None = Field(default=None, gt=0)
    hours_per_day: float | None = Field(default=None, gt=0)
    sensitive_hours_per_day: float | None = Field(default=None, gt=0)
    min_sensitivity: int | None = Field(default=None, ge=1, le=3)
    first_seen: bool | None = None
    cold_start: bool | None = None
    vendor_severity: tuple[Severity, ...] | None = Field(default=None, min_length=1)
    why: str = ""

    @property
    def unconditional(self) -> bool:
        """Whether it applies to every event."""
        return not self.model_dump(exclude={"priority", "why"}, exclude_none=True)


class PriorityTables(_Data):
    """The content of ``priority.json``.

    Attributes:
        about: for people.
        labelled: the log families whose thresholds were measured on labelled attacks. In all other tables nothing but
            the vendor's severity may lead above medium.
        tables: rules by log family; ``default`` is for all that are not named.
    """

    about: str = ""
    labelled: tuple[str, ...]
    tables: dict[str, tuple[PriorityRule, ...]]

    def rules(self, format: str) -> tuple[PriorityRule, ...]:  # noqa: A002 - the word the whole project uses
        """The rules of a log family, from top to bottom; the last one has no conditions."""
        return self.tables.get(format) or self.tables[DEFAULT_TABLE]


def load_priority(path: Path) -> PriorityTables:
    """Reads ``priority.json``.

    Raises:
        ConfigurationError: it is missing or wrong; the text names file, path in it and fix.
    """
    tables = read_data(path, PriorityTables)
    if DEFAULT_TABLE not in tables.tables:
        raise ConfigurationError(
            f"{path}: tables.{DEFAULT_TABLE}: is missing; every log family without a table of its own needs it"
        )
    for name, rules in tables.tables.items():
        if name != DEFAULT_TABLE and name not in FORMATS:
            raise ConfigurationError(
                f"{path}: tables.{name}: there is no log family of this name, so the table would never apply; there "
                f"are: {', '.join(FORMATS)}"
            )
        _check(path, f"tables.{name}", rules, labelled=name in tables.labelled)
    for place, name in enumerate(tables.labelled):
        if name not in tables.tables or name == DEFAULT_TABLE:
            raise ConfigurationError(
                f"{path}: labelled.{place}: {name!r} has no table of its own in tables; give it one or remove the name"
            )
    return tables


def _check(path: Path, where: str, rules: tuple[PriorityRule, ...], *, labelled: bool) -> None:
    if not rules or not rules[-1].unconditional:
        raise ConfigurationError(
            f'{path}: {where}: must end with a rule without conditions, such as {{"priority": "low"}}, so that every '
            "event gets a priority"
        )
    for place, rule in enumerate(rules):
        if rule.unconditional and place < len(rules) - 1:
            raise ConfigurationError(
                f"{path}: {where}.{place}: has no conditions, so the rules below it never apply; give it one or move "
                "it to the end"
            )
        if not labelled and rule.priority in _CAPPED and rule.vendor_severity is None:
            raise ConfigurationError(
                f"{path}: {where}.{place}: {rule.priority!r} needs vendor_severity, because without labelled attacks "
                "an anomaly is capped at medium; lower it, or name the log family in labelled"
            )


def read_data(path: Path, kind: type[Any]) -> Any:
    """Reads a JSON file into a pydantic model.

    Raises:
        ConfigurationError: it is missing or wrong; the text names file, path in it and fix.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        return kind.model_validate(json.loads(text, object_pairs_hook=_single))
    except OSError as error:
        raise ConfigurationError(
            f"{path}: cannot be read ({error.strerror}); restore it or point models_dir at the right folder"
        ) from None
    except _TwiceError as error:
        raise ConfigurationError(f"{path}: {error}; JSON keeps the last one silently, so remove one of them") from None
    except RecursionError:
        raise ConfigurationError(f"{path}: top level: is nested too deeply; mend or restore it") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: is not valid JSON ({error}); mend or restore it") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        steps = [str(step) for step in first["loc"]]
        where = ".".join(steps[:_SHOWN_STEPS]) + (".…" if len(steps) > _SHOWN_STEPS else "") or "top level"
        what = "is nested too deeply" if "maximum validation depth" in first["msg"] else first["msg"]
        raise ConfigurationError(f"{path}: {where}: {what}; mend or restore it") from None


class _TwiceError(Exception):
    """A key stands twice in an object."""


def _single(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        where = f" of {made['id']!r}" if isinstance(made.get("id"), str) else ""
        raise _TwiceError(f"the key {twice!r}{where} stands twice in one object")
    return made
