"""Fits a detector of VPC flow records on the sample networks: ``python -m evaluation.fit_flows``.

Belongs here: which networks, which days, which model, and what is told of the result on networks that it was not fitted
on. Does not belong here: fitting itself (``s3sentinel_assets.ml.anomaly``), CloudTrail (``fit_baseline``).

There are no labelled attacks on networks. What is told is the share of benign events that would be at least medium, and
the priorities of the sample attack: a sweep of the neighbours and gigabytes to a stranger. The networks are more
regular than real ones; `flow_oddities` makes up for some of that. Without it, a tenth of the odd traffic was medium.
"""

import argparse
import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from evaluation.fit_baseline import Learner
from evaluation.flow_oddities import with_oddities
from s3sentinel_assets.formats import ObjectInput, PartParser
from s3sentinel_assets.hours import hour_key, hour_range, hour_start, shift_hour
from s3sentinel_assets.local.generator import DROP_ADDRESS, Generator, SeedObject, attack_story
from s3sentinel_assets.ml.anomaly.detector import Detector
from s3sentinel_assets.ml.anomaly.fitting import fit_ecod, fit_rarity
from s3sentinel_assets.ml.features.matrix import feature_matrix
from s3sentinel_assets.ml.history.counters import Counters
from s3sentinel_assets.ml.history.state import EntityState
from s3sentinel_assets.ml.history.update import update
from s3sentinel_assets.ml.parameters import TERMS, Parameters
from s3sentinel_assets.ml.scoring.model import load_model, load_weights
from s3sentinel_assets.ml.scoring.score import score

__all__ = ["CHECK_SEEDS", "SEEDS", "Outcome", "check", "fitted", "flow_hours", "main", "training_matrix"]

FORMAT = "vpc_flow"
#: Networks to fit on, and others to look at the result with; no other program uses any of them.
SEEDS, CHECK_SEEDS = (5_001, 5_002, 5_003), (5_101, 5_102)
#: A Friday; days without history teach nothing about days with it.
_START = datetime(2026, 5, 29, tzinfo=UTC)
_FIRST_DAY, _DAYS = 3, 7
_MODELS = Path(__file__).parents[1] / "models"
_URGENT = ("critical", "high", "medium")


def flow_hours(objects: Iterable[tuple[str, Iterable[SeedObject]]]) -> Iterator[tuple[str, pl.DataFrame]]:
    """Each hour with the entity view of its flow log objects, through the product's own parser."""
    for hour, items in objects:
        inputs = [
            ObjectInput(
                number,
                item.key,
                hashlib.sha256(item.key.encode()).hexdigest()[:32],
                lambda item=item: iter([item.body]),
            )
            for number, item in enumerate(items)
            if item.source == FORMAT
        ]
        frames = [frame.entities for frame in PartParser(FORMAT).frames(inputs)]
        if frames:
            yield hour, pl.concat(frames)


def _hours(seed: int, days: int, scale: float, *, attacked: bool = False) -> Iterator[tuple[str, list[SeedObject]]]:
    """The objects of a network; the attack, if there is one, lies in the last hour."""
    generator = Generator(seed, scale)
    first = hour_key(_START)
    last = shift_hour(first, 24 * days - 1)
    for hour in hour_range(first, last):
        items = list(generator.objects(FORMAT, hour))
        if attacked and hour == last:
            items += [item for item in attack_story(generator, hour) if item.source == FORMAT]
        yield hour, items


def training_matrix(seed: int, days: int, parameters: Parameters, *, scale: float = 1.0) -> pl.DataFrame:
    """``principal``, ``hour`` and the terms of all events of a network from the fourth day on."""
    matrices: list[pl.DataFrame] = []
    state: EntityState | None = None
    learner = Learner(parameters, FORMAT)
    for hour, ordinary in flow_hours(_hours(seed, days, scale)):
        batch = with_oddities(hour, ordinary, seed)
        if state is not None and hour_start(hour) >= hour_start(shift_hour(hour_key(_START), 24 * _FIRST_DAY)):
            matrix, _ = feature_matrix(batch, state, None, parameters, format=FORMAT, hour=hour)
            matrices.append(matrix.filter(pl.col("principal").is_not_null()).select("principal", "hour", *TERMS))
        state = update(state, [batch], hour, format=FORMAT, model=learner)
    return pl.concat(matrices)


