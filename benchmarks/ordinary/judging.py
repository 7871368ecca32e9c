"""How sensitive a call is and what priority an event gets: the product's rules, asked event by event."""

import functools
from collections import defaultdict
from datetime import datetime

from benchmarks.ordinary.detector import Worth
from benchmarks.ordinary.event import Event
from benchmarks.ordinary.keys import SEPARATOR, Keys
from benchmarks.ordinary.normalise import plain_action
from s3sentinel_assets.ml.priority.checks import Call
from s3sentinel_assets.ml.priority.conditions import Caller
from s3sentinel_assets.ml.priority.documents import parse
from s3sentinel_assets.ml.priority.rules import FULL_BUDGET_HOURS, SENSITIVE, PriorityRule
from s3sentinel_assets.ml.priority.sensitivity import SensitivityRule
from s3sentinel_assets.ml.priority.standing import AHEAD_MINUTES
from s3sentinel_assets.ml.scoring.model import ScoringModel

__all__ = ["Judge", "Recent", "minute_of"]

#: Principal → minute → the highest raw score in it that is loud enough to count for others.
Recent = defaultdict[str, dict[int, int]]
_WINDOW = 60


@functools.lru_cache(maxsize=10_000)
def minute_of(text: str) -> int:
    """Minutes since 1970 of the first sixteen characters of a time in UTC."""
    return int(datetime.fromisoformat(f"{text}:00+00:00").timestamp()) // 60


class Judge:
    """Applies the sensitivity rules and the priority table."""

    def __init__(self, model: ScoringModel, worth: Worth, recent: Recent, sensitive: Recent) -> None:
        self.model, self.worth, self.recent, self.sensitive = model, worth, recent, sensitive
        self._share = min(1.0, model.detector.hours_per_day / FULL_BUDGET_HOURS)
        self._floor = max(rule.hours_per_day or 0.0 for rule in model.rules) * self._share
        self._sensitive_floor = max(rule.sensitive_hours_per_day or 0.0 for rule in model.rules) * self._share
        self._settled: dict[tuple[str, str, str], SensitivityRule | None] = {}

    def note(self, keys: Keys, minute: int, raw: int, sensitivity: int, first: bool) -> None:
        """Remembers a loud event for the principal's next hour; who has no name stands for many."""
        if not keys.named:
            return
        rate = self.worth.expected_hours(raw)
        if rate <= self._floor:
            _remember(self.recent[keys.principal], minute, raw)
        if first and sensitivity >= SENSITIVE and rate <= self._sensitive_floor:
            _remember(self.sensitive[keys.principal], minute, raw)

    def standing(self, keys: Keys, minute: int, raw: int) -> int:
        """The highest raw score of the principal in the minute, the 59 before it and the few after it."""
        return max(raw, _highest(self.recent.get(keys.principal), minute))

    def sensitive_standing(self, keys: Keys, minute: int) -> int:
        """The same of sensitive first times; 0 without any."""
        return _highest(self.sensitive.get(keys.principal), minute)

    def sensitivity(self, event: Event, keys: Keys) -> tuple[int, str]:
        """0 to 3, and what history counts of it: the rule of a call that matters, and whether it failed; else ""."""
        rule = self._rule(event, keys)
        level = _level(rule, keys)
        if rule is None or level < SENSITIVE:
            return level, ""
        return level, f"{rule.id} failed" if keys.failed else rule.id

    def _rule(self, event: Event, keys: Keys) -> SensitivityRule | None:
        """What does not depend on parameters is worked out once for each action, kind of caller and error."""
        if not self.model.sensitivity.rules:
            return None
        action = plain_action(keys.items["action"]).lower()
        kind = (*keys.peer.split("/", 2), "")[1]
        case = (action, kind, keys.items["error"].partition(SEPARATOR)[2])
        if case in self._settled:
            return self._settled[case]
        caller = Caller(type=case[1], error=case[2])
        rules = [rule for rule in self.model.sensitivity.candidates(action) if rule.possible(caller)]
        if not rules or not rules[0].needs_parameters:
            rule = self._settled[case] = rules[0] if rules else None
            return rule
        call = Call(parse(event.detail), keys.account, keys.principal.partition(SEPARATOR)[2])
        return next((rule for rule in rules if rule.fits(caller, call)), None)

    def priority(self, raw: int, standing: int, sensitive: int, sensitivity: int, first: bool, cold: bool) -> str:
        """That of the first rule that applies."""

        def applies(rule: PriorityRule) -> bool:
            return (
                (rule.cold_start is None or rule.cold_start == cold)
                and (rule.first_seen is None or rule.first_seen == first)
                and (rule.min_sensitivity is None or sensitivity >= rule.min_sensitivity)
                and self._events_fit(rule.events_per_day, raw)
                and self._hours_fit(rule.event_hours_per_day, raw)
                and self._hours_fit(rule.hours_per_day, standing)
                and self._hours_fit(rule.sensitive_hours_per_day, sensitive)
                and rule.vendor_severity is None
            )

        return next(rule.priority for rule in self.model.rules if applies(rule))

    def _events_fit(self, limit: float | None, raw: int) -> bool:
        return limit is None or self.worth.expected_events(raw) <= limit * self._share

    def _hours_fit(self, limit: float | None, raw: int) -> bool:
        return limit is None or self.worth.expected_hours(raw) <= limit * self._share


def _level(rule: SensitivityRule | None, keys: Keys) -> int:
    if rule is None:
        return 0
    return max(rule.level - int(keys.failed and not rule.about_failure), 0)


def _remember(minutes: dict[int, int], minute: int, raw: int) -> None:
    minutes[minute] = max(raw, minutes.get(minute, raw))


def _highest(minutes: dict[int, int] | None, minute: int) -> int:
    window = range(minute - _WINDOW + 1, minute + AHEAD_MINUTES + 1)
    return max((high for at, high in (minutes or {}).items() if at in window), default=0)
