"""Scoring logs offline: parse → history → score, hour by hour in time order, with neither ledger nor workspace.

Belongs here: the order of work over hours of events, and one row of results an event. Does not belong here: sorting
events into hours (``offline_events``), how events are scored (``ml``), live scoring (``scoring``).

Events are sorted into hours by their own time: there is no arrival to go by. Each hour is scored against the history of
the hours before it, and learned afterwards, except for urgent events, which wait seven days as in live operation.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from s3sentinel_assets.hours import shift_hour
from s3sentinel_assets.pipeline.offline_events import TIMELESS, HourlyEvents

if TYPE_CHECKING:
    from s3sentinel_assets.formats import ParsedFrame
    from s3sentinel_assets.ml import Counters, EntityState, ScoringModel

__all__ = ["RESULT_SCHEMA", "Learning", "OfflineRun", "OfflineScorer", "pattern_columns"]

#: One row an event.
RESULT_SCHEMA: dict[str, pl.DataType] = {
    "event_id": pl.String(),
    "time": pl.Datetime("us", "UTC"),
    "format": pl.String(),
    "account": pl.String(),
    "principal": pl.String(),
    "action": pl.String(),
    "score": pl.Float64(),
    "expected_per_day": pl.Float64(),
    "priority": pl.String(),
    "confidence": pl.Float64(),
    "reasons": pl.String(),
    "pattern": pl.String(),
    "flags": pl.String(),
    # What the sensitivity rules say of the call: 0 to 3, which rule, its ATT&CK techniques.
    "sensitivity": pl.Int64(),
    "rule": pl.String(),
    "technique": pl.String(),
    # What an analyst goes on with.
    "principal_type": pl.String(),
    "peer": pl.String(),
    "source_ip": pl.String(),
    "user_agent": pl.String(),
    "region": pl.String(),
    "target": pl.String(),
    "error": pl.String(),
    "read_only": pl.Boolean(),
    "pattern_text": pl.String(),
}
_SCORES = {
    "score": "AnomalyScore_CF",
    "expected_per_day": "ExpectedPerDay_CF",
    "priority": "Priority_CF",
    "confidence": "Confidence_CF",
    "reasons": "Reasons_CF",
    "flags": "Flags_CF",
    "sensitivity": "_sensitivity",
    "rule": "_rule",
    "technique": "_technique",
}
_PATTERN = ("pattern", "pattern_text")
_URGENT = ("critical", "high")
_HELD_HOURS = 7 * 24


def pattern_columns(frame: "ParsedFrame") -> list[pl.Series]:
    """``pattern`` (id) and ``pattern_text`` (as people read it) of each row, without a catalogue: by structure alone.

    Both are null for flow logs, whose action is their pattern.
    """
    from s3sentinel_assets.ml.patterns import needed_columns, printable, recipe_of, skeletons

    recipe, height = recipe_of(frame.format, frame.table), frame.rows.height
    if not recipe.delivered:
        return [pl.Series(name, [None], dtype=pl.String).new_from_index(0, height) for name in _PATTERN]
    wanted, _ = needed_columns(frame.format, frame.table, frame.rows.columns)
    found = skeletons(frame.rows.select(wanted), frame.entities, frame.format, frame.table)
    kinds = found.distinct
    texts = [printable(head, body, path=bool(recipe.path)) for head, body in kinds.select("head", "body").iter_rows()]
    return [
        kinds["pattern"].gather(found.codes).alias("pattern"),
        pl.Series("pattern_text", texts, dtype=pl.String).gather(found.codes),
    ]


@dataclass
class OfflineRun:
    """What a run met.

    Attributes:
        events: rows of results.
        duplicates: events that were left out because another one has the same id.
        hours: hours with events.
        formats: format → events.
        priorities: priority → events.
        unscored: format → events without a score, because no model is for it or they have no time.
    """

    events: int = 0
    duplicates: int = 0
    hours: int = 0
    formats: Counter[str] = field(default_factory=Counter)
    priorities: Counter[str] = field(default_factory=Counter)
    unscored: Counter[str] = field(default_factory=Counter)


class Learning:
    """The history of one format as it goes on from hour to hour; urgent events are learned a week later.

    Args:
        model: what learns.
        first: the hour that comes first: history is empty before it, so the first days are a cold start, and say so.
        max_keys: how many keys history may have; None: any number.
    """

    def __init__(self, model: "ScoringModel", first: str, max_keys: int | None = None) -> None:
        from s3sentinel_assets.ml import empty_state

        self.model = model
        self.state: EntityState = empty_state(model.format, shift_hour(first, -1))
        self._max_keys = max_keys
        self._held: dict[str, list[pl.DataFrame]] = {}  # hour in which they are learned → events

    def learn(self, hour: str, batch: pl.DataFrame, priorities: pl.Series) -> None:
        """Learns an hour.

        Args:
            hour: the hour.
            batch: its events.
            priorities: row-aligned.
        """
        from s3sentinel_assets.ml import update

        urgent = priorities.is_in(_URGENT)
        if urgent.any():
            self._held.setdefault(shift_hour(hour, _HELD_HOURS), []).append(batch.filter(urgent))
        due = [frame for when in sorted(self._held) if when <= hour for frame in self._held.pop(when)]
        self.state = update(
            self.state,
            [batch.filter(~urgent), *due],
            hour,
            format=self.model.format,
            model=self.model,
            max_keys=self._max_keys,
        )


class OfflineScorer:
    """Scores hours of events in time order.

    Args:
        events: the events, with `pattern_columns`.
        load: gives the model of a format, None where there is none.
        max_keys: how many keys the history of a format may have; None: any number.
    """

    def __init__(
        self, events: HourlyEvents, load: "Callable[[str], ScoringModel | None]", max_keys: int | None = None
    ) -> None:
        self._events, self._load, self._max_keys = events, load, max_keys
        self._learning: dict[str, Learning | None] = {}
        self._counters: dict[str, Counters] = {}
        self.done = OfflineRun()

    def results(self) -> Iterator[pl.DataFrame]:
        """`RESULT_SCHEMA` frames, hour by hour and within an hour format by format, ordered by time and event id.

        Raises:
            ConfigurationError: a model file is wrong.
        """
        for hour in self._events.hours:
            self.done.hours += hour != TIMELESS
            for log_format in self._events.formats(hour):
                events, copies = self._events.read(hour, log_format)
                self.done.duplicates += copies
                if events.height:
                    yield self._count(log_format, self._score(log_format, hour, events))

    def _score(self, log_format: str, hour: str, events: pl.DataFrame) -> pl.DataFrame:
        from s3sentinel_assets.ml import score

        learning = None if hour == TIMELESS else self._learning_of(log_format, hour)
        names = [name for name in RESULT_SCHEMA if name in events.columns]
        named = events.select(*names, format=pl.lit(log_format))
        if learning is None:
            flag = "no_time" if hour == TIMELESS else "unscored"
            scores = pl.DataFrame({"Priority_CF": ["unknown"], "Flags_CF": [flag]})[[0] * events.height]
            nothing = [pl.lit(None).alias(name) for name in _SCORES.values() if name not in scores.columns]
            scores = scores.with_columns(nothing)
        else:
            batch = events.drop(*_PATTERN)
            made = score(batch, learning.state, self._counters.get(log_format), learning.model, hour=hour)
            self._counters[log_format], scores = made.counters, made.scores
            learning.learn(hour, batch, scores["Priority_CF"])
        whole = named.hstack(scores.select(**_SCORES))
        return whole.select(pl.col(name).cast(kind) for name, kind in RESULT_SCHEMA.items())

    def _learning_of(self, log_format: str, hour: str) -> Learning | None:
        if log_format not in self._learning:
            model = self._load(log_format)
            self._learning[log_format] = None if model is None else Learning(model, hour, self._max_keys)
        return self._learning[log_format]

    def _count(self, log_format: str, scored: pl.DataFrame) -> pl.DataFrame:
        self.done.events += scored.height
        self.done.formats[log_format] += scored.height
        self.done.priorities.update(dict(scored["priority"].value_counts().iter_rows()))
        self.done.unscored[log_format] += scored["score"].null_count()
        return scored
