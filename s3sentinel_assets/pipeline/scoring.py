"""Scoring a part: its entity view is scored with what is pinned, and counters are left for the next part of the hour.

A part of a mixed source has entity files of several formats. Each is scored by its own model against its own history;
those of formats without a model stay without scores. Every format gets patterns (``patterns``); scored events are
summed up by principal (``roll_up``).

Delivery never waits for this: whatever goes wrong, the events concerned go out unscored, with the reason, and counted.
"""

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from s3sentinel_assets.errors import UserError
from s3sentinel_assets.ledger.leases import Lease, hold_lease
from s3sentinel_assets.ledger.parts import Part, parts_of_hour
from s3sentinel_assets.ledger.schema import Stage
from s3sentinel_assets.ledger.stages import StageFile, StageResult, commit_stage, latest_stage, latest_stages
from s3sentinel_assets.pipeline.failures import tolerated
from s3sentinel_assets.pipeline.histories import joint_version, scored_families, suffix_of, write_histories
from s3sentinel_assets.pipeline.patterns import PatternRun
from s3sentinel_assets.pipeline.pins import pin_part
from s3sentinel_assets.pipeline.roll_up import WHY_WITHOUT, RollUp, roll_up_columns
from s3sentinel_assets.pipeline.runtime import Runtime
from s3sentinel_assets.pipeline.summary import StageSummary
from s3sentinel_assets.pipeline.urgent import most_urgent

if TYPE_CHECKING:
    from s3sentinel_assets.ml import Counters, EntityState
    from s3sentinel_assets.ml.scoring.model import ScoringModel
    from s3sentinel_assets.store import StoredFile

__all__ = ["score_hour", "score_parts"]

_GENERATION = 1
#: What counts of unscored events begin with, before the format's name: how many, and the reason.
_UNSCORED, _WHY = "unscored_", "why_unscored_"
#: How many keys were dropped from the in-hour counters.
_DROPPED = "counter_keys_dropped"


@dataclass
class _Run:
    """What one model made of its files: scores, what they say of principals, and the counters after them."""

    counters: "Counters | None"
    scores: list[pl.DataFrame] = field(default_factory=list)
    summaries: list[pl.DataFrame] = field(default_factory=list)
    crowded_out: int = 0


@dataclass
class _AddOns:
    """What is made beside the scores, and the part's files of rows by ordinal."""

    rows: dict[int, StageFile]
    patterns: PatternRun
    roll_up: RollUp

    def table(self, entities: StageFile) -> str:
        """The table of the rows that an entity file is about."""
        rows = self.rows.get(entities.ordinal)
        return (rows.table if rows else None) or ""


@dataclass
class _Scored:
    """What scoring one part made."""

    files: list[StageFile] = field(default_factory=list)
    classes: Counter[str] = field(default_factory=Counter)
    versions: list[str] = field(default_factory=list)
    state_hour: str = ""
    left_out: dict[str, tuple[int, str]] = field(default_factory=dict)
    more: dict[str, int | float | str] = field(default_factory=dict)
    without_file: int = 0

    def add(self, version: str, run: _Run) -> None:
        """Takes in what a model made."""
        self.versions.append(version)
        if run.crowded_out:
            self.more[_DROPPED] = run.crowded_out + int(self.more.get(_DROPPED, 0))
        for scores in run.scores:
            self.classes.update(dict(scores["Priority_CF"].value_counts().iter_rows()))

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
        counts |= dict(sorted(self.classes.items())) | self.more
        if self.without_file != counts["unscored"]:
            counts["without_score_file"] = self.without_file  # others have one, for their patterns
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
    summary.kept = sum(part.id in done for part in parts)
    score_parts(runtime, [part for part in parts if part.id not in done], summary)
    with runtime.ledger.read() as connection:
        results = latest_stages(connection, [part.id for part in parts], Stage.SCORED)
    _add_up(summary, list(results.values()))
    try:
        summary.preview = most_urgent(runtime, parts, results)
    except (OSError, UserError, pl.exceptions.PolarsError) as error:
        summary.problems.append(f"no preview: {error}")  # a look must not stop the work
    summary.seconds = time.monotonic() - began
    return summary


