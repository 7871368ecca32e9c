"""Scoring a part: pin what it reads, score its entity view, leave counters for the next part of the hour.

Delivery never waits for this: whatever goes wrong, the stage is committed as unscored, with the reason, and counted.
"""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.hours import shift_hour
from s3sentinel_assets.ledger import states as ledger_states
from s3sentinel_assets.ledger.leases import Lease, hold_lease
from s3sentinel_assets.ledger.parts import Part, parts_of_hour
from s3sentinel_assets.ledger.schema import Stage
from s3sentinel_assets.ledger.stages import StageFile, StageResult, commit_stage, latest_stage, latest_stages
from s3sentinel_assets.pipeline.runtime import Runtime
from s3sentinel_assets.pipeline.summary import StageSummary

if TYPE_CHECKING:
    from s3sentinel_assets.ml.model import RarityModel
    from s3sentinel_assets.store import StoredFile

__all__ = ["score_hour"]

_GENERATION = 1
_URGENCY = ("critical", "high", "medium", "low")
_RANKED = ("Priority_CF", "AnomalyScore_CF", "Reasons_CF")
#: What the preview calls the columns of the entity view.
_WHO_AND_WHAT = {
    "time": "time",
    "principal": "who",
    "action": "what",
    "source_ip": "source_ip",
    "target": "target",
}


@dataclass
class _Scored:
    """What scoring one part made."""

    files: list[StageFile] = field(default_factory=list)
    counts: dict[str, int | float | str] = field(default_factory=dict)


def score_hour(runtime: Runtime, source: str, hour: str) -> StageSummary:
    """Brings ``scored_logs`` of the hour up to date, part by part in ledger order."""
    began = time.monotonic()
    summary = StageSummary(source, hour)
    with runtime.ledger.read() as connection:
        parts = parts_of_hour(connection, source, hour)
        done = latest_stages(connection, [part.id for part in parts], Stage.SCORED)
    for part in parts:
        if part.id in done:
            summary.kept += 1
            continue
        with hold_lease(
            runtime.ledger, f"score:{part.id}", runtime.worker, runtime.config.limits.lease_seconds
        ) as held:
            if held is None:
                summary.busy += 1
                continue
            _score_part(runtime, part, held, summary)
    with runtime.ledger.read() as connection:
        results = latest_stages(connection, [part.id for part in parts], Stage.SCORED)
    _add_up(summary, list(results.values()))
    try:
        summary.preview = _most_urgent(runtime, parts, results)
    except (OSError, UserError, pl.exceptions.PolarsError) as error:
        summary.problems.append(f"no preview: {error}")  # a look must not stop the work
    summary.seconds = time.monotonic() - began
    return summary


def _score_part(runtime: Runtime, part: Part, held: Lease, summary: StageSummary) -> None:
    began, ledger = time.monotonic(), runtime.ledger
    with ledger.read() as connection:
        if latest_stage(connection, part.id, Stage.SCORED) is not None:
            summary.kept += 1
            return
        parsed = latest_stage(connection, part.id, Stage.PARSED)
    if parsed is None:
        summary.problems.append(
            f"part {part.id} of {part.source} {part.hour} is not parsed yet; materialise parsed_logs"
        )
        return
    scored = _scored_or_not(runtime, part, parsed, held)
    with ledger.write() as connection:
        commit_stage(
            connection,
            held,
            part_id=part.id,
            which=Stage.SCORED,
            generation=_GENERATION,
            code_version=str(scored.counts.get("model_version", "")),
            files=scored.files,
            counts=scored.counts,
            seconds=time.monotonic() - began,
            now=ledger.now(),
        )
    summary.done += 1


def _scored_or_not(runtime: Runtime, part: Part, parsed: StageResult, held: Lease) -> _Scored:
    """Scores the part, or says why it could not: an unscored event that arrives beats a scored one that does not."""
    from s3sentinel_assets.ml.model import ScoringUnavailable

    rows = sum(file.rows for file in parsed.files_of("entities"))
    try:
        model = _model(runtime, part.source)
    except (ScoringUnavailable, UserError) as reason:
        return _Scored(counts={"scored": 0, "unscored": rows, "unscored_because": str(reason)})
    # Trouble with the ledger is not the model's: it ends this run, and the next one scores.
    pin = _pin(runtime, part, held, model.version)
    with runtime.ledger.read() as connection:
        sealed = ledger_states.state_by_id(connection, pin.state_id) if pin.state_id else None
    try:
        return _run_model(runtime, part, parsed, model, pin, sealed)
    except ScoringUnavailable as reason:
        why = str(reason)
    except (
        pl.exceptions.PolarsError,
        ArithmeticError,
        LookupError,
        OSError,
        TypeError,
        UserError,
        ValueError,
    ) as error:
        why = f"{type(error).__name__}: {error}".splitlines()[0][:300]
    return _Scored(counts={"scored": 0, "unscored": rows, "unscored_because": why})


def _model(runtime: Runtime, source: str) -> "RarityModel":
    from s3sentinel_assets.ml.model import ScoringUnavailable

    settings = runtime.source(source)
    if settings.log_family is None:
        raise ScoringUnavailable(f"no model scores the table {settings.table}")
    return runtime.model(settings.log_family)


