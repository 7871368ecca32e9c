"""The events of past hours as models are fitted and judged on: entity views with the state before them and labels.

Belongs here: which hours, which state, what analysts and priorities said of each event, thinning. Does not belong here:
fitting (``training``), judging (``evidence``).

Features are made anew from the state sealed before each hour, as when the hour was scored. Where housekeeping has given
that state up, the newest one before it is carried on in memory.
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl
import sqlalchemy as sa

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.hours import hour_start, shift_hour
from s3sentinel_assets.ledger import states as ledger_states
from s3sentinel_assets.ledger import verdicts as ledger_verdicts
from s3sentinel_assets.ledger.parts import parts_of_hour
from s3sentinel_assets.ledger.schema import Stage, verdict
from s3sentinel_assets.ledger.stages import StageFile, latest_stages
from s3sentinel_assets.pipeline.histories import read_history, scored_families
from s3sentinel_assets.pipeline.runtime import Runtime

if TYPE_CHECKING:
    from s3sentinel_assets.ml import EntityState
    from s3sentinel_assets.ml.history.counters import Counters

__all__ = [
    "LABEL",
    "URGENT",
    "PartEvents",
    "Span",
    "backgrounds",
    "benign_rows",
    "events_in",
    "last_verdict",
    "matrices",
    "read_parts",
    "span_of",
    "thinning",
]

#: String: what the newest verdict about the event says; null where nobody spoke.
LABEL = "_label"
#: Boolean: the event was delivered as high or critical.
URGENT = "_urgent"
_URGENT_PRIORITIES = ("critical", "high")
_HASH_SPACE = 1 << 32


@dataclass(frozen=True)
class Span:
    """Hours to read: ``first`` to ``last``, both included, of the sources that have the log family."""

    format: str
    first: str
    last: str
    sources: tuple[str, ...]

    @property
    def hours(self) -> int:
        """How many hours it spans."""
        return int((hour_start(self.last) - hour_start(self.first)).total_seconds()) // 3600 + 1

    def __str__(self) -> str:
        """For people and tags."""
        return f"{self.first}..{self.last}"


@dataclass(frozen=True)
class PartEvents:
    """The events of one log family in one part.

    Attributes:
        source: the source.
        hour: the hour.
        batch: the entity view with `LABEL` and `URGENT`.
        state: sealed (or carried on) before the hour.
    """

    source: str
    hour: str
    batch: pl.DataFrame
    state: "EntityState" = field(repr=False)

    @property
    def benign(self) -> pl.Series:
        """Boolean per event; see `benign_rows`."""
        return benign_rows(self.batch)


def benign_rows(batch: pl.DataFrame) -> pl.Series:
    """Boolean per event: fit to say what is usual. What was urgent is only if somebody found it benign."""
    cleared, quiet = pl.col(LABEL) == "benign", pl.col(LABEL).is_null() & ~pl.col(URGENT)
    return batch.select((cleared | quiet).fill_null(False).alias("benign"))["benign"]


def span_of(runtime: Runtime, log_format: str, *, days: int, skip_days: int = 0) -> Span:
    """The last ``days`` days before the last ``skip_days`` of what has been sealed for the log family.

    Raises:
        UserError: nothing has been sealed, or not so long.
    """
    sources = tuple(
        name
        for name, source in sorted(runtime.config.sources.items())
        if source.enabled and log_format in scored_families(source)
    )
    with runtime.ledger.read() as connection:
        states = {name: ledger_states.states_of(connection, name) for name in sources}
    newest = max((found[-1].hour for found in states.values() if found), default=None)
    oldest = min((found[0].hour for found in states.values() if found), default=None)
    if newest is None or oldest is None:
        raise UserError(
            f"no hour with {log_format} events is sealed; let it run for some days, or `s3sentinel warm-up`"
        )
    last = shift_hour(newest, -24 * skip_days)
    # The first sealed hour has no state before it.
    first = max(shift_hour(newest, -24 * (days + skip_days) + 1), shift_hour(oldest, 1))
    if first > last:
        raise UserError(
            f"{log_format} has history from {oldest} to {newest}; that is too little for {skip_days} days to judge a "
            "model by and some to fit it on"
        )
    return Span(log_format, first, last, sources)


def read_parts(runtime: Runtime, span: Span) -> Iterator[PartEvents]:
    """Every part of the span, hour by hour, source by source, in ledger order; one at a time is in memory."""
    readers = {source: _States(runtime, source, span.format) for source in span.sources}
    words = {source: _Verdicts(runtime, source) for source in span.sources}
    for hour in _hours(span):
        for source in span.sources:
            state = readers[source].before(hour)
            if state is None:
                continue
            for batch in _batches(runtime, source, hour, span.format):
                part = PartEvents(source, hour, words[source].label(batch, hour), state)
                yield part
                readers[source].saw(part)


def backgrounds(runtime: Runtime, span: Span) -> Iterator[tuple[str, pl.DataFrame]]:
    """Source and benign events of each part, without any state."""
    words = {source: _Verdicts(runtime, source) for source in span.sources}
    for hour in _hours(span):
        for source in span.sources:
            for batch in _batches(runtime, source, hour, span.format):
                labelled = words[source].label(batch, hour)
                yield source, labelled.filter(benign_rows(labelled))


def events_in(runtime: Runtime, span: Span) -> int:
    """How many events the parsed parts of the span hold, by the ledger alone."""
    total = 0
    with runtime.ledger.read() as connection:
        for hour in _hours(span):
            for source in span.sources:
                parts = [part.id for part in parts_of_hour(connection, source, hour)]
                for result in latest_stages(connection, parts, Stage.PARSED).values():
                    total += sum(file.rows for file in result.files_of("entities") if file.format == span.format)
    return total


def last_verdict(runtime: Runtime) -> int:
    """The number of the last verdict on record; 0 where nobody spoke."""
    with runtime.ledger.read() as connection:
        return connection.execute(sa.select(sa.func.max(verdict.c.id))).scalar_one() or 0


def thinning(events: int, most: int) -> int:
    """Every how many-th principal-hour is kept, so that about ``most`` events remain."""
    return max(1, -(-events // most))


def matrices(
    runtime: Runtime, parts: Iterable[PartEvents], *, every: int = 1
) -> Iterator[tuple[PartEvents, pl.DataFrame]]:
    """Each part with its feature matrix; `LABEL`, `URGENT` and ``benign`` stand beside the terms.

    Args:
        runtime: connections.
        parts: in order, because in-hour counters go from part to part.
        every: keeps about every so many-th principal-hour, whole, and the same ones at each call. All events count for
            the counters; those with a verdict are all kept.
    """
    from s3sentinel_assets.ml.features.matrix import feature_matrix

    counters: dict[str, Counters] = {}
    for part in parts:
        model = runtime.model(part.state.format)
        matrix, counters[part.source] = feature_matrix(
            part.batch,
            part.state,
            counters.get(part.source),
            model.parameters,
            format=part.state.format,
            hour=part.hour,
            sensitivity=model.sensitivity,
        )
        matrix = matrix.hstack([part.batch[LABEL], part.batch[URGENT], part.benign])
        # What is left out of history has no principal and no bits.
        matrix = matrix.filter(pl.col("principal").is_not_null())
        yield part, matrix if every == 1 else matrix.filter(_kept(matrix, every))


def _kept(matrix: pl.DataFrame, every: int) -> pl.Series:
    """Boolean per row: by a checksum of principal and hour, so neither order nor parts matter."""
    names = matrix["principal"].unique()
    limit = _HASH_SPACE // every
    hour = matrix["hour"].first()
    chosen = [name for name in names if zlib.crc32(f"{name}\n{hour}".encode()) < limit]
    return matrix.select((pl.col("principal").is_in(chosen) | pl.col(LABEL).is_not_null()).alias("kept"))["kept"]


def _hours(span: Span) -> Iterator[str]:
    hour = span.first
    while hour <= span.last:
        yield hour
        hour = shift_hour(hour, 1)


def _batches(runtime: Runtime, source: str, hour: str, log_format: str) -> Iterator[pl.DataFrame]:
    """The entity files of a log family part by part, with `URGENT`."""
    with runtime.ledger.read() as connection:
        parts = [part.id for part in parts_of_hour(connection, source, hour)]
        parsed = latest_stages(connection, parts, Stage.PARSED)
        scored = latest_stages(connection, parts, Stage.SCORED)
    for part in parts:
        if part not in parsed:
            continue
        scores = {file.ordinal: file for file in scored[part].files_of("scores")} if part in scored else {}
        frames = [
            _with_urgency(runtime, file, scores.get(file.ordinal))
            for file in parsed[part].files_of("entities")
            if file.format == log_format
        ]
        if frames:
            yield pl.concat(frames)


def _with_urgency(runtime: Runtime, file: StageFile, scores: StageFile | None) -> pl.DataFrame:
    batch = pl.read_parquet(runtime.store.checked_path(file.uri, file.sha256))
    nobody = pl.Series(URGENT, [False]).new_from_index(0, batch.height)
    if scores is None or scores.rows != batch.height:
        return batch.with_columns(nobody)
    path = runtime.store.checked_path(scores.uri, scores.sha256)
    priority = pl.read_parquet(path, columns=["Priority_CF"])["Priority_CF"]
    return batch.with_columns(priority.is_in(_URGENT_PRIORITIES).fill_null(False).alias(URGENT))


class _States:
    """The states of a source, hour by hour."""

    def __init__(self, runtime: Runtime, source: str, log_format: str) -> None:
        self._runtime, self._source, self._format = runtime, source, log_format
        with runtime.ledger.read() as connection:
            self._sealed = {state.hour: state for state in ledger_states.states_of(connection, source)}
        self._carried: EntityState | None = None
        self._pending: list[PartEvents] = []

    def before(self, hour: str) -> "EntityState | None":
        """The state before ``hour``; None where there is none at all."""
        previous = shift_hour(hour, -1)
        self._carry_on(previous)
        wanted = max((each for each in self._sealed if each <= previous), default=None)
        if wanted is not None and (self._carried is None or wanted > self._carried.hour):
            read = read_history(self._runtime.ledger, self._runtime.store, self._sealed[wanted])
            self._carried = read.states.get(self._format, self._carried)
        return self._carried

    def saw(self, part: PartEvents) -> None:
        """Takes in a part of the hour that is being read, if no sealed state will have learned it."""
        if part.hour not in self._sealed:
            self._pending.append(part)

    def _carry_on(self, previous: str) -> None:
        from s3sentinel_assets.ml import learned_columns, update

        pending, self._pending = self._pending, []
        if not pending or self._carried is None or self._carried.hour >= previous:
            return
        columns = learned_columns(self._format)
        batches = (part.batch.filter(part.benign).select(columns) for part in pending)
        model = self._runtime.model(self._format)
        self._carried = update(self._carried, batches, previous, format=self._format, model=model)


class _Verdicts:
    """What analysts said about a source, laid beside events."""

    def __init__(self, runtime: Runtime, source: str) -> None:
        with runtime.ledger.read() as connection:
            given = ledger_verdicts.verdicts(connection, source=source)
        order = {one.id: place for place, one in enumerate(given)}  # of both kinds together
        self._of_events = _frame([one for one in given if one.event_id], ("event_id",), order)
        self._of_hours = _frame([one for one in given if not one.event_id], ("principal", "hour", "account"), order)

    def label(self, batch: pl.DataFrame, hour: str) -> pl.DataFrame:
        """The batch with `LABEL`: of all verdicts about an event the newest counts, ``unsure`` takes one back."""
        mine = self._of_hours.filter(pl.col("hour") == hour)
        if not self._of_events.height and not mine.height:
            return batch.with_columns(pl.lit(None, pl.String()).alias(LABEL))
        found = batch.select("event_id", "principal", "account").with_row_index("row")
        said = [
            found.join(self._of_events, on="event_id").select("row", "order", "word"),
            found.join(mine.drop("account").filter(mine["account"].is_null()), on="principal").select(
                "row", "order", "word"
            ),
            found.join(mine.filter(pl.col("account").is_not_null()), on=["principal", "account"]).select(
                "row", "order", "word"
            ),
        ]
        newest = pl.concat(said).sort("order").group_by("row").agg(pl.col("word").last())
        labels = found.select("row").join(newest, on="row", how="left", maintain_order="left")["word"]
        label = pl.when(pl.col("word") != ledger_verdicts.Word.UNSURE.value).then("word").alias(LABEL)
        return batch.with_columns(labels.to_frame("word").select(label)[LABEL])


def _frame(
    given: Sequence[ledger_verdicts.RecordedVerdict], names: tuple[str, ...], order: Mapping[int, int]
) -> pl.DataFrame:
    schema = {**dict.fromkeys(names, pl.String()), "order": pl.Int64(), "word": pl.String()}
    rows = [
        {**{name: getattr(one, name) for name in names}, "order": order[one.id], "word": one.verdict.value}
        for one in given
    ]
    return pl.DataFrame(rows, schema=schema)
