"""Scoring logs offline: parse → history → score, hour by hour in time order, with neither ledger nor workspace.

Belongs here: the order of work over a folder of logs, and one row of results an event. Does not belong here: finding
and opening files (the command), how events are scored (``ml``), live scoring (``scoring``).

Events are sorted into hours by their own time: there is no arrival to go by. Each hour is scored against the history of
the hours before it, and learned afterwards, except for urgent events, which wait seven days as in live operation.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from s3sentinel_assets.hours import shift_hour

if TYPE_CHECKING:
    from s3sentinel_assets.formats import ParsedFrame
    from s3sentinel_assets.ml import Counters, EntityState, ScoringModel

__all__ = ["RESULT_SCHEMA", "OfflineRun", "OfflineScorer"]

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
}
_SCORES = {
    "score": "AnomalyScore_CF",
    "expected_per_day": "ExpectedPerDay_CF",
    "priority": "Priority_CF",
    "confidence": "Confidence_CF",
    "reasons": "Reasons_CF",
    "flags": "Flags_CF",
}
_NAMED = ("event_id", "time", "account", "principal", "action", "pattern")
_URGENT = ("critical", "high")
_HELD_HOURS = 7 * 24
_HOUR = "%Y-%m-%d-%H:00"
#: Where events without a time go; sorts behind every hour.
_TIMELESS = "timeless"


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


@dataclass
class _History:
    """How far one format has come."""

    model: "ScoringModel"
    state: "EntityState"
    counters: "Counters"
    held: dict[str, list[pl.DataFrame]] = field(default_factory=dict)  # hour in which they are learned → events


class OfflineScorer:
    """Takes parsed frames in any order, then scores them in time order. Frames wait in files, not in memory.

    Args:
        scratch: an empty folder for them.
        load: gives the model of a format, None where there is none.
        patterns: gives the pattern id of each row of a frame.
    """

    def __init__(
        self,
        scratch: Path,
        load: "Callable[[str], ScoringModel | None]",
        patterns: "Callable[[ParsedFrame], pl.Series]",
    ) -> None:
        self._scratch, self._load, self._patterns = scratch, load, patterns
        self._waiting: dict[str, dict[str, list[Path]]] = {}  # hour → format → files
        self._histories: dict[str, _History | None] = {}
        self._left_out: set[int] = set()
        self.done = OfflineRun()

    def take(self, frame: "ParsedFrame") -> None:
        """Puts a frame's events aside, by hour."""
        events = frame.entities.with_columns(
            self._patterns(frame).alias("pattern"),
            frame.rows["_object"].alias("object"),
            pl.col("time").dt.strftime(_HOUR).fill_null(_TIMELESS).alias("hour"),
        )
        for (hour,), part in events.partition_by("hour", as_dict=True, include_key=False).items():
            files = self._waiting.setdefault(str(hour), {}).setdefault(frame.format, [])
            path = self._scratch / f"{frame.format}-{str(hour).replace(':', '')}-{len(files):06}.parquet"
            part.write_parquet(path, compression="zstd", compression_level=1, statistics=False)
            files.append(path)

    def leave_out(self, objects: Iterable[int]) -> None:
        """Forgets the events of these objects: they turned out unreadable after some had been handed out."""
        self._left_out.update(objects)

    @property
    def hours(self) -> list[str]:
        """The hours that wait, in order."""
        return sorted(self._waiting)

    def results(self) -> Iterator[pl.DataFrame]:
        """`RESULT_SCHEMA` frames, hour by hour and within an hour format by format, ordered by time and event id.

        Raises:
            ConfigurationError: a model file is wrong.
        """
        for hour in self.hours:
            self.done.hours += hour != _TIMELESS
            for log_format, files in sorted(self._waiting.pop(hour).items()):
                events = pl.concat([pl.read_parquet(path) for path in files])
                for path in files:
                    path.unlink()
                # Of copies the first in a fixed order stays, whatever file came first.
                events = events.filter(~pl.col("object").is_in(list(self._left_out))).drop("object")
                distinct = events.sort("time", *events.columns, nulls_last=True).unique(
                    "event_id", keep="first", maintain_order=True
                )
                self.done.duplicates += events.height - distinct.height
                scored = self._score(log_format, hour, distinct)
                yield self._count(log_format, scored)

    def _score(self, log_format: str, hour: str, events: pl.DataFrame) -> pl.DataFrame:
        from s3sentinel_assets.ml import score

        history = None if hour == _TIMELESS else self._history(log_format, hour)
        named = events.select(
            "event_id", "time", "account", "principal", "action", "pattern", format=pl.lit(log_format)
        )
        if history is None:
            flag = "no_time" if hour == _TIMELESS else "unscored"
            said = named.with_columns(priority=pl.lit("unknown"), flags=pl.lit(flag))
            missing = [
                pl.lit(None, kind).alias(name) for name, kind in RESULT_SCHEMA.items() if name not in said.columns
            ]
            return said.with_columns(missing).select(list(RESULT_SCHEMA))
        batch = events.drop("pattern")
        made = score(batch, history.state, history.counters, history.model, hour=hour)
        history.counters = made.counters
        self._learn(history, log_format, hour, batch, made.scores["Priority_CF"])
        return named.hstack(made.scores.select(**_SCORES)).select(list(RESULT_SCHEMA))

    def _history(self, log_format: str, hour: str) -> _History | None:
        from s3sentinel_assets.ml import empty_counters, empty_state

        if log_format not in self._histories:
            model = self._load(log_format)
            self._histories[log_format] = (
                None
                if model is None
                # History begins empty: the first days are a cold start, and say so.
                else _History(model, empty_state(log_format, shift_hour(hour, -1)), empty_counters(hour))
            )
        return self._histories[log_format]

    def _learn(self, history: _History, log_format: str, hour: str, batch: pl.DataFrame, priorities: pl.Series) -> None:
        from s3sentinel_assets.ml import update

        urgent = priorities.is_in(_URGENT)
        if urgent.any():
            history.held.setdefault(shift_hour(hour, _HELD_HOURS), []).append(batch.filter(urgent))
        due = [frame for when in sorted(history.held) if when <= hour for frame in history.held.pop(when)]
        history.state = update(
            history.state, [batch.filter(~urgent), *due], hour, format=log_format, model=history.model
        )

    def _count(self, log_format: str, scored: pl.DataFrame) -> pl.DataFrame:
        self.done.events += scored.height
        self.done.formats[log_format] += scored.height
        self.done.priorities.update(dict(scored["priority"].value_counts().iter_rows()))
        self.done.unscored[log_format] += scored["score"].null_count()
        return scored
