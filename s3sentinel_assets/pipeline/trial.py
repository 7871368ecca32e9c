"""A trial: the last days of one's own events with attacks put into them, as two models see them.

Belongs here: the background, the transplants, and both models' scores and priorities of every event. Does not belong
here: figures (``ml.evaluation``), what follows from them (``ml.evaluation.gate``, ``training``).

The attacks are the stories that ship with the project, done in the name of one's own principals. They exist in memory
only: no state, stage file or ledger row ever holds one.
"""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.hours import HOUR_FORMAT, hour_end, hour_start
from s3sentinel_assets.pipeline.observed import observed_hours
from s3sentinel_assets.pipeline.runtime import Runtime
from s3sentinel_assets.pipeline.training_data import (
    LABEL,
    URGENT,
    PartEvents,
    Span,
    backgrounds,
    benign_rows,
    read_parts,
    thinning,
)
from s3sentinel_assets.tables.entities import ENTITY_SCHEMA

if TYPE_CHECKING:
    from s3sentinel_assets.ml.anomaly.detector import Detector
    from s3sentinel_assets.ml.evaluation.drift import Histograms
    from s3sentinel_assets.ml.history.counters import Counters
    from s3sentinel_assets.ml.scoring.model import ScoringModel

__all__ = ["Seen", "Trial", "run_trial"]

_TRUTH = {"kind": pl.String(), "incident": pl.String(), "technique": pl.String(), "variant": pl.String()}
_VICTIM = {"victim": pl.String()}
_LEAST_INCIDENTS, _LEAST_EVENTS = 60, 20
#: principal_type → kind of victim; whoever is not named is no victim.
_VICTIM_KINDS = {
    **dict.fromkeys(("IAMUser", "IdentityCenterUser", "SAMLUser", "WebIdentityUser", "FederatedUser", "Root"), "human"),
    **dict.fromkeys(("AssumedRole", "Role"), "workload"),
}


@dataclass(frozen=True)
class Seen:
    """What one model makes of the trial's events.

    Attributes:
        raw: Int64 per event.
        rank: Int64 per event; see ``ml.evaluation.outcomes.rank``.
        histograms: of terms and score over the background.
    """

    raw: pl.Series
    rank: pl.Series
    histograms: "Histograms"


@dataclass(frozen=True)
class Trial:
    """The events and what the models make of them.

    Attributes:
        events: ``account``, ``principal``, ``hour``, ``time``, truth columns, ``victim``, ``cold_start``, ``shadow``.
        days: how many days of them were observed (see `observed_hours`); where events were thinned, as many fewer.
        span: which hours.
        models: in the order in which they were given.
        last: the last part, to be scored again.
    """

    events: pl.DataFrame
    days: float
    span: Span
    models: list[Seen] = field(repr=False)
    last: PartEvents | None = field(default=None, repr=False)


def run_trial(
    runtime: Runtime,
    span: Span,
    detectors: "Sequence[Detector]",
    sequences: pl.DataFrame,
    *,
    events: int,
    seed: int = 7,
) -> Trial:
    """Scores the span's benign events, with transplanted sequences among them, by every detector.

    Args:
        runtime: connections.
        span: the last days.
        detectors: the models; each judges with the log family's priority table.
        sequences: ``transplant.SEQUENCE_SCHEMA``; without rows there are no attacks.
        events: how many the span has, to know whether to thin them.
        seed: of all draws.

    Raises:
        UserError: the span has no benign events.
    """
    from s3sentinel_assets.ml.evaluation.drift import Histograms
    from s3sentinel_assets.ml.evaluation.truth import shadows

    attacks = _attacks(runtime, span, sequences, seed)
    models = [runtime.model(span.format).with_detector(detector) for detector in detectors]
    scorer = _Scorer(runtime, models)
    every = thinning(events, runtime.config.models.max_training_events)
    frames: list[pl.DataFrame] = []
    histograms = [Histograms() for _ in models]
    last: PartEvents | None = None
    begun: set[tuple[str, str]] = set()
    busy: set[str] = set()
    for part in read_parts(runtime, span):
        last = part
        if part.batch.height:
            busy.add(part.hour)
        benign = part.batch.filter(benign_rows(part.batch)).drop(LABEL, URGENT)
        mine = [benign.with_columns(_background())]
        if (part.source, part.hour) not in begun:
            begun.add((part.source, part.hour))
            mine.append(attacks.filter((pl.col("source") == part.source) & (pl.col("hour") == part.hour)))
        batch = pl.concat([each.select([*ENTITY_SCHEMA, *_TRUTH, *_VICTIM]) for each in mine])
        seen, matrix = scorer.see(part, batch)
        background = seen["kind"] == "background"
        for place, model in enumerate(models):
            score = model.detector.score(seen[f"raw_{place}"]).filter(background)
            histograms[place] = histograms[place].plus(Histograms.of(matrix.filter(background), score))
        frames.append(_thinned(seen, every))
    if not frames or not any(frame.height for frame in frames):
        raise UserError(f"{span} has no benign {span.format} events to judge a model by")
    whole = pl.concat(frames)
    kept = [name for name in whole.columns if not name.startswith(("raw_", "rank_"))]
    table = whole.select(kept).with_columns(shadows(whole).alias("shadow"))
    seen_by = [Seen(whole[f"raw_{place}"], whole[f"rank_{place}"], histograms[place]) for place in range(len(models))]
    days = observed_hours(busy, span.first, span.last) / 24 / every
    return Trial(table, days, span, seen_by, last)


