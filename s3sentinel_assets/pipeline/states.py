"""Seals and entity states: closing an hour, and learning from what it held.

A seal records that a listing begun after close and grace saw all there was. The state of a sealed hour counts every
parsed part up to it that no state has counted, in ledger order; what comes later enters the first state still to come.
A mixed source has a history for each log family that there is a model for, all of them in one state.
"""

import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from s3sentinel_assets.hours import hour_end, hour_key, hour_range, hour_start, shift_hour, utc_now
from s3sentinel_assets.ledger import hours as ledger_hours
from s3sentinel_assets.ledger import states as ledger_states
from s3sentinel_assets.ledger.engine import to_micros
from s3sentinel_assets.ledger.leases import hold_lease
from s3sentinel_assets.ledger.parts import Part, unlearned_parts
from s3sentinel_assets.ledger.schema import Stage
from s3sentinel_assets.ledger.stages import StageFile, latest_stages
from s3sentinel_assets.pipeline.discovery import list_into_ledger
from s3sentinel_assets.pipeline.histories import (
    joint_version,
    read_states,
    scored_families,
    suffix_of,
    write_histories,
)
from s3sentinel_assets.pipeline.runtime import Runtime
from s3sentinel_assets.pipeline.summary import StageSummary

if TYPE_CHECKING:
    from s3sentinel_assets.ml import EntityState

__all__ = ["advance_state", "hours_to_seal", "seal_hour"]


def hours_to_seal(runtime: Runtime, source: str, now: datetime | None = None) -> list[str]:
    """Hours that closed more than the grace ago and lack a seal or a state, oldest first.

    Counted from the first hour with an object on. A sealed hour that a later state has passed over lacks nothing.
    """
    now = now or utc_now()
    with runtime.ledger.read() as connection:
        first = ledger_hours.first_hour(connection, source)
        sealed = ledger_hours.sealed_hours(connection, source)
        newest = ledger_states.newest_state(connection, source, "9999")
    if first is None:
        return []
    wants_state = bool(scored_families(runtime.source(source)))
    reached = newest.hour if newest else ""
    last = shift_hour(hour_key(now - runtime.config.grace), -1)
    first = max(first, hour_key(runtime.config.start))
    return [hour for hour in hour_range(first, last) if hour not in sealed or (wants_state and hour > reached)]


def seal_hour(runtime: Runtime, source: str, hour: str) -> StageSummary:
    """Seals the hour if it may be: closed, grace passed, and listed after that (lists it if need be).

    Raises:
        UserError: S3 or the ledger cannot be reached.
    """
    began = time.monotonic()
    summary = StageSummary(source, hour)
    due = hour_end(hour) + runtime.config.grace
    with runtime.ledger.read() as connection:
        sealed = ledger_hours.is_sealed(connection, source, hour)
        listed_at = ledger_hours.listed_at(connection, source, hour)
    if sealed:
        summary.kept = 1
    elif utc_now() < due:
        summary.problems.append(f"hour {hour} of {source} is open; it can be sealed from {due:%Y-%m-%d %H:%M} UTC on")
    else:
        if listed_at is None or listed_at < to_micros(due):
            list_into_ledger(runtime, source, hour, hour)
        summary.done = int(ledger_hours.seal(runtime.ledger, source, hour))
    summary.counts["sealed"] = summary.done + summary.kept
    summary.seconds = time.monotonic() - began
    return summary


def _entity_files(runtime: Runtime, parts: list[Part]) -> list[StageFile]:
    """The entity files of the parts, in ledger order."""
    with runtime.ledger.read() as connection:
        parsed = latest_stages(connection, [part.id for part in parts], Stage.PARSED)
    return [file for part in parts if part.id in parsed for file in parsed[part.id].files_of("entities")]


def _read_each(runtime: Runtime, files: Iterable[StageFile], columns: list[str]) -> Iterator[pl.DataFrame]:
    """These columns of the files, file by file."""
    for file in files:
        yield pl.read_parquet(runtime.store.checked_path(file.uri, file.sha256), columns=columns)


