"""Scores of an hour's events: terms, what they are worth, the judgement and the words."""

import math
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from benchmarks.ordinary.detector import Worth
from benchmarks.ordinary.event import Event
from benchmarks.ordinary.judging import Judge, Recent, minute_of
from benchmarks.ordinary.keys import Keys
from benchmarks.ordinary.memory import Memory
from benchmarks.ordinary.rarity import Terms
from benchmarks.ordinary.reasons import reasons
from s3sentinel_assets.ml.priority.sensitive_term import BITS_PER_LEVEL
from s3sentinel_assets.ml.priority.standing import AHEAD_MINUTES
from s3sentinel_assets.ml.scoring.model import ScoringModel

__all__ = ["score_events"]

#: Event, keys, hundredths of its terms, facts, raw score, whether it is a first time, sensitivity.
_Measured = tuple[Event, Keys, dict[str, int], dict[str, Any], int, bool, int]


def score_events(
    events: Iterable[tuple[Event, Keys]], model: ScoringModel, memory: Memory, recent: Recent, sensitive: Recent
) -> Iterator[tuple[Event, Keys, dict[str, Any]]]:
    """The score columns of events in the order of time.

    A minute is judged as a whole, once the few after it are known: its loudest event counts for all of the principal's
    events in it, and so do those of the next minutes.
    """
    terms, worth, parameters = Terms(memory), Worth(model), model.parameters
    judge = Judge(model, worth, recent, sensitive)
    minutes: deque[tuple[int, list[_Measured]]] = deque()
    for text, group in groupby(events, key=lambda pair: pair[0].time[:16]):
        minute = minute_of(text)
        while minutes and minutes[0][0] + AHEAD_MINUTES < minute:
            yield from _judged(judge, *minutes.popleft())
        waiting: list[_Measured] = []
        for event, keys in group:
            bits, facts = terms.of(keys)
            never, uses = facts["never"], facts["action_so_far"]
            level, rule = judge.sensitivity(event, keys)
            if rule:
                keys.items["rule"] = rule
                known, before = terms.rule(keys, rule)
                if not known:
                    never, uses = True, before
            first = never and uses < parameters.first_seen_occurrences
            if level and first:
                bits["sensitive"] = level * BITS_PER_LEVEL / (uses + 1)
            hundredths = worth.hundredths(bits)
            raw = sum(hundredths.values())
            judge.note(keys, minute, raw, level, first)
            waiting.append((event, keys, hundredths, facts, raw, first, level))
        minutes.append((minute, waiting))
    for minute, waiting in minutes:
        yield from _judged(judge, minute, waiting)


def _judged(judge: Judge, minute: int, waiting: list[_Measured]) -> Iterator[tuple[Event, Keys, dict[str, Any]]]:
    """The score columns of a minute."""
    parameters, worth = judge.model.parameters, judge.worth
    for event, keys, hundredths, facts, raw, first, level in waiting:
        share = min(facts["events"] / parameters.cold_events, facts["days"] / parameters.cold_days, 1.0)
        priority = judge.priority(
            raw, judge.standing(keys, minute, raw), judge.sensitive_standing(keys, minute), level, first, share < 1.0
        )
        columns: dict[str, Any] = {
            "AnomalyScore_CF": worth.score(raw),
            "Confidence_CF": round(math.floor(share * 100.0) / 100.0, 2),
            "Priority_CF": priority,
        }
        if priority != "low":
            if worth.calibrated:
                columns["ExpectedPerDay_CF"] = float(f"{worth.expected_events(raw):.3g}")
            if words := reasons(hundredths, facts, event, keys):
                columns["Reasons_CF"] = words
        flags = [name for name, is_so in (("cold_start", share < 1.0), ("no_principal", not keys.named)) if is_so]
        if flags:
            columns["Flags_CF"] = ",".join(flags)
        yield event, keys, columns
