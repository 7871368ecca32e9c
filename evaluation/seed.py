"""One seed from background to figures: history, training days, test days, and the test days once more in other ways.

Belongs here: the order of things. Does not belong here: what each of them does (``timeline``, ``chain``, ``rivals``).
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import polars as pl

from evaluation import transplants
from evaluation.chain import Chain
from evaluation.dataset import Dataset, Plan, open_dataset
from evaluation.outcome import Outcomes
from evaluation.rivals import CHAMPION, SHIPPED, detectors, scores, supervised
from evaluation.timeline import Timeline
from s3sentinel_assets.hours import hour_start
from s3sentinel_assets.ml import Counters, EntityState, load_model, score
from s3sentinel_assets.ml.evaluation.outcomes import RANKS, rank
from s3sentinel_assets.ml.parameters import TERMS
from s3sentinel_assets.tables.entities import ENTITY_SCHEMA

__all__ = ["BATCH", "FORMAT", "STATE", "Tell", "evaluate_seed"]

FORMAT = "cloudtrail"
#: What a worker leaves for measuring the throughput.
BATCH, STATE = "hour.parquet", "state.parquet"
#: Called with the share that is done and what is being done.
Tell = Callable[[float, str], None]
#: The sealed state of an hour is there so long after it has closed.
_GRACE = timedelta(minutes=15)
_BIG_HOUR = 200_000
#: In the test days, the first part of every so many hours is held against the product's own `score`.
_CHECK_EVERY = 6
_KEPT = [
    *("account", "principal_type", "service", "action", "error", "read_only"),
    *("kind", "incident", "technique", "variant", "victim"),
]


@dataclass(frozen=True)
class _Part:
    """A part as it was scored, to score it once more."""

    chain: Chain
    batch: pl.DataFrame
    hour: str


def evaluate_seed(plan: Plan, seed: int, folder: Path, tell: Tell) -> None:
    """Evaluates a seed; the results are files in ``folder`` (see ``outcome``).

    Raises:
        UserError: the data cannot be evaluated.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tell(0.0, "background")
    dataset = _stored(open_dataset(plan, seed), folder / "background")
    history, training, test = plan.window.split(dataset.hours)
    everybody = transplants.people(dataset)
    added = transplants.incidents(dataset, everybody, test, seed, plan.copies)
    timeline = Timeline(dataset.hours, dataset.background, added)
    model = load_model(plan.models_dir, FORMAT)
    steps = _Steps(tell, poisoned=seed in plan.poisoning)

    begun = _learn(Chain.beginning(model, _before(history[0])), timeline, history, steps.part("history"))
    chain, seen = _train(begun, timeline, training, steps.part("training days"))
    seen = _benign(seen)
    fitted = detectors(seen, plan.models_dir, FORMAT, len(training) / 24)
    chain = replace(chain, model=model.with_detector(fitted[CHAMPION]))
    rivals = {"rarity": model.with_detector(fitted["rarity"]), SHIPPED: model}
    compared = replace(chain, rivals=rivals)
    events, largest = _test(compared, timeline, test, plan.part_minutes, steps.part("test days"))

    outcomes = Outcomes(seed, len(test) / 24)
    outcomes.add(CHAMPION, events, events["raw"], events["priority"])
    for name in rivals:
        outcomes.add(name, events, events[f"raw:{name}"], events[f"priority:{name}"])
    steps.tell("models")
    for name, raw in scores(seen, events).items():
        outcomes.add(name, events, raw)
    if plan.supervised:
        for name, each in supervised(seen, events, FORMAT, len(training) / 24, seed=seed):
            outcomes.add(name, events, each.raw, fold=each.fold)

    removed, put = transplants.placebo(dataset, everybody, test, seed, added["incident"].n_unique())
    calm = Timeline(dataset.hours, dataset.background, put, removed)
    outcomes.placebo(_test(chain, calm, test, 60, steps.part("placebo"))[0], transplants.possible(everybody))
    if seed in plan.poisoning:
        _poisoned(plan, seed, dataset, everybody, timeline, begun, chain, outcomes, steps)
    outcomes.facts |= {
        "dataset": dataset.name,
        "attacks": dataset.origin,
        "model": chain.model.version,
        "shipped": model.version,
        "deterministic": _repeats(largest),
    }
    _leave_big_hour(folder, dataset, test, chain.state)
    outcomes.save(folder)
    tell(1.0, "done")


