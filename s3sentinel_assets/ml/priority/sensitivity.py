"""How sensitive a call is, 0 to 3, by rules over its action, its parameters and its caller.

Belongs here: the rules of ``models/sensitivity.json``, reading and applying them. Does not belong here: what follows
from a sensitivity (``judging``), single conditions (``conditions``).

From top to bottom the first rule that fits decides, so what raises or lowers an action stands above its base level.
Parameters are only looked at where a rule needs them, and equal ones once.
"""

import fnmatch
import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import polars as pl
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from s3sentinel_assets.errors import ConfigurationError
from s3sentinel_assets.ml.history.dimensions import SEPARATOR, collapse, zeros
from s3sentinel_assets.ml.history.families import FORMATS
from s3sentinel_assets.ml.history.groups import group
from s3sentinel_assets.ml.history.keys import Events
from s3sentinel_assets.ml.history.normalise import API_DATE, plain_action
from s3sentinel_assets.ml.priority.checks import Call
from s3sentinel_assets.ml.priority.conditions import Caller, Condition
from s3sentinel_assets.ml.priority.documents import parse
from s3sentinel_assets.ml.priority.rules import read_data

__all__ = ["Levels", "SensitivityRule", "SensitivityRules", "load_sensitivity"]

_CACHED_ACTIONS = 20_000


def _without_date(action: str) -> str:
    """The names of actions lose their API date before they are compared, so rules may have it."""
    bare = re.sub(API_DATE, "", action)
    if re.search(r":.*\d{4}[\d*?v_]*$", bare):
        raise ValueError(f"{action!r} names an API date in part, which no action has here; leave it out")
    return bare


_Action = Annotated[str, Field(pattern=r"^[a-z0-9*?-]+:[A-Za-z0-9*?_]+$"), AfterValidator(_without_date)]
_Technique = Annotated[str, Field(pattern=r"^T\d{4}(\.\d{3})?$")]


