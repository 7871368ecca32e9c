"""What is put into a background: the incidents of the test days, the placebo, and what poisons the history before them.

Belongs here: which sequences, whose, when, in which files they arrive. Does not belong here: the transplant itself
(``s3sentinel_assets.ml.evaluation``), replaying (``seed``).
"""

from datetime import datetime, timedelta

import numpy as np
import polars as pl

from evaluation.dataset import VICTIM_KINDS, Dataset
from evaluation.timeline import in_the_same_files
from s3sentinel_assets.hours import hour_end, hour_start
from s3sentinel_assets.ml.evaluation.circumstances import Shared
from s3sentinel_assets.ml.evaluation.transplant import SEQUENCE_SCHEMA, transplant
from s3sentinel_assets.ml.evaluation.victims import VICTIM_COLUMNS, victims

__all__ = ["drip", "incidents", "people", "placebo", "poison", "possible"]

_DRIP_EVERY = timedelta(hours=8)
_OWN = Shared(1, 1, 1, 1)


def people(dataset: Dataset) -> pl.DataFrame:
    """Everybody in the background, with habits and kind (``victim``)."""
    found = victims(dataset.background(hour).select(VICTIM_COLUMNS) for hour in dataset.hours)
    return found.join(dataset.kinds, on=["account", "principal"], how="left", nulls_equal=True, maintain_order="left")


def incidents(dataset: Dataset, everybody: pl.DataFrame, hours: list[str], seed: int, copies: int) -> pl.DataFrame:
    """The attacks, in the given hours."""
    events = transplant(
        dataset.attacks,
        possible(everybody),
        first=hour_start(hours[0]),
        last=_end(hours),
        seed=seed,
        copies=copies,
    )
    return in_the_same_files(events, _background(dataset, hours), seed)


def poison(dataset: Dataset, everybody: pl.DataFrame, hours: list[str], seed: int) -> pl.DataFrame:
    """Earlier attacks in the training days, twice each sequence; nobody saw them, so they become history."""
    return incidents(dataset, everybody, hours, seed + 7_000, 2)


def drip(added: pl.DataFrame, hours: list[str], dataset: Dataset, seed: int) -> pl.DataFrame:
    """The events of each incident beforehand, one every eight hours of the training days, again and again.

    Whoever is patient does what they are about to do so slowly that it becomes a habit of their victim.
    """
    first = hour_start(hours[0])
    count = int((_end(hours) - first) / _DRIP_EVERY)
    rng = np.random.default_rng(seed + 8_000)
    numbered = added.sort("time", "event_id").with_columns(
        place=pl.int_range(pl.len()).over("incident"), of=pl.len().over("incident")
    )
    names = numbered.select("incident", "of").unique().sort("incident")
    jitter = rng.integers(0, int(_DRIP_EVERY / timedelta(microseconds=1)), names.height)
    plan = (
        names.with_columns(jitter=pl.Series(jitter).cast(pl.Duration("us")))
        .join(pl.DataFrame({"turn": pl.int_range(count, eager=True)}), how="cross")
        .with_columns(
            place=pl.col("turn") % pl.col("of"), at=pl.lit(first) + pl.col("turn") * _DRIP_EVERY + pl.col("jitter")
        )
    )
    events = (
        plan.drop("of")
        .join(numbered.drop("of"), on=["incident", "place"], how="inner")
        .with_columns(time=pl.col("at"), event_id=pl.format("{}-{}", "event_id", "turn"))
        .filter(pl.col("time") < _end(hours))
        .drop("turn", "place", "at", "jitter")
    )
    return in_the_same_files(events, _background(dataset, hours), seed)


def placebo(
    dataset: Dataset, everybody: pl.DataFrame, hours: list[str], seed: int, count: int
) -> tuple[pl.Series, pl.DataFrame]:
    """Principal-hours of the background, cut out and put back in the same way as attacks are.

    If that alone made events look suspicious, these would alert more often than the background.

    Returns:
        Ids of the events that are cut out, and the events that are put in instead.
    """
    who = ["account", "principal"]
    background = _background(dataset, hours).join(possible(everybody), on=who, how="semi")
    background = background.with_columns(hour=pl.col("time").dt.truncate("1h"))
    drawn = background.select(*who, "hour").unique().sort(*who, "hour")
    drawn = drawn.sample(min(count, drawn.height), seed=seed).sort(*who, "hour").with_row_index("number")
    events = background.join(drawn, on=[*who, "hour"], how="inner").with_columns(
        sequence=pl.format("placebo{}", "number"),
        technique=pl.lit("benign"),
        offset=pl.col("time") - pl.col("time").min().over("number"),
    )
    sequences = events.select(pl.col(name).cast(kind) for name, kind in SEQUENCE_SCHEMA.items())
    # Each stays on its day: what became usual on the third day was still news on the first, and that is not the
    # transplant's doing.
    put = pl.concat(
        transplant(
            sequences.filter(pl.col("time").is_between(hour_start(day[0]), _end(day), closed="left")),
            possible(everybody),
            first=hour_start(day[0]),
            last=_end(day),
            seed=seed + 9_000 + number,
            shared=_OWN,
            kind="placebo",
            own=True,
        )
        for number, day in enumerate(_days(hours))
    )
    return events["event_id"], in_the_same_files(put, background, seed)


def possible(everybody: pl.DataFrame) -> pl.DataFrame:
    """Those whose names are used."""
    return everybody.filter(pl.col("victim").is_in(VICTIM_KINDS))


def _background(dataset: Dataset, hours: list[str]) -> pl.DataFrame:
    return pl.concat([dataset.background(hour) for hour in hours])


def _days(hours: list[str]) -> list[list[str]]:
    return [hours[at : at + 24] for at in range(0, len(hours), 24)]


def _end(hours: list[str]) -> datetime:
    return hour_end(hours[-1])