class _Steps:
    """Which share of a seed's time each of its steps takes, roughly."""

    def __init__(self, tell: Tell, *, poisoned: bool) -> None:
        weights = {"history": 3, "training days": 16, "test days": 55, "models": 10, "placebo": 16}
        if poisoned:
            weights |= {"poisoned history": 45, "slow drip": 60}
        total = sum(weights.values())
        self._shares = {name: weight / total for name, weight in weights.items()}
        self._tell, self._done = tell, 0.0

    def part(self, name: str) -> Callable[[float], None]:
        """Begins a step; the function is told what share of it is done."""
        begin = self._done
        self._done += self._shares[name]
        self._tell(begin, name)
        return lambda share: self._tell(begin + share * self._shares[name], name)

    def tell(self, name: str) -> None:
        """A step that does not tell how far it is."""
        self.part(name)


def _stored(dataset: Dataset, folder: Path) -> Dataset:
    """The data set with its background on disk: it is read again and again, and would fill the memory."""
    folder.mkdir(exist_ok=True)

    def file(hour: str) -> Path:
        return folder / f"{hour.replace(':', '')}.parquet"

    for hour in dataset.hours:
        dataset.background(hour).write_parquet(file(hour), compression="lz4")
    return replace(dataset, background=lambda hour: pl.read_parquet(file(hour)))


def _before(hour: str) -> str:
    from s3sentinel_assets.hours import shift_hour

    return shift_hour(hour, -1)


def _learn(chain: Chain, timeline: Timeline, hours: list[str], done: Callable[[float], None]) -> Chain:
    """History only: nothing is scored."""
    for number, (hour, arrived) in enumerate(timeline.arrivals(hours[0], hours[-1])):
        chain = chain.learn(hour, arrived, None)
        done(number / len(hours))
    return chain


def _train(
    chain: Chain, timeline: Timeline, hours: list[str], done: Callable[[float], None]
) -> tuple[Chain, pl.DataFrame]:
    """Training days in whole hours; everything that was scored, with its features."""
    scored = []
    for number, (hour, arrived) in enumerate(timeline.arrivals(hours[0], hours[-1])):
        chain, result = chain.score(arrived, hour, check=number % (4 * _CHECK_EVERY) == 0)
        scored.append(_beside(arrived, result))
        chain = chain.learn(hour, arrived, result["priority"])
        done(number / len(hours))
    return chain, pl.concat(scored)


def _benign(scored: pl.DataFrame) -> pl.DataFrame:
    return scored.filter(pl.col("kind") == "background", pl.col("principal").is_not_null())


def _test(
    chain: Chain,
    timeline: Timeline,
    hours: list[str],
    minutes: int,
    done: Callable[[float], None],
) -> tuple[pl.DataFrame, _Part | None]:
    """Test days in parts as they arrive; what was scored, and the largest part of them."""
    scored: list[pl.DataFrame] = []
    largest: _Part | None = None
    unsealed: tuple[str, pl.DataFrame, pl.Series] | None = None
    for number, (hour, arrived) in enumerate(timeline.arrivals(hours[0], hours[-1])):
        begin, priorities = hour_start(hour), []
        parts = arrived.with_columns(part=pl.col("arrival").dt.truncate(f"{minutes}m")).sort(
            "part", maintain_order=True
        )
        for (start,), part in parts.partition_by("part", as_dict=True, maintain_order=True).items():
            # Until the hour before is sealed, the state is that of two hours ago.
            if unsealed and (minutes == 60 or start - begin >= _GRACE):  # pyright: ignore[reportOperatorIssue]
                chain, unsealed = chain.learn(*unsealed), None
            batch = part.drop("part")
            if largest is None or batch.height > largest.batch.height:
                largest = _Part(chain, batch, hour)
            chain, result = chain.score(batch, hour, check=not priorities and number % _CHECK_EVERY == 0)
            scored.append(_beside(batch, result))
            priorities.append(result["priority"])
        if unsealed:
            chain, unsealed = chain.learn(*unsealed), None
        if priorities:
            unsealed = (hour, parts.drop("part"), pl.concat(priorities))
        else:
            chain = chain.learn(hour, arrived, None)
        done(number / len(hours))
    return pl.concat(scored), largest


