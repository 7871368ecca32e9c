"""Scoring a part: pin what it reads, score its entity view, leave counters for the next part of the hour.

A part of a mixed source has entity files of several formats. Each is scored by its own model against its own history;
those of formats without a model stay without scores.

Delivery never waits for this: whatever goes wrong, the events concerned go out unscored, with the reason, and counted.
"""

import time
from collections import Counter
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
from s3sentinel_assets.pipeline.histories import (
    joint_version,
    read_counters,
    read_states,
    scored_families,
    suffix_of,
    write_histories,
)
from s3sentinel_assets.pipeline.runtime import Runtime
from s3sentinel_assets.pipeline.summary import StageSummary
from s3sentinel_assets.pipeline.urgent import most_urgent

if TYPE_CHECKING:
    from s3sentinel_assets.ml import Counters, EntityState
    from s3sentinel_assets.ml.scoring.model import RarityModel
    from s3sentinel_assets.store import StoredFile

__all__ = ["score_hour"]

_GENERATION = 1
#: What counts of unscored events begin with, before the format's name: how many, and the reason.
_UNSCORED, _WHY = "unscored_", "why_unscored_"
#: What may go wrong in a model without being wrong elsewhere.
_FAILURES = (pl.exceptions.PolarsError, ArithmeticError, LookupError, OSError, TypeError, UserError, ValueError)


@dataclass
class _Run:
    """What one model made of its files: score files, events by priority, and the counters after them."""

    counters: "Counters | None"
    files: list[StageFile] = field(default_factory=list)
    classes: Counter[str] = field(default_factory=Counter)


@dataclass
class _Scored:
    """What scoring one part made."""

    files: list[StageFile] = field(default_factory=list)
    classes: Counter[str] = field(default_factory=Counter)
    versions: list[str] = field(default_factory=list)
    state_hour: str = ""
    left_out: dict[str, tuple[int, str]] = field(default_factory=dict)

    def add(self, version: str, run: _Run) -> None:
        """Takes in what a model made."""
        self.versions.append(version)
        self.files += run.files
        self.classes += run.classes

    def leave_out(self, log_format: str, files: list[StageFile], why: str) -> None:
        """Notes that the events of a format go out unscored."""
        self.left_out[log_format] = (sum(file.rows for file in files), why)

    @property
    def counts(self) -> dict[str, int | float | str]:
        """For the ledger and the UI."""
        counts: dict[str, int | float | str] = {}
        if self.versions:
            counts |= {"model_version": ", ".join(self.versions), "state_hour": self.state_hour}
        counts |= {"scored": self.classes.total(), "unscored": sum(rows for rows, _ in self.left_out.values())}
        counts |= dict(sorted(self.classes.items()))
        for log_format, (rows, why) in self.left_out.items():
            counts |= {_UNSCORED + log_format: rows, _WHY + log_format: why}
        return counts


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
        summary.preview = most_urgent(runtime, parts, results)
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
            code_version=joint_version(scored.versions),
            files=scored.files,
            counts=scored.counts,
            seconds=time.monotonic() - began,
            now=ledger.now(),
        )
    summary.done += 1


