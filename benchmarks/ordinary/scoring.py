"""Scores of an hour's events: terms, what they are worth, the judgement and the words."""

import math
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
from s3sentinel_assets.ml.scoring.model import ScoringModel

__all__ = ["score_events"]


def score_events(
    events: Iterable[tuple[Event, Keys]], model: ScoringModel, memory: Memory, recent: Recent
) -> Iterator[tuple[Event, Keys, dict[str, Any]]]:
    """The score columns of events in the order of time.

    A minute is judged as a whole: its loudest event counts for all of the principal's events in it.
    """
    terms, worth, parameters = Terms(memory), Worth(model), model.parameters
    judge = Judge(model, worth, recent)
    for text, group in groupby(events, key=lambda pair: pair[0].time[:16]):
        minute, waiting = minute_of(text), []
        for event, keys in group:
            bits, facts = terms.of(keys)
            first = facts["never"] and facts["action_so_far"] < parameters.first_seen_occurrences
            level = judge.sensitivity(event, keys)
            if level and first:
                bits["sensitive"] = level * BITS_PER_LEVEL / (facts["action_so_far"] + 1)
            hundredths = worth.hundredths(bits)
            raw = sum(hundredths.values())
            judge.note(keys, minute, raw)
            waiting.append((event, keys, hundredths, facts, raw, first, level))
        for event, keys, hundredths, facts, raw, first, level in waiting:
            share = min(facts["events"] / parameters.cold_events, facts["days"] / parameters.cold_days, 1.0)
            priority = judge.priority(raw, judge.standing(keys, minute, raw), level, first, share < 1.0)
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
