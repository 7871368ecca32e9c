"""Seals and entity states: closing an hour, and learning from what it held.

A seal records that a listing begun after close and grace saw all there was. The state of a sealed hour counts every
parsed part up to it that no state has counted, in ledger order; what comes later enters the first state still to come.
A mixed source has a history for each log family that there is a model for, all of them in one state.

Its parts are scored first, as far as there is a state before them: what went out as urgent is not learned at once
(``held``). At midnight, after a gap and whenever much has changed, a state is kept whole; in between only what changed
since the last whole one.
"""

import logging
import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from s3sentinel_assets.errors import LeaseLostError, UserError
from s3sentinel_assets.hours import hour_end, hour_key, hour_range, hour_start, shift_hour, utc_now
from s3sentinel_assets.ledger import hours as ledger_hours
from s3sentinel_assets.ledger import states as ledger_states
from s3sentinel_assets.ledger.engine import to_micros
from s3sentinel_assets.ledger.held import record_held
from s3sentinel_assets.ledger.leases import Lease, hold_lease
from s3sentinel_assets.ledger.parts import Part, unlearned_parts
from s3sentinel_assets.ledger.schema import Stage
from s3sentinel_assets.ledger.stages import latest_stages
from s3sentinel_assets.pipeline.discovery import list_into_ledger
from s3sentinel_assets.pipeline.histories import scored_families, suffix_of, write_histories
from s3sentinel_assets.pipeline.learning import Learned, learn
from s3sentinel_assets.pipeline.restoring import restore, unreadable
from s3sentinel_assets.pipeline.runtime import Runtime
from s3sentinel_assets.pipeline.scoring import score_parts
from s3sentinel_assets.pipeline.summary import StageSummary

if TYPE_CHECKING:
    from s3sentinel_assets.ml import EntityState
    from s3sentinel_assets.ml.history.deltas import StateChanges
    from s3sentinel_assets.store import StoredFile

__all__ = ["advance_state", "hours_to_seal", "seal_hour"]

_log = logging.getLogger(__name__)

_MIDNIGHT = "-00:00"
#: From this share of the keys of the whole state on, changes are no saving any more.
_CHANGED_SHARE = 0.5


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


def advance_state(runtime: Runtime, source: str, hour: str) -> StageSummary:
    """Makes the state of a sealed hour; does nothing when it exists or a later one does.

    Raises:
        ScoringUnavailable: the state before is damaged, and one before that was given up.
        UserError: a stage file is missing or damaged, also one to make the state before again; a model is wrong, or
            the ledger cannot be reached.
    """
    began, ledger = time.monotonic(), runtime.ledger
    summary = StageSummary(source, hour)
    if not scored_families(runtime.source(source)):
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
        if not _score_first(runtime, source, parts, summary):
            return _describe(runtime, summary, None, began)
        made = _make(runtime, source, hour, parts, newest, held, summary)
        summary.done = 1
    return _describe(runtime, summary, made, began)


def _score_first(runtime: Runtime, source: str, parts: list[Part], summary: StageSummary) -> bool:
    """Scores what is not scored yet and has a history: only then is it known which events are urgent.

    Returns:
        False while another worker scores one of the parts: its outcome is about to be known. Whatever else goes wrong
        is told and keeps no state waiting; what is unscored is learned.
    """
    with runtime.ledger.read() as connection:
        done = latest_stages(connection, [part.id for part in parts], Stage.SCORED)
        todo = [
            part
            for part in parts
            if part.id not in done
            and ledger_states.newest_state(connection, source, shift_hour(part.hour, -1)) is not None
        ]
    if not todo:
        return True
    scored = StageSummary(source, summary.hour)
    try:
        score_parts(runtime, todo, scored)
    except LeaseLostError:
        scored.busy += 1
    except Exception as error:  # noqa: BLE001 - told in the problems; no state waits for scores
        _log.exception("unforeseen while scoring %s before its state", source)
        summary.problems.append(f"events were learned unscored: {type(error).__name__}: {error}")
    if scored.busy:
        summary.busy = 1
        summary.problems.append(f"{scored.busy} parts of {source} {summary.hour} are being scored by another run")
    return not scored.busy


