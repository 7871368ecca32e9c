"""Units of activity: who begins which template when, from where, with what; and the calls that come of them.

Belongs here: the arrays that the kinds of principals fill, and their expansion into calls, all at once. Does not belong
here: errors, targets and texts (``events``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from evaluation.background.draws import Integers
from evaluation.background.estate import Templates

__all__ = ["Calls", "Units", "expand"]

_INTEGERS = ("repeat", "agent", "network", "region", "habit", "fault_kind")


@dataclass(frozen=True)
class Units:
    """Parallel arrays, one entry a unit.

    Attributes:
        who: actor.
        template: what is done.
        start: second of the hour.
        spread: seconds that it takes.
        repeat: how often the template's calls are made.
        agent: number of the user agent.
        network: number of the source address.
        region: number of the region; global services are logged elsewhere all the same.
        habit: number of the tag.
        fault: share of its calls that fail for a passing reason.
        fault_kind: 0 throttled, 1 denied, 2 unavailable.
    """

    who: Integers
    template: Integers
    start: np.ndarray
    spread: np.ndarray
    repeat: Integers
    agent: Integers
    network: Integers
    region: Integers
    habit: Integers
    fault: np.ndarray
    fault_kind: Integers

    @staticmethod
    def of(who: Integers, template: Integers, start: np.ndarray, **others: "np.ndarray | float | int") -> "Units":
        """Units whose other columns are given as arrays or as one value for all; what is left out is 0, repeat 1."""
        whole = {"repeat": 1, **others}

        def column(name: str, kind: type[np.int64] | type[np.float64]) -> Any:
            return np.broadcast_to(np.asarray(whole.pop(name, 0), dtype=kind), len(who))

        made = {name: column(name, np.int64) for name in _INTEGERS}
        made |= {name: column(name, np.float64) for name in ("spread", "fault")}
        if whole:
            raise TypeError(f"units have no {', '.join(whole)}")
        return Units(who.astype(np.int64), template.astype(np.int64), start.astype(np.float64), **made)

    @staticmethod
    def joined(parts: Sequence["Units"]) -> "Units":
        """All units of several."""
        return Units(*(np.concatenate([getattr(part, column.name) for part in parts]) for column in fields(Units)))


@dataclass(frozen=True)
class Calls:
    """Single calls: the unit of each, the code of each, its second of the hour; in order of time."""

    unit: Integers
    code: Integers
    second: Integers


def expand(units: Units, templates: Templates, rng: np.random.Generator) -> Calls:
    """The calls of all units, in order of time; all within the hour."""
    once = templates.length[units.template]
    lengths = once * units.repeat
    unit = np.repeat(np.arange(len(lengths)), lengths)
    place = np.arange(len(unit)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    at = templates.first[units.template][unit] + place % once[unit]
    kept = np.flatnonzero(rng.random(len(unit)) < templates.chances[at])
    unit, place, code = unit[kept], place[kept], templates.codes[at[kept]]
    share = (place + rng.random(len(place))) / lengths[unit]
    spread = np.minimum(units.spread, 3_590.0)
    # What would run over the end of the hour begins earlier: an hour is made without its neighbours.
    start = np.minimum(units.start, 3_599.0 - spread)
    second = (start[unit] + spread[unit] * share).astype(np.int64)
    order = np.argsort(second, kind="stable")
    return Calls(unit[order], code[order], second[order])
