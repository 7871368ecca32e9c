"""Warming up: history for scoring is built from logs older than the first hour that is delivered.

Belongs here: which hours, in what order, and what makes it safe. Does not belong here: reading, parsing, learning
(``discovery``, ``parsing``, ``states``), what is printed (``cli``).

The hours lie before ``start`` of the configuration, so they are no partitions: no sensor, schedule or check looks at
them, nothing of them is planned or sent, and they count in no account of delivery. Their parts are marked as learned,
like any others, so no later state counts them again. They claim no events against what is delivered: an event that
turns up again from ``start`` on goes out. Who moves ``start`` back later asks for their delivery.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.hours import hour_key, hour_range, hour_start, shift_hour, utc_now
from s3sentinel_assets.ledger import states as ledger_states
from s3sentinel_assets.pipeline import discovery, parsing, states
from s3sentinel_assets.pipeline.histories import scored_families
from s3sentinel_assets.pipeline.runtime import Runtime

__all__ = ["Span", "WarmUp", "span_of", "warm_up"]

_HOURS_PER_LISTING = 24


@dataclass(frozen=True)
class Span:
    """The hours of a source that are to be learned.

    Attributes:
        source: the source's name.
        first: first hour.
        last: last hour.
        resume: the first hour behind the newest state; after ``last`` if that has reached it.
        begins: the first hour of the history that is there; None: there is none.
        learned_before: hours before ``resume`` that have a state.
        never_learned: hours before ``resume`` that have none: what is older than the newest state is learned no more.
    """

    source: str
    first: str
    last: str
    resume: str
    begins: str | None = None
    learned_before: int = 0
    never_learned: int = 0

    @property
    def hours(self) -> list[str]:
        """The hours still to do."""
        return list(hour_range(self.resume, self.last))

    @property
    def lack(self) -> str | None:
        """The sentence about hours that are asked for and cannot be learned any more; None if there are none."""
        if not self.never_learned or self.begins is None:
            return None
        before = len(list(hour_range(self.first, shift_hour(self.begins, -1))))
        left = self.never_learned - before
        told = [f"the history of {self.source} begins at {self.begins}"]
        if before:
            told.append(f"the {before:,} hours before it, from {self.first}, cannot be put beneath it")
        if left:
            told.append(f"{left:,} hours in it were left out by earlier warm-ups and cannot be put in")
        return (
            f"{'; '.join(told)}. To learn them, give the source another name in the configuration, if it has delivered "
            "nothing yet (a new name delivers everything since 'start' again), and warm that one up"
        )


@dataclass
class WarmUp:
    """What was done for one source.

    Attributes:
        span: the hours.
        done: hours that got a state now.
        objects: objects read now.
        events: events learned now.
        held: urgent events among them that wait for a verdict.
        keys: what the history knows at the end.
        problems: sentences for the user.
        seconds: time it took.
    """

    span: Span
    done: int = 0
    objects: int = 0
    events: int = 0
    held: int = 0
    keys: int = 0
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0


def span_of(runtime: Runtime, source: str, days: int, until: str | None = None) -> Span:
    """Which hours a warm-up learns.

    Args:
        runtime: the runtime.
        source: the source's name.
        days: how many days.
        until: the last hour; None: the one before ``start``, or the last one that is closed.

    Raises:
        UserError: the hour is delivered anyway, or not over; the source has no model; later hours were learned before.
    """
    start, closed = hour_key(runtime.config.start), shift_hour(hour_key(utc_now() - runtime.config.grace), -1)
    last = until or min(shift_hour(start, -1), closed)
    if last >= start:
        raise UserError(
            f"{last} is not before {start}, where delivery starts; such hours are learned when they are delivered. "
            "Choose an earlier --until, or move 'start' in the configuration"
        )
    if last > closed:
        raise UserError(f"the hour {last} is not over; the last one that can be learned is {closed}")
    if not scored_families(runtime.source(source)):
        raise UserError(f"no model scores the formats of {source}, so it needs no history")
    first = shift_hour(last, 1 - 24 * days)
    with runtime.ledger.read() as connection:
        newest = ledger_states.newest_state(connection, source, "9999")
    resume = first if newest is None else max(first, shift_hour(newest.hour, 1))
    if newest is not None and newest.hour > last:
        raise UserError(
            f"the history of {source} already reaches {newest.hour}; older events cannot be put beneath it. Warm up "
            "before the first hour is closed, or under another source name"
        )
    with runtime.ledger.read() as connection:
        had = ledger_states.learned_hours(connection, source)
    mine = sum(first <= hour < resume for hour in had)
    asked = len(list(hour_range(first, shift_hour(resume, -1))))
    return Span(source, first, last, resume, min(had, default=None), mine, asked - mine)


def warm_up(runtime: Runtime, span: Span, on_progress: Callable[[WarmUp, str], None] = lambda *_: None) -> WarmUp:
    """Parses the hours of a span and carries the state over them, hour by hour; delivers nothing.

    It may be stopped at any moment: what it has done is in the ledger, and the next call goes on behind it.

    Args:
        runtime: the runtime.
        span: from `span_of`.
        on_progress: told after each hour.

    Raises:
        UserError: S3 or the ledger cannot be reached, or another run works on an hour of the span.
    """
    began, result = time.monotonic(), WarmUp(span)
    hours = span.hours
    # The same pipeline with an earlier start: to it these hours are hours like any others.
    early = runtime.config.model_copy(update={"start": hour_start(span.first)})
    own = Runtime(early)
    try:
        for begin in range(0, len(hours), _HOURS_PER_LISTING):
            day = hours[begin : begin + _HOURS_PER_LISTING]
            discovery.discover(own, span.source, day)
            for hour in day:
                _learn_hour(own, span.source, hour, result)
                result.seconds = time.monotonic() - began
                on_progress(result, hour)
    finally:
        own.close()
    result.seconds = time.monotonic() - began
    return result


def _learn_hour(runtime: Runtime, source: str, hour: str, result: WarmUp) -> None:
    parsed = parsing.parse_hour(runtime, source, hour)
    states.seal_hour(runtime, source, hour)
    state = states.advance_state(runtime, source, hour)
    if not (state.done or state.kept):
        why = "; ".join((*parsed.problems, *state.problems)) or "another run works on it"
        raise UserError(f"{source} {hour}: {why}; start the warm-up again to go on from there")
    result.done += state.done
    result.objects += int(parsed.counts.get("objects", 0)) if parsed.done else 0
    result.events += int(state.counts.get("events", 0)) if state.done else 0
    result.held += int(state.counts.get("held_events", 0))
    result.keys = int(state.counts.get("keys", 0))
    # Bad objects cost their own events; the sentences name the hour, for it is no partition to look at.
    result.problems += [f"{hour}: {sentence}" for sentence in (*parsed.problems, *state.problems)]