def _pin(runtime: Runtime, part: Part, held: Lease, model_version: str) -> ledger_states.ScorePin:
    """The recorded pin, or a new one: the newest sealed state before the hour and the last counters left in it."""
    ledger = runtime.ledger
    with ledger.write() as connection:
        pin = ledger_states.pin_of(connection, part.id, _GENERATION)
        if pin is not None:
            if pin.model_version != model_version:  # changed before anything was scored: the old one is not to be had
                ledger_states.change_pinned_model(connection, held, part.id, _GENERATION, model_version)
            return pin
        state = ledger_states.newest_state(connection, part.source, shift_hour(part.hour, -1))
        earlier = [other.id for other in parts_of_hour(connection, part.source, part.hour) if other.id < part.id]
        scored = latest_stages(connection, earlier, Stage.SCORED)
        # A part that went out unscored left no counters; the chain goes on from the last one that did.
        left = [
            (other, file.uri) for other in earlier if other in scored for file in scored[other].files_of("counters")
        ]
        previous, counters_uri = left[-1] if left else (None, None)
        pin = ledger_states.ScorePin(
            state_id=state.id if state else None,
            counters_uri=counters_uri,
            counters_part_id=previous,
            model_version=model_version,
        )
        ledger_states.record_pin(connection, held, part.id, _GENERATION, pin, ledger.now())
    return pin


def _run_model(
    runtime: Runtime,
    part: Part,
    parsed: StageResult,
    model: "RarityModel",
    pin: ledger_states.ScorePin,
    sealed: ledger_states.SealedState | None,
) -> _Scored:
    from s3sentinel_assets.ml import Counters, EntityState, score, scored_columns

    store = runtime.store
    state = EntityState.from_parquet(store.checked_path(sealed.uri, sealed.sha256)) if sealed else None
    counters = Counters.from_parquet(store.path(pin.counters_uri)) if pin.counters_uri else None
    scored = _Scored(counts={"model_version": model.version, "state_hour": sealed.hour if sealed else ""})
    folder = f"{part.source}/{part.hour}/scored"
    classes: dict[str, int] = {}
    columns = scored_columns(model.format)
    for file in parsed.files_of("entities"):
        batch = pl.read_parquet(store.checked_path(file.uri, file.sha256), columns=columns)
        result = score(batch, state, counters, model, hour=part.hour)
        counters = result.counters
        with store.create(folder, ".parquet") as writer:
            result.scores.write_parquet(writer.path, compression="zstd", statistics=False)
        scored.files.append(_file(writer.finished, "scores", result.scores.height, file.ordinal, file.format))
        for name, count in result.scores["Priority_CF"].value_counts().iter_rows():
            classes[name] = classes.get(name, 0) + count
    if counters is not None:
        with store.create(folder, ".parquet") as writer:
            counters.to_parquet(writer.path)
        scored.files.append(_file(writer.finished, "counters", counters.frame.height, 0, None))
    scored.counts |= {"scored": sum(classes.values()), "unscored": 0} | dict(sorted(classes.items()))
    return scored


def _file(stored: "StoredFile", kind: str, rows: int, ordinal: int, log_format: str | None) -> StageFile:
    return StageFile(kind, stored.uri, stored.sha256, stored.size, rows, ordinal, log_format)


def _add_up(summary: StageSummary, results: list[StageResult]) -> None:
    """Totals over the hour's parts; texts (model, state, reason) are kept as the last part has them."""
    summary.worked_seconds = sum(result.seconds for result in results)
    for result in sorted(results, key=lambda entry: entry.part_id):
        for name, value in result.counts.items():
            before = summary.counts.get(name, 0)
            if isinstance(value, int | float) and isinstance(before, int | float):
                summary.counts[name] = before + value
            else:
                summary.counts[name] = value
    if summary.counts.get("unscored"):
        summary.problems.append(
            f"{summary.counts['unscored']} events go out unscored: {summary.counts.get('unscored_because')}"
        )


def _most_urgent(
    runtime: Runtime, parts: list[Part], scored: dict[int, StageResult], rows: int = 10
) -> pl.DataFrame | None:
    """The hour's most urgent events, by priority, then by score: when, who, what, and why."""
    with runtime.ledger.read() as connection:
        parsed = latest_stages(connection, [part.id for part in parts if part.id in scored], Stage.PARSED)
    pairs = [
        (runtime.store.path(scores.uri), runtime.store.path(entities.uri))
        for part_id, result in parsed.items()
        for scores, entities in zip(scored[part_id].files_of("scores"), result.files_of("entities"), strict=False)
    ]
    if not pairs:
        return None
    rank = pl.col("Priority_CF").replace_strict(
        {name: place for place, name in enumerate(_URGENCY)}, default=len(_URGENCY), return_dtype=pl.Int32
    )
    top = (
        pl.concat(
            pl.scan_parquet(scores).select(*_RANKED, file=pl.lit(place, pl.Int32), row=pl.int_range(pl.len()))
            for place, (scores, _) in enumerate(pairs)
        )
        .sort(rank, -pl.col("AnomalyScore_CF"), nulls_last=True, maintain_order=True)
        .head(rows)
        .collect()
    )
    # Only the files that hold one of the ten are opened a second time, and only a few columns of them.
    found = [
        pl.scan_parquet(pairs[place][1])
        .select(pl.col(name).alias(label) for name, label in _WHO_AND_WHAT.items())
        .with_columns(file=pl.lit(place, pl.Int32), row=pl.int_range(pl.len()))
        .filter(pl.col("row").is_in(top.filter(pl.col("file") == place)["row"].implode()))
        .collect()
        for place in top["file"].unique().sort()
    ]
    if not found:
        return None
    shown = top.join(pl.concat(found), on=["file", "row"], how="left", maintain_order="left")
    return shown.select(
        "time",
        pl.col("Priority_CF").alias("priority"),
        pl.col("AnomalyScore_CF").alias("score"),
        "who",
        "what",
        pl.col("Reasons_CF").alias("why"),
        "source_ip",
        "target",
    )
