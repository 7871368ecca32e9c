"""A rehearsal: several models, or one with several priority tables, over the same hours of logs, offline.

Belongs here: whole days of a log folder seen by several models side by side, a matrix to fit a model on some of them,
attacks put among the others. Does not belong here: sorting events into hours (``offline_events``), figures
(``ml.evaluation``), the same over what the ledger holds (``trial``).

History is one for all: it learns the benign events as the first model would have it, so what models say differs by the
models alone. All rows of the result are in memory: a few million of them, not a year of logs.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.hours import HOUR_FORMAT, hour_end, hour_start
from s3sentinel_assets.pipeline.offline import Learning
from s3sentinel_assets.pipeline.offline_events import HourlyEvents
from s3sentinel_assets.tables.entities import ENTITY_SCHEMA

if TYPE_CHECKING:
    from s3sentinel_assets.ml import Counters, ScoringModel

__all__ = ["SAID", "Rehearsal", "Said", "days_between", "transplanted", "with_rates"]

#: principal_type → kind of victim; whoever is not named is no victim.
_VICTIM_KINDS = {
    **dict.fromkeys(("IAMUser", "IdentityCenterUser", "SAMLUser", "WebIdentityUser", "FederatedUser", "Root"), "human"),
    **dict.fromkeys(("AssumedRole", "Role"), "workload"),
}
_LEAST_EVENTS = 20
_RATES = ("hours_per_day", "sensitive_hours_per_day", "event_hours_per_day", "events_per_day")
_URGENT = ("critical", "high")
#: What is kept of what a model says of an event.
SAID = {
    "score": "AnomalyScore_CF",
    "priority": "Priority_CF",
    "reasons": "Reasons_CF",
    "flags": "Flags_CF",
    "raw": "_raw",
    "sensitivity": "_sensitivity",
}
_TRUTH = ("kind", "incident", "technique", "variant", "victim")


@dataclass(frozen=True)
class Said:
    """What the models say.

    Attributes:
        events: one row an event: ``event_id``, ``time``, ``account``, ``principal``, ``action``, the further columns
            asked for, ``hour``, the truth columns and ``victim``, ``cold_start`` and ``shadow`` (``ml.evaluation``).
        models: name → columns `SAID`, row by row with ``events``.
        days: how long the hours are.
    """

    events: pl.DataFrame
    models: dict[str, pl.DataFrame] = field(repr=False)
    days: float

    def calm(self) -> "Said":
        """The benign events that stand in no incident's shadow, with as many days as such events took."""
        benign = self.events["kind"] == "background"
        clear = benign & ~self.events["shadow"]
        days = self.days * int(clear.sum()) / max(int(benign.sum()), 1)
        return Said(self.events.filter(clear), {name: each.filter(clear) for name, each in self.models.items()}, days)


def days_between(hours: Sequence[str]) -> float:
    """Days from the begin of the first of some hours, in order, to the end of the last."""
    return (hour_end(hours[-1]) - hour_start(hours[0])).total_seconds() / 86_400 if hours else 0.0


class Rehearsal:
    """Goes through the hours of a folder once, in order: learn, make a training matrix, judge.

    Args:
        events: the folder's events.
        champion: says what is urgent, and so what history learns at once and what a week later.
        more: columns beside the entity view that the results keep.

    Raises:
        UserError: there are no events of the champion's format.
    """

    def __init__(self, events: HourlyEvents, champion: "ScoringModel", more: Sequence[str] = ()) -> None:
        self._events, self._champion, self._more = events, champion, list(more)
        #: The hours that are still to come.
        self.hours = events.hours_of(champion.format)
        if not self.hours:
            raise UserError(f"there are no {champion.format} events with a time; name another folder or format")
        self._learning = Learning(champion, self.hours[0])
        self._counters: dict[str, Counters] = {}

    def learn(self, hours: int) -> int:
        """Learns the next ``hours`` hours and says nothing of them; gives the number of their events."""
        events = 0
        for hour, batch in self._next(hours):
            self._learning.learn(hour, batch, self._score("", self._champion, batch, hour)["priority"])
            events += batch.height
        return events

    def training(self, hours: int) -> pl.DataFrame:
        """Learns the next hours, and gives the features of their events: what a model is fitted on.

        Returns:
            ``features.matrix.MATRIX_SCHEMA``, without events that have no principal and those that are urgent.
        """
        from s3sentinel_assets.ml.features.matrix import MATRIX_SCHEMA, feature_matrix

        matrices, model = [pl.DataFrame(schema=MATRIX_SCHEMA)], self._champion
        for hour, batch in self._next(hours):
            matrix, _ = feature_matrix(
                batch,
                self._learning.state,
                None,
                model.parameters,
                format=model.format,
                hour=hour,
                sensitivity=model.sensitivity,
            )
            priorities = self._score("", model, batch, hour)["priority"]
            matrices.append(matrix.filter(~priorities.is_in(_URGENT) & matrix["principal"].is_not_null()))
            self._learning.learn(hour, batch, priorities)
        return pl.concat(matrices)

    def judge(self, hours: int, models: "Mapping[str, ScoringModel]", attacks: pl.DataFrame | None = None) -> Said:
        """What the models say of the next hours, with attacks among the events; those are never learned.

        Args:
            hours: how many.
            models: by name.
            attacks: see `transplanted`; None: there are none.

        Raises:
            UserError: no hours are left.
        """
        from s3sentinel_assets.ml.evaluation.truth import shadows

        span = self.hours[:hours]
        if not span:
            raise UserError("no hours of events are left to judge; name a folder with more days, or give history less")
        frames: list[pl.DataFrame] = []
        said: dict[str, list[pl.DataFrame]] = {name: [] for name in models}
        for hour, benign in self._next(hours):
            batch = _with_attacks(benign, attacks, hour)
            entities = batch.select(list(ENTITY_SCHEMA))
            champion = self._score("", self._champion, entities, hour)
            for name, model in models.items():
                same = model is self._champion
                said[name].append(champion if same else self._score(f"judged {name}", model, entities, hour))
            background = batch["kind"] == "background"
            self._learning.learn(hour, entities.filter(background), champion["priority"].filter(background))
            cold = champion["flags"].str.contains("cold_start", literal=True).fill_null(value=False)
            frames.append(batch.with_columns(pl.lit(hour).alias("hour"), cold.alias("cold_start")))
        kept = ["event_id", "time", "account", "principal", "action", *self._more, "hour", *_TRUTH, "cold_start"]
        events = pl.concat([frame.select(kept) for frame in frames])
        events = events.with_columns(shadows(events).alias("shadow"))
        return Said(events, {name: pl.concat(each) for name, each in said.items()}, days_between(span))

    def _next(self, hours: int) -> Iterator[tuple[str, pl.DataFrame]]:
        taken, self.hours = self.hours[:hours], self.hours[hours:]
        for hour in taken:
            batch, _ = self._events.read(hour, self._champion.format)
            yield hour, batch.select([*ENTITY_SCHEMA, *self._more])

    def _score(self, whose: str, model: "ScoringModel", batch: pl.DataFrame, hour: str) -> pl.DataFrame:
        from s3sentinel_assets.ml import score

        made = score(batch, self._learning.state, self._counters.get(whose), model, hour=hour)
        self._counters[whose] = made.counters
        return made.scores.select(**SAID)