def score_parts(runtime: Runtime, parts: Iterable[Part], summary: StageSummary) -> None:
    """Scores parts, each hour's in the order given, and counts in ``summary`` what was done.

    Each part goes on from the counters of the one before it, so one worker at a time scores an hour: a part that were
    passed over because another worker holds it would be missing in all that come after.

    Raises:
        LeaseLostError: another worker took an hour over while it was scored.
        UserError: the ledger cannot be reached.
    """
    by_hour: dict[tuple[str, str], list[Part]] = {}
    for part in parts:
        by_hour.setdefault((part.source, part.hour), []).append(part)
    for (source, hour), each in by_hour.items():
        name, seconds = f"score:{source}:{hour}", runtime.config.limits.lease_seconds
        with hold_lease(runtime.ledger, name, runtime.worker, seconds) as held:
            if held is None:
                summary.busy += len(each)
                continue
            for part in each:
                _score_part(runtime, part, held, summary)


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
    by_format: dict[str, list[StageFile]] = {}
    for file in parsed.files_of("entities"):
        by_format.setdefault(file.format or "", []).append(file)
    scored = _Scored()
    models: dict[str, ScoringModel] = {}
    why: dict[str, str] = {}
    for log_format in by_format:
        with tolerated() as trouble:
            models[log_format] = _model(runtime, part.source, log_format)
        if trouble.why:
            why[log_format] = trouble.why
    # Trouble with the ledger is not the model's: it ends this run, and the next one scores.
    pinned = pin_part(runtime, part, held, models)
    rows = {file.ordinal: file for file in parsed.files_of("rows")}
    add_ons = _AddOns(rows, PatternRun(runtime, part, pinned.catalogue), RollUp(runtime, part, pinned.standing))
    states: Mapping[str, EntityState] = {}
    counters: dict[str, Counters] = {}
    if models:
        with tolerated() as trouble:
            states, counters = pinned.histories(runtime, part.source)
        if trouble.why:
            why |= dict.fromkeys(models, trouble.why)
    for log_format, files in by_format.items():
        run, model = None, pinned.models.get(log_format)
        if model is not None and log_format not in why:
            with tolerated() as trouble:
                run = _run_model(runtime, part, files, model, states.get(log_format), counters.get(log_format), add_ons)
            if trouble.why:
                why[log_format] = trouble.why
        if run is None or model is None:
            scored.leave_out(log_format, files, why[log_format])
        else:
            scored.add(model.version, run)
            add_ons.roll_up.add(run.summaries)
            if run.counters is not None:
                counters[log_format] = run.counters
        written = _write_scores(runtime, part, files, run.scores if run else None, add_ons)
        scored.files += written
        scored.without_file += sum(file.rows for file in files) - sum(file.rows for file in written)
    scored.files += add_ons.patterns.stage_files()
    scored.more |= add_ons.patterns.counts
    if scored.versions:
        scored.state_hour = pinned.state.hour if pinned.state else ""
        scored.files += _store_counters(runtime, part, counters) + add_ons.roll_up.stage_files()
        scored.more |= add_ons.roll_up.counts
    return scored


def _model(runtime: Runtime, source: str, log_format: str) -> "ScoringModel":
    from s3sentinel_assets.ml.parameters import ScoringUnavailable

    if log_format not in scored_families(runtime.source(source)):
        raise ScoringUnavailable(f"no model scores {log_format} events")
    return runtime.model(log_format)


def _run_model(
    runtime: Runtime,
    part: Part,
    files: list[StageFile],
    model: "ScoringModel",
    state: "EntityState | None",
    counters: "Counters | None",
    add_ons: "_AddOns",
) -> _Run:
    """Scores the entity files of one format, in order: all of them, or none."""
    from s3sentinel_assets.ml import score, scored_columns

    store, run = runtime.store, _Run(counters=counters)
    columns = roll_up_columns(scored_columns(model.format))
    limit = runtime.config.limits.hour_keys // len(scored_families(runtime.source(part.source)))
    for file in files:
        batch = pl.read_parquet(store.checked_path(file.uri, file.sha256), columns=columns)
        result = score(batch, state, run.counters, model, hour=part.hour, max_keys=limit)
        run.counters = result.counters
        run.crowded_out += result.counters.crowded_out
        run.scores.append(result.scores)
        run.summaries.append(add_ons.roll_up.summary(batch, result.scores, model, add_ons.table(file)))
    return run


def _write_scores(
    runtime: Runtime, part: Part, files: list[StageFile], scores: list[pl.DataFrame] | None, add_ons: "_AddOns"
) -> list[StageFile]:
    """Score files with patterns. Events that nobody scored have one if they have patterns at least."""
    written = []
    for place, file in enumerate(files):
        rows, frame = add_ons.rows.get(file.ordinal), scores[place] if scores is not None else None
        if rows is not None:
            frame = add_ons.patterns.add_patterns(rows, file, frame)
        if frame is None:
            continue
        with runtime.store.create(f"{part.source}/{part.hour}/scored", ".parquet") as writer:
            frame.write_parquet(writer.path, compression="zstd", statistics=False)
        written.append(_file(writer.finished, "scores", frame.height, file.ordinal, file.format))
    return written


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
    if dropped := summary.counts.get(_DROPPED):
        summary.problems.append(
            f"the hour has more than limits.hour_keys different things to count; the {dropped:,} counted least were "
            "dropped, and count as new when they come again"
        )
    if why := summary.counts.get(WHY_WITHOUT):
        summary.problems.append(f"what principals of the hour come to is not told: {why}")