def _learn(
    runtime: Runtime, source: str, hour: str, parts: list[Part], newest: ledger_states.SealedState | None
) -> "tuple[dict[str, EntityState], list[str]]":
    """The new states by log family, and the versions of their models.

    A source of one format always has one, a mixed source one for each family that it has had any event of.
    """
    from s3sentinel_assets.ml import learned_columns, update

    families = scored_families(runtime.source(source))
    previous = read_states(runtime.store.checked_path(newest.uri, newest.sha256)) if newest else {}
    files = _entity_files(runtime, parts)
    met = {*previous, *(file.format for file in files), *(families if len(families) == 1 else ())}
    states, versions = {}, []
    for family in (name for name in families if name in met):
        model = runtime.model(family)
        mine = (file for file in files if file.format == family)
        batches = _read_each(runtime, mine, learned_columns(family))
        states[family] = update(previous.get(family), batches, hour, format=family, model=model)
        versions.append(model.version)
    return states, versions


def advance_state(runtime: Runtime, source: str, hour: str) -> StageSummary:
    """Makes the state of a sealed hour; does nothing when it exists or a later one does."""
    began, ledger = time.monotonic(), runtime.ledger
    summary = StageSummary(source, hour)
    settings = runtime.source(source)
    if not scored_families(settings):
        summary.counts["no_model"] = 1  # its events go out unscored, and that is counted where they are scored
        return summary
    with hold_lease(ledger, f"state:{source}", runtime.worker, runtime.config.limits.lease_seconds) as held:
        if held is None:
            summary.busy = 1
            return summary
        with ledger.read() as connection:
            sealed = ledger_hours.is_sealed(connection, source, hour)
            newest = ledger_states.newest_state(connection, source, "9999")
            parts, waiting = unlearned_parts(connection, source, hour)
        summary.counts |= {"sealed": int(sealed), "parts": len(parts)}
        if newest is not None and newest.hour >= hour:
            summary.kept = int(newest.hour == hour)
            return _describe(runtime, summary, newest if newest.hour == hour else None, began)
        if not sealed:
            return _describe(runtime, summary, None, began)
        if waiting:
            summary.problems.append(
                f"hour {hour} of {source}: {waiting} parts are not parsed yet; materialise parsed_logs for it first"
            )
            return _describe(runtime, summary, None, began)
        states, versions = _learn(runtime, source, hour, parts, newest)
        with runtime.store.create(f"{source}/{hour}/state", suffix_of(settings)) as writer:
            write_histories(writer.path, settings, states)
        stored = writer.finished
        gap = _gap_hours(newest.hour, hour) if newest else 0
        with ledger.write() as connection:
            ledger.guard(connection, source)
            ledger_states.commit_state(
                connection,
                held,
                values={
                    "source": source,
                    "hour": hour,
                    "generation": 1,
                    "based_on": newest.id if newest else None,
                    "gap_hours": gap,
                    "uri": stored.uri,
                    "sha256": stored.sha256,
                    "keys": sum(state.keys for state in states.values()),
                    "events": sum(state.events for state in states.values()),
                    "parts": len(parts),
                    "code_version": joint_version(versions),
                    "sealed_at": ledger.now(),
                },
                part_ids=[part.id for part in parts],
            )
            made = ledger_states.newest_state(connection, source, hour)
        summary.done = 1
    return _describe(runtime, summary, made, began)


def _gap_hours(previous: str, hour: str) -> int:
    return int((hour_start(hour) - hour_start(previous)).total_seconds()) // 3_600 - 1


def _describe(
    runtime: Runtime, summary: StageSummary, state: ledger_states.SealedState | None, began: float
) -> StageSummary:
    if state is not None:
        summary.counts |= {
            "state_id": state.id,
            "keys": state.keys,
            "events": state.events,
            "parts": state.parts,
            "gap_hours": state.gap_hours,
            "bytes": runtime.store.path(state.uri).stat().st_size,
        }
    summary.seconds = time.monotonic() - began
    return summary