class _Scorer:
    """Scores batches by several models; in-hour counters of each go from part to part."""

    def __init__(self, runtime: Runtime, models: "Sequence[ScoringModel]") -> None:
        self._runtime, self._models = runtime, models
        self._counters: dict[tuple[str, int], Counters] = {}

    def see(self, part: PartEvents, batch: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Truth, ``raw_N`` and ``rank_N`` of each event that has a principal, and the feature matrix beside them."""
        from s3sentinel_assets.ml import score
        from s3sentinel_assets.ml.evaluation.outcomes import rank
        from s3sentinel_assets.ml.features.matrix import feature_matrix

        log_format = part.state.format
        shipped = self._runtime.model(log_format)
        matrix, counters = feature_matrix(
            batch,
            part.state,
            self._counters.get((part.source, -1)),
            shipped.parameters,
            format=log_format,
            hour=part.hour,
            sensitivity=shipped.sensitivity,
        )
        self._counters[part.source, -1] = counters
        columns = [matrix["cold_start"]]
        for place, model in enumerate(self._models):
            result = score(batch, part.state, self._counters.get((part.source, place)), model, hour=part.hour)
            self._counters[part.source, place] = result.counters
            columns += [
                model.detector.raw(matrix).alias(f"raw_{place}"),
                rank(result.scores["Priority_CF"]).alias(f"rank_{place}"),
            ]
        named = matrix["principal"].is_not_null()
        seen = batch.select("account", "principal", "time", *_TRUTH, *_VICTIM).hstack(columns)
        return seen.with_columns(pl.lit(part.hour).alias("hour")).filter(named), matrix.filter(named)


def _attacks(runtime: Runtime, span: Span, sequences: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Transplanted events with ``source`` and ``hour``."""
    from s3sentinel_assets.ml.evaluation.transplant import transplant
    from s3sentinel_assets.ml.evaluation.victims import victims

    schema = {**ENTITY_SCHEMA, **_TRUTH, **_VICTIM, "source": pl.String(), "hour": pl.String()}
    whose: dict[tuple[str | None, str | None], str] = {}
    if not sequences.height:
        return pl.DataFrame(schema=schema)

    def noted() -> Iterator[pl.DataFrame]:
        for source, batch in backgrounds(runtime, span):
            for who in batch.select("account", "principal").unique().iter_rows():
                whose.setdefault(who, source)
            yield batch

    kind = pl.col("principal_type").replace_strict(_VICTIM_KINDS, default=None, return_dtype=pl.String)
    people = (
        victims(noted())
        .with_columns(victim=kind)
        .filter(pl.col("victim").is_not_null() & (pl.col("events") >= _LEAST_EVENTS))
    )
    if not people.height:
        return pl.DataFrame(schema=schema)
    copies = -(-_LEAST_INCIDENTS // sequences["sequence"].n_unique())
    first, last = hour_start(span.first), hour_end(span.last)
    events = transplant(sequences, people, first=first, last=last, seed=seed, copies=copies)
    names = [*whose]
    home = pl.DataFrame(
        {"account": [name[0] for name in names], "principal": [name[1] for name in names], "source": [*whose.values()]},
        schema={"account": pl.String(), "principal": pl.String(), "source": pl.String()},
    )
    incidents = events.join(home, on=["account", "principal"], how="left", maintain_order="left")
    # What a service does in an incident's course is told where the incident is.
    return incidents.with_columns(
        source=pl.col("source").fill_null(pl.col("source").drop_nulls().first().over("incident")),
        hour=pl.col("time").dt.strftime(HOUR_FORMAT.replace("%M", "00")),
    ).select(list(schema))


def _background() -> list[pl.Expr]:
    nothing = [pl.lit(None, pl.String()).alias(name) for name in (*_TRUTH, *_VICTIM) if name != "kind"]
    return [pl.lit("background").alias("kind"), *nothing]


def _thinned(seen: pl.DataFrame, every: int) -> pl.DataFrame:
    """All events of incidents, and of every so many-th benign principal-hour."""
    if every == 1:
        return seen
    chosen = [
        name
        for name in seen["principal"].unique()
        if zlib.crc32(f"{name}\n{seen['hour'].first()}".encode()) < (1 << 32) // every
    ]
    return seen.filter(pl.col("principal").is_in(chosen) | (pl.col("kind") != "background"))