@dataclass(frozen=True)
class Outcome:
    """What a detector made of a network that it was not fitted on.

    Attributes:
        events: benign ones, from the fourth day on.
        urgent: of them, how many would be medium or more.
        hours: principal-hours with such an event, a day.
        attack: priority → events, of the sweep and of the transfer.
    """

    events: int
    urgent: int
    hours: float
    attack: Mapping[str, Mapping[str, int]]


def check(detector: Detector, seed: int, days: int, *, models: Path = _MODELS, scale: float = 1.0) -> Outcome:
    """Scores a network with an attack in its last hour."""
    model = load_model(models, FORMAT).with_detector(detector)
    counters, state = Counters(), None
    events = urgent = hours = 0
    attack: dict[str, dict[str, int]] = {"sweep": {}, "transfer": {}}
    last = shift_hour(hour_key(_START), 24 * days - 1)
    for hour, ordinary in flow_hours(_hours(seed, days, scale, attacked=True)):
        batch = with_oddities(hour, ordinary, seed) if hour != last else ordinary
        if state is not None and hour_start(hour) >= hour_start(shift_hour(hour_key(_START), 24 * _FIRST_DAY)):
            result = score(batch, state, counters, model, hour=hour)
            counters = result.counters
            scored = batch.select("principal", "action", "target", "bytes").hstack(result.scores)
            sent = pl.col("action").str.contains(r"/egress/|/internal/")
            sweep = pl.col("action").str.contains(r"^tcp/(22|445|3389)/.*/REJECT$") & sent
            transfer = (pl.col("target") == DROP_ADDRESS) & sent & (pl.col("bytes") > 1 << 24)
            parts = {"sweep": scored.filter(sweep), "transfer": scored.filter(transfer)} if hour == last else {}
            for name, part in parts.items():
                attack[name] = dict(part["Priority_CF"].value_counts().sort("Priority_CF").iter_rows())
            if hour != last:
                events += scored.height
                loud = scored.filter(pl.col("Priority_CF").is_in(_URGENT))
                urgent += loud.height
                hours += loud["principal"].n_unique()
        state = update(state, [batch], hour, format=FORMAT, model=model)
    return Outcome(events, urgent, hours * 24 / max(24 * (days - _FIRST_DAY) - 1, 1), attack)


def fitted(kind: str, seeds: Sequence[int], days: int, *, models: Path = _MODELS, scale: float = 1.0) -> Detector:
    """The detector on the benign events of some networks; what it expects is a day of one of them."""
    parameters, weights = load_weights(models, FORMAT)
    matrix = pl.concat([training_matrix(seed, days, parameters, scale=scale) for seed in seeds])
    length = float((days - _FIRST_DAY) * len(seeds))
    if kind == "ecod":
        return fit_ecod(matrix, format=FORMAT, days=length)
    return fit_rarity(matrix, weights=weights, format=FORMAT, days=length)


def main(arguments: list[str] | None = None) -> None:
    """Fits the detector of flow records, tells what it does elsewhere, and writes it."""
    parser = argparse.ArgumentParser(prog="python -m evaluation.fit_flows", description=__doc__)
    parser.add_argument("--kind", choices=("rarity", "ecod"), default="rarity")
    parser.add_argument("--days", type=int, default=_DAYS, help=f"the first {_FIRST_DAY} are history only")
    parser.add_argument("--scale", type=float, default=1.0, help="size of a network; 1 is about 60,000 records a day")
    parser.add_argument("--models", type=Path, default=_MODELS, help="where the parameters are")
    parser.add_argument("--output", type=Path, help="folder of the detector; without it nothing is written")
    options = parser.parse_args(arguments)
    if options.days <= _FIRST_DAY:
        parser.error(f"--days: must be above {_FIRST_DAY}")
    began = time.monotonic()
    detector = fitted(options.kind, SEEDS, options.days, models=options.models, scale=options.scale)
    print(
        f"{detector.version}: {detector.events_per_day:,.0f} events and {detector.hours_per_day:,.0f} "
        f"principal-hours a day, {time.monotonic() - began:.0f} s"
    )
    for seed in CHECK_SEEDS:
        found = check(detector, seed, options.days, models=options.models, scale=options.scale)
        share = found.urgent / found.events if found.events else 0.0
        print(f"network {seed}: {share:.2%} of {found.events:,} events and {found.hours:.1f} principal-hours a day")
        print(
            "  are medium or more; attack: " + ", ".join(f"{name} {dict(each)}" for name, each in found.attack.items())
        )
    if options.output:
        detector.save(options.output)


if __name__ == "__main__":
    main()