class SensitivityRule(BaseModel):
    """One rule.

    Attributes:
        id: a name in small letters, delivered with the events it decides.
        actions: ``service:EventName``, ``*`` and ``?`` allowed; an API date at the end is left out; upper and lower
            case of the name are the same.
        level: 0 nothing special, 1 useful to an attacker and common, 2 changes who may do what or opens data or
            code to others, 3 blinds monitoring, gives the account away or destroys what recovery needs.
        when: conditions that must all hold.
        technique: MITRE ATT&CK ids.
        why: one sentence for people.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    actions: tuple[_Action, ...] = Field(min_length=1)
    level: int = Field(ge=0, le=3)
    when: tuple[Condition, ...] = ()
    technique: tuple[_Technique, ...] = ()
    why: str = Field(min_length=1)

    @functools.cached_property
    def needs_parameters(self) -> bool:
        """Whether the parameters decide."""
        return any(condition.needs_parameters for condition in self.when)

    @functools.cached_property
    def personal(self) -> bool:
        """Whether it depends on who calls, and not just on the account."""
        return any(condition.personal for condition in self.when)

    @functools.cached_property
    def about_failure(self) -> bool:
        """Whether it is meant for calls that failed."""
        return any(condition.about_failure for condition in self.when)

    def possible(self, caller: Caller) -> bool:
        """Whether it may still fit, given the caller alone."""
        nothing = Call(None, "", "")
        return all(condition.holds(caller, nothing) for condition in self.when if not condition.needs_parameters)

    def fits(self, caller: Caller, call: Call) -> bool:
        """Whether all conditions hold."""
        return all(condition.holds(caller, call) for condition in self.when)


@dataclass(frozen=True)
class Levels:
    """Sensitivity of each event.

    Attributes:
        level: Int64, 0 to 3; a failed call counts one less, unless the rule is about failures.
        rule: String: the rule that decided, or null.
        technique: String: its techniques, comma-separated, or null.
    """

    level: pl.Series
    rule: pl.Series
    technique: pl.Series


class SensitivityRules(BaseModel):
    """The content of ``sensitivity.json``.

    Attributes:
        about: for people.
        formats: the log families whose actions the rules name.
        levels: what the levels mean, for people.
        rules: from top to bottom, the first that fits decides.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    about: str = ""
    formats: tuple[str, ...] = ()
    levels_mean: dict[str, str] = Field(default={}, alias="levels")
    rules: tuple[SensitivityRule, ...] = ()

    def for_format(self, format: str) -> "SensitivityRules":  # noqa: A002 - the word the whole project uses
        """These rules where they know the log family's actions, else none."""
        return self if format in self.formats else SensitivityRules()

    @functools.cached_property
    def _compiled(self) -> tuple[tuple[re.Pattern[str], SensitivityRule], ...]:
        return tuple(
            (re.compile("|".join(fnmatch.translate(action.lower()) for action in rule.actions)), rule)
            for rule in self.rules
        )

    @functools.cached_property
    def _places(self) -> dict[str, int]:
        """Rule id → its place among the rules, from 1 on; 0 is none."""
        return {rule.id: place for place, rule in enumerate(self.rules, 1)}

    @functools.cached_property
    def _by_action(self) -> dict[str, tuple[SensitivityRule, ...]]:
        return {}

    def candidates(self, action: str) -> tuple[SensitivityRule, ...]:
        """The rules that name an action (in lower case), from top to bottom."""
        known = self._by_action.get(action)
        if known is None:
            if len(self._by_action) >= _CACHED_ACTIONS:
                self._by_action.clear()
            known = tuple(rule for pattern, rule in self._compiled if pattern.match(action))
            self._by_action[action] = known
        return known

    def levels(self, events: Events, detail: pl.Series) -> Levels:
        """The sensitivity of each event.

        Args:
            events: from ``keys.prepare``, in order.
            detail: String per event, beside it: request parameters as JSON text, or null.
        """
        what = events.groups["what"]
        if not self.rules or not len(events):
            return _levels(self, zeros(len(events), pl.UInt32), what.codes, events.failed)
        cases, table = _callers(events)
        places, undecided = [], []
        for case in table.iter_rows():
            place, open_ = self._without_parameters(*case)
            places.append(place)
            undecided.append(open_)
        decided = pl.Series(places, dtype=pl.UInt32)[cases][what.codes]
        index = pl.Series(undecided, dtype=pl.Boolean)[cases][what.codes].arg_true()
        if index.len():
            groups = what.codes[index]
            rows = pl.DataFrame(
                {
                    "case": cases[groups],
                    "account": what["account"].codes[groups],
                    "principal": what["principal"].codes[groups],
                    "detail": detail[index],
                }
            )
            names = {name: what[name].values for name in ("account", "principal")}
            decided = decided.scatter(index, self._with_parameters(rows, table, names))
        return _levels(self, decided, what.codes, events.failed)

    @functools.cached_property
    def _by_case(self) -> dict[tuple[str, str, str], tuple[int, bool]]:
        return {}

    def _without_parameters(self, action: str, kind: str, error: str) -> tuple[int, bool]:
        """The place of the rule that decides (0: none), or that parameters have to be looked at first."""
        known = self._by_case.get((action, kind, error))
        if known is None:
            if len(self._by_case) >= _CACHED_ACTIONS:
                self._by_case.clear()
            caller = Caller(type=kind, error=error)
            rule = next((rule for rule in self.candidates(action) if rule.possible(caller)), None)
            open_ = rule is not None and rule.needs_parameters
            known = (0 if rule is None or open_ else self._places[rule.id], open_)
            self._by_case[action, kind, error] = known
        return known

    def _with_parameters(self, rows: pl.DataFrame, table: pl.DataFrame, names: dict[str, pl.Series]) -> pl.Series:
        """UInt32 per row: the place of the rule that decides."""
        callers = [(action, Caller(type=kind, error=error)) for action, kind, error in table.iter_rows()]
        personal = pl.Series(
            [any(rule.personal for rule in self.candidates(action)) for action, _ in callers], dtype=pl.Boolean
        )
        rows = rows.with_columns(pl.when(personal[rows["case"]]).then("principal").alias("principal"))
        distinct = rows.unique()
        accounts, principals = (names[name].to_list() for name in ("account", "principal"))
        parsed = {text: parse(text) for text in distinct["detail"].unique()}
        calls: dict[tuple[str | None, int, int | None], Call] = {}
        places = []
        for case, account, principal, text in distinct.iter_rows():
            action, caller = callers[case]
            call = calls.get((text, account, principal))
            if call is None:
                name = "" if principal is None else principals[principal].partition(SEPARATOR)[2]
                call = calls[text, account, principal] = Call(parsed[text], accounts[account], name)
            rule = next((rule for rule in self.candidates(action) if rule.fits(caller, call)), None)
            places.append(self._places[rule.id] if rule else 0)
        found = distinct.with_columns(pl.Series("place", places, dtype=pl.UInt32))
        keys = ["case", "account", "principal", "detail"]
        return rows.join(found, on=keys, how="left", nulls_equal=True, maintain_order="left")["place"]