@dataclass
class _Kept:
    """A state's file, and the whole state that it builds on; None if it is whole itself."""

    stored: "StoredFile"
    whole_id: int | None


def _make(
    runtime: Runtime,
    source: str,
    hour: str,
    parts: list[Part],
    newest: ledger_states.SealedState | None,
    held: Lease,
    summary: StageSummary,
) -> ledger_states.SealedState | None:
    """Learns, writes the state, and records it with all that was decided."""
    from s3sentinel_assets.ml.parameters import ScoringUnavailable

    ledger = runtime.ledger
    try:
        learned = learn(runtime, source, hour, parts, newest)
    except (OSError, ScoringUnavailable, UserError):
        if newest is None or not unreadable(runtime, newest):
            raise
        summary.problems += restore(runtime, newest, held)
        with ledger.read() as connection:
            newest = ledger_states.state_by_id(connection, newest.id)
        learned = learn(runtime, source, hour, parts, newest)
    gap = _gap_hours(newest.hour, hour) if newest else 0
    kept = _write(runtime, source, hour, learned, newest, gap)
    with ledger.write() as connection:
        ledger.guard(connection, source)
        state_id = ledger_states.commit_state(
            connection,
            held,
            values={
                "source": source,
                "hour": hour,
                "generation": 1,
                "based_on": newest.id if newest else None,
                "whole_id": kept.whole_id,
                "gap_hours": gap,
                "uri": kept.stored.uri,
                "sha256": kept.stored.sha256,
                "keys": sum(state.keys for state in learned.states.values()),
                "events": sum(state.events for state in learned.states.values()),
                "parts": len(parts),
                "code_version": learned.code_version,
                "sealed_at": ledger.now(),
            },
            part_ids=[part.id for part in parts],
        )
        record_held(connection, source, hour, state_id, learned.holding.rows)
        learned.release.commit(connection, state_id)
        made = ledger_states.newest_state(connection, source, hour)
    summary.counts |= {"held_events": learned.holding.events} | {
        f"held_events_{outcome}": events for outcome, events in sorted(learned.release.counts.items())
    }
    if crowded_out := sum(state.crowded_out for state in learned.states.values()):
        summary.counts["keys_dropped"] = crowded_out
        summary.problems.append(
            f"the history of {source} has more than limits.state_keys keys; the {crowded_out:,} faintest were dropped"
        )
    return made


def _write(
    runtime: Runtime, source: str, hour: str, learned: Learned, newest: ledger_states.SealedState | None, gap: int
) -> _Kept:
    """Writes the state, whole or as changes."""
    settings = runtime.source(source)
    snapshots: dict[str, EntityState | StateChanges] | None = None
    if newest is not None and not gap and not hour.endswith(_MIDNIGHT):
        snapshots = _changes(learned)
    with runtime.store.create(f"{source}/{hour}/state", suffix_of(settings)) as writer:
        write_histories(writer.path, settings, snapshots if snapshots is not None else learned.states)
    if snapshots is None or newest is None:
        return _Kept(writer.finished, None)
    return _Kept(writer.finished, newest.id if newest.whole_id is None else newest.whole_id)


def _changes(learned: Learned) -> "dict[str, EntityState | StateChanges] | None":
    """What changed since the whole state; None where a whole one is as good."""
    from s3sentinel_assets.ml.history.deltas import changes_since

    snapshots: dict[str, EntityState | StateChanges] = {}
    written = keys = 0
    for family, state in learned.states.items():
        whole = learned.previous.whole.get(family)
        changes = changes_since(state, whole) if whole is not None else None
        if whole is not None and changes is None:
            return None
        snapshots[family] = changes if changes is not None else state
        written += changes.frame.height if changes is not None else state.keys
        keys += whole.keys if whole is not None else 0
    return snapshots if written <= _CHANGED_SHARE * keys else None


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
            "whole": int(state.whole_id is None),
        }
    summary.seconds = time.monotonic() - began
    return summary