def _beside(batch: pl.DataFrame, result: pl.DataFrame) -> pl.DataFrame:
    """The columns that figures need, of a part that was scored."""
    # Bits have two decimals of meaning; half the memory.
    return batch.select(_KEPT).hstack(result.drop("event_id").with_columns(pl.col(TERMS).cast(pl.Float32)))


def _poisoned(
    plan: Plan,
    seed: int,
    dataset: Dataset,
    everybody: pl.DataFrame,
    timeline: Timeline,
    begun: Chain,
    chain: Chain,
    outcomes: Outcomes,
    steps: _Steps,
) -> None:
    """The same test days and the same model, after training days in which somebody worked on the history."""
    _, training, test = plan.window.split(dataset.hours)
    poison = transplants.poison(dataset, everybody, training, seed)
    done = steps.part("poisoned history")
    missed = _learn(begun, Timeline(dataset.hours, dataset.background, poison), training, lambda share: done(share / 5))
    missed = replace(missed, model=chain.model)
    events, _ = _test(missed, timeline, test, plan.part_minutes, lambda share: done(0.2 + 0.8 * share))
    outcomes.add(CHAMPION, events, events["raw"], events["priority"], setting="poisoned")
    drip = transplants.drip(timeline.added, training, dataset, seed)
    done = steps.part("slow drip")
    # Live protection is on: what looks urgent while it drips is not learned.
    worn, dripped = _train(
        begun, Timeline(dataset.hours, dataset.background, drip), training, lambda share: done(share / 4)
    )
    outcomes.facts["dripping"] = _seen_dripping(dripped)
    worn = replace(worn, model=chain.model)
    events, _ = _test(worn, timeline, test, plan.part_minutes, lambda share: done(0.25 + 0.75 * share))
    outcomes.add(CHAMPION, events, events["raw"], events["priority"], setting="slow drip")


def _seen_dripping(scored: pl.DataFrame) -> dict[str, int]:
    """How many of those who worked on the history were noticed while they did, by the highest priority they got."""
    theirs = scored.filter(pl.col("incident").is_not_null())
    highest = theirs.select("incident", rank=rank(theirs["priority"])).group_by("incident").agg(pl.max("rank"))["rank"]
    at_least = {name: int((highest >= RANKS[name]).sum()) for name in ("high", "medium")}
    return {"incidents": highest.len(), **at_least}


def _repeats(part: _Part | None) -> bool:
    """Whether a part gives the same, bit for bit, with rows shuffled and history and counters read from files."""
    import io

    if part is None:
        return False
    snapshot, counted = io.BytesIO(), io.BytesIO()
    part.chain.state.to_parquet(snapshot)
    state = EntityState.from_parquet(snapshot.getvalue())
    counters = part.chain.counters
    if counters is not None:
        counters.to_parquet(counted)
        counters = Counters.from_parquet(counted.getvalue())
    batch = part.batch.select(list(ENTITY_SCHEMA)).sort("event_id")
    first = score(batch, part.chain.state, part.chain.counters, part.chain.model, hour=part.hour)
    mixed = batch.with_row_index("row").sample(fraction=1.0, shuffle=True, seed=1)
    second = score(mixed.drop("row"), state, counters, part.chain.model, hour=part.hour)
    again = second.scores.with_columns(mixed["row"]).sort("row").drop("row")
    return first.scores.equals(again) and first.counters.frame.equals(second.counters.frame)


def _leave_big_hour(folder: Path, dataset: Dataset, hours: list[str], state: EntityState) -> None:
    """The first hours of the test days, taken together for one hour of the usual size at which speed is measured."""
    frames, rows = [], 0
    for hour in hours:
        frames.append(dataset.background(hour).select(list(ENTITY_SCHEMA)))
        rows += frames[-1].height
        if rows >= _BIG_HOUR:
            break
    start = hour_start(hours[0])
    batch = pl.concat(frames).head(_BIG_HOUR)
    batch = batch.with_columns(time=pl.lit(start) + (pl.col("time") - pl.col("time").dt.truncate("1h")))
    batch.write_parquet(folder / BATCH)
    state.to_parquet(folder / STATE)
    (folder / "hour.json").write_text(json.dumps({"hour": hours[0]}), encoding="utf-8")