def _callers(events: Events) -> tuple[pl.Series, pl.DataFrame]:
    """The case of each group (UInt32), and action (lower case, no date), principal type and error code of each case."""
    what = events.groups["what"]
    # A peer group is named by account, principal type and the role's family. The type alone counts here, and of an
    # error the code: what differs in the rest is one case.
    kind = what["peer"].values.str.splitn("/", 3).struct.field("field_1").fill_null("")
    action = what["action"].values.to_frame("value").select(plain_action().str.to_lowercase()).to_series()
    columns = {"action": collapse(what["action"], action), "kind": collapse(what["peer"], kind)}
    if not events.absent("error"):
        error = what["error"].values.str.splitn(SEPARATOR, 2).struct.field("field_1").fill_null("")
        columns["error"] = collapse(what["error"], error)
    cases, table = group(columns)
    words = pl.DataFrame({name: column.values[table[name]] for name, column in columns.items()})
    return cases, words if "error" in columns else words.with_columns(error=pl.lit(""))


def _levels(rules: SensitivityRules, places: pl.Series, codes: pl.Series, failed: pl.Series) -> Levels:
    each = rules.rules
    level = pl.Series([0, *(rule.level for rule in each)], dtype=pl.Int64)[places]
    lowered = pl.Series([True, *(not rule.about_failure for rule in each)])[places] & failed[codes]
    return Levels(
        level=(level - lowered.cast(pl.Int64)).clip(0).alias("sensitivity"),
        rule=pl.Series("rule", [None, *(rule.id for rule in each)], dtype=pl.String)[places],
        technique=pl.Series("technique", [None, *(",".join(rule.technique) or None for rule in each)], dtype=pl.String)[
            places
        ],
    )


def load_sensitivity(path: Path) -> SensitivityRules:
    """Reads ``sensitivity.json``.

    Raises:
        ConfigurationError: it is missing or wrong; the text names file, path in it and fix.
    """
    rules: SensitivityRules = read_data(path, SensitivityRules)
    _check_in_force(path, rules)
    seen: dict[str, int] = {}
    for place, rule in enumerate(rules.rules):
        if rule.id in seen:
            raise ConfigurationError(
                f"{path}: rules.{place}.id: {rule.id!r} is taken by rules.{seen[rule.id]}; give it another name"
            )
        seen[rule.id] = place
    _check_reachable(path, rules)
    return rules


def _check_in_force(path: Path, rules: SensitivityRules) -> None:
    """Rules that apply to nothing make every call harmless: surely a mistake."""
    for place, name in enumerate(rules.formats):
        if name not in FORMATS:
            raise ConfigurationError(
                f"{path}: formats.{place}: there is no log family {name!r}; there are: {', '.join(FORMATS)}"
            )
    for key in ("formats", "rules"):
        if not getattr(rules, key):
            raise ConfigurationError(
                f"{path}: {key}: is missing or empty, so no call would be sensitive; mend or restore it"
            )


def _check_reachable(path: Path, rules: SensitivityRules) -> None:
    """A rule below one without conditions for all of its actions can never decide: surely a mistake."""
    settled: list[tuple[re.Pattern[str], int]] = []
    for place, rule in enumerate(rules.rules):
        for action in rule.actions:
            above = next((number for pattern, number in settled if pattern.match(action.lower())), None)
            if above is not None:
                raise ConfigurationError(
                    f"{path}: rules.{place}.actions: {action!r} is decided by rules.{above} above, which has no "
                    "conditions; move it above that rule or remove it"
                )
        if not rule.when:
            settled.append((re.compile("|".join(fnmatch.translate(each.lower()) for each in rule.actions)), place))
