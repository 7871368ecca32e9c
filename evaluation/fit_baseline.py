"""Fits the champion that ships in ``models/`` on the made-up background: ``python -m evaluation.fit_baseline``.

Belongs here: which world, which days, which model. Does not belong here: fitting itself (``s3sentinel_assets.ml.
anomaly``), judging the result (``evaluation``, which uses other seeds).

Attacks play no part in it: the champion knows benign events only. Nor does the champion that is there: parameters come
from ``rarity_cloudtrail.json``, so that a change of the terms can be fitted at all.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from evaluation.background import World, make_world
from s3sentinel_assets.hours import hour_end
from s3sentinel_assets.ml.anomaly.fitting import fit_ecod
from s3sentinel_assets.ml.features.matrix import feature_matrix
from s3sentinel_assets.ml.history.keys import Events
from s3sentinel_assets.ml.history.update import update
from s3sentinel_assets.ml.parameters import TERMS, Parameters
from s3sentinel_assets.ml.priority.rule_items import rule_items
from s3sentinel_assets.ml.priority.sensitivity import SensitivityRules, load_sensitivity
from s3sentinel_assets.ml.scoring.model import load_weights

__all__ = ["SEED", "Learner", "main", "replayed", "training_matrix"]

#: Of the world to fit on; no evaluation uses it.
SEED = 1_000
FORMAT = "cloudtrail"
#: Days without history teach nothing about days with it.
_FIRST_DAY, _DAYS = 3, 10
_MODELS = Path(__file__).parents[1] / "models"


@dataclass(frozen=True)
class Learner:
    """As much of a model as learning history takes."""

    parameters: Parameters
    format: str = FORMAT
    sensitivity: SensitivityRules = field(default_factory=SensitivityRules)

    def rule_items(self, events: Events, detail: pl.Series) -> pl.Series | None:
        """The sensitivity rules that events fit; None where there are no rules."""
        return rule_items(self.sensitivity.levels(events, detail), events.failures) if self.sensitivity.rules else None


def replayed(world: World) -> Iterator[tuple[str, pl.DataFrame]]:
    """The events of the world by the hour in which their files arrive, as the product sees them."""
    waiting: pl.DataFrame | None = None
    for hour, frame in world.frames():
        known = frame if waiting is None else pl.concat([waiting, frame])
        arrived = known["arrival"] < hour_end(hour)
        waiting = known.filter(~arrived)
        yield hour, known.filter(arrived)


def training_matrix(
    world: World, parameters: Parameters, sensitivity: SensitivityRules, *, first_day: int = _FIRST_DAY
) -> pl.DataFrame:
    """``principal``, ``hour`` and the terms of all events from ``first_day`` on, each against the hours before it."""
    matrices, state, learner = [], None, Learner(parameters, sensitivity=sensitivity)
    for number, (hour, batch) in enumerate(replayed(world)):
        if state is not None and number >= 24 * first_day and batch.height:
            matrix, _ = feature_matrix(
                batch, state, None, parameters, format=FORMAT, hour=hour, sensitivity=sensitivity
            )
            matrices.append(matrix.filter(pl.col("principal").is_not_null()).select("principal", "hour", *TERMS))
        state = update(state, [batch], hour, format=FORMAT, model=learner)
    return pl.concat(matrices)


def main(arguments: list[str] | None = None) -> None:
    """Fits the CloudTrail champion and writes it."""
    parser = argparse.ArgumentParser(prog="python -m evaluation.fit_baseline", description=__doc__)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--days", type=int, default=_DAYS, help=f"the first {_FIRST_DAY} are history only")
    parser.add_argument("--scale", type=float, default=1.0, help="size of the world; 1 is about 85,000 events a day")
    parser.add_argument("--models", type=Path, default=_MODELS, help="where the parameters are")
    parser.add_argument("--output", type=Path, default=None, help="folder of the champion; by default beside them")
    options = parser.parse_args(arguments)
    began, days = time.monotonic(), options.days - _FIRST_DAY
    if days < 1:
        parser.error(f"--days: must be above {_FIRST_DAY}")
    parameters, _ = load_weights(options.models, FORMAT)
    sensitivity = load_sensitivity(options.models / "sensitivity.json").for_format(FORMAT)
    matrix = training_matrix(make_world(options.seed, options.days, scale=options.scale), parameters, sensitivity)
    detector = fit_ecod(matrix, format=FORMAT, days=days)
    detector.save(options.output or options.models / f"ecod_{FORMAT}")
    print(
        f"{detector.version}: {matrix.height:,} events of {days} days, {detector.events_per_day:,.0f} events and "
        f"{detector.hours_per_day:,.0f} principal-hours a day, {time.monotonic() - began:.0f} s"
    )


if __name__ == "__main__":
    main()