def with_rates(model: "ScoringModel", factor: float | Mapping[str, float]) -> "ScoringModel":
    """The model with other rates in its priority table: below 1 is stricter, above 1 finds more and costs more.

    Args:
        model: any.
        factor: of all rates, or by condition: ``hours_per_day``, ``sensitive_hours_per_day``,
            ``event_hours_per_day``, ``events_per_day``.

    Raises:
        UserError: there is no such condition, or a factor is not above 0.
    """
    factors = dict(factor) if isinstance(factor, Mapping) else dict.fromkeys(_RATES, factor)
    if wrong := sorted(name for name, value in factors.items() if name not in _RATES or not value > 0):
        raise UserError(f"{wrong[0]}: give a factor above 0 for one of {', '.join(_RATES)}")
    rules = tuple(
        rule.model_copy(
            update={name: rate * by for name, by in factors.items() if (rate := getattr(rule, name)) is not None}
        )
        for rule in model.rules
    )
    return replace(model, rules=rules, version=f"{model.version}+rates")


def _with_attacks(benign: pl.DataFrame, attacks: pl.DataFrame | None, hour: str) -> pl.DataFrame:
    truth = benign.with_columns(
        pl.lit(None if name != "kind" else "background", pl.String()).alias(name) for name in _TRUTH
    )
    if attacks is None or not attacks.height:
        return truth
    mine = attacks.filter(pl.col("hour") == hour).drop("hour")
    # Columns beside the entity view are not known of them.
    return pl.concat([truth, mine], how="diagonal")


def transplanted(
    events: HourlyEvents,
    log_format: str,
    hours: Sequence[str],
    models_dir: Path,
    *,
    habits: Sequence[str] = (),
    incidents: int = 50,
    seed: int = 7,
) -> pl.DataFrame:
    """The attack stories that ship, done in the name of the folder's own principals within some of its hours.

    Args:
        events: the folder's events.
        log_format: their format; there are stories of ``cloudtrail`` only.
        hours: where the attacks go, in order.
        models_dir: holds ``stories.json``.
        habits: the hours that show who there is; none: those where the attacks go. History before them is what an
            intruder would have to imitate.
        incidents: how many at least.
        seed: of all draws.

    Returns:
        ``ENTITY_SCHEMA`` and truth columns, ``victim`` and ``hour``. No rows without stories or principals with
        twenty events.

    Raises:
        ConfigurationError: the file of stories is missing or wrong.
    """
    from s3sentinel_assets.ml.evaluation.transplant import transplant
    from s3sentinel_assets.ml.evaluation.victims import victims
    from s3sentinel_assets.pipeline.stories import stories

    sequences = stories(models_dir, log_format)
    schema = {**ENTITY_SCHEMA, **dict.fromkeys((*_TRUTH, "hour"), pl.String())}
    if not sequences.height or not hours:
        return pl.DataFrame(schema=schema)
    people = victims(events.read(hour, log_format)[0] for hour in (*habits, *hours))
    kind = pl.col("principal_type").replace_strict(_VICTIM_KINDS, default=None, return_dtype=pl.String)
    people = people.with_columns(victim=kind).filter(
        pl.col("victim").is_not_null() & (pl.col("events") >= _LEAST_EVENTS)
    )
    if not people.height:
        return pl.DataFrame(schema=schema)
    copies = -(-incidents // sequences["sequence"].n_unique())
    first, last = hour_start(hours[0]), hour_end(hours[-1])
    made = transplant(sequences, people, first=first, last=last, seed=seed, copies=copies)
    hour = pl.col("time").dt.strftime(HOUR_FORMAT.replace("%M", "00")).alias("hour")
    # What falls into an hour that has no events itself would not be seen.
    return made.with_columns(hour).filter(pl.col("hour").is_in(list(hours))).select(list(schema))