def _scored_or_not(runtime: Runtime, part: Part, parsed: StageResult, held: Lease) -> _Scored:
    """Scores what can be, and says why the rest could not: an unscored event that arrives beats one that does not."""
    from s3sentinel_assets.ml.parameters import ScoringUnavailable

    by_format: dict[str, list[StageFile]] = {}
    for file in parsed.files_of("entities"):
        by_format.setdefault(file.format or "", []).append(file)
    scored = _Scored()
    models: dict[str, RarityModel] = {}
    for log_format, files in by_format.items():
        try:
            models[log_format] = _model(runtime, part.source, log_format)
        except (ScoringUnavailable, UserError) as reason:
            scored.leave_out(log_format, files, str(reason))
    if not models:
        return scored
    # Trouble with the ledger is not the model's: it ends this run, and the next one scores.
    pin = _pin(runtime, part, held, joint_version(model.version for model in models.values()))
    with runtime.ledger.read() as connection:
        sealed = ledger_states.state_by_id(connection, pin.state_id) if pin.state_id else None
    try:
        states, counters = _histories(runtime, part.source, pin, sealed)
    except (ScoringUnavailable, *_FAILURES) as error:
        for log_format in models:
            scored.leave_out(log_format, by_format[log_format], _sentence(error))
        return scored
    for log_format, model in models.items():
        files = by_format[log_format]
        try:
            run = _run_model(runtime, part, files, model, states.get(log_format), counters.get(log_format))
        except (ScoringUnavailable, *_FAILURES) as error:
            scored.leave_out(log_format, files, _sentence(error))
            continue
        scored.add(model.version, run)
        if run.counters is not None:
            counters[log_format] = run.counters
    if scored.versions:
        scored.state_hour = sealed.hour if sealed else ""
        scored.files += _store_counters(runtime, part, counters)
    return scored


def _sentence(error: Exception) -> str:
    from s3sentinel_assets.ml.parameters import ScoringUnavailable

    if isinstance(error, ScoringUnavailable):
        return str(error)
    return f"{type(error).__name__}: {error}".splitlines()[0][:300]


def _model(runtime: Runtime, source: str, log_format: str) -> "RarityModel":
    from s3sentinel_assets.ml.parameters import ScoringUnavailable

    if log_format not in scored_families(runtime.source(source)):
        raise ScoringUnavailable(f"no model scores {log_format} events")
    return runtime.model(log_format)


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


def _histories(
    runtime: Runtime, source: str, pin: ledger_states.ScorePin, sealed: ledger_states.SealedState | None
) -> "tuple[dict[str, EntityState], dict[str, Counters]]":
    """The pinned states and counters by log family."""
    store, families = runtime.store, scored_families(runtime.source(source))
    states = read_states(store.checked_path(sealed.uri, sealed.sha256)) if sealed else {}
    counters = read_counters(store.path(pin.counters_uri), families) if pin.counters_uri else {}
    return states, counters


def _run_model(
    runtime: Runtime,
    part: Part,
    files: list[StageFile],
    model: "RarityModel",
    state: "EntityState | None",
    counters: "Counters | None",
) -> _Run:
    """Scores the entity files of one format, in order."""
    from s3sentinel_assets.ml import score, scored_columns

    store, run = runtime.store, _Run(counters=counters)
    columns = scored_columns(model.format)
    for file in files:
        batch = pl.read_parquet(store.checked_path(file.uri, file.sha256), columns=columns)
        result = score(batch, state, run.counters, model, hour=part.hour)
        run.counters = result.counters
        with store.create(f"{part.source}/{part.hour}/scored", ".parquet") as writer:
            result.scores.write_parquet(writer.path, compression="zstd", statistics=False)
        run.files.append(_file(writer.finished, "scores", result.scores.height, file.ordinal, file.format))
        run.classes.update(dict(result.scores["Priority_CF"].value_counts().iter_rows()))
    return run


def _store_counters(runtime: Runtime, part: Part, counters: "dict[str, Counters]") -> list[StageFile]:
    """Leaves the counters of all families for the next part: those that this part did not touch are carried on."""
    source = runtime.source(part.source)
    left = {family: counters[family] for family in scored_families(source) if family in counters}
    if not left:
        return []
    with runtime.store.create(f"{part.source}/{part.hour}/scored", suffix_of(source)) as writer:
        write_histories(writer.path, source, left)
    return [_file(writer.finished, "counters", sum(each.frame.height for each in left.values()), 0, None)]


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
    from s3sentinel_assets.ml.history.keys import FORMATS

    # That there is no model for a format is no problem of the hour: it is among the counts.
    summary.problems += [
        f"{rows} events of {log_format} go out unscored: {summary.counts.get(_WHY + log_format)}"
        for log_format in FORMATS
        if (rows := summary.counts.get(_UNSCORED + log_format))
    ]
