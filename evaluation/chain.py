"""The chain as it runs live: parts are scored as they arrive, history advances once an hour has closed.

Belongs here: which state a part sees, counters handed on, what is not learned. Does not belong here: which events there
are (``timeline``), figures (``report``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import polars as pl

from s3sentinel_assets.hours import shift_hour
from s3sentinel_assets.ml import Counters, EntityState, empty_state, score, update
from s3sentinel_assets.ml.evaluation.outcomes import RANKS, rank
from s3sentinel_assets.ml.features.matrix import feature_matrix
from s3sentinel_assets.ml.history.keys import Events, prepare
from s3sentinel_assets.ml.priority.judging import Judged, Scored, judge
from s3sentinel_assets.ml.scoring.model import ScoringModel
from s3sentinel_assets.tables.entities import ENTITY_SCHEMA

__all__ = ["HELD_HOURS", "Chain"]

#: Events from ``high`` up are not learned for so long.
HELD_HOURS = 7 * 24
_ENTITIES = list(ENTITY_SCHEMA)
#: Priority of rows without any identity, which are not scored.
_LEFT_OUT = "unknown"


@dataclass(frozen=True)
class Chain:
    """What the next part is scored with. Immutable, so that several replays can go on from one point.

    Attributes:
        model: in charge: it decides what is not learned.
        state: the newest sealed state.
        rivals: models that judge the same parts, each with its own trailing hours.
        counters: left by the last part.
        trails: the trailing hours of the rivals.
        held: hour key → events that are learned with that hour at the earliest.
        hold: whether anything is held back.
    """

    model: ScoringModel
    state: EntityState
    rivals: Mapping[str, ScoringModel] = field(default_factory=dict)
    counters: Counters = field(default_factory=Counters)
    trails: Mapping[str, Counters] = field(default_factory=dict)
    held: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    hold: bool = True

    @classmethod
    def beginning(cls, model: ScoringModel, before: str) -> "Chain":
        """Nobody has done anything up to and including ``before``."""
        return cls(model, empty_state(model.format, before))

    def score(self, part: pl.DataFrame, hour: str, *, check: bool = False) -> tuple["Chain", pl.DataFrame]:
        """Scores a part of ``hour``.

        The features are worked out once for all models, which is why this is not simply `ml.score`; with ``check``,
        that scores the part as well, and everything must be equal.

        Returns:
            The chain for the next part, and beside each row of the part its feature matrix, ``raw``, ``priority`` and
            ``sensitivity``, and ``raw:<name>`` and ``priority:<name>`` of each rival.

        Raises:
            RuntimeError: `ml.score` says something else.
        """
        batch = part.select(_ENTITIES)
        log_format, before = self.model.format, self.counters.for_hour(hour)
        matrix, counters = feature_matrix(
            batch,
            self.state,
            before,
            self.model.parameters,
            format=log_format,
            hour=hour,
            sensitivity=self.model.sensitivity,
        )
        judging = _Judging(prepare(batch, log_format), batch, matrix, hour)
        raw, judged = judging.by(self.model, before)
        after = counters.plus(hour, judged.recent)
        columns = [
            judging.by_row(raw, 0).alias("raw"),
            judging.by_row(judged.priority, _LEFT_OUT).alias("priority"),
            judging.by_row(judged.sensitivity, 0).alias("sensitivity"),
        ]
        trails = {}
        for name, rival in self.rivals.items():
            trail = self.trails.get(name, Counters()).for_hour(hour)
            raw, judged = judging.by(rival, trail)
            trails[name] = trail.plus(hour, judged.recent)
            columns.append(judging.by_row(raw, 0).alias(f"raw:{name}"))
            columns.append(judging.by_row(judged.priority, _LEFT_OUT).alias(f"priority:{name}"))
        scored = matrix.hstack(columns)
        if check:
            self._check(batch, hour, scored, after)
        return replace(self, counters=after, trails=trails), scored

    def _check(self, batch: pl.DataFrame, hour: str, scored: pl.DataFrame, after: Counters) -> None:
        result = score(batch, self.state, self.counters, self.model, hour=hour)
        known = result.scores["Priority_CF"] != "unknown"
        ours, theirs = scored.filter(known), result.scores.filter(known)
        if not (
            ours["priority"].equals(theirs["Priority_CF"])
            and ours["raw"].equals(theirs["_raw"])
            and after.frame.equals(result.counters.frame)
        ):
            raise RuntimeError(f"a part of {hour} is scored otherwise by the product than in the evaluation")

    def learn(self, hour: str, arrived: pl.DataFrame, priority: pl.Series | None) -> "Chain":
        """The chain after ``hour`` was sealed.

        Args:
            hour: it has closed.
            arrived: all that arrived in it.
            priority: of each of those events, as delivered; None: nothing is held back.
        """
        held = dict(self.held)
        batches = [released for due, released in held.items() if due <= hour]
        held = {due: frame for due, frame in held.items() if due > hour}
        if priority is not None and self.hold:
            urgent = rank(priority) >= RANKS["high"]
            if urgent.any():
                held[shift_hour(hour, HELD_HOURS)] = arrived.filter(urgent).select(_ENTITIES)
            arrived = arrived.filter(~urgent)
        batches.append(arrived.select(_ENTITIES))
        state = update(self.state, batches, hour, format=self.model.format, model=self.model)
        return replace(self, state=state, held=held)


@dataclass(frozen=True)
class _Judging:
    """A part that several models judge."""

    events: Events
    batch: pl.DataFrame
    matrix: pl.DataFrame
    hour: str

    @cached_property
    def _scored(self) -> pl.DataFrame:
        """Matrix and texts in the order of scoring."""
        rows = self.events.rows
        return self.matrix[rows].hstack(self.batch[rows].select("detail", "severity"))

    def by(self, model: ScoringModel, counters: Counters) -> tuple[pl.Series, Judged]:
        """Raw scores and judgement, in the order of scoring."""
        scored = self._scored
        raw = model.detector.raw(scored)
        return raw, judge(
            Scored(
                events=self.events,
                times=scored["time"],
                raw=raw,
                first_seen=scored["first_seen"],
                cold_start=scored["cold_start"],
                detail=scored["detail"],
                severity=scored["severity"],
            ),
            counters,
            model,
            self.hour,
        )

    @cached_property
    def _places(self) -> pl.Series:
        nowhere = pl.Series([None], dtype=pl.UInt32).new_from_index(0, self.batch.height)
        return nowhere.scatter(self.events.rows, pl.int_range(len(self.events), dtype=pl.UInt32, eager=True))

    def by_row(self, values: pl.Series, other: int | str) -> pl.Series:
        """Values in the order of the batch; ``other`` for rows that are not scored."""
        return values[self._places].fill_null(other)
